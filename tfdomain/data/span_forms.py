"""The forms in which JSON lists the entities of a text."""

from collections.abc import Iterator
from typing import Any

from tfdomain.data.entity_spans import shown
from tfdomain.data.json_lines import HALF_A_PAIR
from tfdomain.data.tag_schemes import Entity
from tfdomain.errors import InputError

__all__ = ["check_characters", "entities_in", "kind_of"]

_LABEL_KEYS = ("label", "type")
_START_KEYS = ("start", "start_offset", "start_idx")
_END_KEYS = ("end", "end_offset", "end_idx")
_SURFACE_KEYS = ("text", "surface", "mention", "word", "entity")
_KINDS = {
    type(None): "null",
    str: "a string",
    bool: "a boolean",
    int: "a number",
    float: "a number",
    list: "a list",
    dict: "an object",
}


def entities_in(value: Any, text: str, *, inclusive: bool = False) -> list[Entity]:
    """The entities that a decoded JSON value lists, in its order.

    Args:
        value: An object of labels, mentions and places as CLUENER has it, a list of objects with `label`, `start`
            and `end`, or a list of `[start, end, label]`.
        text: The text; a mention that the value names must stand in it at its place.
        inclusive: Whether the ends of the lists lie on the last character. CLUENER's always do.

    Raises:
        InputError: The value has another form, or names a mention that does not stand there.

    Example:
        >>> entities_in({"company": {"浙商银行": [[0, 3]]}}, "浙商银行")
        [Entity(label='company', start=0, end=4)]
    """
    if isinstance(value, dict):
        return list(_cluener_entities(value, text))
    if isinstance(value, list):
        return [_listed_entity(item, text, int(inclusive)) for item in value]
    raise InputError(f"{_brief(value)} is {kind_of(value)}, not a list or an object of entities")


def kind_of(value: Any) -> str:
    """What JSON calls a value."""
    return _KINDS[type(value)]


def check_characters(value: str, key: str) -> None:
    """Refuses a string that UTF-8 cannot hold."""
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        raise InputError(f"the value of {key!r} {HALF_A_PAIR}") from None


def _cluener_entities(labels: dict[str, Any], text: str) -> Iterator[Entity]:
    for label, mentions in labels.items():
        if not isinstance(mentions, dict):
            raise InputError(f"{label!r} is {kind_of(mentions)}, not an object of mentions and places")
        for surface, places in mentions.items():
            if not isinstance(places, list):
                raise InputError(f"the places of {surface!r} are no list")
            for place in places:
                if not isinstance(place, list) or len(place) != 2:
                    raise InputError(f"the place {_brief(place)} of {surface!r} is not [start, end]")
                start, end = place
                yield _entity(label, start, end, surface, text, last=1)


def _listed_entity(item: Any, text: str, last: int) -> Entity:
    if isinstance(item, list):
        if len(item) != 3:
            raise InputError(f"{_brief(item)} is not [start, end, label]")
        start, end, label = item
        return _entity(label, start, end, None, text, last)
    if not isinstance(item, dict):
        raise InputError(f"{_brief(item)} is no entity: write label, start and end")
    label, start, end = (_first(item, keys) for keys in (_LABEL_KEYS, _START_KEYS, _END_KEYS))
    surface = next((item[key] for key in _SURFACE_KEYS if isinstance(item.get(key), str)), None)
    return _entity(label, start, end, surface, text, last)


def _first(item: dict[str, Any], keys: tuple[str, ...]) -> Any:
    for key in keys:
        if key in item:
            return item[key]
    raise InputError(f"{_brief(item)} has no {keys[0]!r}")


def _entity(label: Any, start: Any, end: Any, surface: str | None, text: str, last: int) -> Entity:
    if type(start) is not int or type(end) is not int:
        raise InputError(f"{_brief([start, end])} are no whole numbers")
    if not isinstance(label, str) or not label.strip():
        raise InputError(f"{_brief(label)} is no label")
    check_characters(label, "label")
    entity = Entity(label, start, end + last)
    if surface is not None and 0 <= start <= entity.end <= len(text) and text[start : entity.end] != surface:
        other = "inclusive" if text[start : end + 1] == surface else "exclusive" if text[start:end] == surface else None
        hint = "" if other is None else f" (with {other} ends it would be)"
        raise InputError(f"{shown(text, entity)} is not the {_brief(surface)} that the file names{hint}")
    return entity


def _brief(value: Any) -> str:
    written = repr(value)
    return written if len(written) <= 60 else written[:59] + "…"
