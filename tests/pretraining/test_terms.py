"""Which words are mined as terms, in which order, and that they save what they promise."""

import dataclasses
import gzip
import json

import pytest

from tfdomain.encoders.tokenizer import Tokenizer
from tfdomain.errors import InputError
from tfdomain.pretraining.extension import extend_settings
from tfdomain.pretraining.fertility import measure_fertility
from tfdomain.pretraining.terms import Term, mine_terms


@pytest.fixture(scope="module")
def tokenizer(tiny_checkpoint):
    return Tokenizer.from_pretrained(tiny_checkpoint)


def num_pieces(tokenizer, texts) -> int:
    fertility = measure_fertility(tokenizer, texts)
    return round(fertility.pieces_per_word * fertility.num_words)


def test_terms_are_ranked_by_the_tokens_that_they_save(tokenizer):
    texts = ["Zebra; the ABC bank"] * 3 + ["loaned: zebra"] * 4 + ["fed fed: rare"] * 2
    # zebra: 7 times 4, abc: 3 times 2, fed: 4 times 1 and loaned: 4 times 1, rare: 2 times 3.
    expected = [
        Term("zebra", 7, ("z", "##e", "##b", "##r", "##a")),
        Term("abc", 3, ("a", "##b", "##c")),
        Term("rare", 2, ("r", "##a", "##r", "##e")),
        Term("fed", 4, ("f", "##ed")),
        Term("loaned", 4, ("loan", "##ed")),
    ]
    assert mine_terms(iter(texts), tokenizer, num_terms=9, min_count=2) == expected
    assert [term.saved for term in expected] == [28, 6, 6, 4, 4]
    assert mine_terms(texts, tokenizer, num_terms=2, min_count=2) == expected[:2]
    assert mine_terms(texts, tokenizer, num_terms=9, min_count=4) == [expected[0], *expected[3:]]


def test_a_term_saves_what_it_promises(tokenizer):
    texts = ["a zebra, a Caffè and the zebras"] * 3 + ["zebra ZEBRA"]
    zebra, zebras, caffe = mine_terms(texts, tokenizer, num_terms=9, min_count=1)
    assert [term.text for term in (zebra, zebras, caffe)] == ["zebra", "zebras", "caffe"]
    before = num_pieces(tokenizer, texts)
    # The start of a longer word saves there too.
    for term, inside in ((caffe, 0), (zebra, 4 * zebras.count)):
        after = num_pieces(Tokenizer(extend_settings(tokenizer.settings, [term.text])), texts)
        assert before - after == term.saved + inside


@pytest.mark.parametrize(
    "word",
    [
        "bank",
        "2024",
        "12th3",
        "q1",
        "1950s",
        "很好吃",
        "food很",
        "x" * 101,
        "👍👍",
        "zürich½½",
        "日本",
        "п",
        "привет",
        "--",
    ],
)
def test_words_that_make_no_terms(tokenizer, word):
    terms = mine_terms([f"{word} zebra"] * 20, tokenizer, num_terms=9)
    assert {term.text for term in terms} == {"zebra"} | ({"food"} if word == "food很" else set())


def test_words_with_some_digits_are_terms(tokenizer):
    terms = mine_terms(["covid19 mp3"] * 10, tokenizer, num_terms=9)
    assert [term.text for term in terms] == ["covid19", "mp3"]


def test_runs_of_ideographs_are_terms_only_where_they_are_words(tokenizer):
    vocabulary = (*tokenizer.vocabulary, "很", "好", "##好", "吃", "##吃")
    settings = dataclasses.replace(tokenizer.settings, vocabulary=vocabulary)
    texts = ["很好吃, 很好"] * 10
    assert mine_terms(texts, Tokenizer(settings), num_terms=9) == []
    runs = Tokenizer(dataclasses.replace(settings, handle_chinese_chars=False))
    assert mine_terms(texts, runs, num_terms=9) == [
        Term("很好吃", 10, ("很", "##好", "##吃")),
        Term("很好", 10, ("很", "##好")),
    ]


def test_a_cased_tokenizer_has_cased_terms(tokenizer):
    vocabulary = (*tokenizer.vocabulary, "F", "##O", "##M", "##C")
    settings = dataclasses.replace(tokenizer.settings, vocabulary=vocabulary, lowercase=False)
    terms = mine_terms(["FOMC fomc"] * 10, Tokenizer(settings), num_terms=9)
    assert [term.text for term in terms] == ["FOMC", "fomc"]
    assert extend_settings(settings, [term.text for term in terms]).vocabulary[-2:] == ("FOMC", "fomc")


@pytest.mark.parametrize(
    ("texts", "options", "message"),
    [
        ([], {"num_terms": 5}, "texts: hold no words; give a corpus that is not empty"),
        (["a"], {"num_terms": 0}, "num_terms: is 0; give a whole number of 1 or more"),
        (["a"], {"num_terms": 5, "min_count": 1.5}, "min_count: is 1.5; give a whole number of 1 or more"),
        (["a", 7], {"num_terms": 5}, r"texts\[1\]: is 7, which is not a string"),
    ],
)
def test_what_cannot_be_mined_is_refused(tokenizer, texts, options, message):
    with pytest.raises(InputError, match=message):
        mine_terms(texts, tokenizer, **options)


@pytest.mark.real
def test_terms_of_contracts_shorten_contracts(minilm, data_dir):
    with gzip.open(data_dir / "legal_tos" / "tos_en.jsonl.gz", "rt", encoding="utf-8") as file:
        texts = [json.loads(line)["text"] for line in file]
    tokenizer = Tokenizer.from_pretrained(minilm)
    terms = mine_terms(texts, tokenizer, num_terms=200)
    assert len(terms) == 200 and all(term.count >= 10 and len(term.pieces) > 1 for term in terms)
    assert {"arbitrator", "indemnify"} <= {term.text for term in terms}
    extended = Tokenizer(extend_settings(tokenizer.settings, [term.text for term in terms]))
    before, after = num_pieces(tokenizer, texts), num_pieces(extended, texts)
    # Terms that start other words save, or cost, there too.
    assert before - after == pytest.approx(sum(term.saved for term in terms), rel=0.05)
