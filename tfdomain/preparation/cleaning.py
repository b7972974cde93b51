"""Texts are repaired, not restyled.

A served model reads texts as people write them. So what is broken is mended (a wrong decoding, leftovers of a web
page, characters that nobody sees), and what is merely one of several right forms stays: full-width letters and
punctuation, which Chinese vocabularies hold, curly quotes, which Chinese text is quoted with, case and accents.
"""

import re
from collections.abc import Sequence

import ftfy

from tfdomain.errors import InputError
from tfdomain.preparation.html_remnants import has_html, without_html

__all__ = ["clean_text", "clean_texts"]

_REPAIRS = ftfy.TextFixerConfig(
    unescape_html=False,  # `html_remnants` does it, together with the tags.
    remove_terminal_escapes=True,
    fix_encoding=True,
    restore_byte_a0=True,  # `Ã ` is an `à` whose second byte became a space.
    replace_lossy_sequences=True,
    decode_inconsistent_utf8=True,  # Lines of several sources, one of them decoded wrongly.
    fix_c1_controls=True,  # Byte 0x92 is the apostrophe of Windows-1252; no text holds that control character.
    fix_latin_ligatures=True,  # The `ﬁle` of a PDF is the word `file`; no tokenizer knows that.
    fix_character_width=False,  # `，` and `！` are tokens of their own in Chinese vocabularies.
    uncurl_quotes=False,
    fix_line_breaks=True,
    fix_surrogates=True,  # A lone one becomes U+FFFD: what was lost stays visible, and Arrow can hold the text.
    remove_control_chars=True,
    normalization="NFC",  # Equal texts get equal characters. NFKC would make `10²` 102 and narrow what is full-width.
    explain=False,
)

# Without such a pair or sign no text counts as wrongly decoded, and looking for how to decode it is four fifths of
# ftfy's time: one `café` would cost as much as a page of real damage.
_GARBLED = re.compile("[\x80-\x9fÂÃ]|[Œœ][^A-Za-z]|[\xa0-\u25ff\uf8ff\ufb01\ufb02\ufffd]{2}")
_SMALL_REPAIRS = _REPAIRS._replace(fix_encoding=False)

# Characters that no step touches, whatever stands beside them: ASCII, the marks and ideographs of Chinese, kana,
# full-width forms. None of them begins a sequence that is taken for wrongly decoded UTF-8. Most texts hold no other.
_UNUSUAL = re.compile("[^ -~\n‘’“”—…、-〟ぁ-ゖァ-ー㐀-䶿一-鿿！-～]")

_LINE_BREAKS = re.compile("[\v\f\x1c-\x1f]")
_SPACES = re.compile(r"[^\S\n]+")
_BREAKS = re.compile(r" ?\n[ \n]*")
_LOOSE_BREAK = re.compile(r" \n|\n[ \n]")

_HIDDEN = (
    "\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\u00ad\u061c\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f"
    "\ufdd0-\ufdef\ufeff\ufff9-\ufffc\ufffe\uffff\U000e0001\U000e0020-\U000e007f"
)
"""What has no form of its own: controls, marks of direction, byte order marks, soft hyphens, zero-width spaces."""

_PICTURES = "\u00a9\u00ae\u203c-\u3299\ufe0f\U0001f000-\U0001faff"
# Letters that joiners shape: Arabic to Sinhala, Myanmar, Khmer, Mongolian and their extensions.
_JOINED = "\u0600-\u0dff\u1000-\u109f\u1780-\u18af\ua840-\ua8ff\ua980-\uaa7f\ufb50-\ufdcf\ufe70-\ufefc"
# Letters of scripts without spaces, where a zero-width one parts words: Thai, Lao, Tibetan, Myanmar, Khmer.
_UNSPACED = "\u0e00-\u109f\u1780-\u17ff\u1a20-\u1aaf\uaa60-\uaa7f"
_NEEDED = "|".join(
    [
        f"(?<=[{_PICTURES}])\u200d(?=[{_PICTURES}])",
        f"(?<=[{_JOINED}])[\u200c\u200d]",
        f"(?<=[{_UNSPACED}])\u200b",
        "(?<=\U0001f3f4)[\U000e0020-\U000e007e]+\U000e007f",  # The flags of England, Scotland and Wales.
    ]
)
_HAS_HIDDEN = re.compile(f"[{_HIDDEN}]")
_HIDDEN_OR_NEEDED = re.compile(f"({_NEEDED})|[{_HIDDEN}]")


def clean_text(text: str) -> str:
    """One text without what files, pages and decoders left in it; cleaning it again changes nothing.

    Unicode is repaired by ftfy (`_REPAIRS` says how and why) and composed (NFC); HTML is taken off
    (`html_remnants`), placeholders such as `<EMAIL>` and signs for "less than" stay; characters without any form go,
    except joiners inside emoji and between letters of scripts that need them. Of white space, ideographic and
    no-break spaces included, one space stays, or one line break where there was any: BERT tokenizers read both
    alike, but people who review a text and searches for names must not see two lines as one phrase. The ends are
    trimmed.

    Example:
        >>> clean_text("The card&amp;nbsp;didnâ€™t<br/> arrive:  <EMAIL>")
        'The card didn’t\\narrive: <EMAIL>'
    """
    # One step may uncover work for another: `&lt;br&gt;` is a tag, `&Atilde;&copy;` is an `é` decoded wrongly.
    while not _is_clean(text):
        mended = _mend(text)
        if mended == text:
            break
        text = mended
    return text


def clean_texts(texts: Sequence[str | None]) -> list[str]:
    """Each text as `clean_text` gives it; one that is missing is empty.

    Raises:
        InputError: A value is no string; its index is named.
    """
    cleaned = []
    for row, text in enumerate(texts):
        if text is not None and not isinstance(text, str):
            raise InputError(f"is {text!r}, not a string", where=f"texts[{row}]", mend="give strings, or None")
        cleaned.append(clean_text(text) if text else "")
    return cleaned


def _is_clean(text: str) -> bool:
    """Whether `_mend` has certainly nothing to do; some ten times as quick as finding out by mending."""
    return (
        _UNUSUAL.search(text) is None
        and "  " not in text
        and text[:1] not in (" ", "\n")
        and text[-1:] not in (" ", "\n")
        and ("\n" not in text or _LOOSE_BREAK.search(text) is None)
        and not has_html(text)
    )


def _mend(text: str) -> str:
    if _UNUSUAL.search(text):
        repairs = _REPAIRS if _GARBLED.search(text) else _SMALL_REPAIRS
        text = ftfy.fix_text(_LINE_BREAKS.sub("\n", text), repairs)
        if _HAS_HIDDEN.search(text):
            text = _HIDDEN_OR_NEEDED.sub(r"\1", text)
    if has_html(text):
        text = without_html(text)
    return _BREAKS.sub("\n", _SPACES.sub(" ", text)).strip()
