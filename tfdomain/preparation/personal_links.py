"""Links that let somebody in or say who somebody is.

What a link carries is told by the names of its parts: `?token=...`, `/reset/9f8a7c6b5d4e3f2a`. Long random parts alone
tell nothing, since commits, pictures and articles have them too.
"""

import re
from collections.abc import Iterator
from urllib.parse import unquote

from tfdomain.preparation.personal_addresses import find_emails
from tfdomain.preparation.personal_text import fold

__all__ = ["find_links"]

_BEGINNING = re.compile(r"(?<![A-Za-z])(?:[A-Za-z][A-Za-z0-9+]{1,14}://|(?<![A-Za-z0-9@./-])www\.)", re.IGNORECASE)
# Chinese text goes on behind a link without a blank; only between `=` or `/` and the next part is it the link's own.
_BODY = re.compile(
    r"(?:[!#$%&()*+,\-./0-9:;=?@A-Z\[\]_a-z{}~\u00c0-\u024f]|(?<=[=/])[\u3400-\u9fff]++(?=[&/?=#])){1,8000}+"
)
_NEXT_LINK = re.compile(r"[,;](?=https?://|www\.)", re.IGNORECASE)
_CLOSING = {")": "(", "]": "[", "}": "{"}


def _words(alternatives: str) -> re.Pattern[str]:
    return re.compile(rf"(?<![a-z])(?:{alternatives})(?![a-z])")


_WORD = re.compile("[A-Z]?[a-z]+|[A-Z]+(?![a-z])|[0-9]+")

# What stands in names of parameters, taken apart into words. These carry what lets somebody in, whatever the value.
_SECRET = _words(
    "token|sid|password|passwd|pwd|secret|signature|sig|jwt|otp|apikey|accesskey|credential"
    "|(?:api|access|secret|private|auth|session) (?:key|id)|[a-z]+(?:token|sessionid|sessid|password|secret|signature)"
)
# These may mean something else too (`?session=keynote`, `?key=price`): then the value has to look made by a machine.
_DOUBTFUL = _words("session|key|auth|authorization|sign|ticket|pass|verify|confirm|activation|invite|reset")
# At the end of a name: the user's identifier, or one of several numbers of people.
_USER = re.compile(
    "(?:^| )(?:user|userid|uid|username|uname|openid|unionid"
    "|(?:user|member|customer|account|patient|login|employee|client|person) (?:id|no|num|number|name))$"
)
_PERSON = re.compile("(?:^| )(?:phone|mobile|tel|msisdn|customer|member|patient|account|login|card|cardno|idcard)$")
_NOBODY = frozenset(["", "0", "1", "true", "false", "yes", "no", "me", "all", "new", "guest", "anonymous"])

_SECRET_SEGMENT = _words(
    "token|sessions?|reset|activat(?:e|ion)|verify|verification|confirm|confirmation|invite|invitation|magic"
    "|unsubscribe|login|auth|password|share"
)
_USER_SEGMENT = _words("users?|uid|members?|customers?|patients?")
_ACCOUNT_SEGMENT = re.compile("u|profile|accounts?")
_PLAIN_WORDS = re.compile("[A-Za-z]+(?:[-_+][A-Za-z]+)*[-_+](?:[0-9]{1,2}|(?:19|20)[0-9]{2})")
_UUID = re.compile("[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_KNOWN_SECRET = re.compile(
    r"eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{4,}|\b(?:[spr]k_(?:live|test)_\w{6}|AKIA[0-9A-Z]{8}|gh[pousr]_\w{16}|ya29\.)"
)


def find_links(text: str) -> Iterator[tuple[int, int, bool]]:
    """Where links stand in a text as it is, not folded: full-width signs end a link.

    Yields:
        Begin, end, and whether it carries something personal.
    """
    last = 0
    for match in _BEGINNING.finditer(text):
        start = match.start()
        if start < last:
            continue
        body = _BODY.match(text, match.end())
        if body is not None:
            last = match.end() + len(_trimmed(body[0]))
            yield start, last, _is_personal(text[match.end() : last], text[start:last])


def _trimmed(body: str) -> str:
    """Without the sentence's own punctuation, and without a second link."""
    following = _NEXT_LINK.search(body)
    if following is not None:
        body = body[: following.start()]
    while body:
        last = body[-1]
        if last in ".,:;!?" or (last in _CLOSING and body.count(last) > body.count(_CLOSING[last])):
            body = body[:-1]
        else:
            break
    return body


def _is_personal(body: str, link: str) -> bool:
    rest, _, fragment = body.partition("#")
    rest, _, query = rest.partition("?")
    host, _, path = rest.partition("/")
    if host.rpartition("@")[0] or _KNOWN_SECRET.search(link):
        return True
    beside_host = f"{path}?{query}#{fragment}"
    if ("@" in beside_host or "%40" in beside_host) and any(find_emails(fold(unquote(beside_host)))):
        return True
    parameters = re.split("[&;?]", f"{query}&{fragment}&{path.partition(';')[2]}")
    if any(_is_personal_parameter(name, value) for name, equals, value in map(_halves, parameters) if equals):
        return True
    return _has_personal_segment(path.partition(";")[0].split("/"))


def _halves(parameter: str) -> tuple[str, str, str]:
    return parameter.partition("=")


def _is_personal_parameter(name: str, value: str) -> bool:
    value = unquote(value)
    if value.lower() in _NOBODY:
        return False
    # `session_id` is the identifier of a session; `access_key` opens, `sort_key` sorts.
    words = _in_words(unquote(name))
    return (
        _SECRET.search(words) is not None
        or _USER.search(words) is not None
        or (_DOUBTFUL.search(words) is not None and _is_generated(value, least=8))
        or (words.endswith("code") and _is_generated(value, least=16))
        or (_PERSON.search(words) is not None and len(re.findall("[0-9]", value)) >= 4)
    )


def _has_personal_segment(segments: list[str]) -> bool:
    for place, segment in enumerate(segments[:-1]):
        words, following = _in_words(segment), segments[place + 1]
        if _SECRET_SEGMENT.search(words) and any(
            _UUID.fullmatch(later) or (later.count("-") < 3 and _is_generated(later, least=16))
            for later in segments[place + 1 :]
        ):
            return True
        digits = sum(map(str.isdigit, following))
        if _USER_SEGMENT.search(words) and (following.isdigit() or digits >= 3):
            return True
        if _ACCOUNT_SEGMENT.fullmatch(segment) and following.isdigit() and digits >= 4:
            return True
    return False


def _in_words(name: str) -> str:
    """`sessionId` and `session-id` as `session id`."""
    return " ".join(_WORD.findall(name)).lower()


def _is_generated(value: str, *, least: int) -> bool:
    """Whether it looks made by a machine: long, with digits among it, and not words with a year behind."""
    return len(value) >= least and re.search("[0-9]", value) is not None and _PLAIN_WORDS.fullmatch(value) is None
