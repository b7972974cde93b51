import numpy as np
import pytest
import tensorflow as tf

from tfdomain.errors import InputError
from tfdomain.models.answer_labels import answer_labels, check_answers

CONTEXT = "北京😀是中国的首都。Beijing"


def refusal(function, *arguments) -> str:
    with pytest.raises(InputError) as caught:
        function(*arguments)
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_texts_and_spans_give_the_same_array():
    by_text = answer_labels([[("😀", 2), ("首都", 7)], [], [("Beijing", 10)]])
    by_span = answer_labels([[(2, 3), (7, 9)], (), [[10, 17]]])
    assert by_text.dtype == np.int32
    assert by_text.tolist() == [[[2, 3], [7, 9]], [[0, 0], [0, 0]], [[10, 17], [0, 0]]]
    np.testing.assert_array_equal(by_text, by_span)
    np.testing.assert_array_equal(answer_labels(by_text), by_text)
    np.testing.assert_array_equal(answer_labels(tf.constant(by_text)), by_text)


def test_no_answers_at_all_keep_a_place():
    assert answer_labels([[], []]).tolist() == [[[0, 0]], [[0, 0]]]
    assert answer_labels([]).shape == (0, 1, 2)


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        ("text", "y: answers are str"),
        ([[(0, 1)], None], "y[1]: None is no list of answers"),
        (["Paris"], "y[0]: 'Paris' is no list of answers"),
        ([(3, 5)], "y[0][0]: 3 is no answer"),
        ([[("Paris",)]], "y[0][0]: ('Paris',) is no answer"),
        ([[("Paris", "3")]], "y[0][0]: ('Paris', '3') is no answer"),
        ([[(0, True)]], "y[0][0]: (0, True) is no answer"),
        ([[(1.5, 2)]], "y[0][0]: (1.5, 2) is no answer"),
        ([[(5, 5)]], "y[0][0]: the answer (5, 5) is at characters 5 to 5"),
        ([[("", 5)]], "y[0][0]: the answer ('', 5) is at characters 5 to 5"),
        ([[(0, 1), (-1, 4)]], "y[0][1]: the answer (-1, 4) is at characters -1 to 4"),
        (np.zeros([2, 2], int), "y: answers of the shape [2, 2]"),
        (np.array([[[0, 0], [4, 2]]]), "y[0][1]: the answer is at characters 4 to 2"),
    ],
)
def test_wrong_forms(answers, expected):
    assert refusal(answer_labels, answers).startswith(expected)


def test_answers_are_looked_up_in_their_contexts():
    check_answers([[("😀", 2), (7, 9)], []], [CONTEXT, ""])
    check_answers(np.array([[[0, 17]]]), [CONTEXT])
    message = refusal(check_answers, [[("首都", 6)]], [CONTEXT])
    assert message.startswith("y[0]: the answer '首都' is not at character 6 of its context")
    assert "it is at 7" in message
    assert "it is nowhere in it" in refusal(check_answers, [[], [("东京", 0)]], ["", CONTEXT])
    message = refusal(check_answers, np.array([[[0, 18]]]), [CONTEXT])
    assert message.startswith("y[0]: an answer ends at character 18 of a context of 17")
