"""New words for an encoder that is there already: behind the old ones, and as what they were made of before."""

import dataclasses
from collections.abc import Sequence

import numpy as np

from tfdomain.encoders.encoder import Encoder
from tfdomain.encoders.tokenizer import Tokenizer
from tfdomain.encoders.vocabulary import TokenizerSettings
from tfdomain.errors import InputError
from tfdomain.pretraining.words import WordSplitter

__all__ = ["extend_encoder", "extend_settings", "mean_rows", "piece_ids"]

BATCH_SIZE = 4096


def extend_settings(settings: TokenizerSettings, terms: Sequence[str]) -> TokenizerSettings:
    """Puts new tokens behind the old ones, so that every old token keeps its id.

    Args:
        settings: The tokenizer's, before.
        terms: Words as the tokenizer normalizes them (lower case for an uncased one). A single character that the
            vocabulary lacks, an ideograph for example, is a term too.

    Returns:
        The settings with `terms[i]` as the token of id `len(settings.vocabulary) + i`.

    Raises:
        InputError: A term is empty, given twice, a token already, or one that no text can ever give: in upper case
            for an uncased tokenizer, of several words (as several ideographs are), or too long.
    """
    known, new = set(settings.vocabulary), set[str]()
    for index, term in enumerate(terms):
        where = f"terms[{index}]"
        if not isinstance(term, str) or not term:
            raise InputError(f"is {term!r}", where=where, mend="give a word")
        if term in known:
            raise InputError(f"{term!r} is a token already", where=where, mend="leave it out")
        if term in new:
            raise InputError(f"{term!r} is given twice", where=where, mend="give every term once")
        new.add(term)
    _check_words(settings, terms)
    return dataclasses.replace(settings, vocabulary=(*settings.vocabulary, *terms))


def piece_ids(tokenizer: Tokenizer, terms: Sequence[str]) -> list[list[int]]:
    """The tokens that a tokenizer makes of each term, without the special ones around them.

    Args:
        tokenizer: For the pieces of new terms, the one before the extension.
        terms: Words.

    Returns:
        One id or more a term; that of the unknown token where it cannot be spelled, or normalizes to nothing.
    """
    rows: list[list[int]] = []
    for start in range(0, len(terms), BATCH_SIZE):
        tokens = tokenizer(list(terms[start : start + BATCH_SIZE]), max_length=None)
        lengths = tokens["padding_mask"].numpy().sum(axis=1).tolist()
        ids = tokens["token_ids"].numpy().tolist()
        rows += [row[1 : length - 1] or [tokenizer.unk_id] for row, length in zip(ids, lengths, strict=True)]
    return rows


def mean_rows(table: np.ndarray, pieces: Sequence[Sequence[int]], *, num_tokens: int) -> np.ndarray:
    """Gives every new token a row: the mean of the rows of its old pieces.

    Row numbers are token ids, so the new rows stand from `num_tokens` on. Some checkpoints have more rows than tokens,
    to make the number a multiple of eight: the new rows take the places of those first, and what is left of them
    stays. Call it for everything with a row a token: the word table, and the bias of a language model's head.

    Args:
        table: float `[rows, hidden]`, or `[rows]` for a bias.
        pieces: The old ids of each new token, one at least, as `piece_ids` gives them.
        num_tokens: The size of the vocabulary before the extension, at most `rows`.

    Returns:
        A new table of the same type with the larger of `rows` and `num_tokens + len(pieces)` rows.

    Raises:
        InputError: The vocabulary is larger than the table, or a term has no pieces or one that is no old token.
    """
    table = np.asarray(table)
    if num_tokens > len(table):
        problem = f"has {len(table)} rows, fewer than the {num_tokens} tokens of the vocabulary"
        raise InputError(problem, where="table", mend="use the vocabulary that belongs to the checkpoint")
    for index, ids in enumerate(pieces):
        if not len(ids) or min(ids) < 0 or max(ids) >= num_tokens:
            problem = f"is {list(ids)}, not one or more of the old ids 0 to {num_tokens - 1}"
            raise InputError(problem, where=f"pieces[{index}]", mend="take the pieces of the tokenizer before")
    extended = np.zeros((max(len(table), num_tokens + len(pieces)), *table.shape[1:]), table.dtype)
    extended[: len(table)] = table
    for index, ids in enumerate(pieces):
        extended[num_tokens + index] = table[list(ids)].astype(np.float64).mean(axis=0)
    return extended


def extend_encoder(encoder: Encoder, table: np.ndarray, *, pad_token_id: int | None = None) -> Encoder:
    """The same encoder with another word table.

    Args:
        encoder: Stays as it is.
        table: float `[rows, hidden]`: what `mean_rows` makes of `encoder.embeddings.words`, or a row for each token of
            another vocabulary.
        pad_token_id: The padding token of that other vocabulary; None: as before.

    Returns:
        A new encoder whose `config.vocab_size` is `rows`, and whose other weights, pooler, types, name and seed are
        those of the old one.

    Raises:
        InputError: The table is of another width, or has no row for the padding token.
    """
    hidden = encoder.config.hidden_size
    shape = tuple(np.shape(table))
    if len(shape) != 2 or shape[1] != hidden:
        problem = f"is of the shape {list(shape)}, but the encoder's rows have {hidden} numbers"
        raise InputError(problem, where="table", mend=f"give a table of the shape [tokens, {hidden}]")
    pad = encoder.config.pad_token_id if pad_token_id is None else pad_token_id
    config = dataclasses.replace(encoder.config, vocab_size=shape[0], pad_token_id=pad)
    extended = Encoder(**encoder.get_config() | {"config": config, "initialize": False})
    old = encoder.named_weights()
    for name, variable in extended.named_weights().items():
        variable.assign(table if name == "embeddings/word_table" else old[name])
    return extended


def _check_words(settings: TokenizerSettings, terms: Sequence[str]) -> None:
    """Refuses what the normalization would change or split, and says into what."""
    for index, (term, words) in enumerate(zip(terms, WordSplitter(settings).split(terms), strict=True)):
        if words != [term] or "\0" in term:
            problem = f"{term!r} is never looked for: the tokenizer reads it as {' '.join(words) or 'nothing'!r}"
            mend = f"give {words[0]!r}" if len(words) == 1 else "give one word without blanks and punctuation"
            raise InputError(problem, where=f"terms[{index}]", mend=mend)
        if len(term) > settings.max_input_chars_per_word:
            problem = f"has {len(term)} characters; longer words than {settings.max_input_chars_per_word} are unknown"
            raise InputError(problem, where=f"terms[{index}]", mend="leave it out")
