"""Which documents are the same as one of some texts, or near-duplicates of it.

What is alike is what `tfdomain prepare` takes for it: Jaccard's similarity of the runs of five letters and digits
(`preparation.shingles`). Candidates have an equal key in a band of their signatures (`preparation.minhash`), and each
is then compared exactly. The bands are those of a similarity lower by a tenth: they compare more, and at 0.8 miss a
pair with a probability below one in a million.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa

from tfdomain.preparation.minhash import FOLDED_KEYS, band_shape, signatures
from tfdomain.preparation.shingles import SHINGLE_LENGTH, Folded, jaccard, shingles

__all__ = ["LikeTexts"]

# There are no bands below the least similarity.
MARGIN, LEAST_SIMILARITY = 0.1, 0.5
PAIRS_AT_ONCE = 100_000
# How much of a long document is looked at to tell that it has more shingles than any text.
SAMPLED_TIMES = 4


class LikeTexts:
    """Texts that documents may be like.

    Args:
        texts: The texts.
        similarity: The least similarity of near-duplicates, from 0.5 to below 1.

    Raises:
        InputError: The similarity is out of range.
    """

    def __init__(self, texts: Sequence[str], similarity: float):
        band_shape(similarity)
        self._similarity, self._banded = similarity, max(similarity - MARGIN, LEAST_SIMILARITY)
        table = signatures(texts, threshold=self._banded)
        letters = table.column("letters").to_numpy()
        # Of equal texts the first stands for all.
        self._same: dict[tuple[int, int] | str, int] = {}
        for number, key in enumerate(_identities(texts, table)):
            self._same.setdefault(key, number)
        self._numbers = np.array([number for number in self._same.values() if letters[number]], np.int64)
        self._texts = [texts[number] for number in self._numbers]
        self._bands = _bands(table.take(self._numbers))
        self._orders = np.argsort(self._bands, axis=1, kind="stable")
        most_shingles = max(int(letters.max(initial=0)) - SHINGLE_LENGTH + 1, 1)
        # One more than the division gives, since it rounds.
        self._most_shingles = int(most_shingles / similarity) + 1

    def may_be_like(self, folded: Folded) -> np.ndarray:
        """Whether each document has as few shingles as a text's near-duplicate has, bool `[num_documents]`."""
        result = np.ones(len(folded.counts), bool)
        ends = np.cumsum(folded.counts)
        for document in np.flatnonzero(folded.counts - SHINGLE_LENGTH + 1 > self._most_shingles):
            # A long one may still say few things many times.
            begin, count = ends[document] - folded.counts[document], folded.counts[document]
            for width in (SAMPLED_TIMES * self._most_shingles, count):
                letters = folded.letters[begin : begin + min(width, count)]
                hashes = [block.hashes for block in shingles(Folded(0, letters, np.array([len(letters)])))]
                if _num_distinct(np.concatenate(hashes)) > self._most_shingles:
                    result[document] = False
                    break
        return result

    def search(self, documents: Sequence[str]) -> list[tuple[int, int, float | None]]:
        """Compares documents with the texts.

        Returns:
            For each document that is like a text its place, the text's number, and how alike they are, or None
            where the letters and digits are the same (in documents without any, the whole text). Where several are
            near it is the most similar of those that were met first.
        """
        table = signatures(documents, threshold=self._banded)
        found: list[tuple[int, int, float | None]] = []
        left = []
        for place, key in enumerate(_identities(documents, table)):
            if key in self._same:
                found.append((place, self._same[key], None))
            elif not isinstance(key, str):
                left.append(place)
        near = self._near([documents[place] for place in left], _bands(table.take(np.array(left, np.int64))))
        return found + [(left[place], int(self._numbers[number]), alike) for place, number, alike in near]

    def _near(self, documents: list[str], bands: np.ndarray) -> Iterator[tuple[int, int, float]]:
        waiting = np.arange(len(documents))
        for band, order in enumerate(self._orders):
            keys, asked = self._bands[band][order], bands[band][waiting]
            lows, highs = (np.searchsorted(keys, asked, side) for side in ("left", "right"))
            met = np.flatnonzero(highs > lows)
            cuts = np.flatnonzero(np.diff(np.cumsum((highs - lows)[met]) // PAIRS_AT_ONCE)) + 1
            settled = []
            for part in np.split(met, cuts):
                counts = (highs - lows)[part]
                first, second = np.repeat(waiting[part], counts), order[_ranges(lows[part], counts)]
                # A pair that met in an earlier band was found too little alike there.
                is_new = ~(bands[:band, first] == self._bands[:band, second]).any(axis=0)
                for document, number, alike in self._alike(documents, first[is_new], second[is_new]):
                    settled.append(document)
                    yield document, number, alike
            waiting = np.setdiff1d(waiting, settled)

    def _alike(self, documents: list[str], first: np.ndarray, second: np.ndarray) -> Iterator[tuple[int, int, float]]:
        """Of each document among the pairs that is like a text, the text that it is most like."""
        if not len(first):
            return
        (rows, left), (numbers, right) = (np.unique(each, return_inverse=True) for each in (first, second))
        texts = [documents[row] for row in rows] + [self._texts[number] for number in numbers]
        similarity = jaccard(texts, left, right + len(rows))
        order = np.lexsort((second, -similarity, first))
        order = order[similarity[order] >= self._similarity]
        for pair in order[np.diff(first[order], prepend=-1) > 0].tolist():
            yield int(first[pair]), int(second[pair]), float(similarity[pair])


def _identities(texts: Sequence[str], table: pa.Table) -> list[tuple[int, int] | str]:
    """What only equal texts share: the key of their letters and digits, or the text where it has none."""
    keys = zip(*(table.column(name).to_pylist() for name in FOLDED_KEYS), strict=True)
    has_letters = (table.column("letters").to_numpy() > 0).tolist()
    return [key if lettered else text for key, lettered, text in zip(keys, has_letters, texts, strict=True)]


def _bands(table: pa.Table) -> np.ndarray:
    """uint64 `[num_bands, num_texts]`, the keys of all bands."""
    return np.stack([table.column(name).to_numpy() for name in table.column_names if name.startswith("band_")])


def _num_distinct(values: np.ndarray) -> int:
    values = np.sort(values)
    return int(np.count_nonzero(values[1:] != values[:-1])) + min(len(values), 1)


def _ranges(begins: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """The numbers from each begin on, as many as each count says."""
    return np.repeat(begins - (np.cumsum(counts) - counts), counts) + np.arange(counts.sum())
