import keras
import numpy as np
import pytest

from tfdomain.errors import InputError
from tfdomain.optimization.schedules import WarmupLinearDecay


def rates(schedule, num_steps):
    return np.array([float(schedule(step)) for step in range(num_steps + 3)])


@pytest.mark.parametrize(("num_steps", "num_warmup_steps"), [(10, 0), (10, 3), (10, 10), (1, 0), (1, 1), (7, 1)])
def test_values_are_those_of_the_closed_form(num_steps, num_warmup_steps):
    expected = []
    for step in range(num_steps + 3):
        if step < num_warmup_steps:
            expected.append(2e-5 * step / num_warmup_steps)
        else:
            expected.append(2e-5 * max(0.0, (num_steps - step) / max(1, num_steps - num_warmup_steps)))
    actual = rates(WarmupLinearDecay(2e-5, num_steps, num_warmup_steps), num_steps)
    np.testing.assert_allclose(actual, expected, atol=1e-11)


def test_values_are_those_of_transformers():
    # What transformers' get_linear_schedule_with_warmup gives for 8 steps, 3 of them warm-up, printed once.
    expected = [0, 1 / 3, 2 / 3, 1, 0.8, 0.6, 0.4, 0.2, 0]
    actual = rates(WarmupLinearDecay(1.0, 8, 3), 8)[:9]
    np.testing.assert_allclose(actual, expected, atol=1e-6)


def test_a_long_run_ends_at_zero():
    schedule = WarmupLinearDecay(1e-4, 1_000_003, 100_000)
    assert float(schedule(1_000_003)) == 0
    assert 0 < float(schedule(1_000_002)) < 2e-10


def test_more_warmup_than_steps_is_refused():
    with pytest.raises(InputError, match=r"11 warm-up steps do not fit into 10 steps; lower training\.warmup_rate"):
        WarmupLinearDecay(1e-4, 10, 11)


@pytest.mark.parametrize("peak", [0, -1.0])
def test_a_rate_that_trains_nothing_is_refused(peak):
    with pytest.raises(InputError, match="give a number above 0"):
        WarmupLinearDecay(peak, 10)


def test_config_round_trip():
    schedule = WarmupLinearDecay(3e-5, 20, 4)
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(schedule))
    np.testing.assert_array_equal(rates(again, 20), rates(schedule, 20))
