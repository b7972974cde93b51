import numpy as np
import pytest

from tfdomain.config import EXPERIMENTS
from tfdomain.data.examples import Reading
from tfdomain.data.readers import read_examples
from tfdomain.data.tag_schemes import Entity
from tfdomain.data.tagged_examples import Annotation, entity_array
from tfdomain.errors import InputError

TRAIN = "He\tO\ntook\tO\naspirin\tB-drug\n\nno\tO\nfever\tB-sign\n"
HELD_OUT = "fever\tB-sign\n\nno\tO\nbleeding\tB-event\nfever\tB-sign\n\naspirin\tB-drug\n"


def read(path, content, reading=None, **data):
    path.write_text(content, encoding="utf-8")
    section = EXPERIMENTS["tagging"].model_fields["data"].annotation(train=str(path), **data)
    return read_examples("tagging", [path], section, reading or Reading(for_training=True))


def test_a_conll_file_needs_nothing_but_its_name(tmp_path):
    examples = read(tmp_path / "train.tsv", TRAIN)
    assert len(examples) == 2
    assert examples.inputs.to_pylist() == ["He took aspirin", "no fever"]
    assert examples.learn() == {"labels": ["drug", "sign"], "joiner": " "}
    encoded = examples.encode(examples.learn(), Reading())
    assert encoded.labels.dtype == np.int32
    assert encoded.labels.tolist() == [[[8, 15, 0]], [[3, 8, 1]]]
    assert encoded.truth[1] == Annotation([Entity("sign", 3, 8)], [(0, 2), (3, 8)])
    assert encoded.rows is examples.strata() is None
    assert examples.remarks() == []


def test_span_records(tmp_path):
    text = '{"text": "去台湾😀", "label": {"address": {"台湾": [[1, 2]]}}}\n{"text": "好", "label": {}}\n'
    examples = read(tmp_path / "train.jsonl", text)
    assert examples.learn() == {"labels": ["address"], "joiner": None}
    encoded = examples.encode(examples.learn(), Reading())
    assert encoded.labels.tolist() == [[[1, 3, 0]], [[0, 0, 0]]]
    assert encoded.truth == [Annotation([Entity("address", 1, 3)]), Annotation([])]


def test_labels_that_training_did_not_have(tmp_path):
    head = read(tmp_path / "train.tsv", TRAIN).learn()
    examples = read(tmp_path / "test.tsv", HELD_OUT)
    with pytest.raises(
        InputError, match=r"label 'event' was never seen in training; .*`data.on_bad_row: skip`"
    ) as caught:
        examples.encode(head, Reading())
    assert f"{tmp_path / 'test.tsv'}: line 3" in str(caught.value)
    encoded = examples.encode(head, Reading(on_bad_row="skip"))
    assert encoded.rows.tolist() == [0, 2]
    assert encoded.labels[[0, 2]].tolist() == [[[0, 5, 1]], [[0, 7, 0]]]
    with pytest.raises(InputError, match="'event' was never seen"):
        read(tmp_path / "none.tsv", "bleeding\tB-event\n").encode(head, Reading(on_bad_row="skip"))


def test_training_decides_what_stands_between_words(tmp_path):
    train = read(tmp_path / "train.tsv", "我\tO\n要\tO\n药\tB-drug\n")
    assert train.learn()["joiner"] == ""
    like = Reading(like=train)
    assert read(tmp_path / "test.tsv", "OTC\tO\n药片\tB-drug\n", like).inputs.to_pylist() == ["OTC药片"]
    assert read(tmp_path / "test.tsv", "OTC\tO\n药片\tB-drug\n").inputs.to_pylist() == ["OTC 药片"]


def test_what_a_person_is_told(tmp_path):
    examples = read(
        tmp_path / "a.tsv", "a\tI-drug\nb\tB-Drug\n\nc\tO\nd\tI-drug\n", on_illegal_tags="repair", scheme="iob2"
    )
    assert examples.remarks() == [
        "2 illegal tags were repaired as conlleval reads them",
        "the labels 'Drug' and 'drug' differ by case or blanks alone, and count as two",
    ]


def test_no_entity_is_nothing_to_learn(tmp_path):
    with pytest.raises(InputError, match="there is no entity in them; give texts with entities"):
        read(tmp_path / "a.tsv", "a\tO\nb\tO\n").learn()


def test_entities_as_an_array():
    assert entity_array([[], []], ["x"]).tolist() == [[[0, 0, 0]], [[0, 0, 0]]]
    assert entity_array([], ["x"]).shape == (0, 1, 3)
