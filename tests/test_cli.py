"""The commands as people type them: what they print, and one line for each mistake."""

import csv
import json
import re

import pyarrow.parquet as pq
import pytest
import yaml

import tfdomain
from tfdomain.cli import main


@pytest.fixture(scope="module")
def project(tmp_path_factory, write_tiny_experiment, labelled_texts):
    """A folder with an experiment, its data, and a finished run in `runs/tiny`."""
    folder = tmp_path_factory.mktemp("project")
    rows = list(zip(*labelled_texts, strict=True))
    write_tiny_experiment(folder, {"train": rows, "test": rows[:10]}, training={"epochs": 1, "batch_size": 16})
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        run("train", "tiny.yaml")
    return folder


@pytest.fixture
def inside(project, monkeypatch):
    monkeypatch.chdir(project)
    return project


def run(*arguments: str) -> int:
    try:
        main([str(one) for one in arguments])
    except SystemExit as end:
        return end.code or 0
    return 0


def fails(capsys, *arguments: str, code: int = 2) -> str:
    """The one line on stderr of a command that must fail."""
    capsys.readouterr()
    assert run(*arguments) == code
    lines = [line for line in capsys.readouterr().err.splitlines() if "0000 00:00" not in line]
    assert len(lines) == 1, lines
    assert "Traceback" not in lines[0]
    return lines[0]


def test_version_and_help(capsys):
    assert run("--version") == 0
    assert capsys.readouterr().out == f"tfdomain {tfdomain.__version__}\n"
    assert run("--help") == 0
    shown = capsys.readouterr().out
    assert all(
        command in shown for command in ("init", "train", "board", "evaluate", "predict", "export", "serve", "data")
    )


def test_train_prints_report_and_places(inside, capsys):
    assert run("train", "tiny.yaml", "--run-dir", "runs/again", "--set", "training.epochs=2") == 0
    shown = capsys.readouterr().out
    assert "epoch 2/2" in shown
    assert "accuracy" in shown
    assert "runs/again/model" in shown
    assert yaml.safe_load((inside / "runs/again/config.yaml").read_text())["training"]["epochs"] == 2


def test_evaluate(inside, capsys):
    assert run("evaluate", "runs/tiny", "--data", "test.csv", "--json") == 0
    measured = json.loads(capsys.readouterr().out)
    stored = json.loads((inside / "runs/tiny/metrics.json").read_text())["test"]
    assert measured == stored
    assert run("evaluate", "runs/tiny/model", "--data", "test.csv") == 0
    assert "accuracy" in capsys.readouterr().out


@pytest.mark.parametrize(
    "ending", ["jsonl", *(pytest.param(each, marks=pytest.mark.thorough) for each in ("csv", "parquet"))]
)
def test_predict(inside, capsys, labelled_texts, ending):
    target = inside / f"out.{ending}"
    (inside / "empty_too.csv").write_text('reason\nmy car is lost\n""\nwe paid\n')
    assert run("predict", "runs/tiny", "--input", "empty_too.csv", "--output", target) == 0
    rows = {
        "jsonl": lambda: [json.loads(line) for line in target.read_text().splitlines()],
        "csv": lambda: list(csv.DictReader(target.open(newline=""))),
        "parquet": lambda: pq.read_table(target).to_pylist(),
    }[ending]()
    assert [row["reason"] for row in rows] == ["my car is lost", "", "we paid"]
    expected = tfdomain.load(inside / "runs/tiny/model").classify([row["reason"] for row in rows])
    assert [row["label"] for row in rows] == [row["label"] for row in expected]
    assert [float(row["score"]) for row in rows] == pytest.approx([row["score"] for row in expected], abs=1e-5)
    scores = [json.loads(row["scores"]) if ending == "csv" else row["scores"] for row in rows]
    assert all(sum(row.values()) == pytest.approx(1, abs=1e-5) for row in scores)


def test_export(inside, capsys):
    assert run("export", "runs/tiny", "--to", "served") == 0
    assert capsys.readouterr().out.strip().endswith("served/1")
    assert (inside / "served/1/saved_model.pb").is_file()


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["train", "none.yaml"], r"none.yaml: no such file; check the path"),
        (["train", "tiny.yaml"], r"runs/tiny: holds a run already; go on with --resume"),
        (["train", "tiny.yaml", "--set", "training.epoch=1"], r"unknown key training.epoch; did you mean epochs\?"),
        (["train", "tiny.yaml", "--set", "training.epochs=no"], r"training: epochs is False.*quotes"),
        (["train", "tiny.yaml", "--set", "encoder=nowhere", "--run-dir", "new"], r"nowhere"),
        (["train", "tiny.yaml", "--set", "data.train=none.csv", "--run-dir", "new"], r"none\.csv"),
        (["train", "tiny.yaml", "--set", "data.text=raeson", "--run-dir", "new"], r"raeson.*reason"),
        (
            ["train", "tiny.yaml", "--set", "max_length=4000", "--run-dir", "new"],
            r"max_length is 4000; choose 3 to 64",
        ),
        (["train", "tiny.yaml", "--set", "training.frozen_layers=9", "--run-dir", "new"], r"frozen_layers.*fewer"),
        (["evaluate", "runs/none", "--data", "test.csv"], r"runs/none: no such folder"),
        (["evaluate", ".", "--data", "test.csv"], r"holds no trained model"),
        (["evaluate", "runs/tiny", "--data", "none.csv"], r"none\.csv"),
        (["evaluate", "runs/tiny", "--data", "test.csv", "--label", "stat"], r"stat.*status"),
        (["predict", "runs/tiny", "--input", "test.csv", "--output", "out.txt"], r"unknown ending '\.txt'"),
        (["predict", "runs/tiny", "--input", "test.csv", "--output", "o.csv", "--text", "a", "--text", "b"], r"--text"),
        (["export", "runs/tiny", "--to", "test.csv"], r"test\.csv: is a file"),
        (["serve", "none"], r"none"),
        (["data", "fetch", "bankin77"], r"bankin77.*banking77"),
    ],
)
def test_mistakes_are_one_line(inside, capsys, arguments, expected):
    assert re.search(expected, fails(capsys, *arguments))
    assert not (inside / "new").exists()


BAD_ROWS = {
    "too few fields": (b"reason,status\nmy car,default\nonly one\nwe paid,repaid\n", r"line 3"),
    "broken byte": (b"reason,status\nmy car,default\nwe \xff paid,repaid\n", r"line 3"),
    "no label": (b"reason,status\nmy car,default\nwe paid,\n", r"line 3"),
    "empty text": (b"reason,status\nmy car,default\n,repaid\n", r"line 3"),
}


@pytest.mark.parametrize(
    "name", ["too few fields", *(pytest.param(name, marks=pytest.mark.thorough) for name in [*BAD_ROWS][1:])]
)
def test_bad_rows_are_refused_with_their_lines_or_skipped(inside, capsys, name):
    content, expected = BAD_ROWS[name]
    (inside / "bad.csv").write_bytes(content + b"the debt,default\nwe need help,repaid\n")
    arguments = ["train", "tiny.yaml", "--set", "data.train=bad.csv", "--run-dir", f"bad-{name.replace(' ', '-')}"]
    line = fails(capsys, *arguments)
    assert re.search(expected, line)
    assert "on_bad_row" in line
    assert run(*arguments, "--set", "data.on_bad_row=skip") == 0
    assert re.search(rf"skipped 1 row with faults:\n  .*bad.csv: {expected}", capsys.readouterr().out)


def test_unseen_label_is_named_with_its_row(inside, capsys):
    (inside / "new_label.csv").write_text("reason,status\nmy car,default\nwe paid,repayed\n")
    line = fails(capsys, "evaluate", "runs/tiny", "--data", "new_label.csv")
    assert re.search(r"new_label.csv: line 3: label 'repayed' was never seen in training; did you mean 'repaid'", line)


@pytest.mark.thorough
@pytest.mark.parametrize("names", [["1", "2", "3", "5"], ["01", "1", "10"]])
def test_labels_that_are_numbers(inside, capsys, names):
    rows = [(f"we paid {'money ' * place}", name) for place, name in enumerate(names) for _ in range(6)]
    for file, chosen in {"numbers.csv": rows, "some.csv": rows[6:12]}.items():
        with open(inside / file, "w", newline="") as opened:
            csv.writer(opened).writerows([("reason", "status"), *chosen])
    folder = f"runs/numbers-{len(names)}"
    settings = ["--set", "data.train=numbers.csv", "--set", "data.test=some.csv"]
    assert run("train", "tiny.yaml", "--run-dir", folder, *settings) == 0
    measured = json.loads((inside / folder / "metrics.json").read_text())["test"]
    assert {name: one["support"] for name, one in measured["per_class"].items() if one["support"]} == {names[1]: 6}
    capsys.readouterr()
    assert run("evaluate", folder, "--data", "some.csv", "--json") == 0
    assert json.loads(capsys.readouterr().out)["per_class"] == measured["per_class"]


def test_usage_errors_are_one_line(inside, capsys):
    assert "Missing argument 'FILE'" in fails(capsys, "train")
    assert "No such option: --frob" in fails(capsys, "train", "tiny.yaml", "--frob")


def test_debug_shows_the_traceback(inside):
    with pytest.raises(tfdomain.InputError):
        main(["train", "none.yaml", "--debug"])
