"""What near-duplicates share: the runs of five letters or digits of a text, whatever its case and punctuation.

Only letters and digits count (what `str.isalnum` takes, Chinese characters among them), lower-cased. Each five that
follow one another are a shingle; a text with fewer has one shingle, all of it, and a text with none has none. Two
texts are as alike as their sets of shingles: Jaccard's similarity, the shingles that both have over those that
either has. Shingles are known by 64-bit hashes.
"""

import functools
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

__all__ = ["SHINGLE_LENGTH", "Folded", "Shingles", "combine", "fold", "jaccard", "shingles"]

SHINGLE_LENGTH = 5

# Bounds on what is in memory at once: characters of a group of texts, shingles of a block, shingles that are sorted.
GROUP_CHARACTERS = 1 << 20
BLOCK_SHINGLES = 1 << 20
SORTED_SHINGLES = 1 << 22
LONG_SORTED_SHINGLES = 1 << 24
# Comparing many pairs at once takes the upper bits of a hash, and a number of the pair beside them: 10 billion pairs
# of 200 characters would meet one shingle that is taken for another.
HASH_BITS = 44
MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)


class Folded(NamedTuple):
    """The letters and digits of some texts.

    Attributes:
        first: The number of the first text.
        letters: uint32, the code points, text after text.
        counts: int64, how many each text has.
    """

    first: int
    letters: np.ndarray
    counts: np.ndarray


class Shingles(NamedTuple):
    """Some shingles of some texts, repeated ones too; a long text's come in several blocks.

    Attributes:
        texts: int64, the number of each text that has any here.
        starts: int64, where in `hashes` each of these texts begins.
        hashes: uint64.
    """

    texts: np.ndarray
    starts: np.ndarray
    hashes: np.ndarray


def fold(texts: Sequence[str]) -> Iterator[Folded]:
    """Takes the lower-cased letters and digits of texts, as many texts at once as memory allows."""
    lengths = np.fromiter(map(len, texts), np.int64, len(texts))
    first = 0
    for stop in _group_ends(lengths, GROUP_CHARACTERS):
        # Text by text: which small sigma a Greek word ends with hangs on what follows.
        lowered = [text.lower() for text in texts[first:stop]]
        widths = np.fromiter(map(len, lowered), np.int64, len(lowered))
        codes = np.frombuffer("".join(lowered).encode("utf-32-le", "surrogatepass"), "<u4")
        kept = [_letter_table()[codes[at : at + GROUP_CHARACTERS]] for at in range(0, len(codes), GROUP_CHARACTERS)]
        is_letter = np.concatenate(kept) if kept else np.empty(0, bool)
        counts, begins = np.zeros(len(widths), np.int64), (np.cumsum(widths) - widths)[widths > 0]
        counts[widths > 0] = np.add.reduceat(is_letter, begins, dtype=np.int64)
        yield Folded(first, codes[is_letter].astype(np.uint32, copy=False), counts)
        first = stop


def shingles(folded: Folded) -> Iterator[Shingles]:
    """Hashes the shingles of folded texts, block by block."""
    letters, widths = _padded(folded)
    num_windows = np.maximum(widths - SHINGLE_LENGTH + 1, 0)
    ends = np.cumsum(num_windows)
    # A window that reaches into the next text is no shingle.
    is_shingle = np.ones(len(letters), bool)
    last = np.cumsum(widths)[widths > 0]
    for back in range(1, SHINGLE_LENGTH):
        is_shingle[last - back] = False
    done = 0
    for at in range(0, len(letters) - SHINGLE_LENGTH + 1, BLOCK_SHINGLES):
        block = letters[at : at + BLOCK_SHINGLES + SHINGLE_LENGTH - 1].astype(np.uint64)
        width = len(block) - SHINGLE_LENGTH + 1
        hashes = combine([block[place : place + width] for place in range(SHINGLE_LENGTH)])
        hashes = hashes[is_shingle[at : at + width]]
        if not len(hashes):
            continue
        texts = np.arange(np.searchsorted(ends, done, "right"), np.searchsorted(ends, done + len(hashes), "left") + 1)
        texts = texts[num_windows[texts] > 0]
        starts = np.maximum(ends[texts] - num_windows[texts] - done, 0)
        done += len(hashes)
        yield Shingles(folded.first + texts, starts, hashes)


def combine(parts: Sequence[np.ndarray]) -> np.ndarray:
    """Hashes sequences of numbers to 64 bits each.

    Args:
        parts: Unsigned integers `[n]`: the first number of each of n sequences, the second, and so on.

    Returns:
        uint64 `[n]`.

    Reference:
        A polynomial, spread over all bits by the last step of MurmurHash3 (Austin Appleby, public domain).
    """
    values = parts[0].astype(np.uint64)
    for part in parts[1:]:
        values *= MULTIPLIER
        values += part
    values ^= values >> np.uint64(33)
    values *= np.uint64(0xFF51AFD7ED558CCD)
    values ^= values >> np.uint64(33)
    values *= np.uint64(0xC4CEB9FE1A85EC53)
    values ^= values >> np.uint64(33)
    return values


def jaccard(texts: Sequence[str], first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """How alike pairs of texts are.

    Args:
        texts: The texts that occur in the pairs.
        first: int64 `[num_pairs]`, numbers of texts.
        second: int64 `[num_pairs]`, those that they are compared with.

    Returns:
        float64 `[num_pairs]`, from 0 to 1; 0 for a text without a letter or digit.
    """
    is_long = np.fromiter((len(text) > GROUP_CHARACTERS for text in texts), bool, len(texts))
    short = ["" if skipped else text for text, skipped in zip(texts, is_long, strict=True)]
    similarity = _short_jaccard(short, first, second)
    for pair in np.flatnonzero(is_long[first] | is_long[second]):
        similarity[pair] = _long_jaccard(texts[first[pair]], texts[second[pair]])
    return similarity


def _short_jaccard(texts: list[str], first: np.ndarray, second: np.ndarray) -> np.ndarray:
    hashes, sizes = _sets(texts)
    begins = np.cumsum(sizes) - sizes
    similarity = np.zeros(len(first))
    start = 0
    for stop in _group_ends(sizes[first] + sizes[second], SORTED_SHINGLES):
        pairs = np.arange(stop - start)
        members = np.concatenate([first[start:stop], second[start:stop]])
        owners = np.repeat(np.concatenate([pairs, pairs]), sizes[members])
        tagged = hashes[_ranges(begins[members], sizes[members])] | (owners.astype(np.uint64) << np.uint64(HASH_BITS))
        tagged.sort()
        # Each set has a hash once: what stands twice is in both.
        twice = tagged[1:][tagged[1:] == tagged[:-1]] >> np.uint64(HASH_BITS)
        shared = np.bincount(twice.astype(np.int64), minlength=len(pairs))
        either = sizes[first[start:stop]] + sizes[second[start:stop]] - shared
        similarity[start:stop] = shared / np.maximum(either, 1)
        start = stop
    return similarity


def _sets(texts: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """Each text's shingles, once each: their hashes cut to `HASH_BITS`, text after text, and how many there are."""
    found, sizes = [np.empty(0, np.uint64)], np.zeros(len(texts), np.int64)
    for folded in fold(texts):
        for block in shingles(folded):
            owners = np.zeros(len(block.hashes), np.uint64)
            owners[block.starts[1:]] = 1
            tagged = (np.cumsum(owners) << np.uint64(HASH_BITS)) | (block.hashes >> np.uint64(64 - HASH_BITS))
            tagged = _distinct(tagged)
            sizes[block.texts] = np.bincount((tagged >> np.uint64(HASH_BITS)).astype(np.int64))
            found.append(tagged & np.uint64((1 << HASH_BITS) - 1))
    return np.concatenate(found), sizes


def _long_jaccard(first: str, second: str) -> float:
    """Compares two texts that may be of many megabytes, one part of the hashes after the other."""
    texts = [next(fold([text])) for text in (first, second)]
    num_parts = -(-(len(first) + len(second)) // LONG_SORTED_SHINGLES)
    shared = either = 0
    for part in range(num_parts):
        sets = []
        for folded in texts:
            blocks = [np.empty(0, np.uint64)]
            blocks += [block.hashes[block.hashes % np.uint64(num_parts) == part] for block in shingles(folded)]
            sets.append(_distinct(np.concatenate(blocks)))
        both = len(np.intersect1d(sets[0], sets[1], assume_unique=True))
        shared += both
        either += len(sets[0]) + len(sets[1]) - both
    return shared / max(either, 1)


def _distinct(values: np.ndarray) -> np.ndarray:
    """Each value once, rising; `values` are sorted in place."""
    # NumPy's `unique` hashes integers, which takes many times longer for millions.
    values.sort()
    is_new = np.ones(len(values), bool)
    np.not_equal(values[1:], values[:-1], out=is_new[1:])
    return values[is_new]


def _padded(folded: Folded) -> tuple[np.ndarray, np.ndarray]:
    """The letters with zeros behind texts that are shorter than a shingle, and the widths that this gives."""
    counts = folded.counts
    widths = np.where(counts > 0, np.maximum(counts, SHINGLE_LENGTH), 0)
    if np.array_equal(widths, counts):
        return folded.letters, counts
    letters = np.zeros(widths.sum(), np.uint32)
    letters[_ranges(np.cumsum(widths) - widths, counts)] = folded.letters
    return letters, widths


def _ranges(begins: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """The numbers from each begin on, as many as each size says."""
    return np.repeat(begins - (np.cumsum(sizes) - sizes), sizes) + np.arange(sizes.sum())


def _group_ends(sizes: np.ndarray, limit: int) -> Iterator[int]:
    """Where to cut a sequence so that no part is larger than `limit`, but for those of a single member."""
    ends, start = np.cumsum(sizes), 0
    while start < len(sizes):
        done = ends[start - 1] if start else 0
        start = max(int(np.searchsorted(ends, done + limit, "right")), start + 1)
        yield start


@functools.cache
def _letter_table() -> np.ndarray:
    """For every code point whether it is a letter or a digit."""
    return np.fromiter((chr(code).isalnum() for code in range(0x110000)), bool, 0x110000)
