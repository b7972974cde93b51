"""The test set of the masking holds what its README says.

The checks of the numbers are written here a second time, apart from any detector. A failure names items by their
identifiers and never shows a text, so that the sealed half stays unread.
"""

import ipaddress
import json
import re
import unicodedata
from collections import Counter
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent / "personal_data"
HALVES = ("open", "sealed")
KINDS = ("EMAIL", "PHONE", "CARD", "IBAN", "RESIDENT_ID", "IP", "URL", "BIRTH_DATE")
BIRTH_WORDS = re.compile(r"born|birth|\bd\.?o\.?b\b|出生|生日|生于|生人|geboren", re.IGNORECASE)


def read(half: str) -> list[dict]:
    lines = (FOLDER / f"{half}.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


ITEMS = {half: read(half) for half in HALVES}
ALL = [item for half in HALVES for item in ITEMS[half]]


def folded(text: str) -> str:
    """Full-width letters and digits as plain ones."""
    return unicodedata.normalize("NFKC", text)


def luhn_holds(digits: str) -> bool:
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit) * (2 if place % 2 else 1)
        total += value - 9 if value > 9 else value
    return total % 10 == 0


def iban_holds(value: str) -> bool:
    characters = re.sub(r"\s", "", value).upper()
    return int("".join(str(int(character, 36)) for character in characters[4:] + characters[:4])) % 97 == 1


def resident_check_holds(number: str) -> bool:
    # ISO 7064 MOD 11-2: the weight of a place is a power of two, and a last X counts ten.
    values = [10 if character in "Xx" else int(character) for character in number]
    return sum(value * 2 ** (17 - place) for place, value in enumerate(values)) % 11 == 1


def birth_date_possible(number: str) -> bool:
    return 1900 < int(number[6:10]) < 2026 and 1 <= int(number[10:12]) <= 12 and 1 <= int(number[12:14]) <= 31


def span_is_sound(kind: str, value: str, text: str) -> bool:
    plain = folded(value)
    compact = re.sub(r"[\s-]", "", plain)
    if kind == "EMAIL":
        return re.fullmatch(r"[^@\s]+@[^@\s]+\.[a-z]{2,}", plain.lower()) is not None
    if kind == "PHONE":
        return 9 <= len(re.sub(r"\D", "", plain)) <= 15
    if kind == "CARD":
        return re.fullmatch(r"\d{13,19}", compact) is not None and luhn_holds(compact)
    if kind == "IBAN":
        return re.fullmatch(r"[A-Za-z]{2}\d{2}[A-Za-z0-9]{11,30}", compact) is not None and iban_holds(compact)
    if kind == "RESIDENT_ID":
        return (
            re.fullmatch(r"\d{17}[\dXx]", compact) is not None
            and resident_check_holds(compact)
            and birth_date_possible(compact)
        )
    if kind == "IP":
        return bool(ipaddress.ip_address(plain))
    if kind == "URL":
        return re.match(r"(https?|ftp)://|www\.", plain) is not None and not re.search(r"[\s,.;!?)，。）]$", plain)
    return BIRTH_WORDS.search(text) is not None and bool(re.search(r"\d|[一二三四五六七八九十]", plain))


def rest(item: dict) -> str:
    """The text with a NUL in the place of every character of a span."""
    characters = list(item["text"])
    for _, start, end in item["spans"]:
        characters[start:end] = "\0" * (end - start)
    return folded("".join(characters))


def span_counts(half: str) -> Counter:
    return Counter((kind, item["language"]) for item in ITEMS[half] for kind, _, _ in item["spans"])


def names(items) -> list[str]:
    return [item["id"] for item in items]


@pytest.mark.parametrize("half", HALVES)
def test_every_item_has_the_form(half):
    wrong = [item for item in ITEMS[half] if list(item) != ["id", "language", "text", "spans"]]
    assert not names(wrong)
    assert {item["language"] for item in ITEMS[half]} == {"en", "zh"}
    assert not names(item for item in ITEMS[half] if not item["id"].startswith(item["language"] + "-"))


@pytest.mark.parametrize("half", HALVES)
def test_spans_are_ordered_apart_and_inside_the_text(half):
    wrong = []
    for item in ITEMS[half]:
        last = 0
        for kind, start, end in item["spans"]:
            value = item["text"][start:end]
            if kind not in KINDS or start < last or not value or value != value.strip():
                wrong.append(item["id"])
            last = end
    assert not wrong


@pytest.mark.parametrize("half", HALVES)
def test_what_a_span_holds_is_of_its_kind(half):
    wrong = [
        (item["id"], kind)
        for item in ITEMS[half]
        for kind, start, end in item["spans"]
        if not span_is_sound(kind, item["text"][start:end], item["text"])
    ]
    assert not wrong


@pytest.mark.parametrize("half", HALVES)
def test_no_look_alike_passes_a_check(half):
    wrong = []
    for item in ITEMS[half]:
        text = rest(item)
        for match in re.finditer(r"\d(?:[ -]?\d){12,}[Xx]?", text):
            digits = re.sub(r"[ -]", "", match.group())
            # A device number (IMEI) has a Luhn digit too: those items ask for a look at more than the digit.
            device = "IMEI" in text[: match.start()]
            if len(digits) <= 19 and digits.isdigit() and luhn_holds(digits) and not device:
                wrong.append((item["id"], "CARD"))
            if len(digits) == 18 and resident_check_holds(digits):
                wrong.append((item["id"], "RESIDENT_ID"))
        for match in re.finditer(r"[A-Z]{2}\d{2}(?: ?[A-Z0-9]){11,30}", text):
            if iban_holds(match.group()):
                wrong.append((item["id"], "IBAN"))
        if re.search(r"[^\s@\0]@[\w-]+\.\w", text):
            wrong.append((item["id"], "EMAIL"))
    assert not wrong


def test_there_are_enough_items_of_both_languages_and_of_look_alikes_alone():
    assert len(ALL) >= 480
    languages = Counter(item["language"] for item in ALL)
    assert abs(languages["en"] - languages["zh"]) <= 0.02 * len(ALL)
    assert sum(not item["spans"] for item in ALL) >= 0.4 * len(ALL)


def test_no_item_stands_twice_and_no_frame_more_than_three_times():
    assert len({item["id"] for item in ALL}) == len(ALL)
    assert len({item["text"] for item in ALL}) == len(ALL)
    frames = Counter(re.sub(r"\0+|\d+", "0", rest(item)) for item in ALL)
    assert max(frames.values()) <= 3


def test_the_halves_are_alike():
    first, second = (span_counts(half) for half in HALVES)
    for kind in KINDS:
        for language in ("en", "zh"):
            assert min(first[kind, language], second[kind, language]) >= 6
            assert abs(first[kind, language] - second[kind, language]) <= 2
    assert abs(len(ITEMS["open"]) - len(ITEMS["sealed"])) <= 1


def test_the_readme_has_the_counts_of_the_files():
    readme = (FOLDER / "README.md").read_text(encoding="utf-8")
    for kind in KINDS:
        numbers = [span_counts(half)[kind, language] for half in HALVES for language in ("en", "zh")]
        assert f"| {kind} | {' | '.join(map(str, numbers))} |" in readme
    for label, wanted in (("items", lambda item: True), ("items without a span", lambda item: not item["spans"])):
        numbers = [
            sum(wanted(item) and item["language"] == language for item in ITEMS[half])
            for half in HALVES
            for language in ("en", "zh")
        ]
        assert f"| {label} | {' | '.join(map(str, numbers))} |" in readme
