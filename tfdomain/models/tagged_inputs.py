"""What people hand to a tagger in memory: texts with spans, or words with tags, become texts with entities."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from tfdomain.data.conll import choose_joiner, join_words
from tfdomain.data.entity_spans import overlap_problem, span_problem
from tfdomain.data.tag_schemes import Entity, detect_scheme, entities_of, illegal_tags
from tfdomain.data.tagged_examples import Annotation
from tfdomain.data.values import as_text_array
from tfdomain.errors import InputError
from tfdomain.models.inputs import named_columns

__all__ = ["TaggedTexts", "annotations_of", "holds_words", "tagged_texts", "texts_of"]

OVERLAP_MEND = "keep one of them (`tfdomain.data.entity_spans.keep_longest` keeps the longest)"
ILLEGAL_MEND = "mend the tags (`tfdomain.data.tag_schemes.entities_of(..., repair=True)` reads them as conlleval does)"


class TaggedTexts(NamedTuple):
    """Texts, or what a model makes texts of; their annotations, or None; and what was put between words."""

    x: Any
    annotations: list[Annotation] | None
    joiner: str | None


def holds_words(x: Any) -> bool:
    """Whether these are lists of words, and not texts."""
    if isinstance(x, (str, bytes, tuple, Mapping)) or not hasattr(x, "__len__") or hasattr(x, "columns"):
        return False
    first = next(iter(x), None) if isinstance(x, (list, np.ndarray)) or hasattr(x, "iloc") else None
    return isinstance(first, (list, tuple, np.ndarray))


def tagged_texts(x: Any, y: Any = None, *, joiner: str | None = None) -> TaggedTexts:
    """Brings texts or words, and what is known of them, into one form; wrong spans and tags are refused.

    Args:
        x: What `fit` takes: texts, or a list of words for each text.
        y: For texts the entities of each: `(label, start, end)`, or dictionaries with these keys. For words the
            tags of each. None: nothing is known.
        joiner: What to put between words; None: what `choose_joiner` says.

    Raises:
        InputError: A span does not fit its text, entities overlap, there is not one tag a word, or tags break
            their scheme.
    """
    if isinstance(x, tf.data.Dataset):
        return TaggedTexts(x, y, None)
    if holds_words(x):
        return _of_words(x, y, joiner)
    if y is None:
        return TaggedTexts(x, None, None)
    texts, annotations = texts_of(x), annotations_of(y)
    _check_count(annotations, len(texts))
    for row, (text, annotation) in enumerate(zip(texts, annotations, strict=True)):
        _check_spans(text, annotation.entities, row)
    return TaggedTexts(x, annotations, None)


def texts_of(x: Any) -> list[str]:
    """The texts of a list, an array, a column or a table."""
    return as_text_array(named_columns(x, ["text"])["text"], "x").to_pylist()


def annotations_of(y: Any) -> list[Annotation]:
    """The entities of each text, sorted by their start.

    Raises:
        InputError: Something is no entity.
    """
    if isinstance(y, (str, bytes, Mapping)) or not hasattr(y, "__len__"):
        raise InputError("is no list with the entities of each text", where="y", mend="give [[(label, start, end)]]")
    return [each if isinstance(each, Annotation) else Annotation(_entities(each, row)) for row, each in enumerate(y)]


def _entities(given: Any, row: int) -> list[Entity]:
    if isinstance(given, (str, bytes, Mapping)) or not isinstance(given, Iterable):
        mend = "give (label, start, end) for each, and [] for a text without entities"
        raise InputError(f"{given!r} is no list of entities", where=f"y[{row}]", mend=mend)
    return sorted((_entity(one, row) for one in given), key=lambda entity: (entity.start, entity.end, entity.label))


def _entity(given: Any, row: int) -> Entity:
    try:
        parts = (given["label"], given["start"], given["end"]) if isinstance(given, Mapping) else tuple(given)
        label, start, end = parts
        is_sound = isinstance(label, str) and all(isinstance(place, (int, np.integer)) for place in (start, end))
    except (KeyError, TypeError, ValueError):
        is_sound = False
    if not is_sound:
        mend = 'give (label, start, end), or {"label": ..., "start": ..., "end": ...}'
        raise InputError(f"{given!r} is no entity", where=f"y[{row}]", mend=mend)
    return Entity(label, int(start), int(end))


def _of_words(x: Sequence[Any], y: Any, joiner: str | None) -> TaggedTexts:
    sentences = [_words(words, row) for row, words in enumerate(x)]
    if joiner is None:
        joiner = choose_joiner(sentences)
    joined = [join_words(words, joiner) for words in sentences]
    texts = [text for text, _ in joined]
    if y is None:
        return TaggedTexts(texts, None, joiner)
    if isinstance(y, (str, bytes)) or not hasattr(y, "__len__"):
        raise InputError("is no list with the tags of each text", where="y", mend="give a list of tags for each")
    _check_count(y, len(texts))
    tags = [_tags(given, len(sentence), row) for row, (given, sentence) in enumerate(zip(y, sentences, strict=True))]
    try:
        scheme = detect_scheme(tags)
    except InputError as error:
        raise InputError(error.problem, where="y", mend=error.mend) from None
    annotations = []
    for row, (text, words) in enumerate(joined):
        illegal = illegal_tags(tags[row], scheme)
        if illegal:
            raise InputError(illegal[0][1], where=f"y[{row}]", mend=ILLEGAL_MEND)
        found = [
            Entity(label, words[first][0], words[end - 1][1]) for label, first, end in entities_of(tags[row], scheme)
        ]
        _check_spans(text, found, row)
        annotations.append(Annotation(found, words))
    return TaggedTexts(texts, annotations, joiner)


def _words(given: Any, row: int) -> list[str]:
    if isinstance(given, (str, bytes)) or not isinstance(given, Iterable):
        raise InputError(f"{given!r} is no list of words", where=f"x[{row}]", mend="give texts alone, or words alone")
    words = list(given)
    for place, word in enumerate(words):
        if not isinstance(word, str) or not word:
            raise InputError(f"{word!r} is no word", where=f"x[{row}][{place}]", mend="give strings that are not empty")
    return [str(word) for word in words]


def _tags(given: Any, num_words: int, row: int) -> list[str]:
    if isinstance(given, (str, bytes)) or not isinstance(given, Iterable):
        raise InputError(f"{given!r} is no list of tags", where=f"y[{row}]", mend="give a tag a word")
    tags = list(given)
    if len(tags) != num_words:
        raise InputError(f"{len(tags)} tags for {num_words} words", where=f"y[{row}]", mend="give a tag a word")
    for place, tag in enumerate(tags):
        if not isinstance(tag, str):
            raise InputError(f"{tag!r} is no tag", where=f"y[{row}][{place}]", mend="give strings, such as O, B-Drug")
    return [str(tag) for tag in tags]


def _check_count(given: Any, num_texts: int) -> None:
    if len(given) != num_texts:
        raise InputError(f"{len(given)} for {num_texts} texts", where="y", mend="give one a text")


def _check_spans(text: str, entities: list[Entity], row: int) -> None:
    for entity in entities:
        problem = span_problem(text, entity)
        if problem is not None:
            raise InputError(problem, where=f"y[{row}]", mend="mend the span; places count characters from 0")
    overlap = overlap_problem(text, entities)
    if overlap is not None:
        raise InputError(overlap, where=f"y[{row}]", mend=OVERLAP_MEND)
