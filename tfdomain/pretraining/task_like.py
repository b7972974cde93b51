"""Which documents of a corpus are most like a task's texts: what to train on where the task's own texts are few.

Texts are compared by the cosine of their embeddings, the mean of an encoder's last hidden states. Every document is
embedded and compared with every text, so that the answer is exact; documents and vectors are in memory some at a
time.

Reference:
    S. Gururangan et al., Don't stop pretraining: adapt language models to domains and tasks (2020), section 4.2,
    kNN-TAPT.
"""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tfdomain.errors import InputError
from tfdomain.evaluation.nearest import nearest
from tfdomain.models.embedder import TextEmbedder
from tfdomain.optimization.progress import with_bar
from tfdomain.pretraining.leak_guard import Documents

__all__ = ["nearest_documents"]

# Tokenizing a document of 50 MB for its first hundred tokens would take a gigabyte.
CHARACTERS_A_TOKEN = 64


def nearest_documents(
    texts: Documents, task_texts: Sequence[str], *, embedder: TextEmbedder, per_text: int, chunk: int = 4096
) -> np.ndarray:
    """Finds the documents that are nearest to each of a task's texts.

    Args:
        texts: The documents of a corpus.
        task_texts: The task's training texts.
        embedder: Makes vectors of both. Of a very long document the first 64 characters for each token of its
            `max_length` are looked at.
        per_text: How many documents for each text; all of them where there are not so many.
        chunk: Documents that are in memory at once.

    Returns:
        int64, rising: the documents that are among the nearest of any text, each once. Of documents that begin
        alike, and so are equally near, rounding decides.

    Raises:
        InputError: A number is below 1.
    """
    for name, number in (("per_text", per_text), ("chunk", chunk)):
        if number < 1:
            raise InputError(f"is {number}", where=name, mend="give 1 or more")
    if not len(texts) or not len(task_texts):
        return np.empty(0, np.int64)
    longest = CHARACTERS_A_TOKEN * embedder.max_length
    queries = embedder.predict(_beginnings(task_texts, longest))
    places: np.ndarray = np.empty((len(queries), 0), np.int64)
    scores: np.ndarray = np.empty((len(queries), 0), np.float32)
    starts = range(0, len(texts), chunk)
    for start in with_bar(starts, num_batches=len(starts), title="embedding the corpus"):
        vectors = embedder.predict(_beginnings(texts[start : start + chunk], longest))
        found, alike = nearest(vectors, queries, min(per_text, len(vectors)))
        places = np.concatenate([places, found + start], axis=1)
        scores = np.concatenate([scores, alike], axis=1)
        # As one search over all chunks: of equal scores the lower place comes first.
        best = np.lexsort((places, -scores), axis=-1)[:, :per_text]
        places, scores = (np.take_along_axis(each, best, axis=1) for each in (places, scores))
    return np.unique(places)


def _beginnings(texts: Documents, longest: int) -> list[str]:
    """The first characters of documents."""
    if isinstance(texts, pa.Array | pa.ChunkedArray):
        return pc.utf8_slice_codeunits(texts, 0, longest).to_pylist()
    return [text[:longest] for text in texts]
