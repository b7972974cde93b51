"""CoNLL column files: one word a line with its tag, sentences divided by blank lines.

Columns end at tabs where the first line has one, else at runs of blanks (space and tab only: an ideographic space
is a word). Lines end at a line feed, after an optional carriage return.

Reference: Tjong Kim Sang and De Meulder, "Introduction to the CoNLL-2003 Shared Task", 2003
(https://aclanthology.org/W03-0419).
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import NamedTuple

from tfdomain.data.faults import BROKEN_UTF8, Report
from tfdomain.data.sources import BLOCK_BYTES, Advance, check_columns, read_blocks
from tfdomain.data.tag_schemes import is_tag
from tfdomain.errors import InputError

__all__ = ["Sentence", "choose_joiner", "join_words", "read_conll"]

_FIELDS = re.compile(r"[^ \t]+")
_CJK = re.compile("[\u2e80-\u9fff\uf900-\ufaff\uff00-\uffef\U00020000-\U0003ffff]")
_DOCUMENT_START = "-DOCSTART-"


class Sentence(NamedTuple):
    """The words of a sentence and their tags; word `i` stands in line `line + i` of its file.

    `document` is how many lines of `-DOCSTART-` stand before it in the file.
    """

    line: int
    words: list[str]
    tags: list[str]
    document: int = 0


def read_conll(
    path: Path,
    *,
    zipped: bool,
    report: Report,
    words: int | str | None = None,
    tags: int | str | None = None,
    may_be_empty: bool = False,
    advance: Advance | None = None,
    block_bytes: int = BLOCK_BYTES,
) -> Iterator[Sentence]:
    """The sound sentences of a CoNLL file, one after the other.

    Lines of `-DOCSTART-` divide sentences. A line that begins with `#` is a comment if it stands before a
    sentence, and has another number of columns than the words' lines or no tag where these have one.

    Args:
        path: The file.
        zipped: Whether it is gzipped.
        report: Called with what is wrong and the line (from 1), once for every sentence left out.
        words: The column of words: its number, from 1, or its name, and then the file's first line is a header;
            None: the first.
        tags: The column of tags, likewise; None: the last.
        may_be_empty: Whether a file without a byte is one without sentences.
        advance: Told of the bytes read.
        block_bytes: How much is read at once.

    Raises:
        InputError: The file cannot be read, or has no such columns.
    """
    lines = _numbered_lines(path, zipped, may_be_empty, advance, block_bytes)
    head, layout = _find_layout(lines, path, words, tags)
    if layout is None:
        return
    sentence, document = Sentence(0, [], []), 0
    problem: tuple[str, int] | None = None
    for number, line in chain(head, lines):
        fields = [] if line is None else layout.split(line)
        if fields and _is_comment(fields, layout) and not sentence.words and problem is None:
            continue
        if line is not None and (not fields or fields[0] == _DOCUMENT_START):
            yield from _ended(sentence, problem, report)
            sentence, problem = Sentence(0, [], []), None
            document += bool(fields)
        elif problem is None:
            if line is None:
                problem = BROKEN_UTF8, number
            elif len(fields) != layout.width:
                problem = _wrong_width(len(fields), layout.width), number
            elif not fields[layout.word] or not fields[layout.tag]:
                problem = f"no {'tag' if fields[layout.word] else 'word'}", number
            else:
                if not sentence.words:
                    sentence = Sentence(number, [], [], document)
                sentence.words.append(fields[layout.word])
                sentence.tags.append(fields[layout.tag])
    yield from _ended(sentence, problem, report)


def join_words(words: list[str], joiner: str) -> tuple[str, list[tuple[int, int]]]:
    """The text of words with `joiner` between them, and the start and end of each word in it.

    Example:
        >>> join_words(["a", "boy"], " ")
        ('a boy', [(0, 1), (2, 5)])
    """
    places, position = [], 0
    for word in words:
        end = position + len(word)
        places.append((position, end))
        position = end + len(joiner)
    return joiner.join(words), places


def choose_joiner(sentences: Iterable[list[str]]) -> str:
    """What to put between words: nothing if most of them are a single Chinese or Japanese character, else a space.

    Example:
        >>> choose_joiner([["彭", "小", "军", "认", "为", "GDP"]]), choose_joiner([["I", "agree"]])
        ('', ' ')
    """
    num_words, characters = 0, Counter[str]()
    for words in sentences:
        num_words += len(words)
        characters.update(word for word in words if len(word) == 1)
    num_cjk = sum(count for character, count in characters.items() if _CJK.match(character))
    return "" if 2 * num_cjk > num_words else " "


class _Layout(NamedTuple):
    by_tabs: bool
    width: int
    word: int
    tag: int

    def split(self, line: str) -> list[str]:
        return _split(line, self.by_tabs)


def _split(line: str, by_tabs: bool) -> list[str]:
    line = line.rstrip(" \t\r")
    return line.split("\t") if by_tabs and line else _FIELDS.findall(line)


def _numbered_lines(
    path: Path, zipped: bool, may_be_empty: bool, advance: Advance | None, block_bytes: int
) -> Iterator[tuple[int, str | None]]:
    """Each line with its number; None for a line that is not UTF-8."""
    ahead, number = b"", 0
    for block in chain(read_blocks(path, zipped, block_bytes, advance=advance, may_be_empty=may_be_empty), [b"\n"]):
        *lines, ahead = (ahead + block).split(b"\n")
        for number, line in enumerate(lines, number + 1):  # noqa: B020 - goes on where the last block ended
            try:
                yield number, line.decode("utf-8")
            except UnicodeDecodeError:
                yield number, None


def _find_layout(
    lines: Iterator[tuple[int, str | None]], path: Path, words: int | str | None, tags: int | str | None
) -> tuple[list[tuple[int, str | None]], _Layout | None]:
    """How the columns stand, by the first line that has some, and the lines read so far but for a header."""
    head = []
    for number, line in lines:
        head.append((number, line))
        fields = [] if line is None else _split(line, "\t" in line)
        if line is None or not fields or fields[0] == _DOCUMENT_START or fields[0].startswith("#"):
            continue
        has_header = isinstance(words, str) or isinstance(tags, str)
        if has_header:
            head.pop()
        where = f"{path}: line {number}"
        word = _place(1 if words is None else words, fields, path)
        tag = _place(len(fields) if tags is None else tags, fields, path)
        if word == tag:
            mend = "a line wants a word and its tag, with a tab or blanks between them"
            if len(fields) > 1:
                mend = "name two different columns"
            raise InputError(f"has {_columns(len(fields))}, and no other for the tags", where=where, mend=mend)
        return head, _Layout("\t" in line, len(fields), word, tag)
    return head, None


def _place(column: int | str, fields: list[str], path: Path) -> int:
    if isinstance(column, str):
        check_columns([column], fields, path, mend="rename them in the header")
        return fields.index(column)
    if not 1 <= column <= len(fields):
        mend = f"name one of 1 to {len(fields)}" if len(fields) > 1 else "give a file of words and tags"
        raise InputError(f"has {_columns(len(fields))}, and none with the number {column}", where=str(path), mend=mend)
    return column - 1


def _is_comment(fields: list[str], layout: _Layout) -> bool:
    return fields[0].startswith("#") and (len(fields) != layout.width or not is_tag(fields[layout.tag]))


def _ended(sentence: Sentence, problem: tuple[str, int] | None, report: Report) -> Iterator[Sentence]:
    if problem is not None:
        report(problem[0], [problem[1]])
    elif sentence.words:
        yield sentence


def _wrong_width(found: int, width: int) -> str:
    return f"{_columns(found)}, where the first line has {width}"


def _columns(count: int) -> str:
    return "1 column" if count == 1 else f"{count} columns"
