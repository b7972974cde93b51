"""What a run shows in TensorBoard beside its curves."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import yaml
from pydantic import BaseModel

from tfdomain.evaluation.figures import confusion_matrix_png
from tfdomain.evaluation.report import report_text
from tfdomain.training.board import TensorBoardLogger

__all__ = ["TrainGraph", "log_results", "log_start"]


def log_start(board: TensorBoardLogger, config: BaseModel) -> None:
    """Logs what the run is to do, resolved, as text."""
    text = yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False, allow_unicode=True)
    board.log_text("config", f"```yaml\n{text}```")


def log_results(
    board: TensorBoardLogger,
    name: str,
    metrics: dict[str, Any],
    truth: Any,
    predictions: Any,
    label_names: Sequence[str] | None,
    *,
    step: int,
) -> None:
    """Logs the report of one part of the data, precision-recall curves, and of classes the confusion matrix."""
    board.log_text(f"{name}/report", f"```\n{report_text(metrics, title=name.capitalize())}\n```", step)
    if label_names is None or not metrics.keys() & {"confusion_matrix", "per_label"}:
        return
    if "confusion_matrix" in metrics:
        picture = confusion_matrix_png(np.asarray(metrics["confusion_matrix"]), label_names)
        board.log_image(f"{name}/confusion_matrix", picture, step)
    board.log_pr_curves(truth, predictions, label_names, step, group=f"{name}_pr_curve")


class TrainGraph(keras.callbacks.Callback):
    """Logs the graph of an update once there is one."""

    def __init__(self, board: TensorBoardLogger):
        super().__init__()
        self._board, self._logged = board, False

    def on_train_batch_end(self, batch, logs=None):
        """Logs the graph after the first batch."""
        if not self._logged:
            self._board.log_graph(self.model.train_graph())
            self._logged = True
