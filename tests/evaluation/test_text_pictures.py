import io
import warnings

import numpy as np
from matplotlib import image

from tfdomain.evaluation.text_pictures import attention_png, lengths_png


def pixels(png):
    return image.imread(io.BytesIO(png))


def test_more_attention_is_darker():
    weights = np.array([[0.9, 0.1], [0.2, 0.8]])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        picture = pixels(attention_png([weights], [["[CLS]", "信用"]]))
        swapped = pixels(attention_png([weights[::-1]], [["[CLS]", "信用"]]))
    height, width = picture.shape[0] // 4, picture.shape[1] // 3
    assert picture.shape == swapped.shape
    assert picture[height, width, 0] < swapped[height, width, 0]


def test_texts_side_by_side():
    one = pixels(attention_png([np.eye(3)], [["a", "b", "c"]]))
    four = pixels(attention_png([np.eye(3)] * 4, [["a", "b", "c"]] * 4))
    assert four.shape[0] > 1.8 * one.shape[0] and four.shape[1] > 1.8 * one.shape[1]


def test_lengths_of_any_range_have_a_picture():
    for lengths in ([1], [3, 3, 3, 9], np.arange(1, 5000)):
        assert pixels(lengths_png(lengths, 128)).shape[1] > 400
