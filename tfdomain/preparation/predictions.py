"""What a model of ours says of the rows' labels: the file that `tfdomain predict` wrote, put beside the rows."""

import hashlib
import json
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tfdomain.data.rows import Rows, read_rows
from tfdomain.errors import InputError

__all__ = ["predicted_probabilities"]

# The columns of answers; a column of the source with such a name is kept under another.
ANSWERS = ("label", "score", "scores")
ROWS_AT_ONCE = 20_000
MEND = "give what `tfdomain predict` wrote for a model of one label a text"


def predicted_probabilities(
    file: Path, column: str, texts: Sequence[str], prepared: Callable[[list[str]], list[str]]
) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Looks up the predictions of texts.

    Rows are matched by their text, not by their number: predictions may be of the raw files, of prepared ones, or of
    some of either, and in any order. Raw texts are prepared like the rows' own before they are compared. Of several
    predictions of one text the first counts.

    Args:
        file: `.jsonl`, `.csv` or `.parquet`, with the texts and, in `scores`, the probability of each label.
        column: The name of the column of texts where the model read them.
        texts: Those of the rows, prepared.
        prepared: Takes the steps on single texts.

    Returns:
        The places of the texts that have a prediction, int64 `[k]`, rising; their probabilities, float32
        `[k, classes]`; and the names of the classes.

    Raises:
        InputError: The file cannot be read, holds no probabilities, or none of these texts.
    """
    column = f"source_{column}" if column in ANSWERS else column
    with tempfile.TemporaryDirectory() as folder:
        rows = read_rows([file], texts=[column], rest=True, require_text=False, cache_dir=Path(folder))
        values, names = _scores(rows, file)
        keys: dict[bytes, int] = {}
        for start in range(0, rows.num_rows, ROWS_AT_ONCE):
            found = rows.texts[0].slice(start, ROWS_AT_ONCE).to_pylist()
            # Most files are of rows that are prepared already: both forms count.
            for form in (found, prepared(found)):
                for place, text in enumerate(form, start):
                    keys.setdefault(_key(text), place)
    wanted = np.array([keys.get(_key(text), -1) for text in texts], np.int64)
    places = np.flatnonzero(wanted >= 0)
    if not len(places):
        raise InputError(f"holds none of the {len(texts):,} prepared texts", where=str(file), mend=MEND)
    return places, values[wanted[places]], names


def _scores(rows: Rows, file: Path) -> tuple[np.ndarray, list[str]]:
    """float32 `[n, classes]`, and the names of the classes."""
    names: list[str] = []
    values = np.empty((0, 0), np.float32)
    for start in range(0, rows.num_rows, ROWS_AT_ONCE):
        assert rows.rest is not None
        for row, rest in enumerate(rows.rest.slice(start, ROWS_AT_ONCE).to_pylist(), start):
            scores = _read(json.loads(rest).get("scores"))
            if not names and scores:
                names = list(scores)
                values = np.empty((rows.num_rows, len(names)), np.float32)
            if not scores or scores.keys() != set(names):
                problem = "has other labels in scores than the first row" if scores else "holds no label's probability"
                raise InputError(problem, where=rows.where(row), mend=MEND)
            values[row] = [scores[name] for name in names]
    if not names:
        raise InputError("has no rows", where=str(file), mend=MEND)
    return values, names


def _read(scores: Any) -> dict[str, float] | None:
    """The scores of one row; CSV holds them as JSON."""
    if isinstance(scores, str):
        try:
            scores = json.loads(scores)
        except json.JSONDecodeError:
            return None
    is_right = isinstance(scores, dict) and all(isinstance(score, int | float) for score in scores.values())
    return scores if is_right else None


def _key(text: str) -> bytes:
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()
