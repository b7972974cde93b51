"""Dates of birth: only where the text says in English or Chinese that a person was born then.

A year alone stays: it hardly tells who somebody is, and studies need it.
"""

import re
from collections.abc import Iterator

__all__ = ["date_key", "find_birth_dates"]

_MONTH = (
    r"(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?"
    r"|nov(?:ember)?|dec(?:ember)?)\b\.?"
)
_MONTHS = "janfebmaraprmayjunjulaugsepoctnovdec"
_WEEKDAY = r"(?:(?:mon|tues?|wed(?:nes)?|thu(?:rs)?|fri|sat(?:ur)?|sun)(?:day)?,?\s{1,3})?"
_DAY, _YEAR = r"[0-3]?[0-9](?:st|nd|rd|th)?", r"(?:(?:18|19|20)[0-9]{2}|(?:'|(?<=-))[0-9]{2})"
_D, _M, _Y = r"(?:3[01]|[12][0-9]|0?[1-9])", r"(?:1[0-2]|0?[1-9])", r"(?:18|19|20)[0-9]{2}"
_NUMERAL = "[〇零○一二三四五六七八九十廿]"
_MOON = f"(?:{_NUMERAL}{{1,2}}|[元正冬腊])"
_GAP = r"[\s,.-]{1,3}"

_DATE = re.compile(
    "(?<![0-9])(?:"
    # The fullest form first: what it left out would stay in the text.
    + "|".join(
        [
            rf"{_WEEKDAY}{_DAY}(?:\sday)?(?:\sof\s|{_GAP}){_MONTH}{_GAP}(?:of\s)?{_YEAR}",
            rf"{_WEEKDAY}{_MONTH}{_GAP}(?:the\s)?{_DAY}{_GAP}{_YEAR}",
            rf"{_YEAR}{_GAP}{_MONTH}{_GAP}{_DAY}",
            rf"(?:{_Y}|[0-9]{{2}})\s?年\s?{_M}\s?月\s?{_D}(?:\s?[日号號])?",
            rf"{_NUMERAL}{{2,4}}年{_MOON}月(?:初{_NUMERAL}|{_NUMERAL}{{1,3}}[日号號]?)",
            rf"{_Y}\s?(?P<one>[-/.])\s?{_M}\s?(?P=one)\s?{_D}",
            rf"{_D}\s?(?P<two>[-/. ])\s?{_D}\s?(?P=two)\s?(?:{_Y}|[0-9]{{2}})",
            r"(?:19|20)[0-9]{2}(?:1[0-2]|0[1-9])(?:3[01]|[12][0-9]|0[1-9])",
            r"(?:3[01]|[12][0-9]|0[1-9]){2}(?:19|20)[0-9]{2}",
            rf"(?:{_Y}|[0-9]{{2}})\s?年\s?{_M}\s?月份?",
            rf"{_NUMERAL}{{2,4}}年{_MOON}月",
            rf"{_MONTH}{_GAP}(?:of\s)?{_YEAR}",
            r"(?:1[0-2]|0[1-9])[/.](?:19|20)[0-9]{2}|(?:19|20)[0-9]{2}[-/.]?(?:1[0-2]|0[1-9])",
            rf"{_DAY}(?:\sof\s|{_GAP}){_MONTH}|{_MONTH}{_GAP}(?:the\s)?{_DAY}",
            rf"{_M}月{_D}[日号號]|{_MOON}月(?:初{_NUMERAL}|{_NUMERAL}{{1,3}}[日号號])",
        ]
    )
    + ")(?![0-9]|[-/.][0-9])",
    re.IGNORECASE,
)

_BIRTHDAY = r"(?:birth[\s_-]?da(?:te|ys?)|date[\s_-]?of[\s_-]?birth|b-?day|d\.\s?o\.\s?b\.?|dob)"
_ENGLISH_CUE = re.compile(rf"(?<![A-Za-z])(?:born|{_BIRTHDAY}|birth(?=\s*[:=])|b\.(?=\s?[0-9]))(?![A-Za-z])", re.I)
_ENGLISH_GAP = re.compile(
    r"(?:\s*\((?:[dmy]{1,4}[-/. ]?){3}\))?[\s:=|,\"'“”‘’(\[>~-]{0,5}"
    r"(?:(?:is|was|were|be|on|in|of|as|the|about|around|falls)\s+){0,4}",
    re.IGNORECASE,
)
# `born in Leeds, England, on 4 May 1981`, but not `born in Leeds and married on 4 May 2001`.
_PLACE_GAP = re.compile(
    r"\s+(?=(?:in|at|to|by|as|[a-z]+ly)\s)(?:(?!(?:and|but|who|which|then)\b|\w+ed\b)(?:[^\s.;:!?0-9]{1,20}|[0-9]{1,2}[:.][0-9]{2})\s+){1,7}on\s+"
    r"(?:the\s+)?",
    re.IGNORECASE,
)
_NO_PERSON = re.compile(
    r"\b(?:company|firm|shop|start-?up|project|idea|brand|bank|app|site|website|club|team|product|service|tradition"
    r"|business|store|charity|organi[sz]ation)\s+(?:was|were|is)\s+\Z|(?:公司|企业|品牌|产品|项目|平台|网站|银行|店铺|本店|系统)的?\Z",
    re.IGNORECASE,
)
# `发生于` says that something happened, `医生于` what a doctor did then.
_CHINESE_CUE = re.compile(
    "出生(?:年月日?|日期|时间|日|于)?|生年月日|(?<![发产衍派诞滋学医先新考女男师花卫民招研])生于|生日|生辰|诞辰"
)
_CHINESE_GAP = re.compile(r"[\s:=|\"'“”(\[【「是为在于-]{0,6}(?:(?:公历|阳历|农历|阴历|星期.|周.)[\s:)]{0,2})?")

_CUE_BEHIND = re.compile(
    r"\(?的?(?:(?:凌晨|早上|上午|中午|下午|晚上|晚)?(?:\s?[0-9]{1,2}[时点:](?:[0-9]{1,2}分?|半)?)?(?:在[一-鿿]{1,8}?)?"
    r"出生(?!证|地)|出世|生人|过?生日(?!蛋糕|券|礼|派对|聚|会|贺|优惠|祝)|生于|生(?=[\s,.;:)。、的]|\Z))|是[一-鿿]{0,6}?生日"
    rf"|\s{{0,2}}\(\s?(?:{_BIRTHDAY}|born)\s?\)"
    rf"|\s(?:is|was|as)\s(?:(?:my|his|her|their|our|the|[a-z]{{1,20}}'s)\s){{0,3}}{_BIRTHDAY}(?![a-z])",
    re.IGNORECASE,
)
_LONGEST_DATE = 40
_ANOTHER = re.compile(r"\s*(?:and|&|和|及|与|、)\s*(?:on\s+)?(?:the\s+)?", re.IGNORECASE)


def find_birth_dates(text: str) -> Iterator[tuple[int, int]]:
    """The dates alone, in order, in a folded text."""
    found = {*_dates_behind_cues(text), *_dates_before_cues(text)}
    last = 0
    for start, end in sorted(found, key=lambda span: (span[0], -span[1])):
        if start >= last:
            yield start, end
            last = end


def _dates_behind_cues(text: str) -> Iterator[tuple[int, int]]:
    for cues, gaps in ((_ENGLISH_CUE, (_ENGLISH_GAP, _PLACE_GAP)), (_CHINESE_CUE, (_CHINESE_GAP,))):
        for cue in cues.finditer(text):
            if _NO_PERSON.search(text, max(0, cue.start() - 40), cue.start()):
                continue
            for gap in gaps:
                if gap is _PLACE_GAP and cue[0].lower() != "born":
                    continue
                between = gap.match(text, cue.end())
                date = between and _DATE.match(text, between.end())
                # Of twins and couples: `born on 3 May 1980 and 4 June 1982`.
                while date:
                    yield date.span()
                    between = _ANOTHER.match(text, date.end())
                    date = between and _DATE.match(text, between.end())


def _dates_before_cues(text: str) -> Iterator[tuple[int, int]]:
    for cue in _CUE_BEHIND.finditer(text):
        for date in _DATE.finditer(text, max(0, cue.start() - _LONGEST_DATE), cue.start()):
            if date.end() == cue.start():
                yield date.span()


def date_key(date: str) -> str:
    """What equal dates have in common, as far as their form tells: `5 May 1985`, `1985-05-05` and `1985年5月5日`.

    Args:
        date: Folded.
    """
    numbers = re.findall("[0-9]+", date)
    name = re.search(_MONTH, date, re.IGNORECASE)
    if name and len(numbers) == 2 and max(map(len, numbers)) == 4:
        day, year = sorted(numbers, key=len)
        month = _MONTHS.index(name[0][:3].lower()) // 3 + 1
        return f"{year}-{month:02d}-{int(day):02d}"
    if not name and len(numbers) == 3 and len(numbers[0]) == 4:
        return f"{numbers[0]}-{int(numbers[1]):02d}-{int(numbers[2]):02d}"
    if len(numbers) == 1 and re.fullmatch("(?:19|20)[0-9]{6}", numbers[0]):
        return f"{numbers[0][:4]}-{numbers[0][4:6]}-{numbers[0][6:]}"
    return " ".join(date.lower().split())
