"""Whether labelled spans fit their text: inside it, not empty, at whole characters, apart from each other.

Reference: Unicode Standard Annex 29, "Unicode Text Segmentation" (https://www.unicode.org/reports/tr29), of whose
rules for grapheme clusters those hold here that need no table but Python's own.
"""

import unicodedata
from collections.abc import Iterable, Sequence

from tfdomain.data.tag_schemes import Entity

__all__ = ["cuts_character", "keep_longest", "overlap_problem", "shown", "span_problem"]

_ZERO_WIDTH_JOINER = "\u200d"
# What Unicode lets extend a character though it is no mark: joiners, half-width voicing, skin tones, tags.
_SKIN_TONES, _TAGS = range(0x1F3FB, 0x1F400), range(0xE0020, 0xE0080)
_EXTENDING = frozenset(map(chr, [0x200C, 0x200D, 0xFF9E, 0xFF9F, *_SKIN_TONES, *_TAGS]))
_MEDIAL_JAMO = frozenset(map(chr, [*range(0x1160, 0x1200), *range(0xD7B0, 0xD800)]))


def cuts_character(text: str, place: int) -> bool:
    r"""Whether a border before `text[place]` would divide what a reader sees as one character.

    Example:
        >>> cuts_character("e\u0301t", 1), cuts_character("👩\u200d⚕", 1), cuts_character("中文", 1)
        (True, True, False)
    """
    if not 0 < place < len(text):
        return False
    before, after = text[place - 1], text[place]
    if after < "\u0300":
        return before == "\r" and after == "\n"
    if before.isspace():
        return False
    if unicodedata.category(after)[0] == "M" or after in _EXTENDING or after in _MEDIAL_JAMO:
        return True
    if _is_regional(after):
        # Two regional indicators are one flag.
        return _num_regional_before(text, place) % 2 == 1
    return before == _ZERO_WIDTH_JOINER and unicodedata.category(after) == "So"


def span_problem(text: str, entity: Entity) -> str | None:
    """What is wrong with an entity in its text; None if nothing is."""
    label, start, end = entity
    if start == end:
        return f"{label!r} at {start}:{end} is empty"
    if start > end:
        return f"{label!r} at {start}:{end} ends before it starts"
    if not text:
        return f"{label!r} at {start}:{end} in an empty text"
    if start < 0 or end > len(text):
        return f"{label!r} at {start}:{end} lies outside the text of {len(text)} characters"
    for place in (start, end):
        if cuts_character(text, place):
            sides = " and ".join(f"U+{ord(character):04X}" for character in text[place - 1 : place + 1])
            return f"{shown(text, entity)} cuts a character at {place} (between {sides})"
    return None


def overlap_problem(text: str, entities: Sequence[Entity]) -> str | None:
    """The first two of the entities (sorted by their start) that overlap; None if none do."""
    reaching = None
    for entity in entities:
        if reaching is not None and entity.start < reaching.end:
            return f"{shown(text, reaching)} overlaps {shown(text, entity)}"
        reaching = entity
    return None


def keep_longest(entities: Iterable[Entity]) -> list[Entity]:
    """Entities of which none overlap: the longest first, of equally long ones the first; sorted by their start.

    Example:
        >>> keep_longest([Entity("X", 0, 3), Entity("Y", 2, 7), Entity("Z", 7, 8)])
        [Entity(label='Y', start=2, end=7), Entity(label='Z', start=7, end=8)]
    """
    kept: list[Entity] = []
    for entity in sorted(entities, key=lambda each: (each.start - each.end, each.start, each.label)):
        if all(entity.end <= other.start or other.end <= entity.start for other in kept):
            kept.append(entity)
    return sorted(kept, key=lambda each: each.start)


def shown(text: str, entity: Entity) -> str:
    """An entity for a message: its label, its place and its text."""
    surface = text[max(entity.start, 0) : max(entity.end, 0)]
    surface = surface if len(surface) <= 30 else surface[:29] + "…"
    return f"{entity.label!r} at {entity.start}:{entity.end} ({surface!r})"


def _is_regional(character: str) -> bool:
    return "\U0001f1e6" <= character <= "\U0001f1ff"


def _num_regional_before(text: str, place: int) -> int:
    first = place
    while first and _is_regional(text[first - 1]):
        first -= 1
    return place - first
