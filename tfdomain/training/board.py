"""What TensorBoard shows of a run: scalars, texts, the graph, pictures, PR curves, histograms."""

import os
import re
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.compat.proto.tensor_pb2 import TensorProto
from tensorboard.compat.proto.tensor_shape_pb2 import TensorShapeProto
from tensorboard.compat.proto.types_pb2 import DT_STRING
from tensorboard.plugins.custom_scalar import layout_pb2
from tensorboard.plugins.custom_scalar import summary as custom_scalar_summary
from tensorboard.plugins.histogram import metadata as histogram_metadata
from tensorboard.plugins.pr_curve import summary as pr_curve_summary
from tensorboard.plugins.text import metadata as text_metadata
from tensorboard.util.tensor_util import make_tensor_proto

from tfdomain.errors import InputError
from tfdomain.training.events import EventWriter, values_of
from tfdomain.training.throughput import memory_figures

__all__ = ["TensorBoardLogger"]

MAX_PR_CURVES = 100
# Every step is logged until here: a short run has few steps, and the first ones tell the most.
_NUM_FIRST_STEPS = 100
# A vocabulary stands in the graph as a constant; the picture needs the node, not its megabytes.
_MAX_CONSTANT_BYTES = 1024


class TensorBoardLogger(keras.callbacks.Callback):
    """Logs a run for TensorBoard, as a callback of `fit` and through its own methods.

    Every number in a batch's logs becomes the scalar `train_step/<name>`, and so does the memory; in an epoch's logs
    `epoch/<name>`, and `validation/<name>` where the name begins with `val_`. All of them stand over
    the global step, so that the charts share one axis. The custom scalars tab shows each metric of
    training and validation in one chart. The files are safe to resume, see `EventWriter`.

    Args:
        folder: Where the event files go; created with the first record.
        every: After the first 100 steps, log every so many steps.

    Raises:
        InputError: `every` is less than 1.

    Example:
        >>> board = TensorBoardLogger("runs/demo/tensorboard")  # doctest: +SKIP
        >>> board.log_text("config", "```yaml\\nepochs: 5\\n```")  # doctest: +SKIP
        >>> model.fit(texts, labels, callbacks=[board])  # doctest: +SKIP
        >>> board.close()  # doctest: +SKIP
    """

    def __init__(self, folder: str | os.PathLike, *, every: int = 10):
        if every < 1:
            raise InputError(f"every is {every}", mend="log every 1 or more steps")
        super().__init__()
        self.every, self.folder = every, Path(folder)
        self._writer = EventWriter(folder)
        self._has_layout = False

    def on_train_begin(self, logs: Mapping[str, Any] | None = None) -> None:
        """Opens the event file at the model's step."""
        self._writer.begin(self._step())

    def on_train_batch_end(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Logs a batch's numbers."""
        step = self._step()
        if step <= _NUM_FIRST_STEPS or step % self.every == 0:
            figures = dict(logs or {}) | memory_figures()
            self.log_scalars({f"train_step/{name}": value for name, value in figures.items()}, step)

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Logs an epoch's numbers."""
        scalars = {
            f"validation/{name[4:]}" if name.startswith("val_") else f"epoch/{name}": value
            for name, value in (logs or {}).items()
        }
        if not self._has_layout:
            self._has_layout = True
            self._writer.write(0, values_of(_layout(scalars)))
        self.log_scalars(scalars, self._step())

    def log_text(self, name: str, markdown: str, step: int = 0) -> None:
        """Shows text in the TEXT tab; a config goes in as a fenced block of YAML."""
        metadata = text_metadata.create_summary_metadata(display_name=name, description="")
        tensor = TensorProto(dtype=DT_STRING, string_val=[markdown.encode()], tensor_shape=TensorShapeProto())
        self._writer.write(step, [Summary.Value(tag=name, tensor=tensor, metadata=metadata)])

    def log_graph(self, function: tf.types.experimental.ConcreteFunction) -> None:
        """Shows a concrete function, such as the traced train step, in the GRAPHS tab."""
        graph = function.graph.as_graph_def(add_shapes=True)
        for nodes in [graph.node, *(function.node_def for function in graph.library.function)]:
            for node in nodes:
                if node.op == "Const" and node.attr["value"].ByteSize() > _MAX_CONSTANT_BYTES:
                    value = node.attr["value"].tensor
                    node.attr["value"].tensor.CopyFrom(type(value)(dtype=value.dtype, tensor_shape=value.tensor_shape))
        self._writer.write_graph(graph)

    def log_image(self, name: str, png: bytes, step: int) -> None:
        """Shows a picture in the IMAGES tab.

        Args:
            name: Its tag.
            png: A PNG file's bytes.
            step: The global step.

        Raises:
            InputError: The bytes are not a PNG file.
        """
        if png[:8] != b"\x89PNG\r\n\x1a\n" or len(png) < 24:
            raise InputError("the picture is not a PNG file", where=name)
        width, height = struct.unpack(">II", png[16:24])
        image = Summary.Image(width=width, height=height, colorspace=4, encoded_image_string=png)
        self._writer.write(step, [Summary.Value(tag=name, image=image)])

    def log_pr_curves(
        self,
        labels: np.ndarray,
        probabilities: np.ndarray,
        label_names: Sequence[str],
        step: int,
        *,
        group: str = "pr_curve",
    ) -> None:
        """Shows each class's precision over recall, against the rest, in the PR CURVES tab.

        A class that does not occur in the labels has no curve. Of more than 100 classes the 100 with
        the most examples are shown, and each curve's description says so.

        Args:
            labels: int `[n]`, the true classes; or of several labels a row `[n, classes]` of 0 and 1.
            probabilities: float `[n, classes]`.
            label_names: The names of the classes.
            step: The global step.
            group: What the tags begin with: the part of the data, where several are judged.
        """
        labels = np.asarray(labels)
        several = labels.ndim == 2
        probabilities = np.clip(np.asarray(probabilities, "float32"), 0, 1)
        support = labels.astype("int64").sum(axis=0) if several else np.bincount(labels, minlength=len(label_names))
        occurring = np.flatnonzero(support)
        chosen = sorted(occurring[np.argsort(-support[occurring], kind="stable")][:MAX_PR_CURVES])
        note = ""
        if len(chosen) < len(occurring):
            note = f"The {len(chosen)} classes with the most examples, of {len(occurring)}."
        for index in chosen:
            curve = pr_curve_summary.pb(
                f"{group}/{label_names[index]}",
                labels=labels[:, index] > 0 if several else labels == index,
                predictions=probabilities[:, index],
                display_name=label_names[index],
                description=f"{note} {support[index]} examples of this class.".strip(),
            )
            self._writer.write(step, values_of(curve))

    def log_scalars(self, scalars: Mapping[str, Any], step: int) -> None:
        """Shows the plain numbers among some values, by tag."""
        values = [
            Summary.Value(tag=tag, simple_value=float(value)) for tag, value in scalars.items() if _is_number(value)
        ]
        if values:
            self._writer.write(step, values)

    def log_histograms(self, histograms: Mapping[str, tuple[np.ndarray, np.ndarray]], step: int) -> None:
        """Shows how values are distributed, by tag.

        Args:
            histograms: What `numpy.histogram` gives: counts `[n]` and edges `[n + 1]`.
            step: The global step.
        """
        metadata = histogram_metadata.create_summary_metadata(display_name=None, description=None)
        values = []
        for tag, (counts, edges) in histograms.items():
            buckets = np.stack([edges[:-1], edges[1:], counts], axis=1).astype("float64")
            values.append(Summary.Value(tag=tag, tensor=make_tensor_proto(buckets), metadata=metadata))
        self._writer.write(step, values)

    def close(self) -> None:
        """Writes what was logged outside of a training and closes the event file."""
        self._writer.close()

    def _step(self) -> int:
        return int(getattr(self.model, "step", 0))


def _layout(scalars: Mapping[str, Any]) -> Any:
    names = dict.fromkeys(tag.partition("/")[2] for tag, value in scalars.items() if _is_number(value))
    charts = []
    for name in names:
        lines = [f"^epoch/{re.escape(name)}$", f"^validation/{re.escape(name)}$"]
        charts.append(layout_pb2.Chart(title=name, multiline=layout_pb2.MultilineChartContent(tag=lines)))
    category = layout_pb2.Category(title="training and validation", chart=charts)
    return custom_scalar_summary.pb(layout_pb2.Layout(category=[category]))


def _is_number(value: Any) -> bool:
    return np.ndim(value) == 0 and not isinstance(value, str | bytes | bool) and value is not None
