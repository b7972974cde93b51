"""Which of the known names somebody may have meant."""

import difflib
from collections.abc import Iterable

__all__ = ["near_names"]


def near_names(name: str, names: Iterable[str], count: int = 3) -> list[str]:
    """The names most like `name`, the likest first; capitals do not count."""
    by_lower: dict[str, str] = {}
    for candidate in names:
        by_lower.setdefault(candidate.lower(), candidate)
    matches = difflib.get_close_matches(name.lower(), by_lower, n=count, cutoff=0.6)
    return [by_lower[match] for match in matches]
