"""Models that judge a row by one vector, of a text, a table or both: what classifiers and regressors share."""

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfdomain.config import FitOptions
from tfdomain.data.features import FeatureSpec, feature_arrays
from tfdomain.encoders.dropout import StatelessDropout
from tfdomain.encoders.encoder import Encoder
from tfdomain.encoders.tokenizer import Tokenizer
from tfdomain.errors import InputError
from tfdomain.models.base import TextModel
from tfdomain.models.feature_reader import FeatureReader
from tfdomain.models.features import FeatureEncoder
from tfdomain.models.fusion import FUSIONS, Concatenation, GatedFusion, summary_size
from tfdomain.models.inputs import num_texts
from tfdomain.models.long_texts import WindowPooling, choose_lengths, encode_in_parts, refuse_pairs
from tfdomain.models.pooling import POOLINGS, pool
from tfdomain.models.windows import cut_windows
from tfdomain.optimization.loop import EpochSource
from tfdomain.pipeline.batches import TOKEN_KEYS

__all__ = ["PooledModel"]


class PooledModel(TextModel):
    """A dense layer on one vector a row; a task says what its outputs mean.

    The vector is the text's. With `features` it is the text's and the table's made one, and with `table_only`
    the table's: then no text is read, and the encoder stays what the checkpoint made it.

    A subclass gives `activate` beside what `TextModel` asks for, and calls `build_head` at the end
    of its constructor.

    Args:
        encoder: Turns tokens into vectors.
        tokenizer: Turns text into tokens.
        num_outputs: Outputs of the dense layer.
        pooling: `cls` (the checkpoint's pooler where it has one) or `mean`.
        max_length: Tokens that a text (or pair) is cut to; None: 128, or the encoder's positions. With `windows`
            it may exceed these; None: eight windows' length.
        pairs: Whether it reads pairs of texts; `fit` on pairs sets it.
        windows: `mean`, `max` or `attention`: texts that are longer than `window_length` are encoded in windows,
            whose vectors become one so; None: a text is encoded whole.
        window_length: Tokens of a window; None: 128, or the encoder's positions or `max_length` where they are fewer.
        overlap: Tokens that a window repeats of the one before; None: a quarter of a window's content.
        features: What was learned of each column that it reads beside the text
            (`tfdomain.learn_features`), as specs or as their JSON values.
        fusion: `gated` or `concatenation`; see `tfdomain.models.fusion`.
        table_only: Whether it reads no text.
        seed: Of the first weights of all that is no encoder.

    Raises:
        InputError: The choices contradict each other, or a feature has the name of a text.
    """

    def __init__(
        self,
        encoder: Encoder,
        tokenizer: Tokenizer,
        *,
        num_outputs: int,
        pooling: str = "cls",
        max_length: int | None = None,
        pairs: bool = False,
        windows: str | None = None,
        window_length: int | None = None,
        overlap: int | None = None,
        features: Sequence[FeatureSpec | Mapping[str, Any]] = (),
        fusion: str = "gated",
        table_only: bool = False,
        seed: int = 0,
        **kwargs: Any,
    ):
        max_length, window_length = choose_lengths(
            windows,
            max_length=max_length,
            window_length=window_length,
            overlap=overlap,
            num_positions=encoder.config.max_position_embeddings,
            pairs=pairs,
        )
        # Keras would cast the table to half precision: its layers compute in float32.
        super().__init__(encoder, tokenizer, max_length=window_length, pairs=pairs, autocast=False, **kwargs)
        # What the encoder is given at a time has to fit it, but not the text.
        self.max_length = max_length
        self.windows, self.window_length, self.overlap = windows, window_length, overlap
        self.window_pooling = WindowPooling(windows, name="window_pooling") if windows and not table_only else None
        if pooling not in POOLINGS:
            raise InputError(f"pooling is {pooling!r}", mend=f"choose {' or '.join(POOLINGS)}")
        self.pooling = pooling
        if pooling == "mean" and encoder.pooler is not None:
            # It is kept for the folder's sake: no gradient reaches it.
            encoder.pooler.trainable = False
        self.dropout = StatelessDropout(
            encoder.config.hidden_dropout_prob, layer_index=encoder.num_dropout_layers, name="dropout"
        )
        self.fusion_name, self.table_only = fusion, table_only
        specs = [spec if isinstance(spec, FeatureSpec) else FeatureSpec.from_json(spec) for spec in features]
        self._add_table(specs, seed, num_outputs)
        self.head = keras.layers.Dense(
            num_outputs,
            # Not truncated, as in the PyTorch reference: a truncated one is an eighth narrower, and
            # banking77 was then learned more slowly (experiments/RESULTS.md).
            kernel_initializer=keras.initializers.RandomNormal(stddev=encoder.config.initializer_range, seed=seed),
            # float32 whatever the policy: probabilities of half precision do not sum to 1.
            dtype="float32",
            name="head",
        )

    @property
    def has_fixed_shapes(self) -> bool:
        """Whether a text is one row of what is computed: how many windows it has is its own."""
        return self.windows is None

    def activate(self, outputs: tf.Tensor) -> tf.Tensor:
        """The predictions of the head's raw outputs, float32 `[batch, outputs]` both."""
        raise NotImplementedError

    def call(self, inputs, training=False, dropout_seed=None, logits=False):
        """Judges a token batch.

        Args:
            inputs: `token_ids`, `segment_ids` and `padding_mask`, int32 `[batch, length]`; with features
                what their reader gives, too: `features` and `category_ids`.
            training: Whether dropout is on.
            dropout_seed: int32 `[2]`; None draws one.
            logits: Give the head's raw outputs instead of predictions.

        Returns:
            Float32 `[batch, outputs]`.
        """
        outputs = self.head(self.embed(inputs, training=training, dropout_seed=dropout_seed))
        return outputs if logits else self.activate(outputs)

    def embed(self, inputs, training=False, dropout_seed=None):
        """The vectors of a token batch that the head judges, `[batch, width]`."""
        text = None
        if not self.table_only:
            text = self._read_text(inputs, training, dropout_seed)
            text = self.dropout(text, training=training, seed=dropout_seed)
        if self.feature_encoder is None or self.fusion is None:
            return text
        table = self.feature_encoder.encode(inputs)
        # Of an empty text there are special tokens alone: [CLS] and the [SEP] behind each text.
        has_text = tf.reduce_sum(inputs["padding_mask"], axis=1) > 2 + self.pairs
        return self.fusion(table, text, has_text=has_text, training=training, dropout_seed=dropout_seed)

    def training_batches(self, x: Any, labels: np.ndarray | None, *, options: FitOptions, **more: Any) -> EpochSource:
        """The batches that `fit` trains on.

        Raises:
            InputError: As for every model, or there are windows and `x` holds pairs.
        """
        if self.windows is not None and num_texts(x, self.training_names) == 2:
            refuse_pairs()
        return super().training_batches(x, labels, options=options, **more)

    # The table.

    @property
    def features(self) -> tuple[FeatureSpec, ...]:
        """What was learned of each column that it reads beside the text."""
        return () if self.feature_encoder is None else self.feature_encoder.specs

    @property
    def feature_reader(self) -> FeatureReader | None:
        """What reads the columns inside the graph; whatever is exported has to track its lookup tables."""
        return None if self.feature_encoder is None else self.feature_encoder.reader

    def column_specs(self) -> dict[str, tf.TensorSpec]:
        """The raw columns that it answers: texts, then the features by their columns' names."""
        return super().column_specs() | ({} if self.feature_reader is None else self.feature_reader.signature())

    def read_columns(self, columns: Mapping[str, Any]) -> dict[str, Any]:
        """The columns as people hand them over, as `prepare` takes them."""
        return {**columns, **feature_arrays(self.features, columns)}

    def prepare(self, columns: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """A token batch of raw columns; of a table alone its token keys hold a column of padding."""
        if self.feature_reader is None:
            return super().prepare(columns)
        table = self.feature_reader(columns)
        if self.table_only:
            padding = tf.zeros([tf.shape(table["features"])[0], 1], tf.int32)
            return dict.fromkeys(TOKEN_KEYS, padding) | table
        return super().prepare(columns) | table

    def sample_batch(self) -> dict[str, tf.Tensor]:
        """A batch such as `prepare` gives, of one row."""
        batch = super().sample_batch()
        if self.feature_reader is None:
            return batch
        signature = self.feature_reader.signature()
        return batch | self.feature_reader({name: tf.zeros([1], spec.dtype) for name, spec in signature.items()})

    # What the model's folder is made of.

    def settings(self) -> dict[str, Any]:
        """The constructor's arguments that every model of this kind has, as JSON values."""
        table = {
            "features": [spec.to_json() for spec in self.features],
            "fusion": self.fusion_name,
            "table_only": self.table_only,
        }
        windows = {"windows": self.windows, "window_length": self.window_length, "overlap": self.overlap}
        own = {"pooling": self.pooling, "max_length": self.max_length, "pairs": self.pairs}
        return own | (windows if self.windows else {}) | (table if self.features else {})

    def transformers_form(self) -> dict[str, Any] | None:
        """The head as transformers knows it: architecture, config and tensors; None where it has no such."""
        return None

    def classification_form(self, config: dict[str, Any]) -> dict[str, Any] | None:
        """The head as a `BertForSequenceClassification` with `config`; None where it is no such."""
        if self.pooling != "cls" or not self.encoder.has_pooler or self.windows or self.features:
            return None
        tensors = {"classifier.weight": self.head.kernel.numpy().T, "classifier.bias": self.head.bias.numpy()}
        return {"architecture": "BertForSequenceClassification", "config": config, "tensors": tensors}

    def head_tensors(self) -> dict[str, np.ndarray]:
        """The weights of all that is no encoder, under our own names."""
        others = {name: weight.numpy() for name, weight in self._weights_below_head().items()}
        return {"head.kernel": self.head.kernel.numpy(), "head.bias": self.head.bias.numpy()} | others

    def set_head_tensors(self, tensors: dict[str, np.ndarray]) -> None:
        """Sets these weights, under our own names or those of transformers."""
        for name, weight in self._weights_below_head().items():
            weight.assign(tensors[name])
        if "head.kernel" in tensors:
            self.head.set_weights([tensors["head.kernel"], tensors["head.bias"]])
        else:
            self.head.set_weights([tensors["classifier.weight"].T, tensors["classifier.bias"]])

    def _read_text(self, inputs, training, dropout_seed):
        """The vector of each text, `[batch, hidden]`."""

        def encode(batch):
            hidden = self.encoder(batch, training=training, dropout_seed=dropout_seed)
            return pool(self.encoder, hidden, batch["padding_mask"], self.pooling)

        if self.window_pooling is None:
            return encode(inputs)
        windows = cut_windows(
            inputs,
            self.tokenizer.continues,
            width=self.window_length,
            overlap=self.overlap,
            pad_token_id=self.tokenizer.pad_id,
        )
        if training:
            # At once: the masks of dropout are a function of the seed and the place in the batch.
            vectors = encode(windows.inputs())
        else:
            size, dtype = self.encoder.config.hidden_size, self.encoder.compute_dtype
            vectors = encode_in_parts(encode, windows.inputs(), size=size, dtype=dtype)
        return self.window_pooling(vectors, windows.row_of_window, tf.shape(inputs["token_ids"])[0])

    def _weights_below_head(self) -> dict[str, keras.Variable]:
        """The weights that are neither the encoder's nor the head's, by the names that a folder has for them."""
        pooling = {} if self.window_pooling is None else {weight.name: weight for weight in self.window_pooling.weights}
        return {f"windows.{name}": weight for name, weight in pooling.items()} | self._table_weights()

    def _add_table(self, specs: Sequence[FeatureSpec], seed: int, num_outputs: int) -> None:
        self.feature_encoder: FeatureEncoder | None = None
        self.fusion: GatedFusion | Concatenation | None = None
        if self.fusion_name not in FUSIONS:
            raise InputError(f"fusion is {self.fusion_name!r}", mend=f"choose {' or '.join(FUSIONS)}")
        if self.table_only:
            if not specs:
                raise InputError("neither text nor features to read", where="features", mend="give at least one")
            self.text_names = self.training_names = ()
            # It is kept for the folder's sake: no gradient reaches it.
            self.encoder.trainable = False
        if not specs:
            return
        self.feature_names = tuple(spec.name for spec in specs)
        taken = [name for name in self.feature_names if name in self.text_names]
        if taken:
            problem = f"a feature has the name of a text, {taken[0]!r}"
            raise InputError(problem, where="features", mend="rename that column")
        shared: dict[str, Any] = {
            "dropout_rate": self.dropout.rate,
            "layer_index": self.dropout.layer_index + 1,
            "name": "fusion",
        }
        if self.fusion_name == "gated":
            hidden_size = self.encoder.config.hidden_size
            shared |= {"hidden_size": hidden_size, "text_size": summary_size(num_outputs, hidden_size), "seed": seed}
        self.feature_encoder = FeatureEncoder(specs, seed=seed, name="features")
        self.fusion = FUSIONS[self.fusion_name](**shared)

    def _table_weights(self) -> dict[str, keras.Variable]:
        """The weights that read the table, by the names that a folder has for them: `fusion.gate.kernel`."""
        if self.feature_encoder is None or self.fusion is None:
            return {}
        encoder = {f"features.{weight.name}": weight for weight in self.feature_encoder.weights}
        parts = [part for part in ("projection", "norm", "summary", "gate") if self.fusion_name == "gated"]
        return encoder | {
            f"fusion.{part}.{weight.name}": weight for part in parts for weight in getattr(self.fusion, part).weights
        }
