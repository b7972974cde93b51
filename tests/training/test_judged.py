"""Judged rows as people read them, by task."""

from types import SimpleNamespace

import numpy as np

from tfdomain.training.judged import JUDGED


def judged(task, truth, predictions, **model):
    found = JUDGED[task](SimpleNamespace(**{"labels": None} | model), truth, predictions)
    rows = range(len(truth))
    return found.errors().tolist(), [found.label(row) for row in rows], [found.answer(row) for row in rows]


def test_labels():
    predictions, thresholds = np.array([[0.9, 0.2, 0.1], [0.4, 0.75, 0.1]]), np.array([0.5, 0.5, 0.5])

    def answers(rows):
        return [{"labels": [name for name, score in zip("abc", row, strict=True) if score >= 0.5]} for row in rows]

    model = {"labels": ["a", "b", "c"], "thresholds": thresholds, "answers": answers}
    errors, labels, given = judged("multilabel", np.array([[1, 0, 0], [1, 0, 0]]), predictions, **model)
    # The second row lacks a (0.6 off) and has b (0.75 off).
    np.testing.assert_allclose(errors, [0, 1.35])
    assert (labels, given) == (["a", "a"], ["a", "b"])


def test_numbers():
    errors, labels, given = judged("regression", np.array([[1.0], [2.0]]), np.array([[1.0], [4.0]]))
    # Over the mean absolute error, which is 1.
    assert (errors, labels, given) == ([0, 2], ["1", "2"], ["1", "4"])


def test_entities():
    entity = SimpleNamespace(start=0, end=3, label="thing")
    found = {"start": 0, "end": 3, "label": "thing", "text": "car"}
    truth = [SimpleNamespace(entities=[entity]), SimpleNamespace(entities=[entity])]
    errors, labels, given = judged("tagging", truth, [[found], [found | {"end": 2, "text": "ca"}]])
    assert (errors, labels, given) == ([0, 2], ["thing", "thing"], ["car (thing)", "ca (thing)"])


def test_answers():
    predictions = {"answer": ["old", "", "x"], "context": ["my old car"] * 3}
    truth = np.array([[[3, 6]], [[0, 0]], [[0, 2]]])
    errors, labels, given = judged("span", truth, predictions)
    assert (errors, labels, given) == ([0, 0, 1], ["old", "(none)", "my"], ["old", "(none)", "x"])
