"""The README's commands and the table of keys say what is so."""

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml
from pydantic import BaseModel

import tfdomain
from tfdomain.cli import main
from tfdomain.config import Board, ClassificationData, ClassifierHead, Experiment, Training
from tfdomain.config.multitask import OneTask
from tfdomain.config.tasks import EXPERIMENTS

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
EXPERIMENT_PAGE = (ROOT / "docs/experiment_file.md").read_text(encoding="utf-8")
PAGES = sorted((ROOT / "docs").glob("*.md"))


@pytest.fixture
def command(tmp_path, monkeypatch, capsys):
    """Runs one command in `tmp_path` and gives what it printed; in this process, which has TensorFlow already."""
    monkeypatch.chdir(tmp_path)

    def run(*words: str) -> str:
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main([*words])
        printed = capsys.readouterr()
        assert not ended.value.code, printed.err
        return printed.out

    return run


@pytest.mark.parametrize(
    ("heading", "section"),
    [("data", ClassificationData), ("model", ClassifierHead), ("training", Training), ("board", Board)],
)
def test_every_key_is_documented_with_its_default(heading, section):
    text = EXPERIMENT_PAGE.split(f"## `{heading}`\n")[1].split("\n## ")[0]
    documented = dict(re.findall(r"^\| `(\w+)` \| (.+?) \|", text, re.MULTILINE))
    assert set(documented) == set(section.model_fields)
    for name, field in section.model_fields.items():
        default = "required" if field.is_required() else f"`{_in_yaml(field.default)}`"
        assert documented[name] == default, name


def test_top_keys_are_documented():
    documented = set(re.findall(r"^\| `(\w+)` \|", EXPERIMENT_PAGE.split("## `data`")[0], re.MULTILINE))
    assert documented == set(Experiment.model_fields) - {"data", "model", "training", "board"}


@pytest.mark.parametrize("task", sorted(set(EXPERIMENTS) - {"classification"}))
def test_a_task_tells_where_its_keys_are_other_than_those_of_classification(task):
    text = EXPERIMENT_PAGE.split(f"### `task: {task}`\n")[1].split("\n#")[0]
    documented = dict(re.findall(r"^\| `(\S+)` \| (.+?) \|", text, re.MULTILINE))
    own, usual = _defaults(EXPERIMENTS[task]), _defaults(EXPERIMENTS["classification"])
    other = {name for name, default in own.items() if name not in usual or usual[name] != default}
    of_each = {f"tasks.<name>.{name}" for name in OneTask.model_fields} if task == "multitask" else set()
    # `task` is the heading; several tasks have no `data` of their own.
    assert (other - {"task", "data"}) | of_each <= set(documented)
    assert set(documented) - of_each <= set(own)
    for name in set(documented) - of_each:
        assert documented[name] == own[name], name
    told = set(re.findall(r"`([\w.]+)`", text))
    for name in set(usual) - set(own):
        assert told & {name, name.split(".")[0]}, name


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_pages_show_experiments_as_they_are(page):
    blocks = re.findall(
        r"```yaml\n# (experiments/\w+\.yaml)([^\n]*)\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL
    )
    for file, remark, shown in blocks:
        values, shown = yaml.safe_load((ROOT / file).read_text(encoding="utf-8")), yaml.safe_load(shown)
        assert _is_part(shown, values) if "shortened" in remark else shown == values, file


@pytest.mark.thorough
@pytest.mark.parametrize("name", ["features", "long_documents", "regression"])
def test_the_python_of_a_page_runs(name, tiny_checkpoint):
    page = (ROOT / f"docs/{name}.md").read_text(encoding="utf-8")
    [code] = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    names = {"folder": str(tiny_checkpoint)}
    exec(code.replace('"runs/pretrain_chinese/model"', "folder").replace("epochs=3", "epochs=1"), names)
    # What the last lines of the page ask the model, and what it says of the answers.
    model, asked = names["model"], [line for line in code.splitlines() if line.startswith("model.")]
    answers = [eval(line, names) for line in asked if not line.startswith("model.fit")]
    if name == "long_documents":
        assert model.windows == "attention" and answers[0][0].keys() == {"label", "score"}
        text = re.search(r"classify\(\[(.*)\]\)  # (\d+) characters", code)
        assert len(eval(text[1])) == int(text[2])
    else:
        assert answers[0].dtype == np.float32 and answers[0].shape == (1, 2)
    if name == "regression":
        assert answers[1][0]["values"].keys() == {"stars", "price"}


def test_readme_shows_the_sample_experiment_as_it_is():
    shown = re.search(r"```yaml\n# experiments/loans.yaml\n(.*?)```", README, re.DOTALL)[1]
    assert yaml.safe_load(shown) == yaml.safe_load((ROOT / "experiments/loans.yaml").read_text())


def test_readme_links_lead_somewhere():
    for target in re.findall(r"\]\(([^)#:]+)\)", README):
        assert (ROOT / target).exists(), target


def test_readme_error_is_printed_as_shown(monkeypatch, capsys):
    command, line = re.search(r"\$ tfdomain (train \S+ --set \S+)\n(error: .*)", README).groups()
    monkeypatch.chdir(ROOT)
    with pytest.raises(SystemExit, match="2"):
        main(shlex.split(command))
    assert capsys.readouterr().err.strip() == line


@pytest.mark.thorough
def test_the_reference_has_every_public_name(tmp_path):
    _run(str(ROOT / "docs/make_reference.py"), "--to", str(tmp_path), cwd=tmp_path)
    page = (tmp_path / "tfdomain.html").read_text(encoding="utf-8")
    for name in set(tfdomain.__all__) - {"__version__"}:
        section = page.split(f'<section id="{name}">')[1].split("</section>")[0]
        assert 'class="docstring"' in section, name
    train = (tmp_path / "tfdomain/training/run.html").read_text(encoding="utf-8")
    assert "Trains, measures and saves one experiment;" in train


@pytest.mark.real
def test_readme_walk(tmp_path, minilm, command):
    """Each `tfdomain` command of the walk in its order, in a folder that sees the checkout's files."""
    for name in ("experiments", "tfdomain/samples"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).symlink_to(ROOT / name)
    walk = README.split("### Train\n")[1].split("## In Python")[0]
    commands = [shlex.split(line) for line in re.findall(r"^\$ tfdomain (.+)$", walk, re.MULTILINE)]
    assert [words[0] for words in commands] == ["train", "board", "evaluate", "predict", "export", "serve"]
    # Two of them go on until they are stopped.
    for words in [words for words in commands if words[0] not in ("board", "serve")]:
        printed = command(*words)
        for line in _shown_output(walk, words):
            assert _without_numbers(line) in _without_numbers(printed), line


@pytest.mark.real
def test_the_way_from_raw_files(tmp_path, minilm, command):
    """The page's commands in their order, with one epoch a training."""
    page = (ROOT / "docs/from_raw_files.md").read_text(encoding="utf-8")
    for name in ("pretrain_loans", "loans_prepared"):
        (tmp_path / "experiments").mkdir(exist_ok=True)
        (tmp_path / f"experiments/{name}.yaml").write_bytes((ROOT / f"experiments/{name}.yaml").read_bytes())
    (tmp_path / "tfdomain").mkdir()
    (tmp_path / "tfdomain/samples").symlink_to(ROOT / "tfdomain/samples")
    shown = re.search(r"```yaml\n# experiments/pretrain_loans.yaml\n(.*?)```", page, re.DOTALL)[1]
    assert yaml.safe_load(shown) == yaml.safe_load((ROOT / "experiments/pretrain_loans.yaml").read_text())
    commands = [shlex.split(line) for line in re.findall(r"^\$ tfdomain (.+)$", page, re.MULTILINE)]
    assert [words[0] for words in commands] == ["prepare", "pretrain", "train", "train", "compare"]
    for words in commands:
        shorter = ["--set", "training.epochs=1"] if words[0] in ("pretrain", "train") else []
        printed = command(*words, *shorter)
        shown = page.split(f"$ tfdomain {words[0]}")[1].split("\n", 1)[1].split("```")[0]
        for line in shown.splitlines() if words[0] in ("prepare", "pretrain") else []:
            assert line in printed, line


@pytest.mark.real
def test_readme_python(tmp_path, minilm):
    code = re.search(r"```python\n(.*?)```", README, re.DOTALL)[1]
    _run("-c", code + '\nassert model.classify(["I paid every month"])[0]["label"] == "repaid"', cwd=tmp_path)
    assert (tmp_path / "runs/in_python_served/1/saved_model.pb").is_file()


def _defaults(experiment: type[BaseModel]) -> dict[str, str]:
    """The keys of an experiment, with those of its sections, and their defaults as the tables write them."""
    keys = {}
    for name, field in experiment.model_fields.items():
        is_section = isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel)
        inner = field.annotation.model_fields if is_section else {"": field}
        for key, one in inner.items():
            default = "required" if one.is_required() else f"`{_in_yaml(one.get_default(call_default_factory=True))}`"
            keys[f"{name}.{key}".rstrip(".")] = default
    return keys


def _in_yaml(default) -> str:
    if isinstance(default, (list, tuple)):
        return f"[{', '.join(map(_in_yaml, default))}]"
    return json.dumps(default) if default is None or isinstance(default, bool) else str(default).replace("|", r"\|")


def _is_part(shown, values) -> bool:
    """Whether all that is shown stands in the values."""
    if isinstance(shown, dict):
        return all(name in values and _is_part(one, values[name]) for name, one in shown.items())
    return set(shown) <= set(values) if isinstance(shown, list) else shown == values


def _run(*arguments, cwd):
    done = subprocess.run([sys.executable, *arguments], cwd=cwd, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done


def _shown_output(walk: str, command: list[str]) -> list[str]:
    block = walk.split(f"$ tfdomain {shlex.join(command)}\n")[1].split("```")[0].split("\n$ ")[0]
    return [line for line in block.splitlines() if line.strip() and "..." not in line]


def _without_numbers(text: str) -> str:
    # Figures differ with the CPU; the words and the order of the lines do not.
    return re.sub(r"\s+", " ", re.sub(r"[\d.,]+%?", "#", text))
