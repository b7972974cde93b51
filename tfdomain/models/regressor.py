"""Numbers of a text, or of a pair of texts."""

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
import pyarrow as pa
import tensorflow as tf

from tfdomain.config import FitOptions
from tfdomain.data.targets import target_scale, target_values
from tfdomain.encoders.encoder import Encoder
from tfdomain.encoders.tokenizer import Tokenizer
from tfdomain.errors import InputError
from tfdomain.metrics.regression import regression_metrics
from tfdomain.models.pooled import PooledModel
from tfdomain.optimization.loop import EpochSource

__all__ = ["TextRegressor"]


@keras.saving.register_keras_serializable("tfdomain")
class TextRegressor(PooledModel):
    """Gives one or several numbers for a text.

    The head learns targets of mean 0 and standard deviation 1, whatever their unit; everything that
    people give and get is in the targets' own unit.

    Args:
        encoder: Turns tokens into vectors.
        tokenizer: Turns text into tokens.
        targets: The names of the numbers, at least one, in their order.
        means: The mean of each target; None: the first `fit` takes those of its labels.
        deviations: The standard deviation of each target, above 0; given with `means`.
        **kwargs: What every `PooledModel` takes: `pooling`, `max_length`, `pairs`, `seed`.

    Example:
        >>> model = TextRegressor.from_pretrained(folder, targets=["stars"])
        >>> history = model.fit(texts, [4.5, 1.0], epochs=3)
        >>> model.predict(["fast and friendly"]).shape
        (1, 1)
    """

    task = "regression"
    headline = ("spearman", "pearson", "mae")
    loss_metric = "mse"
    unused_options = ("class_weights", "label_smoothing")

    def __init__(
        self,
        encoder: Encoder,
        tokenizer: Tokenizer,
        *,
        targets: Sequence[str] = ("value",),
        means: Sequence[float] | None = None,
        deviations: Sequence[float] | None = None,
        **kwargs: Any,
    ):
        names = [str(name) for name in targets]
        if isinstance(targets, str) or not names or len(set(names)) < len(names):
            raise InputError(f"targets are {targets!r}", mend="give a list of at least one name, each once")
        for key, scale in {"means": means, "deviations": deviations}.items():
            if (scale is None) != (means is None) or (scale is not None and len(scale) != len(names)):
                raise InputError(f"is {scale} for {len(names)} targets", where=key, mend="give a number for each")
        if deviations is not None and not all(0 < deviation < np.inf for deviation in deviations):
            raise InputError(f"are {list(deviations)}", where="deviations", mend="give finite numbers above 0")
        super().__init__(encoder, tokenizer, num_outputs=len(names), **kwargs)
        self.targets = names
        self.means = None if means is None else list(means)
        self.deviations = None if deviations is None else list(deviations)
        self.build_head()

    def activate(self, outputs):
        """The targets in their own unit."""
        means, deviations = self._scale()
        return outputs * deviations + means

    def example_losses(self, batch, outputs):
        """The mean over the targets of the squared error, with each target's deviation for its unit."""
        means, deviations = self._scale()
        true = tf.reshape(tf.cast(batch["labels"], tf.float32), tf.shape(outputs))
        return tf.reduce_mean(tf.square(outputs - (true - means) / deviations), axis=-1)

    def training_batches(self, x: Any, labels: np.ndarray | None, *, options: FitOptions, **more: Any) -> EpochSource:
        """The batches that `fit` trains on; the first training takes its targets' scale from them.

        Raises:
            InputError: As for every model, or a target is the same in every row.
        """
        source = super().training_batches(x, labels, options=options, **more)
        if self.means is None:
            rows = more.get("rows")
            seen = _labels_of(x, len(self.targets)) if labels is None else labels if rows is None else labels[rows]
            scale = target_scale(seen, self.targets)
            self.means, self.deviations = scale["means"], scale["deviations"]
            # It was compiled with the scale of before.
            self._predict_function = None
        return source

    def encode_labels(self, labels: Any) -> np.ndarray:
        """The numbers, float32 `[n, targets]`.

        Args:
            labels: Numbers `[n]` (of one target) or `[n, targets]`, or columns by the targets' names: a
                dictionary or a DataFrame.

        Raises:
            InputError: A label is missing or no finite number, or there are not as many as targets.
        """
        if isinstance(labels, Mapping) or hasattr(labels, "columns"):
            missing = [name for name in self.targets if name not in labels]
            if missing:
                mend = f"give columns for {', '.join(self.targets)}"
                raise InputError(f"there is no column {missing[0]!r}", where="y", mend=mend)
            columns = [labels[name] for name in self.targets]
        else:
            columns = _columns(labels, len(self.targets))
        return target_values(columns, self.targets, where=lambda row: f"y[{row}]").values

    def blank_predictions(self, num_rows: int) -> np.ndarray:
        """Numbers that rise from row to row: correlations need some that differ."""
        return np.tile(np.arange(num_rows, dtype="float32")[:, np.newaxis], len(self.targets))

    def measure(self, truth: Any, predictions: Any, sample_weight: np.ndarray | None = None) -> dict[str, Any]:
        """The metrics of `tfdomain.metrics.regression`."""
        return regression_metrics(truth, predictions, self.targets, sample_weight)

    def held_out_figures(self, metrics: Mapping[str, Any]) -> dict[str, float]:
        """As for every model, with the `loss` in the unit of training's: deviations, not the targets' own."""
        figures = super().held_out_figures(metrics)
        if self.uses_task_loss and "loss" in figures:
            errors = [metrics["per_target"][name]["mse"] for name in self.targets]
            figures["loss"] = float(np.mean(errors / np.square(self.deviations or [1.0] * len(errors))))
        return figures

    def answers(self, predictions: np.ndarray) -> list[dict[str, Any]]:
        """For each row its `value`; of several targets `values`, each by its name."""
        if len(self.targets) == 1:
            return [{"value": value} for (value,) in predictions.tolist()]
        return [{"values": dict(zip(self.targets, values, strict=True))} for values in predictions.tolist()]

    def answer_types(self) -> dict[str, pa.DataType]:
        """`value` is a float; `values` a struct with a float for each target."""
        if len(self.targets) == 1:
            return {"value": pa.float32()}
        return {"values": pa.struct([pa.field(name, pa.float32()) for name in self.targets])}

    # What the model's folder and its SavedModel are made of.

    def settings(self) -> dict[str, Any]:
        """The constructor's arguments but the encoder and the tokenizer, as JSON values."""
        return {"targets": self.targets, "means": self.means, "deviations": self.deviations, **super().settings()}

    def transformers_form(self) -> dict[str, Any] | None:
        """The head as a `BertForSequenceClassification` that gives the targets in their own unit.

        The scale is folded into the weights that transformers reads. Unfolding them would round, so
        the head as it was trained stands beside them.
        """
        form = self.classification_form(
            {
                "id2label": {str(number): name for number, name in enumerate(self.targets)},
                "label2id": {name: number for number, name in enumerate(self.targets)},
                "problem_type": "regression",
            }
        )
        if form is not None:
            means, deviations = (part.numpy() for part in self._scale())
            tensors = form["tensors"]
            folded = {
                "classifier.weight": tensors["classifier.weight"] * deviations[:, np.newaxis],
                "classifier.bias": tensors["classifier.bias"] * deviations + means,
            }
            form["tensors"] = folded | self.head_tensors()
        return form

    def serve(self, batch, columns) -> dict[str, tf.Tensor]:
        """The answer of the exported `serving_default` signature to a token batch and its raw columns.

        Returns:
            `values` float32 `[batch, targets]` and, of one target, `value` float32 `[batch]`.
        """
        values = self(batch, training=False)
        return {"values": values} | ({"value": values[:, 0]} if len(self.targets) == 1 else {})

    def _scale(self) -> tuple[tf.Tensor, tf.Tensor]:
        """The targets' means and standard deviations, float32 `[targets]` each."""
        unscaled = [0.0] * len(self.targets), [1.0] * len(self.targets)
        means, deviations = unscaled if self.means is None else (self.means, self.deviations)
        return tf.constant(means, tf.float32), tf.constant(deviations, tf.float32)


def _columns(labels: Any, num_targets: int) -> list[Any]:
    if isinstance(labels, tf.Tensor):
        labels = labels.numpy()
    try:
        values = np.asarray(labels)
    except ValueError:
        raise InputError("labels of several lengths", where="y", mend="give as many numbers for each text") from None
    columns = [values] if values.ndim == 1 else list(values.T) if values.ndim == 2 else []
    if len(columns) != num_targets:
        expected = "[n] or [n, 1]" if num_targets == 1 else f"[n, {num_targets}]"
        raise InputError(f"labels of the shape {list(values.shape)}, not {expected}", where="y", mend="reshape them")
    return columns


def _labels_of(dataset: tf.data.Dataset, num_targets: int) -> np.ndarray:
    """The labels of a data set that has some, float32 `[n, targets]`; its texts are not tokenized for it."""
    alone = dataset.map(lambda *parts: parts[1] if len(parts) > 1 else parts[0]["labels"])
    labels = np.concatenate([np.ravel(part.numpy()) for part in alone]).reshape(-1, num_targets)
    if not np.isfinite(labels).all():
        problem = "labels that are no finite numbers"
        raise InputError(problem, where="the data set", mend="leave such examples out")
    return labels
