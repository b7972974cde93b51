import contextlib
import re

import numpy as np
import pyarrow as pa
import pytest
import tensorflow as tf

from tfdomain.data.rows import read_rows
from tfdomain.errors import InputError, TfdomainError
from tfdomain.pipeline import lengths as pipeline_lengths
from tfdomain.pipeline.batches import TokenBatches, tokenize_texts

WORDS = re.findall(
    r"\w+", "loan card money bank pay paid debt car house job lost new old good bad great poor need want help"
)
TEXTS = [" ".join(WORDS[(row + place) % 20] for place in range(1 + row % 13)) for row in range(101)]


def texts_of(batch, tokenizer) -> list[str]:
    """The texts of a batch, from its ids: each word of theirs is one token."""
    ids, mask = batch["token_ids"].numpy(), batch["padding_mask"].numpy()
    rows = [row[: count.sum()] for row, count in zip(ids, mask, strict=True)]
    return [" ".join(tokenizer.vocabulary[token] for token in row[1:-1]) for row in rows]


def num_tokens(text: str) -> int:
    return len(text.split()) + 2


def equal(first, second) -> bool:
    return first.keys() == second.keys() and all(np.array_equal(first[key], second[key]) for key in first)


def test_a_batch_has_the_vocabulary_of_the_house(tokenizer):
    batches = TokenBatches(
        {"text": TEXTS, "text_pair": TEXTS},
        tokenizer=tokenizer,
        labels=[1] * 101,
        sample_weight=[0.5] * 101,
        batch_size=8,
    )
    batch = next(iter(batches.epoch(0)))
    assert {key: (value.dtype.name, value.shape.rank) for key, value in batch.items()} == {
        "token_ids": ("int32", 2),
        "segment_ids": ("int32", 2),
        "padding_mask": ("int32", 2),
        "row_ids": ("int64", 1),
        "labels": ("int32", 1),
        "sample_weight": ("float32", 1),
    }
    assert batch["token_ids"].shape[1] == int(tf.reduce_max(tf.reduce_sum(batch["padding_mask"], 1)))


def test_every_row_comes_once_with_its_own_values(tokenizer):
    batches = TokenBatches(
        TEXTS, tokenizer=tokenizer, labels=np.arange(101), sample_weight=np.arange(101) / 2, batch_size=8
    )
    seen = []
    for batch in batches.epoch(3):
        rows = batch["row_ids"].numpy()
        assert texts_of(batch, tokenizer) == [TEXTS[row] for row in rows]
        assert batch["labels"].numpy().tolist() == rows.tolist()
        assert (batch["sample_weight"].numpy() == rows / 2).all()
        seen += rows.tolist()
    assert sorted(seen) == list(range(101))
    assert batches.num_examples == 101
    assert batches.num_batches == 13 == int(batches.epoch(3).cardinality())


@pytest.mark.parametrize("first_batch", [0, 1, 7, 13])
@pytest.mark.parametrize("shuffle", [True, False])
def test_an_epoch_goes_on_where_it_stopped(tokenizer, first_batch, shuffle):
    def batches():
        return TokenBatches(TEXTS, tokenizer=tokenizer, batch_size=8, seed=5, shuffle=shuffle)

    whole = list(batches().epoch(2))
    rest = list(batches().epoch(2, first_batch=first_batch))
    assert len(rest) == 13 - first_batch
    assert all(map(equal, rest, whole[first_batch:]))


def test_epochs_differ_and_one_iterates_twice_alike(tokenizer):
    batches = TokenBatches(TEXTS, tokenizer=tokenizer, batch_size=8)
    dataset = batches.epoch(0)
    assert all(map(equal, dataset, dataset))
    orders = [tuple(np.concatenate([batch["row_ids"] for batch in batches.epoch(epoch)])) for epoch in range(3)]
    assert len(set(orders)) == 3


def test_all_epochs_share_what_is_traced(tokenizer):
    traced = []

    def prepare(columns):
        traced.append(sorted(columns))
        return tokenize_texts(columns, tokenizer, None)

    batches = TokenBatches(TEXTS, tokenizer=tokenizer, prepare=prepare, batch_size=50)
    for epoch in range(2):
        assert sorted(text for batch in batches.epoch(epoch) for text in texts_of(batch, tokenizer)) == sorted(TEXTS)
    assert traced == [["text"]]


def test_some_rows_only(tokenizer):
    rows = np.array([5, 50, 100, 7])
    batches = TokenBatches(TEXTS, tokenizer=tokenizer, rows=rows, labels=np.arange(101), batch_size=3)
    found = list(batches.epoch(0))
    assert sorted(np.concatenate([batch["labels"] for batch in found]).tolist()) == [5, 7, 50, 100]
    assert sorted(text for batch in found for text in texts_of(batch, tokenizer)) == sorted(TEXTS[row] for row in rows)
    assert batches.lengths.tolist() == [num_tokens(TEXTS[row]) for row in rows]
    assert tokenizer.num_measured == 4


def test_fixed_orders(tokenizer):
    in_order = TokenBatches(TEXTS, tokenizer=tokenizer, shuffle=False, group=False, batch_size=20)
    assert np.concatenate([batch["row_ids"] for batch in in_order.epoch()]).tolist() == list(range(101))
    assert not tokenizer.num_measured
    sorted_rows = TokenBatches(TEXTS, tokenizer=tokenizer, shuffle=False, batch_size=20)
    lengths = [num_tokens(text) for batch in sorted_rows.epoch() for text in texts_of(batch, tokenizer)]
    assert lengths == sorted(lengths, reverse=True)


def test_truncation_and_float_labels(tokenizer):
    batches = TokenBatches(TEXTS, tokenizer=tokenizer, max_length=4, labels=np.linspace(0, 5, 101), batch_size=101)
    (batch,) = batches.epoch(0)
    assert batch["token_ids"].shape == (101, 4)
    assert batch["labels"].dtype == tf.float32


def test_texts_in_many_chunks_of_a_mapped_file(tokenizer, tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text("".join(f'{{"t": "{text}"}}\n' for text in TEXTS), encoding="utf-8")
    rows = read_rows([path, path], texts=["t"], cache_dir=tmp_path)
    column = rows.texts[0]
    sliced = pa.chunked_array([*column.slice(3, 50).chunks, pa.array([], pa.string()), *column.slice(53).chunks])
    expected = (TEXTS + TEXTS)[3:]
    batches = TokenBatches(sliced, tokenizer=tokenizer, batch_size=9)
    found = {}
    for batch in batches.epoch(0):
        found |= dict(zip(batch["row_ids"].numpy().tolist(), texts_of(batch, tokenizer), strict=True))
    assert [found[row] for row in range(len(found))] == expected


def test_lengths_are_counted_once_and_kept(tokenizer, tmp_path):
    arguments = {"tokenizer": tokenizer, "lengths_cache": tmp_path, "batch_size": 8}
    list(TokenBatches(TEXTS, **arguments).epoch(0))
    assert tokenizer.num_measured == 101
    again = TokenBatches(pa.chunked_array([TEXTS[:40], TEXTS[40:]]), **arguments)
    list(again.epoch(0)), list(again.epoch(1))
    assert tokenizer.num_measured == 101
    list(TokenBatches(TEXTS, **(arguments | {"max_length": 5})).epoch(0))
    list(TokenBatches(TEXTS[::-1], **arguments).epoch(0))
    tokenizer.fingerprint = "another vocabulary"
    list(TokenBatches(TEXTS, **arguments).epoch(0))
    assert tokenizer.num_measured == 404
    entries = list(tmp_path.rglob("*.npy"))
    assert len(entries) == 4
    entries[0].write_bytes(entries[0].read_bytes()[:50])
    for entry in entries[1:]:
        entry.unlink()
    assert TokenBatches(TEXTS, **arguments).lengths.tolist() == [num_tokens(text) for text in TEXTS]


def test_keras_trains_on_an_epoch(tokenizer):
    import keras

    inputs = {name: keras.Input([None], dtype="int32", name=name) for name in ("token_ids", "padding_mask")}
    hidden = keras.layers.GlobalAveragePooling1D()(
        keras.layers.Embedding(len(tokenizer.vocabulary), 4)(inputs["token_ids"])
    )
    model = keras.Model(inputs, keras.layers.Dense(2)(hidden))
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    batches = TokenBatches(TEXTS, tokenizer=tokenizer, labels=np.arange(101) % 2, batch_size=8)
    dataset = batches.epoch(0).map(lambda batch: ({name: batch[name] for name in inputs}, batch["labels"]))
    assert np.isfinite(model.fit(dataset, shuffle=False, verbose=0).history["loss"][0])


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"columns": []}, "there are no rows"),
        ({"rows": []}, "there are no rows"),
        ({"rows": [101]}, "not rows of 101"),
        ({"labels": [1]}, "101 in text, 1 in labels"),
        ({"labels": ["a"] * 101}, "not numbers"),
        ({"columns": {"text": ["a", None]}}, "text[1]: is missing"),
        ({"batch_size": 0}, "batch_size: is 0"),
        ({"seed": -1}, "seed: is -1"),
    ],
)
def test_arguments_out_of_range(tokenizer, arguments, words):
    with pytest.raises(InputError) as caught:
        TokenBatches(**({"columns": TEXTS, "tokenizer": tokenizer} | arguments))
    assert words in str(caught.value)


def test_a_first_batch_beyond_the_epoch(tokenizer):
    with pytest.raises(InputError, match="first_batch: is 14; choose 0 to 13"):
        TokenBatches(TEXTS, tokenizer=tokenizer, batch_size=8).epoch(0, first_batch=14)


def test_lengths_that_are_kept_are_counted_at_once_with_a_bar(tokenizer, tmp_path, monkeypatch):
    told = []

    @contextlib.contextmanager
    def counting_bar(title, *, total):
        told.append(total)
        yield told.append

    monkeypatch.setattr(pipeline_lengths, "bar", counting_bar)
    monkeypatch.setattr(pipeline_lengths, "CHUNK_ROWS", 40)
    TokenBatches(TEXTS, tokenizer=tokenizer, lengths_cache=tmp_path)
    assert told == [101, 40, 40, 21]
    assert tokenizer.num_measured == 101
    # Neither what was kept, nor what is part of something else, shows one.
    TokenBatches(TEXTS, tokenizer=tokenizer, lengths_cache=tmp_path)
    list(TokenBatches(TEXTS, tokenizer=tokenizer, batch_size=50).epoch(0))
    assert len(told) == 4


def test_a_folder_for_lengths_that_cannot_be_used(tokenizer, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("TFDOMAIN_CACHE_DIR", str(tmp_path / "file"))
    with pytest.raises(TfdomainError, match=r"the cache cannot be used \(.*\); set TFDOMAIN_CACHE_DIR to"):
        TokenBatches(TEXTS, tokenizer=tokenizer, lengths_cache=tmp_path / "file")


def test_no_thread_tunes_an_epoch_that_it_would_keep_from_ending(tokenizer):
    batches = TokenBatches(["one", "two"], tokenizer=tokenizer, batch_size=1)
    assert batches.epoch(0).options().autotune.enabled is False
