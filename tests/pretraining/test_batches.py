"""Packed batches hold every token of every document, in rows without borders crossed."""

import numpy as np
import pyarrow as pa
import pytest

from tfdomain.encoders.tokenizer import Tokenizer
from tfdomain.errors import InputError
from tfdomain.pretraining.batches import PackedBatches
from tfdomain.pretraining.masking import Masking
from tfdomain.pretraining.token_store import write_token_store

LENGTH = 32


@pytest.fixture(scope="module")
def tokenizer(tiny_checkpoint) -> Tokenizer:
    return Tokenizer.from_pretrained(tiny_checkpoint)


@pytest.fixture(scope="module")
def texts() -> list[str]:
    random = np.random.default_rng(3)
    words = ["loan", "repaid", "late", "school", "medical", "unspellable", "x"]
    lengths = [*random.integers(1, 60, 50).tolist(), 400]
    return [" ".join(random.choice(words, length)) for length in lengths]


@pytest.fixture(scope="module")
def store(texts, tokenizer, tmp_path_factory):
    folder = tmp_path_factory.mktemp("store") / "tokens"
    return write_token_store(pa.chunked_array([texts[:20], texts[20:]]), tokenizer, folder)


def make(store, tokenizer, **changes) -> PackedBatches:
    options = {"hide": lambda batch, seed: dict(batch), "length": LENGTH, "batch_size": 4, "seed": 5} | changes
    return PackedBatches(store, tokenizer, np.arange(store.num_documents), **options)


def read(source: PackedBatches, epoch: int = 0, first: int = 0) -> list[dict[str, np.ndarray]]:
    return [{name: tensor.numpy() for name, tensor in batch.items()} for batch in source.epoch(epoch, first)]


def test_the_store_holds_what_the_tokenizer_gives(store, texts, tokenizer):
    for number in (0, 19, 20, 50):
        ids = tokenizer([texts[number]], max_length=None)["token_ids"].numpy()[0, 1:-1]
        np.testing.assert_array_equal(store.token_ids[store.starts[number] : store.starts[number + 1]], ids)


def test_a_store_is_taken_as_it_is_unless_the_tokenizer_is_another(store, texts, tokenizer, tmp_path, make_checkpoint):
    column = pa.chunked_array([texts[:3]])
    first = write_token_store(column, tokenizer, tmp_path / "tokens")
    moment = (tmp_path / "tokens").stat().st_mtime_ns
    again = write_token_store(column, tokenizer, tmp_path / "tokens")
    np.testing.assert_array_equal(again.token_ids, first.token_ids)
    assert (tmp_path / "tokens").stat().st_mtime_ns == moment


def test_a_corpus_without_a_token(tokenizer, tmp_path):
    with pytest.raises(InputError, match="no document has a token"):
        write_token_store(pa.chunked_array([["\u200b"]]), tokenizer, tmp_path / "tokens")
    assert not (tmp_path / "tokens").exists()


def test_every_token_is_read_once_in_pieces_that_begin_with_a_word(store, tokenizer):
    source = make(store, tokenizer)
    pieces, tokens = [], 0
    for batch in read(source):
        assert batch["token_ids"].shape[1] == LENGTH
        np.testing.assert_array_equal(batch["padding_mask"], batch["document_ids"] > 0)
        for ids, documents, positions in zip(
            *(batch[key] for key in ("token_ids", "document_ids", "position_ids")), strict=True
        ):
            for number in range(1, documents.max(initial=0) + 1):
                piece = ids[documents == number]
                assert piece[0] == tokenizer.cls_id and piece[-1] == tokenizer.sep_id
                np.testing.assert_array_equal(positions[documents == number], np.arange(len(piece)))
                assert not tokenizer.vocabulary[piece[1]].startswith("##")
                pieces.append(tuple(piece[1:-1]))
                tokens += len(piece) - 2
    # A rest of less than eight tokens is left out at the end of a long document.
    assert store.num_tokens - 8 * store.num_documents < tokens <= store.num_tokens
    counts = np.bincount([number for piece in pieces for number in piece], minlength=tokenizer.vocabulary_size)
    whole = np.bincount(store.token_ids, minlength=tokenizer.vocabulary_size)
    assert (counts <= whole).all()


def test_there_is_next_to_no_padding(store, tokenizer):
    batches = read(make(store, tokenizer))
    assert np.concatenate([batch["padding_mask"] for batch in batches]).mean() > 0.85


def test_order_and_masks_differ_by_epoch_and_an_epoch_can_be_continued(store, tokenizer):
    source = make(store, tokenizer, hide=Masking(tokenizer))
    first, second, again = read(source), read(source, 1), read(make(store, tokenizer, hide=Masking(tokenizer)), 1)
    assert len(first) == len(second) == source.num_batches
    assert any(np.any(one["token_ids"] != other["token_ids"]) for one, other in zip(first, second, strict=True))
    for rest, batch in zip(read(source, 1, first=3), again[3:], strict=True):
        for name in batch:
            np.testing.assert_array_equal(rest[name], batch[name])


def test_held_out_rows_are_the_same_in_every_epoch(store, tokenizer):
    source = make(store, tokenizer, hide=Masking(tokenizer), shuffle=False)
    for one, other in zip(read(source), read(source, 4), strict=True):
        np.testing.assert_array_equal(one["labels"], other["labels"])


def test_rows_that_are_too_short(store, tokenizer):
    with pytest.raises(InputError, match="rows of 9 tokens"):
        make(store, tokenizer, length=9)
