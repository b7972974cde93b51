"""Fertility against a count with transformers' tokenizer, word by word."""

import csv
import gzip
import json

import numpy as np
import pytest
from transformers import BertTokenizerFast

from tfdomain.encoders.tokenizer import Tokenizer
from tfdomain.errors import InputError
from tfdomain.pretraining.fertility import Fertility, measure_fertility

TEXTS = ["The bank's LOAN, repaired!", "", "很好 loan", "Café ## ##ing 中", "x" * 120 + " card", "[SEP] ½"]


def counted_by_reference(folder, texts) -> Fertility:
    reference = BertTokenizerFast.from_pretrained(folder)
    reference.split_special_tokens = True
    lengths, unknown = [], 0
    for text in texts:
        encoding = reference(text, add_special_tokens=False)
        for word in sorted({word for word in encoding.word_ids() if word is not None}):
            ids = [i for i, owner in zip(encoding["input_ids"], encoding.word_ids(), strict=True) if owner == word]
            if ids == [reference.unk_token_id]:
                unknown += 1
                ids = [None, *ids[1:]]
            lengths.append((len(ids), ids[0] is None))
    pieces = np.array([length for length, _ in lengths])
    known = np.array([not lost for _, lost in lengths])
    return Fertility(
        num_words=len(lengths),
        pieces_per_word=pieces.sum() / len(lengths),
        share_whole=((pieces == 1) & known).mean(),
        unknown_share=unknown / len(lengths),
    )


def assert_close(found: Fertility, expected: Fertility) -> None:
    assert found.num_words == expected.num_words
    for name in ("pieces_per_word", "share_whole", "unknown_share"):
        assert getattr(found, name) == pytest.approx(getattr(expected, name), abs=1e-12), name


def test_fertility_is_what_the_reference_gives(tiny_checkpoint):
    found = measure_fertility(Tokenizer.from_pretrained(tiny_checkpoint), iter(TEXTS))
    assert_close(found, counted_by_reference(tiny_checkpoint, TEXTS))
    assert 0 < found.unknown_share < 1 and 0 < found.share_whole < 1


def test_a_word_more_or_less(tiny_checkpoint):
    tokenizer = Tokenizer.from_pretrained(tiny_checkpoint)
    # Three words: one whole, one of four pieces, one that cannot be spelled.
    found = measure_fertility(tokenizer, ["bank fuds", "很"])
    assert found == Fertility(num_words=3, pieces_per_word=2.0, share_whole=1 / 3, unknown_share=1 / 3)


def test_batches_do_not_matter(tiny_checkpoint):
    tokenizer = Tokenizer.from_pretrained(tiny_checkpoint)
    once, often = measure_fertility(tokenizer, TEXTS), measure_fertility(tokenizer, TEXTS * 1500)
    assert often.num_words == 1500 * once.num_words
    assert often.pieces_per_word == pytest.approx(once.pieces_per_word)


@pytest.mark.parametrize("texts", [[], ["", " \n"]])
def test_no_words_are_refused(tiny_checkpoint, texts):
    with pytest.raises(InputError, match="texts: hold no words; give a corpus that is not empty"):
        measure_fertility(Tokenizer.from_pretrained(tiny_checkpoint), texts)


@pytest.mark.real
def test_fertility_of_real_texts_is_what_the_reference_gives(minilm, data_dir):
    with gzip.open(data_dir / "legal_tos" / "tos_en.jsonl.gz", "rt", encoding="utf-8") as file:
        texts = [json.loads(line)["text"] for _, line in zip(range(300), file, strict=False)]
    with gzip.open(data_dir / "zh_reviews" / "waimai_10k.csv.gz", "rt", encoding="utf-8") as file:
        texts += [row["review"] for _, row in zip(range(100), csv.DictReader(file), strict=False)]
    assert_close(measure_fertility(Tokenizer.from_pretrained(minilm), texts), counted_by_reference(minilm, texts))
