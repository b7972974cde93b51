"""Rows that a model has judged, as people read them: what is so, what it said, and how wrong that is."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tfdomain.models.base import TextModel

__all__ = ["JUDGED", "Judged"]


class Judged:
    """The judged rows of a part of the data, by position; a task says how to read them.

    Args:
        model: Has judged them.
        truth: What its `truth` gives, a sequence `[n]`.
        predictions: What its `predict` gives for the same rows.
    """

    def __init__(self, model: TextModel, truth: Any, predictions: Any):
        self.model, self.truth, self.predictions = model, truth, predictions
        self.names: Sequence[str] = model.labels or ()

    def errors(self) -> np.ndarray:
        """How wrong each prediction is, float `[n]`: 0 where it is right, in a measure of the task's own."""
        raise NotImplementedError

    def label(self, position: int) -> str:
        """What is so."""
        raise NotImplementedError

    def answer(self, position: int) -> str:
        """What the model says."""
        raise NotImplementedError


class JudgedClasses(Judged):
    """One class a row; an error is how much more probable a wrong class was held than the right one."""

    def errors(self):
        """The difference of the two probabilities; more than 0 where the class is wrong, at a threshold too."""
        rows, given = np.arange(len(self.truth)), self.model.given(self.predictions)
        gap = self.predictions[rows, given] - self.predictions[rows, self.truth]
        return np.where(given == self.truth, 0.0, np.maximum(gap, 1e-6))

    def label(self, position):
        """The class."""
        return self.names[int(self.truth[position])]

    def answer(self, position):
        """The class that the row is given."""
        return self.model.answers(self.predictions[position : position + 1])[0]["label"]


class JudgedLabels(Judged):
    """Any number of labels a row."""

    def errors(self):
        """The sum, over the labels that are wrong, of how far their probabilities are from the truth."""
        truth = np.asarray(self.truth)
        is_wrong = (self.predictions >= self.model.thresholds) != (truth > 0)
        return np.sum(np.abs(self.predictions - truth) * is_wrong, axis=1)

    def label(self, position):
        """The labels."""
        return ", ".join(name for name, is_so in zip(self.names, self.truth[position], strict=True) if is_so)

    def answer(self, position):
        """The labels that the row is given."""
        return ", ".join(self.model.answers(self.predictions[position : position + 1])[0]["labels"])


class JudgedNumbers(Judged):
    """One or several numbers a row."""

    def errors(self):
        """The sum of the absolute errors of all targets, each over its mean absolute error."""
        errors = np.abs(self.predictions - np.reshape(self.truth, self.predictions.shape))
        return np.sum(errors / np.maximum(errors.mean(axis=0), 1e-12), axis=1)

    def label(self, position):
        """The numbers."""
        return _numbers(self.truth[position])

    def answer(self, position):
        """The predicted ones."""
        return _numbers(self.predictions[position])


class JudgedEntities(Judged):
    """Entities in a text."""

    def errors(self):
        """How many entities are missing, or found where there are none."""
        return np.array([len(self._true(row) ^ self._found(row)) for row in range(len(self.truth))], "float64")

    def label(self, position):
        """The labels of the entities, in their order."""
        return ", ".join(label for _, _, label in sorted(self._true(position)))

    def answer(self, position):
        """The labels of the entities that were found, each with its text."""
        return ", ".join(f"{one['text']} ({one['label']})" for one in self.predictions[position])

    def _true(self, position: int) -> set[tuple[int, int, str]]:
        return {(one.start, one.end, one.label) for one in self.truth[position].entities}

    def _found(self, position: int) -> set[tuple[int, int, str]]:
        return {(one["start"], one["end"], one["label"]) for one in self.predictions[position]}


class JudgedAnswers(Judged):
    """Answers found in contexts, or none."""

    def errors(self):
        """1 where the answer is none of the right ones."""
        rows = range(len(self.truth))
        wrong = [self.predictions["answer"][row] not in (self._answers(row) or [""]) for row in rows]
        return np.array(wrong, "float64")

    def label(self, position):
        """The answers."""
        return " / ".join(dict.fromkeys(self._answers(position))) or "(none)"

    def answer(self, position):
        """The answer that was given."""
        return self.predictions["answer"][position] or "(none)"

    def _answers(self, position: int) -> list[str]:
        context = self.predictions["context"][position]
        return [context[start:end] for start, end in self.truth[position].tolist() if end]


JUDGED: dict[str, Callable[[TextModel, Any, Any], Judged]] = {
    "classification": JudgedClasses,
    "multilabel": JudgedLabels,
    "regression": JudgedNumbers,
    "tagging": JudgedEntities,
    "span": JudgedAnswers,
}
"""How rows are read, by task; vectors are no judgement."""


def _numbers(values: Any) -> str:
    return ", ".join(f"{value:.4g}" for value in np.ravel(values))
