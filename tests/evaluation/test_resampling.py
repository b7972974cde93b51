"""A metric of rows drawn anew is what the model measures on these rows, whichever way it is computed."""

import numpy as np
import pytest

import tfdomain
from tfdomain.data.tagged_examples import Annotation
from tfdomain.data.tagging import Entity
from tfdomain.errors import InputError
from tfdomain.evaluation.resampling import statistic_of
from tfdomain.metrics.selection import metric_value

NUM_ROWS = 60
LABELS = ["a", "b", "c"]


def draws(count=5):
    random = np.random.default_rng(1)
    return [random.integers(NUM_ROWS, size=NUM_ROWS) for _ in range(count)]


def chosen(values, rows):
    if isinstance(values, dict):
        return {name: chosen(column, rows) for name, column in values.items()}
    return [values[row] for row in rows] if isinstance(values, list) else values[rows]


def assert_measured_alike(model, truth, predictions, metric):
    statistic = statistic_of(model, truth, predictions, metric)
    assert statistic.num_units == NUM_ROWS
    assert statistic.value == pytest.approx(metric_value(model.measure(truth, predictions), metric), abs=1e-9)
    for rows in draws():
        measured = model.measure(chosen(truth, rows), chosen(predictions, rows))
        assert statistic.of_rows(rows) == pytest.approx(metric_value(measured, metric), abs=1e-6), metric
    return statistic


@pytest.fixture(scope="module")
def classifier(tiny_checkpoint):
    return tfdomain.TextClassifier.from_pretrained(tiny_checkpoint, labels=LABELS)


@pytest.fixture(scope="module")
def classified():
    random = np.random.default_rng(0)
    return random.integers(3, size=NUM_ROWS).astype("int32"), random.dirichlet([1, 1, 1], NUM_ROWS).astype("float32")


@pytest.mark.parametrize(
    "metric", ["accuracy", "macro_f1", "weighted_recall", "log_loss", "roc_auc", "per_class.b.precision"]
)
def test_of_a_classifier(classifier, classified, metric):
    assert_measured_alike(classifier, *classified, metric)


def test_right_rows_are_known_where_the_metric_is_their_share(classifier, classified):
    labels, probabilities = classified
    right = statistic_of(classifier, *classified, "accuracy").right
    np.testing.assert_array_equal(right, probabilities.argmax(axis=1) == labels)
    assert statistic_of(classifier, *classified, "log_loss").right is None
    assert statistic_of(classifier, *classified, "macro_f1").right is None


def test_thresholds_and_costs_count(tiny_checkpoint):
    random = np.random.default_rng(0)
    costs = {"false_positive": 1.0, "false_negative": 5.0}
    model = tfdomain.TextClassifier.from_pretrained(
        tiny_checkpoint, labels=["no", "yes"], threshold=0.2, threshold_by={"costs": costs}
    )
    share = random.uniform(size=NUM_ROWS).astype("float32")
    truth, predictions = random.integers(2, size=NUM_ROWS), np.stack([1 - share, share], axis=1)
    for metric in ("accuracy", "macro_f1", "cost"):
        assert_measured_alike(model, truth, predictions, metric)


@pytest.mark.parametrize(
    "metric",
    [
        *("exact_match", "hamming_loss", "log_loss", "micro_f1", "macro_f1", "weighted_recall", "samples_f1"),
        *("mean_average_precision", "per_label.b.precision", "per_label.b.roc_auc"),
    ],
)
def test_of_labels_of_any_number(tiny_checkpoint, metric):
    random = np.random.default_rng(0)
    thresholds = {"a": 0.5, "b": 0.3, "c": 0.9}
    model = tfdomain.MultiLabelClassifier.from_pretrained(tiny_checkpoint, labels=LABELS, threshold=thresholds)
    truth = random.integers(2, size=(NUM_ROWS, 3))
    assert_measured_alike(model, truth, random.uniform(size=(NUM_ROWS, 3)).astype("float32"), metric)


@pytest.mark.parametrize("metric", ["mse", "mae", "rmse", "spearman", "r2"])
def test_of_a_regressor(tiny_checkpoint, metric):
    random = np.random.default_rng(0)
    model = tfdomain.TextRegressor.from_pretrained(tiny_checkpoint, targets=["x", "y"])
    truth = random.normal(size=(NUM_ROWS, 2)).astype("float32")
    assert_measured_alike(model, truth, truth + random.normal(size=truth.shape).astype("float32"), metric)


@pytest.mark.parametrize("words", [True, False])
@pytest.mark.parametrize("metric", ["entity_f1", "macro_entity_f1", "entity_recall", "per_entity.drug.f1"])
def test_of_a_tagger(tiny_checkpoint, metric, words):
    random = np.random.default_rng(0)
    model = tfdomain.TokenClassifier.from_pretrained(tiny_checkpoint, labels=["dose", "drug", "rare"])
    places = [(start, start + 3) for start in range(0, 20, 4)]

    def entities(row):
        labels = ["rare"] if row == 0 else random.choice(["drug", "dose"], 2)
        starts = random.choice(range(0, 20, 4), len(labels), replace=False)
        return [Entity(label, start, start + 3) for label, start in zip(labels, starts.tolist(), strict=True)]

    truth = [Annotation(entities(row), places if words else None) for row in range(NUM_ROWS)]
    guessed = [entities(1) if random.uniform() < 0.5 else each.entities for each in truth]
    predictions = [
        [{"label": one.label, "start": one.start, "end": one.end - (one.end == 7)} for one in row] for row in guessed
    ]
    assert_measured_alike(model, truth, predictions, metric)
    if words:
        assert_measured_alike(model, truth, predictions, "token_accuracy")


@pytest.mark.parametrize("metric", ["exact_match", "answer_f1", "answerable_f1", "no_answer_accuracy"])
def test_of_answers(tiny_checkpoint, metric):
    random = np.random.default_rng(0)
    model = tfdomain.SpanExtractor.from_pretrained(tiny_checkpoint)
    truth = np.array([[[0, 8]] if random.uniform() < 0.7 else [[0, 0]] for _ in range(NUM_ROWS)], "int32")
    answers = np.array([random.choice(["new card", "card", ""]) for _ in range(NUM_ROWS)], object)
    predictions = {"answer": answers, "context": np.full(NUM_ROWS, "new card is lost", object)}
    right = assert_measured_alike(model, truth, predictions, metric).right
    has_none = truth[:, 0, 1] == 0
    if metric == "exact_match":
        np.testing.assert_array_equal(right, answers == np.where(has_none, "", "new card"))
    elif metric == "no_answer_accuracy":
        np.testing.assert_array_equal(right, answers[has_none] == "")
    else:
        assert right is None


def test_of_scored_pairs(tiny_checkpoint):
    random = np.random.default_rng(0)
    model = tfdomain.TextEmbedder.from_pretrained(tiny_checkpoint, loss="cosine")
    vectors = {name: random.normal(size=(NUM_ROWS, 4)).astype("float32") for name in ("anchor", "positive")}
    for metric in ("spearman", "mse"):
        assert_measured_alike(model, random.uniform(size=NUM_ROWS), vectors, metric)


@pytest.mark.parametrize("metric", ["mrr", "recall_at_1", "ndcg_at_10"])
def test_of_a_search_each_query_keeps_all_items(tiny_checkpoint, metric):
    random = np.random.default_rng(0)
    model = tfdomain.TextEmbedder.from_pretrained(tiny_checkpoint)
    ids = np.stack([np.arange(NUM_ROWS) // 2, np.arange(NUM_ROWS)], axis=1)
    anchors = random.normal(size=(NUM_ROWS // 2, 4)).repeat(2, axis=0).astype("float32")
    vectors = {"anchor": anchors, "positive": anchors + random.normal(size=anchors.shape).astype("float32")}
    statistic = statistic_of(model, ids, vectors, metric)
    assert statistic.num_units == NUM_ROWS // 2
    assert statistic.value == pytest.approx(model.measure(ids, vectors)[metric])
    by_query = [statistic.of_rows(np.array([query])) for query in range(statistic.num_units)]
    assert statistic.of_rows(np.array([3, 3, 8])) == pytest.approx((2 * by_query[3] + by_query[8]) / 3)
    # One query and its items alone would be found at once.
    assert min(by_query) < 1


def test_rows_that_leave_the_metric_undefined_give_no_number(classifier, classified):
    labels, probabilities = classified
    statistic = statistic_of(classifier, labels, probabilities, "per_class.a.roc_auc")
    assert np.isnan(statistic.of_rows(np.flatnonzero(labels == 0)))


def test_metrics_that_the_task_does_not_have_are_refused(classifier, classified):
    with pytest.raises(InputError, match="no metric 'entity_f1'"):
        statistic_of(classifier, *classified, "entity_f1")
