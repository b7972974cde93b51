"""Exact match and F1 of answers to questions, as SQuAD counts them, Chinese by characters."""

import re
import string
import unicodedata
from collections import Counter
from collections.abc import Sequence
from typing import Any, Literal

from tfdomain.errors import InputError
from tfdomain.metrics.weights import mean_of_defined

__all__ = ["ANSWER_SCORES", "answer_metrics", "answer_tokens"]

ANSWER_SCORES = ("exact_match", "answer_f1", "answerable_f1", "no_answer_accuracy")
"""The names of the single numbers that `answer_metrics` gives."""

_ARTICLES = re.compile(r"\b(a|an|the)\b")
# The unified ideographs, their extensions and compatibility forms, and the zero that counts as one.
_HAN = "\u3007\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U000323af"
_CHINESE = re.compile(f"[{_HAN}]")
_CHINESE_TOKENS = re.compile(rf"[{_HAN}]|[^\s{_HAN}]+")
_ASCII_PUNCTUATION = str.maketrans("", "", string.punctuation)
# Signs such as + and ~ are symbols for Unicode and punctuation for SQuAD: their full-width forms too.
_SIGNS = set(string.punctuation) | {chr(ord(sign) + 0xFEE0) for sign in string.punctuation}


def answer_tokens(text: str, language: Literal["en", "zh"]) -> list[str]:
    """What of an answer is compared: its lower-case tokens without punctuation.

    English drops ASCII punctuation and the articles a, an, the, and splits at white space. Chinese
    drops the punctuation of every script; each Chinese character is a token, and so is each run of
    other characters, such as a Latin word or a number. Dropped punctuation does not split: `3.5`
    is `35`. Full-width letters and digits are not made half-width.

    Example:
        >>> answer_tokens("The U.S. Senate", "en"), answer_tokens("《红楼梦》, 120回", "zh")
        (['us', 'senate'], ['红', '楼', '梦', '120', '回'])
    """
    text = text.lower()
    if language == "en":
        return _ARTICLES.sub(" ", text.translate(_ASCII_PUNCTUATION)).split()
    kept = (sign for sign in text if sign not in _SIGNS and not unicodedata.category(sign).startswith("P"))
    return _CHINESE_TOKENS.findall("".join(kept))


def answer_metrics(
    true: Sequence[Sequence[str]],
    predicted: Sequence[str],
    language: Literal["en", "zh", "auto"] = "auto",
) -> dict[str, Any]:
    """Judges extracted answers against the acceptable ones.

    A prediction is compared with each acceptable answer and the best comparison counts. F1 is that
    of the tokens as bags, the same in both languages: this is what SQuAD counts, and MLQA for
    Chinese. CMRC 2018 counts the longest common run of tokens instead, never more than the bag.

    Args:
        true: The acceptable answers of each question; none where it has no answer.
        predicted: One answer for each question; `""` says that there is none.
        language: How answers are cut, as `answer_tokens` does. `"auto"` takes Chinese for the
            questions with a Chinese character in an acceptable answer, English for the others.

    Returns:
        - `num_examples`: the number of questions.
        - `exact_match`: the share of questions with all tokens equal, in their order.
        - `answer_f1`: the mean F1. Where either side has no tokens it is 1 if both have none, else 0.
        - `answerable_f1`: the mean F1 of the questions with an answer; None without such.
        - `no_answer_accuracy`: the share of the questions without an answer that are given none;
          None without such.

        All between 0 and 1; None without questions.

    Raises:
        InputError: The numbers of questions differ, something is not text, or the language is unknown.

    Example:
        >>> answer_metrics([["the Nile"], []], ["Nile river", ""])["answer_f1"]
        0.8333333333333333

    Reference:
        Rajpurkar et al., "Know What You Don't Know: Unanswerable Questions for SQuAD", ACL 2018.
        Lewis et al., "MLQA: Evaluating Cross-lingual Extractive Question Answering", ACL 2020.
        Cui et al., "A Span-Extraction Dataset for Chinese Machine Reading Comprehension", EMNLP 2019.
    """
    _check(true, predicted, language)
    scores = [_compare(answers, answer, language) for answers, answer in zip(true, predicted, strict=True)]
    return {
        "num_examples": len(scores),
        "exact_match": mean_of_defined(exact for exact, _ in scores),
        "answer_f1": mean_of_defined(f1 for _, f1 in scores),
        "answerable_f1": mean_of_defined(f1 for (_, f1), answers in zip(scores, true, strict=True) if answers),
        "no_answer_accuracy": mean_of_defined(f1 for (_, f1), answers in zip(scores, true, strict=True) if not answers),
    }


def _compare(answers: Sequence[str], predicted: str, language: Literal["en", "zh", "auto"]) -> tuple[float, float]:
    if language == "auto":
        language = "zh" if any(map(_CHINESE.search, answers)) else "en"
    given = answer_tokens(predicted, language)
    # As in SQuAD 2.0, an acceptable answer of which nothing is left is none.
    accepted = [tokens for tokens in (answer_tokens(answer, language) for answer in answers) if tokens] or [[]]
    return float(given in accepted), max(_f1(tokens, given) for tokens in accepted)


def _f1(accepted: list[str], given: list[str]) -> float:
    if not accepted or not given:
        return float(accepted == given)
    return 2 * (Counter(accepted) & Counter(given)).total() / (len(accepted) + len(given))


def _check(true: Sequence[Sequence[str]], predicted: Sequence[str], language: str) -> None:
    if language not in ("en", "zh", "auto"):
        raise InputError(f"there is no language {language!r}", mend="choose one of en, zh, auto")
    if len(true) != len(predicted):
        raise InputError(f"{len(predicted)} answers were predicted for {len(true)} questions")
    for index, (answers, answer) in enumerate(zip(true, predicted, strict=True)):
        if isinstance(answers, str) or not all(isinstance(each, str) for each in answers):
            mend = "give a list of texts, an empty one where the question has no answer"
            raise InputError(f"the acceptable answers are {answers!r}", where=f"question {index}", mend=mend)
        if not isinstance(answer, str):
            mend = 'give a text, "" for no answer'
            raise InputError(f"the predicted answer is {answer!r}", where=f"question {index}", mend=mend)
