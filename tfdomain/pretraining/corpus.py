"""Raw files of any form become one corpus: a column of documents in one file, mapped from the disk."""

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tfdomain.data.documents import read_documents
from tfdomain.data.faults import BROKEN_UTF8, Report
from tfdomain.data.paths import find_files
from tfdomain.data.progress import bar
from tfdomain.data.sources import BLOCK_BYTES, Advance, explained_reading
from tfdomain.data.table_blocks import read_table_blocks
from tfdomain.errors import InputError
from tfdomain.files import read_json, whole_file
from tfdomain.preparation.reading import source_form

__all__ = ["Corpus", "read_corpus"]

Form = Literal["auto", "table", "lines", "documents", "conll"]

SCHEMA = pa.schema([("text", pa.large_string())])
FILE_NAME = "corpus.arrow"
PREPARED, CARD = "train.parquet", "data_card.json"
DEFAULT_COLUMN = "text"
EMPTY, NOT_UTF8, BINARY = "empty", "not UTF-8", "binary"
# Documents of a batch of the file; a longer one is a batch of its own.
BATCH_CHARACTERS = 4 << 20
# A row of a CSV file may take 16 such blocks: a document of 50 MB passes.
TABLE_BLOCK_BYTES = 4 * BLOCK_BYTES


class Corpus(NamedTuple):
    """The documents of some files.

    Attributes:
        path: The Arrow file.
        texts: large_string `[num_documents]`, mapped from the file: what is not looked at takes no memory.
        num_documents: How many there are, one or more.
        num_characters: Of all documents.
        fingerprint: A SHA-256 that is equal for equal documents in equal order, whatever files they came from.
        skipped: How many documents were left out, by reason: `empty` (white space alone), `not UTF-8`, `binary`
            (with a zero byte), and what else a reader finds wrong with a row.
    """

    path: Path
    texts: pa.ChunkedArray
    num_documents: int
    num_characters: int
    fingerprint: str
    skipped: dict[str, int]


class _Source(NamedTuple):
    """A file, how its documents stand in it, and the column that holds them where it has columns."""

    file: Path
    form: str
    column: str


def read_corpus(
    files: Sequence[str | Path], *, text: str | None, folder: Path, to: Path, form: Form = "auto"
) -> Corpus:
    """Reads raw files into one corpus, some megabytes at a time.

    Args:
        files: Paths or globs, as `paths.find_files` takes them, and folders that `tfdomain prepare` made, of which
            the training texts are read. The files may be of several forms.
        text: The column of the documents in files with columns; None: `text`, and that of its card in a prepared
            folder.
        folder: What relative paths are relative to.
        to: The folder that gets `corpus.arrow`.
        form: `auto` goes by each file's ending, as `tfdomain prepare` does: `.txt` holds a document a line, `.conll`
            and `.iob` sentences, all others tables. `documents` takes each file as one document.

    Raises:
        InputError: A file cannot be read, is in another encoding, or most of it is no text; or there is no document.
        TfdomainError: The disk is full.
    """
    items = [files] if isinstance(files, str | Path) else list(files)
    sources = list(dict.fromkeys(source for item in items for source in _sources(item, text, folder, form)))
    if not sources:
        raise InputError("no file is named", where="corpus", mend="give a path, a list of paths or a glob")
    path, skipped = Path(to) / FILE_NAME, Counter[str]()
    with ExitStack() as stack:
        total = sum(_size(source.file) for source in sources)
        advance = stack.enter_context(bar("reading", total=total, in_bytes=True))
        sink = stack.enter_context(whole_file(path, "wb"))
        written = _Written(stack.enter_context(pa.ipc.new_file(sink, SCHEMA)))
        for source in sources:
            skipped += _read_source(source, written, advance)
        if not written.num_documents:
            raise _no_documents([source.file for source in sources], skipped)
    with pa.memory_map(str(path)) as mapped:
        texts = pa.ipc.open_file(mapped).read_all().column("text")
    return Corpus(
        path, texts, written.num_documents, written.num_characters, written.fingerprint(), dict(sorted(skipped.items()))
    )


def _no_documents(files: Sequence[Path], skipped: Counter[str]) -> InputError:
    counts = ", ".join(f"{count:,} {reason}" for reason, count in skipped.items())
    problem = "there is no document" + (f" (left out: {counts})" if counts else "")
    where = ", ".join(map(str, files[:3])) + (", ..." if len(files) > 3 else "")
    return InputError(problem, where=where, mend="give files with text")


def _sources(item: str | Path, text: str | None, folder: Path, form: Form) -> list[_Source]:
    prepared = folder / Path(item).expanduser()
    if (prepared / PREPARED).is_file():
        card = prepared / CARD
        column = read_json(card)["preparation"]["text"] if text is None and card.is_file() else text
        return [_Source(prepared / PREPARED, "table", column or DEFAULT_COLUMN)]
    found = find_files([item], relative_to=folder)
    return [_Source(file, source_form([file], form), text or DEFAULT_COLUMN) for file in found]


def _size(file: Path) -> int:
    with explained_reading(file):
        return file.stat().st_size


class _Written:
    """The file as it grows, and what is known of it at the end."""

    def __init__(self, writer: pa.ipc.RecordBatchFileWriter):
        self._writer = writer
        self._lengths, self._content = hashlib.sha256(), hashlib.sha256()
        self.num_documents = self.num_characters = 0

    def add(self, texts: pa.Array) -> None:
        """Writes documents, large_string without nulls."""
        if not len(texts):
            return
        self._writer.write_batch(pa.record_batch([texts], schema=SCHEMA))
        self.num_documents += len(texts)
        self.num_characters += pc.sum(pc.utf8_length(texts)).as_py()
        _, offsets, data = texts.buffers()
        window = np.frombuffer(offsets, np.int64)[texts.offset : texts.offset + len(texts) + 1]
        # The lengths tell where one document ends, so that the same letters cut otherwise are another corpus.
        self._lengths.update(np.diff(window).astype("<i8").tobytes())
        self._content.update(memoryview(data)[window[0] : window[-1]])

    def fingerprint(self) -> str:
        return hashlib.sha256(self._lengths.digest() + self._content.digest()).hexdigest()


def _read_source(source: _Source, written: _Written, advance: Advance) -> Counter[str]:
    """Writes one file's documents, and counts those that are left out."""
    skipped, before = Counter[str](), written.num_documents
    if not _size(source.file):
        return Counter({EMPTY: 1})

    def report(problem: str, lines: Iterable[int]) -> None:
        skipped[NOT_UTF8 if problem == BROKEN_UTF8 else problem] += len(list(lines))

    for texts in _blocks(source, report, advance):
        is_empty = pc.fill_null(pc.or_(pc.equal(texts, ""), pc.utf8_is_space(texts)), True)
        is_binary = pc.fill_null(pc.match_substring(texts, "\0"), False)
        skipped[EMPTY] += pc.sum(is_empty).as_py() or 0
        skipped[BINARY] += pc.sum(is_binary).as_py() or 0
        written.add(texts.filter(pc.invert(pc.or_(is_empty, is_binary))))
    num_wrong = skipped[BINARY] + skipped[NOT_UTF8]
    # Some broken lines are left out; of a file that is no text at all, what happens to look like text is none either.
    if source.form != "documents" and num_wrong > written.num_documents - before:
        problem = f"{num_wrong:,} of its documents are binary or not UTF-8, and {written.num_documents - before:,} are"
        mend = "save it as UTF-8 (`iconv -f latin1 -t UTF-8`), or leave it out"
        raise InputError(f"{problem} text", where=str(source.file), mend=mend)
    return +skipped


def _blocks(source: _Source, report: Report, advance: Advance) -> Iterator[pa.Array]:
    """The documents of one file as large_string, block by block; null, empty and binary ones too."""
    if source.form == "table":
        yield from _cells(source, report, advance)
        return
    batch, size = [], 0
    for document in read_documents(source.file, source.form, report=report, advance=advance, may_be_empty=True):
        batch.append(document.text)
        size += len(document.text)
        if size >= BATCH_CHARACTERS:
            yield pa.array(batch, pa.large_string())
            batch, size = [], 0
    yield pa.array(batch, pa.large_string())


def _cells(source: _Source, report: Report, advance: Advance) -> Iterator[pa.Array]:
    blocks = read_table_blocks(
        source.file,
        texts=[source.column],
        may_be_empty=True,
        report=report,
        advance=advance,
        block_bytes=TABLE_BLOCK_BYTES,
    )
    for block in blocks:
        yield block.columns[source.column].cast(pa.large_string())
