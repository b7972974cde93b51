"""RapidJSON's reading of a document, for what Python's own parser refuses.

TensorFlow Serving parses with RapidJSON's iterative parser: no limit on nesting, NaN and Infinity,
bytes passed through, nothing looked at after the first value; an error names the byte where it
gave up. This is that state machine.

Reference: RFC 8259; RapidJSON's `reader.h` (states) and `error/en.h` (texts).
"""

import math
import re
from typing import Any

from tfdomain.serving.status import invalid_argument

__all__ = ["ExactParser"]

_NUMBER = re.compile(rb"-?(0|[1-9][0-9]*)")
_SPECIAL = re.compile(rb"(-?)(NaN|Infinity|Inf)")
_PLAIN = re.compile(rb'[^"\\\x00-\x1f]*')
_SIMPLE_ESCAPES = {
    ord(key): value for key, value in zip('"\\/bfnrt', '"\\/\b\f\n\r\t', strict=True)
}  # fmt: skip


class ExactParser:
    """RapidJSON's iterative parser over a whole document: slow, exact, and without recursion.

    Args:
        body: The document's bytes.
    """

    def __init__(self, body: bytes):
        self.body = body.removeprefix(b"\xef\xbb\xbf")
        self.shift = len(body) - len(self.body)
        self.position = 0

    def parse(self) -> Any:
        """The document's first value; strings keep bytes that are no UTF-8 as surrogate escapes.

        Raises:
            ServingError: INVALID_ARGUMENT with RapidJSON's error and the byte offset.
        """
        self._skip_blanks()
        if not self._peek():
            raise self._error("The document is empty.")
        stack: list[tuple[Any, str]] = []  # every open container, with the key that waits for a value
        while True:
            value, is_open = self._begin_value()
            if is_open:
                stack.append((value, self._key() if isinstance(value, dict) else ""))
                continue
            while stack:
                if not self._attach(stack, value):
                    break
                value = stack.pop()[0]
            else:
                return value

    def _begin_value(self) -> tuple[Any, bool]:
        # A whole scalar or empty container, or a container that is still open.
        character = self._peek()
        if character not in (b"{", b"["):
            return self._scalar(), False
        value: Any = {} if character == b"{" else []
        self.position += 1
        self._skip_blanks()
        if self._peek() == (b"}" if character == b"{" else b"]"):
            self.position += 1
            return value, False
        if character == b"[":
            self._expect_value()
        return value, True

    def _attach(self, stack: list[tuple[Any, str]], value: Any) -> bool:
        # Puts a finished value into the innermost container; true if that one ends with it.
        container, key = stack[-1]
        is_object = isinstance(container, dict)
        if is_object:
            container.setdefault(key, value)
        else:
            container.append(value)
        self._skip_blanks()
        character = self._peek()
        if character == (b"}" if is_object else b"]"):
            self.position += 1
            return True
        if character != b",":
            missing = "} after an object member" if is_object else "] after an array element"
            raise self._error(f"Missing a comma or {missing}.")
        self.position += 1
        self._skip_blanks()
        if is_object:
            stack[-1] = (container, self._key())
        elif self._peek() == b"]":
            raise self._error("Invalid value.")
        else:
            self._expect_value()
        return False

    def _key(self) -> str:
        if self._peek() != b'"':
            raise self._error("Missing a name for object member.")
        key = self._string()
        self._skip_blanks()
        if self._peek() != b":":
            raise self._error("Missing a colon after a name of object member.")
        self.position += 1
        self._skip_blanks()
        self._expect_value()
        return key

    def _expect_value(self) -> None:
        # Where only a value may stand, punctuation or the end is a syntax error without a name.
        if self._peek() in (b"", b",", b":", b"]", b"}"):
            raise self._error("Unspecific syntax error.")

    def _scalar(self) -> Any:
        character = self._peek()
        if character == b'"':
            return self._string()
        for word, value in ((b"null", None), (b"true", True), (b"false", False)):
            if character == word[:1]:
                for letter in word:
                    if self._peek() != bytes([letter]):
                        raise self._error("Invalid value.")
                    self.position += 1
                return value
        return self._number()

    def _number(self) -> float | int:
        special = _SPECIAL.match(self.body, self.position)
        if special:
            self.position = special.end()
            value = math.nan if special.group(2) == b"NaN" else math.inf
            return -value if special.group(1) else value
        start = self.position
        whole = _NUMBER.match(self.body, start)
        if not whole:
            self.position += self._peek() == b"-"
            raise self._error("Invalid value.")
        self.position = whole.end()
        is_double = False
        for mark, error in (
            (rb"\.", "Miss fraction part in number."),
            (rb"[eE]", "Miss exponent in number."),
        ):
            if re.match(mark, self._peek()):
                is_double = True
                digits = re.compile(rb"[0-9]+" if mark == rb"\." else rb"[+-]?[0-9]+")
                found = digits.match(self.body, self.position + 1)
                if not found:
                    self.position += 1
                    raise self._error(error)
                self.position = found.end()
        text = self.body[start : self.position].decode()
        value = float(text)
        if math.isinf(value):
            self.position = start
            raise self._error("Number too big to be stored in double.")
        return value if is_double or abs(value) > 2.0**65 else int(text)

    def _string(self) -> str:
        start = self.position
        self.position += 1
        parts = []
        while True:
            plain = _PLAIN.match(self.body, self.position)
            assert plain is not None
            parts.append(plain.group().decode("utf-8", "surrogateescape"))
            self.position = plain.end()
            character = self._peek()
            if character == b'"':
                self.position += 1
                return "".join(parts)
            if character == b"\\":
                parts.append(self._escape())
            elif character in (b"", b"\0"):
                self.position = start
                raise self._error("Missing a closing quotation mark in string.")
            else:
                raise self._error("Invalid encoding in string.")

    def _escape(self) -> str:
        start = self.position
        self.position += 1
        code = self.body[self.position] if self.position < len(self.body) else 0
        self.position += 1
        if code in _SIMPLE_ESCAPES:
            return _SIMPLE_ESCAPES[code]
        if code != ord("u"):
            self.position = start
            raise self._error("Invalid escape character in string.")
        point = self._four_digits(start)
        if not 0xD800 <= point <= 0xDFFF:
            return chr(point)
        if point <= 0xDBFF and self.body[self.position : self.position + 2] == b"\\u":
            self.position += 2
            low = self._four_digits(start)
            if 0xDC00 <= low <= 0xDFFF:
                return chr(0x10000 + ((point - 0xD800) << 10) + (low - 0xDC00))
        self.position = start
        raise self._error("The surrogate pair in string is invalid.")

    def _four_digits(self, start: int) -> int:
        digits = self.body[self.position : self.position + 4]
        if not re.fullmatch(rb"[0-9a-fA-F]{4}", digits):
            self.position = start
            raise self._error("Incorrect hex digit after \\u escape in string.")
        self.position += 4
        return int(digits, 16)

    def _peek(self) -> bytes:
        return self.body[self.position : self.position + 1]

    def _skip_blanks(self) -> None:
        while self._peek() and self._peek() in b" \n\r\t":
            self.position += 1

    def _error(self, text: str) -> Exception:
        return invalid_argument(f"JSON Parse error: {text} at offset: {self.position + self.shift}")
