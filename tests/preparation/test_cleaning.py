import csv
import gzip
import html
import subprocess
import sys

import ftfy
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tfdomain.errors import InputError
from tfdomain.preparation.cleaning import clean_text, clean_texts

PIECES = [
    "card", "你好", "，", "“", "”", "’", "…", "—", "！", "１", "é", "e\u0301", "ü", "Ã", "Â", "â€™", "Ã©", "ï»¿",
    "œ", "ﬁ", "À", "ГЇ", "Ž", "°", "®", "½", "\x80", "\x85", "\x92", "\ufffd", "\ud83d", "\ude00", "\U0001f468",
    "\u200d", "\u200c", "\u200b", "\ufeff", "\u202e", "\xad", "\xa0", "\u3000", "\u2028", "می", "क्", "ไทย",
    "\U0001f3f4", "\U000e0067", "\U000e007f", " ", "  ", "\n", "\r\n", "\t", "\v", "\x00", "\x1b[31m", "\x1f", "<br>",
    "<b>", "</b>", "<p class='x'>", "<EMAIL>", "<", ">", "&", ";", "amp;", "&amp;", "lt;", "&lt;", "&nbsp;", "#39;",
    " quot;", "<!--", "-->", "<script>", "</script>", "<a href=", "\"", "'", "ｱ", "が", "か\u3099",
]  # fmt: skip
LETTERS_OF_WRONG_DECODINGS = st.text(st.characters(min_codepoint=0x80, max_codepoint=0x25FF), max_size=4)
TEXTS = st.lists(st.one_of(st.sampled_from(PIECES), st.text(max_size=3), LETTERS_OF_WRONG_DECODINGS), max_size=14).map(
    "".join
)
CHINESE = "这家店的菜很好吃，送餐也快。"


@pytest.mark.parametrize(
    ("broken", "expected"),
    [
        ("itâ€™s “fine”", "it’s “fine”"),
        ("Ã©tÃ©, voilÃ\xa0, Ã la carte", "été, voilà, à la carte"),
        (CHINESE.encode().decode("latin-1"), CHINESE),
        ("naïve café – 10² ½ ™ ①", "naïve café – 10² ½ ™ ①"),
        ("it\x92s \x93so\x94\x85", "it’s “so”…"),
        ("ﬁle e\u0301te\u0301", "file été"),
        ("\ufeffa\u200bb\x00c\u202ed\xade\x07", "abcde"),
        ("\x1b[31mred\x1b[0m", "red"),
        ("\ud83d\ude00 and \ud83d", "😀 and \ufffd"),
        ("&amp;nbsp;a&lt;br&gt;b&Atilde;&copy;", "a\nbé"),
    ],
)
def test_what_is_broken_is_mended(broken, expected):
    assert clean_text(broken) == expected


@pytest.mark.parametrize(
    "text",
    [
        "你好，“世界”！（ＡＢＣ１２３）《书》、‘一’……——",
        "ｶﾀｶﾅ カタカナ",
        "he said “it’s ‘fine’” – twice…",
        "👨\u200d👩\u200d👧 🏳️\u200d🌈 ❤️ 👍🏽",
        "\U0001f3f4\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f",
        "می\u200cخواهم क्\u200dष",
        "ไทย\u200bไทย",
        "mail <EMAIL>, a < b, I <3 you",
        "臺灣 豈 Ⅳ ㎡ ℃",
        "first line\nsecond line",
    ],
)
def test_what_is_right_stays(text):
    assert clean_text(text) == text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (" \t a  b\u3000\xa0c \u2009", "a b c"),
        ("a \r\n\r\n \t b\u2028c\vd\fe", "a\nb\nc\nd\ne"),
        ("a\u200c b\u200db", "a bb"),
        ("", ""),
        (" \u200b\n", ""),
    ],
)
def test_white_space(text, expected):
    assert clean_text(text) == expected


@given(TEXTS)
def test_cleaning_twice_is_cleaning_once(text):
    cleaned = clean_text(text)
    assert clean_text(cleaned) == cleaned
    cleaned.encode()
    assert " ".join(cleaned.split()) == cleaned.replace("\n", " ")


@given(TEXTS)
def test_ftfy_has_nothing_left_to_mend(text):
    """So the short ways past ftfy miss nothing that it would have found."""
    cleaned = clean_text(text)
    options = {"unescape_html": False, "uncurl_quotes": False, "fix_character_width": False}
    assert ftfy.fix_text(cleaned, **options) == cleaned


@given(st.lists(st.sampled_from(["card", "café", CHINESE, "x<y", "R&D", "“so”", "10²"]), min_size=1))
def test_a_page_gives_its_text_back(words):
    text = " ".join(words)
    assert clean_text(f"<div><p>{html.escape(text)}</p>\n</div>") == text


def test_many_texts():
    assert clean_texts(["a  b", None, "", "你好　"]) == ["a b", "", "", "你好"]
    with pytest.raises(InputError, match=r"texts\[1\]: is 3, not a string; give strings, or None"):
        clean_texts(["a", 3])


def test_cleaning_needs_no_tensorflow():
    script = "import sys, tfdomain.preparation.cleaning; assert not {'tensorflow', 'pandas'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", script], check=True)


@pytest.mark.real
def test_loan_texts(data_dir):
    """Web remnants and two layers of wrong decoding, as they come."""
    with gzip.open(data_dir / "lendingclub/lendingclub_2007_2011.csv.gz", "rt", encoding="utf-8", newline="") as file:
        texts = [row["desc"] for row in csv.DictReader(file) if row["desc"]]
    cleaned = clean_texts(texts)
    assert sum("<br" in text for text in texts) > 5000
    for rest in ("<br", "&quot;", "&amp;", "â\x80", "Ã©", "Â\xa0", "  "):
        assert any(rest in text for text in texts), rest
        assert not any(rest in text for text in cleaned), rest
    assert clean_texts(cleaned) == cleaned
