"""Duplicates, exact and near, among millions of rows: which there are, and which of them go.

Near-duplicates are texts with a similarity (`shingles.jaccard`) of a threshold or more. Rows that are linked by pairs
of such texts are a cluster, of which one row stays. Candidates are rows with an equal key in one of the bands of
their signatures (`minhash.signatures`), looked up on the disk; each pair is then compared exactly, unless the two are
linked already. Equal keys can be very common (millions of copies, a form that is filled in):

- of texts with the same letters and digits one stands for all, so that copies do not meet in the bands;
- rows that share a key are put in the order of the next band's key, and each is compared with the 15 behind it. Up
  to 16 rows are so compared each with each. In larger groups those that are most alike are near each other, and
  every band makes other groups. The work is bounded by 15 comparisons for each row and band.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from tfdomain.preparation.links import Comparisons, Links
from tfdomain.preparation.minhash import FOLDED_KEYS, TEXT_KEYS, band_columns
from tfdomain.preparation.shared_keys import KeyGroups, SharedKeys

__all__ = ["Dropped", "Duplicates", "find_duplicates", "rows_to_drop"]

SPLITS = ("train", "validation", "test")
KEPT = len(SPLITS)


class Duplicates(NamedTuple):
    """Which rows are duplicates.

    Attributes:
        originals: int64 `[num_rows]`, the first row with exactly the same text: the row itself if there is none.
        clusters: int64 `[num_ranks, num_rows]`: `clusters[rank]` links rows of that rank or above, through such rows
            alone, and gives the first row of each one's cluster. So two texts of the test do not become duplicates
            because a text in training is like both. Without splits there is one rank.
        ranks: int8 `[num_rows]`: 0 for training, 1 for validation, 2 for the test, 3 for rows that stay anyway; all
            0 without splits, and -1 for rows that are out.
    """

    originals: np.ndarray
    clusters: np.ndarray
    ranks: np.ndarray


class Dropped(NamedTuple):
    """Rows that go since others stay.

    Attributes:
        rows: int64, rising.
        duplicate_of: int64, a row that stays: one with the same text or, where there is none, that of the cluster.
        reasons: str: `exact` or `near` `duplicate`, and between which splits: `exact duplicate in train`,
            `near duplicate between test and train`.
    """

    rows: np.ndarray
    duplicate_of: np.ndarray
    reasons: np.ndarray


def find_duplicates(
    signature_files: Sequence[Path],
    read_texts: Callable[[np.ndarray], Sequence[str]],
    *,
    num_rows: int,
    folder: Path,
    splits: np.ndarray | None = None,
    kept: np.ndarray | None = None,
    near: bool = True,
    threshold: float = 0.8,
    memory_limit: str = "1GB",
    threads: int = 2,
    advance: Callable[[int], None] = lambda count: None,
) -> Duplicates:
    """Finds exact and near duplicates.

    The result hangs on the texts and their row numbers, not on how they are spread over files.

    Args:
        signature_files: Parquet files of `minhash.signatures` with the same threshold.
        read_texts: Gives the texts of row numbers (int64, rising).
        num_rows: More than any row number; a row without a signature is a duplicate of none.
        folder: Where files may be put while it works.
        splits: int8 `[num_rows]`: 0 training, 1 validation, 2 test, -1 for a row that is left out. None: no splits.
        kept: bool `[num_rows]`: which rows stay whatever is like them, since they were written before. None: none.
        near: Whether near-duplicates are looked for; without them clusters are of exact ones.
        threshold: The least similarity of near-duplicates, from 0.5 to below 1.
        memory_limit: What the search on the disk may take; there are some 60 bytes a row and 1 GB beside it.
        threads: How many processors the search on the disk may take.
        advance: Is called with the rows done since the last call, `num_rows` in all; a band counts for its share.

    Raises:
        InputError: The threshold is out of range.
        TfdomainError: The disk is full.
        ValueError: A row number is too large.
    """
    ranks = np.zeros(num_rows, np.int8) if splits is None else np.array(splits, np.int8)
    if kept is not None:
        ranks[kept] = KEPT
    # What was written before is not compared with its like.
    bands, links = band_columns(threshold), Links(ranks, min(int(ranks.max(initial=0)) + 1, KEPT))
    originals, stands_for_itself = np.arange(num_rows), np.ones(num_rows, bool)
    with SharedKeys(signature_files, memory_limit=memory_limit, threads=threads, folder=folder) as shared:
        if shared.last_row >= num_rows:
            raise ValueError(f"row {shared.last_row} has a signature, and there are {num_rows} rows")
        for found in shared.groups(TEXT_KEYS, lettered=False):
            groups, rows, _ = _among(found, ranks >= 0)
            originals[rows] = rows[_firsts(groups)]
            links.join(rows, _most_protected(groups, rows, ranks))
        if near:
            for found in shared.groups(FOLDED_KEYS, lettered=True):
                groups, rows, _ = _among(found, ranks >= 0)
                leaders = _most_protected(groups, rows, ranks)
                stands_for_itself[rows[rows != leaders]] = False
                links.join(rows, leaders)
            candidates = stands_for_itself & (ranks >= 0)
            comparisons = Comparisons(links, read_texts, threshold)
            for band, name in enumerate(bands):
                for found in shared.groups([name], [bands[(band + 1) % len(bands)]], lettered=True):
                    comparisons.add(_among(found, candidates))
                advance(num_rows * (band + 1) // len(bands) - num_rows * band // len(bands))
            comparisons.finish()
        else:
            advance(num_rows)
    return Duplicates(originals, links.clusters(), ranks)


def _among(found: KeyGroups, chosen: np.ndarray) -> KeyGroups:
    is_chosen = chosen[found.rows]
    return KeyGroups(*(column[is_chosen] for column in found))


def _firsts(groups: np.ndarray) -> np.ndarray:
    """For each place in a rising sequence of groups that at which its group begins."""
    begins = np.flatnonzero(np.diff(groups, prepend=-1))
    return np.repeat(begins, np.diff(begins, append=len(groups)))


def _most_protected(groups: np.ndarray, rows: np.ndarray, ranks: np.ndarray) -> np.ndarray:
    """For each row that of its group that stands for all: of the highest rank, and the first of those."""
    order = np.lexsort((rows, -ranks[rows], groups))
    return rows[order][_firsts(groups)]


def rows_to_drop(
    duplicates: Duplicates, splits: np.ndarray | None = None, *, order: np.ndarray | None = None
) -> Dropped:
    """Chooses which rows of each cluster go.

    One row stays: of the most protected split that occurs (the test before validation before training), the first.
    Training loses what is like a text of the test or of validation, validation what is like one of the test; the
    test loses nothing but repetitions of its own texts. Rows that were `kept` all stay.

    Args:
        duplicates: What `find_duplicates` found with these splits.
        splits: int8 `[num_rows]`, as there.
        order: Numbers `[num_rows]`, the smallest of which comes first; None: the rows' own.
    """
    ranks = duplicates.ranks
    rows = np.arange(len(ranks))
    order = rows if order is None else np.asarray(order)
    stays_for = rows.copy()
    for rank, clusters in enumerate(duplicates.clusters):
        members = np.flatnonzero((ranks >= rank) & (np.bincount(clusters, minlength=len(rows))[clusters] > 1))
        members = members[np.lexsort((members, order[members], -ranks[members], clusters[members]))]
        leaders = members[_firsts(clusters[members])]
        stays_for[members] = np.where(ranks[members] == rank, leaders, stays_for[members])
    dropped = np.flatnonzero(stays_for != rows)
    # The same text, where it stays, says more than the one that stands for the cluster.
    same = np.full(len(rows), -1)
    staying = np.flatnonzero(stays_for == rows)
    same[duplicates.originals[staying]] = staying
    is_exact = same[duplicates.originals[dropped]] >= 0
    duplicate_of = np.where(is_exact, same[duplicates.originals[dropped]], stays_for[dropped])
    return Dropped(dropped, duplicate_of, _reasons(is_exact, dropped, duplicate_of, splits))


def _reasons(is_exact: np.ndarray, rows: np.ndarray, others: np.ndarray, splits: np.ndarray | None) -> np.ndarray:
    kinds = np.where(is_exact, "exact duplicate", "near duplicate").astype(object)
    if splits is None:
        return kinds
    places = [
        f" in {going}" if going == staying else f" between {staying} and {going}"
        for going in SPLITS
        for staying in SPLITS
    ]
    return kinds + np.array(places, object)[splits[rows].astype(np.int64) * len(SPLITS) + splits[others]]
