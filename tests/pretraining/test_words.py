"""Words of a corpus: those of the reference's normalizer and pre-tokenizer, whatever the batches."""

import dataclasses
from collections import Counter

import numpy as np
import pytest
from tokenizers import normalizers, pre_tokenizers

from tfdomain.encoders.tokenizer import Tokenizer
from tfdomain.errors import InputError
from tfdomain.pretraining import words
from tfdomain.pretraining.words import WordSplitter, batch_texts

TEXTS = ["Café-Crème, 很好吃!", "", "  the LOAN\tis\u00a0bad\x01 ", "㎏ ΑΣ İx", "👍👍 e\u0301A [SEP]", "ﬁ ½ €100"]


@pytest.fixture(scope="module")
def settings(tiny_checkpoint):
    return Tokenizer.from_pretrained(tiny_checkpoint).settings


@pytest.mark.parametrize(
    "changes", [{}, {"lowercase": False}, {"strip_accents": False}, {"handle_chinese_chars": False}], ids=str
)
def test_words_are_those_of_the_reference(settings, changes):
    names = {"lowercase": True, "strip_accents": None, "handle_chinese_chars": True} | changes
    normalizer, splitter = normalizers.BertNormalizer(**names), pre_tokenizers.BertPreTokenizer()
    expected = [[word for word, _ in splitter.pre_tokenize_str(normalizer.normalize_str(text))] for text in TEXTS]
    ours = WordSplitter(dataclasses.replace(settings, **changes))
    assert ours.split(TEXTS) == expected
    assert ours.count(TEXTS * 2) == Counter(word for row in expected * 2 for word in row)


def test_nothing_gives_nothing(settings):
    assert WordSplitter(settings).split([]) == []
    assert WordSplitter(settings).count(iter(["", " "])) == Counter()


def test_long_texts_are_cut_between_words(settings):
    random = np.random.default_rng(0)
    text = " ".join(random.choice(["card", "loan-repayment", "很好"], 20_000))
    assert len(text) > 2 * words.MAX_CHARACTERS
    expected = Counter(text.replace("-", " - ").replace("很好", "很 好").split())
    assert WordSplitter(settings).count([text]) == expected
    parts = [part.decode() for batch in batch_texts([text]) for part in batch]
    assert len(parts) > 2 and "".join(parts) == text
    assert all(part[-1] == " " for part in parts[:-1])


def test_long_texts_without_white_space_are_cut_between_characters(settings):
    assert WordSplitter(settings).count(["很好吃" * 50_000]) == Counter(dict.fromkeys("很好吃", 50_000))


def test_batches_hold_every_text_in_order_and_fit_in_memory():
    random = np.random.default_rng(1)
    texts = ["x" * int(length) for length in random.integers(0, 3000, 5000)]
    batches = list(batch_texts(iter(texts)))
    assert [text.decode() for batch in batches for text in batch] == texts
    assert all(len(batch) * max(map(len, batch)) <= words.MAX_CELLS for batch in batches)
    assert [len(batch) for batch in batch_texts(["short"] * (words.MAX_ROWS + 1))] == [words.MAX_ROWS, 1]


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        ("a text", "texts: is a single string; put it into a list"),
        (["a"] * 5000 + [None], "texts[5000]: is None, which is not a string; give a string"),
        (["a", "b\ud800"], "texts[1]: holds half a surrogate pair at character 1"),
    ],
)
def test_what_is_no_text_is_named(texts, message):
    with pytest.raises(InputError) as error:
        list(batch_texts(texts))
    assert str(error.value).startswith(message)
