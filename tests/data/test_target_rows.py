import numpy as np
import pytest

from tfdomain.config.regression import RegressionData
from tfdomain.data.examples import Reading
from tfdomain.data.target_rows import TargetRows
from tfdomain.errors import InputError

RECORDS = "一句,另一句,4.5,100\n二句,🙂,１．５,300\nthird,x,0,200\n"


def read(tmp_path, content, reading=None, **data):
    path = tmp_path / "rows.csv"
    path.write_text(content, encoding="utf-8")
    section = RegressionData(train="-", **({"text": ["a", "b"], "label": "score"} | data))
    return TargetRows.read([path], section, reading or Reading(cache_dir=tmp_path))


def test_targets_are_learned_and_encoded_as_they_stand(tmp_path):
    rows = read(tmp_path, "a,b,score,price\n" + RECORDS, label=["price", "score"])
    head = rows.learn()
    expected = np.array([[100, 4.5], [300, 1.5], [200, 0]])
    assert head["targets"] == ["price", "score"]
    assert head["pairs"] is True
    np.testing.assert_allclose(head["means"], expected.mean(axis=0))
    np.testing.assert_allclose(head["deviations"], expected.std(axis=0))
    encoded = rows.encode(head, Reading())
    assert encoded.labels.dtype == np.float32
    np.testing.assert_array_equal(encoded.labels, expected.astype("float32"))
    np.testing.assert_array_equal(encoded.truth, encoded.labels)
    assert encoded.rows is None


def test_column_names_stand_for_a_header(tmp_path):
    rows = read(tmp_path, RECORDS, column_names=["a", "b", "score", "price"])
    assert rows.encode(rows.learn(), Reading()).labels[:, 0].tolist() == [4.5, 1.5, 0.0]
    assert [column.to_pylist() for column in rows.inputs] == [["一句", "二句", "third"], ["另一句", "🙂", "x"]]


@pytest.mark.parametrize("value", ["", "NaN", "inf", "4,5", "1e39", "n/a"])
def test_a_target_that_is_no_number_is_refused_or_left_out(tmp_path, value):
    content = f'a,b,score\nx,y,1\nx,y,"{value}"\nx,y,3\n'
    rows = read(tmp_path, content)
    head = rows.learn()
    assert (head["means"], head["deviations"]) == ([2.0], [1.0])
    with pytest.raises(InputError, match=r"rows\.csv: line 3: 'score' is .*or set `data\.on_bad_row: skip`"):
        rows.encode(head, Reading())
    encoded = rows.encode(head, Reading(on_bad_row="skip"))
    assert encoded.rows.tolist() == [0, 2]
    assert encoded.labels[encoded.rows, 0].tolist() == [1.0, 3.0]


def test_nothing_to_learn_from(tmp_path):
    with pytest.raises(InputError, match=r"^score: every row has the value 2.5; give rows that differ"):
        read(tmp_path, "a,b,score\nx,y,2.5\nx,z,2.50\n").learn()
    bad = read(tmp_path, "a,b,score\nx,y,bad\nx,z,\n")
    with pytest.raises(InputError, match="2 rows have targets that are no numbers"):
        bad.learn()
    with pytest.raises(InputError, match="2 rows have targets that are no numbers"):
        bad.encode({"targets": ["score"]}, Reading(on_bad_row="skip"))


def test_columns_are_those_of_the_model(tmp_path):
    rows = read(tmp_path, "a,b,score\nx,y,1\n")
    with pytest.raises(InputError, match=r"^data\.label: names 1 columns for the targets s, t; name one column"):
        rows.encode({"targets": ["s", "t"]}, Reading())
    assert rows.encode({"targets": ["another name"]}, Reading()).labels.tolist() == [[1.0]]


def test_a_pair_without_its_second_text_is_a_fault(tmp_path):
    content = "a,b,score\nx,y,1\nx,,2\nx,z,3\n"
    with pytest.raises(InputError, match=r"line 3: an empty text in 'b'"):
        read(tmp_path, content, Reading(for_training=True, cache_dir=tmp_path))
    skipping = Reading(for_training=True, on_bad_row="skip", cache_dir=tmp_path)
    rows = read(tmp_path, content, skipping)
    assert (len(rows), rows.num_skipped) == (2, 1)
