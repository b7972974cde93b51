"""A trained model meets a file: its predictions row by row, or its metrics."""

import csv
import json
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any, Literal

import pyarrow as pa
import pyarrow.parquet as pq

from tfdomain.data.labels import label_ids
from tfdomain.data.rows import Rows, read_rows
from tfdomain.errors import InputError
from tfdomain.files import whole_file
from tfdomain.models.classifier import TextClassifier

__all__ = ["evaluate_file", "predict_file"]

ANSWERS = ("label", "score", "scores")
ROWS_AT_ONCE = 4096


def predict_file(
    model: TextClassifier, source: Sequence[Path], target: str | os.PathLike, *, texts: Sequence[str] | None = None
) -> int:
    """Writes the predictions of a file's rows, in their order, whatever their number.

    Each row of the target has the text columns, `label`, `score` (the label's probability) and
    `scores` (every label's): an object in JSON Lines, a JSON object in CSV, a struct in Parquet.
    An empty text is classified like any other.

    Args:
        model: A trained classifier.
        source: Files as `read_rows` takes them; no label is needed.
        target: `.jsonl`, `.csv` or `.parquet`; it appears when it is complete.
        texts: The text columns, two where the model reads pairs; None: those it was trained on.

    Returns:
        The number of rows.

    Raises:
        InputError: The source, a column or the target's ending is wrong.
    """
    target = Path(target)
    writers = {".jsonl": _write_json_lines, ".csv": _write_csv, ".parquet": _write_parquet}
    if target.suffix not in writers:
        raise InputError(f"unknown ending {target.suffix!r}", where=str(target), mend=f"use {', '.join(writers)}")
    texts = _text_columns(model, texts)
    taken = sorted(set(texts) & set(ANSWERS))
    if taken:
        raise InputError(f"the text column {taken[0]!r} has an answer's name", where=str(source[0]), mend="rename it")
    rows = read_rows(source, texts=texts, label=None, require_text=False)
    with whole_file(target, "wb" if target.suffix == ".parquet" else "w") as file:
        writers[target.suffix](file, _answers(model, rows), [*texts, *ANSWERS], model.labels)
    return rows.num_rows


def evaluate_file(
    model: TextClassifier,
    source: Sequence[Path],
    *,
    texts: Sequence[str] | None = None,
    label: str | None = None,
    on_bad_row: Literal["refuse", "skip"] = "refuse",
) -> dict[str, Any]:
    """The metrics of a model on a file's labelled rows.

    Args:
        model: A trained classifier.
        source: Files as `read_rows` takes them.
        texts: The text columns; None: those the model was trained on.
        label: The label column; None: the one the model was trained on.
        on_bad_row: `refuse` or `skip` rows with faults.

    Raises:
        InputError: The source, a column or a label is wrong.
    """
    label = label or model.notes.get("label", "label")
    texts = _text_columns(model, texts)
    rows = read_rows(source, texts=texts, label=label, on_bad_row=on_bad_row, require_text=False)
    labels = label_ids(rows.labels, model.labels, where=rows.where)
    return model.evaluate(rows.texts[0] if len(texts) == 1 else tuple(rows.texts), labels)


def _text_columns(model: TextClassifier, texts: Sequence[str] | None) -> list[str]:
    chosen = list(texts or model.notes.get("text", ["text", "text_pair"][: 1 + model.pairs]))
    if len(chosen) != 1 + model.pairs:
        problem = f"names {len(chosen)} columns, and the model reads {1 + model.pairs} texts a row"
        raise InputError(problem, where="--text", mend="name as many columns")
    return chosen


def _answers(model: TextClassifier, rows: Rows) -> Iterator[list[dict[str, Any]]]:
    for start in range(0, rows.num_rows, ROWS_AT_ONCE):
        columns = [column.slice(start, ROWS_AT_ONCE) for column in rows.texts]
        predictions = model.predict(columns[0] if len(columns) == 1 else tuple(columns))
        texts = [column.to_pylist() for column in columns]
        yield [
            dict(zip(rows.text_columns, values, strict=True))
            | {
                "label": model.labels[int(scores.argmax())],
                "score": float(scores.max()),
                "scores": {name: float(score) for name, score in zip(model.labels, scores, strict=True)},
            }
            for values, scores in zip(zip(*texts, strict=True), predictions, strict=True)
        ]


Writer = Callable[[IO, Iterator[list[dict[str, Any]]], list[str], list[str]], None]


def _write_json_lines(file: IO, chunks, columns, labels) -> None:
    for chunk in chunks:
        file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in chunk)


def _write_csv(file: IO, chunks, columns, labels) -> None:
    writer = csv.DictWriter(file, columns, lineterminator="\n")
    writer.writeheader()
    for chunk in chunks:
        writer.writerows(row | {"scores": json.dumps(row["scores"], ensure_ascii=False)} for row in chunk)


def _write_parquet(file: IO, chunks, columns, labels) -> None:
    scores = pa.struct([pa.field(name, pa.float32()) for name in labels])
    kinds = {"score": pa.float32(), "scores": scores}
    schema = pa.schema([pa.field(name, kinds.get(name, pa.string())) for name in columns])
    with pq.ParquetWriter(file, schema) as writer:
        for chunk in chunks:
            writer.write_table(pa.Table.from_pylist(chunk, schema=schema))
