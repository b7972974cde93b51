"""What a run shows in TensorBoard beside its curves."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import yaml
from pydantic import BaseModel

from tfdomain.config import Experiment
from tfdomain.evaluation.figures import confusion_matrix_png
from tfdomain.evaluation.report import report_text
from tfdomain.evaluation.text_pictures import lengths_png
from tfdomain.models.task_batches import TaskBatches
from tfdomain.optimization.loop import EpochSource
from tfdomain.training.board import TensorBoardLogger
from tfdomain.training.histograms import Histograms
from tfdomain.training.profiling import Profile

__all__ = ["TrainGraph", "chosen_callbacks", "log_lengths", "log_results", "log_start"]


def log_start(board: TensorBoardLogger, config: BaseModel) -> None:
    """Logs what the run is to do, resolved, as text."""
    text = yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False, allow_unicode=True)
    board.log_text("config", f"```yaml\n{text}```")


def log_lengths(board: TensorBoardLogger, source: EpochSource, max_length: int) -> None:
    """Logs how many tokens the training texts have; of several tasks those of each."""
    sources = source.sources if isinstance(source, TaskBatches) else {"": source}
    for task, own in sources.items():
        lengths = getattr(own, "lengths", np.zeros(0))
        # A table alone has no tokens.
        if lengths.any():
            picture = lengths_png(lengths, getattr(own, "max_length", None) or max_length)
            board.log_image(f"train/{task}/lengths" if task else "train/lengths", picture, 0)


def chosen_callbacks(
    board: TensorBoardLogger, experiment: Experiment, source: EpochSource
) -> list[keras.callbacks.Callback]:
    """What `board` of an experiment asks for during the training."""
    chosen: list[keras.callbacks.Callback] = []
    if experiment.board.histograms:
        chosen.append(Histograms(board, source, experiment.training.batch_size))
    if experiment.board.profile is not None:
        chosen.append(Profile(board.folder, *experiment.board.profile))
    return chosen


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
