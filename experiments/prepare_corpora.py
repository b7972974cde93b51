"""Writes the corpora that the pretraining experiments read, one document a line, and the tests they must not hold.

    python experiments/prepare_corpora.py "$TFDOMAIN_DATA_DIR"

writes `prepared/corpora/chinese.txt` and its siblings in that folder. Of data sets with parts the training texts alone
are corpora; the validation and test texts stand in files of their own, for `corpus.guard`.
"""

import argparse
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from tfdomain.data.registry import load
from tfdomain.files import whole_file

HELD_OUT = ("validation", "test")
PARAGRAPH_CHARACTERS = 1500


def chinese(parts: Iterable[str]) -> Iterator[str]:
    """Reviews, and the texts of the classification, entity and pair tasks."""
    for part in parts:
        yield from load("zh_chnsenticorp", part)["text"].to_pylist()
        yield from load("zh_cluener", part)["text"].to_pylist()
        yield from load("zh_medical", f"intents_{part}")["text"].to_pylist()
        pairs = load("zh_medical", f"question_pairs_{part}")
        yield from pairs["text"].to_pylist() + pairs["text_pair"].to_pylist()
        for kind in ("question", "record"):
            for tokens in load("zh_medical", f"{kind}_entities_{part}")["tokens"].to_pylist():
                yield "".join(tokens)


def chinese_corpus() -> Iterator[str]:
    """The training texts, and reviews of takeaways and purchases, of which no experiment tests on any."""
    yield from chinese(["train"])
    for part in ("takeaway", "shopping"):
        yield from (text or "" for text in load("zh_reviews", part)["text"].to_pylist())


def finance() -> Iterator[str]:
    """Minutes of the Federal Open Market Committee in pieces of some paragraphs."""
    for text in load("mlm_finance_fomc", "all")["text"].to_pylist():
        piece = ""
        for sentence in re.split(r"(?<=[.:])\s+", text):
            piece = f"{piece} {sentence}".strip()
            if len(piece) >= PARAGRAPH_CHARACTERS:
                yield piece
                piece = ""
        yield piece


def finance_and_legal() -> Iterator[str]:
    """The minutes, and the sentences of terms of service, a company's together."""
    yield from finance()
    contracts: dict[str, list[str]] = {}
    for row in load("legal_tos", "all").to_pylist():
        contracts.setdefault(row["company"], []).append(row["text"])
    for sentences in contracts.values():
        for first in range(0, len(sentences), 8):
            yield " ".join(sentences[first : first + 8])


def diseases(parts: Iterable[str]) -> Iterator[str]:
    """The sentences of ncbi_disease."""
    for part in parts:
        for tokens in load("ncbi_disease", part)["tokens"].to_pylist():
            yield " ".join(tokens)


CORPORA: dict[str, Callable[[], Iterable[str]]] = {
    "chinese": chinese_corpus,
    "chinese_tests": lambda: chinese(HELD_OUT),
    "finance": finance,
    "finance_and_legal": finance_and_legal,
    "ncbi_disease": lambda: diseases(["train"]),
    "ncbi_disease_tests": lambda: diseases(HELD_OUT),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("to", type=Path)
    arguments = parser.parse_args()
    for name, read in CORPORA.items():
        path = arguments.to / "prepared" / "corpora" / f"{name}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(path) as file:
            lines = [" ".join(text.split()) for text in read()]
            file.writelines(f"{line}\n" for line in lines if line)
        print(f"{path}: {len(lines):,} documents")


if __name__ == "__main__":
    main()
