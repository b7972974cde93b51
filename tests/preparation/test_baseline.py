import warnings

import numpy as np
import pytest
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.pipeline import make_pipeline

from tfdomain.errors import InputError
from tfdomain.preparation import baseline
from tfdomain.preparation.baseline import out_of_fold_probabilities

TOPICS = {
    "card": "card plastic chip reader contactless pin blocked arrived posted envelope",
    "loan": "loan borrow repay instalment credit score lender approved amount term",
    "转账": "转账 到账 汇款 银行 失败 手续费 对方 账户",
}


FILLER = ("the", "my", "is", "today", "please", "now", "我", "的", "了")


def topic_rows(num_rows=240, seed=0, topics=tuple(TOPICS), filler=FILLER):
    random = np.random.default_rng(seed)
    labels = [topics[index] for index in random.integers(0, len(topics), num_rows)]
    texts = []
    for label in labels:
        words = [*random.choice(TOPICS[label].split(), 3), *random.choice(filler, 3)]
        texts.append(("" if label == "转账" else " ").join(random.permutation(words)))
    return texts, labels


def test_rows_are_told_by_the_others():
    texts, labels = topic_rows()
    probabilities = out_of_fold_probabilities(texts, labels)
    assert probabilities.dtype == np.float32 and probabilities.shape == (240, 3)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-5)
    names = sorted(TOPICS)
    assert accuracy_score(labels, [names[index] for index in probabilities.argmax(axis=1)]) > 0.97
    np.testing.assert_array_equal(probabilities, out_of_fold_probabilities(texts, labels))
    assert (probabilities != out_of_fold_probabilities(texts, labels, seed=1)).any()


def test_no_row_sees_its_own_label():
    """Each row has a word of its own, and labels are drawn: who had seen them would know them."""
    labels = np.random.default_rng(0).integers(0, 2, 300).tolist()
    probabilities = out_of_fold_probabilities([f"word{row} word{row}" for row in range(300)], labels)
    assert accuracy_score(labels, probabilities.argmax(axis=1)) < 0.6


def test_it_is_as_good_as_scikit_learn_by_hand():
    texts, labels = topic_rows(topics=("card", "loan"), filler=FILLER[:6], seed=3)
    noisy = [label if row % 5 else "card" for row, label in enumerate(labels)]
    words = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, token_pattern=r"(?u)\b\w+\b")
    model = make_pipeline(words, LogisticRegression(C=3, max_iter=200))
    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    expected = cross_val_predict(model, texts, noisy, cv=folds, method="predict_proba")
    found = out_of_fold_probabilities(texts, noisy)
    assert np.abs(found - expected).mean() < 0.05
    assert (found.argmax(axis=1) == expected.argmax(axis=1)).mean() > 0.95


def test_small_classes():
    texts, labels = topic_rows(60)
    texts, labels = [*texts, "one of its kind", "loan of two", "loan of two kinds"], [*labels, "alone", "pair", "pair"]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        probabilities = out_of_fold_probabilities(texts, labels)
    names = sorted({*labels})
    assert probabilities[60].tolist() == [float(name == "alone") for name in names]
    assert (probabilities[61:, names.index("pair")] > 0).all()
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-5)


def test_many_rows_are_sampled_class_by_class(monkeypatch):
    texts, labels = topic_rows(600)
    texts, labels = [*texts, *["a rare thing"] * 10], [*labels, *["rare"] * 10]
    monkeypatch.setattr(baseline, "TRAINED_ROWS", 120)
    probabilities = out_of_fold_probabilities(texts, labels)
    names = sorted({*labels})
    assert accuracy_score(labels, [names[index] for index in probabilities.argmax(axis=1)]) > 0.97


@pytest.mark.parametrize(
    ("texts", "labels", "folds", "words"),
    [
        (["a b", "c d"], ["x", "y"], 5, "fewer than two labels have two rows"),
        (["a b"] * 4, ["x"] * 4, 5, "fewer than two labels have two rows"),
        (["a b"] * 3, ["x", "y", "x", "y"], 5, "4 labels for 3 texts"),
        (["a b"] * 4, ["x", "y", "x", "y"], 1, "choose at least 2 folds"),
        (["?!"] * 4, ["x", "y", "x", "y"], 2, "hold no words"),
        (["a b"] * 4, ["x", None, "x", "y"], 2, r"labels\[1\]: is missing"),
    ],
)
def test_what_cannot_be_told(texts, labels, folds, words):
    with pytest.raises(InputError, match=words):
        out_of_fold_probabilities(texts, labels, folds=folds)
