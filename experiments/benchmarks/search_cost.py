"""What a search costs beside its trials; prints JSON.

python experiments/benchmarks/search_cost.py                 # the chief: its waits over gRPC, its memory over 50 trials
python experiments/benchmarks/search_cost.py tuned.yaml DIR  # a search of one's own: seconds beside its trials' own

Of the chief's trials nothing is trained: two workers ask, tell of progress and end, as fast as they can.
"""

import argparse
import json
import statistics
import tempfile
import threading
import time
from pathlib import Path

import tfdomain
from tfdomain.config import experiment_from
from tfdomain.search.chief import Chief, Outcome, Task
from tfdomain.search.remote import RemoteChief, serving

NUM_WORKERS = 2
# The first trials fill what later ones use again.
NUM_WARM = 10


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", nargs="?", type=Path)
    parser.add_argument("run_dir", nargs="?", type=Path)
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="as of that search")
    parser.add_argument("--trials", type=int, default=50)
    parser.add_argument("--port", type=int, default=8470)
    options = parser.parse_args()
    if options.file is None:
        tuners = ("random", "grid", "hyperband")
        print(json.dumps({tuner: chief_figures(tuner, options.trials, options.port) for tuner in tuners}, indent=1))
    else:
        print(json.dumps(search_figures(options.file, options.run_dir, options.set), indent=1))


def chief_figures(tuner: str, num_trials: int, port: int) -> dict:
    experiment = experiment_from(
        {
            "name": "none",
            "encoder": "none",
            "data": {"train": "none.csv", "validation": 0.5},
            "training": {"epochs": 9},
            "search": {
                "tuner": tuner,
                "trials": num_trials,
                "objective": "validation.macro_f1",
                "space": {
                    "training.learning_rate": {"float": [1e-5, 1e-3], "log": True},
                    "training.batch_size": {"choice": [8, 16, 32, 64]},
                    "model.pooling": {"choice": ["cls", "mean"]},
                },
            },
        },
        where="search_cost.py",
    )
    waits: list[float] = []
    memory: list[int] = []
    with tempfile.TemporaryDirectory() as folder:
        chief = Chief(experiment, experiment.search, Path(folder))
        address = f"127.0.0.1:{port}"
        with serving(chief, address):
            threads = [
                threading.Thread(target=work, args=[address, f"worker-{number}", waits, memory])
                for number in range(NUM_WORKERS)
            ]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        chief.flush()
    return {
        "trials": len(chief.lines),
        "wait_ms_median": round(1000 * statistics.median(waits), 1),
        "wait_ms_largest": round(1000 * max(waits), 1),
        "memory_mib_after_10_trials": memory[min(NUM_WARM, len(memory)) - 1] >> 20,
        "memory_mib_at_the_end": memory[-1] >> 20,
    }


def work(address: str, name: str, waits: list[float], memory: list[int]) -> None:
    chief = RemoteChief(address)
    while True:
        started = time.perf_counter()
        answer = chief.take(name)
        if answer == "done":
            return
        if not isinstance(answer, Task):
            time.sleep(0.05)
            continue
        waits.append(time.perf_counter() - started)
        chief.beat(answer, {"epoch": 1})
        value = (int(answer.trial) * 37 % 101) / 101
        chief.end(answer, Outcome(0.0, metrics={"validation": {"macro_f1": value}}))
        memory.append(resident_bytes())


def search_figures(file: Path, run_dir: Path, assignments: list[str]) -> dict:
    """Of a search whose trials are complete: from the first one's begin to the last one's end, and what they took."""
    tfdomain.tune(file, run_dir, assignments=assignments)
    lines = [json.loads(line) for line in (run_dir / "trials.jsonl").read_text().splitlines()]
    logs = [run_dir / "trials" / f"{line['trial']}.log" for line in lines]
    ends = [log.stat().st_mtime for log in logs]
    own = sum(line["seconds"] for line in lines)
    whole = max(ends) - min(ends) + lines[0]["seconds"]
    return {
        "trials": len(lines),
        "seconds": round(whole, 1),
        "seconds_of_trials": own,
        "cost": round(whole / own - 1, 3),
    }


def resident_bytes() -> int:
    lines = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(lines["VmRSS"].split()[0]) * 1024


if __name__ == "__main__":
    main()
