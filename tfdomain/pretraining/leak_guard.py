"""Which documents of a corpus would show a model the texts that it is to be tested on.

A document leaks a guarded text when it is the same text, when it contains it whole, or when it is a near-duplicate of
it, by the definition that `tfdomain prepare` drops duplicates by: Jaccard's similarity of the runs of five letters and
digits (`preparation.shingles`). Each document is compared with the guarded texts alone: one that is like a document
that is like a guarded text stays.

Reference:
    T. Brown et al., Language models are few-shot learners (2020), appendix C, on contamination of test sets.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Literal, NamedTuple, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tfdomain.data.progress import bar
from tfdomain.preparation.removed import write_list
from tfdomain.preparation.shingles import fold
from tfdomain.pretraining.containment import ContainedTexts
from tfdomain.pretraining.likeness import LikeTexts

__all__ = ["Documents", "Leak", "Leaks", "find_leaks"]

Documents: TypeAlias = Sequence[str] | pa.Array | pa.ChunkedArray
"""Documents, perhaps on the disk."""

KINDS = ("same", "contains", "near")
FILE_NAME = "leaks.csv"
# What is in memory at once: bytes of documents, and so many for each of them.
PART_BYTES, DOCUMENT_BYTES = 8 << 20, 256


class Leak(NamedTuple):
    """Why a document is kept out.

    Attributes:
        row: The document.
        guarded: The index of a guarded text; the document may leak others too.
        kind: `same`: the same letters and digits; `contains`: the guarded text's letters and digits in one piece;
            `near`: a near-duplicate.
        similarity: Of a near-duplicate; None for the other kinds.
    """

    row: int
    guarded: int
    kind: Literal["same", "contains", "near"]
    similarity: float | None


class Leaks(NamedTuple):
    """The documents that leak.

    Attributes:
        rows: int64, rising.
        reasons: One for each row, in that order.
        num_documents: How many documents there are.
        num_guarded: How many guarded texts there are.
        num_short: How many of these are too short to be looked for inside documents (`containment.LEAST_LETTERS`).
    """

    rows: np.ndarray
    reasons: list[Leak]
    num_documents: int
    num_guarded: int
    num_short: int

    def to_json(self) -> dict[str, int]:
        """The counts: `documents`, `guarded`, `guarded_short`, `leaking` and of these `same`, `contains`, `near`."""
        kinds: Counter[str] = Counter(leak.kind for leak in self.reasons)
        counts = {"documents": self.num_documents, "guarded": self.num_guarded, "guarded_short": self.num_short}
        return counts | {"leaking": len(self.rows)} | {kind: kinds[kind] for kind in KINDS}


def find_leaks(texts: Documents, guarded: Sequence[str], *, similarity: float = 0.8, to: Path | None = None) -> Leaks:
    """Finds the documents that hold a guarded text. What is found in one hangs on no other document.

    Args:
        texts: The documents of a corpus; those of an Arrow column are read some megabytes at a time.
        guarded: The texts of a task's test and validation.
        similarity: The least similarity of near-duplicates, from 0.5 to below 1.
        to: A folder that gets `leaks.csv`, a row for each document that leaks; None: it is not written.

    Raises:
        InputError: The similarity is out of range.
    """
    guarded = list(guarded)
    like, contained = LikeTexts(guarded, similarity), ContainedTexts(guarded)
    found: list[Leak] = []
    with bar("guarding", total=len(texts)) as advance:
        for first_row, part in _parts(texts):
            found += [leak._replace(row=first_row + leak.row) for leak in _leaks(part, like, contained)]
            advance(len(part))
    if to is not None:
        write_list(Path(to) / FILE_NAME, Leak._fields, iter(found))
    rows = np.array([leak.row for leak in found], np.int64)
    return Leaks(rows, found, len(texts), len(guarded), len(guarded) - len(contained.numbers))


def _parts(texts: Documents) -> Iterator[tuple[int, list[str]]]:
    """The documents, some at a time, and the number of the first of them."""
    first_row = 0
    chunks = texts.chunks if isinstance(texts, pa.ChunkedArray) else [texts]
    for chunk in chunks:
        if isinstance(chunk, pa.Array):
            sizes = pc.binary_length(chunk).to_numpy()
        else:
            sizes = np.fromiter(map(len, chunk), np.int64, len(chunk))
        cuts = np.flatnonzero(np.diff(np.cumsum(sizes + DOCUMENT_BYTES) // PART_BYTES)) + 1
        for start, stop in pairwise([0, *cuts.tolist(), len(chunk)]):
            part = chunk[start:stop]
            yield first_row + start, part.to_pylist() if isinstance(part, pa.Array) else list(part)
        first_row += len(chunk)


def _leaks(documents: list[str], like: LikeTexts, contained: ContainedTexts) -> list[Leak]:
    """The leaks among some documents, rising."""
    found: dict[int, Leak] = {}
    comparable: list[int] = []
    for folded in fold(documents):
        for row, number in contained.search(folded).items():
            found[row] = Leak(row, number, "contains", None)
        comparable += (folded.first + np.flatnonzero(like.may_be_like(folded))).tolist()
    for place, number, similarity in like.search([documents[row] for row in comparable]):
        row = comparable[place]
        if similarity is None:
            found[row] = Leak(row, number, "same", None)
        else:
            found.setdefault(row, Leak(row, number, "near", similarity))
    return [found[row] for row in sorted(found)]
