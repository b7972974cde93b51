"""What the reference does to each Unicode code point, as one table to look up in the graph.

The reference's normalizer (clean, isolate ideographs, decompose and drop marks, lower the case)
works on single characters with one exception, the canonical ordering of combining marks. So all its
steps, and the pre-tokenizer's question of what cuts a word, become one 32-bit entry a code point.
"""

from functools import cache
from importlib import resources
from typing import NamedTuple

import numpy as np

__all__ = [
    "CODE_SHIFT",
    "DROPPED",
    "EXPANDED_BIT",
    "ISOLATED",
    "KIND_MASK",
    "NUM_CODE_POINTS",
    "ORDER_BREAK_BIT",
    "RANK_MASK",
    "RANK_SHIFT",
    "SPACE",
    "CodePointTable",
    "compose_table",
]

NUM_CODE_POINTS = 0x110000
PAGE_SIZE = 256

# An entry is `(target - code) << 10 | flags`: equal pages of 256 entries are then stored once, and
# `entry + (code << 10)` gives the target with its flags.
CODE_SHIFT = 10
KIND_MASK = 0b11
WORD, SPACE, ISOLATED, DROPPED = range(4)
EXPANDED_BIT = 0b100  # the target is a row of the expansions instead of a code point
ORDER_BREAK_BIT = 0b1000  # dropped, but marks are not reordered across it
RANK_SHIFT = 4
RANK_MASK = 0b111111  # the rank of the combining class; 0: does not move


class CodePointTable(NamedTuple):
    """A two-stage table: `pages[page_starts[code >> 8] + (code & 255)]`.

    Attributes:
        page_starts: int32 `[0x1101]`; the page past Unicode's end holds isolated code points that
            stay as they are, for special tokens found in the text.
        pages: int32 `[entries]`.
        expansions: int32 `[rows, widest]`, `target << 10 | flags`; 0 past a row's end.
        expansion_lengths: int32 `[rows]`.
    """

    page_starts: np.ndarray
    pages: np.ndarray
    expansions: np.ndarray
    expansion_lengths: np.ndarray


def compose_table(
    *, clean_text: bool, handle_chinese_chars: bool, strip_accents: bool, lowercase: bool
) -> CodePointTable:
    """Puts the reference's single steps together for one combination of settings."""
    tables = _read_tables()
    target = np.arange(NUM_CODE_POINTS + PAGE_SIZE, dtype="int32")
    kind = np.full(target.size, WORD, "int32")
    kind[_members(tables["whitespace"])] = SPACE
    kind[_members(tables["punctuation"])] = ISOLATED
    kind[NUM_CODE_POINTS:] = ISOLATED
    rank = np.zeros(target.size, "int32")
    if strip_accents:
        rank[tables["combining"][:, 0]] = tables["combining"][:, 1]
    isolated = _members(tables["isolated"]) if handle_chinese_chars else np.zeros(0, "int64")

    def pack(codes: np.ndarray) -> np.ndarray:
        return codes << CODE_SHIFT | rank[codes] << RANK_SHIFT | kind[codes]

    sequences = _changed_sequences(tables, strip_accents, lowercase)
    longest = max((len(sequence) for sequence in sequences.values()), default=1)
    expansions: list[list[int]] = []
    entry = pack(target)
    alone = np.zeros(target.size, bool)
    alone[isolated] = True
    for code, sequence in sequences.items():
        packed = pack(np.array(sequence, "int32"))
        if alone[code]:
            packed = (packed & ~KIND_MASK) | ISOLATED
        if not sequence:
            entry[code] = code << CODE_SHIFT | DROPPED
        elif len(sequence) == 1:
            entry[code] = packed[0]
        else:
            entry[code] = len(expansions) << CODE_SHIFT | EXPANDED_BIT
            expansions.append([*packed.tolist(), *[0] * (longest - len(sequence))])
    unchanged = isolated[[code not in sequences for code in isolated.tolist()]]
    entry[unchanged] = (entry[unchanged] & ~KIND_MASK) | ISOLATED
    if strip_accents:
        entry[_members(tables["order_breaks"])] |= ORDER_BREAK_BIT
    if clean_text:
        # Cleaning comes first: a removed character breaks no run of marks, since it was never there.
        entry[_members(tables["removed"])] = (_members(tables["removed"]) << CODE_SHIFT) | DROPPED
        entry[_members(tables["to_space"])] = entry[ord(" ")]
    entry -= target << CODE_SHIFT
    pages: dict[bytes, int] = {}
    index = [pages.setdefault(page.tobytes(), len(pages)) for page in entry.reshape(-1, PAGE_SIZE)]
    rows = np.array(expansions or [[0]], "int32")
    return CodePointTable(
        page_starts=np.array(index, "int32") * np.int32(PAGE_SIZE),
        pages=np.frombuffer(b"".join(pages), "int32"),
        expansions=rows,
        expansion_lengths=np.count_nonzero(rows, axis=1).astype("int32"),
    )


@cache
def _read_tables() -> dict[str, np.ndarray]:
    with resources.files(__package__).joinpath("unicode_table.npz").open("rb") as file:
        return dict(np.load(file, allow_pickle=False))


def _members(ranges: np.ndarray) -> np.ndarray:
    return np.concatenate([np.arange(first, end) for first, end in ranges])


def _changed_sequences(tables: dict[str, np.ndarray], strip_accents: bool, lowercase: bool) -> dict[int, list[int]]:
    """What each code point becomes that decomposing or lowering changes."""

    def as_map(name: str) -> dict[int, list[int]]:
        return {row[0]: [code for code in row[1:] if code >= 0] for row in tables[name].tolist()}

    lowered = as_map("lowercase") if lowercase else {}
    sequences = dict(lowered)
    if strip_accents:
        for code, decomposed in as_map("decomposed").items():
            sequences[code] = [low for part in decomposed for low in lowered.get(part, [part])]
    return sequences
