"""Tags of words or characters become entities, and entities become tags.

A tag is `O`, or a letter, a `-` or `_`, and a label: `B-Disease`. What the letters say differs by scheme, but no
letter says two things, so one rule reads all schemes: conlleval's, which also gives tags that break their scheme
the entities that they most likely mean.

Reference: Ramshaw and Marcus, "Text Chunking using Transformation-Based Learning", 1995 (IOB1); Ratinov and Roth,
"Design Challenges and Misconceptions in Named Entity Recognition", 2009 (BILOU); the evaluation script `conlleval`
of the CoNLL-2000 shared task (https://www.clips.uantwerpen.be/conll2000/chunking/output.html).
"""

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import NamedTuple

from tfdomain.errors import InputError

__all__ = [
    "ALIASES",
    "SCHEMES",
    "Entity",
    "detect_scheme",
    "entities_of",
    "illegal_tags",
    "is_tag",
    "scheme_named",
    "split_tag",
    "tags_of",
]

SCHEMES = {
    "io": "I",
    "iob1": "BI",
    "iob2": "BI",
    "bioes": "BIES",
    "bilou": "BILU",
    "bmes": "BMES",
    "bmewo": "BMEW",
}
"""The schemes that are read, and the letters of each besides `O`."""

ALIASES = {"bio": "iob2", "iobes": "bioes", "bmeso": "bmes"}
"""Other names of these schemes."""

_ROLES = {"B": "B", "I": "I", "M": "I", "E": "E", "L": "E", "S": "S", "U": "S", "W": "S"}
_LENIENT = frozenset({"io", "iob1"})


class Entity(NamedTuple):
    """A labelled span of units (characters of a text, or words); `end` is not in it."""

    label: str
    start: int
    end: int


@lru_cache(maxsize=1 << 16)
def split_tag(tag: str) -> tuple[str, str]:
    """The letter of a tag and its label; `("O", "")` outside of all entities.

    Raises:
        InputError: It has no form that is known.

    Example:
        >>> split_tag("B-Disease"), split_tag("M_组织")
        (('B', 'Disease'), ('M', '组织'))
    """
    if tag == "O":
        return "O", ""
    if not is_tag(tag):
        raise InputError(f"unknown tag {tag!r}", mend="tags are O, or a letter and a label: B-Disease, I-Disease")
    return tag[0], tag[2:]


def is_tag(tag: str) -> bool:
    """Whether a string has the form of a tag in one of the schemes."""
    return tag == "O" or (tag[:1] in _ROLES and tag[1:2] in ("-", "_") and bool(tag[2:].strip()))


def scheme_named(name: str) -> str:
    """The scheme of that name or alias, as `SCHEMES` has it.

    Raises:
        InputError: There is none.
    """
    scheme = ALIASES.get(name, name)
    if scheme not in SCHEMES:
        raise InputError(f"unknown tag scheme {name!r}", mend=f"choose {', '.join([*SCHEMES, *ALIASES])}")
    return scheme


def entities_of(tags: Sequence[str], scheme: str = "iob2", *, repair: bool = False) -> list[Entity]:
    """The entities that tags describe, in places of the tags.

    Args:
        tags: The tags of a sentence `[n]`.
        scheme: One of `SCHEMES` or its alias.
        repair: Whether tags that break the scheme are read as conlleval does: what should continue an entity,
            but follows none of its label, opens one; an entity that is not closed ends where it can go on no more.

    Raises:
        InputError: A tag is of no known form, or breaks the scheme though `repair` is off.

    Example:
        >>> entities_of(["B-X", "I-X", "O", "B-Y"])
        [Entity(label='X', start=0, end=2), Entity(label='Y', start=3, end=4)]
    """
    illegal = illegal_tags(tags, scheme)
    if illegal and not repair:
        place, problem = illegal[0]
        raise InputError(problem, where=f"tag {place}", mend="mend the tags, or have them repaired")
    found: list[Entity] = []
    running, start = "", 0
    for place, tag in enumerate(tags):
        letter, label = split_tag(tag)
        role = _ROLES.get(letter, "O")
        if running and (role in "OBS" or label != running):
            found.append(Entity(running, start, place))
            running = ""
        if role == "O":
            continue
        if not running:
            running, start = label, place
        if role in "ES":
            found.append(Entity(running, start, place + 1))
            running = ""
    if running:
        found.append(Entity(running, start, len(tags)))
    return found


def tags_of(entities: Iterable[tuple[str, int, int]], num_units: int, scheme: str = "bio") -> list[str]:
    """The tags of units that entities lie on.

    Args:
        entities: Labels with their first place and the place after their last.
        num_units: The number of units, and of tags.
        scheme: `"bio"` or `"bioes"`.

    Raises:
        InputError: An entity is empty, lies outside the units, or overlaps another.

    Example:
        >>> tags_of([Entity("X", 1, 3)], 4, "bioes")
        ['O', 'B-X', 'E-X', 'O']
    """
    if scheme not in ("bio", "bioes"):
        raise InputError(f"unknown tag scheme {scheme!r}", mend="choose bio or bioes")
    tags = ["O"] * num_units
    for label, start, end in entities:
        if not 0 <= start < end <= num_units:
            raise InputError(f"{label!r} at {start}:{end} is no span of {num_units} units", mend="mend the span")
        if any(tag != "O" for tag in tags[start:end]):
            raise InputError(f"{label!r} at {start}:{end} overlaps another entity", mend="keep one of them")
        tags[start:end] = [f"B-{label}"] + [f"I-{label}"] * (end - start - 1)
        if scheme == "bioes":
            tags[end - 1] = f"S-{label}" if end - start == 1 else f"E-{label}"
    return tags


def illegal_tags(tags: Sequence[str], scheme: str) -> list[tuple[int, str]]:
    """What breaks the scheme: the places of the tags and what is wrong there.

    In `io` and `iob1` every sequence has a meaning. In the others an entity begins with its `B` (or is single),
    and in those that mark ends it also ends with one.

    Returns:
        `(place, problem)` in order; the place of an entity left open by the last tag is `len(tags)`.

    Raises:
        InputError: A tag has no known form, or a letter that the scheme does not have.

    Example:
        >>> illegal_tags(["O", "I-X"], "iob2")
        [(1, "'I-X' after 'O' (illegal in iob2)")]
    """
    scheme = scheme_named(scheme)
    for tag in set(tags):
        if split_tag(tag)[0] not in "O" + SCHEMES[scheme]:
            letters = ", ".join(["O", *SCHEMES[scheme]])
            raise InputError(f"{tag!r} is no tag of {scheme}", mend=f"its letters are {letters}; name the right scheme")
    if scheme in _LENIENT:
        return []
    # Before the first tag and after the last one the rules are those of an O there.
    moves = zip(("O", *tags), (*tags, "O"), strict=True)
    wrong = [(place, move) for place, move in enumerate(moves) if not _is_legal(*move, scheme)]
    return [(place, _problem(*move, place, len(tags), scheme)) for place, move in wrong]


def detect_scheme(sequences: Iterable[Sequence[str]]) -> str:
    """The scheme that the tags of many sentences follow: `iob2` where they would fit several.

    Tags of `B` and `I` that break both IOB2 and IOB1 are taken for IOB2 with mistakes.

    Raises:
        InputError: A tag has no known form, or no scheme has all of their letters.

    Example:
        >>> detect_scheme([["I-X", "I-X", "O"], ["I-X", "B-X"]])
        'iob1'
    """
    moves: set[tuple[str, str]] = set()
    for tags in sequences:
        moves.update(zip(("O", *tags), tags, strict=False))
    letters = {split_tag(tag)[0] for _, tag in moves} - {"O"}
    if letters == {"I"}:
        return "io"
    if letters <= {"B", "I"}:
        is_iob2 = all(_is_legal(*move, "iob2") for move in moves)
        return "iob2" if is_iob2 or not all(_is_iob1(*move) for move in moves) else "iob1"
    fitting = [scheme for scheme, known in SCHEMES.items() if letters <= set(known)]
    if not fitting:
        found, known = ", ".join(sorted(letters)), "; ".join(f"{name} {' '.join(SCHEMES[name])}" for name in SCHEMES)
        raise InputError(f"no tag scheme has the letters {found}", mend=f"the schemes are {known}")
    return fitting[0]


@lru_cache(maxsize=1 << 16)
def _is_legal(previous: str, tag: str, scheme: str) -> bool:
    (letter, label), (before, label_before) = split_tag(tag), split_tag(previous)
    is_open = _ROLES.get(before) in ("B", "I")
    if _ROLES.get(letter) in ("I", "E"):
        return is_open and label == label_before
    return scheme == "iob2" or not is_open


def _is_iob1(previous: str, tag: str) -> bool:
    (letter, label), (_, label_before) = split_tag(tag), split_tag(previous)
    return letter != "B" or label == label_before


def _problem(previous: str, tag: str, place: int, num_tags: int, scheme: str) -> str:
    if place == num_tags:
        return f"{previous!r} at the end of a sentence (illegal in {scheme})"
    after = f"after {previous!r}" if place else "at the start of a sentence"
    return f"{tag!r} {after} (illegal in {scheme})"
