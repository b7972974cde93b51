"""Raw texts to token ids inside the TensorFlow graph, with the ids of the reference tokenizer."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from tfdomain.encoders.normalization import Normalizer
from tfdomain.encoders.special_tokens import SpecialToken
from tfdomain.encoders.text_inputs import Texts, as_batches
from tfdomain.encoders.tokenizer_saving import write_tokenizer_files
from tfdomain.encoders.truncation import truncate_pair_lengths
from tfdomain.encoders.vocabulary import TokenizerSettings, read_tokenizer_files
from tfdomain.encoders.wordpiece import Pieces, WordPieceModel
from tfdomain.errors import InputError

__all__ = ["Tokenizer"]

# Texts of these characters only need no normalization but a lower case.
PLAIN_TEXT = r"[\t\n\r -~]*"
NO_LIMIT = 1 << 30


class Tokenizer(tf.Module):
    """BERT's WordPiece tokenizer as TensorFlow operations.

    Training and serving share it: it works on lists of strings, inside `tf.data` and `tf.function`,
    and inside an exported SavedModel, and gives what transformers' `BertTokenizerFast` gives.

    Args:
        settings: The vocabulary and how texts are normalized; `from_pretrained` reads them.

    Example:
        >>> tokenizer = Tokenizer.from_pretrained("all-MiniLM-L6-v2")
        >>> tokenizer(["How do I pay?"])["token_ids"].numpy()
        array([[ 101, 2129, 2079, 1045, 3477, 1029,  102]], dtype=int32)

    Reference:
        Devlin et al. 2018, https://arxiv.org/abs/1810.04805.
    """

    def __init__(self, settings: TokenizerSettings):
        super().__init__()
        strip_accents = settings.lowercase if settings.strip_accents is None else settings.strip_accents
        self._settings = settings
        self._normalizer = Normalizer(
            clean_text=settings.clean_text,
            handle_chinese_chars=settings.handle_chinese_chars,
            strip_accents=strip_accents,
            lowercase=settings.lowercase,
        )
        self._pieces = WordPieceModel(
            vocabulary=settings.vocabulary,
            unk_token=settings.named["unk_token"],
            max_input_chars_per_word=settings.max_input_chars_per_word,
            lowercase=settings.lowercase,
        )
        self._ids = {name: settings.vocabulary.index(token) for name, token in settings.named.items()}
        self._continues = np.array([len(token) > 2 and token.startswith("##") for token in settings.vocabulary])
        self._functions = _FunctionCache()

    @classmethod
    def from_pretrained(cls, folder: str | Path) -> "Tokenizer":
        """Reads vocab.txt or tokenizer.json, and tokenizer_config.json, from a checkpoint's folder.

        Raises:
            InputError: A file is missing, contradicts another, or is not a BERT tokenizer's.
        """
        return cls(read_tokenizer_files(Path(folder)))

    def save(self, folder: str | Path) -> None:
        """Writes vocab.txt, tokenizer.json and tokenizer_config.json into `folder`.

        transformers' `BertTokenizerFast` and our own `from_pretrained` load the same settings back.
        """
        write_tokenizer_files(Path(folder), self._settings)

    @property
    def settings(self) -> TokenizerSettings:
        """The vocabulary and every setting that the ids depend on."""
        return self._settings

    @property
    def vocabulary(self) -> list[str]:
        """Every token in the order of its id."""
        return list(self._settings.vocabulary)

    @property
    def vocabulary_size(self) -> int:
        """The number of tokens, added special tokens included."""
        return len(self._settings.vocabulary)

    @property
    def fingerprint(self) -> str:
        """The SHA-256 of vocabulary and settings: equal ids for any text where it is equal."""
        return self._settings.fingerprint

    @property
    def continues(self) -> np.ndarray:
        """Whether each token goes on with a word that another began, bool `[vocabulary]`."""
        return self._continues

    @property
    def pad_id(self) -> int:
        """The id that fills rows up."""
        return self._ids["pad_token"]

    @property
    def unk_id(self) -> int:
        """The id of a word that cannot be spelled."""
        return self._ids["unk_token"]

    @property
    def cls_id(self) -> int:
        """The id that opens every row."""
        return self._ids["cls_token"]

    @property
    def sep_id(self) -> int:
        """The id that ends every text."""
        return self._ids["sep_token"]

    @property
    def mask_id(self) -> int:
        """The id that hides a token in masked language modelling.

        Raises:
            InputError: The vocabulary has none.
        """
        if "mask_token" not in self._ids:
            raise InputError("has no [MASK] token", where="vocabulary", mend="add the line [MASK] to vocab.txt")
        return self._ids["mask_token"]

    @tf.autograph.experimental.do_not_convert
    def __call__(
        self,
        texts: Texts,
        pairs: Texts | None = None,
        max_length: int | None = 128,
        return_offsets: bool = False,
        split_special_tokens: bool = True,
    ) -> dict[str, tf.Tensor]:
        """Tokenizes texts, or pairs of texts.

        Args:
            texts: string `[batch]`, UTF-8: a list, an array or a tensor.
            pairs: string `[batch]`, the second text of each row, or None.
            max_length: The most tokens of a row, special tokens included; None for no limit. Pairs
                lose tokens from the longer text first.
            return_offsets: Whether to add `offsets`.
            split_special_tokens: Whether a `[SEP]` in a text is ordinary characters. Keep it True
                for texts that others write.

        Returns:
            int32 `[batch, longest]` each: `token_ids`; `segment_ids`, 1 for the second text and its
            `[SEP]`; `padding_mask`, 1 for a token and 0 for padding. With `return_offsets`,
            `offsets` int32 `[batch, longest, 2]`: the first character of each token in its text and
            the one after its last; `(0, 0)` for special tokens and padding.

        Raises:
            InputError: A text is not a string, or the lengths do not fit together.
        """
        _check_length(max_length, pairs is not None)
        inputs = as_batches(texts, pairs)

        def encode(limit: tf.Tensor, *batch: tf.Tensor) -> dict[str, tf.Tensor]:
            rows = [self._tokenize(part, return_offsets, split_special_tokens) for part in batch]
            return self._arrange(rows, _truncate(rows, limit), return_offsets)

        key = ("encode", len(inputs), return_offsets, split_special_tokens)
        return self._run(key, encode, max_length, inputs)

    @tf.autograph.experimental.do_not_convert
    def lengths(
        self,
        texts: Texts,
        pairs: Texts | None = None,
        max_length: int | None = None,
        split_special_tokens: bool = True,
    ) -> tf.Tensor:
        """Counts the tokens of each row as `__call__` would give them, special tokens included.

        Args:
            texts: As for `__call__`.
            pairs: As for `__call__`.
            max_length: As for `__call__`.
            split_special_tokens: As for `__call__`.

        Returns:
            int32 `[batch]`.
        """
        _check_length(max_length, pairs is not None)
        inputs = as_batches(texts, pairs)

        def count(limit: tf.Tensor, *batch: tf.Tensor) -> tf.Tensor:
            rows = [self._tokenize(part, False, split_special_tokens) for part in batch]
            return sum(_truncate(rows, limit)) + len(rows) + 1

        return self._run(("lengths", len(inputs), split_special_tokens), count, max_length, inputs)

    def _run(self, key: tuple, function: Callable, max_length: int | None, inputs: list[tf.Tensor]) -> Any:
        with tf.device("/device:CPU:0"):
            limit = tf.constant(NO_LIMIT if max_length is None else max_length)
            # A graph calls the traced function too: every epoch and every signature would trace it anew.
            shaped = [one if one.shape.rank else tf.ensure_shape(one, [None]) for one in inputs]
            return self._functions.get(key, function, len(inputs))(limit, *shaped)

    def _tokenize(self, texts: tf.Tensor, with_offsets: bool, split: bool) -> Pieces:
        specials = () if split else self._settings.specials
        plain = tf.strings.regex_full_match(texts, PLAIN_TEXT)
        if specials:
            any_special = "|".join(re.escape(special.content) for special in specials)
            plain &= ~tf.strings.regex_full_match(texts, f"(?s).*(?:{any_special}).*")
        return _as_pieces(
            tf.cond(
                tf.reduce_all(plain),
                lambda: _as_tuple(self._pieces.tokenize_ascii(texts, with_offsets)),
                lambda: _as_tuple(self._tokenize_mixed(texts, plain, specials, with_offsets)),
            ),
        )

    def _tokenize_mixed(
        self, texts: tf.Tensor, plain: tf.Tensor, specials: tuple[SpecialToken, ...], with_offsets: bool
    ) -> Pieces:
        """Texts of plain ASCII go the short way, the others through the normalizer."""
        plain_rows, other_rows = tf.where(plain)[:, 0], tf.where(~plain)[:, 0]
        short = self._pieces.tokenize_ascii(tf.gather(texts, plain_rows), with_offsets)
        words = self._normalizer.split_words(tf.gather(texts, other_rows), specials)
        long = self._pieces.tokenize_words(words, specials, with_offsets)
        places = [tf.cast(plain_rows, tf.int32), tf.cast(other_rows, tf.int32)]
        return Pieces(
            tf.concat([short.ids, long.ids], 0),
            tf.dynamic_stitch(places, [short.row_starts, long.row_starts + tf.size(short.ids)]),
            tf.dynamic_stitch(places, [short.row_lengths, long.row_lengths]),
            tf.concat([short.offsets, long.offsets], 0) if with_offsets else None,
        )

    def _arrange(self, rows: list[Pieces], lengths: list[tf.Tensor], with_offsets: bool) -> dict[str, tf.Tensor]:
        """Puts the tokens of each row between the special tokens: `[batch, longest]`."""
        totals = sum(lengths) + len(rows) + 1
        splits = tf.concat([[0], tf.cumsum(totals)], 0)
        # One look-up gives every id: the special tokens stand before the others, and each text's
        # tokens are a range with a place to spare on both sides, which the special tokens take.
        cls_index, sep_index, first_index = range(3)
        starts, widths = rows[0].row_starts + first_index - 1, lengths[0] + 2
        ends = [splits[:-1] + widths - 1]
        second_index = tf.size(rows[0].ids) + first_index + 1
        if len(rows) == 2:
            starts = tf.reshape(tf.stack([starts, rows[1].row_starts + second_index], 1), [-1])
            widths = tf.reshape(tf.stack([widths, lengths[1] + 1], 1), [-1])
            ends.append(splits[1:] - 1)
        index = tf.raw_ops.RaggedRange(starts=starts, limits=starts + widths, deltas=1, Tsplits=tf.int32)
        index = index.rt_dense_values
        segments = tf.cast(index >= second_index, tf.int32)
        index = _put(_put(index, splits[:-1], cls_index), tf.concat(ends, 0), sep_index)
        specials, spare = tf.constant([self.cls_id, self.sep_id]), tf.constant([self.pad_id])
        ids = tf.gather(_join(specials, [row.ids for row in rows], spare), index)
        mask = _as_dense(tf.ones_like(ids), splits, 0)
        outputs = {
            "token_ids": _as_dense(ids, splits, self.pad_id),
            "segment_ids": _as_dense(segments, splits, 0) if len(rows) == 2 else tf.zeros_like(mask),
            "padding_mask": mask,
        }
        if with_offsets:
            none = tf.zeros([2, 2], tf.int32)
            offsets = tf.gather(_join(none, [row.offsets for row in rows], none[:1]), index)
            outputs["offsets"] = _as_dense(offsets, splits, 0)
        return outputs


class _FunctionCache:
    """The traced functions, one a kind of call; not a tf.Module, so that an export holds those alone that it calls."""

    def __init__(self) -> None:
        self._functions: dict[tuple, Callable] = {}

    def get(self, key: tuple, function: Callable, num_inputs: int) -> Callable:
        if key not in self._functions:
            signature = [tf.TensorSpec([], tf.int32), *[tf.TensorSpec([None], tf.string)] * num_inputs]
            self._functions[key] = tf.function(function, input_signature=signature, autograph=False)
        return self._functions[key]


def _check_length(max_length: int | None, paired: bool) -> None:
    least = 3 if paired else 2
    if max_length is None:
        return
    if isinstance(max_length, bool) or not isinstance(max_length, int) or max_length < least:
        raise InputError(
            f"is {max_length!r}, which leaves no room for the {least} special tokens of a "
            + ("pair" if paired else "text"),
            where="max_length",
            mend=f"give a whole number of at least {least}, or None for no limit",
        )


def _truncate(rows: list[Pieces], limit: tf.Tensor) -> list[tf.Tensor]:
    lengths = [row.row_lengths for row in rows]
    if len(rows) == 1:
        return [tf.minimum(lengths[0], limit - 2)]
    first, second = lengths
    return list(truncate_pair_lengths(first, second, limit - 3))


def _put(values: tf.Tensor, places: tf.Tensor, value: int) -> tf.Tensor:
    return tf.tensor_scatter_nd_update(values, places[:, tf.newaxis], tf.fill(tf.shape(places), value))


def _join(before: tf.Tensor, parts: list, between: tf.Tensor) -> tf.Tensor:
    return tf.concat([before, parts[0], *(part for rest in parts[1:] for part in (between, rest))], 0)


def _as_dense(values: tf.Tensor, splits: tf.Tensor, filler: int) -> tf.Tensor:
    return tf.RaggedTensor.from_row_splits(values, splits, validate=False).to_tensor(filler)


def _as_tuple(pieces: Pieces) -> tuple[tf.Tensor, ...]:
    return tuple(part for part in pieces if part is not None)


def _as_pieces(parts: tuple[tf.Tensor, ...]) -> Pieces:
    ids, row_starts, row_lengths, *offsets = parts
    return Pieces(ids, row_starts, row_lengths, *offsets or [None])
