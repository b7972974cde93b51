"""Signatures of texts: equal keys tell duplicates, and one of several equal keys tells near-duplicates.

For near-duplicates, 120 hash functions each give the smallest value that they take on a text's shingles. Two texts of
similarity J agree on one with probability J. The values are put together in b bands of r, so that two texts have
equal keys in at least one band with probability 1 - (1 - J^r)^b: at J = 0.8 with 20 bands of 6 that is 0.9977, at
J = 0.5 it is 0.27, at J = 0.1 it is 0.00002. Texts with an equal key are only candidates, to be compared by
`shingles.jaccard`.

Reference:
    A. Broder, On the resemblance and containment of documents (1997); J. Leskovec, A. Rajaraman, J. Ullman, Mining of
    Massive Datasets, chapter 3.
"""

import hashlib
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pyarrow as pa

from tfdomain.errors import InputError
from tfdomain.preparation.shingles import combine, fold, shingles

__all__ = ["FOLDED_KEYS", "TEXT_KEYS", "band_columns", "band_shape", "signatures"]

TEXT_KEYS = ("text_key_0", "text_key_1")
"""128 bits that tell one text from another."""
FOLDED_KEYS = ("folded_key_0", "folded_key_1")
"""128 bits that tell the letters and digits of one text, lower-cased, from those of another."""

NUM_HASHES = 120
RECALL = 0.99
# What the processor's cache holds of one number a hash function.
TILE = 8192

_CONSTANTS = combine([np.arange(1, 2 * NUM_HASHES + 1, dtype=np.uint64)])
FACTORS = (_CONSTANTS[:NUM_HASHES] >> np.uint64(32)).astype(np.uint32)[:, None] | np.uint32(1)
SUMMANDS = (_CONSTANTS[NUM_HASHES:] >> np.uint64(32)).astype(np.uint32)[:, None]


def band_shape(threshold: float) -> tuple[int, int]:
    """The number of bands, and of hash functions in each, that find near-duplicates from a similarity on.

    Args:
        threshold: The least similarity of near-duplicates, at least 0.5 and below 1.

    Returns:
        The widest bands that find 99 of 100 pairs of just that similarity: they compare the fewest others.

    Raises:
        InputError: The threshold is out of range.
    """
    if not 0.5 <= threshold < 1:
        problem = f"a similarity of {threshold} is out of range"
        raise InputError(problem, where="similarity", mend="choose one from 0.5 to below 1")
    shapes = [(NUM_HASHES // size, size) for size in range(1, NUM_HASHES + 1)]
    return [shape for shape in shapes if 1 - (1 - threshold ** shape[1]) ** shape[0] >= RECALL][-1]


def band_columns(threshold: float) -> list[str]:
    """The names of the columns of bands for that threshold."""
    return _band_names(*band_shape(threshold))


def signatures(
    texts: Sequence[str], *, rows: np.ndarray | None = None, threshold: float = 0.8, near: bool = True
) -> pa.Table:
    """Computes what tells the duplicates among texts. Each text's signature hangs on that text alone.

    Args:
        texts: The texts, cleaned.
        rows: int64 `[n]`, their row numbers; None: from 0.
        threshold: The least similarity of near-duplicates.
        near: Whether near-duplicates are to be told; they are nearly all of the work.

    Returns:
        A row for each text: `row` (int64) and as uint64 `TEXT_KEYS`; for near-duplicates `letters` (int64, how many
        letters and digits it has), and as uint64 `FOLDED_KEYS` and `band_columns(threshold)`, which are 0 for a text
        without a letter or digit.

    Raises:
        InputError: The threshold is out of range.
    """
    num_bands, size = band_shape(threshold)
    text_keys = _keys([text.encode("utf-8", "surrogatepass") for text in texts])
    columns = {"row": np.arange(len(texts)) if rows is None else np.asarray(rows, np.int64)}
    columns |= dict(zip(TEXT_KEYS, text_keys.T, strict=True))
    if near:
        columns |= _near_columns(texts, num_bands, size)
    return pa.table({name: pa.array(np.ascontiguousarray(column)) for name, column in columns.items()})


def _near_columns(texts: Sequence[str], num_bands: int, size: int) -> dict[str, np.ndarray]:
    letters = np.zeros(len(texts), np.int64)
    folded_keys = np.zeros((len(texts), 2), np.uint64)
    minima = np.full((num_bands * size, len(texts)), np.uint32(0xFFFFFFFF))
    for folded in fold(texts):
        numbers = slice(folded.first, folded.first + len(folded.counts))
        letters[numbers] = folded.counts
        content, ends = folded.letters.tobytes(), (np.cumsum(folded.counts) * 4).tolist()
        folded_keys[numbers] = _keys([content[begin:end] for begin, end in pairwise([0, *ends])])
        for block in shingles(folded):
            found = _minima((block.hashes >> np.uint64(32)).astype(np.uint32), block.starts, len(minima))
            minima[:, block.texts] = np.minimum(minima[:, block.texts], found)
    keys = minima.reshape(num_bands, size, len(texts))
    bands = combine([keys[:, place] for place in range(size)])
    has_letters = letters > 0
    folded_keys[~has_letters] = 0
    bands[:, ~has_letters] = 0
    columns = {"letters": letters} | dict(zip(FOLDED_KEYS, folded_keys.T, strict=True))
    return columns | dict(zip(_band_names(num_bands, size), bands, strict=True))


def _band_names(num_bands: int, size: int) -> list[str]:
    return [f"band_{size}_{band:02d}" for band in range(num_bands)]


def _keys(contents: Sequence[bytes]) -> np.ndarray:
    """uint64 `[n, 2]`: 128 bits of a cryptographic hash of each; equal keys can be taken for equal contents."""
    digests = b"".join([hashlib.blake2b(content, digest_size=16).digest() for content in contents])
    return np.frombuffer(digests, "<u8").reshape(-1, 2)


def _minima(values: np.ndarray, starts: np.ndarray, num_hashes: int) -> np.ndarray:
    """uint32 `[num_hashes, num_texts]`: the least value of each hash function in each text."""
    cuts = np.union1d(starts, np.arange(0, len(values), TILE))
    tiles = np.searchsorted(cuts, np.arange(0, len(values) + TILE, TILE))
    parts = np.empty((num_hashes, len(cuts)), np.uint32)
    scratch = np.empty((num_hashes, TILE), np.uint32)
    for tile, (begin, end) in enumerate(pairwise(tiles)):
        part = values[tile * TILE : (tile + 1) * TILE]
        hashed = np.multiply(FACTORS[:num_hashes], part, out=scratch[:, : len(part)])
        hashed += SUMMANDS[:num_hashes]
        np.minimum.reduceat(hashed, cuts[begin:end] - tile * TILE, axis=1, out=parts[:, begin:end])
    return np.minimum.reduceat(parts, np.searchsorted(cuts, starts), axis=1)
