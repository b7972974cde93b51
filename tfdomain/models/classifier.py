"""One label a text, or a pair of texts."""

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
import pyarrow as pa
import tensorflow as tf

from tfdomain.config import FitOptions
from tfdomain.data.labels import label_ids
from tfdomain.encoders.encoder import Encoder
from tfdomain.encoders.tokenizer import Tokenizer
from tfdomain.errors import InputError
from tfdomain.metrics.classification import classification_metrics
from tfdomain.metrics.thresholds import Threshold, choose_threshold, thresholded_metrics
from tfdomain.models.datasets import are_numbers
from tfdomain.models.label_names import check_weighed, checked_names
from tfdomain.models.thresholded import ThresholdedModel, check_threshold

__all__ = ["TextClassifier"]


@keras.saving.register_keras_serializable("tfdomain")
class TextClassifier(ThresholdedModel):
    """Chooses one of several labels for a text: the most probable, or of two labels one from a threshold on.

    Args:
        encoder: Turns tokens into vectors.
        tokenizer: Turns text into tokens.
        labels: The names of the classes, at least two, in the order of the scores; each one line.
        threshold: Of two labels, the probability from which on the `positive` one is given; None: the more
            probable one is.
        positive: The label that the threshold is of; None: the second.
        **kwargs: What every `ThresholdedModel` takes: `threshold_by`, `pooling`, `max_length`, `pairs`, `seed`.

    Example:
        >>> model = TextClassifier.from_pretrained(folder, labels=["default", "repaid"])
        >>> history = model.fit(texts, labels, epochs=3)
        >>> model.predict(["I lost my job"]).shape
        (1, 2)
    """

    task = "classification"
    headline = ("accuracy", "macro_f1", "roc_auc")
    loss_metric = "log_loss"
    labels: list[str]

    def __init__(
        self,
        encoder: Encoder,
        tokenizer: Tokenizer,
        *,
        labels: Sequence[str],
        threshold: float | None = None,
        threshold_by: Mapping[str, Any] | None = None,
        positive: str | None = None,
        **kwargs: Any,
    ):
        names = checked_names(labels, least=2)
        if len(names) > 2 and any(each is not None for each in (threshold, threshold_by, positive)):
            problem = f"a threshold divides two labels, and there are {len(names)}"
            raise InputError(problem, where="model", mend="leave threshold and positive out, or use task: multilabel")
        if positive is not None and positive not in names:
            raise InputError(f"positive is {positive!r}", where="model.positive", mend=f"choose one of {names}")
        threshold = None if threshold is None else check_threshold(threshold)
        shared: dict[str, Any] = {"threshold": threshold, "threshold_by": threshold_by}
        super().__init__(encoder, tokenizer, num_outputs=len(names), **shared, **kwargs)
        self.labels, self.positive = names, positive
        self.build_head()

    def activate(self, outputs):
        """Probabilities of the classes, which sum to 1."""
        return tf.nn.softmax(outputs)

    def classify(self, x: Any, *, batch_size: int = 64) -> list[dict[str, Any]]:
        """The label that each text is given and its probability: `{"label": str, "score": float}`."""
        answers = self.answers(self.predict(x, batch_size=batch_size))
        return [{"label": answer["label"], "score": answer["score"]} for answer in answers]

    def example_losses(self, batch, outputs):
        """Cross-entropy of each example, smoothed by the training's `label_smoothing`."""
        smoothing = self.options.label_smoothing
        log_probabilities = tf.nn.log_softmax(outputs)
        true = tf.gather(log_probabilities, tf.cast(batch["labels"], tf.int32), batch_dims=1)
        return -(1 - smoothing) * true - smoothing * tf.reduce_mean(log_probabilities, axis=-1)

    def encode_labels(self, labels: Any) -> np.ndarray:
        """Class numbers, int32 `[n]`, of labels given by name or already as class numbers.

        Whole numbers are class numbers, from 0, unless the classes are named by whole numbers:
        then they are those names.

        Raises:
            InputError: A label is none of the model's.
        """
        if isinstance(labels, (str, bytes)):
            raise InputError("one label where a list is expected", where="y", mend="wrap it: [label]")
        if isinstance(labels, tf.Tensor):
            labels = labels.numpy()
        try:
            values = np.asarray(labels)
        except ValueError:
            raise InputError("labels of several lengths", where="y", mend="give one label a text") from None
        if values.ndim != 1:
            raise InputError(f"labels of the shape {list(values.shape)}", where="y", mend="give one label a text")
        if values.dtype.kind not in "iu" or are_numbers(self.labels):
            return label_ids(labels, self.labels, where=lambda row: f"y[{row}]")
        beyond = np.flatnonzero((values < 0) | (values >= len(self.labels)))
        if len(beyond):
            raise InputError(
                f"there is no class {values[beyond[0]]}",
                where=f"y[{beyond[0]}]",
                mend=f"the model has {len(self.labels)} classes, numbered from 0",
            )
        return values.astype("int32")

    def example_weights(
        self, labels: np.ndarray, options: FitOptions, rows: np.ndarray | None = None
    ) -> np.ndarray | None:
        """The weight of each example's class, float32 `[n]`; `balanced` weighs classes alike in sum."""
        chosen = options.class_weights
        if chosen is None:
            return None
        if chosen == "balanced":
            counted = labels if rows is None else labels[rows]
            counts = np.bincount(counted, minlength=len(self.labels))
            weights = len(counted) / (len(self.labels) * np.maximum(counts, 1))
        else:
            check_weighed(chosen, self.labels)
            weights = np.array([chosen.get(name, 1.0) for name in self.labels])
        return weights.astype("float32")[labels]

    def blank_predictions(self, num_rows: int) -> np.ndarray:
        """The same probability for every class."""
        return np.full((num_rows, len(self.labels)), 1 / len(self.labels), "float32")

    def measure(self, truth: Any, predictions: Any, sample_weight: np.ndarray | None = None) -> dict[str, Any]:
        """The metrics of `tfdomain.metrics.classification`, and the `threshold` and mean `cost` if there are such."""
        given = self.given(predictions)
        metrics = classification_metrics(truth, predictions, self.labels, sample_weight, predicted=given)
        if self.threshold is not None:
            metrics["threshold"] = self.threshold
        if self.costs is not None:
            is_positive, is_given = (np.asarray(classes) == self.positive_class for classes in (truth, given))
            judged = thresholded_metrics(is_positive, is_given, 0.5, costs=self.costs, sample_weight=sample_weight)
            metrics["cost"] = judged["cost"]
        return metrics

    @property
    def positive_class(self) -> int:
        """The number of the class that a threshold is of."""
        return 1 if self.positive is None else self.labels.index(self.positive)

    def given(self, predictions: np.ndarray) -> np.ndarray:
        """The class that each row is given, int64 `[n]`."""
        if self.threshold is None:
            return predictions.argmax(axis=-1)
        is_positive = predictions[:, self.positive_class] >= np.float32(self.threshold)
        return np.where(is_positive, self.positive_class, 1 - self.positive_class)

    def choose(self, truth: np.ndarray, predictions: np.ndarray) -> dict[str, Threshold]:
        """Chooses the threshold of the positive label.

        Raises:
            InputError: There are more than two labels.
        """
        if len(self.labels) > 2:
            problem = f"a threshold divides two labels, and there are {len(self.labels)}"
            raise InputError(problem, mend="use a MultiLabelClassifier")
        scores = predictions[:, self.positive_class]
        chosen = choose_threshold(np.asarray(truth) == self.positive_class, scores, **(self.threshold_by or {}))
        self.threshold = chosen.value
        return {self.labels[self.positive_class]: chosen}

    def answers(self, predictions: np.ndarray) -> list[dict[str, Any]]:
        """For each row the `label` that it is given, its `score` (probability), and every label's in `scores`."""
        return [
            {"label": self.labels[label], "score": scores[label], "scores": dict(zip(self.labels, scores, strict=True))}
            for label, scores in zip(self.given(predictions).tolist(), predictions.tolist(), strict=True)
        ]

    def answer_types(self) -> dict[str, pa.DataType]:
        """`label` is a string, `score` a float, `scores` a struct with a float for each label."""
        scores = pa.struct([pa.field(name, pa.float32()) for name in self.labels])
        return {"label": pa.string(), "score": pa.float32(), "scores": scores}

    # What the model's folder and its SavedModel are made of.

    def settings(self) -> dict[str, Any]:
        """The constructor's arguments but the encoder and the tokenizer, as JSON values."""
        return {"labels": self.labels, "positive": self.positive, **super().settings()}

    def transformers_form(self) -> dict[str, Any] | None:
        """The head as a `BertForSequenceClassification`; None where it is no such."""
        return self.classification_form(
            {
                "id2label": {str(number): name for number, name in enumerate(self.labels)},
                "label2id": {name: number for number, name in enumerate(self.labels)},
                "problem_type": "single_label_classification",
            }
        )

    def serve(self, batch, columns) -> dict[str, tf.Tensor]:
        """The answer of the exported `serving_default` signature to a token batch and its raw columns.

        Returns:
            `label` string `[batch]`, `score` float32 `[batch]`, `scores` float32 `[batch, classes]`.
        """
        scores = self(batch, training=False)
        if self.threshold is None:
            given = tf.argmax(scores, axis=-1)
        else:
            is_positive = scores[:, self.positive_class] >= tf.constant(self.threshold, tf.float32)
            given = tf.where(is_positive, self.positive_class, 1 - self.positive_class)
        return {
            "label": tf.gather(tf.constant(self.labels), given),
            "score": tf.gather(scores, given, batch_dims=1),
            "scores": scores,
        }
