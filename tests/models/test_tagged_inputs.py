import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from tfdomain.data.tag_schemes import Entity
from tfdomain.data.tagged_examples import Annotation
from tfdomain.errors import InputError
from tfdomain.models.tagged_inputs import annotations_of, holds_words, tagged_texts

TEXTS = ["Take aspirin daily", "没有 😀药", ""]
SPANS = [[("dose", 13, 18), ("drug", 5, 12)], [("药", 4, 5)], []]
SORTED = [[Entity("drug", 5, 12), Entity("dose", 13, 18)], [Entity("药", 4, 5)], []]


@pytest.mark.parametrize("x", [TEXTS, np.array(TEXTS), pd.Series(TEXTS), pa.array(TEXTS), {"text": TEXTS}])
def test_texts_of_every_kind(x):
    texts, annotations, joiner = tagged_texts(x, SPANS)
    assert texts is x
    assert annotations == [Annotation(entities, None) for entities in SORTED]
    assert joiner is None


def test_entities_of_every_kind():
    keyed = [[{"label": label, "start": start, "end": end, "note": 1} for label, start, end in row] for row in SPANS]
    numbers = [[(label, np.int64(start), np.int32(end)) for label, start, end in row] for row in SPANS]
    for y in (SPANS, keyed, numbers, SORTED, [list(map(list, row)) for row in SPANS], annotations_of(SPANS)):
        assert [each.entities for each in annotations_of(y)] == SORTED


@pytest.mark.parametrize(
    "tags",
    [
        [["O", "B-drug", "I-drug"], ["B-drug"]],
        [["O", "I-drug", "I-drug"], ["I-drug"]],
        [["O", "B-drug", "E-drug"], ["S-drug"]],
        [["O", "B_drug", "L_drug"], ["U_drug"]],
    ],
    ids=["iob2", "io", "bioes", "bilou"],
)
def test_words_become_texts_and_tags_places(tags):
    texts, annotations, joiner = tagged_texts([["no", "acetyl", "salicylate"], ["aspirin"]], tags)
    assert (texts, joiner) == (["no acetyl salicylate", "aspirin"], " ")
    assert annotations == [
        Annotation([Entity("drug", 3, 20)], [(0, 2), (3, 9), (10, 20)]),
        Annotation([Entity("drug", 0, 7)], [(0, 7)]),
    ]


def test_chinese_words_are_joined_by_nothing_unless_told():
    words, tags = [["彭", "小", "军", "在", "GDP"]], [["B-name", "I-name", "I-name", "O", "O"]]
    assert tagged_texts(words).x == ["彭小军在GDP"]
    assert tagged_texts(words, tags).annotations[0].entities == [Entity("name", 0, 3)]
    assert tagged_texts(words, tags, joiner=" ").annotations[0].entities == [Entity("name", 0, 5)]


def test_what_is_words():
    assert holds_words([["a"], []])
    assert holds_words(pd.Series([["a", "b"]]))
    assert not any(map(holds_words, (TEXTS, "a", [], {"text": TEXTS}, (["a"], ["b"]), pa.array(TEXTS))))


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        (["a b"], [[("x", 0, 9)]], r"^y\[0\]: 'x' at 0:9 lies outside the text of 3 characters; mend the span"),
        (["a b"], [[("x", -1, 2)]], r"^y\[0\]: 'x' at -1:2 lies outside the text"),
        (["ok", "a b"], [[], [("x", 1, 1)]], r"^y\[1\]: 'x' at 1:1 is empty"),
        (["a b"], [[("x", 2, 1)]], "ends before it starts"),
        (["e\u0301t"], [[("x", 0, 1)]], r"^y\[0\]: .* cuts a character at 1"),
        (["👩\u200d⚕ x"], [[("x", 2, 5)]], "cuts a character at 2"),
        (["a b c"], [[("x", 0, 3), ("y", 2, 5)]], r"^y\[0\]: 'x' at 0:3 \('a b'\) overlaps 'y' at 2:5.*keep_longest"),
        (["a"], [[("x", 0, 1)], []], r"^y: 2 for 1 texts; give one a text"),
        (["a"], ["x"], r"^y\[0\]: 'x' is no list of entities; give \(label, start, end\) for each"),
        (["a"], [[("x", 0)]], r"^y\[0\]: \('x', 0\) is no entity; give \(label, start, end\)"),
        (["a"], [[{"label": "x", "start": 0}]], "is no entity"),
        (["a"], [[(0, 1, "x")]], "is no entity"),
        (["a"], "x", r"^y: is no list with the entities of each text"),
        ([["a", "b"]], [["O"]], r"^y\[0\]: 1 tags for 2 words; give a tag a word"),
        ([["a", "b"]], [["O", "O"], []], r"^y: 2 for 1 texts"),
        ([["a", "b"]], [["O", 1]], r"^y\[0\]\[1\]: 1 is no tag"),
        ([["a", "b"]], [["O", "x"]], r"^y: unknown tag 'x'"),
        (
            [["a", "b"], ["c", "d"]],
            [["B-x", "O"], ["O", "I-x"]],
            r"^y\[1\]: 'I-x' after 'O' \(illegal in iob2\); .*rep",
        ),
        ([["a", ""]], None, r"^x\[0\]\[1\]: '' is no word"),
        ([["a"], "b"], None, r"^x\[1\]: 'b' is no list of words; give texts alone, or words alone"),
        ([["a"]], ["O"], r"^y\[0\]: 'O' is no list of tags"),
    ],
)
def test_what_does_not_fit_is_one_line(x, y, message):
    with pytest.raises(InputError, match=message) as caught:
        tagged_texts(x, y)
    assert "\n" not in str(caught.value)
