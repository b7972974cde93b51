"""Rows with one or two texts, features, or both: what the tasks on such rows share."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np
import pyarrow as pa

from tfdomain.data.examples import Reading, fold_columns
from tfdomain.data.features import FeatureKind, FeatureSpec, feature_arrays, guess_kind, learn_features
from tfdomain.data.file_examples import FileExamples
from tfdomain.data.rows import Rows, read_rows

__all__ = ["TextRows"]

TEXT_NAMES = ("text", "text_pair")
"""What models call the texts of a row."""


class TextRows(FileExamples):
    """Rows with one or two texts, features, or both; a task adds what their labels are.

    Args:
        rows: What was read.
        data: The experiment's `data` section.
        like: The training examples, which tell the kinds of the features; None for those themselves.
    """

    def __init__(self, rows: Rows, data: Any, like: "TextRows | None" = None):
        super().__init__(rows)
        self.data, self._like = data, like

    @classmethod
    def read(cls, files: Sequence[Path], data: Any, reading: Reading) -> Self:
        """Reads CSV, TSV, JSON Lines or Parquet files; `tfdomain.data.readers` tells of the arguments."""
        columns = cls.columns(data)
        columns["extra"] = [*columns.get("extra", ()), *data.feature_kinds, *fold_columns(data, reading)]
        rows = read_rows(
            files,
            texts=data.text_columns,
            **columns,
            column_names=data.column_names,
            on_bad_row=reading.on_bad_row,
            skip_mend=reading.skip_mend,
            require_text=reading.for_training and data.empty_text == "refuse",
            cache_dir=reading.cache_dir,
        )
        return cls(rows, data, reading.like if isinstance(reading.like, TextRows) else None)

    @staticmethod
    def columns(data: Any) -> dict[str, Any]:
        """The columns beside the texts, as `read_rows` takes them: `label`, `extra`."""
        return {}

    def column(self, name: str) -> list[Any]:
        """The values of a column that was read, `[n]`."""
        return self.rows.table.column(name).to_pylist()

    @property
    def inputs(self) -> Any:
        """The texts: an Arrow column, or a tuple of two. With features columns by name, as a model calls them."""
        if self.kinds:
            return dict(zip(TEXT_NAMES, self.rows.texts, strict=False)) | self._features
        return self.rows.texts[0] if len(self.rows.texts) == 1 else tuple(self.rows.texts)

    def learn(self, rows: np.ndarray | None = None) -> dict[str, Any]:
        """Whether the rows hold pairs of texts, and what there is to know of their features."""
        learned: dict[str, Any] = {"pairs": len(self.rows.texts) == 2}
        if not self.kinds:
            return learned
        if rows is None:
            specs = learn_features(self._table, self.kinds, where=self.rows.where)
        else:
            table = {name: column.take(pa.array(rows)) for name, column in self._table.items()}
            specs = learn_features(table, self.kinds, where=lambda place: self.rows.where(int(rows[place])))
        return learned | {"features": specs, "table_only": not self.rows.texts}

    @cached_property
    def kinds(self) -> dict[str, FeatureKind]:
        """The kind of each feature: as declared, or else as all of its values in the training rows are."""
        if self._like is not None:
            return self._like.kinds
        kinds = self.data.feature_kinds
        return {name: kind or guess_kind(self._table[name], name) for name, kind in kinds.items()}

    @cached_property
    def _features(self) -> dict[str, Any]:
        specs = [FeatureSpec(name, kind) for name, kind in self.kinds.items()]
        return feature_arrays(specs, self._table, where=self.rows.where)

    @property
    def _table(self) -> Mapping[str, pa.ChunkedArray]:
        return {name: self.rows.table.column(name) for name in self.data.feature_kinds}
