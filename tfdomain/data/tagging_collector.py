"""Gathers the rows of token classification while their files are read: the sound ones, and the faults of the others."""

import hashlib
from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa

from tfdomain.data.entity_spans import keep_longest, overlap_problem, span_problem
from tfdomain.data.faults import Faults
from tfdomain.data.rest import as_json
from tfdomain.data.tag_schemes import Entity
from tfdomain.data.values import fingerprint
from tfdomain.errors import InputError

__all__ = ["Collector"]

CHUNK_ROWS = 65_536
ILLEGAL_MEND = "set `data.on_illegal_tags: repair` to read illegal tags as conlleval does"
OVERLAP_MEND = "set `data.on_overlap: longest` to keep the longest of overlapping entities"


class Collector:
    """Takes the rows of files one by one, in the order of the files.

    Args:
        files: The files.
        on_overlap: What to do with rows whose entities overlap.
    """

    def __init__(self, files: list[Path], on_overlap: Literal["refuse", "longest"]):
        self.files, self.on_overlap = files, on_overlap
        self.faults = Faults()
        self.file_rows = [0] * len(files)
        self.lines: list[int] = []
        self.texts: list[str] = []
        self.entities: list[list[Entity]] = []
        self.words: list[list[tuple[int, int]]] = []
        self.further: list[tuple[Any, ...]] = []
        self.num_repaired = self.num_dropped = 0
        self._mends: dict[str, None] = {}

    def add(
        self,
        file: int,
        line: int,
        text: str,
        entities: Sequence[Entity],
        words: list[tuple[int, int]] | None = None,
        further: tuple[Any, ...] = (),
    ) -> None:
        """Takes a row, or counts it as faulty; `further` has its values in columns beside those of its task."""
        entities = sorted(entities, key=lambda entity: (entity.start, entity.end, entity.label))
        problem = next(filter(None, (span_problem(text, entity) for entity in entities)), None)
        if problem is None and not text.strip():
            problem = "an empty text"
        overlap = overlap_problem(text, entities) if problem is None else None
        if overlap is not None and self.on_overlap == "refuse":
            problem = overlap
            self._mends[OVERLAP_MEND] = None
        if problem is not None:
            self.faults.add(file, problem, [line])
            return
        if overlap is not None:
            kept = keep_longest(entities)
            self.num_dropped += len(entities) - len(kept)
            entities = kept
        self.file_rows[file] += 1
        self.lines.append(line)
        self.texts.append(text)
        self.entities.append(entities)
        self.further.append(further)
        if words is not None:
            self.words.append(words)

    def refuse_tags(self, file: int, line: int, problem: str) -> None:
        """Counts a sentence as faulty because its tags break their scheme."""
        self.faults.add(file, problem, [line])
        self._mends[ILLEGAL_MEND] = None

    def finish(self, *, refuse: bool, require_rows: bool, skip_mend: str) -> None:
        """Refuses files without rows, and faults if they are to be refused or leave nothing."""
        for index, file in enumerate(self.files):
            if require_rows and not self.file_rows[index] and not any(at == index for at, _ in self.faults.counts):
                raise InputError("has no rows", where=str(file), mend="give a file with rows")
        if self.faults.count and (refuse or not self.lines):
            mend = ", or ".join([*self._mends, skip_mend])
            raise self.faults.error(self.files, mend if refuse else None)

    def text_column(self) -> pa.ChunkedArray:
        """The texts as an Arrow column."""
        starts = range(0, len(self.texts), CHUNK_ROWS)
        chunks = [pa.array(self.texts[start : start + CHUNK_ROWS], pa.string()) for start in starts]
        return pa.chunked_array(chunks, pa.string())

    def fingerprint(self) -> str:
        """A SHA-256 over texts, entities and words, and what further columns hold."""
        total = hashlib.sha256(fingerprint(self.text_column()).encode())
        labels = [entity.label for row in self.entities for entity in row]
        total.update(fingerprint(pa.chunked_array([pa.array(labels, pa.string())])).encode())
        places = [place for row in self.entities for _, *span in row for place in span]
        numbers = [len(row) for row in self.entities], places, chain.from_iterable(chain.from_iterable(self.words))
        for values in numbers:
            total.update(hashlib.sha256(np.fromiter(values, np.int32).tobytes()).digest())
        if any(self.further):
            total.update(fingerprint(pa.chunked_array([pa.array(map(as_json, self.further), pa.string())])).encode())
        return total.hexdigest()
