"""Answers as people write them become spans of characters."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from tfdomain.errors import InputError

__all__ = ["answer_labels", "check_answers"]

FORM = "give each question a list of (start, end) or of (text, start), an empty one where it has no answer"


def answer_labels(answers: Any) -> np.ndarray:
    """Spans of characters, int32 `[n, most answers, 2]`, zeros behind a row's last one.

    Args:
        answers: For each question a list of answers, each (start, end) in characters, the end behind the last
            one, or (text, start); an array of what this function gives goes through.

    Raises:
        InputError: Something else, or a span that is none.
    """
    if isinstance(answers, tf.Tensor):
        answers = answers.numpy()
    if isinstance(answers, np.ndarray) and answers.dtype.kind in "iu":
        return _checked_array(answers)
    if isinstance(answers, (str, bytes)) or not hasattr(answers, "__len__"):
        raise InputError(f"answers are {type(answers).__name__}", where="y", mend=FORM)
    rows = [_spans(row, f"y[{place}]") for place, row in enumerate(answers)]
    labels = np.zeros([len(rows), max([1, *map(len, rows)]), 2], "int32")
    for label, row in zip(labels, rows, strict=True):
        label[: len(row)] = np.reshape(row, [-1, 2])
    return labels


def check_answers(answers: Any, contexts: Sequence[str]) -> None:
    """Refuses an answer that its context does not hold where it says.

    Args:
        answers: As `answer_labels` takes them.
        contexts: Of the questions.

    Raises:
        InputError: The first such answer is named.
    """
    labels = answer_labels(answers)
    for row, (spans, context) in enumerate(zip(labels, contexts, strict=False)):
        if spans[:, 1].max() > len(context):
            problem = f"an answer ends at character {spans[:, 1].max()} of a context of {len(context)}"
            raise InputError(problem, where=f"y[{row}]", mend="count characters from 0, with the end behind the last")
        for answer in () if isinstance(answers, (np.ndarray, tf.Tensor)) else answers[row]:
            if isinstance(answer[0], str) and not context.startswith(answer[0], answer[1]):
                near = context.find(answer[0])
                place = f"it is at {near}" if near >= 0 else "it is nowhere in it"
                problem = f"the answer {answer[0][:40]!r} is not at character {answer[1]} of its context"
                raise InputError(problem, where=f"y[{row}]", mend=f"mend the row: {place}")


def _spans(row: Any, where: str) -> list[tuple[int, int]]:
    if isinstance(row, (str, bytes)) or not hasattr(row, "__len__"):
        raise InputError(f"{row!r} is no list of answers", where=where, mend=FORM)
    return [_span(answer, f"{where}[{place}]") for place, answer in enumerate(row)]


def _span(answer: Any, where: str) -> tuple[int, int]:
    if isinstance(answer, (str, bytes)) or not hasattr(answer, "__len__") or len(answer) != 2:
        raise InputError(f"{answer!r} is no answer", where=where, mend=FORM)
    first, second = answer
    numbers = (second,) if isinstance(first, str) else (first, second)
    if not all(isinstance(number, int | np.integer) and not isinstance(number, bool) for number in numbers):
        raise InputError(f"{answer!r} is no answer", where=where, mend=FORM)
    start, end = (second, second + len(first)) if isinstance(first, str) else (first, second)
    if not 0 <= start < end:
        problem = f"the answer {tuple(answer)!r} is at characters {start} to {end}"
        raise InputError(problem, where=where, mend="count from 0, with the end behind the last character")
    return int(start), int(end)


def _checked_array(spans: np.ndarray) -> np.ndarray:
    if spans.ndim != 3 or spans.shape[1] < 1 or spans.shape[2] != 2:
        raise InputError(f"answers of the shape {list(spans.shape)}", where="y", mend="give [n, most answers, 2]")
    start, end = spans[..., 0], spans[..., 1]
    wrong = np.argwhere((start < 0) | (end < 0) | ((end > 0) & (start >= end)))
    if len(wrong):
        row, place = wrong[0]
        problem = f"the answer is at characters {start[row, place]} to {end[row, place]}"
        raise InputError(problem, where=f"y[{row}][{place}]", mend="an answer ends behind its start; (0, 0) is none")
    return spans.astype("int32")
