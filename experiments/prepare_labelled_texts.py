"""Writes clinc150, financial_phrasebank and legal_tos as the CSV files that their experiments read.

    python experiments/prepare_labelled_texts.py clinc150 "$TFDOMAIN_DATA_DIR"

writes `prepared/clinc150/train.csv` and its siblings in that folder.
"""

import argparse
import csv
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from tfdomain.data.registry import load
from tfdomain.data.splits import split_rows
from tfdomain.files import whole_file

Parts = dict[str, Iterable[Sequence[str]]]


def clinc150() -> Parts:
    """The data set's own parts, each with its out-of-scope queries as the class `oos`."""
    parts = {}
    for name in ("train", "validation", "test"):
        tables = [load("clinc150", part) for part in (name, f"oos_{name}")]
        parts[name] = [(row["text"], row["label"]) for table in tables for row in table.to_pylist()]
    return parts


def financial_phrasebank() -> Parts:
    """The sentences that half of the annotators agree on, each once; a fifth held out, stratified, with seed 0."""
    table = load("financial_phrasebank", "agree_50")
    rows = list(dict(zip(table["text"].to_pylist(), table["label"].to_pylist(), strict=True)).items())
    halves = split_rows([label for _, label in rows], share=0.2, num_rows=len(rows), seed=0)
    return {name: [rows[row] for row in half] for name, half in zip(("train", "test"), halves, strict=True)}


def legal_tos() -> Parts:
    """The kinds of unfair clause in each sentence, most often none; 34, 8 and 8 contracts, drawn with seed 0."""
    table = load("legal_tos", "all").to_pylist()
    companies = sorted({row["company"] for row in table})
    drawn = [companies[place] for place in np.random.default_rng(0).permutation(len(companies))]
    parts = {"train": set(drawn[:-16]), "validation": set(drawn[-16:-8]), "test": set(drawn[-8:])}
    return {
        name: [(row["text"], _unfair_kinds(row["tags"])) for row in table if row["company"] in chosen]
        for name, chosen in parts.items()
    }


def _unfair_kinds(tags: Sequence[str]) -> str:
    # A tag's digit: 1 clearly fair, 2 perhaps unfair, 3 clearly unfair.
    return "|".join(sorted({tag[:-1] for tag in tags if tag[-1] in "23"}))


DATA_SETS = {"clinc150": clinc150, "financial_phrasebank": financial_phrasebank, "legal_tos": legal_tos}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("name", choices=DATA_SETS)
    parser.add_argument("folder", type=Path)
    arguments = parser.parse_args()
    folder = arguments.folder / "prepared" / arguments.name
    folder.mkdir(parents=True, exist_ok=True)
    for name, rows in DATA_SETS[arguments.name]().items():
        with whole_file(folder / f"{name}.csv") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerows([("text", "label"), *rows])
        print(folder / f"{name}.csv")


if __name__ == "__main__":
    main()
