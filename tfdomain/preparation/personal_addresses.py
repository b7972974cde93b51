"""Addresses of mail and of machines."""

import ipaddress
import re
from collections.abc import Iterator

__all__ = ["find_emails", "find_ips"]

# Latin letters, umlauts among them. Chinese ones are never part: they stand directly beside an address.
_LETTER = "A-Za-z0-9\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u024f"
# Not all that the standard allows before the @: `=`, `/`, `?` and quotes rather part the address from its field.
_LOCAL = re.compile(rf"(?<![{_LETTER}._%+&~-])[{_LETTER}._%+&'~#-]{{1,64}}\Z")
_LABEL = rf"[{_LETTER}](?:[{_LETTER}-]{{0,62}}[{_LETTER}])?"
_DOMAIN = re.compile(rf"{_LABEL}(?:\.{_LABEL})+")
_TOP = re.compile("(?:[^\\W\\d_]{2,63}|xn--[a-z0-9-]{2,59})", re.IGNORECASE)
# `logo@2x.png` is a picture for fine screens.
_PICTURE = re.compile(r"[0-9.]+x\.[a-z]+\Z", re.IGNORECASE)


def find_emails(text: str) -> Iterator[tuple[int, int]]:
    """Addresses with a domain in a folded text."""
    at, last = text.find("@"), 0
    while at >= 0:
        span = _email_at(text, at, last)
        if span is not None:
            yield span
            last = span[1]
        at = text.find("@", max(at + 1, last))


def _email_at(text: str, at: int, first: int) -> tuple[int, int] | None:
    # 65 characters: a longer name is none, and a long text without blanks costs no more.
    local = _LOCAL.search(text, max(first, at - 65), at)
    domain = _DOMAIN.match(text, at + 1)
    if local is None or domain is None:
        return None
    start = at - len(local[0].lstrip(".'&#-"))
    labels = domain[0].split(".")
    if not labels[-1].startswith("xn--"):
        labels[-1] = labels[-1].partition("-")[0]
    # A sentence that follows without a blank: `bob@example.com.Thanks`.
    while len(labels) > 2 and labels[-1].istitle() and labels[0].islower():
        labels.pop()
    name = ".".join(labels)
    if start == at or text[at - 1] == "." or (start > 0 and text[start - 1] == "@"):
        return None
    if _TOP.fullmatch(labels[-1]) is None or _PICTURE.match(name):
        return None
    end = at + 1 + len(name)
    return None if text[end : end + 1] == "@" else (start, end)


_IPV4 = re.compile(r"(?<![0-9.])[0-9]{1,3}(?:\.[0-9]{1,3}){3}(?![0-9]|\.[0-9])")
# Addresses in use begin with a group of four; the class `Bed::Cafe2` or the time `12::30` do not, nor does `Cafe::Bed`.
_IPV6 = re.compile(
    r"(?<![0-9A-Fa-f])(?:(?=[0-9A-Fa-f]{0,3}[0-9]|f[cd])[0-9A-Fa-f]{4}:(?=[0-9A-Fa-f:])|::ffff:|64:ff9b::)"
    r"[0-9A-Fa-f:.]{1,41}|(?<![0-9A-Za-z:])::1(?![0-9A-Za-z:])",
    re.IGNORECASE,
)
# Eight groups of decimal digits may be anything.
_TELLS_IPV6 = re.compile("[a-f]|::", re.IGNORECASE)
_LETTERS_BEFORE = re.compile(r"[A-Za-z]+[0-9]?\Z")
_ADDRESS_WORDS = frozenset(["ip", "ipv4", "ipv6", "addr", "host"])

# Numbers with as many dots as an address: versions, sections of documents, object identifiers.
_NO_ADDRESS_BEFORE = re.compile(
    r"(?:(?<![A-Za-z])(?:versions?|vers?|v|releases?|rel|builds?|firmware|fw|revision|rev|patch|updated?|upgraded?"
    r"|sections?|sect?|chapters?|chap|clauses?|paragraphs?|para|articles?|art|rules?|items?|annex|appendix|figures?|fig"
    r"|tables?|parts?|steps?|oid|drivers?|kernel|bios|software|sdk|plug-?in)|§|版本|固件|补丁|内核|升级|更新|章节|条款|附件|附录|驱动(?:程序)?|软件|插件|目录|第)"
    r"(?:\s*(?:no|number|nr|code|号码|号|为|是|到|至|from|to|is))?[\s.:=(\"'-]*\Z",
    re.IGNORECASE,
)
_NO_ADDRESS_AFTER = re.compile(r"\s*[版条章节款]|\s+(?:version|release|build|firmware)\b|-[A-Za-z]|\.[a-z]")
_SPEAKS_OF_ADDRESSES = re.compile(
    r"(?<![A-Za-z])(?:ips?|ipv4|dns|ping|addr|address(?:es)?|hosts?|servers?|router|gateway|login|src|dst|subnet)"
    r"(?![A-Za-z])|地址|服务器|网关|路由|登录|主机|域名",
    re.IGNORECASE,
)


def find_ips(text: str) -> Iterator[tuple[int, int]]:
    """Addresses of both versions in a folded text, in order; what is rather a version number is none."""
    found = [*_find_ipv6(text), *_find_ipv4(text)]
    last = 0
    for start, end in sorted(found):
        if start >= last:
            yield start, end
            last = end


def _find_ipv4(text: str) -> Iterator[tuple[int, int]]:
    if text.count(".") < 3:
        return
    versions: set[str] = set()
    matches = [match for match in _IPV4.finditer(text) if _is_ip(match[0])]
    for match in matches:
        start, end = match.span()
        if _NO_ADDRESS_BEFORE.search(text, max(0, start - 40), start) or _NO_ADDRESS_AFTER.match(text, end):
            versions.add(match[0].rpartition(".")[0])
    speaks_of_addresses = _SPEAKS_OF_ADDRESSES.search(text) is not None if matches else False
    for match in matches:
        start, end = match.span()
        # The neighbours of a version are versions: `updated to 1.2.3.4, and 1.2.3.3 had worked`.
        if match[0].rpartition(".")[0] in versions or _is_part_of_name(text, start):
            continue
        # Four single digits number sections and versions as often as machines.
        if end - start > 7 or speaks_of_addresses:
            yield start, end


def _find_ipv6(text: str) -> Iterator[tuple[int, int]]:
    if text.count(":") < 2:
        return
    for match in _IPV6.finditer(text):
        start, value = match.start(), match[0].rstrip(".")
        if not _is_ip(value):
            value = value.removesuffix(":")  # The text's own colon.
        behind = text[start + len(value) : start + len(value) + 1]
        if _TELLS_IPV6.search(value) is None or (behind.isascii() and behind.isalnum()) or not _is_ip(value):
            continue
        if not _is_part_of_name(text, start):
            yield start, start + len(value)


def _is_ip(value: str) -> bool:
    try:
        ipaddress.ip_address(value)
    except ValueError:
        return False
    return True


def _is_part_of_name(text: str, start: int) -> bool:
    """Whether letters stand before it, as in `nginx-1.2.3.4`, `Client/10.0.3.21` or `x::1`."""
    before = text[max(0, start - 12) : start]
    letters = _LETTERS_BEFORE.search(before.rstrip("-/_"))
    if letters is None or before.endswith("//"):
        return False
    return letters[0].lower() not in _ADDRESS_WORDS
