"""How the words of new rows differ from those of the rows before."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

__all__ = ["add_words", "compare_vocabularies", "count_words"]

# Chinese has no blanks between words: its characters count one by one.
_WORDS = re.compile(
    "[\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]|[^\\W_\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]+"
)
# Rare words are most of a vocabulary, and say least about it.
MAX_WORDS = 500_000
SHOWN_WORDS = 20


def count_words(texts: Iterable[str], counts: Counter[str] | None = None) -> Counter[str]:
    """How often each word occurs, lower-cased; Chinese by characters.

    Args:
        texts: Any number.
        counts: What to add to. It forgets its rarest words when there are more than half a million.
    """
    counts = Counter() if counts is None else counts
    for text in texts:
        counts.update(_WORDS.findall(text.lower()))
    return add_words(counts, {})


def add_words(counts: Counter[str], more: Mapping[str, int]) -> Counter[str]:
    """Adds counts to others, which forget their rarest words when there are more than half a million."""
    counts.update(more)
    if len(counts) > MAX_WORDS:
        for word, _ in counts.most_common()[MAX_WORDS // 2 :]:
            del counts[word]
    return counts


def compare_vocabularies(before: Counter[str], now: Counter[str]) -> dict[str, Any]:
    """The distance of two distributions of words, and what is new.

    Returns:
        `divergence`, of Jensen and Shannon in bits, 0 to 1; `unknown_rate`, the part of the words in `now` that
        never occur in `before`; `new_words`, the most frequent of those.

    Reference:
        Lin 1991, "Divergence measures based on the Shannon entropy".
    """
    words = list(before.keys() | now.keys())
    shares = np.array([[counts[word] for word in words] for counts in (before, now)], "float64")
    unknown = shares[1][shares[0] == 0].sum() / max(shares[1].sum(), 1.0)
    shares /= np.maximum(shares.sum(axis=1, keepdims=True), 1.0)
    middle = shares.mean(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        terms = np.where(shares > 0, shares * np.log2(shares / middle), 0.0)
    new = sorted((word for word in now if word not in before), key=lambda word: (-now[word], word))
    return {
        "divergence": float(np.clip(terms.sum() / 2, 0, 1)),
        "unknown_rate": float(unknown),
        "new_words": new[:SHOWN_WORDS],
    }
