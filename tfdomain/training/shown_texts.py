"""Some texts of a part of the data as a model sees them: their words, vectors and attention."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from tfdomain.data.values import TextColumn, as_text_array
from tfdomain.evaluation.text_pictures import attention_png
from tfdomain.models.base import TextModel
from tfdomain.models.inputs import named_columns
from tfdomain.models.pair_inputs import holds_pairs, pairs_of
from tfdomain.models.pooling import mean_of_tokens
from tfdomain.models.prediction import in_order

__all__ = ["attention_picture", "row_texts", "text_columns", "text_vectors"]

ROWS_AT_A_TIME = 64
MOST_TOKENS = 32


def text_columns(model: TextModel, inputs: Any, rows: np.ndarray) -> dict[str, list[str]]:
    """The texts of some rows by the model's names for them; none of a table alone.

    Args:
        model: Reads them.
        inputs: As for its `fit`.
        rows: int64 `[m]`.
    """
    names = model.training_names
    columns: Mapping[str, Any] = named_columns(inputs, names) if names else {}
    return {
        name: [text.decode(errors="replace") for text in TextColumn(as_text_array(column, name)).take(rows)]
        for name, column in columns.items()
    }


def row_texts(columns: Mapping[str, list[str]]) -> list[str]:
    """The texts of each row in one line."""
    return [" / ".join(texts) for texts in zip(*columns.values(), strict=True)]


def text_vectors(model: TextModel, inputs: Any, rows: np.ndarray) -> np.ndarray:
    """The vector that the model's head judges a row by, or of tasks without one the mean of the text's tokens.

    Nothing is compiled for it: it is done once, for a few rows.

    Args:
        model: Has learned.
        inputs: As for its `predict`.
        rows: int64 `[m]`, ascending.

    Returns:
        Float32 `[m, width]`.
    """
    if not hasattr(model, "embed"):
        (texts, *_) = text_columns(model, inputs, rows).values()
        parts = [texts[start : start + ROWS_AT_A_TIME] for start in range(0, len(texts), ROWS_AT_A_TIME)]
        return np.concatenate([_mean_vectors(model, part) for part in parts])
    if holds_pairs(inputs) and model.task == "embedding":
        inputs = pairs_of(inputs)["anchor"]
    vectors, row_ids = [], []
    for batch in model.batches(inputs, batch_size=ROWS_AT_A_TIME, rows=rows).epoch(0):
        vectors.append(tf.cast(model.embed(batch, training=False), tf.float32).numpy())
        row_ids.append(batch["row_ids"].numpy())
    return in_order(vectors, row_ids)


def attention_picture(model: TextModel, columns: Mapping[str, list[str]]) -> bytes:
    """What the tokens of a few texts look at in the encoder's last layer, the mean of its heads, as a PNG's bytes."""
    first, *others = columns.values()
    limit = min(MOST_TOKENS, model.encoder.config.max_position_embeddings)
    batch = model.tokenizer(first, others[0] if others else None, max_length=limit)
    weights = tf.reduce_mean(model.encoder.attention_weights(batch)[-1], axis=1).numpy()
    counts = tf.reduce_sum(batch["padding_mask"], axis=1).numpy().tolist()
    vocabulary, ids = model.tokenizer.vocabulary, batch["token_ids"].numpy()
    tokens = [[vocabulary[token] for token in row[:count]] for row, count in zip(ids, counts, strict=True)]
    return attention_png([one[:count, :count] for one, count in zip(weights, counts, strict=True)], tokens)


def _mean_vectors(model: TextModel, texts: list[str]) -> np.ndarray:
    limit = min(model.max_length, model.encoder.config.max_position_embeddings)
    batch = model.tokenizer(texts, max_length=limit)
    return tf.cast(mean_of_tokens(model.encoder(batch), batch["padding_mask"]), tf.float32).numpy()
