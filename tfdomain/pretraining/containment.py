"""Which documents hold one of some texts whole, whatever the case and the punctuation.

As for near-duplicates only letters and digits count, lower-cased (`preparation.shingles`). Thousands of texts are not
looked for one after the other: each is known by an anchor, a run of its letters that the other texts have least
often. Every run of that length in a document is hashed and looked up among the anchors, and where one is met the
whole text is compared. So nothing is missed, and nothing is found that is not there.

Reference:
    R. Karp, M. Rabin, Efficient randomized pattern-matching algorithms (1987).
"""

from collections.abc import Sequence

import numpy as np

from tfdomain.preparation.shingles import SHINGLE_LENGTH, Folded, combine, fold

__all__ = ["LEAST_LETTERS", "ContainedTexts"]

LEAST_LETTERS = 30
"""How many letters and digits a text needs to be looked for; a Chinese, Japanese or Korean character counts as two.

Shorter ones ("how do I get my card") stand in texts that have nothing to do with them.
"""

# A text of the least length is half as long where its characters count as two.
ANCHOR_LETTERS = LEAST_LETTERS // 2
FIRST_WIDE = 0x2E80
# Among how many runs, spread over a text, the anchor is chosen.
MOST_RUNS = 64
BLOCK_LETTERS = 1 << 20
# A table of so many bits tells at once that most runs are no anchor.
TABLE_BITS = 22


class ContainedTexts:
    """Texts that documents may contain.

    Args:
        texts: The texts; those with fewer than `LEAST_LETTERS` are not looked for.

    Attributes:
        numbers: int64, which of the texts are looked for.
    """

    def __init__(self, texts: Sequence[str]):
        numbers, self._letters = [], []
        for folded in fold(texts):
            for number, letters in enumerate(np.split(folded.letters, np.cumsum(folded.counts)[:-1]), folded.first):
                if len(letters) + np.count_nonzero(letters >= FIRST_WIDE) >= LEAST_LETTERS:
                    numbers.append(number)
                    self._letters.append(letters)
        self.numbers = np.array(numbers, np.int64)
        anchors, offsets = _choose_anchors(self._letters)
        order = np.argsort(anchors, kind="stable")
        self._anchors, self._offsets, self._order = anchors[order], offsets[order], order
        self._may_be_anchor = np.zeros(1 << TABLE_BITS, bool)
        self._may_be_anchor[_table_places(anchors)] = True

    def search(self, folded: Folded) -> dict[int, int]:
        """Which documents contain a text.

        Args:
            folded: Documents.

        Returns:
            For the number of each such document that of a text in it.
        """
        found: dict[int, int] = {}
        if not len(self._anchors):
            return found
        ends = np.cumsum(folded.counts)
        begins = ends - folded.counts
        for at in range(0, len(folded.letters) - ANCHOR_LETTERS + 1, BLOCK_LETTERS):
            runs = _runs(folded.letters[at : at + BLOCK_LETTERS + ANCHOR_LETTERS - 1])
            places = np.flatnonzero(self._may_be_anchor[_table_places(runs)])
            lows, highs = (np.searchsorted(self._anchors, runs[places], side) for side in ("left", "right"))
            met = highs > lows
            places = places[met] + at
            documents = np.searchsorted(ends, places, "right")
            hits = zip(*(each.tolist() for each in (documents, places, lows[met], highs[met])), strict=True)
            for document, place, low, high in hits:
                number = folded.first + document
                if number in found:
                    continue
                for anchor in range(low, high):
                    letters, start = self._letters[self._order[anchor]], place - self._offsets[anchor]
                    stop = start + len(letters)
                    is_within = begins[document] <= start and stop <= ends[document]
                    if is_within and np.array_equal(folded.letters[start:stop], letters):
                        found[number] = int(self.numbers[self._order[anchor]])
                        break
        return found


def _choose_anchors(texts: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """The hash of each text's anchor, uint64, and where in the text it begins, int64."""
    starts = [np.arange(0, len(text) - ANCHOR_LETTERS + 1, max(len(text) // MOST_RUNS, 1)) for text in texts]
    runs = [_runs(text)[chosen] for text, chosen in zip(texts, starts, strict=True)]
    _, places, counts = np.unique(
        np.concatenate([np.empty(0, np.uint64), *runs]), return_inverse=True, return_counts=True
    )
    chosen = [
        int(np.argmin(part)) for part in np.split(counts[places], np.cumsum([len(each) for each in runs]))[: len(runs)]
    ]
    anchors = [each[best] for each, best in zip(runs, chosen, strict=True)]
    offsets = [each[best] for each, best in zip(starts, chosen, strict=True)]
    return np.array(anchors, np.uint64), np.array(offsets, np.int64)


def _runs(letters: np.ndarray) -> np.ndarray:
    """The hashes of all runs of `ANCHOR_LETTERS` in some letters, uint64."""
    width = len(letters) - SHINGLE_LENGTH + 1
    wide = letters.astype(np.uint64)
    shingles = combine([wide[place : place + width] for place in range(SHINGLE_LENGTH)])
    width = len(letters) - ANCHOR_LETTERS + 1
    return combine([shingles[place : place + width] for place in range(0, ANCHOR_LETTERS, SHINGLE_LENGTH)])


def _table_places(hashes: np.ndarray) -> np.ndarray:
    return (hashes >> np.uint64(64 - TABLE_BITS)).astype(np.int64)
