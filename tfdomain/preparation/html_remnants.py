"""What is left of a web page in a text: tags, comments, scripts and entities.

No HTML parser is asked. By the standard's rules `x<y and z>2` opens an element `y`, and `<EMAIL>` is an element too:
a parser drops both. Here a tag is what HTML names, written as HTML writes it; all else that stands in angle brackets
is text.
"""

import html
import html.entities
import re

__all__ = ["has_html", "without_html"]


def _names(words: str) -> frozenset[str]:
    return frozenset(words.split())


# Nobody writes these in angle brackets and means something else.
_PLAIN_TAGS = _names(
    "blockquote body br center dd div dl dt em font h1 h2 h3 h4 h5 h6 head hr html iframe img li nobr noscript o:p ol "
    "p pre script span strong style sub sup table tbody td tfoot th thead tr tt ul wbr"
)
# These are words and letters that a text may put there itself (`Dear <title>`, `a<b>c`): only an attribute, a slash
# or the closing tag somewhere in the text tells a tag.
_DOUBTFUL_TAGS = _names(
    "a abbr acronym address applet area article aside audio b base basefont bdi bdo big blink button canvas caption "
    "cite code col colgroup data datalist del details dfn dialog dir embed fieldset figcaption figure footer form "
    "frame frameset header hgroup i input ins kbd label legend link main map mark marquee menu meta meter nav object "
    "optgroup option output param picture progress q rp rt ruby s samp search section select slot small source strike "
    "summary svg template textarea time title track u var video"
)
_LINE_TAGS = _names(
    "address article aside blockquote body br caption center dd details dialog dir div dl dt fieldset figcaption "
    "figure footer form frame frameset h1 h2 h3 h4 h5 h6 head header hgroup hr html iframe legend li main menu nav "
    "noscript ol optgroup option p pre section select summary table tbody template textarea tfoot thead title tr ul"
)
_SPACE_TAGS = _names("audio button canvas embed img input object picture svg td th video")

_SWITCHES = (
    "allowfullscreen|async|autofocus|autoplay|checked|compact|controls|default|defer|disabled|hidden|ismap|loop|"
    "multiple|muted|nohref|noshade|novalidate|nowrap|open|readonly|required|reversed|selected"
)
_ATTRIBUTE = rf"""(?:[^\s"'<>/=]++\s*+=\s*+(?:"[^"]*+"|'[^']*+'|[^\s"'=<>`]++)|(?:{_SWITCHES})(?=[\s/>]))"""
_NAMES = "|".join(sorted(_PLAIN_TAGS | _DOUBTFUL_TAGS, key=len, reverse=True))
_TAG = re.compile(rf"<(/?)(?=[a-z])({_NAMES})((?:\s++{_ATTRIBUTE})*+)\s*+(/?)>", re.IGNORECASE)
_CLOSING_TAG = re.compile(rf"</({_NAMES})\s*+>", re.IGNORECASE)
# The text's end may cut a tag in two; where it still had a word to say, it is not taken for one.
_CUT_VALUE = r"""\s++[a-z:-]++\s*+=\s*+["']?[!#-&(-;=?-~]*+"""
_CUT_TAG = re.compile(
    rf"<(?:{_NAMES})(?=\s++[a-z:-]++\s*+=)(?:\s++{_ATTRIBUTE})*+(?:{_CUT_VALUE})?+\s*+", re.IGNORECASE
)
_DECLARATION = re.compile(r"<!doctype[^<>]*+>|<\?xml[^<>]*+>|<!\[(?:if[^<>\[\]]*+|endif)\]>", re.IGNORECASE)
_BLOCK_MARK = re.compile(r"<!--|-->|<(/?)(script|style)(?:\s[^<>]*+)?>", re.IGNORECASE)

_ENTITY = re.compile(r"&(?:amp;)*(#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|[a-zA-Z][a-zA-Z0-9]{1,30});|&nbsp(?![a-zA-Z0-9;])")
# Some exports put a space for each "&": `women #39;s`, ` quot;yes quot;`, `AT amp;T`. Only these: other numbers may be
# those of orders or tickets.
_SPACED_ENTITY = re.compile(r"(?: |(?<![\w&#]))(#39|#36(?=;[0-9])|quot|amp|apos|nbsp|lt|gt);")


def has_html(text: str) -> bool:
    """Whether there may be something for `without_html` to do; False is certain."""
    return "<" in text or "&" in text or (";" in text and _SPACED_ENTITY.search(text) is not None)


def without_html(text: str) -> str:
    """The text with one layer of HTML taken off: `&lt;br&gt;` becomes `<br>`, which the next call takes.

    Scripts, styles and comments go with what they hold. A tag that begins a line or a block of its own becomes a line
    break, a cell or an image a space, any other (`<b>`) nothing: it may stand inside a word. Entities count with their
    semicolon only, since a web address may hold `&copy=2`.
    """
    if "<" in text:
        text = _DECLARATION.sub(" ", _without_blocks(text))
        closed = {name.lower() for name in _CLOSING_TAG.findall(text)}
        text = _TAG.sub(lambda match: _instead_of(match, closed), text)
        text = _without_cut_tag(text)
    if "&" in text:
        text = _ENTITY.sub(_character, text)
    return _SPACED_ENTITY.sub(_character, text)


def _without_blocks(text: str) -> str:
    """Cuts from the last opening mark of a kind to the closing one; what is never closed stays."""
    opened: dict[str, int] = {}
    cuts: list[tuple[int, int]] = []
    for mark in _BLOCK_MARK.finditer(text):
        kind = (mark[2] or "comment").lower()
        if not (mark[1] or mark[0] == "-->"):
            opened[kind] = mark.start()
        elif kind in opened:
            start = opened[kind]
            opened = {name: place for name, place in opened.items() if place < start}
            while cuts and cuts[-1][0] > start:
                cuts.pop()
            cuts.append((start, mark.end()))
    if not cuts:
        return text
    edges = [0, *(edge for cut in cuts for edge in cut), len(text)]
    return " ".join(text[start:end] for start, end in zip(edges[::2], edges[1::2], strict=True))


def _without_cut_tag(text: str) -> str:
    end = len(text)
    while (start := text.rfind("<", 0, end)) >= 0 and _CUT_TAG.fullmatch(text, start, end):
        end = start
    return text[:end]


def _instead_of(match: re.Match[str], closed: set[str]) -> str:
    closing, name, attributes, slash = match.groups()
    name = name.lower()
    if not (closing or attributes or slash or name in _PLAIN_TAGS or name in closed):
        return match[0]
    return "\n" if name in _LINE_TAGS else " " if name in _SPACE_TAGS else ""


def _character(match: re.Match[str]) -> str:
    name = match[1] or "nbsp"
    if name.startswith("#"):
        return html.unescape(f"&{name};")
    known = html.entities.html5.get(f"{name};") or html.entities.html5.get(f"{name.lower()};")
    return known or f"&{name};"
