"""What a task says of itself: the seam between the models and everything that is done with them."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import tensorflow as tf

from tfdomain.config import FitOptions
from tfdomain.encoders.tokenizer import Tokenizer
from tfdomain.optimization.shares import rows_that_count
from tfdomain.pipeline.batches import TEXT_NAMES, TOKEN_KEYS, tokenize_texts

__all__ = ["Task"]


class Task:
    """What a model's task gives, with the usual answer where there is one.

    Raw columns by name (`column_specs`) become a token batch in `prepare`, inside the graph: the
    same for training, for `predict` and in the exported model. The model's `call` takes the batch
    to the head's outputs, `example_losses` to losses, `decode` to predictions, `serve` to the
    answers of the exported signature. `encode_labels` turns people's labels into the arrays that
    the loss takes, `measure` compares predictions with them. Its name, its `headline` metrics and
    the `labels` of its classes are those of `EncoderModel`; `loss_metric` is its loss on held-out
    examples, if one is.
    """

    loss_metric: str | None = None
    text_names: Sequence[str] = TEXT_NAMES
    """What `predict` calls the texts of a row, in their order."""
    training_names: Sequence[str] = TEXT_NAMES
    """What `fit` calls them, where it reads others."""
    feature_names: Sequence[str] = ()
    """Further columns that it reads."""
    needs_labels = True
    """Whether it learns from labels; what learns from texts alone has None for them."""
    takes_callers_loss = True
    """Whether a loss and metrics given to `compile` can read what `predict` gives."""

    tokenizer: Tokenizer
    max_length: int
    pairs: bool

    def column_specs(self) -> dict[str, tf.TensorSpec]:
        """The raw columns that it answers, as the exported signature takes them."""
        names = self.text_names[: 1 + self.pairs]
        return {name: tf.TensorSpec([None], tf.string, name=name) for name in names}

    def prepare(self, columns: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """A token batch of raw columns, `[batch]` each; runs in the graph and knows no state but constants."""
        return tokenize_texts(columns, self.tokenizer, self.max_length)

    def read_columns(self, columns: Mapping[str, Any]) -> dict[str, Any]:
        """Columns `[n]` as people hand them over, checked and typed as `prepare` takes them."""
        return dict(columns)

    def sample_batch(self) -> dict[str, tf.Tensor]:
        """A batch such as `prepare` gives, of one row: what weights and shapes are found with."""
        return {name: tf.ones([1, 3], tf.int32) for name in TOKEN_KEYS}

    def example_losses(self, batch: Mapping[str, tf.Tensor], outputs: Any) -> tf.Tensor:
        """The float32 `[batch]` losses of the head's raw outputs; the batch holds `labels`."""
        raise NotImplementedError

    def loss_denominator(self, batch: Mapping[str, tf.Tensor]) -> tf.Tensor:
        """What the sum of a batch's losses is divided by, float32 scalar: its examples."""
        return rows_that_count(batch)

    def encode_labels(self, labels: Any) -> np.ndarray:
        """The labels as people write them, as the array `[n, ...]` that the loss takes."""
        raise NotImplementedError

    def truth(self, labels: Any) -> Any:
        """The labels as people write them, as `measure` takes them: a sequence of one entry a row."""
        return self.encode_labels(labels)

    def example_weights(
        self, labels: np.ndarray, options: FitOptions, rows: np.ndarray | None = None
    ) -> np.ndarray | None:
        """The float32 `[n]` weights that the options ask for; None where all weigh the same."""
        return None

    def collect(self, decoded: Any) -> Any:
        """What `predict` gives, from what `decode` gave for all rows, as numpy arrays."""
        return decoded

    def blank_predictions(self, num_rows: int) -> Any:
        """Predictions that say nothing, to find out which metrics some rows define."""
        raise NotImplementedError

    def measure(self, truth: Any, predictions: Any, sample_weight: np.ndarray | None = None) -> dict[str, Any]:
        """The task's metrics of predictions against what `truth` gave."""
        raise NotImplementedError

    def calibrate(self, x: Any, truth: Any, rows: np.ndarray | None = None) -> list[str]:
        """Chooses, on held-out examples, what is left to choose once the weights are trained: mostly nothing.

        Args:
            x: As for `predict`.
            truth: What `truth` gives for the rows that count.
            rows: int64 `[m]`, ascending: the rows of `x` that count; None: all.

        Returns:
            What a person should be told, a line each.
        """
        return []

    def answers(self, predictions: Any) -> list[dict[str, Any]]:
        """Predictions as people read them, one dictionary of JSON values a row."""
        raise NotImplementedError

    def answer_types(self) -> dict[str, pa.DataType]:
        """The keys of `answers`, and their types in a Parquet file."""
        raise NotImplementedError

    def serve(self, batch: Mapping[str, tf.Tensor], columns: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """The answer of the exported `serving_default` signature to a token batch and its raw columns."""
        raise NotImplementedError

    def remarks(self, x: Any, labels: np.ndarray | None) -> list[str]:
        """What a person should be told of training examples before a model learns them, a line each.

        Args:
            x: As for `fit`.
            labels: What `encode_labels` gives; None of a task without labels.
        """
        return []

    def data_choices(self) -> dict[str, Any]:
        """What its training files decided of the keys of `data` that the experiment left open."""
        return {}

    def settings(self) -> dict[str, Any]:
        """The constructor's arguments but the encoder and the tokenizer, as JSON values."""
        raise NotImplementedError
