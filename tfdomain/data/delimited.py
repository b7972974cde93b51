"""CSV and TSV files become Arrow columns, fast and with exact line numbers.

A block of some megabytes is scanned with numpy (`delimited_layout`), which says which bytes are rows,
which line each starts on and how many fields it has; the sound rows go to Arrow's own parser in one
piece. Only a block whose quotes do not follow RFC 4180 (a quote in the middle of a bare field, say) is
read record by record (`delimited_records`).

Rows end at a line feed, after an optional carriage return, and at nothing else: U+2028 and U+0085
occur inside texts. Empty lines are no rows. Nothing is trimmed.

Reference: RFC 4180 (https://www.rfc-editor.org/rfc/rfc4180).
"""

from collections.abc import Collection, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv

from tfdomain.data import delimited_records as records
from tfdomain.data.delimited_layout import Layout, find_layout, sound_bytes
from tfdomain.data.faults import BROKEN_UTF8, Report
from tfdomain.data.rest import REST_COLUMN, distinct, fold
from tfdomain.data.sources import BLOCK_BYTES, Advance, Block, check_columns, read_blocks
from tfdomain.errors import InputError

__all__ = ["read_delimited"]

BLOCKS_A_ROW = 16


def read_delimited(
    path: Path,
    *,
    columns: list[str],
    delimiter: str,
    zipped: bool,
    report: Report,
    rest: bool = False,
    in_rest: Collection[str] = (),
    column_names: list[str] | None = None,
    advance: Advance | None = None,
    block_bytes: int = BLOCK_BYTES,
) -> Iterator[Block]:
    """The sound rows of a CSV or TSV file, block by block.

    Args:
        path: The file; its first row names the columns, unless `column_names` does.
        columns: The columns wanted; they come as Arrow strings, a field as it stands, quotes undone.
        delimiter: `","` or `"\\t"`. A row whose quoted field is not well-formed is a fault in a CSV; in a
            TSV, which need not quote, its quotes are ordinary characters.
        zipped: Whether the file is gzipped.
        report: Called with a kind of fault and the lines (from 1) of the rows that have it.
        rest: Whether all other columns are read too, folded into one (`rest.fold`).
        in_rest: Wanted columns that stand among the others too.
        column_names: All columns in their order, where the file has no header; a first row that holds the
            names of the wanted columns is a header nevertheless.
        advance: Told of the bytes read.
        block_bytes: How much is read at once. A quoted field that has not closed after 16 blocks is a fault.

    Raises:
        InputError: The file cannot be read, is empty, has no header, lacks a column, or has it twice.
    """
    blocks = read_blocks(path, zipped, block_bytes, advance=advance)
    header, ahead, line = _read_header(blocks, path, delimiter, columns, column_names)
    check_columns(columns, header, path, mend="rename them in the header")
    fields = {name: header.index(name) for name in columns}
    others = [(name, index) for index, name in enumerate(header) if rest and (name not in fields or name in in_rest)]
    names = distinct([name for name, _ in others])
    # No name of the header's own holds a NUL: these cannot meet the wanted ones.
    sources = [name if name in fields else f"\x00{new}" for new, (name, _) in zip(names, others, strict=True)]
    fields |= {source: index for source, (_, index) in zip(sources, others, strict=True)}
    parser = _Parser(fields, len(header), delimiter, report, block_bytes)
    for block in _parse_blocks(blocks, ahead, line, parser):
        if rest:
            folded = [block.columns[source].to_pylist() for source in sources]
            for source in set(sources) - set(columns):
                del block.columns[source]
            block.columns[REST_COLUMN] = fold(names, folded, len(block.line_numbers))
        yield block


def _parse_blocks(blocks: Iterator[bytes], ahead: bytes, line: int, parser: "_Parser") -> Iterator[Block]:
    for block in blocks:
        data = ahead + block
        parsed, used, lines = parser.parse(data, line, last=False)
        ahead, line = data[used:], line + lines
        yield parsed
    while ahead:
        data = ahead.removesuffix(b"\n") + b"\n"
        parsed, used, lines = parser.parse(data, line, last=True)
        ahead, line = data[used:], line + lines
        yield parsed


def _read_header(
    blocks: Iterator[bytes], path: Path, delimiter: str, wanted: list[str], column_names: list[str] | None
) -> tuple[list[str], bytes, int]:
    """The names of the columns, what of the first blocks follows them, and the line that this starts on."""
    data, record = b"", None
    for block in blocks:
        data += block
        record = records.quoted_record(data, len(data) - len(data.lstrip(b"\r\n")), delimiter.encode())
        if record is not None:
            break
    if record is None:
        data += b"\n"
        record = records.quoted_record(data, 0, delimiter.encode())
    fields = records.UNCLOSED_QUOTE if record is None else record.fields
    if column_names is not None and not {name.encode() for name in wanted} <= set(fields):
        return column_names, data, 1
    if record is None or isinstance(fields, str):
        raise InputError(f"the header has {fields}", where=f"{path}: line 1", mend="mend the header")
    try:
        names = [field.decode("utf-8") for field in fields]
    except UnicodeDecodeError:
        mend = "save the file as UTF-8 (for example `iconv -f latin1 -t UTF-8`)"
        raise InputError("the header is not UTF-8", where=f"{path}: line 1", mend=mend) from None
    return names, data[record.end :], 1 + data.count(b"\n", 0, record.end)


class _Parser:
    """What every block of one file needs: which fields to take, and how to tell of faults."""

    def __init__(self, fields: dict[str, int], width: int, delimiter: str, report: Report, block_bytes: int):
        self.fields, self.width, self.delimiter = fields, width, delimiter
        self.report, self.most_bytes = report, BLOCKS_A_ROW * block_bytes

    def parse(self, data: bytes, line: int, *, last: bool) -> tuple[Block, int, int]:
        """Reads the whole rows of `data`, whose first line is `line`.

        Returns:
            The sound rows, the number of bytes used, and the number of lines in these.
        """
        layout = find_layout(data, ord(self.delimiter))
        endless = layout is not None and not layout.used and (last or len(data) > self.most_bytes)
        if layout is None or endless:
            return self._parse_records(data, line, last)
        return self._parse_layout(data, layout, line), layout.used, layout.num_lines

    def _parse_layout(self, data: bytes, layout: Layout, line: int) -> Block:
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
        columns = self._arrow_columns(sound_bytes(data, layout, sound), int(sound.sum()))
        return Block(columns, lines[sound])

    def _arrow_columns(self, data: bytes, num_rows: int) -> dict[str, pa.Array]:
        if not num_rows:
            return {name: pa.array([], pa.string()) for name in self.fields}
        names = [str(index) for index in range(self.width)]
        wanted = [names[index] for index in self.fields.values()]
        table = pa.csv.read_csv(
            pa.BufferReader(data),
            # One block: the rows are whole already, and Arrow need not look for their ends.
            read_options=pa.csv.ReadOptions(column_names=names, block_size=len(data) + 1, use_threads=False),
            parse_options=pa.csv.ParseOptions(delimiter=self.delimiter, newlines_in_values=True),
            convert_options=pa.csv.ConvertOptions(
                include_columns=wanted,
                column_types={name: pa.string() for name in wanted},
                strings_can_be_null=False,
                check_utf8=False,
            ),
        )
        if table.num_rows != num_rows:
            # Never seen; but rows that shifted against their line numbers would go unnoticed.
            raise RuntimeError(f"Arrow found {table.num_rows} rows where the layout has {num_rows}")
        return {name: table.column(str(index)).combine_chunks() for name, index in self.fields.items()}

    def _parse_records(self, data: bytes, line: int, last: bool) -> tuple[Block, int, int]:
        values: dict[str, list[str]] = {name: [] for name in self.fields}
        lines, position, first = [], 0, line
        while position < len(data):
            record = self._record(data, position, last)
            if record is None:
                break
            fields = records.decoded(record, self.width)
            if isinstance(fields, str):
                self.report(fields, [line])
            elif fields:
                for name, index in self.fields.items():
                    values[name].append(fields[index])
                lines.append(line)
            line += data.count(b"\n", position, record.end)
            position = record.end
        columns = {name: pa.array(column, pa.string()) for name, column in values.items()}
        return Block(columns, np.array(lines, np.int64)), position, line - first

    def _record(self, data: bytes, position: int, last: bool) -> records.Record | None:
        delimiter = self.delimiter.encode()
        record = records.quoted_record(data, position, delimiter)
        if record is None:
            if not last and len(data) - position <= self.most_bytes:
                return None
            record = records.Record(records.UNCLOSED_QUOTE, data.find(b"\n", position) + 1 or len(data))
        if self.delimiter == "\t" and (isinstance(record.fields, str) or _swallows(record.fields)):
            return records.line_record(data, position, delimiter)
        return record


def _swallows(fields: list[bytes]) -> bool:
    # The same sign of an unquoted TSV that the layout looks for.
    return any(b"\n" in field and b"\t" in field for field in fields)


def _broken_utf8(data: bytes, layout: Layout) -> np.ndarray:
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
