"""Everything that is reported of a tagger, from the entities that it found and those that are there.

An entity counts as found if its label and both its borders are right, as the script `conlleval` of the CoNLL shared
tasks has it. Where nothing can be divided by, conlleval says 0, and so do the numbers that it has: precision, recall
and F1. What it does not have is None then.

Reference: Tjong Kim Sang and De Meulder, "Introduction to the CoNLL-2003 Shared Task", 2003
(https://aclanthology.org/W03-0419); https://www.clips.uantwerpen.be/conll2000/chunking/output.html.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from tfdomain.errors import InputError

__all__ = ["count_entities", "entity_metrics", "entity_scores", "snap_to_words"]

_Span = tuple[str, int, int]


def entity_metrics(
    true: Sequence[Iterable[_Span]],
    predicted: Sequence[Iterable[_Span]],
    *,
    words: Sequence[Sequence[tuple[int, int]]] | None = None,
) -> dict[str, Any]:
    """Judges the entities found in texts against those that are there.

    Args:
        true: For each of `n` texts its entities as `(label, start, end)`, `end` not included.
        predicted: For each of `n` texts the entities found.
        words: For each of `n` texts the `(start, end)` of its words, in order; None where there are none.

    Returns:
        - `num_examples`: the number of texts; `num_entities`: of entities that are there.
        - `entity_precision`, `entity_recall`, `entity_f1`: over all entities (micro). 0 where nothing was found, or
          nothing is there, as conlleval has it.
        - `macro_entity_f1`: the mean of F1 over the labels that are there or were found; None without any.
        - `token_accuracy`: the share of words whose IOB2 tags agree, a word having the tag that holds at its first
          character; None without words.
        - `per_entity`: for each such label `precision`, `recall`, `f1` (0 as above), `support` (how many are there)
          and `predicted` (how many were found).

    Raises:
        InputError: The lengths differ, or a span is none.

    Example:
        >>> metrics = entity_metrics([[("drug", 0, 7), ("dose", 8, 9)]], [[("drug", 0, 7), ("drug", 8, 9)]])
        >>> metrics["entity_f1"], metrics["per_entity"]["drug"]["precision"]
        (0.5, 0.5)
    """
    _check_lengths(true, predicted, words)
    totals = Counter[str](), Counter[str](), Counter[str]()
    num_words = num_agreeing = 0
    for row, (here, guessed) in enumerate(zip(true, predicted, strict=True)):
        there, answers = _spans(here, f"true[{row}]"), _spans(guessed, f"predicted[{row}]")
        for total, counted in zip(totals, count_entities(there, answers), strict=True):
            total.update(counted)
        if words is not None:
            pairs = zip(_word_tags(there, words[row]), _word_tags(answers, words[row]), strict=True)
            num_words += len(words[row])
            num_agreeing += sum(tag == answer for tag, answer in pairs)
    return {
        "num_examples": len(true),
        **entity_scores(*totals),
        "token_accuracy": num_agreeing / num_words if num_words else None,
    }


def count_entities(true: Iterable[_Span], predicted: Iterable[_Span]) -> list[Counter[str]]:
    """What the scores are computed from, of one text: by label the entities found rightly, there, and found."""
    there, answers = Counter(true), Counter(predicted)
    # As multisets: what is found twice is right once.
    return [Counter(label for label, _, _ in spans.elements()) for spans in (there & answers, there, answers)]


def entity_scores(correct: Counter[str], support: Counter[str], found: Counter[str]) -> dict[str, Any]:
    """What `entity_metrics` says of entities, from how many there are.

    Args:
        correct: How many entities of each label were found rightly.
        support: How many there are.
        found: How many were found.
    """
    per_entity = {
        label: _scores(correct[label], support[label], found[label])
        | {"support": support[label], "predicted": found[label]}
        for label in sorted(support.keys() | found.keys())
    }
    scores = _scores(correct.total(), support.total(), found.total())
    return {
        "num_entities": support.total(),
        **{f"entity_{name}": value for name, value in scores.items()},
        "macro_entity_f1": sum(each["f1"] for each in per_entity.values()) / len(per_entity) if per_entity else None,
        "per_entity": per_entity,
    }


def snap_to_words(entities: Iterable[_Span], words: Sequence[tuple[int, int]]) -> list[_Span]:
    """Entities brought to the borders of words, so that they can be judged over words.

    Each word takes the IOB2 tag that holds at its first character. Entities are then read from these tags as
    conlleval reads them: an `I` that continues nothing of its label opens an entity. An entity that holds no word's
    first character is dropped.

    Args:
        entities: `(label, start, end)` in characters, none overlapping.
        words: The `(start, end)` of the words, in order.

    Returns:
        `(label, start, end)` in characters, each from a word's start to a word's end.

    Example:
        >>> snap_to_words([("drug", 0, 4), ("dose", 10, 11)], [(0, 7), (8, 9), (10, 12)])
        [('drug', 0, 7), ('dose', 10, 12)]
    """
    snapped: list[_Span] = []
    previous = None
    for tag, (start, end) in zip(_word_tags(_spans(entities, "entities"), words), words, strict=True):
        if tag is not None:
            label, begins = tag
            if begins or previous is None or previous[0] != label:
                snapped.append((label, start, end))
            else:
                snapped[-1] = (label, snapped[-1][1], end)
        previous = tag
    return snapped


def _word_tags(entities: list[_Span], words: Sequence[tuple[int, int]]) -> list[tuple[str, bool] | None]:
    """For each word the label at its first character and whether an entity begins there; None outside of all."""
    tags: list[tuple[str, bool] | None] = []
    remaining = iter(sorted(entities, key=lambda entity: entity[1]))
    current = next(remaining, None)
    for start, _ in words:
        while current is not None and current[2] <= start:
            current = next(remaining, None)
        inside = current is not None and current[1] <= start
        tags.append((current[0], current[1] == start) if current is not None and inside else None)
    return tags


def _scores(correct: int, support: int, found: int) -> dict[str, float]:
    return {
        "precision": correct / found if found else 0.0,
        "recall": correct / support if support else 0.0,
        "f1": 2 * correct / (support + found) if support + found else 0.0,
    }


def _spans(entities: Iterable[_Span], where: str) -> list[_Span]:
    spans = [(label, start, end) for label, start, end in entities]
    for label, start, end in spans:
        if not 0 <= start < end:
            raise InputError(f"{label!r} at {start}:{end} is no span", where=where, mend="give 0 <= start < end")
    return spans


def _check_lengths(true: Sequence, predicted: Sequence, words: Sequence | None) -> None:
    lengths = {"true": len(true), "predicted": len(predicted)} | ({} if words is None else {"words": len(words)})
    if len(set(lengths.values())) > 1:
        shown = ", ".join(f"{length} in {name}" for name, length in lengths.items())
        raise InputError(f"the numbers of texts differ: {shown}", mend="give one list a text")
