"""Documents of all lengths become rows of one length, with next to no padding."""

import dataclasses

import numpy as np

from tfdomain.errors import InputError
from tfdomain.pretraining.token_store import TokenStore

__all__ = ["PackedRows", "pack"]

# A piece of fewer tokens teaches little: what is left of a row is padded instead, and the rest of a document dropped.
SHORTEST_PIECE = 8
SPECIALS_PER_PIECE = 2


@dataclasses.dataclass(frozen=True)
class PackedRows:
    """Which piece of which document stands where: int64 `[pieces]` each, in the order of the rows.

    Attributes:
        rows: The piece's row.
        starts: Its first token in the store.
        lengths: Its tokens, without [CLS] and [SEP].
        num_rows: The number of rows.
    """

    rows: np.ndarray
    starts: np.ndarray
    lengths: np.ndarray
    num_rows: int


def pack(store: TokenStore, documents: np.ndarray, begins: np.ndarray, *, length: int) -> PackedRows:
    """Lays documents into rows, one behind the other; what does not fit goes on in the next row.

    A document is cut before a word, never within one, unless a word alone fills a row. Every piece stands between
    a [CLS] and a [SEP] of its own.

    Args:
        store: The corpus.
        documents: int64 `[n]`, which documents, in the order to lay them.
        begins: bool `[vocabulary]`, whether a token begins a word.
        length: Tokens of a row.

    Raises:
        InputError: A row has no room for a piece.
    """
    if length < SHORTEST_PIECE + SPECIALS_PER_PIECE:
        mend = f"choose at least {SHORTEST_PIECE + SPECIALS_PER_PIECE}"
        raise InputError(f"rows of {length} tokens", where="max_length", mend=mend)
    rows: list[int] = []
    starts: list[int] = []
    lengths: list[int] = []
    row, used = 0, 0
    for first, end in zip(store.starts[documents].tolist(), store.starts[documents + 1].tolist(), strict=True):
        whole = end - first
        while first < end:
            room = length - used - SPECIALS_PER_PIECE
            taken = end - first
            if taken > room:
                taken = _before_word(store.token_ids, first, room, begins) if room >= SHORTEST_PIECE else 0
                taken = room if not taken and not used else taken
            if not taken:
                row, used = row + 1, 0
                continue
            rows.append(row)
            starts.append(first)
            lengths.append(taken)
            used += taken + SPECIALS_PER_PIECE
            first += taken
            if end - first < SHORTEST_PIECE <= whole:
                break
    return PackedRows(
        np.array(rows, np.int64), np.array(starts, np.int64), np.array(lengths, np.int64), row + bool(used)
    )


def _before_word(token_ids: np.ndarray, first: int, room: int, begins: np.ndarray) -> int:
    """The most tokens from `first` on that fit and end with a word; 0 where one word is longer."""
    ends = np.flatnonzero(begins[token_ids[first + 1 : first + room + 1]])
    return int(ends[-1]) + 1 if len(ends) else 0
