import itertools

import numpy as np
import pytest
import tensorflow as tf

from tfdomain.encoders.tokenizer import Tokenizer
from tfdomain.errors import InputError
from tfdomain.pretraining.masking import Masking

ROWS, LENGTH = 200, 64


@pytest.fixture(scope="module")
def tokenizer(tiny_checkpoint) -> Tokenizer:
    return Tokenizer.from_pretrained(tiny_checkpoint)


@pytest.fixture(scope="module")
def batch(tokenizer) -> dict[str, np.ndarray]:
    """Two documents a row, of random pieces, and padding."""
    random = np.random.default_rng(0)
    ids = random.integers(5, tokenizer.vocabulary_size, (ROWS, LENGTH)).astype("int32")
    documents = np.repeat([[1] * 30 + [2] * 26 + [0] * 8], ROWS, axis=0).astype("int32")
    ids[:, [0, 30]], ids[:, [29, 55]], ids[:, 56:] = tokenizer.cls_id, tokenizer.sep_id, tokenizer.pad_id
    return {"token_ids": ids, "padding_mask": (documents > 0).astype("int32"), "document_ids": documents}


def hide(masking: Masking, batch: dict, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    hidden = masking({name: tf.constant(array) for name, array in batch.items()}, tf.constant([3, seed]))
    return hidden["token_ids"].numpy(), hidden["labels"].numpy()


def words(tokenizer: Tokenizer, ids: np.ndarray) -> list[list[int]]:
    """The places of each word of a row, special tokens left out."""
    specials = {tokenizer.pad_id, tokenizer.cls_id, tokenizer.sep_id}
    found: list[list[int]] = []
    for place, number in enumerate(ids.tolist()):
        if number in specials:
            continue
        goes_on = tokenizer.vocabulary[number].startswith("##") and len(tokenizer.vocabulary[number]) > 2
        if goes_on and found and found[-1][-1] == place - 1:
            found[-1].append(place)
        else:
            found.append([place])
    return found


def test_labels_are_what_was_hidden_and_specials_never_are(tokenizer, batch):
    ids, labels = hide(Masking(tokenizer), batch)
    chosen = labels != -1
    np.testing.assert_array_equal(labels[chosen], batch["token_ids"][chosen])
    np.testing.assert_array_equal(ids[~chosen], batch["token_ids"][~chosen])
    special = np.isin(batch["token_ids"], [tokenizer.pad_id, tokenizer.cls_id, tokenizer.sep_id])
    assert not (chosen & special).any()


def test_eighty_ten_ten(tokenizer, batch):
    ids, labels = (
        np.concatenate(parts)
        for parts in zip(*(hide(Masking(tokenizer), batch, seed) for seed in range(5)), strict=True)
    )
    chosen = labels != -1
    is_mask, stays = ids[chosen] == tokenizer.mask_id, ids[chosen] == labels[chosen]
    assert is_mask.mean() == pytest.approx(0.8, abs=0.015)
    assert stays.mean() == pytest.approx(0.1, abs=0.015)
    drawn = ids[chosen][~is_mask & ~stays]
    assert drawn.min() >= 5 and len(np.unique(drawn)) > 0.8 * (tokenizer.vocabulary_size - 5)


@pytest.mark.parametrize("whole_words", [True, False])
def test_the_share_is_what_was_asked_for(tokenizer, batch, whole_words):
    _, labels = hide(Masking(tokenizer, mask_rate=0.2, whole_words=whole_words), batch)
    counts = (labels != -1).sum(axis=1)
    budget = round(0.2 * 52)
    if not whole_words:
        assert (counts == budget).all()
    # A word that would go over the budget is left out, so that a row may have a few less.
    assert counts.max() <= budget or (counts > budget).mean() < 0.02
    assert counts.mean() > 0.75 * budget


def test_whole_words_are_hidden_whole(tokenizer, batch):
    _, labels = hide(Masking(tokenizer), batch)
    for ids, row in zip(batch["token_ids"], labels != -1, strict=True):
        for places in words(tokenizer, ids):
            assert row[places].all() or not row[places].any()


def test_spans_hide_neighbouring_words_together(tokenizer, batch):
    def neighbours(longest_span):
        _, labels = hide(Masking(tokenizer, longest_span=longest_span), batch)
        pairs = hidden = 0
        for ids, row in zip(batch["token_ids"], labels != -1, strict=True):
            chosen = [bool(row[places[0]]) for places in words(tokenizer, ids)]
            assert all(row[places].all() or not row[places].any() for places in words(tokenizer, ids))
            hidden += sum(chosen)
            pairs += sum(one and other for one, other in itertools.pairwise(chosen))
        return pairs / hidden

    assert neighbours(3) > 1.5 * neighbours(1)


def test_a_seed_gives_the_same_again_and_another_seed_another(tokenizer, batch):
    first, again, other = (hide(Masking(tokenizer, longest_span=2), batch, seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert (first[1] != other[1]).mean() > 0.1


def test_a_row_of_one_word_is_hidden_and_one_of_none_is_not(tokenizer):
    ids = np.array([[tokenizer.cls_id, 7, tokenizer.sep_id, 0], [tokenizer.cls_id, tokenizer.sep_id, 0, 0]], "int32")
    documents = (ids > 0).astype("int32")
    _, labels = hide(Masking(tokenizer), {"token_ids": ids, "padding_mask": documents, "document_ids": documents})
    np.testing.assert_array_equal(labels, [[-1, 7, -1, -1], [-1] * 4])


def test_wrong_choices(tokenizer):
    with pytest.raises(InputError, match="mask_rate is 1"):
        Masking(tokenizer, mask_rate=1)
    with pytest.raises(InputError, match="longest_span is 3; choose 1, or a higher number together with whole_words"):
        Masking(tokenizer, whole_words=False, longest_span=3)
