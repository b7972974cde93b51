"""How probable each row's classes are to a quick model that has not seen the row.

Words weighted by TF-IDF and a logistic regression: minutes on a processor, no checkpoint, and near enough to say which
labels are worth a second look.
"""

import importlib
import re
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from tfdomain.data.labels import label_ids, label_names
from tfdomain.errors import InputError

__all__ = ["out_of_fold_probabilities", "quality_library"]

# A fold's model learns from so many rows at most, and of each class from so many at least.
TRAINED_ROWS = 50_000
ROWS_A_CLASS = 20
# Weights of the regression; its solver keeps some twenty copies of them.
WEIGHTS = 3_000_000
FEATURES = 200_000
# Where fewer texts than this share hold ideographs (or only such), features of the one or other kind are left out.
SHARE_OF_TEXTS = 0.05

_SYLLABLE = re.compile("[\u3041-\u30ff\u3400-\u4dbf\u4e00-\u9fff\U00020000-\U0003ffff]")


def out_of_fold_probabilities(texts: Sequence[str], labels: Any, *, folds: int = 5, seed: int = 0) -> np.ndarray:
    """The probability of each class for each text, by models that were trained without it.

    The features are words and pairs of words; where texts hold ideographs, one to three characters. Take duplicates
    out before: a copy in another fold would tell its own label. The row of a class without another one gets its own
    label, since no other row can speak for or against it.

    Args:
        texts: Texts `[n]`.
        labels: A label a text `[n]`.
        folds: Into how many parts the rows are divided, class by class; at least 2.
        seed: Decides which row is in which part.

    Returns:
        float32 `[n, classes]`, in the order of `tfdomain.data.labels.label_names`; a row adds up to 1.

    Raises:
        InputError: Fewer than two classes have two rows, the numbers of texts and labels differ, no text holds a
            word, or scikit-learn is not installed.
    """
    names = label_names(labels)
    ids = label_ids(labels, names)
    sizes = np.bincount(ids, minlength=1)
    if len(texts) != len(ids):
        raise InputError(f"{len(ids):,} labels for {len(texts):,} texts", where="labels", mend="give one label a text")
    if folds < 2 or seed < 0:
        raise InputError(f"{folds} folds, seed {seed}", mend="choose at least 2 folds and a seed of 0 or more")
    if (sizes >= 2).sum() < 2:
        raise InputError("fewer than two labels have two rows", where="labels", mend="give more rows")
    random = np.random.default_rng(seed)
    fold_of_row = _folds(ids, folds, random)
    probabilities = np.zeros((len(ids), len(names)), np.float32)
    for fold in range(folds):
        held = np.flatnonzero(fold_of_row == fold)
        rows = _some_rows(ids, np.flatnonzero(fold_of_row != fold), random)
        if len(held):
            classes, predicted = _predict(_taken(texts, rows), ids[rows], _taken(texts, held))
            probabilities[np.ix_(held, classes)] = predicted
    alone = np.flatnonzero(sizes[ids] == 1)
    probabilities[alone] = 0
    probabilities[alone, ids[alone]] = 1
    return probabilities


def quality_library(name: str) -> Any:
    """A module of the extra `quality`.

    Raises:
        InputError: It is not installed.
    """
    try:
        return importlib.import_module(name)
    except ImportError:
        problem = f"checking labels needs {name.split('.')[0].replace('sklearn', 'scikit-learn')}"
        raise InputError(problem, mend="install it: pip install 'tfdomain[quality]'") from None


def _taken(texts: Sequence[str], rows: np.ndarray) -> list[str]:
    return [texts[row] for row in rows.tolist()]


def _folds(ids: np.ndarray, folds: int, random: np.random.Generator) -> np.ndarray:
    """int64 `[n]`: rows dealt out in turn, class after class, so that sizes differ by one at most."""
    order = random.permutation(len(ids))
    order = order[np.argsort(ids[order], kind="stable")]
    fold_of_row = np.empty(len(ids), np.int64)
    fold_of_row[order] = np.arange(len(ids)) % folds
    return fold_of_row


def _some_rows(ids: np.ndarray, rows: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """All rows, or of more than `TRAINED_ROWS` each class's share."""
    if len(rows) <= TRAINED_ROWS:
        return rows
    order = random.permutation(rows)
    order = order[np.argsort(ids[order], kind="stable")]
    sizes = np.bincount(ids[order])
    wanted = np.maximum(sizes * (TRAINED_ROWS / len(rows)), ROWS_A_CLASS)
    place_in_class = np.arange(len(order)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    return np.sort(order[place_in_class < np.repeat(wanted, sizes)])


def _predict(texts: list[str], ids: np.ndarray, held_texts: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """The classes that were learned, int64 `[k]`, and their probabilities, float32 `[held, k]`."""
    linear_model = quality_library("sklearn.linear_model")
    exceptions = quality_library("sklearn.exceptions")
    features = _features(texts, len(np.unique(ids)))
    model = linear_model.LogisticRegression(C=3, max_iter=200)
    try:
        inputs = features.fit_transform(texts)
    except ValueError:
        raise InputError("hold no words to tell labels by", where="texts", mend="give other texts") from None
    with warnings.catch_warnings():
        # The last digits of a baseline are not worth further steps.
        warnings.simplefilter("ignore", exceptions.ConvergenceWarning)
        model.fit(inputs, ids)
    return model.classes_, model.predict_proba(features.transform(held_texts))


def _features(texts: list[str], num_classes: int) -> Any:
    text_features = quality_library("sklearn.feature_extraction.text")
    pipeline = quality_library("sklearn.pipeline")
    common = {
        "sublinear_tf": True,
        "min_df": 2 if len(texts) >= 1000 else 1,
        "max_features": min(FEATURES, WEIGHTS // num_classes),
        "dtype": np.float32,
    }
    share = sum(_SYLLABLE.search(text) is not None for text in texts) / len(texts)
    kinds = []
    if share <= 1 - SHARE_OF_TEXTS:
        kinds.append(text_features.TfidfVectorizer(ngram_range=(1, 2), token_pattern=r"(?u)\b\w+\b", **common))
    if share >= SHARE_OF_TEXTS:
        kinds.append(text_features.TfidfVectorizer(analyzer="char", ngram_range=(1, 3), **common))
    return pipeline.make_union(*kinds)
