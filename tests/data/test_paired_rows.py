import numpy as np
import pytest

from tfdomain.config.embedding import EmbeddingData
from tfdomain.data.examples import Reading
from tfdomain.data.paired_rows import PairedRows, pair_ids
from tfdomain.data.values import as_text_array
from tfdomain.errors import InputError


def read(tmp_path, content, on_bad_row="refuse", name="a.csv", **keys):
    path = tmp_path / name
    path.write_text(content, encoding="utf-8")
    reading = Reading(on_bad_row=on_bad_row, for_training=True, cache_dir=tmp_path / "cache")
    return PairedRows.read([path], EmbeddingData(train="-", **keys), reading), reading


def test_equal_texts_have_one_number():
    assert pair_ids(["费", "b", "费"], ["x", "x", "😀"]).tolist() == [[0, 0], [1, 0], [0, 1]]
    assert pair_ids([], []).shape == (0, 2)
    chunked = as_text_array(["a", "b"], "x").slice(1)
    assert pair_ids(chunked, np.array([b"a"])).tolist() == [[0, 0]]


def test_pairs_and_triplets(tmp_path):
    content = "anchor,positive,worse\n银行😀,ＡＢＣ,\na,b,c\n银行😀,b,c\n"
    rows, reading = read(tmp_path, content)
    encoded = rows.encode({}, reading)
    assert encoded.labels is None and encoded.rows is None
    assert encoded.truth.tolist() == [[0, 0], [1, 1], [0, 1]]
    assert [column.to_pylist()[0] for column in rows.inputs] == ["银行😀", "ＡＢＣ"]
    assert rows.learn() == {}
    with pytest.raises(InputError, match=r"line 2.*empty text in 'worse'"):
        read(tmp_path, content, text=["anchor", "positive", "worse"])
    rows, _ = read(tmp_path, content, text=["anchor", "positive", "worse"], on_bad_row="skip")
    assert (len(rows.inputs), len(rows), rows.num_skipped) == (3, 2, 1)


def test_scores(tmp_path):
    content = "a,b,5\nc,d,x\ne,f,１.5\n"
    keys = {"column_names": ["first", "second", "score"], "text": ["first", "second"], "label": "score"}
    rows, reading = read(tmp_path, content, **keys)
    with pytest.raises(InputError, match="line 2"):
        rows.encode({}, reading)
    rows, reading = read(tmp_path, content, "skip", **keys)
    encoded = rows.encode({}, reading)
    assert encoded.labels.dtype == np.float32
    assert encoded.labels[encoded.rows].tolist() == [5.0, 1.5]
    rows, reading = read(tmp_path, "a,b,x\n", "skip", name="b.csv", **keys)
    with pytest.raises(InputError, match="line 1"):
        rows.encode({}, reading)
