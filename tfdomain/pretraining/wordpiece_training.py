"""A WordPiece vocabulary learned from a corpus."""

import dataclasses
import importlib
import string
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

from tfdomain.encoders.special_tokens import NAMES, SpecialToken
from tfdomain.encoders.vocabulary import TokenizerSettings
from tfdomain.errors import InputError
from tfdomain.pretraining.words import WordSplitter

__all__ = ["learn_vocabulary"]

SPECIALS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
# Of this many words at a time a text for the trainer is made.
CHUNK_WORDS = 4096


def learn_vocabulary(
    texts: Iterable[str],
    *,
    size: int,
    lowercase: bool = True,
    strip_accents: bool | None = None,
    handle_chinese_chars: bool = True,
    min_count: int = 2,
) -> TokenizerSettings:
    """Learns a WordPiece vocabulary from a corpus, with the trainer of the `tokenizers` library.

    The vocabulary starts with the special tokens and the alphabet: printable ASCII and the characters that occur
    `min_count` times, alone and, where they can go on a word, as continuations. Rarer characters become unknown. Then
    come pieces: again and again the most frequent pair of neighbours becomes one.

    Two trainings on the same texts, in whatever order, give the same vocabulary. The trainer breaks ties by the number
    of the pieces, and numbers continuations in an order of chance; so it is given the alphabet in order.

    Args:
        texts: Any number; they are read once. Memory grows with distinct words.
        size: The most tokens of the vocabulary; a small corpus gives fewer.
        lowercase: Lower the case of the text.
        strip_accents: Drop accents; None means as `lowercase`.
        handle_chinese_chars: Make every ideograph a word of its own, as BERT does.
        min_count: How often a character, and a pair of pieces that becomes one, occur at least.

    Raises:
        InputError: The texts hold no words or none that occur often enough, one of them is not a string, the size is
            less than special tokens and alphabet need, or `tokenizers` is not installed.

    Reference:
        Schuster and Nakajima 2012, "Japanese and Korean voice search", for WordPiece; the trainer merges as byte-pair
        encoding does, Sennrich et al. 2016 (https://arxiv.org/abs/1508.07909).
    """
    for name, value in (("size", size), ("min_count", min_count)):
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise InputError(f"is {value!r}", where=name, mend="give a whole number of 1 or more")
    library = _tokenizers()
    settings = TokenizerSettings(
        vocabulary=SPECIALS,
        named=dict(zip(NAMES, SPECIALS, strict=True)),
        specials=tuple(SpecialToken(token, index) for index, token in enumerate(SPECIALS)),
        lowercase=lowercase,
        strip_accents=strip_accents,
        handle_chinese_chars=handle_chinese_chars,
    )
    counts = WordSplitter(settings).count(texts)
    if not counts:
        raise InputError("hold no words", where="texts", mend="give a corpus that is not empty")
    characters = _frequent_characters(counts, min_count) | set(_plain_characters(lowercase))
    # A word that cannot be spelled is unknown as a whole: it must not decide about the pieces of others.
    longest = settings.max_input_chars_per_word
    counts = Counter(
        {word: count for word, count in counts.items() if len(word) <= longest and characters.issuperset(word)}
    )
    if not counts:
        problem = f"no character occurs {min_count} times"
        raise InputError(problem, where="texts", mend="give more text, or lower min_count")
    basis = [*SPECIALS, *_list_alphabet(counts, characters, lowercase)]
    if size < len(basis):
        problem = f"is {size}, but special tokens and the alphabet of this corpus need {len(basis)}"
        mend = f"give {len(basis)} or more, or raise min_count ({min_count}), which leaves rare characters out"
        raise InputError(problem, where="size", mend=mend)
    vocabulary = _train(library, counts, basis, size, min_count)
    return dataclasses.replace(settings, vocabulary=tuple(vocabulary))


def _frequent_characters(counts: Counter[str], min_count: int) -> set[str]:
    characters: Counter[str] = Counter()
    for word, count in counts.items():
        for character in word:
            characters[character] += count
    return {character for character, count in characters.items() if count >= min_count}


def _plain_characters(lowercase: bool) -> str:
    """What an ASCII word can be spelled of; texts to come will have some that this corpus has not."""
    return string.digits + (string.ascii_lowercase if lowercase else string.ascii_letters)


def _list_alphabet(counts: Counter[str], characters: set[str], lowercase: bool) -> list[str]:
    """Every character, then those that can go on a word as such, each by code point."""
    continuing = {character for word in counts for character in word[1:]}.union(_plain_characters(lowercase))
    alone = sorted(characters.union(string.punctuation))
    return [*alone, *(f"##{character}" for character in sorted(continuing))]


def _train(library: Any, counts: Counter[str], basis: list[str], size: int, min_count: int) -> list[str]:
    """The vocabulary by id: the basis, and what the trainer adds to it.

    The trainer leaves whatever is called special in the given order and finds its alphabet there.
    """
    tokenizer = library.Tokenizer(library.models.WordPiece(unk_token="[UNK]"))
    tokenizer.pre_tokenizer = library.pre_tokenizers.WhitespaceSplit()
    trainer = library.trainers.WordPieceTrainer(
        vocab_size=size,
        min_frequency=min_count,
        special_tokens=basis,
        limit_alphabet=len(basis),
        show_progress=False,
    )
    tokenizer.train_from_iterator(_repeat_words(counts), trainer)
    ids = tokenizer.get_vocab()
    return sorted(ids, key=ids.__getitem__)


def _repeat_words(counts: Counter[str]) -> Iterator[str]:
    """Texts in which every word occurs as often as it was counted: the trainer takes no counts."""
    for word, count in sorted(counts.items()):
        for start in range(0, count, CHUNK_WORDS):
            yield " ".join([word] * min(CHUNK_WORDS, count - start))


def _tokenizers() -> Any:
    try:
        return importlib.import_module("tokenizers")
    except ImportError:
        mend = 'install it: pip install "tfdomain[pretraining]"'
        raise InputError("learning a vocabulary needs the tokenizers library", mend=mend) from None
