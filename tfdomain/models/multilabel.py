"""Any number of labels a text, or a pair of texts."""

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
import pyarrow as pa
import tensorflow as tf

from tfdomain.config import FitOptions
from tfdomain.data.label_sets import label_set_ids
from tfdomain.encoders.encoder import Encoder
from tfdomain.encoders.tokenizer import Tokenizer
from tfdomain.errors import InputError
from tfdomain.metrics.multilabel import multilabel_metrics
from tfdomain.metrics.thresholds import Threshold, choose_thresholds, thresholded_metrics
from tfdomain.models.label_names import check_weighed, checked_names
from tfdomain.models.thresholded import ThresholdedModel, check_threshold

__all__ = ["MultiLabelClassifier"]


@keras.saving.register_keras_serializable("tfdomain")
class MultiLabelClassifier(ThresholdedModel):
    """Gives a text any number of labels, also none; each has a probability of its own.

    Args:
        encoder: Turns tokens into vectors.
        tokenizer: Turns text into tokens.
        labels: The names of the labels, in the order of the scores; each one line.
        threshold: The probability from which on a label is given: a number for all or `{label: number}`; None: 0.5.
        **kwargs: What every `ThresholdedModel` takes: `threshold_by`, `pooling`, `max_length`, `pairs`, `seed`.

    Example:
        >>> model = MultiLabelClassifier.from_pretrained(folder, labels=["fees", "fraud"])
        >>> history = model.fit(texts, [["fees"], [], ["fees", "fraud"]], epochs=3)
        >>> model.predict(["They charged me twice"]).shape
        (1, 2)
    """

    task = "multilabel"
    headline = ("micro_f1", "macro_f1", "mean_average_precision")
    loss_metric = "log_loss"
    labels: list[str]

    def __init__(
        self,
        encoder: Encoder,
        tokenizer: Tokenizer,
        *,
        labels: Sequence[str],
        threshold: float | Mapping[str, float] | None = None,
        **kwargs: Any,
    ):
        names = checked_names(labels, least=1)
        if isinstance(threshold, Mapping):
            if set(threshold) != set(names):
                problem = f"threshold is of {sorted(threshold)}, and the labels are {names}"
                raise InputError(problem, mend="give one for each label")
            threshold = {name: check_threshold(threshold[name]) for name in names}
        elif threshold is not None:
            threshold = check_threshold(threshold)
        super().__init__(encoder, tokenizer, num_outputs=len(names), threshold=threshold, **kwargs)
        self.labels = names
        self.build_head()

    @property
    def thresholds(self) -> np.ndarray:
        """Each label's threshold, float32 `[labels]`."""
        if isinstance(self.threshold, Mapping):
            return np.array([self.threshold[name] for name in self.labels], "float32")
        return np.full(len(self.labels), 0.5 if self.threshold is None else self.threshold, "float32")

    def activate(self, outputs):
        """Probabilities of the labels, each on its own."""
        return tf.sigmoid(outputs)

    def classify(self, x: Any, *, batch_size: int = 64) -> list[dict[str, float]]:
        """The labels that each text is given, the most probable first, with their probabilities."""
        rows = self.answers(self.predict(x, batch_size=batch_size))
        return [
            {name: row["scores"][name] for name in sorted(row["labels"], key=row["scores"].get, reverse=True)}
            for row in rows
        ]

    def example_losses(self, batch, outputs):
        """The binary cross-entropy of each example, the mean over its labels, as PyTorch's `BCEWithLogitsLoss` has it.

        `label_smoothing` moves each target by half of it towards the other; `class_weights` weigh a
        label's cells where it is true, as that loss's `pos_weight`.
        """
        smoothing, weights = self.options.label_smoothing, self.options.class_weights
        true = tf.cast(batch["labels"], tf.float32)
        targets = true * (1 - smoothing) + smoothing / 2
        losses = tf.nn.sigmoid_cross_entropy_with_logits(targets, outputs)
        if isinstance(weights, dict):
            positive = tf.constant([weights.get(name, 1.0) for name in self.labels])
            losses *= tf.where(true > 0, positive, 1.0)
        return tf.reduce_mean(losses, axis=-1)

    def example_weights(
        self, labels: np.ndarray, options: FitOptions, rows: np.ndarray | None = None
    ) -> np.ndarray | None:
        """None: `class_weights` are of cells and not of examples; refuses those that mean nothing."""
        chosen = options.class_weights
        if chosen == "balanced":
            problem = "balanced is of examples with one label each"
            raise InputError(problem, where="training.class_weights", mend="give a weight by label, such as {fraud: 5}")
        check_weighed(chosen or {}, self.labels)
        return None

    def encode_labels(self, labels: Any) -> np.ndarray:
        """Which labels each row has, float32 `[n, labels]` of 0 and 1.

        Args:
            labels: A list of names a row; strings as `tfdomain.data.label_sets` reads them; an array `[n, labels]`
                of 0 and 1; or a dictionary or DataFrame of such indicator columns by label.

        Raises:
            InputError: A label is none of the model's, or the shape or a value is wrong.
        """
        if isinstance(labels, tf.Tensor):
            labels = labels.numpy()
        if hasattr(labels, "columns"):
            labels = {name: labels[name] for name in labels.columns}
        if not isinstance(labels, np.ndarray) or labels.ndim == 1:
            return label_set_ids(labels, self.labels, where=lambda row: f"y[{row}]").astype("float32")
        if labels.shape[1:] != (len(self.labels),):
            mend = f"give a column for each of the {len(self.labels)} labels"
            raise InputError(f"labels of the shape {list(labels.shape)}", where="y", mend=mend)
        wrong = np.argwhere((labels != 0) & (labels != 1))
        if len(wrong):
            row, column = wrong[0]
            where = f"y[{row}, {column}]"
            raise InputError(
                f"is {labels[row, column]}", where=where, mend="give 1 where the row has the label, else 0"
            )
        return labels.astype("float32")

    def blank_predictions(self, num_rows: int) -> np.ndarray:
        """One half for every label."""
        return np.full((num_rows, len(self.labels)), 0.5, "float32")

    def measure(self, truth: Any, predictions: Any, sample_weight: np.ndarray | None = None) -> dict[str, Any]:
        """The metrics of `tfdomain.metrics.multilabel`; an example's mean `cost` where thresholds are by costs."""
        truth = np.asarray(truth)
        metrics = multilabel_metrics(truth, predictions, self.labels, self.thresholds, sample_weight)
        if self.costs is None:
            return metrics
        columns = zip(truth.T, predictions.T, self.thresholds, strict=True)
        by_label = [thresholded_metrics(*each, costs=self.costs, sample_weight=sample_weight) for each in columns]
        costs = [each["cost"] for each in by_label]
        return metrics | {"cost": None if None in costs else float(np.sum(costs))}

    def choose(self, truth: np.ndarray, predictions: np.ndarray) -> dict[str, Threshold]:
        """Chooses each label's threshold on its own."""
        chosen = choose_thresholds(truth, predictions, **(self.threshold_by or {}))
        by_label = dict(zip(self.labels, chosen, strict=True))
        self.threshold = {name: threshold.value for name, threshold in by_label.items()}
        return by_label

    def answers(self, predictions: np.ndarray) -> list[dict[str, Any]]:
        """For each row the `labels` that it is given, in the model's order, and every probability in `scores`."""
        given = predictions >= self.thresholds
        return [
            {
                "labels": [name for name, is_given in zip(self.labels, row, strict=True) if is_given],
                "scores": dict(zip(self.labels, scores, strict=True)),
            }
            for row, scores in zip(given, predictions.tolist(), strict=True)
        ]

    def answer_types(self) -> dict[str, pa.DataType]:
        """`labels` is a list of strings, `scores` a struct with a float for each label."""
        scores = pa.struct([pa.field(name, pa.float32()) for name in self.labels])
        return {"labels": pa.list_(pa.string()), "scores": scores}

    # What the model's folder and its SavedModel are made of.

    def settings(self) -> dict[str, Any]:
        """The constructor's arguments but the encoder and the tokenizer, as JSON values."""
        return {"labels": self.labels, **super().settings()}

    def transformers_form(self) -> dict[str, Any] | None:
        """The head as a `BertForSequenceClassification` of several labels; None where it is no such."""
        return self.classification_form(
            {
                "id2label": {str(number): name for number, name in enumerate(self.labels)},
                "label2id": {name: number for number, name in enumerate(self.labels)},
                "problem_type": "multi_label_classification",
            }
        )

    def serve(self, batch, columns) -> dict[str, tf.Tensor]:
        """The answer of the exported `serving_default` signature to a token batch and its raw columns.

        Returns:
            `labels` string `[batch, labels]`, the given ones first and "" after them; `count` int32
            `[batch]`, how many are given; `scores` float32 `[batch, labels]`, in the order of `labels.txt`.
        """
        scores = self(batch, training=False)
        given = scores >= tf.constant(self.thresholds)
        # A stable sort puts the given ones first and leaves their order.
        order = tf.argsort(tf.cast(given, tf.int32), axis=-1, direction="DESCENDING", stable=True)
        names = tf.where(given, tf.constant(self.labels), "")
        return {
            "labels": tf.gather(names, order, batch_dims=1),
            "count": tf.reduce_sum(tf.cast(given, tf.int32), axis=-1),
            "scores": scores,
        }
