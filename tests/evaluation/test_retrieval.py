import csv
import json

import numpy as np
import pytest

import tfdomain
from tfdomain.cli import main
from tfdomain.errors import InputError
from tfdomain.evaluation.retrieval import build_index, load_index, model_fingerprint, search, search_file

ITEMS = [("x1", "my car is lost"), ("x2", "we paid"), ("银", "银行😀 ＡＢＣ"), ("x4", "please help with school")]
QUERIES = ["we paid the bank", "", "银行"]


@pytest.fixture(scope="module")
def model(make_checkpoint, tmp_path_factory):
    checkpoint = make_checkpoint(tmp_path_factory.mktemp("one") / "checkpoint", num_hidden_layers=1)
    return tfdomain.TextEmbedder.from_pretrained(checkpoint)


@pytest.fixture(scope="module")
def items(tmp_path_factory):
    path = tmp_path_factory.mktemp("items") / "items.csv"
    with open(path, "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("key", "title"), *ITEMS])
    return path


@pytest.fixture(scope="module")
def folder(model, items, tmp_path_factory):
    folder = tmp_path_factory.mktemp("index") / "index"
    build_index(model, [items], folder, text="title", id_column="key")
    return folder


def tfdomain_with(arguments):
    """Runs a command that succeeds."""
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert not caught.value.code


def refusal(call) -> str:
    with pytest.raises(InputError) as caught:
        call()
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_query_finds_what_its_cosines_say(model, folder):
    index = load_index(folder, model)
    found = search(index, model, QUERIES, top=3)
    cosines = model.predict(QUERIES) @ model.predict([text for _, text in ITEMS]).T
    for results, row in zip(found, cosines, strict=True):
        order = np.argsort(-row)[:3]
        assert [(one["id"], one["text"]) for one in results] == [ITEMS[place] for place in order]
        np.testing.assert_allclose([one["score"] for one in results], row[order], atol=1e-6)
    assert search(index, model, []) == []
    assert "choose 1 to 4, the number of items" in refusal(lambda: search(index, model, ["a"], top=5))


@pytest.mark.parametrize("ending", [".jsonl", ".csv", ".parquet"])
def test_files_of_queries(model, folder, tmp_path, ending):
    source = tmp_path / "queries.jsonl"
    rows = [{"text": query, "results": place} for place, query in enumerate(QUERIES)]
    source.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    index, target = load_index(folder, model), tmp_path / f"answers{ending}"
    assert search_file(index, model, [source], target, top=2).num_rows == 3
    if ending == ".parquet":
        import pyarrow.parquet as pq

        found = pq.read_table(target).to_pylist()
    elif ending == ".csv":
        with open(target, newline="", encoding="utf-8") as file:
            found = [row | {"results": json.loads(row["results"])} for row in csv.DictReader(file)]
    else:
        found = [json.loads(line) for line in target.read_text(encoding="utf-8").splitlines()]
    assert [row["text"] for row in found] == QUERIES
    assert [int(row["source_results"]) for row in found] == [0, 1, 2]
    for row, expected in zip(found, search(index, model, QUERIES, top=2), strict=True):
        assert [one["id"] for one in row["results"]] == [one["id"] for one in expected]
        assert row["results"][0]["score"] == pytest.approx(expected[0]["score"], abs=1e-6)


def test_an_index_belongs_to_its_model(model, folder, make_checkpoint, tmp_path):
    other = tfdomain.TextEmbedder.from_pretrained(make_checkpoint(tmp_path / "b", num_hidden_layers=1, seed=1))
    assert "was made by another model" in refusal(lambda: load_index(folder, other))
    model.save(tmp_path / "model")
    assert model_fingerprint(tfdomain.load(tmp_path / "model")) == model_fingerprint(model)
    longer = tfdomain.TextEmbedder(model.encoder, model.tokenizer, max_length=9)
    assert model_fingerprint(longer) != model_fingerprint(model)
    classifier = tfdomain.TextClassifier(model.encoder, model.tokenizer, labels=["a", "b"])
    assert "of the task classification" in refusal(lambda: load_index(folder, classifier))


def test_items_must_have_texts_and_ids_of_their_own(model, tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("key,text\n1,paid\n1,card\n2,\n", encoding="utf-8")
    keys = {"id_column": "key"}
    assert "line 4: an empty text" in refusal(lambda: build_index(model, [path], tmp_path / "i", **keys))
    skipping = {"on_bad_row": "skip"}
    assert "ids[1]: is '1'" in refusal(lambda: build_index(model, [path], tmp_path / "i", **keys, **skipping))
    assert not (tmp_path / "i").exists()
    assert build_index(model, [path], tmp_path / "i", **skipping).ids == ["1", "2"]


@pytest.mark.thorough
def test_command_line(model, items, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    model.save("model")
    tfdomain_with(
        ["retrieve", "index", "model", "--items", str(items), "--text", "title", "--id", "key", "--to", "index"]
    )
    assert "4 items indexed in index (exact)" in capsys.readouterr().out
    tfdomain_with(["retrieve", "search", "index", "--model", "model", "--query", "we paid", "--top", "2"])
    lines = [line.split("\t") for line in capsys.readouterr().out.splitlines()]
    assert lines[0] == ["1", "1.0000", "x2", "we paid"]
    assert len(lines) == 2
    (tmp_path / "q.csv").write_text("text\nwe paid\n", encoding="utf-8")
    tfdomain_with(
        ["retrieve", "search", "index", "--model", "model", "--input", "q.csv", "--output", "a.jsonl", "--top", "1"]
    )
    assert "1 rows written to a.jsonl" in capsys.readouterr().out
    assert json.loads((tmp_path / "a.jsonl").read_text())["results"][0]["id"] == "x2"
    for wrong in (["--query", "a", "--input", "q.csv"], [], ["--input", "q.csv"]):
        with pytest.raises(SystemExit) as caught:
            main(["retrieve", "search", "index", "--model", "model", *wrong])
        assert caught.value.code == 2
        assert capsys.readouterr().err.count("\n") == 1


def test_the_embedder_of_a_model_of_several_tasks(model, items, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    model.save("single")
    tasks = {"find": ("embedding", {}), "kind": ("classification", {"labels": ["a", "b"]})}
    tfdomain.MultiTaskModel.from_pretrained("single", tasks=tasks).save("several")
    index = ["retrieve", "index", "several", "--items", str(items), "--text", "title", "--id", "key", "--to", "index"]
    tfdomain_with([*index, "--task", "find"])
    search = ["retrieve", "search", "index", "--model", "several", "--query", "we paid", "--top", "1"]
    tfdomain_with([*search, "--task", "find"])
    assert capsys.readouterr().out.splitlines()[1].split("\t")[2:] == ["x2", "we paid"]
    for task, message in (([], "the model has several tasks"), (["--task", "kind"], "")):
        with pytest.raises(SystemExit) as caught:
            main([*index[:-1], "other", *task])
        assert caught.value.code == 2
        told = capsys.readouterr().err
        assert told.startswith("error: ") and message in told and told.count("\n") == 1
    assert not (tmp_path / "other").exists()
