"""Draws some training rows of each class of banking77, by a seed: what a team has that has only begun to label.

python experiments/prepare_few_rows.py --rows-per-class 10 --to runs/banking77_few.csv [--seed 0]
"""

import argparse
import csv
from pathlib import Path

import numpy as np

from tfdomain.data.registry import load
from tfdomain.files import whole_file


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows-per-class", type=int, required=True)
    parser.add_argument("--to", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    rows = load("banking77", "train").to_pandas()
    order = np.random.default_rng(arguments.seed).permutation(len(rows))
    drawn = rows.iloc[order].groupby("label", sort=True).head(arguments.rows_per_class)
    arguments.to.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(arguments.to) as file:
        writer = csv.writer(file)
        writer.writerow(["text", "category"])
        writer.writerows(drawn[["text", "label"]].itertuples(index=False))


if __name__ == "__main__":
    main()
