"""Two workers of one thread each on one machine against one process of two threads, same updates; JSON.

    TFDOMAIN_DATA_DIR=... python experiments/benchmarks/two_workers.py --encoder ENCODER

What the exchange of gradients costs: both sides have the same processors and train banking77 in the same batches, of
some 4,000 tokens an update. Timed are the epochs after the first, without their first update. The sides take turns.
"""

import argparse
import csv
import gzip
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).resolve().parents[2]
ROWS, EPOCHS, BATCH = 2560, 3, 256


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--encoder", required=True, help="the folder of a checkpoint")
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    found: dict[str, list[dict[str, Any]]] = {"one process": [], "two workers": []}
    with tempfile.TemporaryDirectory(prefix="tfdomain-") as folder:
        file = _write_experiment(Path(folder), arguments.encoder)
        for turn in range(arguments.rounds):
            for name in list(found)[:: 1 if turn % 2 else -1]:
                run = Path(folder) / f"{name.replace(' ', '_')}{turn}"
                _train(file, run, [1, 1] if name == "two workers" else [2])
                found[name].append(json.loads((run / "metrics.json").read_text())["training"])
    speeds = {name: [run["examples_per_second"] for run in runs] for name, runs in found.items()}
    medians = {name: statistics.median(each) for name, each in speeds.items()}
    tokens = [run["tokens_per_second"] / run["examples_per_second"] for run in found["one process"]]
    result = {
        "examples_per_second": {name: round(each, 2) for name, each in medians.items()},
        "ratio": round(medians["two workers"] / medians["one process"], 3),
        "all": {name: [round(speed, 2) for speed in each] for name, each in speeds.items()},
        "tokens_per_update": round(BATCH * statistics.mean(tokens)),
    }
    print(json.dumps(result))


def _write_experiment(folder: Path, encoder: str) -> Path:
    with gzip.open(
        Path(os.environ["TFDOMAIN_DATA_DIR"]) / "banking77" / "train.csv.gz", "rt", encoding="utf-8"
    ) as file:
        rows = [(row["text"], row["category"]) for row in csv.DictReader(file)]
    # The file is in the order of its classes: a stride takes of each.
    chosen = rows[:: len(rows) // ROWS][:ROWS]
    with open(folder / "train.csv", "w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("text", "label"), *chosen])
    values = {
        "name": "two_workers",
        "encoder": encoder,
        "data": {"train": "train.csv", "label": "label"},
        "training": {"epochs": EPOCHS, "batch_size": BATCH, "learning_rate": 1e-4, "checkpoint_seconds": 1e9},
    }
    (folder / "experiment.yaml").write_text(json.dumps(values))
    return folder / "experiment.yaml"


def _train(file: Path, run: Path, threads: list[int]) -> None:
    """One process for each number of threads, all of one training."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in threads]
    addresses = [f"127.0.0.1:{one.getsockname()[1]}" for one in sockets]
    for one in sockets:
        one.close()
    processes = []
    for index, count in enumerate(threads):
        environment = os.environ | {"PYTHONPATH": str(PROJECT), "TF_CPP_MIN_LOG_LEVEL": "3"}
        if len(threads) > 1:
            cluster = {"cluster": {"worker": addresses}, "task": {"type": "worker", "index": index}}
            environment["TF_CONFIG"] = json.dumps(cluster)
        command = [sys.executable, "-m", "tfdomain", "train", str(file), "--run-dir", str(run), "--threads", str(count)]
        processes.append(
            subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        )
    told = [process.communicate()[0] for process in processes]
    if any(process.returncode for process in processes):
        raise SystemExit("\n".join(text[-2000:] for text in told))


if __name__ == "__main__":
    main()
