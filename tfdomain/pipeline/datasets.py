"""A user's own `tf.data.Dataset` of raw texts in the vocabulary of token batches."""

from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from tfdomain.errors import InputError
from tfdomain.pipeline.batches import TEXT_NAMES, TOKEN_KEYS, Prepare, tokenize_texts
from tfdomain.pipeline.tuning import untuned

__all__ = ["tokenized"]

_FORMS = "text, (text, label), ((text, pair), label), (..., label, sample_weight), or token batches"


def tokenized(
    dataset: tf.data.Dataset,
    tokenizer: Any,
    max_length: int | None = 128,
    *,
    batch_size: int = 32,
    label_names: Sequence[str] | None = None,
    prepare: Prepare | None = None,
    names: Sequence[str] = TEXT_NAMES,
) -> tf.data.Dataset:
    """Tokenizes a dataset of raw texts inside the graph.

    Its order and its batches are the caller's own; single elements are batched first.

    Args:
        dataset: Elements, batched or not, of the forms `text`, `(text, label)`, `((text, pair), label)`,
            each of the last two perhaps with a sample weight, or dictionaries that have `token_ids` and
            `padding_mask` already, which pass through. Texts are string tensors. In place of `text` may
            stand a dictionary of columns by name, where `prepare` reads others than texts.
        tokenizer: As `TokenBatches` takes it.
        max_length: The most tokens of a row, special tokens included.
        batch_size: For a dataset of single elements.
        label_names: Turns string labels into their positions here; a label that is none of them stops the
            iteration with an error that names it.
        prepare: As for `TokenBatches`; None: `tokenize_texts`.
        names: What `prepare` calls the texts of a row, in their order.

    Returns:
        Batches of what `prepare` gives, and where given `labels` (int32 or float32) and `sample_weight`
        (float32).

    Raises:
        InputError: The elements have another form or type.
    """
    spec = dataset.element_spec
    if isinstance(spec, dict) and (TOKEN_KEYS[0] in spec or not set(names[:1]) <= set(spec)):
        missing = [key for key in TOKEN_KEYS if key not in spec]
        if missing:
            raise _form_error(f"dictionaries without {', '.join(missing)}")
        return untuned(dataset)
    columns, label, _ = _parts(spec, names)
    ranks = {column.shape.rank for column in columns.values()}
    if ranks not in ({0}, {1}):
        raise _form_error(f"texts of shape {next(iter(columns.values())).shape}")
    if ranks == {0}:
        dataset = dataset.batch(batch_size)
    lookup = _label_lookup(label, label_names)

    def to_tokens(*element: Any) -> dict[str, tf.Tensor]:
        columns, label, weight = _parts(element if len(element) > 1 else element[0], names)
        batch = prepare(columns) if prepare else tokenize_texts(columns, tokenizer, max_length)
        if label is not None:
            batch["labels"] = lookup(label)
        if weight is not None:
            batch["sample_weight"] = tf.cast(weight, tf.float32)
        return batch

    dataset = dataset.map(to_tokens, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
    return untuned(dataset.prefetch(tf.data.AUTOTUNE))


def _parts(element: Any, names: Sequence[str]) -> tuple[dict[str, Any], Any, Any]:
    """The columns by name, the label and the weight of an element or of its specification."""
    x, label, weight = element, None, None
    if isinstance(element, tuple):
        if not 2 <= len(element) <= 3:
            raise _form_error(f"tuples of {len(element)}")
        x, label, weight = (*element, None)[:3]
    if isinstance(x, dict):
        return x, label, weight
    texts = x if isinstance(x, tuple) else (x,)
    if len(texts) > len(names) or (isinstance(x, tuple) and len(texts) < 2):
        raise _form_error(f"{len(texts)} texts a row")
    for text in texts:
        if getattr(text, "dtype", None) != tf.string:
            raise _form_error(f"texts of type {getattr(text, 'dtype', type(text).__name__)}")
    return dict(zip(names, texts, strict=False)), label, weight


def _label_lookup(label: Any, names: Sequence[str] | None) -> Any:
    if label is None or label.dtype != tf.string:
        return lambda label: tf.cast(label, tf.float32 if label.dtype.is_floating else tf.int32)
    if names is None:
        raise InputError("the labels are strings", where="dataset", mend="give `label_names`, or integers")
    ids = tf.lookup.KeyValueTensorInitializer(tf.constant(list(names)), tf.range(len(names)))
    table = tf.lookup.StaticHashTable(ids, default_value=-1)

    def look_up(label: tf.Tensor) -> tf.Tensor:
        found = table.lookup(label)
        unknown = tf.boolean_mask(label, found < 0)
        seen = tf.debugging.Assert(tf.size(unknown) == 0, ["labels never seen in training:", unknown])
        with tf.control_dependencies([seen]):
            return tf.identity(found)

    return look_up


def _form_error(problem: str) -> InputError:
    return InputError(f"its elements are {problem}", where="dataset", mend=f"the forms taken are {_FORMS}")
