import io
import subprocess
import sys
import warnings

import numpy as np
import pytest
from matplotlib import image

from tfdomain.errors import InputError
from tfdomain.evaluation.figures import confusion_matrix_png


def pixels(matrix, names):
    """The picture as float `[height, width, 4]`; a warning is an error."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return image.imread(io.BytesIO(confusion_matrix_png(matrix, names)))


def diagonal(num_classes):
    return np.eye(num_classes, dtype=int) * 40


@pytest.mark.parametrize("num_classes", [1, 2, 25, 26, 77, 150])
def test_any_number_of_classes_gives_a_picture_of_readable_size(num_classes):
    picture = pixels(diagonal(num_classes), [f"class {index}" for index in range(num_classes)])
    assert 400 < picture.shape[0] < 2300 and 400 < picture.shape[1] < 2400


def test_each_of_77_names_has_its_own_rows():
    # A name needs 8 pixels to be read: the cells alone must be that high.
    picture = pixels(diagonal(77), ["n" * 60] * 77)
    assert picture.shape[0] > 77 * 12


def test_the_colour_is_the_share_of_the_row():
    dark, pale = pixels([[9, 1], [1, 9]], ["a", "b"]), pixels([[900, 100], [1, 9]], ["a", "b"])
    height, width = dark.shape[0] // 8, dark.shape[1] // 8
    assert dark.shape == pale.shape
    # Off the counts' digits, at a quarter of the picture, the colours are the same.
    np.testing.assert_array_equal(dark[height, 2 * width], pale[height, 2 * width])
    assert dark[height, 2 * width, 0] < 0.3  # the diagonal is dark blue


@pytest.mark.parametrize(
    "names",
    [
        ["好评", "差评"],
        ["긍정", "日本語"],
        ["\U00012000", "\U0010fffd"],
        ["🙂", "مرحبا"],
        ["$x^", "a\nb\x00"],
        ["", "  "],
        ["é́̀", "\\frac{"],
    ],
)
def test_any_name_is_drawn_or_numbered_without_a_warning(names):
    assert pixels(diagonal(2), names).shape[0] > 300


def test_weighted_empty_and_unseen_rows_are_drawn():
    assert pixels([[0.25, 1.5], [0.0, 0.0]], ["a", "b"]).shape[0] > 300
    assert pixels(np.zeros((3, 3)), ["a", "b", "c"]).shape[0] > 300


def test_two_runs_give_the_same_bytes():
    assert confusion_matrix_png(diagonal(3), list("abc")) == confusion_matrix_png(diagonal(3), list("abc"))


@pytest.mark.parametrize(("matrix", "names"), [([[1]], ["a", "b"]), ([[1, 2]], ["a"]), (np.zeros((0, 0)), [])])
def test_a_matrix_that_does_not_fit_is_refused(matrix, names):
    with pytest.raises(InputError, match="the confusion matrix has the shape"):
        confusion_matrix_png(matrix, names)


def test_neither_pyplot_nor_tensorflow_is_imported():
    code = (
        "import sys, tfdomain.evaluation.figures, tfdomain.evaluation.report;"
        "sys.exit('matplotlib.pyplot' in sys.modules or 'tensorflow' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
