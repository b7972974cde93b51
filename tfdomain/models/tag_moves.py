"""Which tags there are, and which may follow which.

A tag is `O` (outside) or a prefix and an entity type: `B-` begins an entity, `I-` continues it and, in the scheme
`bioes`, `E-` ends one of several units and `S-` is one of a single unit.
"""

from collections.abc import Sequence

import numpy as np

from tfdomain.errors import InputError

__all__ = ["OUTSIDE", "SCHEMES", "entity_types", "legal_moves", "split_tags", "tag_names"]

OUTSIDE = "O"
SCHEMES = {"bio": "BI", "bioes": "BIES"}


def tag_names(types: Sequence[str], scheme: str = "bio") -> list[str]:
    """The tags of entity types: `O` first, then each type's in the order of the scheme's name.

    Args:
        types: Names of the entity types, each once; a name may hold a hyphen.
        scheme: `bio` or `bioes`.

    Raises:
        InputError: There is no type, a type stands twice or is empty, or there is no such scheme.

    Example:
        >>> tag_names(["Disease"])
        ['O', 'B-Disease', 'I-Disease']
    """
    if scheme not in SCHEMES:
        raise InputError(f"the tag scheme is {scheme!r}", where="scheme", mend=f"choose {' or '.join(SCHEMES)}")
    if not types or len(set(types)) < len(types) or not all(types):
        raise InputError(f"entity types are {list(types)}", where="types", mend="give at least one, each once")
    return [OUTSIDE] + [f"{prefix}-{name}" for name in types for prefix in SCHEMES[scheme]]


def entity_types(tags: Sequence[str]) -> list[str]:
    """The entity types of tags, in their order: what `tag_names` was given.

    Raises:
        InputError: The tags are not those of a scheme.
    """
    types = list(dict.fromkeys(tag[2:] for tag in tags if tag != OUTSIDE))
    if not types or list(tags) not in [tag_names(types, scheme) for scheme in SCHEMES]:
        raise InputError(f"tags are {list(tags)}", where="tags", mend="give what tag_names makes of the entity types")
    return types


def split_tags(tags: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """The two halves of each tag.

    Args:
        tags: As `tag_names` gives them.

    Returns:
        Prefixes, one letter each, `[tags]`, and entity types int32 `[tags]`, in the order of
        `entity_types`; `O` has the prefix `O` and the type -1.

    Raises:
        InputError: The tags are not those of a scheme.
    """
    number = {name: index for index, name in enumerate(entity_types(tags))}
    prefixes = np.array([tag[0] for tag in tags])
    return prefixes, np.array([number.get(tag[2:], -1) for tag in tags], "int32")


def legal_moves(tags: Sequence[str]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What a tagging may begin with, which tag may follow which, and what it may end with.

    Inside an entity only the same entity goes on: `I-` follows `B-` or `I-` of its type. In `bioes`
    an entity that `B-` began must come to its `E-`.

    Args:
        tags: As `tag_names` gives them.

    Returns:
        `starts` bool `[tags]`, `moves` bool `[tags, tags]` (from, to) and `ends` bool `[tags]`.

    Raises:
        InputError: The tags are not those of a scheme.
    """
    prefixes, types = split_tags(tags)
    must_close = "E" in prefixes
    opened = np.isin(prefixes, ["B", "I"])
    inner = np.isin(prefixes, ["I", "E"])
    goes_on = opened[:, np.newaxis] & inner & (types[:, np.newaxis] == types)
    ends = ~opened if must_close else np.ones_like(opened)
    moves = goes_on | (ends[:, np.newaxis] & ~inner)
    return ~inner, moves, ends
