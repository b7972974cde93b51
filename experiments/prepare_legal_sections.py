"""Joins the sentences of each contract in legal_tos to sections of twenty, with the kinds of unfair clause in each.

    python experiments/prepare_legal_sections.py "$TFDOMAIN_DATA_DIR"

writes `prepared/legal_sections/train.csv` and its siblings in that folder; 34, 8 and 8 contracts, drawn with seed 0.
"""

import argparse
import csv
from collections import defaultdict
from pathlib import Path

import numpy as np

from tfdomain.data.registry import load
from tfdomain.files import whole_file

NUM_SENTENCES = 20


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder / "prepared" / "legal_sections"
    folder.mkdir(parents=True, exist_ok=True)
    contracts = defaultdict(list)
    for row in load("legal_tos", "all").to_pylist():
        contracts[row["company"]].append(row)
    companies = sorted(contracts)
    drawn = [companies[place] for place in np.random.default_rng(0).permutation(len(companies))]
    parts = {"train": drawn[:-16], "validation": drawn[-16:-8], "test": drawn[-8:]}
    for name, chosen in parts.items():
        with whole_file(folder / f"{name}.csv") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(("text", "label"))
            for company in chosen:
                writer.writerows(sections(contracts[company]))
        print(folder / f"{name}.csv")


def sections(sentences: list[dict]) -> list[tuple[str, str]]:
    """A contract's stretches of twenty sentences; the last may be shorter."""
    stretches = [sentences[start : start + NUM_SENTENCES] for start in range(0, len(sentences), NUM_SENTENCES)]
    return [(" ".join(row["text"] for row in rows), unfair_kinds(rows)) for rows in stretches]


def unfair_kinds(sentences: list[dict]) -> str:
    # A tag's digit: 1 clearly fair, 2 perhaps unfair, 3 clearly unfair.
    return "|".join(sorted({tag[:-1] for row in sentences for tag in row["tags"] if tag[-1] in "23"}))


if __name__ == "__main__":
    main()
