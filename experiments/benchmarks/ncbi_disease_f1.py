"""Test entity F1 on ncbi_disease by softmax and by CRF over several seeds; prints a table.

    python experiments/benchmarks/ncbi_disease_f1.py --seeds 0 1 2 --to runs/ncbi_disease

A cell (setting, seed) that is complete is read from its folder, one that was interrupted goes on.
"""

import argparse
import statistics
from pathlib import Path

from tfdomain.config import load_experiment
from tfdomain.training.run import train

EXPERIMENT = Path(__file__).resolve().parent.parent / "ncbi_disease.yaml"
METRICS = ("entity_f1", "entity_precision", "entity_recall", "token_accuracy")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--decoders", nargs="+", default=["softmax", "crf"])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--to", type=Path, default=Path("runs/ncbi_disease"))
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="as for tfdomain train")
    arguments = parser.parse_args()
    lines = []
    for decoder in arguments.decoders:
        cells = []
        for seed in arguments.seeds:
            changes = [*arguments.set, f"model.decoder={decoder}", f"training.seed={seed}"]
            folder = arguments.to / f"{decoder}-{seed}"
            experiment = load_experiment(EXPERIMENT, changes)
            cells.append(
                train(experiment, folder, folder=EXPERIMENT.parent, resume=(folder / "config.yaml").exists())["test"]
            )
        for name in METRICS:
            values = [cell[name] for cell in cells]
            each = " ".join(f"{value:.4f}" for value in values)
            lines.append(f"{decoder:8} {name:17} mean {statistics.mean(values):.4f}  seeds {each}")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
