import csv
import gzip
import json
import socket

import pytest

from tfdomain.errors import InputError
from tfdomain.preparation.language import detect_languages, keep_languages

SENTENCES = {
    "en": ["My card has not arrived yet.", "Where did all of my money go?", "I want to close the account."],
    "zh": ["我的银行卡还没有到。", "我的钱去哪里了？", "臺灣的天氣很好", "用iPhone付款失败了", "香港嘅天氣好好"],
    "de": ["Meine Karte ist noch nicht angekommen.", "Ich möchte mein Konto sofort kündigen."],
    "fr": ["Ma carte n'est toujours pas arrivée.", "Je voudrais fermer mon compte tout de suite."],
    "es": ["Mi tarjeta todavía no ha llegado.", "La transferencia fue rechazada ayer."],
    "ja": ["カードがまだ届いていません。", "私のお金はどこですか？"],
    "ko": ["카드가 아직 도착하지 않았어요.", "제 돈은 어디에 있나요?"],
    "ru": ["Моя карта ещё так и не пришла ко мне.", "Я хочу сегодня закрыть счёт."],
}
TEXTS = [(language, text) for language, texts in SENTENCES.items() for text in texts]


@pytest.mark.parametrize(("language", "text"), TEXTS)
def test_sentences_are_told(language, text):
    ((found, probability),) = detect_languages([text])
    assert found == language
    assert 0.3 < probability <= 1


@pytest.mark.parametrize(
    "text",
    ["", "OK", "12.50 !!", "好吃", "<EMAIL> <PHONE>", "see https://example.org/le/chat/est/sur/la/table", "hi a@b.org"],
)
def test_too_little_to_tell_by_is_undetermined_and_kept(text):
    assert detect_languages([text]) == [("und", 0.0)]
    assert keep_languages([text], ["de"]) == [None]


def test_fewer_letters_may_do():
    assert detect_languages(["12", "好吃", "<EMAIL>"], min_letters=1)[0] == ("und", 0.0)
    assert detect_languages(["好吃，下次再来"], min_letters=1)[0][0] == "zh"
    assert keep_languages(["Guten Morgen"], ["en"], min_letters=1) == ["de"]
    assert keep_languages(["Guten Morgen"], ["en"], min_letters=12) == [None]


def test_addresses_do_not_count():
    text = "这个页面打不开 https://example.org/this/is/an/english/address/with/many/words 怎么办"
    assert keep_languages([text], ["zh"]) == [None]


def test_other_languages_go_and_are_named():
    expected = [None if language in ("en", "zh") else language for language, _ in TEXTS]
    assert keep_languages([text for _, text in TEXTS], ["en", "zh"]) == expected
    assert keep_languages([], ["en"]) == []


def test_an_unknown_language():
    with pytest.raises(
        InputError, match="languages: unknown language 'english'; give codes of ISO 639-1, of these: af"
    ):
        keep_languages(["a"], ["zh", "english"])


def test_nothing_is_downloaded(monkeypatch):
    def refuse(*arguments, **named):
        raise AssertionError("a connection was opened")

    monkeypatch.setattr(socket, "socket", refuse)
    assert keep_languages([text for _, text in TEXTS[:4]], ["en"]) == [None, None, None, "zh"]


@pytest.mark.real
def test_short_texts_of_both_languages(data_dir):
    """The shares that a run would keep, and those told right when even a single letter has to do."""
    with gzip.open(data_dir / "clinc150/data_full.json.gz", "rt", encoding="utf-8") as file:
        english = [text for text, _ in json.load(file)["test"]]
    with open(data_dir / "banking77/test.csv", encoding="utf-8", newline="") as file:
        english += [row["text"] for row in csv.DictReader(file)]
    with gzip.open(data_dir / "zh_reviews/waimai_10k.csv.gz", "rt", encoding="utf-8", newline="") as file:
        chinese = [row["review"] for row in csv.DictReader(file)][:6000]
    for language, texts, kept, told in (("en", english, 0.999, 0.985), ("zh", chinese, 0.999, 0.995)):
        assert keep_languages(texts, [language]).count(None) / len(texts) > kept
        found = [name for name, _ in detect_languages(texts, min_letters=1)]
        assert found.count(language) / sum(name != "und" for name in found) > told
    assert keep_languages(chinese, ["en"]).count("zh") / len(chinese) > 0.85
