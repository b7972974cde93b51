"""Test accuracy on banking77, all training rows, over several seeds; prints JSON.

python experiments/benchmarks/banking77_accuracy.py --seeds 0 1 2 --to runs/banking77
"""

import argparse
import json
import statistics
import time
from pathlib import Path

from tfdomain.config import load_experiment
from tfdomain.training.run import train

EXPERIMENT = Path(__file__).resolve().parent.parent / "banking77.yaml"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--to", type=Path, default=Path("runs/banking77"))
    arguments = parser.parse_args()
    accuracies, seconds = [], []
    for seed in arguments.seeds:
        experiment = load_experiment(EXPERIMENT, ["data.validation=null", f"training.seed={seed}"])
        started = time.monotonic()
        metrics = train(experiment, arguments.to / f"seed-{seed}", folder=EXPERIMENT.parent)
        seconds.append(round(time.monotonic() - started))
        accuracies.append(metrics["test"]["accuracy"])
    print(
        json.dumps(
            {
                "seeds": arguments.seeds,
                "test_accuracy": [round(one, 5) for one in accuracies],
                "mean": round(statistics.mean(accuracies), 5),
                "seconds": seconds,
            }
        )
    )


if __name__ == "__main__":
    main()
