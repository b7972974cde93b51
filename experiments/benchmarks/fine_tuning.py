"""Examples per second of fine-tuning against the PyTorch Trainer and KerasHub's `fit`, side by side; JSON and a table.

    TFDOMAIN_DATA_DIR=... python experiments/benchmarks/fine_tuning.py --encoder ENCODER \\
        --peer PEER/bin/python --keras-hub HUB/bin/python

PEER has torch, transformers, accelerate and datasets, HUB has keras-hub; `make bench` builds both. Three workloads:
`banking77` (short texts, a label each), `ncbi_disease` (sentences with a tag a word) and `long` (512 tokens of the
minutes of the Federal Open Market Committee, told apart by decade). All sides train the same rows of the same
checkpoint with AdamW in float32, in batches of the same size, and are then asked for the same test rows. Ours is
`tfdomain train` on an experiment file. The Trainer runs with batches grouped by length (`trainer`) and as it is by
default (`trainer_default`). KerasHub has random weights, its presets being elsewhere: its speed counts, its accuracy
does not; it pads every row to the longest.

Timed are the epochs after the first, each from the end of its first update: no start, no tracing, no evaluation.
The sides take turns, each round in new processes; `--cores 0` pins all of them to core 0.
"""

import argparse
import csv
import gzip
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).resolve().parents[2]
OTHERS = Path(__file__).with_name("fine_tuning_peers.py")
WORDS_OF_A_PIECE = 430
WORKLOADS: dict[str, dict[str, Any]] = {
    "banking77": {"rows": 960, "test": 500, "epochs": 4, "batch": 32, "length": 128, "rate": 3e-4},
    "ncbi_disease": {"rows": 960, "test": 300, "epochs": 3, "batch": 32, "length": 128, "rate": 3e-4},
    "long": {"rows": 120, "test": 40, "epochs": 3, "batch": 8, "length": 512, "rate": 1e-4},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--encoder", required=True, help="the folder of a checkpoint")
    parser.add_argument(
        "--peer", metavar="PYTHON", help="an interpreter with torch, transformers, accelerate, datasets"
    )
    parser.add_argument("--keras-hub", metavar="PYTHON", help="an interpreter with keras-hub")
    parser.add_argument("--workloads", nargs="+", choices=WORKLOADS, default=list(WORKLOADS))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--cores", help="as for taskset -c; default: all")
    arguments = parser.parse_args()
    results = {name: _compare(name, arguments) for name in arguments.workloads}
    print(json.dumps(results))
    print(_table(results))


def _compare(name: str, arguments: argparse.Namespace) -> dict[str, Any]:
    """Medians, their spread and the ratios of one workload."""
    found: dict[str, list[dict[str, float]]] = {}
    with tempfile.TemporaryDirectory(prefix="tfdomain-") as folder:
        sides = _commands(name, WORKLOADS[name], Path(folder), arguments)
        for turn in range(arguments.rounds):
            for side, command in list(sides.items())[:: 1 if turn % 2 else -1]:
                figures = _run(side, command, Path(folder) / f"{side}{turn}", arguments.cores)
                found.setdefault(side, []).append(figures)
                print(name, turn, side, json.dumps(figures), file=sys.stderr, flush=True)
    result: dict[str, Any] = {}
    for side, runs in found.items():
        speeds = sorted(run["examples_per_second"] for run in runs)
        result[side] = {
            "examples_per_second": round(statistics.median(speeds), 2),
            "spread": [round(speeds[0], 2), round(speeds[-1], 2)],
            "score": None if side == "keras_hub" else round(statistics.mean(run["score"] for run in runs), 4),
            "peak_memory_mib": round(statistics.median(run["peak_memory_bytes"] for run in runs) / 2**20),
        }
    for each in result.values():
        each["ratio"] = round(result["ours"]["examples_per_second"] / each["examples_per_second"], 3)
    return result


def _commands(name: str, workload: dict[str, Any], folder: Path, arguments: argparse.Namespace) -> dict[str, list[str]]:
    """Writes the data, and gives the command of each side without the folder it writes to."""
    experiment = _write_data(name, workload, folder) | {
        "name": name,
        "encoder": arguments.encoder,
        "max_length": workload["length"],
        "training": {
            "epochs": workload["epochs"],
            "batch_size": workload["batch"],
            "learning_rate": workload["rate"],
            "strategy": "none",
        },
    }
    (folder / "experiment.yaml").write_text(json.dumps(experiment))
    (folder / "workload.json").write_text(json.dumps(workload | {"encoder": arguments.encoder}))
    sides = {"ours": [sys.executable, "-m", "tfdomain", "train", str(folder / "experiment.yaml"), "--run-dir"]}
    if arguments.peer:
        sides["trainer"] = [arguments.peer, str(OTHERS), "group_by_length", str(folder)]
        sides["trainer_default"] = [arguments.peer, str(OTHERS), "random", str(folder)]
    if arguments.keras_hub:
        sides["keras_hub"] = [arguments.keras_hub, str(OTHERS), "keras_hub", str(folder)]
    return sides


def _write_data(name: str, workload: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Writes the same rows as the peers read them and as ours does; gives the experiment's task and data."""
    source = {"banking77": _banking77, "ncbi_disease": _ncbi_disease, "long": _minutes}[name]
    data = Path(os.environ["TFDOMAIN_DATA_DIR"])
    for part in ("train", "test"):
        rows = list(source(data, part))
        random.Random(0).shuffle(rows)
        rows = rows[: workload["rows" if part == "train" else "test"]]
        (folder / f"{part}.json").write_text(json.dumps(rows))
        if name == "ncbi_disease":
            blocks = ("".join(f"{word}\t{tag}\n" for word, tag in zip(*row, strict=True)) for row in rows)
            (folder / f"{part}.tsv").write_text("\n".join(blocks), encoding="utf-8")
        else:
            with open(folder / f"{part}.csv", "w", encoding="utf-8", newline="") as file:
                csv.writer(file).writerows([("text", "label"), *rows])
    if name == "ncbi_disease":
        return {"task": "tagging", "data": {"train": "train.tsv", "test": "test.tsv"}}
    return {"task": "classification", "data": {"train": "train.csv", "test": "test.csv", "label": "label"}}


def _banking77(data: Path, part: str) -> Iterator[tuple[str, str]]:
    path = data / "banking77" / ("train.csv.gz" if part == "train" else "test.csv")
    with (gzip.open if path.suffix == ".gz" else open)(path, "rt", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            yield row["text"], row["category"]


def _ncbi_disease(data: Path, part: str) -> Iterator[tuple[list[str], list[str]]]:
    path = data / "ncbi_disease" / ("train.tsv.gz" if part == "train" else "test.tsv")
    with (gzip.open if path.suffix == ".gz" else open)(path, "rt", encoding="utf-8") as file:
        for block in file.read().split("\n\n"):
            lines = [line.split("\t") for line in block.splitlines() if line.strip()]
            if lines:
                yield [word for word, _ in lines], [tag for _, tag in lines]


def _minutes(data: Path, part: str) -> Iterator[tuple[str, str]]:
    with gzip.open(data / "mlm_finance_fomc" / "fomc_minutes.jsonl.gz", "rt", encoding="utf-8") as file:
        for number, line in enumerate(file):
            meeting = json.loads(line)
            if (number % 5 == 0) != (part == "test"):
                continue
            words = meeting["text"].split()
            for first in range(0, len(words) - WORDS_OF_A_PIECE, WORDS_OF_A_PIECE):
                yield " ".join(words[first : first + WORDS_OF_A_PIECE]), f"{meeting['id'][:3]}0s"


def _run(side: str, command: list[str], output: Path, cores: str | None) -> dict[str, float]:
    """The figures of one run: `examples_per_second`, `score`, `peak_memory_bytes`."""
    pinned = ["taskset", "-c", cores] if cores else []
    environment = os.environ | {"HF_HUB_OFFLINE": "1", "TF_CPP_MIN_LOG_LEVEL": "3", "KERAS_BACKEND": "tensorflow"}
    if side == "ours":
        environment["PYTHONPATH"] = str(PROJECT)
    done = subprocess.run(
        [*pinned, *command, str(output)], env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(done.stdout[-1000:] + done.stderr[-3000:])
    if side != "ours":
        return json.loads(done.stdout.splitlines()[-1])
    metrics = json.loads((output / "metrics.json").read_text())
    score = metrics["test"].get("accuracy", metrics["test"].get("entity_f1"))
    return {name: metrics["training"][name] for name in ("examples_per_second", "peak_memory_bytes")} | {"score": score}


def _table(results: dict[str, dict[str, Any]]) -> str:
    lines = [
        "| workload | side | examples/s | spread | ours is faster by | score | peak memory MiB |",
        "|" + "---|" * 7,
    ]
    for name, sides in results.items():
        for side, each in sides.items():
            low, high = each["spread"]
            cells = [name, side, each["examples_per_second"], f"{low} to {high}", each["ratio"], each["score"]]
            lines.append("| " + " | ".join(map(str, [*cells, each["peak_memory_mib"]])) + " |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
