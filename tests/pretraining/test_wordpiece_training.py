"""Vocabularies learned from texts: which pieces, in which order, and equal ids for every reader of the files."""

import csv
import gzip
import json
import string
import sys

import numpy as np
import pytest
import tokenizers
from transformers import BertTokenizerFast

from tfdomain.encoders.tokenizer import Tokenizer
from tfdomain.errors import InputError
from tfdomain.pretraining.wordpiece_training import learn_vocabulary

SPECIALS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
# Special tokens, ASCII punctuation, and lower-case letters and digits alone and as continuations.
PLAIN = 5 + 32 + 2 * 36
CHINESE = ["味道很好，送餐也快！", "很好吃，下次还点 VIP 套餐。", "送餐太慢，味道不好……", "味道 good, 很快"]
ENGLISH = ["The Committee's loans were repaid.", "Repaying the loan: a committee decided!", "Café loaned 100 €."]


def assert_ids_of_the_references(settings, texts, folder) -> None:
    tokenizer = Tokenizer(settings)
    tokenizer.save(folder)
    (folder / "config.json").write_text('{"model_type": "bert"}')
    assert Tokenizer.from_pretrained(folder).settings == settings
    tokens = tokenizer(texts, max_length=None)
    lengths = tokens["padding_mask"].numpy().sum(axis=1)
    ours = [row[:length].tolist() for row, length in zip(tokens["token_ids"].numpy(), lengths, strict=True)]
    alone = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
    assert ours == [encoding.ids for encoding in alone.encode_batch(texts)]
    assert ours == BertTokenizerFast.from_pretrained(folder)(texts)["input_ids"]


def random_texts(seed=0) -> list[str]:
    """Words of eight letters without any order: nearly every pair ties with others."""
    random = np.random.default_rng(seed)
    return ["".join(random.choice(list("abcdefgh"), random.integers(2, 8))) for _ in range(400)]


def test_pieces_are_the_most_frequent_pairs():
    texts = ["ab " * 10 + "abc " * 5, "Abd abd, xyx", "abc"]
    settings = learn_vocabulary(texts, size=500)
    # a-b 18 times, then ab-c 6 times, ab-d twice; x-y-x occurs once only.
    assert list(settings.vocabulary[PLAIN:]) == ["ab", "abc", "abd"]
    assert learn_vocabulary(texts, size=PLAIN + 2).vocabulary == settings.vocabulary[:-1]
    assert learn_vocabulary(texts, size=500, min_count=6).vocabulary == settings.vocabulary[:-1]
    assert learn_vocabulary(texts, size=500, min_count=7).vocabulary == settings.vocabulary[:-2]


def test_special_tokens_and_the_alphabet_come_first_and_in_order():
    settings = learn_vocabulary(["很好 很好 éa ça", "好；"] * 2, size=500, strip_accents=False)
    alone = sorted([*string.punctuation, *string.digits, *string.ascii_lowercase, *"很好；éç"])
    continuing = [f"##{character}" for character in string.digits + string.ascii_lowercase]
    assert list(settings.vocabulary) == [*SPECIALS, *alone, *continuing, *settings.vocabulary[-2:]]
    assert set(settings.vocabulary[-2:]) == {"éa", "ça"}
    assert [(special.content, special.id) for special in settings.specials] == list(
        zip(SPECIALS, range(5), strict=True)
    )


@pytest.mark.parametrize("times", [1, 3])
def test_two_trainings_give_one_vocabulary_whatever_the_order(times):
    texts = random_texts() * times
    first = learn_vocabulary(iter(texts), size=PLAIN + 90)
    assert len(first.vocabulary) == PLAIN + 90
    for seed in range(3):
        order = np.random.default_rng(seed).permutation(len(texts))
        assert learn_vocabulary([texts[row] for row in order], size=PLAIN + 90) == first


@pytest.mark.parametrize(
    "options",
    [
        {},
        pytest.param({"lowercase": False}, marks=pytest.mark.thorough),
        pytest.param({"strip_accents": False}, marks=pytest.mark.thorough),
        {"handle_chinese_chars": False, "min_count": 1},
    ],
    ids=str,
)
def test_every_reader_of_the_files_gives_the_same_ids(tmp_path, options):
    texts = CHINESE + ENGLISH
    settings = learn_vocabulary(texts * 2, size=400, **options)
    assert {name: getattr(settings, name) for name in options if name != "min_count"}.items() <= options.items()
    assert_ids_of_the_references(settings, [*texts, "数量 Été unseen words 很"], tmp_path)


def test_texts_that_were_learned_have_no_unknown_word():
    tokenizer = Tokenizer(learn_vocabulary(CHINESE + ENGLISH, size=400, min_count=1))
    assert tokenizer.unk_id not in tokenizer(CHINESE + ENGLISH + ["Unseen 1984 (zyx)"])["token_ids"].numpy()


def test_rare_characters_and_the_words_with_them_are_left_out():
    texts = ["很好 abж abж"] * 3 + ["罕 abж abж"] + ["xш xш"]
    vocabulary = learn_vocabulary(texts, size=500, min_count=4).vocabulary
    assert "ж" in vocabulary and "##ж" in vocabulary and "abж" in vocabulary
    assert not {"很", "罕", "ш", "##ш", "x##ш", "xш"} & set(vocabulary)


def test_a_vocabulary_as_small_as_its_alphabet_is_the_least():
    with pytest.raises(InputError) as error:
        learn_vocabulary(CHINESE, size=50, min_count=1)
    least = PLAIN + len(set("".join(CHINESE).lower()) - set(string.printable))
    assert str(error.value) == (
        f"size: is 50, but special tokens and the alphabet of this corpus need {least}; "
        f"give {least} or more, or raise min_count (1), which leaves rare characters out"
    )
    with pytest.raises(InputError, match=f"is {least - 1}, but"):
        learn_vocabulary(CHINESE, size=least - 1, min_count=1)
    assert len(learn_vocabulary(CHINESE, size=least, min_count=1).vocabulary) == least


@pytest.mark.parametrize(
    ("texts", "options", "message"),
    [
        ([], {"size": 500}, "texts: hold no words; give a corpus that is not empty"),
        (["", "\n"], {"size": 500}, "texts: hold no words"),
        (["很好"], {"size": 500}, "texts: no character occurs 2 times; give more text, or lower min_count"),
        (["a"], {"size": 0}, "size: is 0; give a whole number of 1 or more"),
        (["a"], {"size": "8k"}, "size: is '8k'"),
        (["a"], {"size": 500, "min_count": 0}, "min_count: is 0; give a whole number of 1 or more"),
        ("a text", {"size": 500}, "texts: is a single string; put it into a list"),
        ([b"a"], {"size": 500}, r"texts\[0\]: is b'a', which is not a string"),
    ],
)
def test_what_cannot_be_learned_from_is_refused(texts, options, message):
    with pytest.raises(InputError, match=message):
        learn_vocabulary(texts, **options)


def test_without_the_library_the_error_says_how_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    with pytest.raises(InputError) as error:
        learn_vocabulary(["a"], size=500)
    assert str(error.value).endswith('install it: pip install "tfdomain[pretraining]"')


@pytest.mark.real
def test_a_vocabulary_of_real_texts(data_dir, tmp_path):
    with gzip.open(data_dir / "legal_tos" / "tos_en.jsonl.gz", "rt", encoding="utf-8") as file:
        texts = [json.loads(line)["text"] for line in file][:6000]
    with gzip.open(data_dir / "zh_reviews" / "waimai_10k.csv.gz", "rt", encoding="utf-8") as file:
        texts += [row["review"] for row in csv.DictReader(file)]
    settings = learn_vocabulary(texts, size=6000)
    assert len(settings.vocabulary) == 6000
    assert settings == learn_vocabulary(texts[::-1], size=6000)
    assert_ids_of_the_references(settings, texts[::7], tmp_path)
    # The library's own way from texts to a vocabulary chooses other pieces only where it breaks ties.
    library = tokenizers.Tokenizer(tokenizers.models.WordPiece(unk_token="[UNK]"))
    library.normalizer = tokenizers.normalizers.BertNormalizer(lowercase=True)
    library.pre_tokenizer = tokenizers.pre_tokenizers.BertPreTokenizer()
    trainer = tokenizers.trainers.WordPieceTrainer(
        vocab_size=6000, min_frequency=2, special_tokens=SPECIALS, limit_alphabet=4000, show_progress=False
    )
    library.train_from_iterator(texts, trainer)
    shared = set(library.get_vocab()) & set(settings.vocabulary)
    assert len(shared) > 0.9 * 6000
