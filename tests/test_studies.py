"""The list of studies is whole, and its page says what it says."""

import importlib.util
import os
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml

from tfdomain.config import load_experiment
from tfdomain.data.datasets import list_datasets

FOLDER = Path(__file__).resolve().parent.parent / "experiments"
STUDIES = yaml.safe_load((FOLDER / "studies.yaml").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def study():
    spec = importlib.util.spec_from_file_location("study", FOLDER / "study.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_experiment_is_a_study():
    assert set(STUDIES) == {file.stem for file in FOLDER.glob("*.yaml")} - {"studies"}
    assert {name for one in STUDIES.values() for name in one["data"]} <= {entry.name for entry in list_datasets()}


def test_the_page_is_in_step(study):
    told = "make it again: python experiments/study.py list"
    assert (FOLDER / "README.md").read_text(encoding="utf-8") == study.page(STUDIES), told


@pytest.mark.parametrize("name", STUDIES)
def test_what_a_study_runs_is_there(study, name):
    words = [word for command in study.commands(name, STUDIES[name]) for word in command]
    scripts = [word for word in words if word.startswith("experiments/") and word.endswith((".py", ".yaml"))]
    assert scripts and all((FOLDER.parent / script).is_file() for script in scripts)
    if not name.startswith(("prepare_", "pretrain_")):
        assert load_experiment(FOLDER / f"{name}.yaml").name == name


def test_a_study_runs_with_the_folders_in_their_places(study, monkeypatch, tmp_path):
    ran = []
    monkeypatch.setenv("TFDOMAIN_DATA_DIR", str(tmp_path))
    monkeypatch.setattr(study.subprocess, "run", lambda command: ran.append(command) or SimpleNamespace(returncode=0))
    monkeypatch.setattr("sys.argv", ["study.py", "run", "clinc150", "--set", "training.epochs=1"])
    study.main()
    first, own = [command[1:] for command in ran]
    assert first == ["experiments/prepare_labelled_texts.py", "clinc150", str(tmp_path)]
    assert own[:4] == ["-m", "tfdomain", "train", "experiments/clinc150.yaml"]
    assert own[4:] == ["--run-dir", os.path.join("runs", "clinc150"), "--set", "training.epochs=1"]


def test_a_study_that_is_not_there(study, monkeypatch):
    monkeypatch.setattr("sys.argv", ["study.py", "run", "nothing"])
    with pytest.raises(SystemExit, match="no study 'nothing'; the studies are banking77"):
        study.main()


def test_a_command_that_fails_ends_the_study_with_its_code(study, monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("TFDOMAIN_DATA_DIR", str(tmp_path))
    monkeypatch.setattr(study.subprocess, "run", lambda command: SimpleNamespace(returncode=2))
    monkeypatch.setattr("sys.argv", ["study.py", "run", "lendingclub"])
    with pytest.raises(SystemExit, match="2"):
        study.main()
    assert f"--to {tmp_path}/lendingclub" in capsys.readouterr().out


def test_an_interrupted_study_goes_on(study, monkeypatch, tmp_path):
    ran = []
    monkeypatch.setenv("TFDOMAIN_DATA_DIR", str(tmp_path))
    monkeypatch.setattr(study.subprocess, "run", lambda command: ran.append(command) or SimpleNamespace(returncode=0))
    monkeypatch.setattr("sys.argv", ["study.py", "run", "stsb", "--to", str(tmp_path / "run")])
    study.main()
    assert "--resume" not in ran[-1]
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "config.yaml").touch()
    study.main()
    assert ran[-1][-1] == "--resume"
