"""The form of a text in which personal data is looked for: every character at its place, each in its plainest form."""

import re
from collections.abc import Iterable

__all__ = ["HIDDEN", "blank", "fold", "is_glued"]

HIDDEN = "\0"
"""Stands where something was found already. It is no letter, no digit, no space, and part of no pattern."""

_SPACES = "\u00a0\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u3000"
_HYPHENS = "\u2010\u2011\u2012\u2013\u2212\ufe58\ufe63"  # The long dash is none: it parts sentences.
# Digits of the scripts whose tenth digit follows the first ones, as all do; the bold ones of mathematics as well.
_DIGITS = {
    ord(digit): str(int(digit))
    for digit in map(chr, (*range(0x0660, 0x10000), *range(0x1D7CE, 0x1D800)))
    if digit.isdecimal()
}
_PLAIN = (
    {0xFF01 + place: chr(0x21 + place) for place in range(94)}
    | dict.fromkeys(map(ord, _SPACES), " ")
    | dict.fromkeys(map(ord, _HYPHENS), "-")
    | _DIGITS
)
_UNFOLDED = re.compile("[" + re.escape("".join(map(chr, sorted(_PLAIN)))) + "]")

_LETTERS_BEFORE = re.compile(r"([A-Za-z]+)[-_]?\Z")


def fold(text: str) -> str:
    """The text of equal length with full-width forms as plain ones, digits as 0 to 9, any blank as a space.

    Example:
        >>> fold("１８８ ００００ １２３４，ａ＠ｂ")
        '188 0000 1234,a@b'
    """
    if text.isascii() or _UNFOLDED.search(text) is None:
        return text
    return text.translate(_PLAIN)


def blank(text: str, spans: Iterable[tuple[int, int]]) -> str:
    """The text of equal length in which the spans, in order and apart, are `HIDDEN`."""
    parts, last = [], 0
    for start, end in spans:
        parts += [text[last:start], HIDDEN * (end - start)]
        last = end
    return "".join([*parts, text[last:]]) if parts else text


def is_glued(text: str, start: int, end: int, *, words: re.Pattern[str]) -> bool:
    """Whether what stands at `start:end` is part of a longer word, as in `SF13912345678` or `HC-139-0013-B`.

    Args:
        text: Folded.
        start: Where it begins.
        end: Where it ends.
        words: What may stand before it without a blank, in lower case: `tel`, say.
    """
    before = text[start - 1 : start]
    if before in ("-", "_") or (before.isascii() and before.isalnum()):
        letters = _LETTERS_BEFORE.search(text, max(0, start - 12), start)
        if letters is None:
            # A hyphen behind Chinese, or at the beginning, is a dash; one behind a digit goes on with its number.
            glue = text[start - 2 : start - 1] if before in ("-", "_") else before
            if glue.isascii() and glue.isalnum():
                return True
        elif words.fullmatch(letters[1].lower()) is None:
            return True
    after = text[end : end + 2]
    if after[:1] in ("-", "_"):
        after = after[1:]
    return after[:1].isascii() and after[:1].isalpha()
