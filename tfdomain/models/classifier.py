"""One label a text, or a pair of texts."""

from collections.abc import Sequence
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
from tfdomain.models.datasets import are_numbers
from tfdomain.models.pooled import PooledModel

__all__ = ["TextClassifier"]


@keras.saving.register_keras_serializable("tfdomain")
class TextClassifier(PooledModel):
    """Chooses one of several labels for a text.

    Args:
        encoder: Turns tokens into vectors.
        tokenizer: Turns text into tokens.
        labels: The names of the classes, at least two, in the order of the scores; each one line.
        **kwargs: What every `PooledModel` takes: `pooling`, `max_length`, `pairs`, `seed`.

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
        **kwargs: Any,
    ):
        names = [str(label) for label in labels]
        if len(names) < 2 or len(set(names)) < len(names):
            raise InputError(f"labels are {names}", mend="give at least two, each once")
        broken = [name for name in names if "\n" in name]
        if broken:
            problem = f"the label {broken[0]!r} holds a line break"
            raise InputError(problem, where="labels", mend="rename it: labels.txt has a line for each label")
        super().__init__(encoder, tokenizer, num_outputs=len(names), **kwargs)
        self.labels = names
        self.build_head()

    def activate(self, outputs):
        """Probabilities of the classes, which sum to 1."""
        return tf.nn.softmax(outputs)

    def classify(self, x: Any, *, batch_size: int = 64) -> list[dict[str, Any]]:
        """The most likely label of each text and its probability: `{"label": str, "score": float}`."""
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
            unknown = sorted(set(chosen) - set(self.labels))
            if unknown:
                raise InputError(
                    f"{unknown[0]!r} is no label", where="training.class_weights", mend=f"labels: {self.labels}"
                )
            weights = np.array([chosen.get(name, 1.0) for name in self.labels])
        return weights.astype("float32")[labels]

    def blank_predictions(self, num_rows: int) -> np.ndarray:
        """The same probability for every class."""
        return np.full((num_rows, len(self.labels)), 1 / len(self.labels), "float32")

    def measure(self, truth: Any, predictions: Any, sample_weight: np.ndarray | None = None) -> dict[str, Any]:
        """The metrics of `tfdomain.metrics.classification`."""
        return classification_metrics(truth, predictions, self.labels, sample_weight)

    def answers(self, predictions: np.ndarray) -> list[dict[str, Any]]:
        """For each row the most likely `label`, its `score` (probability), and every label's in `scores`."""
        best, highest = predictions.argmax(axis=-1).tolist(), predictions.max(axis=-1).tolist()
        return [
            {"label": self.labels[label], "score": score, "scores": dict(zip(self.labels, scores, strict=True))}
            for label, score, scores in zip(best, highest, predictions.tolist(), strict=True)
        ]

    def answer_types(self) -> dict[str, pa.DataType]:
        """`label` is a string, `score` a float, `scores` a struct with a float for each label."""
        scores = pa.struct([pa.field(name, pa.float32()) for name in self.labels])
        return {"label": pa.string(), "score": pa.float32(), "scores": scores}

    # What the model's folder and its SavedModel are made of.

    def settings(self) -> dict[str, Any]:
        """The constructor's arguments but the encoder and the tokenizer, as JSON values."""
        return {"labels": self.labels, **super().settings()}

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
        names = tf.constant(self.labels)
        return {
            "label": tf.gather(names, tf.argmax(scores, axis=-1)),
            "score": tf.reduce_max(scores, axis=-1),
            "scores": scores,
        }
