"""What people's files hold, in one line that neither a terminal nor YAML stumbles over."""

import unicodedata

__all__ = ["LABEL_CHARACTERS", "printable"]

LABEL_CHARACTERS = 48
"""How much of a label is shown among others."""


def printable(text: str, most: int | None = None) -> str:
    """A text in one line: blanks and line ends become single spaces, control characters their codes.

    Args:
        text: Any.
        most: Characters to show.

    Example:
        >>> printable("a\\nlong \\x1b[31m line", 8)
        'a long …'
    """
    line = " ".join(text.split())
    plain = "".join(c if unicodedata.category(c)[0] != "C" else f"\\u{ord(c):04x}" for c in line)
    return plain if most is None or len(plain) <= most else f"{plain[: most - 1]}…"
