"""One record of a CSV or TSV file at a time, for the blocks that are not plain RFC 4180."""

from typing import NamedTuple

from tfdomain.data.faults import BROKEN_UTF8

__all__ = [
    "STRAY_RETURN",
    "UNCLOSED_QUOTE",
    "Record",
    "decoded",
    "line_record",
    "quoted_record",
    "too_few",
    "too_many",
]

STRAY_RETURN = "a carriage return outside of quotes"
TEXT_AFTER_QUOTE = "text after the closing quote of a field (quotes within quotes are written twice)"
UNCLOSED_QUOTE = "a quote that opens a field and never closes"


class Record(NamedTuple):
    """The fields of a record as raw bytes, or the fault it has; and the offset of the next record.

    An empty line has no fields at all. After a fault the next record is the next line, so that one
    bad quote costs one line and not the rest of the file.
    """

    fields: list[bytes] | str
    end: int


def line_record(data: bytes, start: int, delimiter: bytes) -> Record:
    """The record of the line at `start`, in which quotes are ordinary characters."""
    end = _line_end(data, start)
    line = data[start:end].removesuffix(b"\n").removesuffix(b"\r")
    if b"\r" in line:
        return Record(STRAY_RETURN, end)
    return Record(line.split(delimiter) if line else [], end)


def quoted_record(data: bytes, start: int, delimiter: bytes) -> Record | None:
    """The record at `start`, in which a field that opens with a quote ends with its closing quote.

    Args:
        data: A part of the file; its last byte is a line feed if the file ends there.
        start: The offset of the record's first byte.
        delimiter: One byte.

    Returns:
        The record; None if `data` ends before it does.
    """
    end = data.find(b"\n", start) + 1
    if end and data[start : start + 1] != b'"' and data.find(delimiter + b'"', start, end) < 0:
        return line_record(data, start, delimiter)
    fields: list[bytes] = []
    position = start
    while True:
        if data[position : position + 1] == b'"':
            closing = _closing_quote(data, position + 1)
            if closing < 0 or data[closing + 1 : closing + 3] in (b"", b"\r"):
                return None
            fields.append(data[position + 1 : closing].replace(b'""', b'"'))
            position = closing + 1
        else:
            stop = _bare_end(data, position, delimiter)
            if stop < 0:
                return None
            if data[stop - 1 : stop + 1] == b"\r\n" and stop > position:
                stop -= 1
            fields.append(data[position:stop])
            position = stop
            if b"\r" in fields[-1]:
                return Record(STRAY_RETURN, _line_end(data, start))
        if data[position : position + 1] == delimiter:
            position += 1
        elif data[position : position + 1] == b"\n":
            return Record(fields, position + 1)
        elif data[position : position + 2] == b"\r\n":
            return Record(fields, position + 2)
        else:
            return Record(TEXT_AFTER_QUOTE, _line_end(data, start))


def decoded(record: Record, width: int) -> list[str] | str:
    """The fields of a record as text, none for an empty line; or its fault, not `width` fields among them."""
    fields = record.fields
    if isinstance(fields, str):
        return fields
    if not fields:
        return []
    if len(fields) != width:
        return too_few(width) if len(fields) < width else too_many(width)
    try:
        return [field.decode("utf-8") for field in fields]
    except UnicodeDecodeError:
        return BROKEN_UTF8


def too_few(width: int) -> str:
    """The fault of a row with fewer fields than the header."""
    return f"too few fields (the header has {width})"


def too_many(width: int) -> str:
    """The fault of a row with more fields than the header."""
    return f"too many fields (the header has {width}; a field that holds the separator wants quotes)"


def _line_end(data: bytes, start: int) -> int:
    return data.find(b"\n", start) + 1 or len(data)


def _bare_end(data: bytes, start: int, delimiter: bytes) -> int:
    line_feed, separator = data.find(b"\n", start), data.find(delimiter, start)
    return max(line_feed, separator) if min(line_feed, separator) < 0 else min(line_feed, separator)


def _closing_quote(data: bytes, start: int) -> int:
    position = data.find(b'"', start)
    while position >= 0 and data[position + 1 : position + 2] == b'"':
        position = data.find(b'"', position + 2)
    return position
