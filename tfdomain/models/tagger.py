"""Labelled spans in a text: which words are a drug, a company, a disease."""

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
import pyarrow as pa
import tensorflow as tf

from tfdomain.data.labels import label_ids
from tfdomain.data.tagged_examples import Annotation, entity_array
from tfdomain.encoders.dropout import StatelessDropout
from tfdomain.encoders.encoder import Encoder
from tfdomain.encoders.tokenizer import Tokenizer
from tfdomain.errors import InputError
from tfdomain.metrics.entities import entity_metrics
from tfdomain.models.base import TextModel
from tfdomain.models.batches import batches_of
from tfdomain.models.character_ends import extend_to_characters
from tfdomain.models.crf import LinearChainCRF
from tfdomain.models.entity_rows import ENTITY_TYPE, entity_rows, judged_spans
from tfdomain.models.inputs import holds_tokens
from tfdomain.models.label_names import checked_names
from tfdomain.models.tag_moves import tag_names
from tfdomain.models.tag_spans import entity_table, find_spans, mean_confidences, pad_spans
from tfdomain.models.tagged_inputs import annotations_of, tagged_texts
from tfdomain.models.units import border_remarks, find_units, place_entities, unit_tags
from tfdomain.models.windows import cut_windows, merge_tokens
from tfdomain.optimization.loop import EpochSource
from tfdomain.pipeline.batches import TOKEN_KEYS

__all__ = ["TokenClassifier"]

DECODERS = ("softmax", "crf")
LABEL_PIECES = ("first", "all")


@keras.saving.register_keras_serializable("tfdomain")
class TokenClassifier(TextModel):
    """Finds entities in a text: where each begins and ends, and its label.

    The units that are tagged are the tokenizer's words (or its pieces), whatever the words of the
    files are; entities are places in the text. A text of any length is read whole: what is longer
    than `max_length` goes through the encoder in overlapping windows, and one decoding reads the
    tags of all of it.

    Args:
        encoder: Turns tokens into vectors.
        tokenizer: Turns text into tokens.
        labels: The entity types, at least one; each one line.
        decoder: `softmax`: each unit's likeliest tag; `crf`: the likeliest legal tagging of the text.
        scheme: The tags that are learned inside: `bio` or `bioes`.
        label_pieces: `first`: a word is tagged by its first piece; `all`: every piece is tagged.
        joiner: What to put between words where `x` has words; None: `fit` tells it from them.
        max_length: Tokens of a window; None: 128, or the encoder's positions where they are fewer.
        seed: Of the head's first weights.

    Raises:
        InputError: A setting is none of its choices, or `max_length` does not fit the encoder.

    Example:
        >>> model = TokenClassifier.from_pretrained(folder, labels=["drug"])
        >>> history = model.fit(["He took aspirin."], [[("drug", 8, 15)]], epochs=3)
        >>> model.predict(["Take aspirin."])
        [[{'text': 'aspirin', 'label': 'drug', 'start': 5, 'end': 12, 'confidence': 0.93}]]
    """

    task = "tagging"
    headline = ("entity_f1", "entity_precision", "entity_recall")
    text_names = training_names = ("text",)
    takes_callers_loss = False
    labels: list[str]

    def __init__(
        self,
        encoder: Encoder,
        tokenizer: Tokenizer,
        *,
        labels: Sequence[str],
        decoder: str = "softmax",
        scheme: str = "bio",
        label_pieces: str = "first",
        joiner: str | None = None,
        max_length: int | None = None,
        seed: int = 0,
        **kwargs: Any,
    ):
        for name, value, choices in (("decoder", decoder, DECODERS), ("label_pieces", label_pieces, LABEL_PIECES)):
            if value not in choices:
                raise InputError(f"{name} is {value!r}", mend=f"choose {' or '.join(choices)}")
        names = checked_names(labels, least=1)
        tags = tag_names(names, scheme)
        super().__init__(encoder, tokenizer, max_length=max_length, **kwargs)
        self.labels, self.tags = names, tags
        self.decoder, self.scheme, self.label_pieces, self.joiner = decoder, scheme, label_pieces, joiner
        self.unused_options = ("class_weights", "label_smoothing") if decoder == "crf" else ("class_weights",)
        if encoder.pooler is not None:
            # It is kept for the folder's sake: no gradient reaches it.
            encoder.pooler.trainable = False
        self.dropout = StatelessDropout(
            encoder.config.hidden_dropout_prob, layer_index=encoder.num_dropout_layers, name="dropout"
        )
        self.head = keras.layers.Dense(
            len(tags),
            kernel_initializer=keras.initializers.RandomNormal(stddev=encoder.config.initializer_range, seed=seed),
            dtype="float32",
            name="head",
        )
        self.crf = LinearChainCRF(tags, name="crf") if decoder == "crf" else None
        self.build_head()

    # From texts to tags, in the graph.

    def prepare(self, columns):
        """The tokens of whole texts, `offsets` int32 `[batch, length, 2]`, their characters, and the `text`."""
        # As the tokenizer reads it: a broken byte is one character.
        text = tf.strings.unicode_transcode(columns["text"], "UTF-8", "UTF-8", replacement_char=0xFFFD)
        tokens = self.tokenizer(text, max_length=None, return_offsets=True)
        offsets = extend_to_characters(text, tokens["offsets"])
        return {name: tokens[name] for name in TOKEN_KEYS} | {"offsets": offsets, "text": text}

    def _prepare_training(self, columns: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        # A step of training has no use for strings, and an accelerator none either.
        return {name: part for name, part in self.prepare(columns).items() if name != "text"}

    def sample_batch(self):
        """A batch of one text without a word."""
        return super().sample_batch() | {"offsets": tf.zeros([1, 3, 2], tf.int32), "text": tf.constant([""])}

    def units(self, batch: Mapping[str, tf.Tensor]):
        """What is tagged of a token batch; see `tfdomain.models.units`."""
        return find_units(batch, self.tokenizer.continues & (self.label_pieces == "first"))

    def call(self, inputs, training=False, dropout_seed=None, logits=False):
        """Scores the tags of a token batch.

        Args:
            inputs: `token_ids`, `segment_ids` and `padding_mask` int32 `[batch, length]` and `offsets` int32
                `[batch, length, 2]`, of texts of any length.
            training: Whether dropout is on.
            dropout_seed: int32 `[2]`; None draws one.
            logits: Give the head's raw outputs instead of probabilities.

        Returns:
            Float32 `[batch, units, tags]`.
        """
        tokenizer = self.tokenizer
        windows = cut_windows(inputs, tokenizer.continues, width=self.max_length, pad_token_id=tokenizer.pad_id)
        hidden = self.encoder(windows.inputs(), training=training, dropout_seed=dropout_seed)
        outputs = merge_tokens(self.head(self.dropout(hidden, training=training, seed=dropout_seed)), windows)
        units = self.units(inputs)
        emissions = tf.gather(outputs, units.tokens, batch_dims=1)
        if logits:
            return emissions
        return tf.nn.softmax(emissions) if self.crf is None else self.crf.marginals(emissions, units.mask)

    def example_losses(self, batch, outputs):
        """The sum over a text's units of the cross-entropy, or the CRF's negative log-likelihood of the text."""
        units = self.units(batch)
        tags = unit_tags(place_entities(batch["labels"], units), units, self.scheme)
        if self.crf is not None:
            return self.crf.losses(outputs, tags, units.mask)
        smoothing, log_probabilities = self.options.label_smoothing, tf.nn.log_softmax(outputs)
        true = tf.gather(log_probabilities, tags, batch_dims=2)
        losses = -(1 - smoothing) * true - smoothing * tf.reduce_mean(log_probabilities, axis=-1)
        return tf.reduce_sum(tf.where(units.mask, losses, 0.0), axis=1)

    def loss_denominator(self, batch):
        """The units of a batch: a long text counts more than a short one."""
        return tf.reduce_sum(tf.cast(self.units(batch).mask, tf.float32))

    def decode(self, batch):
        """The entities of each text, in their order.

        Returns:
            `entity` string, `label` (places in `labels`), `start` and `end` (characters) int32 and
            `confidence` float32 `[batch, max_entities]`, empty or 0 beyond `count` int32 `[batch]`. The
            confidence is the CRF's probability of the span, or the mean over its units of the
            probability of their tags.
        """
        emissions, units = self(batch, training=False, logits=True), self.units(batch)
        if self.crf is None:
            probabilities = tf.nn.softmax(emissions)
            tags = tf.argmax(emissions, axis=-1, output_type=tf.int32)
            spans = find_spans(tags, units.mask, self.tags)
            confidences = mean_confidences(probabilities, tags, spans)
        else:
            spans = find_spans(self.crf.decode(emissions, units.mask), units.mask, self.tags)
            confidences = tf.exp(self.crf.span_log_probabilities(emissions, units.mask, spans))
        return entity_table(pad_spans(spans, confidences, tf.shape(emissions)[0]), units, batch["text"])

    def serve(self, batch, columns):
        """The answer of the exported `serving_default` signature to a token batch and its raw columns.

        Returns:
            As `decode`, but `label` is the name of the label, empty beyond `count`.
        """
        found = self.decode(batch)
        exists = tf.sequence_mask(found["count"], tf.shape(found["label"])[1])
        return found | {"label": tf.where(exists, tf.gather(tf.constant(self.labels), found["label"]), "")}

    # What people hand in.

    def fit(self, x, y=None, *, validation_data=None, **more):
        """Trains the model on texts or words; the rest is as for every `TextModel`.

        Args:
            x: Texts, in any form that `TextModel.fit` takes but token arrays; or a list of words for each text.
            y: For texts the entities of each, `(label, start, end)` in characters with the end not included, or
                dictionaries with these keys. For words a tag each, in any scheme of `tfdomain.data.tag_schemes`.
            validation_data: (x, y) alike, or a data set.
            **more: As for `TextModel.fit`.

        Raises:
            InputError: As for `TextModel.fit`; a span does not fit its text, entities overlap, or tags do not fit
                their words or their scheme.
        """
        texts, y, joiner = tagged_texts(x, y, joiner=self.joiner)
        self.joiner = joiner if self.joiner is None else self.joiner
        if isinstance(validation_data, tuple) and len(validation_data) > 1:
            held_out = tagged_texts(*validation_data[:2], joiner=self.joiner)
            validation_data = (held_out.x, held_out.annotations, *validation_data[2:])
        return super().fit(texts, y, validation_data=validation_data, **more)

    def predict(self, x, batch_size=64, verbose=0, *, rows=None):
        """The entities of texts, in their order.

        Args:
            x: As for `fit`.
            batch_size: Texts at a time.
            verbose: 1 shows a bar on a terminal.
            rows: int64 `[m]`, ascending: the rows of `x` that are asked for; None: all.

        Returns:
            For each text a list of `{"text", "label", "start", "end", "confidence"}`, in their order; of words the
            places are those in the words joined by `joiner`.
        """
        return super().predict(tagged_texts(x, joiner=self.joiner).x, batch_size, verbose, rows=rows)

    def evaluate(self, x, y=None, batch_size=64, verbose=0, *, sample_weight=None):
        """The metrics of `tfdomain.metrics.entities`; over the words, where `x` has words."""
        texts, y, _ = tagged_texts(x, y, joiner=self.joiner)
        return super().evaluate(texts, y, batch_size, verbose, sample_weight=sample_weight)

    def batches(self, x: Any, *, for_training: bool = False, **more: Any) -> EpochSource:
        """A source of token batches of whole texts.

        Raises:
            InputError: `x` holds tokens.
        """
        spec = x.element_spec if isinstance(x, tf.data.Dataset) else x
        if holds_tokens(spec[0] if isinstance(spec, tuple) and spec else spec):
            raise InputError("tokens, and entities are places in a text", where="x", mend="give the texts")
        return batches_of(
            x,
            tokenizer=self.tokenizer,
            max_length=None,
            prepare=self._prepare_training if for_training else self.prepare,
            names=self.text_names,
            **more,
        )

    def encode_labels(self, labels: Any) -> np.ndarray:
        """Entities as int32 `[n, most of a text, 3]`: start, end and label, with zeros behind them.

        Args:
            labels: The entities of each text, as for `fit`.

        Raises:
            InputError: Something is no entity, or a label is none of the model's.
        """
        return entity_array([each.entities for each in self.truth(labels)], self.labels)

    def truth(self, labels: Any) -> list[Annotation]:
        """The entities of each text, and its words where there are some.

        Raises:
            InputError: As for `encode_labels`.
        """
        annotations = annotations_of(labels)
        found = [(row, entity.label) for row, each in enumerate(annotations) for entity in each.entities]
        label_ids([label for _, label in found], self.labels, where=lambda place: f"y[{found[place][0]}]")
        return annotations

    def remarks(self, x: Any, labels: np.ndarray | None) -> list[str]:
        """How many entities begin or end inside a unit, or share one: they are learned otherwise than labelled."""
        return border_remarks(self.batches(x, batch_size=256, labels=labels).epoch(0), self.units)

    # What comes out.

    def collect(self, decoded):
        """The entities of each text as a list of dictionaries."""
        return entity_rows(decoded, self.labels)

    def data_choices(self):
        """What stands between words, if they were joined."""
        return {} if self.joiner is None else {"joiner": self.joiner}

    def blank_predictions(self, num_rows: int) -> list[list]:
        """No entities."""
        return [[] for _ in range(num_rows)]

    def measure(self, truth: Any, predictions: Any, sample_weight: np.ndarray | None = None) -> dict[str, Any]:
        """The metrics of `tfdomain.metrics.entities`; where words are known, over the words.

        Args:
            truth: What `truth` or `encode_labels` gave.
            predictions: What `predict` gave.
            sample_weight: None.

        Raises:
            InputError: Weights are given: a found entity counts as one.
        """
        if sample_weight is not None:
            raise InputError("entities have no weights", where="sample_weight", mend="leave it out")
        true, found, words = self.judged_spans(truth, predictions)
        return entity_metrics(true, found, words=words)

    def judged_spans(self, truth: Any, predictions: Any) -> tuple[list, list, list | None]:
        """What `measure` compares: the entities there, those found, and the words, None where they are not known."""
        return judged_spans(truth, predictions, self.labels)

    def answers(self, predictions):
        """For each row its `entities`, as `predict` gives them."""
        return [{"entities": entities} for entities in predictions]

    def answer_types(self):
        """`entities` is a list of structs."""
        return {"entities": pa.list_(ENTITY_TYPE)}

    # What the model's folder is made of.

    def settings(self):
        """The constructor's arguments but the encoder and the tokenizer, as JSON values."""
        names = ("labels", "decoder", "scheme", "label_pieces", "joiner", "max_length")
        return {name: getattr(self, name) for name in names}

    def transformers_form(self):
        """The head as a `BertForTokenClassification`; None with a CRF, which is none."""
        if self.crf is not None:
            return None
        config = {
            "id2label": {str(number): name for number, name in enumerate(self.tags)},
            "label2id": {name: number for number, name in enumerate(self.tags)},
        }
        tensors = {"classifier.weight": self.head.kernel.numpy().T, "classifier.bias": self.head.bias.numpy()}
        return {"architecture": "BertForTokenClassification", "config": config, "tensors": tensors}

    def head_tensors(self):
        """The head's weights under our own names."""
        tensors = {"head.kernel": self.head.kernel.numpy(), "head.bias": self.head.bias.numpy()}
        if self.crf is not None:
            tensors |= {f"crf.{weight.name}": weight.numpy() for weight in self.crf.weights}
        return tensors

    def set_head_tensors(self, tensors):
        """Sets the head's weights, under our own names or those of transformers."""
        if self.crf is None:
            self.head.set_weights([tensors["classifier.weight"].T, tensors["classifier.bias"]])
            return
        self.head.set_weights([tensors["head.kernel"], tensors["head.bias"]])
        self.crf.set_weights([tensors[f"crf.{weight.name}"] for weight in self.crf.weights])
