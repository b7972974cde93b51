import gzip
import itertools
import json
import string
import sys
import time
import unicodedata

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tfdomain.errors import InputError
from tfdomain.metrics.answers import ANSWER_SCORES, answer_metrics, answer_tokens

FULL_WIDTH_SYMBOLS = set("＄＋＜＝＞＾｀｜～")
SIGNS = {chr(code) for code in range(sys.maxunicode + 1) if unicodedata.category(chr(code))[0] == "P"}
SIGNS |= FULL_WIDTH_SYMBOLS


def plain_tokens(text: str, language: str) -> list[str]:
    """The two evaluations' normalisation, spelled out sign by sign without regular expressions."""
    words, word = [], ""
    for sign in text.lower():
        if sign in string.punctuation or (language == "zh" and sign in SIGNS):
            continue
        if language == "zh" and "CJK UNIFIED IDEOGRAPH" in unicodedata.name(sign, ""):
            words += [word, sign]
            word = ""
        elif sign.isspace():
            words.append(word)
            word = ""
        else:
            word += sign
    words = [each for each in [*words, word] if each]
    return words if language == "zh" else [each for word in words for each in without_articles(word)]


def without_articles(word: str) -> list[str]:
    """An article goes where no letter or digit touches it, and leaves a gap."""
    runs = ("".join(run) for _, run in itertools.groupby(word, key=str.isalnum))
    return "".join(" " if run in ("a", "an", "the") else run for run in runs).split()


def plain_f1(accepted: list[str], predicted: list[str]) -> float:
    if not accepted or not predicted:
        return 1.0 if accepted == predicted else 0.0
    left, same = list(accepted), 0
    for token in predicted:
        if token in left:
            left.remove(token)
            same += 1
    if not same:
        return 0.0
    precision, recall = same / len(predicted), same / len(accepted)
    return 2 * precision * recall / (precision + recall)


def plain_metrics(true, predicted, language):
    exact, f1 = [], []
    for answers, answer in zip(true, predicted, strict=True):
        accepted = [tokens for tokens in (plain_tokens(each, language) for each in answers) if tokens] or [[]]
        given_tokens = plain_tokens(answer, language)
        exact.append(max(" ".join(tokens) == " ".join(given_tokens) for tokens in accepted))
        f1.append(max(plain_f1(tokens, given_tokens) for tokens in accepted))
    answerable = [value for value, answers in zip(f1, true, strict=True) if answers]
    none = [value for value, answers in zip(f1, true, strict=True) if not answers]
    return [float(np.mean(values)) if values else None for values in (exact, f1, answerable, none)]


def random_answer(random, words):
    return "".join(random.choice(words, random.integers(0, 7)))


WORDS = {
    "en": ["the ", "A ", "an", " Nile", "nile", "-", ". ", "42", " ", "\t", "’s", "theatre ", "😀", "é"],
    "zh": [
        "北",
        "京",
        "，",
        "《",
        "》",
        "NBA",
        "3.5",
        " ",
        "　",
        "㐀",
        "２０",
        "℃",
        "the ",
        "。",
        "😀",
        "—",
        "~",
        "～",
    ],
}


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("seed", range(100))
def test_everything_equals_the_definition_spelled_out(seed, language):
    random = np.random.default_rng(seed)
    num = int(random.integers(0, 12))
    true = [[random_answer(random, WORDS[language]) for _ in range(random.integers(0, 4))] for _ in range(num)]
    predicted = [
        answers[0] if answers and random.random() < 0.3 else random_answer(random, WORDS[language]) for answers in true
    ]
    metrics = answer_metrics(true, predicted, language)
    assert metrics["num_examples"] == num
    for name, value in zip(ANSWER_SCORES, plain_metrics(true, predicted, language), strict=True):
        assert metrics[name] == (None if value is None else pytest.approx(value, abs=1e-12)), name


@given(st.text(alphabet=st.sampled_from("the an,.'-’《》，北京𠀀ABé1２ \t　😀~～"), max_size=12))
@example("the.a")
def test_tokens_hold_no_punctuation_and_are_a_fixed_point(text):
    for language in ("en", "zh"):
        tokens = answer_tokens(text, language)
        assert not set("".join(tokens)) & (set(string.punctuation) | (SIGNS if language == "zh" else set()))
        assert answer_tokens(" ".join(tokens), "zh") == tokens or language == "en"
        assert answer_metrics([[text]], [text], language)["exact_match"] == 1


@pytest.mark.parametrize(
    ("answer", "language", "tokens"),
    [
        ("", "en", []),
        ("The  U.S.\nSenate", "en", ["us", "senate"]),
        ("theatre of an era", "en", ["theatre", "of", "era"]),
        ("well-known", "en", ["wellknown"]),
        ("a’s 😀the", "en", ["’s", "😀"]),
        ("“quoted”", "en", ["“quoted”"]),  # as in SQuAD: only ASCII punctuation goes
        ("", "zh", []),
        ("……", "zh", []),
        ("２０１９年，NBA 总决赛！", "zh", ["２０１９", "年", "nba", "总", "决", "赛"]),
        ("3.5％～4%", "zh", ["354"]),
        ("the 北京", "zh", ["the", "北", "京"]),
        ("〇𠀀㐀豈", "zh", ["〇", "𠀀", "㐀", "豈"]),
        ("ＧＤＰ😀增", "zh", ["ｇｄｐ😀", "增"]),
    ],
)
def test_answers_are_cut_as_documented(answer, language, tokens):
    assert answer_tokens(answer, language) == tokens


# Worked out by hand from the rules of SQuAD's two evaluation scripts, Chinese by characters: the acceptable answers,
# the answer given, its exact match and its F1.
HAND_COUNTED = [
    # Case, articles and ASCII punctuation do not count; a hyphen goes and leaves no gap.
    (["the Denver Broncos"], "denver broncos.", 1, 1),
    (["U.S. Senate"], "The US senate", 1, 1),
    (["well-known"], "well known", 0, 0),
    (["an anthem"], "a theme", 0, 0),
    # 2 of 3 tokens are shared, either way; a token counts as often as both have it: 2 of 6, and 2 of 2.
    (["Santa Clara, California"], "in Santa Clara", 0, 2 / 3),
    (["to be or not to be"], "to be", 0, 1 / 2),
    (["be"], "be be be", 0, 1 / 2),
    # The best of several: 1 of 2 tokens and 1 of 1.
    (["gold", "golden anniversary", "fiftieth"], "golden", 0, 2 / 3),
    (["gold", "the golden anniversary"], "Golden Anniversary!", 1, 1),
    # No answer is right where there is none, and nowhere else. What has no tokens is none.
    ([], "", 1, 1),
    ([], "the", 1, 1),
    ([], "Paris", 0, 0),
    (["Paris"], "", 0, 0),
    (["the", "..."], "", 1, 1),
    (["the", "Paris"], "", 0, 0),
    # Chinese characters are tokens, and so are runs of others; its punctuation and its quotation marks do not count.
    (["《红楼梦》"], "红楼梦。", 1, 1),
    (["北京大学"], "北京", 0, 2 / 3),
    (["2008年8月8日"], "8月8日", 0, 4 / 5),
    (["北京，上海"], "上海、北京", 0, 1),
    (["世贸组织", "WTO 组织"], "wto组织", 1, 1),
    (["２０１９年"], "2019年", 0, 1 / 2),
]


@pytest.mark.parametrize(("true", "given_answer", "exact", "f1"), HAND_COUNTED)
def test_answers_scored_by_hand(true, given_answer, exact, f1):
    metrics = answer_metrics([true], [given_answer])
    assert (metrics["exact_match"], metrics["answer_f1"]) == (exact, pytest.approx(f1))
    assert metrics["answerable_f1"] == (pytest.approx(f1) if true else None)
    assert metrics["no_answer_accuracy"] == (None if true else f1)


def test_several_answers_scored_by_hand():
    metrics = answer_metrics(*([case[part] for case in HAND_COUNTED] for part in (0, 1)))
    assert metrics["exact_match"] == pytest.approx(8 / 21)
    answerable = [f1 for true, _, _, f1 in HAND_COUNTED if true]
    assert metrics["answerable_f1"] == pytest.approx(sum(answerable) / 18)
    assert metrics["no_answer_accuracy"] == pytest.approx(2 / 3)


def test_each_question_has_the_language_of_its_answers():
    true = [["北京市"], ["the city"], []]
    metrics = answer_metrics(true, ["北京", "city", "the"])
    assert metrics["answer_f1"] == pytest.approx((0.8 + 1 + 1) / 3)
    assert answer_metrics(true[:1], ["北京"], "en")["answer_f1"] == 0


def test_the_best_acceptable_answer_counts():
    metrics = answer_metrics([["Lake Victoria", "Victoria"]], ["victoria"])
    assert metrics["exact_match"] == metrics["answer_f1"] == 1


def test_the_order_of_tokens_matters_for_the_exact_match_alone():
    metrics = answer_metrics([["上海"]], ["海上"])
    assert (metrics["exact_match"], metrics["answer_f1"]) == (0, 1)


def test_what_the_questions_leave_undefined_is_none():
    assert answer_metrics([], []) == {"num_examples": 0, **dict.fromkeys(ANSWER_SCORES)}
    answerable = answer_metrics([["x"]], [""])
    assert answerable["no_answer_accuracy"] is None and answerable["answerable_f1"] == 0
    without = answer_metrics([[], []], ["", "x"])
    assert without["answerable_f1"] is None and without["no_answer_accuracy"] == without["exact_match"] == 0.5


@pytest.mark.parametrize(
    ("true", "predicted", "language", "message"),
    [
        ([["a"]], [], "en", "0 answers were predicted for 1 questions"),
        ([["b"], "b"], ["b", "b"], "en", "question 1: the acceptable answers are 'b'; give a list"),
        ([[None]], ["b"], "en", r"question 0: the acceptable answers are \[None\]"),
        ([["b"]], [None], "en", 'question 0: the predicted answer is None; give a text, "" for no answer'),
        ([["b"]], ["b"], "fr", "there is no language 'fr'; choose one of en, zh, auto"),
    ],
)
def test_bad_input_is_refused_in_one_line(true, predicted, language, message):
    with pytest.raises(InputError, match=message) as caught:
        answer_metrics(true, predicted, language)
    assert "\n" not in str(caught.value)


def test_ten_thousand_questions_take_seconds():
    started = time.perf_counter()
    answer_metrics([["尼罗河是世界上最长的河流之一"] * 3] * 10_000, ["世界上最长的河流"] * 10_000)
    assert time.perf_counter() - started < 5


@pytest.mark.real
@pytest.mark.parametrize(("file", "language"), [("xquad.en", "en"), ("xquad.zh", "zh"), ("cmrc2018_dev", "zh")])
def test_real_answers_are_cut_alike(data_dir, file, language):
    with gzip.open(data_dir / "qa_span" / f"{file}.json.gz", "rt", encoding="utf-8") as opened:
        articles = json.load(opened)["data"]
    questions = [qa for article in articles for paragraph in article["paragraphs"] for qa in paragraph["qas"]]
    true = [[answer["text"] for answer in qa["answers"]] for qa in questions]
    first = [answers[0] for answers in true]
    assert answer_metrics(true, first, "auto")["exact_match"] == 1
    shifted = [answer[1:] + "的" for answer in first]
    metrics = answer_metrics(true, shifted, language)
    assert [metrics[name] for name in ANSWER_SCORES] == pytest.approx(plain_metrics(true, shifted, language))
