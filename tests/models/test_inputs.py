import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import tensorflow as tf

from tfdomain.encoders.tokenizer import Tokenizer
from tfdomain.errors import InputError
from tfdomain.models.batches import batches_of
from tfdomain.models.datasets import explained_labels, without_labels
from tfdomain.models.inputs import named_columns

TEXTS = ["my car is lost", "we paid", "", "the new house", "no money"]
NAMES = ["bad", "good"]


@pytest.fixture(scope="module")
def tokenizer(tiny_checkpoint):
    return Tokenizer.from_pretrained(tiny_checkpoint)


@pytest.fixture
def make(tokenizer):
    return lambda x, **more: batches_of(x, **{"tokenizer": tokenizer, "max_length": 16, "batch_size": 2} | more)


def column(source, name, epoch=0):
    return np.concatenate([batch[name].numpy() for batch in source.epoch(epoch)]).tolist()


@pytest.mark.parametrize(
    "texts",
    [TEXTS, np.array(TEXTS), np.array(TEXTS, object), pd.Series(TEXTS), pa.chunked_array([TEXTS]), tf.constant(TEXTS)],
    ids=["list", "numpy", "objects", "pandas", "arrow", "tensor"],
)
def test_columns_of_every_kind(make, tokenizer, texts):
    source = make(texts, labels=np.arange(5))
    assert source.num_batches == 3
    expected = tokenizer(TEXTS)["padding_mask"].numpy().sum(1)
    found = {}
    for batch in source.epoch(0):
        found |= dict(zip(batch["labels"].numpy().tolist(), batch["padding_mask"].numpy().sum(1), strict=True))
    assert [found[row] for row in range(5)] == expected.tolist()


@pytest.mark.parametrize(
    ("x", "message"),
    [
        ("one", r"^x: one text where a list is expected; wrap it"),
        (["a", 3], r"^x\[1\]: 3 is int, not text"),
        (["a", None], r"^x\[1\]: None is NoneType"),
        (([], [], []), r"^x: a tuple of 3; give a list of texts"),
        (("a", "b"), r"^x: a tuple of 2; .*two lists for pairs"),
        ((["a"], "b"), r"^x\[1\]: one text where a list is expected"),
        ((["a"], [3]), r"^x\[1\]\[0\]: 3 is int"),
        ((["a", "b"], ["c"]), r"^x: 2 first and 1 second texts"),
        (iter(["a"]), r"^x: list_iterator holds no texts"),
        (None, r"^x: NoneType holds no texts"),
    ],
)
def test_what_is_no_text_is_refused_in_one_line(x, message):
    with pytest.raises(InputError, match=message):
        named_columns(x, ["text", "text_pair"])


@pytest.mark.parametrize("name", ["labels", "sample_weight"])
@pytest.mark.parametrize("given", [np.ones(4), np.ones(1), np.float32(1)])
def test_a_column_of_another_length_is_refused(make, name, given):
    with pytest.raises(InputError, match="for 5 texts; give one a text"):
        make(TEXTS, **{name: given})


def test_token_arrays_are_batched_as_they_are(make, tokenizer):
    tokens = {name: value.numpy() for name, value in tokenizer(TEXTS).items()}
    source = make(tokens, labels=np.arange(5, dtype="int32"), shuffle=True, seed=3)
    assert source.num_batches == 3
    first, again, next_one = (column(source, "labels", epoch) for epoch in (0, 0, 1))
    assert first == again != next_one
    assert sorted(first) == [0, 1, 2, 3, 4]
    assert column(source, "row_ids") == first
    np.testing.assert_array_equal(column(source, "token_ids"), tokens["token_ids"][first])
    rest = [batch["labels"].numpy().tolist() for batch in source.epoch(0, first_batch=2)]
    assert rest == [first[4:]]
    del tokens["segment_ids"]
    np.testing.assert_array_equal(column(make(tokens), "segment_ids"), 0)


@pytest.mark.parametrize(
    ("tokens", "message"),
    [
        ({"token_ids": [[1]]}, "holds no padding_mask"),
        ({"token_ids": [[1, 2]], "padding_mask": [[1]]}, r"padding_mask has the shape \[1, 1\]"),
        ({"token_ids": [1], "padding_mask": [1]}, r"token_ids has the shape \[1\]"),
        ({"token_ids": np.ones([0, 3]), "padding_mask": np.ones([0, 3])}, "there are no rows"),
    ],
)
def test_broken_token_arrays_are_refused(make, tokens, message):
    with pytest.raises(InputError, match=message):
        make(tokens)


def dataset(labels, *more):
    return tf.data.Dataset.from_tensor_slices((TEXTS, labels, *more))


@pytest.mark.parametrize("batch_size", [None, 2, 3])
@pytest.mark.parametrize("labels", [[0, 1, 1, 0, 1], ["bad", "good", "good", "bad", "good"]], ids=["numbers", "names"])
def test_datasets_with_labels_of_both_kinds(make, batch_size, labels):
    x = dataset(labels, [1.0, 2.0, 3.0, 4.0, 5.0])
    source = make(x if batch_size is None else x.batch(batch_size), label_names=NAMES)
    assert source.num_batches == len(list(source.epoch(0))) == -(-5 // (batch_size or 2))
    assert column(source, "labels") == [0, 1, 1, 0, 1]
    assert column(source, "sample_weight") == [1, 2, 3, 4, 5]
    assert source.epoch(0).element_spec["labels"].dtype == tf.int32


@pytest.mark.parametrize("single", [True, False])
def test_batches_of_unknown_number_are_counted(make, single):
    x = dataset([0, 1, 1, 0, 1]).filter(lambda text, label: text != "we paid")
    source = make(x if single else x.batch(3))
    assert source.num_batches == len(list(source.epoch(0))) == 2


@pytest.mark.parametrize(
    ("labels", "names", "unseen"),
    [
        (["bad", "odd one", "good", "bad", "x"], NAMES, "odd one"),
        ([0, 1, 2, 0, 1], NAMES, "2"),
        ([0, -1, 1, 0, 1], NAMES, "-1"),
        ([7, 3, 5, 7, 7], ["3", "7"], "5"),
    ],
)
def test_unknown_labels_of_a_dataset_are_one_line(make, labels, names, unseen):
    source = make(dataset(labels).batch(5), label_names=names)
    with pytest.raises(InputError) as caught, explained_labels(names):
        list(source.epoch(0))
    message = str(caught.value)
    assert f"labels never seen in training: {unseen}" in message
    assert repr(names[0]) in message
    assert "\n" not in message


def test_numbers_are_names_where_classes_are_named_by_numbers(make):
    source = make(dataset([7, 3, 3, 7, 7]), label_names=["3", "7"])
    assert column(source, "labels") == [1, 0, 0, 1, 1]


def test_other_failures_of_a_dataset_stay_what_they_are(make):
    broken = dataset([0, 1, 1, 0, 1]).map(lambda t, y: (t, tf.debugging.check_numerics(tf.math.log(-1.0), "own") + 0))
    with pytest.raises(tf.errors.InvalidArgumentError, match="own"), explained_labels(NAMES):
        list(make(broken).epoch(0))


def test_a_dataset_without_end_is_refused(make):
    with pytest.raises(InputError, match=r"the data set has no end; bound it with dataset\.take"):
        make(dataset([0, 1, 1, 0, 1]).repeat())


def test_labels_beside_a_dataset_are_refused(make):
    with pytest.raises(InputError, match="put them into the data set"):
        make(dataset([0, 1, 1, 0, 1]), labels=np.arange(5))


def test_labels_come_off_pairs_too(make):
    x = tf.data.Dataset.from_tensor_slices(((TEXTS, TEXTS), ["any", "thing", "may", "stand", "here"]))
    source = make(without_labels(x), label_names=NAMES)
    assert column(source, "labels") == [0] * 5
    assert max(batch["segment_ids"].numpy().max() for batch in source.epoch(0)) == 1
    assert without_labels(TEXTS) is TEXTS


@pytest.mark.parametrize("kind", ["texts", "tokens", "dataset"])
def test_no_thread_tunes_what_is_read(make, tokenizer, kind):
    x = {
        "texts": TEXTS,
        "tokens": {name: value.numpy() for name, value in tokenizer(TEXTS).items()},
        "dataset": tf.data.Dataset.from_tensor_slices(TEXTS),
    }[kind]
    assert make(x).epoch(0).options().autotune.enabled is False
