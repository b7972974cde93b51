import numpy as np
import pytest

from tfdomain.errors import InputError
from tfdomain.metrics.weights import checked_weight, mean_of_defined


def test_no_weights_are_ones_and_weights_become_float64():
    np.testing.assert_array_equal(checked_weight(None, 3), [1, 1, 1])
    assert checked_weight([2, 0], 2).dtype == np.float64


@pytest.mark.parametrize("weight", [[1.0], [1.0, -1.0], [1.0, np.nan], [1.0, np.inf], [[1.0, 1.0]]])
def test_weights_that_do_not_fit_are_refused(weight):
    with pytest.raises(InputError, match="one finite number of at least 0 for each row"):
        checked_weight(weight, 2)


def test_a_mean_leaves_out_what_is_undefined_or_weighs_nothing():
    assert mean_of_defined([1.0, None, 3.0]) == 2.0
    assert mean_of_defined([1.0, None, 3.0], [3, 9, 1]) == 1.5
    assert mean_of_defined([]) is mean_of_defined([None]) is mean_of_defined([1.0, None], [0, 1]) is None
