"""`tfdomain init` as people use it: what it shows, asks, writes and refuses; and that what it writes trains."""

import csv
import io
import json
import random
import re
import shlex
import shutil
from pathlib import Path

import pytest
import yaml

from tfdomain.cli import main
from tfdomain.config import load_experiment
from tfdomain.questions import draft_experiment

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TFDOMAIN_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path


def write_rows(path, header, rows):
    with open(path, "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([header, *rows] if header else rows)


def texts(count, seed=0):
    rng = random.Random(seed)
    words = ["the", "my", "our", "loan", "card", "money", "house", "school", "lost", "paid"]
    return [" ".join(rng.choices(words, k=rng.randrange(5, 12))) for _ in range(count)]


def write_classification(folder):
    rows = [(text, "bad" if "lost" in text else "good") for text in texts(80)]
    write_rows(folder / "loans.csv", ("reason", "status"), [*rows, ("", "bad")])
    return ["loans.csv"]


def write_pairs(folder):
    rows = list(zip(texts(60), texts(60, 1), ["yes", "no", "perhaps"] * 20, strict=True))
    write_rows(folder / "pairs-train.csv", ("first", "second", "same"), rows)
    write_rows(folder / "pairs-test.csv", ("first", "second", "same"), [*rows[:9], ("my card is", "my loan is", "new")])
    return ["pairs-train.csv", "pairs-test.csv"]


def write_multilabel(folder):
    rng = random.Random(0)
    rows = [{"text": text, "labels": rng.sample(["fees", "fraud"], rng.randrange(3))} for text in texts(60)]
    (folder / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return ["a.jsonl"]


def write_regression(folder):
    write_rows(folder / "scores.csv", None, [(text, other, n / 7) for n, (text, other) in enumerate(TWICE)])
    return ["scores.csv"]


TWICE = list(zip(texts(60), texts(60, 1), strict=True))


def write_tagging(folder):
    rng = random.Random(0)
    tags = {"car": "B-thing", "bank": "B-place"}
    sentences = [rng.choices(["the", "my", "lost", *tags], k=rng.randrange(3, 9)) for _ in range(60)]
    lines = ["".join(f"{word}\t{tags.get(word, 'O')}\n" for word in words) for words in sentences]
    (folder / "tags.tsv").write_text("\n".join(lines))
    return ["tags.tsv"]


WRITERS = {
    "classification": write_classification,
    "pairs": write_pairs,
    "multilabel": write_multilabel,
    "regression": write_regression,
    "tagging": write_tagging,
}


def run(*arguments) -> int:
    try:
        main([str(one) for one in arguments])
    except SystemExit as end:
        return end.code or 0
    return 0


def drafted(folder) -> dict:
    [file] = folder.glob("*.yaml")
    load_experiment(file)
    return yaml.safe_load(file.read_text())


def test_what_is_shown_and_written(folder, capsys):
    write_classification(folder)
    assert run("init", "loans.csv") == 0
    shown = capsys.readouterr().out
    for line in (
        r"loans.csv: 2 columns, by the first 81 rows",
        r"status +category +100% +2 ",
        r"rows +81",
        r"language +\w+",
        r"labels +2 of status: ",
        r"empty texts +1 \(1.2%\)",
        r"faulty rows +0",
        r"! there is no test file",
        r"train +tfdomain train loans.yaml",
    ):
        assert re.search(line, shown), line
    found = drafted(folder)
    assert (found["name"], found["task"]) == ("loans", "classification")
    assert found["data"]["train"] == "loans.csv"
    assert found["data"]["on_bad_row"] == "skip"
    text = (folder / "loans.yaml").read_text()
    assert re.search(
        r"# 99 of 100 texts have \d+ tokens or fewer \(an estimate\), longer ones are cut\nmax_length: 16", text
    )
    assert "  # left out, and counted: 1 row without a text\n  on_bad_row: skip\n" in text


@pytest.mark.parametrize("name", WRITERS)
def test_every_task_is_told_and_written(folder, capsys, name):
    assert run("init", *WRITERS[name](folder), "--yes", "--output", "x.yaml") == 0
    found = drafted(folder)
    assert found["task"] == {"pairs": "classification"}.get(name, name)
    if name == "pairs":
        assert found["data"] | {"validation": None} == {
            "train": "pairs-train.csv",
            "validation": None,
            "test": "pairs-test.csv",
            "text": ["first", "second"],
            "label": "same",
            "on_bad_row": "skip",
        }
        assert "labels that training does not have: new" in capsys.readouterr().out
    if name == "regression":
        assert found["data"]["column_names"] == ["column_1", "column_2", "column_3"]


@pytest.mark.thorough
@pytest.mark.parametrize("name", WRITERS)
def test_what_is_written_trains_as_it_is(folder, capsys, tiny_checkpoint, name):
    assert run("init", *WRITERS[name](folder), "--encoder", tiny_checkpoint, "--output", "x.yaml") == 0
    assert run("train", "x.yaml", "--set", "training.epochs=1", "--run-dir", "run") == 0
    assert "epoch 1/1" in capsys.readouterr().out
    metrics = json.loads((folder / "run/metrics.json").read_text())
    assert metrics["validation"]["num_examples"] > 0


def test_an_encoder_of_few_positions_shortens_the_texts(folder, make_checkpoint):
    write_classification(folder)
    small = make_checkpoint(folder / "small", max_position_embeddings=12)
    assert run("init", "loans.csv", "--encoder", small) == 0
    assert drafted(folder)["max_length"] == 12


def test_a_file_elsewhere_is_named_from_where_the_experiment_lies(folder):
    (folder / "data").mkdir()
    write_classification(folder / "data")
    (folder / "data/loans.csv").rename(folder / "data/train.csv")
    assert run("init", "data/train.csv", "--output", "experiments/x.yaml") == 0
    experiment = load_experiment(folder / "experiments/x.yaml")
    assert (experiment.data.train, experiment.name) == ("../data/train.csv", "data")


def test_nothing_is_replaced_without_being_told(folder, capsys):
    write_classification(folder)
    (folder / "loans.yaml").write_text("mine")
    for arguments in ([], ["--yes"], ["--output", "loans.yaml"]):
        assert run("init", "loans.csv", *arguments) == 2
        assert "loans.yaml: is there already; name another with --output" in capsys.readouterr().err
        assert (folder / "loans.yaml").read_text() == "mine"
    assert run("init", "loans.csv", "--overwrite") == 0
    assert drafted(folder)["name"] == "loans"


def test_a_person_is_asked(folder, capsys, monkeypatch):
    rows = [(text, text.upper(), n % 2, "ab"[n % 2]) for n, text in enumerate(texts(40))]
    write_rows(folder / "a.csv", ("one", "two", "n", "label"), rows)
    (folder / "taken.yaml").write_text("mine")
    answers = ["none", "two", "label", "wrong", "classification", "owner/encoder", "b", "taken.yaml", "y"]
    monkeypatch.setattr("sys.stdin", io.StringIO("\n".join(answers) + "\n"))
    assert draft_experiment([folder / "a.csv"], asks=True).name == "taken.yaml"
    shown = capsys.readouterr().out
    assert "no column none; the columns are one, two, n, label" in shown
    assert "choose one of classification, multilabel, regression" in shown
    found = yaml.safe_load((folder / "taken.yaml").read_text())
    assert (found["data"]["text"], found["data"]["label"], found["encoder"]) == ("two", "label", "owner/encoder")
    assert found["model"]["positive"] == "b"


def test_a_person_may_know_a_label_where_nothing_looks_like_one(folder, capsys, monkeypatch):
    rows = [(text, f"name {n}") for n, text in enumerate(texts(30))]
    write_rows(folder / "a.csv", ("text", "who"), [*rows, (rows[0][0], "name 1")])
    assert run("init", "a.csv") == 2
    assert "no column looks like a label" in capsys.readouterr().err
    monkeypatch.setattr("sys.stdin", io.StringIO("\nwho\n\n\n\n"))
    draft_experiment([folder / "a.csv"], asks=True)
    assert drafted(folder)["data"]["label"] == "who"


def test_what_flags_say_is_not_asked(folder, monkeypatch):
    write_classification(folder)
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    given = {"task": "classification", "texts": ["reason"], "labels": ["status"], "encoder": "a/b", "positive": "bad"}
    draft_experiment([folder / "loans.csv"], **given, output=folder / "x.yaml", asks=True)
    assert drafted(folder)["model"]["positive"] == "bad"


def test_spans_in_a_table(folder):
    rows = [(text, json.dumps([[0, 3, "start"]])) for text in texts(30)]
    write_rows(folder / "spans.csv", ("sentence", "entities"), rows)
    assert run("init", "spans.csv") == 0
    found = drafted(folder)
    assert (found["task"], found["data"]["text"], found["data"]["entities"]) == ("tagging", "sentence", "entities")


@pytest.mark.parametrize(
    ("content", "arguments", "expected"),
    [
        ("reason,status\nmy card is lost,bad\n", ["--label", "state"], r"no column 'state'.*did you mean 'status'"),
        ("reason,status\nmy card is lost,bad\n", ["--label", "status"], r"every row has the label 'bad'"),
        ("reason,status\nmy card is lost,bad\n", ["--task", "spann"], r"no task 'spann'"),
        ("reason,status\nmy card is lost,bad\n", ["--task", "embedding"], r"docs/embedding.md"),
        ("reason,status\nmy card is lost,bad\n", ["--encoder", "./none"], r"\./none: no such folder"),
        ("reason,status\nmy card is lost,bad\n", ["--output", "a.txt"], r"--output: a\.txt is no name of a YAML file"),
        ("a b c\nx\n", [], r"no column looks like"),
        ("", [], r"is empty"),
    ],
)
def test_mistakes_are_one_line(folder, capsys, content, arguments, expected):
    (folder / "a.csv").write_text(content)
    assert run("init", "a.csv", *arguments) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert re.search(expected, line)
    assert not list(folder.glob("*.yaml"))


def test_json_that_holds_no_texts_with_entities(folder, capsys):
    (folder / "a.json").write_text('{"train": [["a", "b"]]}')
    assert run("init", "a.json") == 2
    assert "rows are read from JSON Lines (.jsonl)" in capsys.readouterr().err


def test_the_page_shows_what_is_printed_and_written(folder, capsys):
    shutil.copytree(ROOT / "tfdomain/samples", folder / "tfdomain/samples")
    page = (ROOT / "docs/init.md").read_text(encoding="utf-8")
    command, printed = re.search(r"```console\n\$ tfdomain (.+)\n((?s:.)*?)```", page).groups()
    assert run(*shlex.split(command)) == 0
    assert [line.rstrip() for line in capsys.readouterr().out.splitlines()] == printed.splitlines()
    written = (folder / "loan_applications.yaml").read_text(encoding="utf-8")
    assert re.search(r"```yaml\n((?s:.)*?)```", page)[1] == written
    names = {}
    exec(re.search(r"```python\n((?s:.)*?)```", page)[1], names)
    assert names["profile"].labels == {"repaid": 309, "default": 185}
