import numpy as np
import pytest
import tensorflow as tf

from tfdomain.errors import InputError
from tfdomain.pipeline.datasets import tokenized

TEXTS, PAIRS = ["my loan", "card", "a new car please"], ["the bank", "pay", "debt"]
LABELS, WEIGHTS = [2, 0, 1], [1.0, 0.5, 2.0]
FORMS = {
    "text": TEXTS,
    "text and label": (TEXTS, LABELS),
    "pair and label": ((TEXTS, PAIRS), LABELS),
    "pair, label and weight": ((TEXTS, PAIRS), LABELS, WEIGHTS),
    "text, label and weight": (TEXTS, LABELS, WEIGHTS),
    "columns by name": {"text": TEXTS},
    "pair by name and label": ({"text": TEXTS, "text_pair": PAIRS}, LABELS),
}


@pytest.mark.parametrize("batched", [True, False])
@pytest.mark.parametrize("form", FORMS)
def test_every_form_becomes_token_batches(tokenizer, form, batched):
    dataset = tf.data.Dataset.from_tensor_slices(FORMS[form])
    dataset = dataset.batch(2) if batched else dataset
    batches = list(tokenized(dataset, tokenizer, 16, batch_size=2))
    assert [len(batch["token_ids"]) for batch in batches] == [2, 1]
    expected = tokenizer(tf.constant(TEXTS[:2]), tf.constant(PAIRS[:2]) if "pair" in form else None)
    for key, value in expected.items():
        assert np.array_equal(batches[0][key], value)
    assert ("labels" in batches[0]) == ("label" in form)
    if "label" in form:
        assert batches[0]["labels"].numpy().tolist() == [2, 0]
        assert batches[0]["labels"].dtype == tf.int32
    if "weight" in form:
        assert batches[0]["sample_weight"].numpy().tolist() == [1.0, 0.5]


def test_token_batches_pass_through(tokenizer):
    batch = tokenizer(tf.constant(TEXTS)) | {"labels": tf.constant(LABELS)}
    (found,) = tokenized(tf.data.Dataset.from_tensors(batch), tokenizer, 16)
    assert found.keys() == batch.keys()
    assert all(tf.reduce_all(found[name] == batch[name]) for name in batch)


def test_string_labels_by_name(tokenizer):
    dataset = tf.data.Dataset.from_tensor_slices((TEXTS, ["no", "yes", "no"]))
    (batch,) = tokenized(dataset, tokenizer, 16, label_names=["no", "yes"])
    assert batch["labels"].numpy().tolist() == [0, 1, 0]
    with pytest.raises(tf.errors.InvalidArgumentError, match="never seen in training"):
        list(tokenized(dataset, tokenizer, 16, label_names=["no"]))
    with pytest.raises(InputError, match="label_names"):
        tokenized(dataset, tokenizer, 16)


def test_float_labels_stay_floats(tokenizer):
    dataset = tf.data.Dataset.from_tensor_slices((TEXTS, WEIGHTS))
    (batch,) = tokenized(dataset, tokenizer, 16)
    assert batch["labels"].dtype == tf.float32


@pytest.mark.parametrize(
    ("elements", "words"),
    [
        ([1, 2], "texts of type"),
        ((TEXTS, LABELS, WEIGHTS, WEIGHTS), "tuples of 4"),
        (((TEXTS, PAIRS, PAIRS), LABELS), "3 texts"),
        ({"words": TEXTS}, "dictionaries without token_ids"),
        ([["a", "b"]], None),
    ],
)
def test_other_elements_are_refused(tokenizer, elements, words):
    dataset = tf.data.Dataset.from_tensor_slices(elements)
    if words is None:
        dataset, words = dataset.batch(2), "texts of shape"
    with pytest.raises(InputError) as caught:
        tokenized(dataset, tokenizer, 16)
    assert words in str(caught.value)
    assert "the forms taken are text, (text, label)" in str(caught.value)
