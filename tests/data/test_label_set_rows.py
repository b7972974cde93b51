import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tfdomain.config.multilabel import MultiLabelData
from tfdomain.data.examples import Reading
from tfdomain.data.readers import read_examples
from tfdomain.errors import InputError

TEXTS = ["one", "二", "three 🙂", "four"]
SETS = [["费用", "b"], [], ["a"], ["b", "b"]]
NAMES = ["a", "b", "费用"]
EXPECTED = [[0, 1, 1], [0, 0, 0], [1, 0, 0], [0, 1, 0]]


def write_csv(path, header, columns):
    lines = [",".join(header), *(",".join(f'"{cell}"' for cell in row) for row in zip(*columns, strict=True))]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def write(folder, form):
    """The same rows in each of the forms that label sets come in."""
    if form == "delimited":
        write_csv(folder / "rows.csv", ["text", "labels"], [TEXTS, ["|".join(labels) for labels in SETS]])
        return [folder / "rows.csv"], {}
    if form == "other delimiter":
        write_csv(folder / "rows.csv", ["text", "labels"], [TEXTS, ["; ".join(labels) for labels in SETS]])
        return [folder / "rows.csv"], {"delimiter": ";"}
    if form == "json in tsv":
        rows = [f"{text}\t{json.dumps(labels)}" for text, labels in zip(TEXTS, SETS, strict=True)]
        (folder / "rows.tsv").write_text("\n".join(["text\tlabels", *rows]) + "\n", encoding="utf-8")
        return [folder / "rows.tsv"], {}
    if form == "lists in json lines":
        rows = [{"labels": labels, "text": text, "n": 1} for text, labels in zip(TEXTS, SETS, strict=True)]
        (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        return [folder / "rows.jsonl"], {}
    if form == "lists in parquet":
        pq.write_table(pa.table({"text": TEXTS, "labels": SETS}), folder / "rows.parquet")
        return [folder / "rows.parquet"], {}
    columns = [[str(row[place]) for row in EXPECTED] for place in range(3)]
    if form == "indicators in json lines":
        cells = [[text, *flags] for text, flags in zip(TEXTS, EXPECTED, strict=True)]
        rows = [dict(zip(["text", *NAMES], row, strict=True)) for row in cells]
        (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        return [folder / "rows.jsonl"], {"label": NAMES}
    write_csv(folder / "rows.csv", ["text", *NAMES], [TEXTS, *columns])
    return [folder / "rows.csv"], {"label": NAMES}


def read(files, folder, *, on_bad_row="refuse", **data):
    section = MultiLabelData(train="-", on_bad_row=on_bad_row, **data)
    return read_examples("multilabel", files, section, Reading(on_bad_row=on_bad_row, cache_dir=folder / "cache"))


@pytest.mark.parametrize(
    "form",
    [
        "delimited",
        "other delimiter",
        "json in tsv",
        "lists in json lines",
        "lists in parquet",
        "indicators",
        "indicators in json lines",
    ],
)
def test_every_form_gives_the_same_labels(tmp_path, form):
    files, data = write(tmp_path, form)
    rows = read(files, tmp_path, **data)
    assert rows.learn() == {"pairs": False, "labels": NAMES}
    encoded = rows.encode({"labels": NAMES}, Reading())
    assert encoded.labels.dtype == np.float32
    assert encoded.labels.tolist() == encoded.truth.tolist() == EXPECTED
    assert encoded.rows is None
    assert rows.inputs.to_pylist() == TEXTS
    assert rows.remarks() == []
    assert rows.strata() is None


def test_files_of_two_forms_go_together(tmp_path):
    lists, _ = write(tmp_path, "lists in json lines")
    delimited, _ = write(tmp_path, "delimited")
    assert read(lists + delimited, tmp_path).encode({"labels": NAMES}, Reading()).labels.tolist() == EXPECTED * 2


def test_unseen_labels_are_refused_or_left_out(tmp_path):
    rows = read(write(tmp_path, "delimited")[0], tmp_path)
    head = {"labels": ["a", "b"]}
    with pytest.raises(InputError, match=r"rows\.csv: line 2: label '费用' was never seen in training"):
        rows.encode(head, Reading())
    encoded = rows.encode(head, Reading(on_bad_row="skip"))
    assert encoded.rows.tolist() == [1, 2, 3]
    assert encoded.labels[encoded.rows].tolist() == [[0, 0], [1, 0], [0, 1]]
    (tmp_path / "all.csv").write_text("text,labels\nx,c\ny,d\n")
    with pytest.raises(InputError, match="2 rows have labels never seen in training"):
        read([tmp_path / "all.csv"], tmp_path).encode(head, Reading(on_bad_row="skip"))


def test_unreadable_labels_are_refused_or_left_out(tmp_path):
    write_csv(tmp_path / "rows.csv", ["text", "a", "b"], [["x", "y", "z"], ["1", "maybe", "0"], ["0", "1", "1"]])
    with pytest.raises(
        InputError, match=r"line 3: 'a' is 'maybe', not 0 or 1; mend the labels, or set `data\.on_bad_row"
    ):
        read([tmp_path / "rows.csv"], tmp_path, label=["a", "b"]).learn()
    rows = read([tmp_path / "rows.csv"], tmp_path, label=["a", "b"], on_bad_row="skip")
    encoded = rows.encode(rows.learn(), Reading(on_bad_row="skip"))
    assert encoded.rows.tolist() == [0, 2]
    assert encoded.labels[encoded.rows].tolist() == [[1, 0], [0, 1]]


def test_a_row_of_json_lines_without_labels_is_told(tmp_path):
    (tmp_path / "rows.jsonl").write_text(
        '{"text": "x", "labels": ["a"]}\n{"text": "y"}\n{"text": "z", "labels": null}\n'
    )
    with pytest.raises(InputError, match=r"2 rows have unreadable labels: .*line 2: is missing.*\[\] for no label"):
        read([tmp_path / "rows.jsonl"], tmp_path).learn()


@pytest.mark.parametrize("form", ["delimited", "lists in json lines"])
def test_a_column_that_is_not_there(tmp_path, form):
    with pytest.raises(InputError, match=r"has no column 'lables'; its columns are .*; did you mean 'labels'\?"):
        read(write(tmp_path, form)[0], tmp_path, label="lables").learn()


def test_no_label_anywhere(tmp_path):
    (tmp_path / "rows.csv").write_text("text,labels\nx,\ny,[]\n")
    with pytest.raises(InputError, match=r"^data\.label labels: no row has a label; name the column of labels"):
        read([tmp_path / "rows.csv"], tmp_path).learn()


def test_labels_that_differ_by_case_are_told(tmp_path):
    (tmp_path / "rows.csv").write_text("text,labels\nx,Fees|b\ny,fees\n")
    remarks = read([tmp_path / "rows.csv"], tmp_path).remarks()
    assert remarks == ["the labels 'Fees' and 'fees' differ by case or blanks alone, and count as two"]
