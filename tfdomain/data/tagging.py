"""Texts with labelled spans, from every form of file that token classification is given.

Whatever a file holds, rows come out in one form: a text and its entities as places in it, counted in characters
(code points), the end not included. Where the file gave words, their places come too.
"""

import bisect
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa

from tfdomain.data.faults import Fault
from tfdomain.data.progress import bar
from tfdomain.data.sources import explained_reading, read_blocks
from tfdomain.data.span_records import ENTITY_KEYS, read_span_records
from tfdomain.data.tag_schemes import Entity, scheme_named
from tfdomain.data.tagged_sentences import read_sentences
from tfdomain.data.tagging_collector import Collector
from tfdomain.errors import InputError
from tfdomain.files import hash_file

__all__ = ["TAGGED_FORMATS", "TaggedRows", "read_tagged"]

TAGGED_FORMATS = {
    ".tsv": "tsv",
    ".conll": "columns",
    ".bio": "columns",
    ".txt": "columns",
    ".csv": "csv",
    ".json": "json",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
}
"""The form of a file by its ending, which `.gz` may follow. A `.tsv` is a table if its first line names a column of
texts and one of entities, or if the caller names the latter; else it holds CoNLL columns."""


@dataclass(frozen=True, eq=False, kw_only=True)
class TaggedRows:
    """Texts with their entities.

    Attributes:
        texts: Strings `[num_rows]`.
        entities: The entities of each text, sorted by their start; none overlap.
        words: The start and end of each word of each text, where the files gave words; else None.
        further: The value of each row in each further column that was asked for; None where it has none.
        labels: The labels of all entities, sorted.
        joiner: What was put between words; None where the files gave texts.
        scheme: The scheme that tags were read by; None where the files gave spans.
        num_repaired: How many tags broke their scheme and were read as conlleval does.
        num_dropped: How many entities were left out because a longer one overlapped them.
        files: The files that the rows came from, in order.
        file_hashes: The SHA-256 of each file.
        fingerprint: A SHA-256 that is equal for equal texts, entities and words.
        line_numbers: The line that each row starts on in its file: int64 `[num_rows]`, from 1.
        file_ends: The number of rows up to the end of each file.
        skipped: The first rows left out, as `Fault`s (file index, line, problem); at most 1,000.
        num_skipped: How many rows were left out.
    """

    texts: pa.ChunkedArray
    entities: list[list[Entity]]
    words: list[list[tuple[int, int]]] | None
    further: dict[str, list[Any]]
    labels: list[str]
    joiner: str | None
    scheme: str | None
    num_repaired: int
    num_dropped: int
    files: list[Path]
    file_hashes: list[str]
    fingerprint: str
    line_numbers: np.ndarray
    file_ends: list[int]
    skipped: list[Fault]
    num_skipped: int

    @property
    def num_rows(self) -> int:
        """The number of rows."""
        return len(self.entities)

    def __len__(self) -> int:
        return self.num_rows

    def file_of(self, row: int) -> Path:
        """The file that a row came from."""
        return self.files[bisect.bisect_right(self.file_ends, self._index(row))]

    def where(self, row: int) -> str:
        """A row's place, for messages: `train.tsv: line 12`."""
        return f"{self.file_of(row)}: line {self.line_numbers[self._index(row)]}"

    def notes(self) -> list[str]:
        """What was changed in reading, a line each; none where nothing was."""
        notes = []
        if self.num_repaired:
            tags = "1 illegal tag was" if self.num_repaired == 1 else f"{self.num_repaired:,} illegal tags were"
            notes.append(f"{tags} repaired as conlleval reads them")
        if self.num_dropped:
            dropped = "1 entity" if self.num_dropped == 1 else f"{self.num_dropped:,} entities"
            notes.append(f"{dropped} left out in favour of a longer one that overlaps")
        return notes

    def _index(self, row: int) -> int:
        if not -self.num_rows <= row < self.num_rows:
            raise IndexError(f"row {row} of {self.num_rows}")
        return int(row) % self.num_rows


def read_tagged(
    files: Sequence[str | Path],
    *,
    words: int | str | None = None,
    tags: int | str | None = None,
    text: str = "text",
    entities: str | None = None,
    scheme: str = "auto",
    joiner: str | None = None,
    ends: Literal["exclusive", "inclusive"] = "exclusive",
    on_bad_row: Literal["refuse", "skip"] = "refuse",
    on_illegal_tags: Literal["refuse", "repair"] = "refuse",
    on_overlap: Literal["refuse", "longest"] = "refuse",
    further: Sequence[str] = (),
    skip_mend: str = "set `data.on_bad_row: skip`",
    require_rows: bool = True,
) -> TaggedRows:
    """Reads CoNLL columns, span JSON, or tables with a column of spans, told apart by ending and content.

    Args:
        files: The files, all with words or all with texts; the endings are those of `TAGGED_FORMATS`.
        words: CoNLL: the column of words, by its number (from 1) or its name in a header; None: the first.
        tags: CoNLL: the column of tags, likewise; None: the last.
        text: Spans: the key or column of the text.
        entities: Spans: the key or column of the entities; None: the first of `entities`, `spans`, `label` and
            `labels` that is there.
        scheme: CoNLL: what the tags follow (`tag_schemes.SCHEMES`); `"auto"` tells it from all of them.
        joiner: CoNLL: what to put between words, `" "` or `""`; None: nothing if most words are a single Chinese or
            Japanese character, else a space. What training files decided belongs to the others too: pass it on.
        ends: Spans: whether the ends of lists lie after their last character or on it.
        on_bad_row: `"refuse"` raises when any row has a fault; `"skip"` leaves such rows out.
        on_illegal_tags: `"refuse"` makes tags that break the scheme a fault; `"repair"` reads them as conlleval does.
        on_overlap: `"refuse"` makes overlapping entities a fault; `"longest"` keeps the longest of them.
        further: More keys or columns to read; of CoNLL only `document`, which names the document of each sentence.
        skip_mend: How the caller's user asks for `"skip"`, for the message that refuses.
        require_rows: Whether a file without rows is refused.

    Raises:
        InputError: An unknown ending or choice, a file that cannot be read as its form says, no rows, or faulty
            rows when they are refused (their line numbers and counts are named).
    """
    _check("data.on_bad_row", on_bad_row, "refuse", "skip")
    _check("data.on_illegal_tags", on_illegal_tags, "refuse", "repair")
    _check("data.on_overlap", on_overlap, "refuse", "longest")
    _check("data.ends", ends, "exclusive", "inclusive")
    if not files:
        raise InputError("no file is named", where="data", mend="give at least one file")
    paths = [Path(file) for file in files]
    forms = [_form(path, text, entities, is_columns=words is not None or tags is not None) for path in paths]
    has_words = _all_alike(paths, [kind == "columns" for kind, _ in forms])
    collector = Collector(paths, on_overlap)
    detected = None
    with bar("reading", total=sum(path.stat().st_size for path in paths), in_bytes=True) as advance:
        shared: dict[str, Any] = {"may_be_empty": not require_rows, "advance": advance}
        if has_words:
            detected, joiner = read_sentences(
                paths,
                [zipped for _, zipped in forms],
                collector,
                words=words,
                tags=tags,
                scheme=scheme if scheme == "auto" else scheme_named(scheme),
                joiner=joiner,
                repair=on_illegal_tags == "repair",
                further=further,
                **shared,
            )
        else:
            shared |= {"text": text, "entities": entities, "ends": ends, "further": further}
            for index, (kind, zipped) in enumerate(forms):
                report = partial(collector.faults.add, index)
                for record in read_span_records(paths[index], kind=kind, zipped=zipped, report=report, **shared):
                    collector.add(index, record.line, record.text, record.entities, further=record.further)
    collector.finish(refuse=on_bad_row == "refuse", require_rows=require_rows, skip_mend=skip_mend)
    return TaggedRows(
        texts=collector.text_column(),
        entities=collector.entities,
        words=collector.words if has_words else None,
        further={name: [row[place] for row in collector.further] for place, name in enumerate(further)},
        labels=sorted({entity.label for row in collector.entities for entity in row}),
        joiner=joiner if has_words else None,
        scheme=detected,
        num_repaired=collector.num_repaired,
        num_dropped=collector.num_dropped,
        files=paths,
        file_hashes=[hash_file(path) for path in paths],
        fingerprint=collector.fingerprint(),
        line_numbers=np.array(collector.lines, np.int64),
        file_ends=np.cumsum(collector.file_rows).tolist(),
        skipped=collector.faults.kept,
        num_skipped=collector.faults.count,
    )


def _check(where: str, value: str, *choices: str) -> None:
    if value not in choices:
        raise InputError(f"is {value!r}", where=where, mend=f"choose {' or '.join(choices)}")


def _form(path: Path, text: str, entities: str | None, is_columns: bool) -> tuple[Any, bool]:
    """The form of a file and whether it is gzipped."""
    suffixes = [suffix.lower() for suffix in path.suffixes]
    zipped = suffixes[-1:] == [".gz"]
    ending = "".join(suffixes[:-1][-1:] if zipped else suffixes[-1:])
    kind = TAGGED_FORMATS.get(ending)
    if kind is None:
        choices = ", ".join(f"{each}[.gz]" for each in TAGGED_FORMATS)
        raise InputError(f"unknown file ending ({ending or 'none'})", where=str(path), mend=f"choose {choices}")
    with explained_reading(path):
        path.stat()
    if kind == "tsv" and (is_columns or (entities is None and not _names_spans(path, zipped, text))):
        kind = "columns"
    return kind, zipped


def _names_spans(path: Path, zipped: bool, text: str) -> bool:
    """Whether the first line of a file names a column of texts and one of entities."""
    block = next(read_blocks(path, zipped, may_be_empty=True), b"")
    names = block.split(b"\n", 1)[0].decode("utf-8", "replace").rstrip("\r").split("\t")
    known = {name.strip('"') for name in names}
    return text in known and not known.isdisjoint(ENTITY_KEYS)


def _all_alike(paths: list[Path], has_words: list[bool]) -> bool:
    if len(set(has_words)) > 1:
        column, span = paths[has_words.index(True)], paths[has_words.index(False)]
        problem = f"{column} holds columns of words and tags, {span} texts with spans"
        raise InputError(problem, where="data", mend="give files of one form")
    return has_words[0]
