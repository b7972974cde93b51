"""CSV and TSV files become Arrow columns, fast and with exact line numbers.

A block of some megabytes is scanned with numpy: where its quotes, delimiters and line ends are says
which bytes are rows, which line each starts on and how many fields it has. Rows found sound go to
Arrow's own parser in one piece. Only a block whose quotes do not follow RFC 4180 (a quote in the
middle of a bare field, say) is read record by record (`delimited_records`).

Rows end at a line feed, after an optional carriage return, and at nothing else: U+2028 and U+0085
occur inside texts. Empty lines are no rows. Nothing is trimmed.

Reference: RFC 4180 (https://www.rfc-editor.org/rfc/rfc4180).
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv

from tfdomain.data import delimited_records as records
from tfdomain.data.faults import BROKEN_UTF8, Report
from tfdomain.data.sources import BLOCK_BYTES, Block, read_blocks, unknown_column
from tfdomain.errors import InputError

__all__ = ["read_delimited"]

_LINE_FEED, _RETURN, _QUOTE, _TAB = b'\n\r"\t'


def read_delimited(
    path: Path,
    *,
    columns: list[str],
    delimiter: str,
    zipped: bool,
    report: Report,
    block_bytes: int = BLOCK_BYTES,
) -> Iterator[Block]:
    """The sound rows of a CSV or TSV file, block by block.

    Args:
        path: The file; its first row names the columns.
        columns: The columns wanted; they come as Arrow strings, a field as it stands, quotes undone.
        delimiter: `","` or `"\\t"`. A row whose quoted field is not well-formed is a fault in a CSV; in a
            TSV, which need not quote, its quotes are ordinary characters.
        zipped: Whether the file is gzipped.
        report: Called with a kind of fault and the lines (from 1) of the rows that have it.
        block_bytes: How much is read at once; also the size that no single row may exceed.

    Raises:
        InputError: The file is empty, has no header, lacks a column, or has it twice.
    """
    blocks = read_blocks(path, zipped, block_bytes)
    header, rest, line = _header(blocks, path, delimiter)
    table = _Table(path, header, columns, delimiter, report, block_bytes)
    for block in blocks:
        data = rest + block
        parsed, used, lines = table.parse(data, line, last=False)
        rest, line = data[used:], line + lines
        if parsed is not None:
            yield parsed
    if rest:
        parsed, _, _ = table.parse(rest if rest.endswith(b"\n") else rest + b"\n", line, last=True)
        if parsed is not None:
            yield parsed


def _header(blocks: Iterator[bytes], path: Path, delimiter: str) -> tuple[list[str], bytes, int]:
    data = b""
    for block in blocks:
        data += block
        record = records.quoted_record(data, len(data) - len(data.lstrip(b"\r\n")), delimiter.encode())
        if record is not None:
            break
    else:
        data += b"\n"
        record = records.quoted_record(data, 0, delimiter.encode())
    problem = records.UNCLOSED_QUOTE if record is None else record.fields
    if record is None or isinstance(problem, str):
        raise InputError(f"the header has {problem}", where=f"{path}: line 1", mend="mend the header")
    try:
        names = [field.decode("utf-8") for field in problem]
    except UnicodeDecodeError:
        mend = "save the file as UTF-8 (for example `iconv -f latin1 -t UTF-8`)"
        raise InputError("the header is not UTF-8", where=f"{path}: line 1", mend=mend) from None
    return names, data[record.end :], 1 + data[: record.end].count(b"\n")


class _Table:
    """What every block of one file needs: which fields to take, and how to tell of faults."""

    def __init__(
        self,
        path: Path,
        header: list[str],
        columns: list[str],
        delimiter: str,
        report: Report,
        block_bytes: int,
    ):
        for name in columns:
            if name not in header:
                raise unknown_column(name, header, path)
            if header.count(name) > 1:
                problem = f"has {header.count(name)} columns named {name!r}"
                raise InputError(problem, where=str(path), mend="rename them in the header")
        self.fields = {name: header.index(name) for name in columns}
        self.width, self.delimiter, self.report = len(header), delimiter, report
        self.block_bytes = block_bytes

    def parse(self, data: bytes, line: int, *, last: bool) -> tuple[Block | None, int, int]:
        """Reads the whole rows of `data`, whose first line is `line`.

        Returns:
            The sound rows or None, the number of bytes used, and the number of lines in these.
        """
        layout = _Layout.of(data, ord(self.delimiter))
        if layout is None or (not layout.used and (last or len(data) > self.block_bytes)):
            return self._parse_records(data, line, last)
        if not layout.used:
            return None, 0, 0
        block = self._parse_layout(data, layout, line)
        if block is None:
            return self._parse_records(data, line, last)
        return block, layout.used, layout.num_lines

    def _parse_layout(self, data: bytes, layout: "_Layout", line: int) -> Block | None:
        lines = layout.first_lines + line
        wrong = {
            records.STRAY_RETURN: layout.stray_return,
            records.too_few(self.width): layout.num_fields < self.width,
            records.too_many(self.width): layout.num_fields > self.width,
            BROKEN_UTF8: _broken_utf8(data, layout),
        }
        sound = ~layout.blank
        for problem, rows in wrong.items():
            self.report(problem, lines[sound & rows])
            sound &= ~rows
        arrays = self._arrow_columns(_slices(data, layout, sound), int(sound.sum()))
        if arrays is None:
            return None
        return Block(arrays, lines[sound])

    def _arrow_columns(self, data: bytes, num_rows: int) -> dict[str, pa.Array] | None:
        if not num_rows:
            return {name: pa.array([], pa.string()) for name in self.fields}
        names = [str(index) for index in range(self.width)]
        wanted = [names[index] for index in self.fields.values()]
        table = pa.csv.read_csv(
            pa.BufferReader(data),
            # One block: Arrow's own cutting into blocks has nothing to find here.
            read_options=pa.csv.ReadOptions(column_names=names, block_size=len(data) + 1, use_threads=False),
            parse_options=pa.csv.ParseOptions(delimiter=self.delimiter, newlines_in_values=True),
            convert_options=pa.csv.ConvertOptions(
                include_columns=wanted,
                column_types={name: pa.string() for name in wanted},
                strings_can_be_null=False,
                check_utf8=False,
            ),
        )
        # Two parsers that disagree on the rows would shift labels against texts: read those exactly.
        if table.num_rows != num_rows:
            return None
        return {name: table.column(str(index)).combine_chunks() for name, index in self.fields.items()}

    def _parse_records(self, data: bytes, line: int, last: bool) -> tuple[Block, int, int]:
        values: dict[str, list[str]] = {name: [] for name in self.fields}
        lines, position, first = [], 0, line
        while position < len(data):
            record = self._record(data, position, last)
            if record is None:
                break
            fields = (
                records.decoded(record.fields, self.width)
                if isinstance(record.fields, list)
                else record.fields
            )
            if isinstance(fields, str) and record.fields:
                self.report(fields, [line])
            elif not isinstance(fields, str):
                for name, index in self.fields.items():
                    values[name].append(fields[index])
                lines.append(line)
            line += data.count(b"\n", position, record.end)
            position = record.end
        arrays = {name: pa.array(column, pa.string()) for name, column in values.items()}
        return Block(arrays, np.array(lines, np.int64)), position, line - first

    def _record(self, data: bytes, position: int, last: bool) -> records.Record | None:
        delimiter = self.delimiter.encode()
        record = records.quoted_record(data, position, delimiter)
        if record is None:
            if not last and len(data) - position <= self.block_bytes:
                return None
            record = records.Record(records.UNCLOSED_QUOTE, data.find(b"\n", position) + 1 or len(data))
        if self.delimiter == "\t" and (isinstance(record.fields, str) or _swallows(record.fields)):
            return records.line_record(data, position, delimiter)
        return record


def _swallows(fields: list[bytes]) -> bool:
    # In files that never quote, a quote that opens a text may find its match in a later row: the field
    # between them then holds both a line end and a tab.
    return any(b"\n" in field and b"\t" in field for field in fields)


class _Layout:
    """Where the rows of a block stand, by numpy; all positions are offsets into its bytes."""

    @classmethod
    def of(cls, data: bytes, delimiter: int) -> "_Layout | None":
        """The layout of a block; None if its quotes are not to be trusted."""
        layout = cls()
        codes = np.frombuffer(data, np.uint8)
        newlines, quotes = np.flatnonzero(codes == _LINE_FEED), np.flatnonzero(codes == _QUOTE)
        ends = _outside(newlines, quotes)
        layout.used = int(ends[-1]) + 1 if len(ends) else 0
        if not layout.used:
            return layout
        if not _regular(codes, quotes[quotes < layout.used], delimiter):
            return None
        every_delimiter = np.flatnonzero(codes[: layout.used] == delimiter)
        delimiters = _outside(every_delimiter, quotes)
        if delimiter == _TAB and _share_quotes(newlines, every_delimiter, quotes):
            return None
        returns = _outside(np.flatnonzero(codes[: layout.used] == _RETURN), quotes)
        layout.ends = ends + 1
        layout.starts = np.concatenate([[0], layout.ends[:-1]])
        layout.num_lines = int(np.searchsorted(newlines, layout.used))
        layout.first_lines = np.searchsorted(newlines, layout.starts)
        layout.num_fields = np.diff(np.searchsorted(delimiters, layout.ends), prepend=0) + 1
        content = ends - layout.starts
        layout.blank = (content == 0) | ((content == 1) & (codes[layout.starts] == _RETURN))
        stray = returns[codes[returns + 1] != _LINE_FEED]
        layout.stray_return = np.diff(np.searchsorted(stray, layout.ends), prepend=0) > 0
        return layout


def _outside(positions: np.ndarray, quotes: np.ndarray) -> np.ndarray:
    # After an even number of quotes one is outside of a quoted field.
    return positions[np.searchsorted(quotes, positions) % 2 == 0] if len(quotes) else positions


def _share_quotes(newlines: np.ndarray, delimiters: np.ndarray, quotes: np.ndarray) -> bool:
    # Whether some quoted field holds both a line end and a delimiter (`_swallows`).
    within = [np.searchsorted(quotes, positions) for positions in (newlines, delimiters)]
    common = np.intersect1d(*within)
    return bool((common % 2).any())


def _regular(codes: np.ndarray, quotes: np.ndarray, delimiter: int) -> bool:
    opening, closing = quotes[::2], quotes[1::2]
    before = codes[opening - 1]
    after = codes[closing + 1]
    opens = (before == delimiter) | (before == _LINE_FEED) | (before == _QUOTE) | (opening == 0)
    closes = (after == delimiter) | (after == _LINE_FEED) | (after == _RETURN) | (after == _QUOTE)
    return bool(opens.all() and closes.all())


def _broken_utf8(data: bytes, layout: _Layout) -> np.ndarray:
    broken = np.zeros(len(layout.starts), bool)
    try:
        data[: layout.used].decode("utf-8")
    except UnicodeDecodeError:
        for row, (start, end) in enumerate(zip(layout.starts.tolist(), layout.ends.tolist(), strict=True)):
            try:
                data[start:end].decode("utf-8")
            except UnicodeDecodeError:
                broken[row] = True
    return broken


def _slices(data: bytes, layout: _Layout, sound: np.ndarray) -> bytes:
    keep = sound | layout.blank
    if keep.all():
        return data[: layout.used]
    edges = np.flatnonzero(np.diff(keep.astype(np.int8), prepend=0, append=0))
    runs = zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True)
    view = memoryview(data)
    return b"".join(view[layout.starts[first] : layout.ends[stop - 1]] for first, stop in runs)
