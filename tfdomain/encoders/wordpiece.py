"""Words to WordPiece ids inside the graph, for plain ASCII texts in one step.

Both ways run tensorflow-text's linear-time WordPiece. It has no limit of its own here that the
reference does not have: the reference counts characters of a word, the kernel counts bytes.
"""

import itertools
import string
from typing import NamedTuple

import tensorflow as tf
import tensorflow_text as tf_text

from tfdomain.encoders.flat_rows import repeat_index, row_indices
from tfdomain.encoders.normalization import Words
from tfdomain.encoders.special_tokens import SpecialToken
from tfdomain.encoders.unicode_tables import NUM_CODE_POINTS
from tfdomain.errors import InputError

__all__ = ["Pieces", "WordPieceModel"]

# The kernel's limit on a word, out of reach: 4 bytes for each character of any limit people set.
UNLIMITED_BYTES = 1 << 20
# The kernel works on one core; the parts of a batch run side by side where there are several.
NUM_PARTS = 4
# ASCII suffices: the kernel only splits texts by itself where they are ASCII.
WORD_LIMITS = frozenset(string.punctuation + string.whitespace)


class Pieces(NamedTuple):
    """The tokens of a batch of texts, flat.

    Attributes:
        ids: int32 `[tokens]`.
        row_starts: int32 `[batch]`, where a text's tokens start in `ids`; texts need not be in order.
        row_lengths: int32 `[batch]`, how many tokens a text has.
        offsets: int32 `[tokens, 2]`, the start and end character of each token in its text; or None.
    """

    ids: tf.Tensor
    row_starts: tf.Tensor
    row_lengths: tf.Tensor
    offsets: tf.Tensor | None


class WordPieceModel(tf.Module):
    """Greedy longest-match-first WordPiece over a vocabulary.

    Args:
        vocabulary: Every token in the order of its id; continuations start with `##`.
        unk_token: The token that a word becomes that cannot be spelled.
        max_input_chars_per_word: A word with more characters is unknown as a whole.
        lowercase: Whether ASCII texts are to be lowered first.

    Reference:
        Song et al. 2021, https://arxiv.org/abs/2012.15524.
    """

    def __init__(self, *, vocabulary: tuple[str, ...], unk_token: str, max_input_chars_per_word: int, lowercase: bool):
        super().__init__()
        self._unk_id = vocabulary.index(unk_token)
        self._limit = max_input_chars_per_word
        self._lowercase = lowercase
        self._unspellable = _find_absent_character(vocabulary)
        matchable = [
            token if _is_matchable(token) and index != self._unk_id else f"{self._unspellable} {index}"
            for index, token in enumerate(vocabulary)
        ]
        self._whole_texts = self._build(matchable, max_bytes=max_input_chars_per_word, splits=True)
        self._single_words = self._build(matchable, max_bytes=UNLIMITED_BYTES, splits=False)

    def _build(self, vocabulary: list[str], *, max_bytes: int, splits: bool) -> tf_text.FastWordpieceTokenizer:
        try:
            return tf_text.FastWordpieceTokenizer(
                vocab=vocabulary,
                max_bytes_per_word=max_bytes,
                token_out_type=tf.int32,
                unknown_token=vocabulary[self._unk_id],
                no_pretokenization=not splits,
            )
        except (RuntimeError, ValueError) as error:
            raise InputError(
                f"cannot be compiled ({error})", where="vocabulary", mend="look for damaged or huge tokens in it"
            ) from error

    def tokenize_ascii(self, texts: tf.Tensor, with_offsets: bool) -> Pieces:
        """Tokenizes texts of printable ASCII, tabs and line ends; a byte is a character there.

        Args:
            texts: string `[batch]`.
            with_offsets: Whether to give offsets.
        """
        total = tf.size(texts)
        cuts = [total * part // NUM_PARTS for part in range(NUM_PARTS + 1)]
        parts = []
        for start, end in itertools.pairwise(cuts):
            part = texts[start:end]
            if self._lowercase:
                part = tf.strings.lower(part)
            parts.append(self._whole_texts.tokenize_with_offsets(part))
        ids = tf.concat([part.flat_values for part, _, _ in parts], 0)
        lengths = tf.cast(tf.concat([part.row_lengths() for part, _, _ in parts], 0), tf.int32)
        offsets = None
        if with_offsets:
            starts = tf.concat([part.flat_values for _, part, _ in parts], 0)
            ends = tf.concat([part.flat_values for _, _, part in parts], 0)
            offsets = tf.stack([tf.cast(starts, tf.int32), tf.cast(ends, tf.int32)], 1)
        return Pieces(ids, tf.cumsum(lengths, exclusive=True), lengths, offsets)

    def tokenize_words(self, words: Words, specials: tuple[SpecialToken, ...], with_offsets: bool) -> Pieces:
        """Tokenizes normalized words.

        Args:
            words: As the normalizer gives them.
            specials: The special tokens that the normalizer was told to cut out.
            with_offsets: Whether to give offsets.
        """
        lengths = words.word_splits[1:] - words.word_splits[:-1]
        first = tf.gather(words.characters, words.word_splits[:-1])
        special = first >= NUM_CODE_POINTS
        whole = special | (lengths > self._limit)
        characters = tf.where(words.characters < NUM_CODE_POINTS, words.characters, ord(self._unspellable))
        strings = tf.strings.unicode_encode(
            tf.RaggedTensor.from_row_splits(characters, words.word_splits, validate=False), "UTF-8"
        )
        strings = tf.where(whole, self._unspellable, strings)
        ids, starts, ends = self._single_words.tokenize_with_offsets(strings)
        piece_splits = tf.cast(ids.row_splits, tf.int32)
        piece_words = row_indices(piece_splits)
        flat_ids = ids.flat_values
        if specials:
            special_ids = tf.constant([token.id for token in specials], tf.int32)
            named = tf.gather(special_ids, tf.where(special, first - NUM_CODE_POINTS, 0))
            flat_ids = tf.where(tf.gather(special, piece_words), tf.gather(named, piece_words), flat_ids)
        offsets = None
        if with_offsets:
            flat_starts, flat_ends = (tf.cast(part.flat_values, tf.int32) for part in (starts, ends))
            offsets = _place(words, whole, piece_words, flat_starts, flat_ends)
        row_splits = tf.gather(piece_splits, words.row_splits)
        return Pieces(flat_ids, row_splits[:-1], row_splits[1:] - row_splits[:-1], offsets)


def _place(words: Words, whole, piece_words, starts, ends) -> tf.Tensor:
    """The characters of the original text that pieces cover, given the bytes of their words."""
    codes = words.characters
    num_bytes = 1 + sum(tf.cast(codes > last, tf.int32) for last in (0x7F, 0x7FF, 0xFFFF))
    characters = repeat_index(num_bytes)
    byte_splits = tf.concat([[0], tf.cumsum(num_bytes)], 0)
    word_bytes = tf.gather(byte_splits, words.word_splits)
    first_byte = tf.gather(word_bytes[:-1], piece_words)
    whole = tf.gather(whole, piece_words)
    last_byte = tf.where(whole, tf.gather(word_bytes[1:], piece_words), first_byte + ends) - 1
    first_byte = tf.where(whole, first_byte, first_byte + starts)
    return tf.stack(
        [
            tf.gather(words.starts, tf.gather(characters, first_byte)),
            tf.gather(words.ends, tf.gather(characters, last_byte)),
        ],
        1,
    )


def _is_matchable(token: str) -> bool:
    """Whether a word can hold this token at all: the kernel would also find it across words."""
    text = token.removeprefix("##") if len(token) > 2 else token
    if "\0" in token or token.isspace():  # the kernel's compiler takes NUL for the end of a token
        return False
    return bool(text) and (len(token) == 1 or not WORD_LIMITS.intersection(text))


def _find_absent_character(vocabulary: tuple[str, ...]) -> str:
    used = set("".join(vocabulary))
    return next(chr(code) for code in range(0x10FFFD, 0x100000, -1) if chr(code) not in used)
