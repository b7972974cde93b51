"""Files as plain bytes: what their endings mean, gzip undone, other encodings told apart from UTF-8."""

import gzip
import zlib
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
import pyarrow as pa

from tfdomain.data.names import near_names
from tfdomain.errors import InputError

__all__ = ["FORMATS", "Block", "file_format", "read_blocks", "unknown_column"]

# Larger ones are slower: what numpy finds in a block then no longer fits the processor's cache.
BLOCK_BYTES = 2 << 20

FORMATS = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".parquet": "parquet",
    ".pq": "parquet",
}
"""The format of a file by its ending; all but Parquet may be followed by `.gz`."""

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


def read_blocks(path: Path, zipped: bool, size: int = BLOCK_BYTES) -> Iterator[bytes]:
    """The bytes of a text file in blocks, without its UTF-8 byte order mark.

    Raises:
        InputError: The file is empty, is cut short (gzip), or is evidently not UTF-8 text.
    """
    with open(path, "rb") as raw, gzip.GzipFile(fileobj=raw) if zipped else nullcontext(raw) as file:
        block = _read(file, size, path)
        if not block:
            raise InputError("is empty", where=str(path), mend="give a file with rows")
        _check_encoding(block, path)
        yield block.removeprefix(b"\xef\xbb\xbf")
        while block := _read(file, size, path):
            yield block


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
