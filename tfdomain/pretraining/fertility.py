"""How finely a tokenizer cuts the words of a corpus."""

import dataclasses
from collections.abc import Iterable

import numpy as np

from tfdomain.encoders.tokenizer import Tokenizer
from tfdomain.errors import InputError
from tfdomain.pretraining.words import batch_texts

__all__ = ["Fertility", "measure_fertility"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Fertility:
    """What becomes of a corpus' words, each counted as often as it occurs.

    Attributes:
        num_words: Words, punctuation marks among them.
        pieces_per_word: Tokens a word, 1 or more; an unknown word is one token, so read it together with
            `unknown_share`.
        share_whole: The part of the words that are one token of the vocabulary, in [0, 1]; unknown ones are not.
        unknown_share: The part of the words that cannot be spelled, in [0, 1].
    """

    num_words: int
    pieces_per_word: float
    share_whole: float
    unknown_share: float


def measure_fertility(tokenizer: Tokenizer, texts: Iterable[str]) -> Fertility:
    """Counts the tokens that a tokenizer makes of a corpus' words.

    A word is what the tokenizer looks up in its vocabulary: white space and punctuation end it, and every punctuation
    mark is one. So is every Chinese character, unless the tokenizer was told otherwise (`handle_chinese_chars`):
    Chinese text has one piece a word whatever the vocabulary, and only `unknown_share` tells vocabularies apart.

    Args:
        tokenizer: What to judge.
        texts: Any number; they are read once, in batches.

    Raises:
        InputError: The texts hold no words, or one of them is not a string.

    Reference:
        Rust et al. 2021, "How Good is Your Tokenizer?" (https://arxiv.org/abs/2012.15613).
    """
    # Since "#" is punctuation, no word starts with a continuation.
    opens = ~tokenizer.continues
    words = pieces = whole = unknown = 0
    for batch in batch_texts(texts):
        tokens = tokenizer(batch, max_length=None)
        ids = tokens["token_ids"].numpy()
        ends = tokens["padding_mask"].numpy().sum(axis=1, keepdims=True) - 1
        columns = np.arange(ids.shape[1])
        # Without padding, [CLS] and [SEP]: the words of all texts one after the other.
        flat = ids[(columns > 0) & (columns < ends)]
        starts = np.flatnonzero(opens[flat])
        lengths = np.diff(starts, append=len(flat))
        is_unknown = flat[starts] == tokenizer.unk_id
        words += len(starts)
        pieces += len(flat)
        whole += int(np.count_nonzero((lengths == 1) & ~is_unknown))
        unknown += int(np.count_nonzero(is_unknown))
    if not words:
        raise InputError("hold no words", where="texts", mend="give a corpus that is not empty")
    return Fertility(
        num_words=words,
        pieces_per_word=pieces / words,
        share_whole=whole / words,
        unknown_share=unknown / words,
    )
