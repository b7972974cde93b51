"""The words of a corpus as a tokenizer sees them, batch by batch: normalized, and split before any vocabulary."""

import functools
import itertools
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence

import tensorflow as tf

from tfdomain.encoders.normalization import Normalizer
from tfdomain.encoders.text_inputs import encode_text
from tfdomain.encoders.vocabulary import TokenizerSettings
from tfdomain.errors import InputError

__all__ = ["WordSplitter", "batch_texts"]

# A batch is padded to its longest text: rows times the longest are what it takes in memory.
MAX_ROWS = 4096
MAX_CELLS = 1 << 20
# Longer texts are cut, so that a document of 50 MB on one line takes no more memory than others.
MAX_CHARACTERS = 1 << 16
# Where no white space comes for so long, there is no word to spare: a tokenizer takes at most some hundred characters.
MAX_LOOK_BACK = 1000


class WordSplitter:
    """Splits texts into words as a tokenizer of these settings does before it looks into its vocabulary.

    White space and punctuation end a word, and every punctuation character is one. So is every Chinese ideograph
    where `handle_chinese_chars` is on, as in nearly every BERT. Otherwise a run of ideographs is a word.

    Args:
        settings: Of them only those of the normalization count, not the vocabulary.

    Example:
        >>> WordSplitter(tokenizer.settings).split(["Café-Crème, 很好"])
        [['cafe', '-', 'creme', ',', '很', '好']]
    """

    def __init__(self, settings: TokenizerSettings):
        self._function = _splitting(
            clean_text=settings.clean_text,
            handle_chinese_chars=settings.handle_chinese_chars,
            strip_accents=settings.lowercase if settings.strip_accents is None else settings.strip_accents,
            lowercase=settings.lowercase,
        )

    def split(self, texts: Sequence[str]) -> list[list[str]]:
        """The normalized words of each text.

        Raises:
            InputError: A text is not a string that can be written as UTF-8.
        """
        encoded = [encode_text(text, f"texts[{row}]") for row, text in enumerate(texts)]
        strings, splits = self._split(encoded)
        words = [word.decode() for word in strings]
        return [words[start:end] for start, end in itertools.pairwise(splits)]

    def count(self, texts: Iterable[str]) -> Counter[str]:
        """How often each normalized word occurs in a corpus of any size; memory grows with distinct words alone.

        Raises:
            InputError: A text is not a string that can be written as UTF-8.
        """
        counts: Counter[bytes] = Counter()
        for batch in batch_texts(texts):
            counts.update(self._split(batch)[0])
        return Counter({word.decode(): number for word, number in counts.items()})

    def _split(self, batch: list[bytes]) -> tuple[list[bytes], list[int]]:
        with tf.device("/device:CPU:0"):
            words, row_splits = self._function(tf.constant(batch, tf.string, shape=[len(batch)]))
        return words.numpy().tolist(), row_splits.numpy().tolist()


@functools.cache
def _splitting(**options: bool) -> Callable[[tf.Tensor], tuple[tf.Tensor, tf.Tensor]]:
    """From string `[batch]` to string `[words]` and int32 `[batch + 1]`, where each text's words start; traced once."""
    normalizer = Normalizer(**options)

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)], autograph=False)
    def split(texts: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        words = normalizer.split_words(texts)
        characters = tf.RaggedTensor.from_row_splits(words.characters, words.word_splits, validate=False)
        return tf.strings.unicode_encode(characters, "UTF-8"), words.row_splits

    return split


def batch_texts(texts: Iterable[str]) -> Iterator[list[bytes]]:
    """Batches of UTF-8 texts that fit in memory whatever their lengths, in order.

    A text of more than 65,536 characters comes in parts, cut after white space; where there is none for a thousand
    characters, as in Chinese, between two characters.

    Args:
        texts: Any number; they are read once.

    Raises:
        InputError: A text is not a string that can be written as UTF-8; the message has its number, from 0.
    """
    if isinstance(texts, str | bytes):
        raise InputError("is a single string", where="texts", mend="put it into a list")
    batch: list[bytes] = []
    longest = 0
    for row, text in enumerate(texts):
        encoded = encode_text(text, f"texts[{row}]")
        for part in [encoded] if len(text) <= MAX_CHARACTERS else _cut(text):
            widest = max(longest, len(part))
            if batch and (len(batch) == MAX_ROWS or (len(batch) + 1) * widest > MAX_CELLS):
                yield batch
                batch, widest = [], len(part)
            batch.append(part)
            longest = widest
    if batch:
        yield batch


def _cut(text: str) -> Iterator[bytes]:
    start = 0
    while len(text) - start > MAX_CHARACTERS:
        limit = start + MAX_CHARACTERS
        end = next((place for place in range(limit, limit - MAX_LOOK_BACK, -1) if text[place - 1].isspace()), limit)
        yield text[start:end].encode()
        start = end
    yield text[start:].encode()
