"""Where the rows of a block of a CSV or TSV file stand, found by numpy in a few passes over its bytes."""

from typing import NamedTuple

import numpy as np

__all__ = ["Layout", "find_layout", "sound_bytes"]

_LINE_FEED, _RETURN, _QUOTE, _TAB = b'\n\r"\t'


class Layout(NamedTuple):
    """The whole rows of a block; arrays have one element a row, empty lines included."""

    used: int
    """The bytes up to the end of the last whole row."""
    num_lines: int
    """The lines in these bytes."""
    starts: np.ndarray
    """Where each row starts, int64."""
    ends: np.ndarray
    """Where each ends, after its line feed, int64."""
    first_lines: np.ndarray
    """The line that each starts on, from 0 at the start of the block, int64."""
    num_fields: np.ndarray
    """The fields of each, int64."""
    blank: np.ndarray
    """Whether it is an empty line, bool."""
    stray_return: np.ndarray
    """Whether a carriage return stands in it outside of quotes and not at its end, bool."""


def find_layout(data: bytes, delimiter: int) -> Layout | None:
    """The layout of a block that starts with a row.

    Args:
        data: Bytes; what follows the last whole row is left for the next block.
        delimiter: The byte between fields.

    Returns:
        The layout, without rows if no row ends in the block; None if its quotes do not follow RFC 4180 and
        the rows must be found one by one.
    """
    codes = np.frombuffer(data, np.uint8)
    every_newline, quotes = np.flatnonzero(codes == _LINE_FEED), np.flatnonzero(codes == _QUOTE)
    ends = _outside(every_newline, quotes) + 1
    used = int(ends[-1]) if len(ends) else 0
    codes, quotes = codes[:used], quotes[quotes < used]
    every_delimiter = np.flatnonzero(codes == delimiter)
    if not _regular(codes, quotes, delimiter):
        return None
    if delimiter == _TAB and _meet_in_quotes(every_newline, every_delimiter, quotes):
        return None
    starts = np.concatenate([[0], ends])[:-1]
    content = ends - starts - 1
    returns = _outside(np.flatnonzero(codes == _RETURN), quotes)
    return Layout(
        used=used,
        num_lines=int(np.searchsorted(every_newline, used)),
        starts=starts,
        ends=ends,
        first_lines=np.searchsorted(every_newline, starts),
        num_fields=_count(_outside(every_delimiter, quotes), ends) + 1,
        blank=(content == 0) | ((content == 1) & (codes[starts] == _RETURN)),
        stray_return=_count(returns[codes[returns + 1] != _LINE_FEED], ends) > 0,
    )


def sound_bytes(data: bytes, layout: Layout, sound: np.ndarray) -> bytes:
    """The bytes of the rows where `sound` (bool, one a row), and of empty lines."""
    keep = sound | layout.blank
    if keep.all():
        return data[: layout.used]
    edges = np.flatnonzero(np.diff(keep.astype(np.int8), prepend=0, append=0))
    view = memoryview(data)
    runs = zip(layout.starts[edges[::2]].tolist(), layout.ends[edges[1::2] - 1].tolist(), strict=True)
    return b"".join(view[start:end] for start, end in runs)


def _outside(positions: np.ndarray, quotes: np.ndarray) -> np.ndarray:
    # After an even number of quotes one is outside of a quoted field.
    return positions[np.searchsorted(quotes, positions) % 2 == 0] if len(quotes) else positions


def _count(positions: np.ndarray, ends: np.ndarray) -> np.ndarray:
    return np.diff(np.searchsorted(positions, ends), prepend=0)


def _regular(codes: np.ndarray, quotes: np.ndarray, delimiter: int) -> bool:
    # A quote that opens follows a separator, one that closes precedes one; a doubled one does both to itself.
    opening, closing = quotes[::2], quotes[1::2]
    before, after = codes[opening - 1], codes[closing + 1]
    opens = (before == delimiter) | (before == _LINE_FEED) | (before == _QUOTE) | (opening == 0)
    closes = (after == delimiter) | (after == _LINE_FEED) | (after == _RETURN) | (after == _QUOTE)
    return bool(opens.all() and closes.all())


def _meet_in_quotes(newlines: np.ndarray, delimiters: np.ndarray, quotes: np.ndarray) -> bool:
    # In a TSV that never quotes, a quote that opens a text may find its match in a later row: the field
    # between them then holds both a line end and a tab.
    common = np.intersect1d(np.searchsorted(quotes, newlines), np.searchsorted(quotes, delimiters))
    return bool((common % 2).any())
