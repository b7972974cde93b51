"""The words of a field that a tokenizer cuts into many pieces."""

import dataclasses
import unicodedata
from collections.abc import Iterable

from tfdomain.encoders.tokenizer import Tokenizer
from tfdomain.errors import InputError
from tfdomain.pretraining.extension import piece_ids
from tfdomain.pretraining.words import WordSplitter

__all__ = ["Term", "mine_terms"]


@dataclasses.dataclass(frozen=True)
class Term:
    """A word that would be worth a token of its own.

    Attributes:
        text: The word, normalized as the tokenizer normalizes it.
        count: How often it occurs.
        pieces: What the tokenizer makes of it now, two tokens or more.
    """

    text: str
    count: int
    pieces: tuple[str, ...]

    @property
    def saved(self) -> int:
        """The tokens that the corpus would have fewer with this word as one token."""
        return self.count * (len(self.pieces) - 1)


def mine_terms(texts: Iterable[str], tokenizer: Tokenizer, *, num_terms: int, min_count: int = 10) -> list[Term]:
    """Finds the words of a corpus whose tokens would save most, the best first.

    A word is ranked by the tokens that it would save, its count times its pieces but one, and words that save equally
    much by their spelling. Each is judged alone: a token that is the start of a longer word takes part in that word
    too, so that all together save somewhat more or less than the sum; `measure_fertility` tells.

    Left out are words without a letter, words of which at least half of the characters are digits or other numbers,
    and words that the tokenizer cannot spell (with characters that it lacks, or too long).

    Chinese has no terms: BERT's tokenizers make every ideograph a word, so that a token of several would never be
    found in a text. What can help there is an ideograph that the vocabulary lacks; `extend_settings` takes it.
    Only where `handle_chinese_chars` is off, runs of ideographs are words like others.

    Args:
        texts: Any number; they are read once. Memory grows with distinct words.
        tokenizer: Whose vocabulary is to be extended.
        num_terms: The most terms to give; 1 or more.
        min_count: How often a term occurs at least; 1 or more.

    Raises:
        InputError: The texts hold no words, one of them is not a string, or a number is less than 1.
    """
    for name, value in (("num_terms", num_terms), ("min_count", min_count)):
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise InputError(f"is {value!r}", where=name, mend="give a whole number of 1 or more")
    splitter = WordSplitter(tokenizer.settings)
    counts = splitter.count(texts)
    if not counts:
        raise InputError("hold no words", where="texts", mend="give a corpus that is not empty")
    longest = tokenizer.settings.max_input_chars_per_word
    words = [word for word, count in counts.items() if count >= min_count and len(word) <= longest and _is_term(word)]
    # What the normalizer would change once more can never be found in a text.
    words = [word for word, again in zip(words, splitter.split(words), strict=True) if again == [word]]
    vocabulary = tokenizer.vocabulary
    terms = [
        Term(word, counts[word], tuple(vocabulary[index] for index in ids))
        for word, ids in zip(words, piece_ids(tokenizer, words), strict=True)
        if len(ids) > 1
    ]
    return sorted(terms, key=lambda term: (-term.saved, term.text))[:num_terms]


def _is_term(word: str) -> bool:
    kinds = [unicodedata.category(character)[0] for character in word]
    return len(word) > 1 and "L" in kinds and 2 * kinds.count("N") < len(kinds)
