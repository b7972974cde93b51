"""What a pretraining learns from: the corpus without what must not be learned, and which documents are held out."""

import dataclasses
import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tfdomain.config.pretraining import Guard, Pretraining, Replay, TaskTexts
from tfdomain.config.pretraining import Texts as TextFiles
from tfdomain.encoders.sources import checkpoint_beside, resolve_checkpoint
from tfdomain.errors import InputError
from tfdomain.files import read_json, whole_folder, write_json
from tfdomain.models.embedder import TextEmbedder
from tfdomain.pretraining.corpus import Corpus, read_corpus
from tfdomain.pretraining.leak_guard import Leaks, find_leaks
from tfdomain.pretraining.task_like import nearest_documents

__all__ = ["Material", "gather_material"]

TEXTS_AT_A_TIME = 1024
CORPUS, REPLAY, DOCUMENTS, NOTES = "corpus.arrow", "replay/corpus.arrow", "documents.npz", "material.json"


@dataclasses.dataclass(frozen=True)
class Material:
    """The documents of a pretraining.

    Attributes:
        texts: All documents of the corpus, then those of the replay; large_string, mapped from disk.
        training: int64, rising, the documents that are learned from.
        held_out: int64, rising, the documents of the corpus that are measured on.
        notes: Counts, as JSON values.
    """

    texts: pa.ChunkedArray
    training: np.ndarray
    held_out: np.ndarray
    notes: dict[str, Any]

    @property
    def fingerprint(self) -> str:
        """A SHA-256, equal for the same documents of equal files."""
        digest = hashlib.sha256(self.notes["fingerprint"].encode())
        for rows in (self.training, self.held_out):
            digest.update(rows.tobytes())
        return digest.hexdigest()

    def training_texts(self) -> Iterator[str]:
        """The documents that are learned from, one after the other."""
        return _texts_of(self.texts, self.training)

    def held_out_texts(self, number: int) -> list[str]:
        """The first documents that are measured on, as many as there are up to a number."""
        return list(_texts_of(self.texts, self.held_out[:number]))


def gather_material(pretraining: Pretraining, folder: Path, to: Path) -> Material:
    """Reads the corpus and chooses its documents; what an earlier process of the run gathered is taken as it is.

    Args:
        pretraining: Names the files, and what is to be kept out.
        folder: What relative paths are relative to.
        to: The run's folder for it; appears whole.

    Raises:
        InputError: A file is wrong, or nothing is left to learn from or to measure on.
    """
    if not (to / NOTES).is_file():
        with whole_folder(to) as temporary:
            _gather(pretraining, folder, temporary)
    chosen = np.load(to / DOCUMENTS)
    chunks = [_map(to / CORPUS), *([_map(to / REPLAY)] if (to / REPLAY).is_file() else [])]
    texts = pa.chunked_array([chunk for column in chunks for chunk in column.chunks], pa.large_string())
    return Material(texts, chosen["training"], chosen["held_out"], read_json(to / NOTES))


def _gather(pretraining: Pretraining, folder: Path, to: Path) -> None:
    options, seed = pretraining.corpus, pretraining.training.seed
    corpus = _read(options, folder, to)
    rows = np.arange(corpus.num_documents)
    notes: dict[str, Any] = {
        "documents": corpus.num_documents,
        "characters": corpus.num_characters,
        "fingerprint": corpus.fingerprint,
        "skipped": corpus.skipped,
    }
    guarded: list[str] = []
    if options.guard is not None:
        guarded = _read(options.guard, folder, to / "guard").texts.to_pylist()
        leaks = _leaking(options.guard, corpus, guarded)
        rows, notes["guard"] = np.setdiff1d(rows, leaks.rows), leaks.to_json()
    if options.near is not None:
        rows = np.intersect1d(rows, _near(pretraining, options.near, corpus, folder, to))
        notes["near"] = len(rows)
    is_held_out = _held_out(corpus.texts, rows, options.validation, seed)
    training, held_out = rows[~is_held_out], rows[is_held_out]
    if not len(training) or not len(held_out):
        problem = f"{len(training)} documents to learn from and {len(held_out)} to measure on"
        raise InputError(problem, where="corpus", mend="give more files, or another corpus.validation")
    notes |= {"training": len(training), "held_out": len(held_out)}
    if options.replay is not None:
        general = _read(options.replay, folder, to / "replay")
        rows = np.arange(general.num_documents)
        if options.guard is not None:
            rows = np.setdiff1d(rows, _leaking(options.guard, general, guarded).rows)
        replayed = _replay(options.replay, corpus, training, general, rows, seed)
        notes["replay"] = len(replayed)
        training = np.concatenate([training, corpus.num_documents + replayed])
    np.savez(to / DOCUMENTS, training=training, held_out=held_out)
    write_json(to / NOTES, notes)


def _read(options: TextFiles, folder: Path, to: Path) -> Corpus:
    to.mkdir(parents=True, exist_ok=True)
    files = [options.files] if isinstance(options.files, str) else options.files
    return read_corpus(files, text=options.text, folder=folder, to=to)


def _near(pretraining: Pretraining, options: TaskTexts, corpus: Corpus, folder: Path, to: Path) -> np.ndarray:
    checkpoint = resolve_checkpoint(checkpoint_beside(str(pretraining.encoder), folder))
    embedder = TextEmbedder.from_pretrained(str(checkpoint), max_length=pretraining.max_length)
    task_texts = _read(options, folder, to / "near").texts.to_pylist()
    return nearest_documents(corpus.texts, task_texts, embedder=embedder, per_text=options.per_text)


def _held_out(texts: pa.ChunkedArray, rows: np.ndarray, share: float, seed: int) -> np.ndarray:
    """Which of the rows are held out, bool alike: by what they hold, so that equal documents are on one side."""
    limit, salt = int(share * 2**64), seed.to_bytes(8, "little")
    digests = (hashlib.blake2b(text.encode(), digest_size=8, salt=salt).digest() for text in _texts_of(texts, rows))
    return np.fromiter((int.from_bytes(digest) < limit for digest in digests), bool, len(rows))


def _texts_of(texts: pa.ChunkedArray, rows: np.ndarray) -> Iterator[str]:
    """The documents of some rows (int64, rising), a few in memory at once.

    `ChunkedArray.take` would copy the whole corpus into memory first; `take` of a chunk does not.
    """
    first_row = 0
    for chunk in texts.chunks:
        low, high = np.searchsorted(rows, [first_row, first_row + len(chunk)])
        for first in range(low, high, TEXTS_AT_A_TIME):
            places = rows[first : min(first + TEXTS_AT_A_TIME, high)] - first_row
            yield from chunk.take(pa.array(places)).to_pylist()
        first_row += len(chunk)


def _leaking(options: Guard, corpus: Corpus, guarded: list[str]) -> Leaks:
    return find_leaks(corpus.texts, guarded, similarity=options.similarity)


def _replay(
    options: Replay, corpus: Corpus, training: np.ndarray, general: Corpus, rows: np.ndarray, seed: int
) -> np.ndarray:
    """Which of the general documents' rows are mixed in, int64: in seeded order until their share is reached."""
    lengths = pc.utf8_length(general.texts).to_numpy()
    own = int(pc.sum(pc.utf8_length(corpus.texts).take(pa.array(training))).as_py())
    order = np.random.default_rng(seed).permutation(rows)
    wanted = own * options.share / (1 - options.share)
    return np.sort(order[: int(np.searchsorted(np.cumsum(lengths[order]), wanted)) + 1])


def _map(path: Path) -> pa.ChunkedArray:
    with pa.memory_map(str(path)) as mapped:
        return pa.ipc.open_file(mapped).read_all().column("text")
