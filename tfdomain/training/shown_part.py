"""What TensorBoard shows of a part of the data once the model is final: how it was judged, and where it is wrong."""

import re
from typing import Any

import numpy as np

from tfdomain.evaluation.reliability import reliability, reliability_png
from tfdomain.models.base import TextModel
from tfdomain.models.multitask import MultiTaskModel
from tfdomain.training.board import TensorBoardLogger
from tfdomain.training.datasets import Part
from tfdomain.training.judged import JUDGED, Judged
from tfdomain.training.logs import log_results
from tfdomain.training.projector import write_projector
from tfdomain.training.shown_texts import attention_picture, row_texts, text_columns, text_vectors
from tfdomain.training.task_data import TaskParts

__all__ = ["log_part"]

MOST_MISTAKES = 20
NUM_TEXTS = 4
LONGEST_TEXT = 400
PUNCTUATION = re.compile(r"[!-/:-@\[-`{-~]")


def log_part(
    board: TensorBoardLogger,
    name: str,
    model: TextModel,
    part: Part,
    metrics: dict[str, Any],
    predictions: Any,
    *,
    step: int,
    points: int,
) -> None:
    """Logs the report, curves, pictures, worst mistakes and, of the validation rows, vectors and attention.

    Args:
        board: Where to.
        name: What the part is called: `validation` or `test`; of one of several tasks `test/intent`.
        model: The final one.
        part: The rows.
        metrics: What was measured on them; of several tasks by task, as are the predictions.
        predictions: What the model's `predict` gave for them.
        step: The run's last.
        points: How many rows the projector shows.
    """
    if isinstance(model, MultiTaskModel) and isinstance(part, TaskParts):
        for task, own in part.parts().items():
            of_task = {"metrics": metrics[task], "predictions": predictions[task], "step": step, "points": points}
            log_part(board, f"{name}/{task}", model.models[task], own, **of_task)
        return
    truth = part.own_truth
    log_results(board, name, metrics, truth, predictions, model.labels, step=step)
    _log_reliability(board, name, metrics, truth, predictions, step)
    judged = JUDGED[model.task](model, truth, predictions) if model.task in JUDGED else None
    if judged is not None:
        _log_mistakes(board, name, model, part, judged, step)
    if name.startswith("validation"):
        _log_attention(board, name, model, part, step)
        if points:
            _write_points(board, name, model, part, judged, points)


def _log_reliability(
    board: TensorBoardLogger, name: str, metrics: dict[str, Any], truth: Any, predictions: Any, step: int
) -> None:
    if "confusion_matrix" in metrics:
        # Of several classes it is the most probable one's probability that is acted on.
        found = reliability(predictions.max(axis=1), predictions.argmax(axis=1) == truth)
    elif "per_label" in metrics:
        found = reliability(np.ravel(predictions), np.ravel(truth) > 0)
    else:
        return
    board.log_image(f"{name}/reliability", reliability_png(found), step)


def _log_mistakes(board: TensorBoardLogger, name: str, model: TextModel, part: Part, judged: Judged, step: int) -> None:
    errors = judged.errors()
    worst = np.argsort(-errors, kind="stable")[:MOST_MISTAKES]
    worst = worst[errors[worst] > 0]
    texts = row_texts(text_columns(model, part.inputs, _rows(part, worst)))
    lines = ["| row | text | is | taken for | error |", "|---|---|---|---|---|"]
    for place, position in enumerate(worst.tolist()):
        text = texts[place][:LONGEST_TEXT] if texts else ""
        cells = [text, judged.label(position), judged.answer(position), f"{errors[position]:.3g}"]
        lines.append(f"| {_rows(part, worst)[place]} | {' | '.join(map(_escape, cells))} |")
    board.log_text(f"{name}/worst_mistakes", "\n".join(lines) if len(worst) else "There are none.", step)


def _log_attention(board: TensorBoardLogger, name: str, model: TextModel, part: Part, step: int) -> None:
    columns = text_columns(model, part.inputs, _rows(part, _spread(part.num_rows, NUM_TEXTS)))
    if columns:
        board.log_image(f"{name}/attention", attention_picture(model, columns), step)


def _write_points(
    board: TensorBoardLogger, name: str, model: TextModel, part: Part, judged: Judged | None, points: int
) -> None:
    positions = _spread(part.num_rows, points)
    rows = _rows(part, positions)
    columns = {"row": [str(row) for row in rows]}
    texts = row_texts(text_columns(model, part.inputs, rows))
    if texts or judged is None:
        columns["text"] = texts
    if judged is not None:
        columns["label"] = [judged.label(position) for position in positions.tolist()]
        columns["prediction"] = [judged.answer(position) for position in positions.tolist()]
    write_projector(board.folder / "points" / name, "points", text_vectors(model, part.inputs, rows), columns)


def _spread(count: int, most: int) -> np.ndarray:
    """Positions that are spread evenly over `count` rows, int64, ascending."""
    return np.arange(count) if count <= most else np.linspace(0, count - 1, most).astype(np.int64)


def _rows(part: Part, positions: np.ndarray) -> np.ndarray:
    return positions if part.rows is None else part.rows[positions]


def _escape(text: str) -> str:
    """Text that a cell of a Markdown table shows as it is."""
    return PUNCTUATION.sub(lambda found: f"&#{ord(found[0])};", " ".join(text.split()))
