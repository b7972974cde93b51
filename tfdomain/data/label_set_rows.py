"""Rows with any number of labels each: the examples of multi-label classification."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tfdomain.data.examples import Encoded, Reading
from tfdomain.data.label_sets import label_set_ids, label_set_names
from tfdomain.data.labels import alike
from tfdomain.data.rest import as_json
from tfdomain.data.sources import file_format, unknown_column
from tfdomain.data.text_rows import TextRows
from tfdomain.errors import InputError

__all__ = ["KeyedLabelSetRows", "LabelSetRows", "read_label_sets"]


def read_label_sets(files: Sequence[Path], data: Any, reading: Reading) -> "LabelSetRows":
    """Reads CSV, TSV, JSON Lines or Parquet files; `tfdomain.data.readers` tells of the arguments."""
    kinds = {file_format(Path(file))[0] for file in files}
    return (KeyedLabelSetRows if "jsonl" in kinds else LabelSetRows).read(files, data, reading)


class LabelSetRows(TextRows):
    """Rows with any number of labels each, also none, in one column or in indicator columns."""

    @staticmethod
    def columns(data: Any) -> dict[str, Any]:
        """The label column, or the indicator columns."""
        return {"extra": data.label_columns}

    def label_column(self, name: str) -> Any:
        """The values of a column, one a row."""
        return self.rows.table.column(name)

    @property
    def label_sets(self) -> Any:
        """The labels as `tfdomain.data.label_sets` takes them: one column, or indicator columns by their names."""
        if isinstance(self.data.label, str):
            return self.label_column(self.data.label)
        return {name: self.label_column(name) for name in self.data.label}

    def learn(self, rows: np.ndarray | None = None) -> dict[str, Any]:
        """The distinct `labels`, sorted (of indicator columns, their names), and whether the rows hold `pairs`.

        Raises:
            InputError: No row has a label, or a row's labels cannot be read.
        """
        names = label_set_names(
            self.label_sets,
            delimiter=self.data.delimiter,
            where=self.rows.where,
            on_bad=self.data.on_bad_row,
            skip_mend=Reading().skip_mend,
        )
        if not names:
            where = f"data.label {self.data.label}"
            raise InputError("no row has a label", where=where, mend="name the column of labels")
        return super().learn(rows) | {"labels": names}

    def remarks(self) -> list[str]:
        """Labels that one was most likely meant to be the other."""
        if not isinstance(self.data.label, str):
            return []
        names = label_set_names(self.label_sets, delimiter=self.data.delimiter, on_bad="skip")
        return [
            f"the labels {one!r} and {other!r} differ by case or blanks alone, and count as two"
            for one, other in alike(names)
        ]

    def encode(self, head: Mapping[str, Any], reading: Reading) -> Encoded:
        """Which of `head["labels"]` each row has: float32 `[n, labels]` of 0 and 1.

        Raises:
            InputError: A label was never seen in training, or a row's labels cannot be read, and such rows are
                not to be skipped; or none is left.
        """
        options: dict[str, Any] = {"delimiter": self.data.delimiter, "where": self.rows.where}
        skip, sets, names = reading.on_bad_row, self.label_sets, head["labels"]
        matrix = label_set_ids(sets, names, unseen=skip, on_bad=skip, skip_mend=reading.skip_mend, **options)
        known = np.asarray((matrix >= 0).all(axis=1))
        if len(known) and not known.any():
            # Not one row is left: what is wrong with them is told after all.
            label_set_ids(sets, names, **options)
        labels = matrix.astype("float32")
        return Encoded(labels, labels, None if known.all() else np.flatnonzero(known))


class KeyedLabelSetRows(LabelSetRows):
    """The same from files with JSON Lines among them, where labels may be lists and not only text."""

    @staticmethod
    def columns(data: Any) -> dict[str, Any]:
        """Every key, whatever its values are."""
        return {"rest": True}

    def label_column(self, name: str) -> list[str | None]:
        """The values of a key as text, lists as JSON; None where a row lacks it.

        Raises:
            InputError: No row has the key.
        """
        rest: Any = self.rows.rest
        rows = [json.loads(text) for text in rest.to_pylist()]
        if rows and not any(name in row for row in rows):
            raise unknown_column(name, list(dict.fromkeys(key for row in rows for key in row)), self.files[0])
        values = [row.get(name) for row in rows]
        return [value if value is None or isinstance(value, str) else as_json(value) for value in values]
