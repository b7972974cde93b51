"""JSON as TensorFlow Serving reads it: NaN and infinities, any depth, its own error texts.

Its parser (RapidJSON, iterative) stops after the first value, has no limit on nesting, passes
bytes that are no UTF-8 through, and names the byte where it gave up. Python's parser is fast and
does the ordinary documents; whatever it refuses goes through `ExactParser`, which either
accepts it or reports RapidJSON's error. Strings keep foreign bytes as
surrogate escapes, so that `text.encode("utf-8", "surrogateescape")` gives the bytes sent.

Reference: RFC 8259; RapidJSON's `reader.h` (states and errors) and `prettywriter.h` (layout).
"""

import json
import math
import re
from typing import Any

from tfdomain.serving.json_parser import ExactParser
from tfdomain.serving.status import invalid_argument

__all__ = ["debug_string", "parse_object", "type_name"]

_BLANK = " \n\r\t"
_DEBUG_BYTES = 256
_TYPE_NAMES = {
    type(None): "Null",
    dict: "Object",
    list: "Array",
    str: "String",
    int: "Number",
    float: "Number",
}
_ESCAPE = re.compile(
    r"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(\\u[dD][89a-fA-F][0-9a-fA-F]{2})|\\."
)


def parse_object(body: bytes) -> dict[str, Any]:
    """Reads a request body whose root must be an object; what follows the root is ignored.

    Raises:
        ServingError: INVALID_ARGUMENT with the parser's error and byte offset, or for another root.
    """
    if not body:
        raise invalid_argument("JSON Parse error: The document is empty")
    value = _parse(body)
    if not isinstance(value, dict):
        raise invalid_argument(f"JSON Value: {debug_string(value)} Is not object")
    return value


def type_name(value: Any) -> str:
    """RapidJSON's name of a value's type; booleans are `True` and `False`."""
    return str(value) if isinstance(value, bool) else _TYPE_NAMES[type(value)]


def debug_string(value: Any) -> str:
    """The value as error messages quote it: indented, arrays on one line, cut after 256 bytes."""
    writer = _LimitedWriter()
    writer.write(value, 0)
    return "".join(writer.parts)


def _parse(body: bytes) -> Any:
    try:
        text = body.decode("utf-8-sig")
        start = len(text) - len(text.lstrip(_BLANK))
        value, _ = _DECODER.raw_decode(text, start)
    except (ValueError, RecursionError):
        return ExactParser(body).parse()
    if "\\u" in text and any(match.group(1) for match in _ESCAPE.finditer(text)):
        return ExactParser(body).parse()
    return value


def _finite(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise ValueError("too big for a double")
    return value


def _first_wins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    return members if len(members) == len(pairs) else dict(reversed(pairs))


_DECODER = json.JSONDecoder(parse_float=_finite, object_pairs_hook=_first_wins)


class _LimitedWriter:
    """RapidJSON's PrettyWriter with arrays on one line; it stops at the first token past 256 bytes."""

    def __init__(self) -> None:
        self.parts: list[str] = []
        self.size = 0

    def write(self, value: Any, depth: int, prefix: str = "") -> bool:
        if isinstance(value, dict):
            return self._write_object(value, depth, prefix)
        if not isinstance(value, list):
            return self._put(prefix + json.dumps(value, ensure_ascii=False))
        items = (self.write(item, depth + 1, ", " if index else "") for index, item in enumerate(value))
        return self._put(prefix + "[") and all(items) and self._put("]")

    def _write_object(self, value: dict, depth: int, prefix: str) -> bool:
        if not self._put(prefix + "{"):
            return False
        indent = "\n" + "    " * (depth + 1)
        for index, (key, item) in enumerate(value.items()):
            name = json.dumps(key, ensure_ascii=False)
            if not self._put(("," if index else "") + indent + name) or not self.write(item, depth + 1, ": "):
                return False
        return self._put("\n" + "    " * depth + "}" if value else "}")

    def _put(self, text: str) -> bool:
        if self.size >= _DEBUG_BYTES:
            return False
        self.parts.append(text)
        self.size += len(text.encode("utf-8", "surrogateescape"))
        return True
