"""Rows with one label each: the examples of classification."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from tfdomain.data.examples import Encoded, Reading
from tfdomain.data.labels import alike, label_ids, label_names
from tfdomain.data.text_rows import TextRows
from tfdomain.errors import InputError

__all__ = ["LabelledRows"]


class LabelledRows(TextRows):
    """Rows with one label each."""

    @staticmethod
    def columns(data: Any) -> dict[str, Any]:
        """The label column."""
        return {"label": data.label}

    def learn(self, rows: np.ndarray | None = None) -> dict[str, Any]:
        """The distinct `labels`, sorted, and whether the rows hold `pairs`.

        Raises:
            InputError: Every row has the same label.
        """
        names = label_names(self.rows.labels)
        if len(names) < 2:
            problem = f"every row has the label {names[0]!r}"
            raise InputError(problem, where=f"data.label {self.data.label}", mend="give rows of two labels")
        return super().learn(rows) | {"labels": names}

    def remarks(self) -> list[str]:
        """Labels that one was most likely meant to be the other."""
        return [
            f"the labels {one!r} and {other!r} differ by case or blanks alone, and count as two"
            for one, other in alike(label_names(self.rows.labels))
        ]

    def strata(self) -> Any:
        """The labels."""
        return self.rows.labels

    def encode(self, head: Mapping[str, Any], reading: Reading) -> Encoded:
        """The places of the labels in `head["labels"]`, int32 `[n]`.

        Raises:
            InputError: A label was never seen in training, and is not to be skipped, or none was seen.
        """
        names = head["labels"]
        labels = label_ids(
            self.rows.labels,
            names,
            where=self.rows.where,
            unseen=reading.on_bad_row,
            skip_mend=reading.skip_mend,
        )
        known = labels >= 0
        if known.all():
            return Encoded(labels, labels)
        if not known.any():
            # Not one row is left: what their labels are is told after all.
            label_ids(self.rows.labels, names, where=self.rows.where)
        return Encoded(labels, labels, np.flatnonzero(known))
