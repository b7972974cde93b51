"""The rows of a data set: read once from its files, then mapped from an Arrow cache.

The cache is keyed by the content of the files and by how they are read, so an edited file is read
anew and a copied one is not.
"""

import bisect
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa

from tfdomain.data.faults import Faults, line_unit
from tfdomain.data.rest import REST_COLUMN
from tfdomain.data.rows_cache import LINE_COLUMN, cached_rows
from tfdomain.data.values import as_text_array, fingerprint
from tfdomain.errors import InputError

__all__ = ["Rows", "read_rows"]


def read_rows(
    files: Sequence[str | Path],
    *,
    texts: Sequence[str],
    label: str | None = None,
    extra: Sequence[str] = (),
    rest: bool = False,
    column_names: Sequence[str] | None = None,
    on_bad_row: Literal["refuse", "skip"] = "refuse",
    skip_mend: str = "set `data.on_bad_row: skip`",
    require_text: bool = True,
    require_rows: bool = True,
    cache_dir: Path | None = None,
) -> "Rows":
    """Reads CSV, TSV, JSON Lines or Parquet files, told apart by their endings.

    The first call streams the files into a memory-mapped cache, a later one with the same content and
    arguments maps it. Texts are never trimmed or changed, and labels are the text that the file has.

    Args:
        files: The files, as `paths.find_files` gives them; the endings are those of `sources.FORMATS`.
        texts: One text column, two for pairs, three for triplets; none where `extra` columns are all that is wanted.
        label: The label column; None leaves labels unread.
        extra: Further columns to keep.
        rest: Whether each row's columns but texts and label are kept too, as its file has them, as `Rows.rest`.
        column_names: All columns of CSV and TSV files without a header, in their order; a file whose first row
            holds the names of the columns that are read has a header nevertheless.
        on_bad_row: `"refuse"` raises when any row has a fault; `"skip"` leaves such rows out.
        skip_mend: How the caller's user asks for `"skip"`, for the message that refuses.
        require_text: Whether a text that is empty or all spaces is a fault.
        require_rows: Whether a file without rows is refused.
        cache_dir: The folder of the cache; None: `cache.cache_dir()`.

    Raises:
        InputError: An unknown ending, a file that cannot be read as its ending says, a column that is not
            there, no rows, or faulty rows when they are refused (their line numbers and counts are named).
        TfdomainError: The cache cannot be read or written (a full disk, say).
    """
    if on_bad_row not in ("refuse", "skip"):
        raise InputError(f"is {on_bad_row!r}", where="data.on_bad_row", mend="choose refuse or skip")
    if len(texts) > 3 or len(set(texts)) != len(texts) or not (texts or extra):
        mend = "name one text column, or two different ones for pairs"
        raise InputError(f"names {len(texts)} columns: {list(texts)}", where="data.text", mend=mend)
    if label in texts:
        raise InputError(f"{label!r} is a text column too", where="data.label", mend="name the column of labels")
    if not files:
        raise InputError("no file is named", where="data", mend="give at least one file")
    paths = [Path(file) for file in files]
    table, summary = cached_rows(
        paths,
        texts=list(texts),
        label=label,
        extra=[name for name in dict.fromkeys(extra) if name not in (*texts, label)],
        rest=rest,
        column_names=None if column_names is None else list(column_names),
        require_text=require_text,
        require_rows=require_rows,
        refuse=on_bad_row == "refuse",
        skip_mend=skip_mend,
        folder=cache_dir,
    )
    return Rows(
        table,
        text_columns=list(texts),
        label_column=label,
        fingerprint=summary["fingerprint"],
        files=paths,
        file_hashes=summary["sha256"],
        file_rows=summary["file_rows"],
        faults=Faults.from_json(summary["faults"]),
    )


class Rows:
    """Rows with up to three texts each, perhaps a label and extra columns, in Arrow.

    Attributes:
        table: A `pyarrow.Table`; the text columns and the label column are strings.
        rest: Strings `[num_rows]`, each row's columns but the texts and the label, as a JSON object;
            None unless `read_rows` was told to keep them.
        files: The files that the rows came from, in order.
        file_hashes: The SHA-256 of each file.
        fingerprint: A SHA-256 that is equal for equal rows read in the same way.
        file_ends: How many rows there are up to the end of each file.
        faults: The rows left out, counted.
        skipped: The first rows left out, as `Fault`s (file index, line, problem); at most 1,000.
        num_skipped: How many rows were left out.
    """

    def __init__(
        self,
        table: pa.Table,
        *,
        text_columns: list[str],
        label_column: str | None,
        fingerprint: str,
        files: Sequence[Path] = (),
        file_hashes: Sequence[str] = (),
        file_rows: Sequence[int] = (),
        faults: Faults | None = None,
    ):
        faults = faults or Faults()
        self._lines = table.column(LINE_COLUMN) if files else None
        self.rest = table.column(REST_COLUMN) if REST_COLUMN in table.column_names else None
        self.table = table.drop_columns([name for name in table.column_names if name in (LINE_COLUMN, REST_COLUMN)])
        self.text_columns, self.label_column = text_columns, label_column
        self.fingerprint = fingerprint
        self.files, self.file_hashes = list(files), list(file_hashes)
        self.faults, self.skipped = faults, faults.kept
        self.num_skipped = faults.count
        self.file_ends = np.cumsum(file_rows).tolist()

    @classmethod
    def from_columns(cls, texts: Any, labels: Any = None, pairs: Any = None) -> "Rows":
        """Rows from columns in memory.

        Args:
            texts: Strings `[n]`: a list, a numpy array, a pandas Series, an Arrow array.
            labels: Strings, integers or booleans `[n]`.
            pairs: Strings `[n]`, the second text of each row.

        Raises:
            InputError: A value is no string, a label is missing, or the lengths differ.
        """
        columns = {"text": as_text_array(texts, "texts")}
        if pairs is not None:
            columns["pair"] = as_text_array(pairs, "pairs")
        text_columns = list(columns)
        if labels is not None:
            columns["label"] = as_text_array(labels, "labels", numbers=True)
        lengths = {name: len(column) for name, column in columns.items()}
        if len(set(lengths.values())) > 1:
            shown = ", ".join(f"{length} in {name}" for name, length in lengths.items())
            raise InputError(f"the columns differ in length: {shown}", mend="give one value a row")
        return cls(
            pa.table(columns),
            text_columns=text_columns,
            label_column="label" if labels is not None else None,
            fingerprint=fingerprint(*columns.values()),
        )

    @property
    def num_rows(self) -> int:
        """The number of rows."""
        return self.table.num_rows

    def __len__(self) -> int:
        return self.num_rows

    @property
    def texts(self) -> list[pa.ChunkedArray]:
        """The text columns, one or two, each of `num_rows` strings."""
        return [self.table.column(name) for name in self.text_columns]

    @property
    def labels(self) -> pa.ChunkedArray | None:
        """The labels, as strings; None where none were asked for."""
        return None if self.label_column is None else self.table.column(self.label_column)

    @cached_property
    def line_numbers(self) -> np.ndarray:
        """The line (Parquet: the row) that each row starts on in its file: int64 `[num_rows]`, from 1."""
        if self._lines is None:
            return np.arange(1, self.num_rows + 1)
        return self._lines.to_numpy()

    def file_of(self, row: int) -> Path | None:
        """The file that a row came from; None for rows that came from memory."""
        return self.files[bisect.bisect_right(self.file_ends, self._index(row))] if self.files else None

    def where(self, row: int) -> str:
        """A row's place, for messages: `train.csv: line 12`."""
        file = self.file_of(row)
        if file is None or self._lines is None:
            return f"row {self._index(row)}"
        return f"{file}: {line_unit(file)} {self._lines[self._index(row)].as_py()}"

    def _index(self, row: int) -> int:
        if not -self.num_rows <= row < self.num_rows:
            raise IndexError(f"row {row} of {self.num_rows}")
        return int(row) % self.num_rows
