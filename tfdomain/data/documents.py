"""The documents of text files: a line each, a file each, or a sentence of a CoNLL file each."""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from tfdomain.data.conll import choose_joiner, join_words, read_conll
from tfdomain.data.faults import BROKEN_UTF8, Report
from tfdomain.data.rest import as_json
from tfdomain.data.sources import Advance, read_blocks

__all__ = ["Document", "document_form", "read_documents"]

LINE_ENDINGS, SENTENCE_ENDINGS = (".txt", ".text"), (".conll", ".conllu", ".iob", ".bio")
# Choosing what stands between words takes a look at this many sentences.
NUM_SAMPLED = 1000


class Document(NamedTuple):
    """A text and where it stands.

    Attributes:
        text: As it stands in the file, the end of its line left out. It may be empty.
        line: From 1.
        rest: What the file says of it beside the text, as a JSON object: `words` and `tags` of a sentence.
    """

    text: str
    line: int
    rest: str = "{}"


def document_form(file: Path) -> str:
    """What a file holds, by its ending: `lines`, `conll`, or `table` for all that is neither."""
    suffix = file.with_suffix("").suffix if _is_zipped(file) else file.suffix
    suffix = suffix.lower()
    return "lines" if suffix in LINE_ENDINGS else "conll" if suffix in SENTENCE_ENDINGS else "table"


def read_documents(
    file: Path, form: str, *, report: Report, advance: Advance, may_be_empty: bool = False
) -> Iterator[Document]:
    """The documents of a file, one after the other.

    Args:
        file: Perhaps gzipped.
        form: `lines`, `documents` (the file is one), or `conll`.
        report: Told of what is not UTF-8. What holds a zero byte comes as a text with it, whatever the rest is.
        advance: Told of the bytes read.
        may_be_empty: Whether a file without a byte is sound.

    Raises:
        InputError: The file cannot be read.
    """
    if form == "conll":
        return _sentences(file, report, advance, may_be_empty)
    blocks = read_blocks(file, _is_zipped(file), advance=advance, may_be_empty=may_be_empty)
    contents = _lines(blocks) if form == "lines" else iter([b"".join(blocks)])
    return _decoded(contents, report)


def _is_zipped(file: Path) -> bool:
    return file.suffix.lower() == ".gz"


def _lines(blocks: Iterator[bytes]) -> Iterator[bytes]:
    ahead: list[bytes] = []
    for block in blocks:
        # A document may be longer than many blocks: what has no end yet is joined once.
        *ended, last = block.split(b"\n")
        if not ended:
            ahead.append(last)
            continue
        ended[0], ahead = b"".join([*ahead, ended[0]]), [last]
        for line in ended:
            yield line.removesuffix(b"\r")
    if rest := b"".join(ahead):
        yield rest


def _decoded(contents: Iterator[bytes], report: Report) -> Iterator[Document]:
    for line, content in enumerate(contents, 1):
        try:
            yield Document(content.decode("utf-8", errors="replace" if b"\0" in content else "strict"), line)
        except UnicodeDecodeError:
            report(BROKEN_UTF8, [line])


def _sentences(file: Path, report: Report, advance: Advance, may_be_empty: bool) -> Iterator[Document]:
    zipped = _is_zipped(file)
    sentences = read_conll(file, zipped=zipped, report=report, may_be_empty=may_be_empty, advance=advance)
    first = list(islice(sentences, NUM_SAMPLED))
    joiner = choose_joiner([sentence.words for sentence in first])
    for sentence in (*first, *sentences):
        rest = as_json({"words": sentence.words, "tags": sentence.tags})
        yield Document(join_words(sentence.words, joiner)[0], sentence.line, rest)
