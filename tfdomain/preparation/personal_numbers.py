"""Numbers with check digits: payment cards, bank accounts, Chinese resident identity numbers.

A check digit alone is weak, one wrong number in ten or eleven passes. So a card also begins as cards do, an account has
its country's length and form, and a resident number holds a province and a date.
"""

import re
from collections.abc import Iterator
from functools import cache

from stdnum import iban, luhn, numdb
from stdnum.cn import ric
from stdnum.exceptions import ValidationError

from tfdomain.preparation.personal_text import is_glued

__all__ = ["find_cards", "find_ibans", "find_resident_ids"]

_GROUPED = re.compile(r"(?<![0-9])(?<![0-9]\.)[0-9](?:[ -]?[0-9]){12,80}+(?!\.[0-9]|,[0-9]{1,3}(?![0-9]))")
_DIGIT_GROUP = re.compile("[0-9]+")
# How the groups of a card stand where other numbers stand before or behind them.
_CARD_SHAPES = ((4, 4, 4, 4), (4, 6, 5), (4, 6, 4), (4, 4, 4, 4, 3), (4, 4, 4, 4, 2), (4, 4, 4, 4, 1))
# By the ranges of the issuers: airlines (1), Mir and the younger Mastercard (2), American Express, Diners, JCB (3),
# Visa (4), Mastercard and Maestro (5), Discover, UnionPay, Maestro (6), UnionPay (81), older Chinese cards (9).
# The other beginnings are those of dates, moments in milliseconds, and bar codes.
_CARD_BEGINNINGS = re.compile(r"22(?:0[0-4]|2[1-9]|[3-9])|2[3-6]|27[01]|2720|3[04-9]|[4-6]|81|9[0-689]|1")
_SHORTEST_OF_NINE = 16
_LENGTH_OF_ONE = 15
_OTHER_NUMBER = re.compile(
    r"(?:IMEI[12]?|MEID|device (?:id|no|number)|设备(?:号|识别码)|串[号码]|EAN|UPC|GTIN|bar ?code|条形?码)"
    r"[^0-9]{0,12}(?:[0-9]{14,16}[^0-9]{1,4})*\Z",
    re.IGNORECASE,
)
_CARD_WORD = re.compile("card|cards|cardno|no|num|number|pan|visa|mastercard|amex|jcb|unionpay|to|from")


def find_cards(text: str) -> Iterator[tuple[int, int]]:
    """13 to 19 digits, bare or in groups, for which Luhn's digit holds, in a folded text."""
    for match in _GROUPED.finditer(text):
        groups = [group.span() for group in _DIGIT_GROUP.finditer(text, *match.span())]
        first = 0
        while first < len(groups):
            last = _last_group_of_card(text, groups, first)
            if last is not None:
                yield groups[first][0], groups[last][1]
                first = last
            first += 1


def _last_group_of_card(text: str, groups: list[tuple[int, int]], first: int) -> int | None:
    ends = []
    if first == 0:
        ends.append(len(groups) - 1)
    sizes = [end - start for start, end in groups[first : first + 5]]
    ends += [first + len(shape) - 1 for shape in _CARD_SHAPES if tuple(sizes[: len(shape)]) == shape]
    ends.append(first)
    for last in ends:
        start, end = groups[first][0], groups[last][1]
        digits = re.sub("[ -]", "", text[start:end])
        if (
            _is_card(digits)
            and not is_glued(text, start, end, words=_CARD_WORD)
            and not _OTHER_NUMBER.search(text, max(0, start - 60), start)
        ):
            return last
    return None


def _is_card(digits: str) -> bool:
    if not 13 <= len(digits) <= 19 or _CARD_BEGINNINGS.match(digits) is None:
        return False
    if (digits[0] == "9" and len(digits) < _SHORTEST_OF_NINE) or (digits[0] == "1" and len(digits) != _LENGTH_OF_ONE):
        return False
    return len(set(digits)) > 1 and luhn.is_valid(digits)


_IBAN_BEGINNING = re.compile(r"(?:(?<![A-Za-z0-9])|(?<=IBAN)|(?<=iban))[A-Za-z]{2}[0-9]{2}(?=[ -]?[A-Za-z0-9])")


def find_ibans(text: str) -> Iterator[tuple[int, int]]:
    """Account numbers whose form is their country's and whose remainder by 97 is 1, in a folded text."""
    last = 0
    for match in _IBAN_BEGINNING.finditer(text):
        start, end = match.span()
        length = _iban_length(match[0][:2].upper())
        if start < last or length is None:
            continue
        for _ in range(length - 4):
            end += text[end : end + 1] in (" ", "-")
            if not (text[end : end + 1].isascii() and text[end : end + 1].isalnum()):
                break
            end += 1
        else:
            behind = text[end : end + 1]
            if not (behind.isascii() and behind.isalnum()) and iban.is_valid(text[start:end], check_country=False):
                yield start, end
                last = end


@cache
def _iban_length(country: str) -> int | None:
    found, form = numdb.get("iban").info(country)[0]
    if found != country or "bban" not in form:
        return None
    return 4 + sum(int(size) for size in re.findall("[0-9]+", form["bban"]))


_RESIDENT_ID = re.compile(r"(?<![0-9])[1-8][0-9](?:[ -]?[0-9]){4}[ -]?(?:19|20)(?:[ -]?[0-9]){9}[ -]?[0-9Xx](?![0-9])")
_PROVINCES = frozenset([*range(11, 16), *range(21, 24), *range(31, 38), *range(41, 47), *range(50, 55), *range(61, 66)])
_LATER_PROVINCES = frozenset([71, 81, 82, 83])
_RESIDENT_WORD = re.compile("id|idno|no|num|number|ric|card")


def find_resident_ids(text: str) -> Iterator[tuple[int, int]]:
    """Chinese resident identity numbers of 18 places with a right check digit, in a folded text.

    The county is not looked up: numbers were first given in the 1980s, to people whose county had another code when
    they were born. The day may lie ahead, so that the answer does not depend on when it is asked.
    """
    for match in _RESIDENT_ID.finditer(text):
        number = re.sub("[ -]", "", match[0]).upper()
        if int(number[:2]) not in _PROVINCES | _LATER_PROVINCES or ric.calc_check_digit(number) != number[-1]:
            continue
        try:
            ric.get_birth_date(number)
        except ValidationError:
            continue
        if not is_glued(text, *match.span(), words=_RESIDENT_WORD):
            yield match.span()
