"""Files through a model: what is written, what is measured, and what is left on the disk."""

import csv
import json
import os
import tempfile

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tfdomain.errors import InputError, TfdomainError
from tfdomain.evaluation import prediction
from tfdomain.evaluation.prediction import evaluate_file, predict_file
from tfdomain.models.classifier import TextClassifier

TEXTS = ["my car is lost", "we paid", "", "the bank and the old house, please", "debt"]


@pytest.fixture(scope="module")
def model(tiny_checkpoint):
    return TextClassifier.from_pretrained(str(tiny_checkpoint), labels=["default", "repaid"])


@pytest.fixture
def folders(tmp_path, monkeypatch):
    """The user's cache and the system's temporary folder, both to be empty at the end."""
    cache, temporary = tmp_path / "cache", tmp_path / "tmp"
    temporary.mkdir()
    monkeypatch.setenv("TFDOMAIN_CACHE_DIR", str(cache))
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    yield cache, temporary
    assert not cache.exists()
    # TensorFlow may leave files of its own there.
    assert list(temporary.glob("tfdomain-*")) == []


def write_csv(path, header, rows):
    with open(path, "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([header, *rows])
    return path


def read_target(path):
    if path.suffix == ".jsonl":
        return [json.loads(line) for line in path.read_text().splitlines()]
    if path.suffix == ".parquet":
        return pq.read_table(path).to_pylist()
    with open(path, newline="", encoding="utf-8") as file:
        return [row | {"scores": json.loads(row["scores"])} for row in csv.DictReader(file)]


@pytest.mark.parametrize("ending", [".jsonl", ".csv", ".parquet"])
def test_every_column_survives_beside_the_answers(model, tmp_path, folders, ending, monkeypatch):
    # Of several chunks, the last one not full.
    monkeypatch.setattr(prediction, "ROWS_AT_ONCE", 2)
    rows = [(f"00{row}", text, "repaid", f"was {row}") for row, text in enumerate(TEXTS)]
    source = write_csv(tmp_path / "in.csv", ["id", "text", "label", "source_label"], rows)
    target = tmp_path / f"out{ending}"
    assert predict_file(model, [source], target) == (5, 0)
    written = read_target(target)
    names = ["text", "id", "source_source_label", "source_label", "label", "score", "scores"]
    assert [list(row) for row in written] == [names] * 5
    assert [tuple(row[name] for name in names[:4]) for row in written] == [
        (text, number, label, was) for number, text, label, was in rows
    ]
    expected = model.predict(TEXTS)
    assert [row["label"] for row in written] == [model.labels[index] for index in expected.argmax(1)]
    np.testing.assert_allclose([list(row["scores"].values()) for row in written], expected, atol=1e-6)
    np.testing.assert_allclose([float(row["score"]) for row in written], expected.max(1), atol=1e-6)


def test_json_values_of_other_keys_keep_their_types(model, tmp_path, folders):
    others = [
        {"id": 7, "tags": ["a", {"b": 1.5}], "score": None},
        {"when": "é", "id": 8, "sure": True},
        {"id": 12345678901234567890},
    ]
    source = tmp_path / "in.jsonl"
    source.write_text("\n".join(json.dumps({"text": "we paid"} | other) for other in others))
    kept = [{"source_score" if name == "score" else name: value for name, value in other.items()} for other in others]
    predict_file(model, [source], tmp_path / "out.jsonl")
    written = read_target(tmp_path / "out.jsonl")
    assert [{k: row[k] for k in row if k not in ("text", "label", "score", "scores")} for row in written] == kept
    predict_file(model, [source], tmp_path / "out.csv")
    assert [row["tags"] for row in read_target(tmp_path / "out.csv")] == ['["a", {"b": 1.5}]', "", ""]


def test_numbers_of_parquet_stay_numbers(model, tmp_path, folders):
    source, target = tmp_path / "in.parquet", tmp_path / "out.parquet"
    pq.write_table(pa.table({"text": TEXTS, "id": range(5), "x": [0.5, float("nan"), 1.0, None, 2.0]}), source)
    predict_file(model, [source], target)
    table = pq.read_table(target)
    assert table.schema.field("id").type == pa.int64()
    assert table["id"].to_pylist() == [0, 1, 2, 3, 4]
    assert table["x"].to_pylist() == [0.5, None, 1.0, None, 2.0]


def test_no_value_of_json_is_rounded_in_parquet(model, tmp_path, folders):
    values = {
        "long": [2**62, 1, None],
        "mixed": [2**60 + 1, 0.5, 1],
        "number": [1, 0.5, 2],
        "huge": [2**70, 1, 2],
        "sure": [True, None, False],
        "any": [True, 1, "x"],
    }
    rows = [{"text": "we paid"} | dict(zip(values, row, strict=True)) for row in zip(*values.values(), strict=True)]
    source, target = tmp_path / "in.jsonl", tmp_path / "out.parquet"
    source.write_text("\n".join(map(json.dumps, rows)))
    predict_file(model, [source], target)
    written = pq.read_table(target)
    assert {name: written[name].to_pylist() for name in values} == values | {
        "mixed": [str(2**60 + 1), "0.5", "1"],
        "huge": [str(2**70), "1", "2"],
        "any": ["true", "1", "x"],
    }


def test_a_text_column_may_have_an_answers_name(model, tmp_path, folders):
    source = write_csv(tmp_path / "in.csv", ["label"], [["we paid"]])
    predict_file(model, [source], tmp_path / "out.jsonl", texts=["label"])
    (row,) = read_target(tmp_path / "out.jsonl")
    assert row["source_label"] == "we paid"
    assert row["label"] in model.labels


@pytest.mark.parametrize("ending", [".jsonl", ".csv", ".parquet"])
@pytest.mark.parametrize(("name", "content"), [("in.csv", "text\n"), ("in.jsonl", "")])
def test_a_source_without_rows_gives_a_target_without_rows(model, tmp_path, folders, name, content, ending):
    source, target = tmp_path / name, tmp_path / f"out{ending}"
    source.write_text(content)
    assert predict_file(model, [source], target) == (0, 0)
    assert read_target(target) == []
    if ending == ".csv":
        assert target.read_text() == "text,label,score,scores\n"
    if ending == ".parquet":
        assert pq.read_schema(target).names == ["text", "label", "score", "scores"]


def test_faulty_rows_are_refused_with_the_option_that_skips_them(model, tmp_path, folders):
    source = tmp_path / "in.csv"
    source.write_text("id,text\n1,we paid\n2\n3,my car\n")
    with pytest.raises(InputError, match=r"in.csv: line 3: too few .*; mend the rows, or pass --skip-bad-rows to"):
        predict_file(model, [source], tmp_path / "out.csv")
    assert not (tmp_path / "out.csv").exists()
    answer = predict_file(model, [source], tmp_path / "out.csv", on_bad_row="skip")
    assert (answer.num_rows, answer.num_skipped) == (2, 1)
    assert [row["id"] for row in read_target(tmp_path / "out.csv")] == ["1", "3"]


def test_a_target_that_is_a_source_is_refused(model, tmp_path, folders):
    source = write_csv(tmp_path / "in.csv", ["text"], [["we paid"]])
    before = source.read_bytes()
    (tmp_path / "link.csv").symlink_to(source)
    for target in (source, tmp_path / "link.csv", tmp_path / "cache" / ".." / "in.csv"):
        with pytest.raises(InputError, match=r"--output: .* is a file that is read; choose another name"):
            predict_file(model, [source], target)
    assert source.read_bytes() == before


@pytest.mark.parametrize("names", [["1", "2", "3", "4", "5"], ["01", "1", "10"]])
def test_labels_that_are_numbers_are_names_and_not_places(tiny_checkpoint, tmp_path, folders, names):
    model = TextClassifier.from_pretrained(str(tiny_checkpoint), labels=names)
    labels = [names[row % len(names)] for row in range(len(TEXTS) * 3)]
    source = write_csv(tmp_path / "in.csv", ["text", "label"], zip(TEXTS * 3, labels, strict=True))
    measured = evaluate_file(model, [source])
    right = [names[index] for index in model.predict(TEXTS * 3).argmax(1)]
    expected = sum(one == other for one, other in zip(right, labels, strict=True)) / len(labels)
    assert measured["accuracy"] == pytest.approx(expected)
    assert "num_skipped" not in measured


def test_unseen_labels_are_refused_or_skipped_with_faulty_rows(model, tmp_path, folders, capsys):
    source = tmp_path / "in.csv"
    good = "text,label\nwe paid,repaid\nmy car,default\n"
    source.write_text(good + "short\nthe debt,repayed\nthe loan,x\n")
    with pytest.raises(InputError, match=r"line 4: too few fields .* or pass --skip-bad-rows"):
        evaluate_file(model, [source])
    measured = evaluate_file(model, [source], on_bad_row="skip")
    assert measured.pop("num_skipped") == 3
    source.write_text(good)
    assert measured == evaluate_file(model, [source])
    source.write_text(good + "the debt,repayed\n")
    with pytest.raises(InputError, match=r"line 4: label 'repayed' .*did you mean 'repaid'\?.*pass --skip-bad-rows"):
        evaluate_file(model, [source])
    source.write_text("text,label\nwe paid,x\n")
    with pytest.raises(InputError, match="line 2: label 'x' was never seen"):
        evaluate_file(model, [source], on_bad_row="skip")
    assert capsys.readouterr().out == ""


def test_without_a_temporary_folder_the_variable_is_named(model, tmp_path, monkeypatch):
    source = write_csv(tmp_path / "in.csv", ["text"], [["we paid"]])
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "missing"))
    with pytest.raises(TfdomainError, match="set TMPDIR"):
        predict_file(model, [source], os.path.join(tmp_path, "out.csv"))
