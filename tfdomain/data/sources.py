"""Files as plain bytes: what their endings mean, gzip undone, other encodings told apart from UTF-8."""

import gzip
import os
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
import pyarrow as pa

from tfdomain.data.names import near_names
from tfdomain.errors import InputError

__all__ = [
    "FORMATS",
    "Advance",
    "Block",
    "check_columns",
    "explained_reading",
    "file_format",
    "read_blocks",
    "unknown_column",
]

# Larger ones are slower: what numpy finds in a block then no longer fits the processor's cache.
BLOCK_BYTES = 2 << 20

FORMATS = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".txt": "tsv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".parquet": "parquet",
    ".pq": "parquet",
}
"""The format of a file by its ending; all but Parquet may be followed by `.gz`."""

Advance = Callable[[int], object]
"""What a reader calls with the bytes of its file that it has read since the last call."""

_ENCODING_MARKS = {b"\xff\xfe": "UTF-16", b"\xfe\xff": "UTF-16"}
_GZIP_MARK = b"\x1f\x8b"


class Block(NamedTuple):
    """Some rows of a file: the wanted columns, and for every row the line that it starts on (from 1)."""

    columns: dict[str, pa.Array]
    line_numbers: np.ndarray


def file_format(path: Path) -> tuple[str, bool]:
    """The format of a file (`csv`, `tsv`, `jsonl` or `parquet`) and whether it is gzipped, by its ending.

    Raises:
        InputError: The ending is not one of `FORMATS`.
    """
    suffixes = [suffix.lower() for suffix in path.suffixes[-2:]]
    zipped = bool(suffixes) and suffixes[-1] == ".gz"
    suffix = "".join(suffixes[:-1][-1:] if zipped else suffixes[-1:])
    kind = FORMATS.get(suffix)
    if kind is None or (kind == "parquet" and zipped):
        choices = ", ".join(ending if FORMATS[ending] == "parquet" else f"{ending}[.gz]" for ending in FORMATS)
        ending = "".join(suffixes if zipped else suffixes[-1:]) or "none"
        raise InputError(f"unknown file ending ({ending})", where=str(path), mend=f"the endings read are {choices}")
    return kind, zipped


def read_blocks(
    path: Path, zipped: bool, size: int = BLOCK_BYTES, *, advance: Advance | None = None, may_be_empty: bool = False
) -> Iterator[bytes]:
    """The bytes of a text file in blocks, without its UTF-8 byte order mark.

    Args:
        path: The file.
        zipped: Whether it is gzipped.
        size: Bytes of a block, unzipped.
        advance: Told of the bytes read, as they stand on the disk.
        may_be_empty: Whether a file without a byte has no blocks instead of being refused.

    Raises:
        InputError: The file cannot be opened, is empty, is cut short (gzip), or is evidently not UTF-8 text.
    """
    with (
        explained_reading(path),
        open(path, "rb") as raw,
        gzip.GzipFile(fileobj=raw) if zipped else nullcontext(raw) as file,
    ):
        block, position = _read(file, size, path), 0
        if not block and not may_be_empty:
            raise InputError("is empty", where=str(path), mend="give a file with rows")
        _check_encoding(block, path)
        block = block.removeprefix(b"\xef\xbb\xbf")
        while block:
            yield block
            if advance is not None:
                advance(raw.tell() - position)
                position = raw.tell()
            block = _read(file, size, path)


@contextmanager
def explained_reading(path: Path) -> Iterator[None]:
    """Turns the failure to open or read `path` within the block into one line.

    Raises:
        InputError: The file is missing, is a folder, may not be read, or its disk fails.
    """
    try:
        yield
    except OSError as error:
        kinds: dict[type[OSError], tuple[str, str]] = {
            FileNotFoundError: ("no such file", "check the path"),
            NotADirectoryError: ("no such file", "check the path"),
            IsADirectoryError: ("is a folder, not a file", "name the files in it"),
            PermissionError: ("may not be read (permission denied)", "ask for the right to read it (`chmod`)"),
        }
        reason = (os.strerror(error.errno) if error.errno else str(error)).lower()
        problem, mend = kinds.get(type(error), (f"cannot be read ({reason})", "check its disk, or copy it again"))
        raise InputError(problem, where=str(path), mend=mend) from error


def check_columns(wanted: list[str], names: list[str], path: Path, *, mend: str) -> None:
    """Refuses a file that lacks one of the wanted columns, or has it twice."""
    for name in wanted:
        if name not in names:
            raise unknown_column(name, names, path)
        if names.count(name) > 1:
            raise InputError(f"has {names.count(name)} columns named {name!r}", where=str(path), mend=mend)


def unknown_column(name: str, names: list[str], path: Path) -> InputError:
    """The error for a column that a file does not have; it names those that it has."""
    near = near_names(name, names, count=1)
    shown = ", ".join(repr(each) for each in names[:20]) + (", ..." if len(names) > 20 else "")
    separators = [mark for mark in (";", "\t", "|", ",") if len(names) == 1 and mark in names[0]]
    if near:
        mend = f"did you mean {near[0]!r}?"
    elif separators:
        mend = f"its fields seem to end at {separators[0]!r}: save them with commas (.csv) or tabs (.tsv)"
    else:
        mend = "name one of these"
    return InputError(f"has no column {name!r}; its columns are {shown}", where=str(path), mend=mend)


class SupportsRead(Protocol):
    """A file open for reading bytes."""

    def read(self, size: int, /) -> bytes:
        """The next bytes, at most `size`; none at the end."""


def _read(file: SupportsRead, size: int, path: Path) -> bytes:
    try:
        return file.read(size)
    except EOFError:
        raise InputError("is cut short (its gzip stream has no end)", where=str(path), mend="copy it again") from None
    except (gzip.BadGzipFile, zlib.error) as error:
        raise InputError(f"is not sound gzip ({error})", where=str(path), mend="copy it again") from None


def _check_encoding(block: bytes, path: Path) -> None:
    encoding = _ENCODING_MARKS.get(block[:2])
    if encoding is None and len(block) >= 8 and not (any(block[0:8:2]) and any(block[1:8:2])):
        # Every second byte of the header's first letters is zero.
        encoding = "UTF-16"
    if encoding is not None:
        mend = "save it as UTF-8 (`iconv -f UTF-16 -t UTF-8`)"
        raise InputError(f"is {encoding}, not UTF-8 text", where=str(path), mend=mend)
    if block[:2] == _GZIP_MARK:
        raise InputError("is gzipped though its name does not say so", where=str(path), mend="add .gz to its name")
