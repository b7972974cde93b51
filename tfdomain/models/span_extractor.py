"""Answers to questions, found in the texts that come with them."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import keras
import numpy as np
import pyarrow as pa
import tensorflow as tf

from tfdomain.data.values import as_text_array
from tfdomain.encoders.encoder import Encoder
from tfdomain.encoders.tokenizer import Tokenizer
from tfdomain.errors import InputError
from tfdomain.metrics.answers import answer_metrics
from tfdomain.models.answer_labels import answer_labels, check_answers
from tfdomain.models.answer_spans import (
    NEVER,
    Words,
    answer_words,
    best_spans,
    best_windows,
    context_words,
    find_in_windows,
)
from tfdomain.models.base import TextModel
from tfdomain.models.inputs import holds_tokens, named_columns
from tfdomain.models.question_tokens import tokenize_questions
from tfdomain.models.windows import cut_windows
from tfdomain.optimization.loop import EpochSource

__all__ = ["SpanExtractor", "WindowScores"]

DEFAULT_MAX_LENGTH = 384
LEAST_MAX_LENGTH = 8
QUESTION_SHARE = 3


class WindowScores(NamedTuple):
    """What the head says of each window of a batch.

    `log_probabilities` float32 `[num_windows, width, 2]` of an answer's beginning and ending with each
    token, the first of which, `[CLS]`, stands for no answer. `tokens` int32 `[num_windows, width]` has the
    place of each token in the batch's rows, laid out flat; `row_of_window` int32 `[num_windows]`.
    """

    log_probabilities: tf.Tensor
    tokens: tf.Tensor
    words: Words
    row_of_window: tf.Tensor


@keras.saving.register_keras_serializable("tfdomain")
class SpanExtractor(TextModel):
    """Finds the stretch of a context that answers a question, or that there is none.

    A context that is too long is read in overlapping windows, each with the whole question; a question is
    cut to a third of `max_length`. An answer consists of whole words. Its score is the probability of its
    first token times that of its last, in the window it stands in; that of no answer is the same for the
    window's `[CLS]`. The row's answer is the one with the highest odds against no answer over all windows.

    Args:
        encoder: Turns tokens into vectors.
        tokenizer: Turns text into tokens.
        max_length: Tokens of a window, at least 8; None: 384, or the encoder's positions where they are fewer.
        overlap: Tokens of a context that a window repeats of the one before; None: a quarter of its context.
        max_answer_tokens: Tokens of the longest answer that is given.
        answer_threshold: The log-odds of the best answer against none from which on it is given; None: always.
        seed: Of the head's first weights.

    Raises:
        InputError: A number is out of its range.

    Example:
        >>> model = SpanExtractor.from_pretrained(folder)
        >>> history = model.fit((["Where?"], ["It is in Paris."]), [[("Paris", 9)]])
        >>> model.answers(model.predict((["Where?"], ["It is in Paris."])))[0]["answer"]
        'Paris'

    Reference:
        Devlin et al. 2018, "BERT", section 4.3 (https://arxiv.org/abs/1810.04805).
    """

    task = "span"
    headline = ("answer_f1", "exact_match")
    loss_metric = "loss"
    text_names = ("question", "context")
    training_names = ("question", "context")
    unused_options = ("class_weights", "label_smoothing")
    takes_callers_loss = False

    def __init__(
        self,
        encoder: Encoder,
        tokenizer: Tokenizer,
        *,
        max_length: int | None = None,
        overlap: int | None = None,
        max_answer_tokens: int = 30,
        answer_threshold: float | None = 0.0,
        seed: int = 0,
        **kwargs: Any,
    ):
        if max_length is None:
            max_length = min(DEFAULT_MAX_LENGTH, encoder.config.max_position_embeddings)
        super().__init__(encoder, tokenizer, max_length=max_length, pairs=True, **kwargs)
        if max_length < LEAST_MAX_LENGTH:
            problem = f"max_length is {max_length}, which holds no question beside its context"
            raise InputError(problem, mend=f"give at least {LEAST_MAX_LENGTH}")
        if overlap is not None and not 0 <= overlap < max_length - 2:
            raise InputError(f"overlap is {overlap}", mend=f"give 0 to {max_length - 3} for windows of {max_length}")
        if max_answer_tokens < 1:
            raise InputError(f"max_answer_tokens is {max_answer_tokens}", mend="give at least 1")
        self.overlap, self.max_answer_tokens, self.answer_threshold = overlap, max_answer_tokens, answer_threshold
        if encoder.pooler is not None:
            # It is kept for the folder's sake: no gradient reaches it.
            encoder.pooler.trainable = False
        self.head = keras.layers.Dense(
            2,
            kernel_initializer=keras.initializers.RandomNormal(stddev=encoder.config.initializer_range, seed=seed),
            # float32 whatever the policy: log-probabilities of half precision are too coarse to add.
            dtype="float32",
            name="head",
        )
        self.build_head()

    @property
    def answer_threshold(self) -> float | None:
        """The log-odds of the best answer against none from which on it is given; None: always."""
        return self._answer_threshold

    @answer_threshold.setter
    def answer_threshold(self, threshold: float | None) -> None:
        # It is a constant of the compiled function.
        self._answer_threshold, self._predict_function = threshold, None

    def prepare(self, columns):
        """The tokens of questions and contexts with their `offsets`, and the `context` itself."""
        # Broken UTF-8 becomes what the tokenizer takes it for: characters are counted the same then.
        context = tf.strings.unicode_transcode(columns["context"], "UTF-8", "UTF-8")
        limit = self.max_length // QUESTION_SHARE
        return tokenize_questions(columns["question"], context, self.tokenizer, limit) | {"context": context}

    def sample_batch(self):
        """A batch such as `prepare` gives, of one row: an empty question and a context of one character."""
        ids = [self.tokenizer.cls_id, self.tokenizer.sep_id, self.tokenizer.unk_id, self.tokenizer.sep_id]
        return {
            "token_ids": tf.constant([ids]),
            "segment_ids": tf.constant([[0, 0, 1, 1]]),
            "padding_mask": tf.ones([1, 4], tf.int32),
            "offsets": tf.constant([[[0, 0], [0, 0], [0, 1], [0, 0]]]),
            "context": tf.constant(["?"]),
        }

    def batches(self, x, **more: Any) -> EpochSource:
        """A source of token batches of questions and contexts; tokens alone are not enough.

        Raises:
            InputError: `x` holds tokens, or anything else that `fit` does not take.
        """
        if holds_tokens(x.element_spec if isinstance(x, tf.data.Dataset) else x):
            mend = "give a tuple of questions and contexts, or columns by name"
            raise InputError("token arrays, and answers are cut from the texts", where="x", mend=mend)
        return super().batches(x, **more)

    def fit(self, x, y=None, **more: Any) -> keras.callbacks.History:
        """Trains the model; see `TextModel.fit`.

        Args:
            x: A tuple of questions and contexts, columns by name, or a data set.
            y: For each question a list of answers, each (text, start) or (start, end) in characters of the
                context; an empty list where it has none.
            **more: As for `TextModel.fit`.

        Raises:
            InputError: An answer is not where it says, or anything else that `TextModel.fit` refuses.
        """
        self._check_answers(x, y)
        return super().fit(x, y, **more)

    def evaluate(self, x, y=None, *arguments: Any, **more: Any) -> dict[str, Any]:
        """The metrics of `tfdomain.metrics.answers`; see `TextModel.evaluate`, and `fit` for `y`.

        Raises:
            InputError: An answer is not where it says, or anything else that `TextModel.evaluate` refuses.
        """
        self._check_answers(x, y)
        return super().evaluate(x, y, *arguments, **more)

    def call(self, inputs, training=False, dropout_seed=None, logits=False):
        """Scores a token batch.

        Args:
            inputs: What `prepare` gives.
            training: Whether dropout is on.
            dropout_seed: int32 `[2]`; None draws one.
            logits: Makes no difference: the loss reads the same scores as predictions do.

        Returns:
            The `WindowScores`.
        """
        is_continued = tf.gather(self.tokenizer.continues, inputs["token_ids"])
        windows = self._cut(inputs, is_continued)
        tokens = windows.token_ids
        batch = windows.inputs()
        ids = tf.gather(tf.reshape(inputs["token_ids"], [-1]), tokens)
        batch["token_ids"] = tf.where(batch["padding_mask"] > 0, ids, self.tokenizer.pad_id)
        hidden = self.encoder(batch, training=training, dropout_seed=dropout_seed)
        words = _in_windows(context_words(inputs, is_continued), tokens, batch["padding_mask"])
        is_first = (tf.range(tf.shape(tokens)[1]) == 0)[tf.newaxis]
        is_candidate = tf.stack([words.begins | is_first, words.ends | is_first], axis=2)
        scores = tf.nn.log_softmax(tf.where(is_candidate, self.head(hidden), NEVER), axis=1)
        return WindowScores(scores, tokens, words, windows.row_of_window)

    def example_losses(self, batch, outputs):
        """The sum over a row's windows of the cross-entropy of the answer's first and last token, halved.

        A window that holds no answer whole is to find none.
        """
        words = context_words(batch, tf.gather(self.tokenizer.continues, batch["token_ids"]))
        answers = answer_words(batch["labels"], words, batch["offsets"])
        places = find_in_windows(tf.gather(answers, outputs.row_of_window), outputs.words)
        true = tf.gather(tf.transpose(outputs.log_probabilities, [0, 2, 1]), places, batch_dims=2)  # [num_windows, 2]
        losses = -tf.reduce_mean(true, axis=1)
        return tf.math.unsorted_segment_sum(losses, outputs.row_of_window, tf.shape(batch["token_ids"])[0])

    def loss_denominator(self, batch):
        """The number of windows, so that each weighs the same."""
        windows = self._cut(batch, tf.gather(self.tokenizer.continues, batch["token_ids"]))
        return tf.cast(tf.shape(windows.row_of_window)[0], tf.float32)

    def decode(self, batch):
        """The best answer of each row; see `collect`, which names the keys."""
        outputs = self(batch, training=False)
        places, score = best_spans(outputs.log_probabilities, outputs.words, self.max_answer_tokens)
        no_answer = tf.reduce_sum(outputs.log_probabilities[:, 0], axis=1)
        chosen = best_windows(score - no_answer, outputs.row_of_window, tf.shape(batch["token_ids"])[0])
        score, no_answer, places = (tf.gather(part, chosen) for part in (score, no_answer, places))
        tokens = tf.gather(tf.gather(outputs.tokens, chosen), places, batch_dims=1)
        characters = tf.gather(tf.reshape(batch["offsets"], [-1, 2]), tokens)  # [batch, first or last token, 2]
        is_given = score > NEVER / 2
        if self.answer_threshold is not None:
            is_given &= score - no_answer >= self.answer_threshold
        start = tf.where(is_given, characters[:, 0, 0], 0)
        end = tf.where(is_given, characters[:, 1, 1], 0)
        return {
            "answer": tf.strings.substr(batch["context"], start, end - start, unit="UTF8_CHAR"),
            "start": start,
            "end": end,
            "score": tf.exp(score),
            "no_answer_score": tf.exp(no_answer),
            "context": batch["context"],
        }

    def collect(self, decoded):
        """What `predict` gives.

        Returns:
            `answer` (strings, empty where none is given), `start` and `end` int32, its characters in the
            context; `score` and `no_answer_score` float32, the probabilities of the best answer, given or
            not, and of none in the same window; `context`, in which answers are compared. All `[n]`.
        """
        texts = {name: np.array([text.decode() for text in decoded[name]], object) for name in ("answer", "context")}
        return decoded | texts

    def encode_labels(self, labels):
        """Spans of characters, int32 `[n, most answers, 2]`; see `tfdomain.models.answer_labels`."""
        return answer_labels(labels)

    def blank_predictions(self, num_rows: int) -> dict[str, Any]:
        """No answer at all."""
        texts = np.full(num_rows, "", object)
        return {"answer": texts, "context": texts}

    def measure(self, truth, predictions, sample_weight=None) -> dict[str, Any]:
        """The metrics of `tfdomain.metrics.answers`, each question in the language of its answers."""
        if sample_weight is not None:
            raise InputError("answers are counted without weights", where="sample_weight", mend="leave it out")
        true = [
            [context[start:end] for start, end in spans.tolist() if end]
            for context, spans in zip(predictions["context"], truth, strict=True)
        ]
        return answer_metrics(true, list(predictions["answer"]))

    def answers(self, predictions) -> list[dict[str, Any]]:
        """For each row `answer`, `start`, `end`, `score` and `no_answer_score`."""
        names = list(self.answer_types())
        columns = (predictions[name].tolist() for name in names)
        return [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]

    def answer_types(self) -> dict[str, pa.DataType]:
        """`answer` is a string, `start` and `end` are integers, the scores floats."""
        scores = {"score": pa.float32(), "no_answer_score": pa.float32()}
        return {"answer": pa.string(), "start": pa.int32(), "end": pa.int32()} | scores

    def serve(self, batch, columns) -> dict[str, tf.Tensor]:
        """The answer of the exported `serving_default` signature to a token batch and its raw columns.

        Returns:
            `answer` string, `start` and `end` int32, `score` and `no_answer_score` float32, all `[batch]`.
        """
        decoded = self.decode(batch)
        return {name: decoded[name] for name in self.answer_types()}

    def settings(self) -> dict[str, Any]:
        """The constructor's arguments but the encoder and the tokenizer, as JSON values."""
        names = ("max_length", "overlap", "max_answer_tokens", "answer_threshold")
        return {name: getattr(self, name) for name in names}

    def transformers_form(self) -> dict[str, Any]:
        """The head as a `BertForQuestionAnswering`."""
        tensors = {"qa_outputs.weight": self.head.kernel.numpy().T, "qa_outputs.bias": self.head.bias.numpy()}
        return {"architecture": "BertForQuestionAnswering", "config": {}, "tensors": tensors}

    def set_head_tensors(self, tensors: Mapping[str, np.ndarray]) -> None:
        """Sets the head's weights, under the names of transformers."""
        self.head.set_weights([tensors["qa_outputs.weight"].T, tensors["qa_outputs.bias"]])

    def _cut(self, batch, is_continued):
        """The windows of a batch, with the number of each token in place of its id."""
        numbers = tf.reshape(tf.range(tf.size(batch["token_ids"])), tf.shape(batch["token_ids"]))
        return cut_windows(
            {**batch, "token_ids": numbers},
            tf.reshape(is_continued, [-1]),
            width=self.max_length,
            overlap=self.overlap,
            keep_question=True,
        )

    def _check_answers(self, x, y):
        if y is not None and not isinstance(x, tf.data.Dataset) and not holds_tokens(x):
            contexts = named_columns(x, self.text_names).get("context", [])
            check_answers(y, as_text_array(contexts, "context").to_pylist())


def _in_windows(words: Words, tokens: tf.Tensor, padding_mask: tf.Tensor) -> Words:
    number, begins, ends = (tf.gather(tf.reshape(part, [-1]), tokens) for part in words)
    is_token = padding_mask > 0
    return Words(tf.where(is_token, number, -1), begins & is_token, ends & is_token)
