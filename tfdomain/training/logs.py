"""What a run shows in TensorBoard beside its curves."""

from typing import Any

import numpy as np
import yaml

from tfdomain.config import Experiment
from tfdomain.evaluation.figures import confusion_matrix_png
from tfdomain.evaluation.report import report_text
from tfdomain.models.base import TextModel
from tfdomain.training.board import TensorBoardLogger

__all__ = ["log_results", "log_start"]


def log_start(board: TensorBoardLogger, model: TextModel, experiment: Experiment) -> None:
    """Logs the resolved experiment as text."""
    text = yaml.safe_dump(experiment.model_dump(mode="json"), sort_keys=False, allow_unicode=True)
    board.log_text("config", f"```yaml\n{text}```")


def log_results(
    board: TensorBoardLogger,
    name: str,
    metrics: dict[str, Any],
    labels: np.ndarray,
    predictions: np.ndarray,
    label_names: list[str],
    *,
    step: int,
) -> None:
    """Logs the report, the confusion matrix and the precision-recall curves of one part of the data."""
    board.log_text(f"{name}/report", f"```\n{report_text(metrics, title=name.capitalize(), width=100)}\n```", step)
    picture = confusion_matrix_png(np.asarray(metrics["confusion_matrix"]), label_names)
    board.log_image(f"{name}/confusion_matrix", picture, step)
    board.log_pr_curves(labels, predictions, label_names, step)
