import csv
import gzip
import sys

import numpy as np
import pandas as pd
import pytest
from cleanlab.filter import find_label_issues
from sklearn.metrics import confusion_matrix

from tfdomain.errors import InputError
from tfdomain.preparation.baseline import out_of_fold_probabilities
from tfdomain.preparation.label_quality import class_overlap, rare_classes, suspicious_labels

NAMES = ["card", "loan", "转账"]
WORDS = [["card", "pin", "chip"], ["loan", "repay", "credit"], ["转账", "到账", "汇款"]]


def flipped(labels, share, seed):
    """Labels of which a share was changed into another one, and which rows these are."""
    random = np.random.default_rng(seed)
    names = np.unique(labels)
    rows = random.choice(len(labels), int(share * len(labels)), replace=False)
    changed = np.array(labels, object)
    for row in rows:
        changed[row] = random.choice(names[names != labels[row]])
    return changed.tolist(), set(rows.tolist())


def drawn(num_rows=400, noise=0.1, seed=0):
    """Probabilities around classes that are known, and labels of which some are wrong."""
    random = np.random.default_rng(seed)
    truth = random.integers(0, 3, num_rows)
    scores = random.normal(0, 1, (num_rows, 3))
    scores[np.arange(num_rows), truth] += 3
    probabilities = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    labels, _ = flipped([NAMES[index] for index in truth], noise, seed)
    return labels, probabilities.astype(np.float32)


def test_changed_labels_are_found():
    random = np.random.default_rng(0)
    truth = random.integers(0, 3, 300)
    texts = [" ".join([*random.choice(WORDS[index], 3), *random.choice(["a", "the", "了"], 2)]) for index in truth]
    labels, wrong = flipped([NAMES[index] for index in truth], 0.1, seed=1)
    found = suspicious_labels(texts, labels)
    assert list(found.columns) == ["row", "text", "label", "suggested", "quality"]
    assert found["row"].dtype == np.int64 and found["quality"].dtype == np.float32
    assert found["quality"].is_monotonic_increasing
    assert len(wrong & {*found["row"][: len(wrong)]}) > 0.7 * len(wrong)
    assert len(wrong & {*found["row"]}) > 0.9 * len(found)
    for row in found.itertuples():
        assert (row.text, row.label) == (texts[row.row], labels[row.row])
        assert row.suggested != row.label
    right = [row.suggested == NAMES[truth[row.row]] for row in found.itertuples() if row.row in wrong]
    assert np.mean(right) > 0.9
    pd.testing.assert_frame_equal(found, suspicious_labels(texts, labels))


@pytest.mark.parametrize("seed", range(3))
def test_it_is_the_papers_estimate_and_cleanlabs(seed):
    labels, probabilities = drawn(seed=seed)
    found = suspicious_labels(["text"] * 400, labels, probabilities, names=NAMES)
    ids = np.array([NAMES.index(label) for label in labels])
    own = probabilities[np.arange(400), ids]
    thresholds = np.array([probabilities[ids == index, index].mean() for index in range(3)])
    confident = np.where(probabilities >= thresholds - 1e-6, probabilities, -1)
    count = int(((confident.max(axis=1) >= 0) & (confident.argmax(axis=1) != ids)).sum())
    expected = [row for row in np.argsort(own)[:count].tolist() if probabilities[row].argmax() != ids[row]]
    assert found["row"].tolist() == expected
    ranked = find_label_issues(
        ids, probabilities, filter_by="low_self_confidence", return_indices_ranked_by="self_confidence", n_jobs=1
    )
    assert set(expected) <= set(ranked.tolist())
    np.testing.assert_allclose(found["quality"], own[expected])


def test_columns_go_by_their_names():
    labels, probabilities = drawn()
    expected = suspicious_labels(["text"] * 400, labels, probabilities)
    order = [2, 0, 1]
    other = suspicious_labels(
        ["text"] * 400, labels, probabilities[:, order], names=[sorted(NAMES)[index] for index in order]
    )
    pd.testing.assert_frame_equal(expected, other)
    numbers = [NAMES.index(label) for label in labels]
    assert suspicious_labels(["text"] * 400, numbers, probabilities)["label"].isin(["0", "1", "2"]).all()


def test_nothing_suspicious_is_an_empty_table():
    probabilities = np.eye(2, dtype=np.float64)[[0, 1] * 10] * 0.9 + 0.05
    found = suspicious_labels(["text"] * 20, ["a", "b"] * 10, probabilities)
    assert len(found) == 0
    assert list(found.columns) == ["row", "text", "label", "suggested", "quality"]
    assert len(class_overlap(["a", "b"] * 10, probabilities)) == 0


def test_rare_classes():
    assert rare_classes(["a", "b", "a", "c", "b", "a"], 3) == {"c": 1, "b": 2}
    assert rare_classes([1, 2, 2], 1) == {}
    with pytest.raises(InputError, match="is missing"):
        rare_classes(["a", None], 3)


def test_overlap_is_the_confusion_of_both_ways():
    labels, probabilities = drawn(noise=0.3)
    found = class_overlap(labels, probabilities, names=NAMES)
    assert found["share"].is_monotonic_decreasing
    confusion = confusion_matrix(labels, [NAMES[index] for index in probabilities.argmax(axis=1)], labels=NAMES)
    assert len(found) == 3
    for pair in found.itertuples():
        one, other = NAMES.index(pair.first), NAMES.index(pair.second)
        assert one < other
        assert pair.rows == confusion[one, other] + confusion[other, one]
        assert pair.share == pytest.approx(pair.rows / confusion[[one, other]].sum())
        assert pair.first_as_second == pytest.approx(confusion[one, other] / confusion[one].sum())
        assert pair.second_as_first == pytest.approx(confusion[other, one] / confusion[other].sum())


@pytest.mark.parametrize(
    ("probabilities", "names", "words"),
    [
        (np.ones(4), None, r"probabilities: are float64 of the shape \[4\]"),
        (np.ones((4, 2), int), None, "are int64"),
        (np.full((4, 3), 1 / 3), None, "have 3 columns for 2 classes; name the class of each column in names"),
        (np.full((3, 2), 0.5), None, "3 rows for 4 labels"),
        (np.full((4, 2), 0.9), None, r"probabilities\[0\]: do not add up to 1"),
        (np.array([[0.5, 0.5]] * 3 + [[np.nan, 1]]), None, r"probabilities\[3\]: do not add up to 1"),
        (np.array([[0.5, 0.5]] * 3 + [[-0.5, 1.5]]), None, r"probabilities\[3\]: do not add up to 1"),
        (np.full((4, 2), 0.5), ["a", "c"], "names: lack the label 'b'; name the class of each column"),
    ],
)
def test_probabilities_that_do_not_fit(probabilities, names, words):
    for check in (lambda *rest, **named: suspicious_labels(["t"] * 4, *rest, **named), class_overlap):
        with pytest.raises(InputError, match=words):
            check(["a", "b", "a", "b"], probabilities, names=names)


def test_texts_that_do_not_fit():
    with pytest.raises(InputError, match="2 labels for 1 texts"):
        suspicious_labels(["t"], ["a", "b"], np.full((2, 2), 0.5))


@pytest.mark.parametrize(("missing", "name"), [("cleanlab", "cleanlab"), ("sklearn", "scikit-learn")])
def test_the_extra_is_named(missing, name, monkeypatch):
    for module in [module for module in sys.modules if module.split(".")[0] == missing]:
        monkeypatch.setitem(sys.modules, module, None)
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(InputError) as caught:
        suspicious_labels(["t"] * 4, ["a", "b", "a", "b"])
    assert str(caught.value) == f"checking labels needs {name}; install it: pip install 'tfdomain[quality]'"
    assert len(class_overlap(["a", "b"], np.array([[0.2, 0.8], [0.3, 0.7]]))) == 1


@pytest.mark.real
def test_changed_labels_of_banking_requests(data_dir):
    with gzip.open(data_dir / "banking77/train.csv.gz", "rt", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    kept = set(sorted({row["category"] for row in rows})[:30])
    rows = [row for row in rows if row["category"] in kept]
    texts, truth = [row["text"] for row in rows], [row["category"] for row in rows]
    labels, wrong = flipped(truth, 0.1, seed=0)
    found = suspicious_labels(texts, labels)
    # Some of the others are mislabelled in the data set itself.
    assert np.mean([row in wrong for row in found["row"]]) > 0.9
    assert len(wrong & {*found["row"]}) / len(wrong) > 0.7
    right = [row.suggested == truth[row.row] for row in found.itertuples() if row.row in wrong]
    assert np.mean(right) > 0.85


@pytest.mark.real
@pytest.mark.parametrize(("name", "recall", "precision"), [("ag_news", 0.65, 0.6), ("waimai", 0.6, 0.6)])
def test_changed_labels_of_news_and_reviews(name, recall, precision, data_dir):
    if name == "ag_news":
        with gzip.open(data_dir / "ag_news/test.csv.gz", "rt", encoding="utf-8", newline="") as file:
            rows = [(f"{title} {text}", label) for label, title, text in csv.reader(file)][:3000]
    else:
        with gzip.open(data_dir / "zh_reviews/waimai_10k.csv.gz", "rt", encoding="utf-8", newline="") as file:
            rows = [(row["review"], row["label"]) for row in csv.DictReader(file)][::3]
    texts, truth = zip(*rows, strict=True)
    labels, wrong = flipped(truth, 0.1, seed=0)
    found = suspicious_labels(texts, labels, probabilities=out_of_fold_probabilities(texts, labels))
    assert len(wrong & {*found["row"]}) / len(wrong) > recall
    assert np.mean([row in wrong for row in found["row"]]) > precision
