"""One label a text, or a pair of texts."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfdomain.config import FitOptions
from tfdomain.data.labels import label_ids
from tfdomain.encoders.dropout import StatelessDropout
from tfdomain.encoders.encoder import Encoder
from tfdomain.encoders.tokenizer import Tokenizer
from tfdomain.errors import InputError
from tfdomain.metrics.classification import classification_metrics
from tfdomain.models.base import TextModel
from tfdomain.models.datasets import are_numbers
from tfdomain.models.pooling import POOLINGS, pool

__all__ = ["TextClassifier"]


@keras.saving.register_keras_serializable("tfdomain")
class TextClassifier(TextModel):
    """Chooses one of several labels for a text.

    Args:
        encoder: Turns tokens into vectors.
        tokenizer: Turns text into tokens.
        labels: The names of the classes, at least two, in the order of the scores; each one line.
        pooling: `cls` (the checkpoint's pooler where it has one) or `mean`.
        max_length: Tokens that a text (or pair) is cut to; None: 128, or the encoder's positions.
        pairs: Whether it reads pairs of texts; `fit` on pairs sets it.
        seed: Of the head's first weights.

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
        pooling: str = "cls",
        max_length: int | None = None,
        pairs: bool = False,
        seed: int = 0,
        **kwargs: Any,
    ):
        super().__init__(encoder, tokenizer, max_length=max_length, pairs=pairs, **kwargs)
        names = [str(label) for label in labels]
        if len(names) < 2 or len(set(names)) < len(names):
            raise InputError(f"labels are {names}", mend="give at least two, each once")
        broken = [name for name in names if "\n" in name]
        if broken:
            problem = f"the label {broken[0]!r} holds a line break"
            raise InputError(problem, where="labels", mend="rename it: labels.txt has a line for each label")
        if pooling not in POOLINGS:
            raise InputError(f"pooling is {pooling!r}", mend=f"choose {' or '.join(POOLINGS)}")
        self.labels, self.pooling = names, pooling
        if pooling == "mean" and encoder.pooler is not None:
            # It is kept for the folder's sake: no gradient reaches it.
            encoder.pooler.trainable = False
        self.dropout = StatelessDropout(
            encoder.config.hidden_dropout_prob, layer_index=encoder.num_dropout_layers, name="dropout"
        )
        self.head = keras.layers.Dense(
            len(names),
            # Not truncated, as in the PyTorch reference: a truncated one is an eighth narrower, and
            # banking77 was then learned more slowly (experiments/RESULTS.md).
            kernel_initializer=keras.initializers.RandomNormal(stddev=encoder.config.initializer_range, seed=seed),
            # float32 whatever the policy: probabilities of half precision do not sum to 1.
            dtype="float32",
            name="head",
        )
        self.build_head()

    def call(self, inputs, training=False, dropout_seed=None, logits=False):
        """Scores a token batch.

        Args:
            inputs: `token_ids`, `segment_ids` and `padding_mask`, int32 `[batch, length]`.
            training: Whether dropout is on.
            dropout_seed: int32 `[2]`; None draws one.
            logits: Give the head's raw outputs instead of probabilities.

        Returns:
            Float32 `[batch, classes]`.
        """
        pooled = self.embed(inputs, training=training, dropout_seed=dropout_seed)
        outputs = self.head(self.dropout(pooled, training=training, seed=dropout_seed))
        return outputs if logits else tf.nn.softmax(outputs)

    def embed(self, inputs, training=False, dropout_seed=None):
        """The pooled vectors of a token batch, `[batch, hidden]`."""
        hidden = self.encoder(inputs, training=training, dropout_seed=dropout_seed)
        return pool(self.encoder, hidden, inputs["padding_mask"], self.pooling)

    def classify(self, x: Any, *, batch_size: int = 64) -> list[dict[str, Any]]:
        """The most likely label of each text and its probability: `{"label": str, "score": float}`."""
        return [
            {"label": self.labels[int(row.argmax())], "score": float(row.max())}
            for row in self.predict(x, batch_size=batch_size)
        ]

    def example_losses(self, labels, outputs):
        """Cross-entropy of each example, smoothed by the training's `label_smoothing`."""
        smoothing = self.options.label_smoothing
        log_probabilities = tf.nn.log_softmax(outputs)
        true = tf.gather(log_probabilities, tf.cast(labels, tf.int32), batch_dims=1)
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

    def measure(
        self, labels: np.ndarray, predictions: np.ndarray, sample_weight: np.ndarray | None = None
    ) -> dict[str, Any]:
        """The metrics of `tfdomain.metrics.classification`."""
        return classification_metrics(labels, predictions, self.labels, sample_weight)

    # What the model's folder and its SavedModel are made of.

    def settings(self) -> dict[str, Any]:
        """The constructor's arguments but the encoder and the tokenizer, as JSON values."""
        return {
            "labels": self.labels,
            "pooling": self.pooling,
            "max_length": self.max_length,
            "pairs": self.pairs,
        }

    def transformers_form(self) -> dict[str, Any] | None:
        """The head as transformers knows it: architecture, config and tensors; None where it has no such."""
        if self.pooling != "cls" or not self.encoder.has_pooler:
            return None
        return {
            "architecture": "BertForSequenceClassification",
            "config": {
                "id2label": {str(number): name for number, name in enumerate(self.labels)},
                "label2id": {name: number for number, name in enumerate(self.labels)},
                "problem_type": "single_label_classification",
            },
            "tensors": {
                "classifier.weight": self.head.kernel.numpy().T,
                "classifier.bias": self.head.bias.numpy(),
            },
        }

    def head_tensors(self) -> dict[str, np.ndarray]:
        """The head's weights under our own names."""
        return {"head.kernel": self.head.kernel.numpy(), "head.bias": self.head.bias.numpy()}

    def set_head_tensors(self, tensors: dict[str, np.ndarray]) -> None:
        """Sets the head's weights, under our own names or those of transformers."""
        if "head.kernel" in tensors:
            self.head.set_weights([tensors["head.kernel"], tensors["head.bias"]])
        else:
            self.head.set_weights([tensors["classifier.weight"].T, tensors["classifier.bias"]])

    def serve(self, batch) -> dict[str, tf.Tensor]:
        """The answer of the exported `serving_default` signature to a token batch.

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
