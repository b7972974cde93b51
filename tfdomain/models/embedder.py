"""Vectors of texts, close for texts that belong together."""

import functools
from collections.abc import Mapping, Sequence
from typing import Any, overload

import keras
import numpy as np
import pyarrow as pa
import tensorflow as tf

from tfdomain.config import FitOptions
from tfdomain.data.paired_rows import pair_ids
from tfdomain.data.targets import target_values
from tfdomain.encoders.encoder import Encoder
from tfdomain.encoders.tokenizer import Tokenizer
from tfdomain.errors import InputError
from tfdomain.metrics.pairs import pair_metrics, scored_pair_metrics
from tfdomain.models.base import TextModel
from tfdomain.models.inputs import num_texts
from tfdomain.models.pair_inputs import TRAINING_NAMES, holds_pairs, in_memory, pairs_of
from tfdomain.models.pooling import POOLINGS, mean_of_tokens
from tfdomain.models.ranking_losses import cosine_score_losses, multiple_negatives_loss, triplet_losses
from tfdomain.models.replicas import gather_examples
from tfdomain.optimization.loop import EpochSource
from tfdomain.pipeline.batches import TOKEN_KEYS, tokenize_texts

__all__ = ["LOSSES", "TextEmbedder"]

LOSSES = {"multiple_negatives": (2, 3), "triplet": (3,), "cosine": (2,)}
"""What an embedder learns from, and how many texts a row then has."""

# More than there are texts in any batch by far, so that two of them share a number by no chance that matters.
NUM_HASHES = 2**62


@keras.saving.register_keras_serializable("tfdomain")
class TextEmbedder(TextModel):
    """Gives each text a vector of length 1; texts that belong together have a high cosine.

    It has no weights beside the encoder's: a checkpoint of sentence-transformers with mean pooling gives the
    vectors that it gives there.

    What it learns from is its `loss`. `multiple_negatives`: pairs (anchor, positive), perhaps with a hard
    negative each; all other positives and negatives of a batch are negatives of an anchor, those of other
    replicas too, but for texts that are equal to its own positive or anchor. `triplet`: (anchor, positive,
    negative). `cosine`: pairs with a score each.

    Args:
        encoder: Turns tokens into vectors.
        tokenizer: Turns text into tokens.
        pooling: `mean` of the tokens, or `cls`, the first token's vector as it leaves the last layer.
        max_length: Tokens that a text is cut to; None: 128, or the encoder's positions where they are fewer.
        loss: One of `LOSSES`.
        scale: What `multiple_negatives` multiplies cosines with, one over the temperature.
        margin: By how much a negative is to stand further off than the positive, in `triplet`; above 0, at
            most 2.
        score_range: The scores of unrelated texts and of texts equal in meaning, for `cosine`.
        sampling_correction: Whether `multiple_negatives` makes up for positives that are frequent in training,
            and are therefore negatives often: a recommender is not to learn that liked films are unlikely.
        seed: Of nothing here, since no weight is fresh.

    Raises:
        InputError: A choice is unknown, or a number out of its range.

    Example:
        >>> model = TextEmbedder.from_pretrained(folder)
        >>> history = model.fit((questions, answers), epochs=1, batch_size=64)
        >>> model.predict(["how do I reset my card?"]).shape
        (1, 384)

    Reference:
        Reimers and Gurevych 2019, "Sentence-BERT" (https://arxiv.org/abs/1908.10084).
    """

    task = "embedding"
    text_names = ("text",)
    training_names = TRAINING_NAMES
    unused_options = ("class_weights", "label_smoothing", "accumulate", "batch_tokens")
    takes_callers_loss = False
    # Of scored pairs; the losses over a batch depend on the batch, and have no value of held-out pairs.
    loss_metric = "mse"

    def __init__(
        self,
        encoder: Encoder,
        tokenizer: Tokenizer,
        *,
        pooling: str = "mean",
        max_length: int | None = None,
        loss: str = "multiple_negatives",
        scale: float = 20.0,
        margin: float = 0.2,
        score_range: Sequence[float] = (0.0, 1.0),
        sampling_correction: bool = False,
        seed: int = 0,
        **kwargs: Any,
    ):
        super().__init__(encoder, tokenizer, max_length=max_length, **kwargs)
        if pooling not in POOLINGS:
            raise InputError(f"pooling is {pooling!r}", mend=f"choose {' or '.join(POOLINGS)}")
        if loss not in LOSSES:
            raise InputError(f"loss is {loss!r}", mend=f"choose {', '.join(LOSSES)}")
        if not 0 < scale < np.inf:
            raise InputError(f"scale is {scale}", mend="choose one above 0")
        if not 0 < margin <= 2:
            raise InputError(f"margin is {margin}", mend="choose one above 0, at most 2")
        if len(score_range) != 2 or not -np.inf < score_range[0] < score_range[1] < np.inf:
            raise InputError(f"score_range is {list(score_range)}", mend="give the lowest and the highest score")
        if sampling_correction and loss != "multiple_negatives":
            problem = f"sampling_correction is on, and the loss {loss} draws no negatives"
            raise InputError(problem, mend="leave it out, or choose multiple_negatives")
        # Keras keeps a `loss` of its own.
        self.pooling, self.loss_name = pooling, loss
        self.scale, self.margin, self.score_range = scale, margin, [float(score) for score in score_range]
        self.sampling_correction = sampling_correction
        self.needs_labels = loss == "cosine"
        self.headline = ("spearman", "pearson") if self.needs_labels else ("recall_at_1", "mrr")
        if encoder.pooler is not None:
            # It is kept for the folder's sake: no gradient reaches it.
            encoder.pooler.trainable = False
        self.build_head()

    # From texts to vectors.

    def prepare(self, columns):
        """The tokens of texts; of rows of texts those of each, and the numbers by which equal texts are known."""
        if "anchor" not in columns:
            return super().prepare(columns)
        batch: dict[str, tf.Tensor] = {}
        for name in (name for name in TRAINING_NAMES if name in columns):
            tokens = tokenize_texts({"text": columns[name]}, self.tokenizer, self.max_length)
            batch |= {_key(name, key): tensor for key, tensor in tokens.items()}
            batch[f"{name}_text_ids"] = tf.strings.to_hash_bucket_fast(columns[name], NUM_HASHES)
        return batch

    def call(self, inputs, training=False, dropout_seed=None, logits=False):
        """Embeds a token batch.

        Args:
            inputs: What `prepare` gives.
            training: Whether dropout is on.
            dropout_seed: int32 `[2]`; None draws one.
            logits: Makes no difference: the losses read vectors, too.

        Returns:
            Float32 `[batch, hidden]`; of rows of texts a dictionary of such by `training_names`.
        """
        if _key("positive", TOKEN_KEYS[0]) not in inputs:
            return self.embed(inputs, training=training, dropout_seed=dropout_seed)
        vectors = {}
        for place, name in enumerate(TRAINING_NAMES):
            if _key(name, TOKEN_KEYS[0]) in inputs:
                tokens = {key: inputs[_key(name, key)] for key in TOKEN_KEYS}
                vectors[name] = self.embed(tokens, training, self._seed_of_text(dropout_seed, place))
        return vectors

    def embed(self, inputs, training=False, dropout_seed=None):
        """The vectors of a token batch, float32 `[batch, hidden]`, of length 1."""
        hidden = self.encoder(inputs, training=training, dropout_seed=dropout_seed)
        vectors = hidden[:, 0] if self.pooling == "cls" else mean_of_tokens(hidden, inputs["padding_mask"])
        return tf.math.l2_normalize(tf.cast(vectors, tf.float32), axis=-1)

    def example_losses(self, batch, outputs):
        """The losses of rows of texts."""
        if self.loss_name == "cosine":
            return cosine_score_losses(outputs["anchor"], outputs["positive"], self._scaled(batch["labels"]))
        if self.loss_name == "triplet":
            return triplet_losses(outputs["anchor"], outputs["positive"], outputs["negative"], self.margin)
        ids = {f"{name}_ids": batch[f"{name}_text_ids"] for name in outputs}
        if self.sampling_correction:
            ids["positive_counts"] = tf.cast(batch["labels"], tf.int64)
        # The negatives of one device are those of the whole batch, so that several train the same.
        vectors, ids, start = gather_examples(outputs, ids)
        negatives = vectors.get("negative")
        losses = multiple_negatives_loss(
            vectors["anchor"],
            vectors["positive"],
            None if negatives is None else negatives[:, tf.newaxis],
            scale=self.scale,
            **ids,
        )
        return losses[start : start + tf.shape(outputs["anchor"])[0]]

    # What people hand over.

    def training_batches(self, x: Any, labels: np.ndarray | None, *, options: FitOptions, **more: Any) -> EpochSource:
        """The batches that `fit` trains on.

        Args:
            x: A tuple of two or three lists, columns by name (`anchor`, `positive`, `negative`), or a data set
                of such dictionaries, with scores of such tuples and a score.
            labels: What `encode_labels` gives; None for losses without scores. With `sampling_correction` a
                row's label is how often its positive occurs.
            options: As for every model.
            **more: As for every model.

        Raises:
            InputError: The rows have not as many texts as the loss reads, or a score is out of its range.
        """
        found, wanted = num_texts(x, TRAINING_NAMES), LOSSES[self.loss_name]
        if found not in wanted:
            problem = "token arrays" if found is None else f"{found} {'text' if found == 1 else 'texts'} a row"
            names = " or ".join(f"({', '.join(TRAINING_NAMES[:count])})" for count in wanted)
            problem += f", and the loss {self.loss_name} reads {names}"
            raise InputError(problem, where="x", mend="give a tuple of such lists, or columns by these names")
        if self.sampling_correction:
            labels = _positive_counts(x, more.get("rows"))
        elif labels is not None:
            rows = np.arange(len(labels)) if more.get("rows") is None else more["rows"]
            low, high = self.score_range
            wrong = rows[(labels[rows] < low) | (labels[rows] > high)]
            if len(wrong):
                problem = f"the score {labels[wrong[0]]:g} is outside {low:g} to {high:g}"
                raise InputError(problem, where=f"row {wrong[0]}", mend="set score_range to the scores' range")
        return super().training_batches(x, labels, options=options, **more)

    def encode_labels(self, labels: Any) -> np.ndarray:
        """The scores of pairs as they stand, float32 `[n]`.

        Raises:
            InputError: A score is no finite number, or the loss has no use for scores.
        """
        if not self.needs_labels:
            problem = f"labels are given, and the loss {self.loss_name} learns from texts alone"
            raise InputError(problem, where="y", mend="leave them out, or choose the loss cosine")
        values = labels.numpy() if isinstance(labels, tf.Tensor) else labels
        return target_values([values], ["score"], where=lambda row: f"y[{row}]").values[:, 0]

    @overload
    def predict(self, x: list[str]) -> np.ndarray: ...

    @overload
    def predict(
        self, x: Any, batch_size: int = 64, verbose: str | int = 0, *, rows: np.ndarray | None = None
    ) -> np.ndarray | dict[str, np.ndarray]: ...

    def predict(
        self, x: Any, batch_size: int = 64, verbose: str | int = 0, *, rows: np.ndarray | None = None
    ) -> np.ndarray | dict[str, np.ndarray]:
        """The vectors of texts.

        Args:
            x: Texts; or pairs: a tuple of two or three lists, or columns by `training_names`.
            batch_size: Texts at a time.
            verbose: 1 shows a bar on a terminal.
            rows: int64 `[m]`, ascending: the rows of `x` that are asked for; None: all.

        Returns:
            Float32 `[n, hidden]`, each of length 1; of pairs a dictionary of two such, `anchor` and `positive`.

        Raises:
            InputError: `x` holds something else than texts.
        """
        if not holds_pairs(x):
            return super().predict(x, batch_size, verbose, rows=rows)
        embed = functools.partial(super().predict, batch_size=batch_size, verbose=verbose, rows=rows)
        return {name: embed(texts) for name, texts in pairs_of(x).items()}

    def evaluate(
        self, x: Any, y: Any = None, batch_size: int = 64, verbose: str | int = 0, *, sample_weight: Any = None
    ) -> dict[str, Any]:
        """The metrics of pairs: `pair_metrics`, or with scores `scored_pair_metrics`, of `tfdomain.metrics.pairs`.

        Args:
            x: As for `fit`; negatives are not looked at.
            y: Scores, for `cosine` alone.
            batch_size: Texts at a time.
            verbose: 1 shows a bar on a terminal.
            sample_weight: Float `[n]`, how much each scored pair counts.

        Raises:
            InputError: There are no pairs or no scores, or one is wrong.
        """
        if isinstance(x, tf.data.Dataset):
            x, y, sample_weight = in_memory(x)
        columns = pairs_of(x)
        if self.needs_labels:
            return super().evaluate(columns, y, batch_size, verbose, sample_weight=sample_weight)
        if y is not None:
            self.encode_labels(y)
        if sample_weight is not None:
            problem = "weights are given, and a search counts each anchor once"
            raise InputError(problem, where="sample_weight", mend="leave it out")
        if not len(columns["anchor"]):
            raise InputError("there are no examples", where="x", mend="give pairs of texts")
        return self.measure(pair_ids(**{f"{name}s": texts for name, texts in columns.items()}), self.predict(columns))

    # What predictions are worth, and how they are told.

    def blank_predictions(self, num_rows: int) -> dict[str, np.ndarray]:
        """Vectors at random: correlations need cosines that differ."""
        shape = (2, num_rows, self.encoder.config.hidden_size)
        return dict(zip(TRAINING_NAMES, np.random.default_rng(0).normal(size=shape).astype("float32"), strict=False))

    def measure(self, truth: Any, predictions: Any, sample_weight: np.ndarray | None = None) -> dict[str, Any]:
        """The metrics of pairs.

        Args:
            truth: Scores `[n]` for the loss `cosine`, else what `pair_ids` gives.
            predictions: What `predict` gives for pairs.
            sample_weight: Float `[n]`, of scored pairs.
        """
        vectors = predictions["anchor"], predictions["positive"]
        if self.needs_labels:
            return scored_pair_metrics(*vectors, self._scaled(np.asarray(truth, "float32")), sample_weight)
        return pair_metrics(*vectors, np.asarray(truth, "int64").reshape(-1, 2))

    def answers(self, predictions: np.ndarray) -> list[dict[str, Any]]:
        """For each text its `embedding`, a list of numbers."""
        return [{"embedding": vector} for vector in predictions.tolist()]

    def answer_types(self) -> dict[str, pa.DataType]:
        """`embedding` is a list of floats."""
        return {"embedding": pa.list_(pa.float32())}

    def serve(self, batch, columns) -> dict[str, tf.Tensor]:
        """The answer of the exported signature: `embedding`, float32 `[batch, hidden]`."""
        return {"embedding": self.embed(batch)}

    # What the model's folder is made of.

    def settings(self) -> dict[str, Any]:
        """The constructor's arguments but the encoder and the tokenizer, as JSON values."""
        return {
            "pooling": self.pooling,
            "max_length": self.max_length,
            "loss": self.loss_name,
            "scale": self.scale,
            "margin": self.margin,
            "score_range": self.score_range,
            "sampling_correction": self.sampling_correction,
        }

    def transformers_form(self) -> dict[str, Any]:
        """The folder is a plain `BertModel`."""
        return {"architecture": "BertModel", "config": {}, "tensors": {}}

    def head_tensors(self) -> dict[str, np.ndarray]:
        """None: all weights are the encoder's."""
        return {}

    def set_head_tensors(self, tensors: Mapping[str, np.ndarray]) -> None:
        """Has nothing to set."""

    def _scaled(self, scores: Any) -> Any:
        low, high = self.score_range
        return (scores - low) / (high - low)

    def _seed_of_text(self, dropout_seed: tf.Tensor | None, place: int) -> tf.Tensor | None:
        """The seed of the texts of one column: two equal texts of a row are not to lose the same numbers."""
        if dropout_seed is None or not place:
            return dropout_seed
        number = self.encoder.num_dropout_layers + place
        return tf.random.experimental.stateless_fold_in(dropout_seed, number, alg="philox")


def _positive_counts(x: Any, rows: np.ndarray | None) -> np.ndarray:
    """How often each row's positive occurs in the rows that are trained on, int32 `[n]`."""
    if isinstance(x, tf.data.Dataset):
        problem = "sampling_correction counts positives, and a data set's are not counted"
        raise InputError(problem, where="x", mend="give lists or columns, or leave it out")
    _, places = np.unique(np.asarray(pairs_of(x)["positive"], str), return_inverse=True)
    counts = np.bincount(places if rows is None else places[rows], minlength=len(places))
    return counts[places].astype("int32")


def _key(name: str, key: str) -> str:
    """What a batch calls the tokens of a column: those of anchors are what every batch has."""
    return key if name == "anchor" else f"{name}_{key}"
