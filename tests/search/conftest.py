"""An experiment to search, and runs that do nothing but write what a run would."""

import json
import math
from pathlib import Path

import pytest

from tfdomain.config import load_experiment, save_config
from tfdomain.errors import TfdomainError
from tfdomain.files import write_json

SPACE = {"training.learning_rate": {"float": [1e-5, 1e-3], "log": True}, "model.pooling": {"choice": ["cls", "mean"]}}


@pytest.fixture(scope="session")
def write_experiment(tmp_path_factory, write_tiny_experiment, labelled_texts):
    """Writes an experiment file with these keys of a search."""

    def write(**search) -> Path:
        return write_tiny_experiment(
            tmp_path_factory.mktemp("search"),
            {"train": [*zip(*labelled_texts, strict=True)]},
            data={"validation": 0.25, "test": "train.csv"},
            max_length=16,
            training={"epochs": 3, "batch_size": 16, "seed": 3, "checkpoint_seconds": 0.0},
            search={"objective": "validation.macro_f1", "space": SPACE, "trials": 4} | search,
        )

    return write


class PretendedRuns:
    """In place of processes: a run's macro F1 depends on its setting alone."""

    def __init__(self):
        self.begun = []
        self.fails = lambda name, experiment: None

    def __call__(self, arguments, log, *, limits=None, watch=None):
        changes = [arguments[place + 1] for place, one in enumerate(arguments) if one == "--set"]
        experiment = load_experiment(arguments[1], changes)
        if arguments[0] == "objectives":
            write_json(arguments[arguments.index("--to") + 1], {"num_examples": 15, "macro_f1": 0.3, "roc_auc": None})
            return
        folder = Path(arguments[arguments.index("--run-dir") + 1])
        self.begun.append((folder.name, "--resume" in arguments, experiment, limits))
        save_config(experiment, folder / "config.yaml")
        if watch is not None:
            watch()
        self._fail(folder.name, experiment)
        path = folder / "state.safetensors"
        path.write_text((path.read_text() if path.is_file() else "") + folder.name + " ")
        write_json(folder / "environment.json", {"data_fingerprint": "a"})
        value = true_value(experiment.training.learning_rate, experiment.model.pooling)
        test = None if experiment.data.test is None else {"macro_f1": value - 0.1 + experiment.training.seed / 100}
        write_json(folder / "metrics.json", {"validation": {"num_examples": 15, "macro_f1": value}, "test": test})

    def _fail(self, name, experiment):
        problem = self.fails(name, experiment)
        if problem is not None:
            error = TfdomainError(problem)
            error.add_note("\n".join(f"line {number}" for number in range(50)))
            raise error


def true_value(learning_rate, pooling):
    """Best in the middle of the learning rates, and by mean."""
    return 0.9 - 0.2 * abs(math.log10(learning_rate) + 4) - (0.05 if pooling == "cls" else 0)


@pytest.fixture
def pretended(monkeypatch):
    runs = PretendedRuns()
    monkeypatch.setattr("tfdomain.training.child_process.run_command", runs)
    monkeypatch.setattr("tfdomain.search.plan.run_command", runs)
    return runs


@pytest.fixture
def read_lines():
    return lambda folder: [json.loads(line) for line in (folder / "trials.jsonl").read_text().splitlines()]
