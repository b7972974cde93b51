"""A run of `task: embedding` from its file to a served answer, as docs/embedding.md tells it."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
import yaml

import tfdomain
from tfdomain.cli import main

pytestmark = pytest.mark.thorough

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "embedding.md").read_text(encoding="utf-8")
THINGS = ["loan", "card", "car", "job", "house", "银行卡", "贷款", "学校"]
KINDS = ["lost", "new", "good", "old"]


def tfdomain_with(arguments):
    """Runs a command that succeeds."""
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert not caught.value.code


@pytest.fixture
def inside(tmp_path, monkeypatch, make_checkpoint):
    make_checkpoint(tmp_path / "encoder", num_hidden_layers=1)
    rows = [f"my {thing} is {kind},we need the {kind} {thing} !" for thing in THINGS for kind in KINDS]
    (tmp_path / "pairs.csv").write_text("question,answer\n" + "\n".join(rows) + "\n", encoding="utf-8")
    items = [f"k{place},{row.split(',')[1]}" for place, row in enumerate(rows)]
    (tmp_path / "items.csv").write_text("key,title\n" + "\n".join(items) + "\n", encoding="utf-8")
    values = yaml.safe_load(re.search(r"```yaml\n(name: answers.*?)```", PAGE, re.DOTALL)[1])
    values["training"] |= {"epochs": 1, "batch_size": 8}
    (tmp_path / "answers.yaml").write_text(yaml.safe_dump(values | {"encoder": "encoder"}), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_from_the_file_to_an_answer(inside, capsys):
    tfdomain_with(["train", "answers.yaml"])
    assert "recall at 10" in capsys.readouterr().out
    metrics = json.loads(Path("runs/answers/metrics.json").read_text())
    assert metrics["validation"]["num_items"] == 3
    assert metrics["validation"]["recall_at_5"] == 1

    tfdomain_with(["evaluate", "runs/answers", "--data", "pairs.csv", "--json"])
    assert json.loads(capsys.readouterr().out)["num_queries"] == len(THINGS) * len(KINDS)

    model = tfdomain.load("runs/answers/model")
    tfdomain_with(["predict", "runs/answers", "--input", "items.csv", "--text", "title", "--output", "vectors.jsonl"])
    found = [json.loads(line) for line in Path("vectors.jsonl").read_text(encoding="utf-8").splitlines()]
    titles = [row["title"] for row in found]
    np.testing.assert_allclose([row["embedding"] for row in found], model.predict(titles), atol=1e-6)
    tfdomain_with(["predict", "runs/answers", "--input", "pairs.csv", "--output", "anchors.csv"])
    assert Path("anchors.csv").read_text(encoding="utf-8").startswith("question,answer,embedding\nmy loan is lost,")

    tfdomain_with(["export", "runs/answers", "--to", "served"])
    served = tf.saved_model.load("served/1")
    for name in ("serving_default", "embed"):
        vectors = served.signatures[name](text=tf.constant(titles))["embedding"]
        np.testing.assert_allclose(vectors, model.predict(titles), atol=1e-5)

    capsys.readouterr()
    tfdomain_with(
        ["retrieve", "index", "runs/answers", "--items", "items.csv", "--text", "title", "--id", "key", "--to", "index"]
    )
    tfdomain_with(["retrieve", "search", "index", "--model", "runs/answers", "--query", titles[5], "--top", "3"])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"{len(titles)} items indexed in index (exact)"
    assert [line.split("\t")[0] for line in lines[1:]] == ["1", "2", "3"]
    assert lines[1].split("\t")[2:] == ["k5", titles[5]]


def test_scored_pairs_and_one_task_for_each_loss(inside, capsys):
    rows = [f"my {thing},the {thing} !,{number % 6}" for number, thing in enumerate(THINGS)]
    Path("scored.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    files = "{train: scored.csv, test: scored.csv, text: [a, b], label: s, column_names: [a, b, s]}"
    settings = [f"data={files}", "model={loss: cosine, score_range: [0, 5]}", "training={epochs: 1, batch_size: 4}"]
    tfdomain_with(["train", "answers.yaml", *(part for each in settings for part in ("--set", each))])
    assert json.loads(Path("runs/answers/metrics.json").read_text())["test"].keys() >= {"spearman", "pearson", "mse"}
    assert "Spearman" in capsys.readouterr().out
    tfdomain_with(["evaluate", "runs/answers", "--data", "scored.csv", "--json"])
    assert json.loads(capsys.readouterr().out)["num_examples"] == len(THINGS)


def test_the_examples_of_the_page_run(tmp_path, make_checkpoint):
    encoder = str(make_checkpoint(tmp_path / "encoder", num_hidden_layers=1))
    names = {"encoder": encoder}
    for code in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL):
        exec(code, names)
    assert names["vectors"].shape == (2, 16)
    assert -1 <= names["cosine"] <= 1
