"""Tagging from files to answers; the examples of its page."""

import csv
import json
import random
import re
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import yaml

import tfdomain
from tfdomain.config import experiment_from, load_experiment
from tfdomain.errors import InputError
from tfdomain.evaluation.prediction import evaluate_file, predict_file
from tfdomain.training.run import train

DOCS = Path(__file__).resolve().parents[2] / "docs"
LABELS = {"car": "B-thing", "house": "B-thing", "bank": "B-place"}


def write_columns(path, seed, count, labels=LABELS):
    rng = random.Random(seed)
    sentences = [rng.choices(["the", "my", "new", "lost", *labels], k=rng.randrange(1, 9)) for _ in range(count)]
    text = "\n\n".join("\n".join(f"{word}\t{labels.get(word, 'O')}" for word in words) for words in sentences)
    path.write_text(text + "\n", encoding="utf-8")
    return path


def run(folder, checkpoint, data, **values):
    training = {"epochs": 2, "batch_size": 8, "learning_rate": 0.02, "best": "entity_f1"}
    values = {"name": "a", "task": "tagging", "encoder": str(checkpoint), "data": data, "training": training} | values
    (folder / "a.yaml").write_text(yaml.safe_dump(values))
    return train(load_experiment(folder / "a.yaml"), folder / "run", folder=folder, verbose=0)


@pytest.fixture(scope="module")
def folder(tmp_path_factory, tiny_checkpoint):
    """A run of a CRF whose experiment names nothing but files."""
    folder = tmp_path_factory.mktemp("tagging")
    write_columns(folder / "train.tsv", 0, 300)
    write_columns(folder / "test.tsv", 1, 40)
    data = {"train": "train.tsv", "validation": 0.2, "test": "test.tsv"}
    run(folder, tiny_checkpoint, data, model={"decoder": "crf", "scheme": "bioes"}, max_length=16)
    return folder


def test_a_run_of_column_files(folder):
    metrics = json.loads((folder / "run/metrics.json").read_text())
    assert metrics["test"]["num_examples"] == 40
    assert metrics["test"]["entity_f1"] > 0.8
    assert metrics["test"]["token_accuracy"] > 0.8
    assert set(metrics["test"]["per_entity"]) == {"place", "thing"}
    assert "entity F1" in (folder / "run/report.txt").read_text()
    model = tfdomain.load(folder / "run/model")
    assert (model.labels, model.decoder, model.joiner) == (["place", "thing"], "crf", " ")
    measured = evaluate_file(model, [folder / "test.tsv"])
    assert measured["entity_f1"] == pytest.approx(metrics["test"]["entity_f1"])


@pytest.mark.thorough
def test_files_of_another_form_are_measured_too(folder):
    model = tfdomain.load(folder / "run/model")
    spans = [("my car", [[3, 6, "thing"]]), ("the bank", [[4, 8, "place"]]), ("lost", [])]
    with open(folder / "spans.csv", "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("text", "spans"), *((text, json.dumps(each)) for text, each in spans)])
    metrics = evaluate_file(model, [folder / "spans.csv"], texts=["text"])
    assert (metrics["num_examples"], metrics["num_entities"], metrics["token_accuracy"]) == (3, 2, None)
    other = write_columns(folder / "other.tsv", 2, 20, {"car": "B-thing", "dog": "B-animal"})
    with pytest.raises(InputError, match=r"rows have labels never seen in training: .*'animal'.*--skip-bad-rows"):
        evaluate_file(model, [other])
    assert 0 < evaluate_file(model, [other], on_bad_row="skip")["num_skipped"] < 20


@pytest.mark.thorough
@pytest.mark.parametrize("ending", [".jsonl", ".csv", ".parquet"])
def test_answers_of_a_file(folder, ending):
    model = tfdomain.load(folder / "run/model")
    with open(folder / "in.csv", "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("id", "text"), ("1", "my car 😀"), ("2", ""), ("3", "the bank and the house")])
    target = folder / f"out{ending}"
    assert predict_file(model, [folder / "in.csv"], target).num_rows == 3
    if ending == ".parquet":
        rows = pq.read_table(target).to_pylist()
    elif ending == ".csv":
        with open(target, newline="", encoding="utf-8") as file:
            rows = [row | {"entities": json.loads(row["entities"])} for row in csv.DictReader(file)]
    else:
        rows = [json.loads(line) for line in target.read_text().splitlines()]
    expected = model.predict([row["text"] for row in rows])
    assert [bool(row["entities"]) for row in rows] == [True, False, True]
    for row, entities in zip(rows, expected, strict=True):
        for one, other in zip(row["entities"], entities, strict=True):
            assert one.pop("confidence") == pytest.approx(other.pop("confidence"), abs=1e-5)
            assert one == other


@pytest.mark.thorough
def test_what_is_cut_and_what_is_never_seen_is_told(tmp_path, tiny_checkpoint, capsys):
    lines = [{"text": "my carpet 房屋", "entities": [[3, 6, "x"], [10, 11, "x"]]}, {"text": "we paid", "entities": []}]
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, lines)))
    training = {"epochs": 1, "batch_size": 2}
    metrics = run(tmp_path, tiny_checkpoint, {"train": "a.jsonl", "test": "a.jsonl"}, training=training)
    assert metrics["test"]["num_entities"] == 2
    told = "1 entity begins or ends inside a word of the tokenizer: training takes the whole word"
    assert told in capsys.readouterr().out.splitlines()
    (tmp_path / "b.jsonl").write_text(json.dumps({"text": "my car", "entities": [[3, 6, "y"]]}))
    (tmp_path / "b").mkdir()
    data = {"train": str(tmp_path / "a.jsonl"), "test": str(tmp_path / "b.jsonl")}
    with pytest.raises(InputError, match=r"b.jsonl: line 1: label 'y' was never seen in training"):
        run(tmp_path / "b", tiny_checkpoint, data, training=training)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"words": 0}, r"data\.words"),
        ({"joiner": "-"}, r"data\.joiner"),
        ({"text": ["a", "b"]}, r"data\.text"),
        ({"label": "tag"}, "unknown key data.label"),
    ],
)
def test_keys_that_cannot_be_are_refused(data, message):
    values = {"name": "a", "task": "tagging", "encoder": "e", "data": {"train": "a.tsv"} | data}
    with pytest.raises(InputError, match=message):
        experiment_from(values, where="a.yaml")


@pytest.mark.thorough
def test_the_examples_of_the_page(tiny_checkpoint):
    page = (DOCS / "tagging.md").read_text(encoding="utf-8")
    experiment = experiment_from(yaml.safe_load(re.search(r"```yaml\n(.*?)```", page, re.DOTALL)[1]), where="page")
    assert experiment.model.decoder == "crf"
    names = {"encoder": str(tiny_checkpoint)}
    exec(re.search(r"```python\n(.*?)```", page, re.DOTALL)[1], names)
    model = names["model"]
    assert model.evaluate(names["texts"], [[("drug", 5, 12)], [("药", 3, 7)], []])["num_entities"] == 2
    model.fit([["Take", "aspirin"]], [["O", "B-drug"]], verbose=0)
    assert model.evaluate([["Take", "aspirin"]], [["O", "B-drug"]])["token_accuracy"] is not None


@pytest.mark.real
def test_diseases_in_abstracts_are_learned(tmp_path, minilm, data_dir):
    data = {
        name: str(data_dir / f"ncbi_disease/{file}") for name, file in (("train", "train.tsv.gz"), ("test", "test.tsv"))
    }
    training = {"epochs": 1, "learning_rate": 3e-4}
    experiment = {"name": "a", "task": "tagging", "encoder": str(minilm), "data": data, "training": training}
    (tmp_path / "a.yaml").write_text(yaml.safe_dump(experiment))
    metrics = train(load_experiment(tmp_path / "a.yaml"), tmp_path / "run", folder=tmp_path, verbose=0)
    assert metrics["test"]["num_entities"] == 960
    assert metrics["test"]["entity_f1"] > 0.7
    assert np.isfinite(metrics["test"]["token_accuracy"])
