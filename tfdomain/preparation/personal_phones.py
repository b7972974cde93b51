"""Telephone numbers.

What is one is for `phonenumbers` to say, which knows every country's numbers. It takes every number of the right length
for one, though, orders and sums among them, and is slow: so it is asked only about what stands and is written like a
telephone number. Chinese mobile numbers, the most frequent in Chinese text, are known by their form.
"""

import re
from collections.abc import Iterator, Sequence

import phonenumbers
from phonenumbers import NumberParseException, PhoneNumberFormat, PhoneNumberMatch, PhoneNumberMatcher

from tfdomain.preparation.personal_text import blank, is_glued

__all__ = ["PhoneFinder"]

_CANDIDATE = re.compile(r"[(\[+]{0,3}[0-9](?:[ ()\[\]./~-]{0,4}[0-9]){6,}+")
_MOST_DIGITS = 15
_BEHIND = 20
"""Characters behind a candidate in which an extension may stand."""

_CHINA = r"(?:(?:\(\s?(?:\+|00)?86\s?\)|(?:\+|00)?86)[ -]{0,2})"
_EXTENSION_FORM = r"(?:(?:-(?=[0-9]{3})|\s?(?:转|分机)[:号]?\s?|[ ,]{0,2}(?:ext\.?|x)\s?)(?P<extension>[0-9]{1,6}))"
_CHINESE_MOBILE = re.compile(
    rf"(?<![0-9+])(?<![0-9][.-]){_CHINA}?1[3-9](?:[0-9]{{9}}|[0-9](?P<a>[ -]{{1,2}})[0-9]{{4}}(?P=a)[0-9]{{4}}"
    rf"|[0-9]{{2}}(?P<b>[ -])[0-9]{{4}}(?P=b)[0-9]{{3}}|[0-9](?P<c>[ -])[0-9]{{3}}(?P=c)[0-9]{{5}})"
    rf"{_EXTENSION_FORM}?+(?!\.?[0-9]|-[0-9])"
)
_CHINESE_LANDLINE = re.compile(
    r"(?<![0-9+])(?<![0-9][.-])(?:\(0[1-9][0-9]{1,2}\)|0[1-9][0-9]{1,2})[ -]{0,2}[2-8][0-9]{2,3}[ -]?[0-9]{4}"
    rf"{_EXTENSION_FORM}?+(?!\.?[0-9]|-[0-9])"
)

_EXTENSION_AT_END = re.compile(rf"{_EXTENSION_FORM}\Z")

_PHONE_WORD = re.compile("tel|telephone|phone|mobile|cell|fax|call|at|t|p|m|v|vx|wx|wechat|hp|dial|ring|text")
_SPEAKS_OF_PHONES = re.compile(
    r"(?:(?<![A-Za-z])(?:(?:tele)?phones?|tel|mobile|mob|cell|call(?:ed|s|ing|er)?|ring(?:ing)?|rang|dial(?:led|ed)?|sms"
    r"|text(?:ed)?|fax|whatsapp|contact|reach(?:ed)?)(?![A-Za-z])|电话|手机|致电|拨打|来电|联系|座机|热线|传真|微信|号码)"
    r"\W{0,3}(?:\w+\W{1,2}){0,3}\Z",
    re.IGNORECASE,
)
# What is numbered, where the number follows at once.
_SPEAKS_OF_OTHERS = re.compile(
    r"(?:(?<![A-Za-z])(?:orders?|invoices?|cases?|ref(?:erence)?|tickets?|serial|policy|contract|tracking|parcel"
    r"|shipment|consignment|booking|account|acct|a/c|po|imei|sku|isbn|issn|part|model|batch|lot|form|file|claim"
    r"|licen[cs]e|registration|meter|sum|total|amount|count|version|doi|pages?|pp|sections?|barcode|ean|upc|checksum|code"
    r"|(?<!caller )id)|单号|订单|运单|编号|流水号?|合同|账号|帐号|账户|工号|卡号|货号|批号|型号|序列号|快递|金额"
    r"|[合总]计|总[和数额]|发票|保单|案号|邮编|(?:条形?|编|代|验证|取件|追溯)码)"
    r"[\s#:=.]*(?:(?:no|nr|numbers?|num|号码?|为|是|is|was)[\s#:=.]*)*\Z",
    re.IGNORECASE,
)
_UNIT_BEHIND = re.compile(r"\s?(?:[%‰元股]|字节|毫秒|条记录|行数据|万|亿|(?:ms|bytes|rows|dollars|euros|pounds)\b)")
_DATE_OR_DECIMAL = re.compile(
    r"(?:(?:19|20)[0-9]{2}([-/.])[01]?[0-9]\1[0-3]?[0-9]|[0-3]?[0-9]([-/.])[0-3]?[0-9]\2(?:19|20)?[0-9]{2})"
    r"(?:[ -]{1,3}[0-2]?[0-9])?|[0-9]+\.[0-9]+|(?:[0-9]{1,3}\.){3}[0-9]{1,3}"
)


class PhoneFinder:
    """Finds telephone numbers with their country code everywhere, without one as the regions write them.

    Args:
        regions: ISO 3166 codes that `phonenumbers` knows.
    """

    def __init__(self, regions: Sequence[str]):
        self.regions = tuple(regions)
        self._fewest = min(map(_usual_length, regions), default=_MOST_DIGITS + 1)

    def find(self, text: str) -> Iterator[tuple[int, int]]:
        """Spans with country code, brackets and extension, in order, in a folded text."""
        known = sorted(self._find_chinese(text))
        text = blank(text, known)
        yield from sorted([*known, *self._find_by_matcher(text)])

    def key(self, phone: str) -> str:
        """The number with its country code and extension, however it is written; its digits where that fails.

        Args:
            phone: Folded.
        """
        for region in self.regions or (None,):
            if (number := _parsed(phone, region)) is not None:
                return phonenumbers.format_number(number, PhoneNumberFormat.RFC3966)
        return re.sub("[^0-9]", "", phone)

    def _find_chinese(self, text: str) -> Iterator[tuple[int, int]]:
        at_home = "CN" in self.regions
        for match in _CHINESE_MOBILE.finditer(text):
            if (at_home or "86" in match[0][:6]) and self._stands_alone(text, *match.span()):
                yield match.span()
        if at_home:
            for match in _CHINESE_LANDLINE.finditer(text):
                if self._stands_alone(text, *match.span()) and _parsed(match[0], "CN"):
                    yield match.span()

    def _find_by_matcher(self, text: str) -> Iterator[tuple[int, int]]:
        last = 0
        for candidate in _CANDIDATE.finditer(text):
            if candidate.start() < last or not self._may_be_phone(text, candidate):
                continue
            # The matcher looks at the characters beside a number as well.
            first = max(0, candidate.start() - 1)
            window = text[first : candidate.end() + _BEHIND]
            for start, end in self._matched(text, window, first, candidate.end()):
                if start >= last:
                    yield start, end
                    last = end

    def _may_be_phone(self, text: str, candidate: re.Match[str]) -> bool:
        written = candidate[0]
        if "+" in written[:3]:
            return True
        if sum(map(str.isdigit, written)) < self._fewest or _DATE_OR_DECIMAL.fullmatch(written):
            return False
        # In one piece it is a telephone number from its beginning or not at all.
        if " " not in written and not self._stands_alone(text, candidate.start(), len(text)):
            return False
        if not written.isdigit():
            return True
        return len(written) <= _MOST_DIGITS and bool(
            re.match("0[1-9]", written) or _speaks_of_phones(text, candidate.start())
        )

    def _matched(self, text: str, window: str, first: int, last: int) -> Iterator[tuple[int, int]]:
        for region in self.regions or (None,):
            spans = []
            for match in PhoneNumberMatcher(window, region):
                start, end = first + match.start, first + match.end
                if start < last and self._is_phone(text, start, end, match):
                    spans.append((start, end))
            if spans:
                yield from spans
                return

    def _is_phone(self, text: str, start: int, end: int, match: PhoneNumberMatch) -> bool:
        written = match.raw_string
        if "+" in written[:3]:
            return not (text[start - 1 : start].isascii() and text[start - 1 : start].isalnum())
        if not self._stands_alone(text, start, end):
            return False
        digits = re.sub("[^0-9]", "", written)
        if digits.startswith("0") and not (written.isdigit() and digits.startswith("00")):
            return True
        return _speaks_of_phones(text, start) if written.isdigit() else _is_grouped_so(match)

    def _stands_alone(self, text: str, start: int, end: int) -> bool:
        return not (
            is_glued(text, start, end, words=_PHONE_WORD)
            or _SPEAKS_OF_OTHERS.search(text, max(0, start - 40), start)
            or _UNIT_BEHIND.match(text, end)
        )


def _usual_length(region: str) -> int:
    """Digits of an ordinary number of the region, the shorter of fixed and mobile ones."""
    examples = (
        phonenumbers.example_number_for_type(region, kind)
        for kind in (phonenumbers.PhoneNumberType.FIXED_LINE, phonenumbers.PhoneNumberType.MOBILE)
    )
    return min((len(phonenumbers.national_significant_number(each)) for each in examples if each), default=7)


def _speaks_of_phones(text: str, end: int) -> bool:
    return _SPEAKS_OF_PHONES.search(text, max(0, end - 40), end) is not None


def _parsed(phone: str, region: str | None) -> phonenumbers.PhoneNumber | None:
    # `phonenumbers` does not know the Chinese ways to write an extension.
    for form in (phone, _EXTENSION_AT_END.sub(r" ext. \g<extension>", phone)):
        try:
            number = phonenumbers.parse(form, region)
        except NumberParseException:
            continue
        if phonenumbers.is_valid_number(number):
            return number
    return None


def _is_grouped_so(match: PhoneNumberMatch) -> bool:
    """Whether the digits part where the country parts them: `404-555-0155`, not `40 4555 01 55` or `404.555-0155`."""
    if re.search(r"[0-9]\.[0-9]", match.raw_string) and re.search("[0-9]-[0-9]", match.raw_string):
        return False
    number = phonenumbers.PhoneNumber(
        country_code=match.number.country_code, national_number=match.number.national_number
    )
    usual = re.findall("[0-9]+", phonenumbers.format_number(number, PhoneNumberFormat.INTERNATIONAL))[1:]
    written = re.findall("[0-9]+", match.raw_string)
    if match.number.extension and written[-1] == match.number.extension:
        written.pop()
    if written[0] == "1" and number.country_code == 1:
        written.pop(0)
    return _borders(written) <= _borders(usual)


def _borders(groups: Sequence[str]) -> set[int]:
    borders, place = set(), 0
    for group in groups:
        place += len(group)
        borders.add(place)
    return borders
