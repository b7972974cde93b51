"""Rows with one or several numbers each: the examples of regression."""

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np

from tfdomain.data.examples import Encoded, Reading
from tfdomain.data.targets import TargetValues, target_scale, target_values
from tfdomain.data.text_rows import TextRows
from tfdomain.errors import InputError

__all__ = ["TargetRows"]


class TargetRows(TextRows):
    """Rows with one or several numbers each."""

    @staticmethod
    def columns(data: Any) -> dict[str, Any]:
        """The target columns; what is no number in them is told by `encode`."""
        return {"extra": data.label_columns}

    def learn(self, rows: np.ndarray | None = None) -> dict[str, Any]:
        """The `targets`' names, their `means` and `deviations`, and whether the rows hold `pairs`.

        Raises:
            InputError: No row has all targets, or a target is the same in every row.
        """
        targets = self._targets("skip")
        if not targets.sound.any():
            self._targets("refuse")
        names = self.data.label_columns
        chosen = targets.sound if rows is None else rows[targets.sound[rows]]
        return super().learn(rows) | {"targets": names} | target_scale(targets.values[chosen], names)

    def encode(self, head: Mapping[str, Any], reading: Reading) -> Encoded:
        """The numbers as they stand, float32 `[n, targets]`; NaN where there is none, in rows left out.

        Raises:
            InputError: A target is missing or no finite number, and such rows are not to be skipped or no
                row is left; or there are not as many columns as `head["targets"]`.
        """
        columns, names = self.data.label_columns, head["targets"]
        if len(columns) != len(names):
            problem = f"names {len(columns)} columns for the targets {', '.join(names)}"
            raise InputError(problem, where="data.label", mend="name one column for each, in their order")
        targets = self._targets(reading.on_bad_row, reading.skip_mend)
        if targets.sound.all():
            return Encoded(targets.values, targets.values)
        if not targets.sound.any():
            # Not one row is left: what is wrong with them is told after all.
            self._targets("refuse")
        return Encoded(targets.values, targets.values, np.flatnonzero(targets.sound))

    def _targets(self, on_bad: Literal["refuse", "skip"], skip_mend: str | None = None) -> TargetValues:
        names = self.data.label_columns
        columns = [self.rows.table.column(name) for name in names]
        return target_values(columns, names, where=self.rows.where, on_bad=on_bad, skip_mend=skip_mend)
