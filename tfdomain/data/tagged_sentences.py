"""The sentences of CoNLL files become texts with entities.

What decides how they are read, the scheme of the tags and what stands between words, is told from all of them.
"""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from tfdomain.data.conll import Sentence, choose_joiner, join_words, read_conll
from tfdomain.data.sources import Advance
from tfdomain.data.tag_schemes import Entity, detect_scheme, entities_of, illegal_tags, split_tag
from tfdomain.data.tagging_collector import Collector
from tfdomain.errors import InputError

__all__ = ["read_sentences"]

DOCUMENT = "document"
"""What the field of a sentence is called that no column has: between which lines of `-DOCSTART-` it stands."""


def read_sentences(
    files: list[Path],
    zipped: list[bool],
    collector: Collector,
    *,
    words: int | str | None,
    tags: int | str | None,
    scheme: str,
    joiner: str | None,
    repair: bool,
    further: Sequence[str],
    may_be_empty: bool,
    advance: Advance | None,
) -> tuple[str, str]:
    """Reads CoNLL files into `collector`.

    Args:
        files: The files.
        zipped: Whether each is gzipped.
        collector: Takes the rows and the faults.
        words: The column of words, as `read_conll` takes it.
        tags: The column of tags, likewise.
        scheme: One of `tag_schemes.SCHEMES`, or `"auto"`.
        joiner: What to put between words; None: what `choose_joiner` says.
        repair: Whether tags that break the scheme are repaired; else they are faults.
        further: Columns beside words and tags; there is none but `DOCUMENT`.
        may_be_empty: Whether a file without a byte is one without sentences.
        advance: Told of the bytes read.

    Returns:
        The scheme and the joiner.

    Raises:
        InputError: A file cannot be read, has no such columns or documents, or its tags fit no scheme.
    """
    sentences = []
    for index, file in enumerate(files):
        read = read_conll(
            file,
            zipped=zipped[index],
            report=partial(collector.faults.add, index),
            words=words,
            tags=tags,
            may_be_empty=may_be_empty,
            advance=advance,
        )
        found = [(index, sentence) for sentence in read]
        _check_further(further, file, found)
        sentences += found
    sentences = _with_known_tags(sentences, scheme, collector)
    if scheme == "auto":
        try:
            scheme = detect_scheme(sentence.tags for _, sentence in sentences)
        except InputError as error:
            raise InputError(error.problem, where=str(files[0]), mend=error.mend) from None
    if joiner is None:
        joiner = choose_joiner(sentence.words for _, sentence in sentences)
    for index, sentence in sentences:
        illegal = illegal_tags(sentence.tags, scheme)
        if illegal and not repair:
            place, problem = illegal[0]
            collector.refuse_tags(index, sentence.line + min(place, len(sentence.tags) - 1), problem)
            continue
        collector.num_repaired += len(illegal)
        text, places = join_words(sentence.words, joiner)
        entities = [
            Entity(label, places[start][0], places[end - 1][1])
            for label, start, end in entities_of(sentence.tags, scheme, repair=True)
        ]
        document = f"document {index}.{sentence.document}"
        collector.add(index, sentence.line, text, entities, places, further=tuple(document for _ in further))
    return scheme, joiner


def _check_further(further: Sequence[str], file: Path, sentences: list[tuple[int, Sentence]]) -> None:
    """Refuses columns that CoNLL files do not have, and files whose documents are not told apart."""
    for name in further:
        if name != DOCUMENT:
            mend = f"leave it out; {DOCUMENT!r} names what stands between lines of -DOCSTART-"
            raise InputError(f"columns of words and tags have no field {name!r}", where=str(file), mend=mend)
        if sentences and not any(sentence.document for _, sentence in sentences):
            mend = f"put a line of -DOCSTART- before each document, or leave {DOCUMENT!r} out"
            raise InputError("does not tell where its documents begin", where=str(file), mend=mend)


def _with_known_tags(
    sentences: list[tuple[int, Sentence]], scheme: str, collector: Collector
) -> list[tuple[int, Sentence]]:
    """The sentences without those that hold a tag of no known form, or one that the scheme does not have."""
    unknown = {}
    for tag in {tag for _, sentence in sentences for tag in sentence.tags}:
        try:
            split_tag(tag) if scheme == "auto" else illegal_tags([tag], scheme)
        except InputError as error:
            unknown[tag] = f"{error.problem} ({error.mend})"
    if not unknown:
        return sentences
    known = []
    for index, sentence in sentences:
        place = next((place for place, tag in enumerate(sentence.tags) if tag in unknown), None)
        if place is None:
            known.append((index, sentence))
            continue
        line = sentence.line + place
        header = " (if this line is a header, name the columns by it)" if line == 1 else ""
        collector.faults.add(index, unknown[sentence.tags[place]] + header, [line])
    return known
