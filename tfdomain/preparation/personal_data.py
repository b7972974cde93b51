"""Personal data becomes typed placeholders: who reads the data set, or a model of it, does not learn who was meant."""

import ipaddress
import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

import phonenumbers

from tfdomain.data.names import near_names
from tfdomain.errors import InputError
from tfdomain.preparation.personal_addresses import find_emails, find_ips
from tfdomain.preparation.personal_birth_dates import date_key, find_birth_dates
from tfdomain.preparation.personal_links import find_links
from tfdomain.preparation.personal_names import NameFinder
from tfdomain.preparation.personal_numbers import find_cards, find_ibans, find_resident_ids
from tfdomain.preparation.personal_phones import PhoneFinder
from tfdomain.preparation.personal_text import HIDDEN, blank, fold

__all__ = ["KINDS", "Found", "PersonalDataMasker"]

KINDS = ("EMAIL", "PHONE", "CARD", "IBAN", "RESIDENT_ID", "IP", "URL", "BIRTH_DATE")
"""What is found by its form."""

# What stands there already is left; more digits than a document can need are none of ours.
_PLACEHOLDER = re.compile(f"<({'|'.join([*KINDS, 'NAME'])})(?:_([1-9][0-9]{{0,5}}))?>")
_LONG_NUMBER = re.compile(r"[0-9](?:[ ()\[\]./~-]{0,4}[0-9]){6}")
_LINK_SIGNS = ("://", "www.", "WWW.", "Www.")
_BIRTH_SIGNS = ("born", "birth", "dob", "d.o", "d. o", "b.", "bday", "b-day", "出生", "生于", "生日", "生人", "辰")
_BIRTH_SIGN = re.compile(r"[日月年号號0-9]\s?生")


class Found(NamedTuple):
    """One piece of personal data.

    Attributes:
        kind: Of `KINDS`, or `NAME`.
        start: The index of its first character.
        end: The index behind its last one.
    """

    kind: str
    start: int
    end: int


class PersonalDataMasker:
    """Puts placeholders in the place of personal data.

    Masking a masked text changes nothing: placeholders are left, and what would only show beside them is found at
    once.

    Args:
        kinds: What is masked, of `KINDS`. The others stay whole: no digits inside a mail address are taken for a
            telephone number because mail addresses stay.
        regions: ISO 3166 codes of the countries whose telephone numbers are known without their country code.
        name_finder: Finds people's names, which are then masked too: what `personal_names.load_name_finder` gives, or
            a function of one's own; None: names stay.

    Raises:
        InputError: A kind or region is unknown.

    Example:
        >>> masker = PersonalDataMasker(["EMAIL", "PHONE"], regions=["US"])
        >>> masker.mask("Write to jo@example.com or Bo@example.com, not to JO@example.com, or call (404) 555-0155")
        ('Write to <EMAIL> or <EMAIL_2>, not to <EMAIL>, or call <PHONE>', {'EMAIL': 3, 'PHONE': 1})
    """

    def __init__(
        self,
        kinds: Sequence[str] = KINDS,
        *,
        regions: Sequence[str] = ("US", "GB", "CN"),
        name_finder: NameFinder | None = None,
    ):
        _check_known(kinds, KINDS, where="kinds", what="kind of personal data")
        _check_known(regions, sorted(phonenumbers.SUPPORTED_REGIONS), where="regions", what="region of phonenumbers")
        self.kinds = frozenset(kinds)
        self._phones = PhoneFinder(regions)
        self._name_finder = name_finder

    def mask(self, text: str) -> tuple[str, Mapping[str, int]]:
        """The text with a placeholder for each finding, and how often each kind was found.

        Within the text the first mail address is `<EMAIL>`, another one `<EMAIL_2>`, the first again `<EMAIL>`. Numbers
        that the text has already are not given out again.
        """
        found = self.find(text)
        if not found:
            return text, {}
        last = {kind: number for kind, number, _, _ in sorted(_placeholders(text))}
        placeholders: dict[tuple[str, str], str] = {}
        parts, end = [], 0
        for each in found:
            key = (each.kind, self._key(each.kind, fold(text[each.start : each.end])))
            if key not in placeholders:
                number = last[each.kind] = last.get(each.kind, 0) + 1
                placeholders[key] = f"<{each.kind}>" if number == 1 else f"<{each.kind}_{number}>"
            parts += [text[end : each.start], placeholders[key]]
            end = each.end
        return "".join([*parts, text[end:]]), dict(Counter(each.kind for each in found))

    def find(self, text: str) -> list[Found]:
        """What `mask` replaces, in order and apart from each other."""
        hidden = [(start, end) for _, _, start, end in _placeholders(text)]
        found: list[Found] = []
        while True:
            # A round sees one character for each placeholder and finding, as it will be in the masked text: so the
            # last round, which finds nothing, is the one that would begin to mask that text again.
            view, original = _collapsed(text, sorted(hidden + [(each.start, each.end) for each in found]))
            new = self._find_by_form(view) or self._find_names(view)
            if not new:
                return sorted(found, key=lambda each: each.start)
            found += [Found(each.kind, original(each.start), original(each.end)) for each in new]

    def _find_by_form(self, view: str) -> list[Found]:
        """One round: what is found first, the surest, is not looked at by the others."""
        if not self.kinds:
            return []
        text = fold(view)
        has_number = _LONG_NUMBER.search(text) is not None
        found: list[Found] = []

        def take(kind: str, spans: Iterable[tuple[int, int]]) -> None:
            nonlocal text
            spans = list(spans)
            found.extend(Found(kind, start, end) for start, end in spans)
            text = blank(text, spans)

        links = list(find_links(view)) if any(sign in text for sign in _LINK_SIGNS) else []
        take("URL", ((start, end) for start, end, is_personal in links if is_personal))
        if "@" in text:
            take("EMAIL", find_emails(text))
        if has_number:
            take("RESIDENT_ID", find_resident_ids(text))
            take("IBAN", find_ibans(text))
        if "." in text or ":" in text:
            take("IP", find_ips(text))
        # The numbers in a link's path are those of pages.
        text = blank(text, ((start, end) for start, end, is_personal in links if not is_personal))
        if has_number:
            take("CARD", find_cards(text))
        if _may_hold_birth_date(text):
            take("BIRTH_DATE", find_birth_dates(text))
        if has_number:
            take("PHONE", self._phones.find(text))
        return [each for each in found if each.kind in self.kinds]

    def _find_names(self, view: str) -> list[Found]:
        if self._name_finder is None:
            return []
        found, last = [], 0
        for start, end in sorted(self._name_finder(view.replace(HIDDEN, "~"))):
            name = view[start:end]
            start, end = start + len(name) - len(name.lstrip()), end - len(name) + len(name.rstrip())
            if last <= start < end and HIDDEN not in name:
                found.append(Found("NAME", start, end))
                last = end
        return found

    def _key(self, kind: str, value: str) -> str:
        """What equal values have in common, whatever their form."""
        if kind == "PHONE":
            return self._phones.key(value)
        if kind == "IP":
            return str(ipaddress.ip_address(value))
        if kind == "BIRTH_DATE":
            return date_key(value)
        if kind in ("CARD", "IBAN", "RESIDENT_ID"):
            return re.sub("[ -]", "", value).upper()
        return value if kind == "URL" else " ".join(value.casefold().split())


def _placeholders(text: str) -> list[tuple[str, int, int, int]]:
    """Kind, number, begin and end of each placeholder in a text."""
    if "<" not in text:
        return []
    return [(match[1], int(match[2] or 1), match.start(), match.end()) for match in _PLACEHOLDER.finditer(text)]


def _collapsed(text: str, spans: Sequence[tuple[int, int]]) -> tuple[str, Callable[[int], int]]:
    """The text with one `HIDDEN` for each span, and what gives the place in the text for one in the result."""
    if not spans:
        return text, int
    parts, last, places, shifts = [], 0, [], [0]
    for start, end in spans:
        parts += [text[last:start], HIDDEN]
        last = end
        places.append(start - shifts[-1])
        shifts.append(shifts[-1] + end - start - 1)
    return "".join([*parts, text[last:]]), lambda place: place + shifts[bisect_left(places, place)]


def _may_hold_birth_date(text: str) -> bool:
    lower = text.lower()
    return any(sign in lower for sign in _BIRTH_SIGNS) or ("生" in text and _BIRTH_SIGN.search(text) is not None)


def _check_known(values: Sequence[str], known: Sequence[str], *, where: str, what: str) -> None:
    if isinstance(values, str):
        raise InputError(f"is the string {values!r}", where=where, mend="give a list")
    for value in values:
        if value not in known:
            near = near_names(str(value), known) or list(known)[:8]
            raise InputError(f"{value!r} is no {what}", where=where, mend=f"did you mean {' or '.join(near)}?")
