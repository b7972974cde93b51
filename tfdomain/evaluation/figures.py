"""Pictures of results, as PNG bytes: drawn off screen and without matplotlib's global state."""

import io
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure

from tfdomain.errors import InputError
from tfdomain.fonts import drawable_name, font_families

__all__ = ["confusion_matrix_png", "new_figure", "png_of"]

MAX_CLASSES_WITH_COUNTS = 25
MAX_CLASSES_WITH_NAMES = 120
_SHARES = (0.0, 0.02, 0.1, 0.25, 0.5, 0.75, 1.0)


def confusion_matrix_png(matrix: Any, label_names: Sequence[str]) -> bytes:
    """Draws a confusion matrix; the colour is the share of the true class.

    The colour scale is a square root, so that rare confusions show. Up to 25 classes every cell has
    its count; up to 120 every class has its name. A name with a character that no installed font
    can draw is replaced by its number, `#3` for the fourth.

    Args:
        matrix: float or int `[classes, classes]`; rows are true, columns predicted.
        label_names: The names of the classes, in the matrix' order.

    Returns:
        A PNG file's bytes, at most about 2,000 pixels a side.

    Raises:
        InputError: The matrix is not square or has another number of classes than names.
    """
    counts = np.asarray(matrix, "float64")
    if counts.shape != (len(label_names), len(label_names)) or not len(label_names):
        problem = f"the confusion matrix has the shape {counts.shape} and there are {len(label_names)} label names"
        raise InputError(problem, mend="give one row, one column and one name for each class")
    totals = counts.sum(axis=1, keepdims=True)
    shares = np.divide(counts, totals, out=np.zeros_like(counts), where=totals > 0)
    figure, axes = _square_axes(len(label_names))
    # The colour grows with the root of the share: a confusion of 2% must be seen beside a diagonal of 90%.
    picture = axes.imshow(shares, cmap="Blues", norm=PowerNorm(0.5, vmin=0, vmax=1), interpolation="nearest")
    bar = figure.colorbar(picture, ax=axes, fraction=0.046, pad=0.02)
    bar.set_label("share of the true class")
    bar.set_ticks(_SHARES, labels=[f"{share:.0%}" for share in _SHARES])
    axes.set_xlabel("predicted")
    axes.set_ylabel("true")
    _write_names(axes, label_names)
    if len(label_names) <= MAX_CLASSES_WITH_COUNTS:
        _write_counts(axes, counts, shares)
    return png_of(figure)


def new_figure(width: float, height: float) -> Figure:
    """An empty figure of so many inches, off screen."""
    figure = Figure(figsize=(width, height), dpi=110)
    FigureCanvasAgg(figure)
    return figure


def png_of(figure: Figure) -> bytes:
    """The figure as a PNG file's bytes, without its empty margins."""
    image = io.BytesIO()
    figure.savefig(image, format="png", bbox_inches="tight", pad_inches=0.15)
    return image.getvalue()


def _square_axes(num_classes: int) -> tuple[Figure, Any]:
    # Beyond 25 classes the cells stay large enough for a 6-point name: 77 classes take 16 inches.
    inches = float(np.clip(4 + 0.4 * min(num_classes, 25) + 0.04 * max(num_classes - 25, 0), 5, 16))
    if num_classes > MAX_CLASSES_WITH_COUNTS:
        inches = float(np.clip(6 + 0.13 * num_classes, 12, 18))
    figure = new_figure(inches + 1, inches)
    return figure, figure.add_subplot()


def _write_names(axes: Any, label_names: Sequence[str]) -> None:
    if len(label_names) > MAX_CLASSES_WITH_NAMES:
        axes.set_xlabel("predicted (number of the class)")
        axes.set_ylabel("true (number of the class)")
        return
    places = np.arange(len(label_names))
    size = 10 if len(label_names) <= 12 else 8 if len(label_names) <= MAX_CLASSES_WITH_COUNTS else 6.5
    names = [drawable_name(str(name), index) for index, name in enumerate(label_names)]
    upright = len(label_names) <= 6 and max(map(len, names)) <= 12
    axes.set_xticks(places, names, rotation=0 if upright else 90)
    axes.set_yticks(places, names)
    for label in [*axes.get_xticklabels(), *axes.get_yticklabels()]:
        label.set(fontsize=size, fontfamily=font_families(), parse_math=False)


def _write_counts(axes: Any, counts: np.ndarray, shares: np.ndarray) -> None:
    size = 11 if len(counts) <= 8 else 8 if len(counts) <= 16 else 6.5
    for row, column in np.ndindex(counts.shape):
        count = float(counts[row, column])
        if count:
            text = f"{count:,.0f}" if count.is_integer() else f"{count:.3g}"
            colour = "white" if shares[row, column] > 0.3 else "black"
            axes.text(column, row, text, ha="center", va="center", fontsize=size, color=colour)
