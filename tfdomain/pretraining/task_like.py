"""Which documents of a corpus are most like a task's texts: what to train on where the task's own texts are few.

Texts are compared by the cosine of their embeddings, the mean of an encoder's last hidden states. Every document is
embedded and compared with every text, so that the answer is exact; documents and vectors are in memory some at a
time.

Reference:
    S. Gururangan et al., Don't stop pretraining: adapt language models to domains and tasks (2020), section 4.2,
    kNN-TAPT.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import tensorflow as tf

from tfdomain.encoders.encoder import Encoder
from tfdomain.encoders.tokenizer import Tokenizer
from tfdomain.errors import InputError
from tfdomain.evaluation.nearest import nearest
from tfdomain.models.pooling import mean_of_tokens
from tfdomain.optimization.progress import with_bar
from tfdomain.pretraining.leak_guard import Documents

__all__ = ["nearest_documents"]

# Tokenizing a document of 50 MB for its first hundred tokens would take a gigabyte.
CHARACTERS_A_TOKEN = 64

Embed = Callable[[list[str]], np.ndarray]


class _Batch(NamedTuple):
    """Documents that are embedded together.

    Attributes:
        first_row: The number of the first document of the chunk.
        places: int64, which documents of the chunk.
        texts: The documents.
        chunk_rows: How many documents the chunk has, where this batch is its last; else 0.
    """

    first_row: int
    places: np.ndarray
    texts: list[str]
    chunk_rows: int


def nearest_documents(
    texts: Documents,
    task_texts: Sequence[str],
    *,
    encoder: Encoder,
    tokenizer: Tokenizer,
    per_text: int,
    max_length: int = 128,
    batch_size: int = 64,
    chunk: int = 20_000,
) -> np.ndarray:
    """Finds the documents that are nearest to each of a task's texts.

    Args:
        texts: The documents of a corpus.
        task_texts: The task's training texts.
        encoder: Embeds both; its mean hidden states are compared.
        tokenizer: The encoder's.
        per_text: How many documents for each text; all of them where there are not so many.
        max_length: The most tokens that count, special tokens included. Of a very long document the first
            64 characters for each of these are looked at.
        batch_size: Texts that are embedded at once.
        chunk: Documents whose vectors are in memory at once.

    Returns:
        int64, rising: the documents that are among the nearest of any text, each once. Of documents that begin
        alike, and so are equally near, rounding decides.

    Raises:
        InputError: A number is below 1, or `max_length` is more than the encoder's positions.
    """
    _check(encoder, per_text=per_text, max_length=max_length, batch_size=batch_size, chunk=chunk)
    num_documents, wanted = len(texts), min(per_text, len(texts))
    if not num_documents or not len(task_texts):
        return np.empty(0, np.int64)
    embed = _embedding(encoder, tokenizer, max_length)
    queries = _embed_all(task_texts, embed, encoder.config.hidden_size, batch_size, max_length)
    places: np.ndarray = np.empty((len(queries), 0), np.int64)
    scores: np.ndarray = np.empty((len(queries), 0), np.float32)
    vectors = np.empty((min(chunk, num_documents), encoder.config.hidden_size), np.float32)
    sizes = [min(chunk, num_documents - start) for start in range(0, num_documents, chunk)]
    num_batches = sum(-(-size // batch_size) for size in sizes)
    batches = _batches(texts, chunk, batch_size, max_length)
    for batch in with_bar(batches, num_batches=num_batches, title="embedding the corpus"):
        vectors[batch.places] = embed(batch.texts)
        if batch.chunk_rows:
            found, alike = nearest(vectors[: batch.chunk_rows], queries, min(wanted, batch.chunk_rows))
            places = np.concatenate([places, found + batch.first_row], axis=1)
            scores = np.concatenate([scores, alike], axis=1)
            # As one search over all chunks: of equal scores the lower place comes first.
            best = np.lexsort((places, -scores), axis=-1)[:, :wanted]
            places, scores = (np.take_along_axis(each, best, axis=1) for each in (places, scores))
    return np.unique(places)


def _check(encoder: Encoder, **numbers: int) -> None:
    for name, number in numbers.items():
        if number < 1:
            raise InputError(f"is {number}", where=name, mend="give 1 or more")
    longest = encoder.config.max_position_embeddings
    if numbers["max_length"] > longest:
        problem = f"{numbers['max_length']} tokens are more than the encoder's {longest} positions"
        raise InputError(problem, where="max_length", mend=f"set it to {longest} or less")


def _embedding(encoder: Encoder, tokenizer: Tokenizer, max_length: int) -> Embed:
    """What makes of texts vectors of length 1, float32 `[num_texts, hidden]`."""

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
    def embed(texts: tf.Tensor) -> tf.Tensor:
        tokens = tokenizer(texts, max_length=max_length)
        vectors = mean_of_tokens(encoder(tokens), tokens["padding_mask"])
        return tf.math.l2_normalize(tf.cast(vectors, tf.float32), axis=-1)

    return lambda texts: embed(tf.constant(texts, tf.string)).numpy()


def _embed_all(texts: Sequence[str], embed: Embed, size: int, batch_size: int, max_length: int) -> np.ndarray:
    vectors = np.empty((len(texts), size), np.float32)
    for batch in _batches(texts, len(texts), batch_size, max_length):
        vectors[batch.places] = embed(batch.texts)
    return vectors


def _batches(texts: Documents, chunk: int, batch_size: int, max_length: int) -> Iterator[_Batch]:
    """The documents of one chunk after the other, in batches of like length: padding takes time."""
    longest = CHARACTERS_A_TOKEN * max_length
    for first_row in range(0, len(texts), chunk):
        part = texts[first_row : first_row + chunk]
        if isinstance(part, pa.Array | pa.ChunkedArray):
            lengths = pc.binary_length(part).to_numpy()
        else:
            lengths = np.array([len(text) for text in part])
        order = np.argsort(np.minimum(lengths, longest), kind="stable")
        for start in range(0, len(order), batch_size):
            places = order[start : start + batch_size]
            is_last = start + batch_size >= len(order)
            yield _Batch(first_row, places, _beginnings(part, places, longest), len(order) if is_last else 0)


def _beginnings(texts: Documents, places: np.ndarray, longest: int) -> list[str]:
    """The first characters of some documents."""
    if isinstance(texts, pa.Array | pa.ChunkedArray):
        return pc.utf8_slice_codeunits(texts.take(places), 0, longest).to_pylist()
    return [texts[place][:longest] for place in places]
