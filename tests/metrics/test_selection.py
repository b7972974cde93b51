import math

import numpy as np
import pytest

from tfdomain.errors import InputError
from tfdomain.metrics.answers import answer_metrics
from tfdomain.metrics.classification import classification_metrics
from tfdomain.metrics.entities import entity_metrics
from tfdomain.metrics.multilabel import multilabel_metrics
from tfdomain.metrics.regression import regression_metrics
from tfdomain.metrics.retrieval import retrieval_metrics
from tfdomain.metrics.selection import SUMMARY_METRICS, is_better, metric_direction, metric_value
from tfdomain.metrics.thresholds import thresholded_metrics

SMALLER_IS_BETTER = {
    "loss", "log_loss", "hamming_loss", "mse", "rmse", "mae", "cost",
}  # fmt: skip


@pytest.fixture
def metrics():
    random = np.random.default_rng(0)
    return classification_metrics(random.integers(0, 3, 50), random.dirichlet(np.ones(3), 50), ["a", "b", "No. 3"])


@pytest.fixture
def tables(metrics):
    """One table of each task, none of it undefined."""
    costs = {"false_positive": 1, "false_negative": 2}
    return [
        metrics,
        {"cost": thresholded_metrics([0, 1, 1], [0.2, 0.4, 0.9], 0.5, costs=costs)["cost"]},
        multilabel_metrics([[1, 0], [0, 1]], [[0.9, 0.6], [0.2, 0.7]], ["fever", "dry cough"]),
        regression_metrics([[1, 2], [2, 4], [4, 1]], [[1, 2], [3, 3], [4, 2]], ["price", "No. 2"]),
        entity_metrics([[("drug", 0, 4)]], [[("drug", 0, 4)]], words=[[(0, 4)]]),
        answer_metrics([["北京"], []], ["北京市", ""]),
        retrieval_metrics([["a", "b"]], [{"b"}], ks=[1, 10]),
    ]


def leaves(table, prefix=""):
    for key, value in table.items():
        if isinstance(value, dict):
            yield from leaves(value, f"{prefix}{key}.")
        elif not isinstance(value, list):
            yield prefix + key, value


def test_every_summary_metric_but_the_loss_stands_in_the_table_of_a_task(tables):
    found = {name for table in tables for name, _ in leaves(table)}
    assert set(SUMMARY_METRICS) - found == {"loss"}


def test_every_score_of_every_table_can_be_chosen_by_and_read(tables):
    counts = ("num_examples", "num_entities", "num_without_relevant", "support", "predicted", "threshold")
    checked = 0
    for table in tables:
        for name, value in leaves(table):
            if name.rpartition(".")[2] not in counts:
                assert metric_direction(name) in ("min", "max")
                assert metric_value(table, name) == value
                checked += 1
    assert checked > 80


def test_dotted_names_reach_into_the_table_even_past_labels_with_dots(metrics):
    assert metric_value(metrics, "per_class.a.f1") == metrics["per_class"]["a"]["f1"]
    assert metric_value(metrics, "per_class.No. 3.recall") == metrics["per_class"]["No. 3"]["recall"]
    assert metric_value({"validation": metrics}, "validation.per_class.b.pr_auc") > 0


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("f1", "macro_f1"),
        ("per_class.z.f1", r"per_class\.a\.f1"),
        ("per_class", r"per_class\.a\.precision"),
        ("confusion_matrix", "num_examples, accuracy"),
        ("", "num_examples, accuracy"),
        ("per_class.a.f1.x", r"per_class\.a\.f1"),
        ("accurracy", "accuracy, or of"),
        ("per_class.a", r"per_class\.a\.f1"),
    ],
)
def test_an_unknown_name_is_answered_by_the_nearest_numbers_that_are_there(metrics, name, near):
    with pytest.raises(InputError, match=rf"there is no metric {name!r}; choose one of .*{near}") as caught:
        metric_value(metrics, name)
    assert str(caught.value).count(",") <= 12


def test_an_undefined_value_is_an_error_that_says_why():
    metrics = classification_metrics([0, 0], [[0.7, 0.3], [0.6, 0.4]], ["a", "b"])
    with pytest.raises(InputError, match="'roc_auc' is undefined on these examples"):
        metric_value(metrics, "roc_auc")


def test_losses_are_better_when_smaller_and_scores_when_larger():
    assert {name for name in SUMMARY_METRICS if metric_direction(name) == "min"} == SMALLER_IS_BETTER
    assert metric_direction("per_class.in arrears.recall") == metric_direction("per_label.mse.f1") == "max"
    assert metric_direction("per_target.No. 2.mae") == "min" and metric_direction("per_target.mae.r2") == "max"
    assert metric_direction("ndcg_at_10") == metric_direction("per_entity.drug.f1") == "max"
    assert is_better("macro_f1", 0.8, 0.7) and not is_better("macro_f1", 0.7, 0.7)
    assert is_better("log_loss", 0.1, 0.2) and not is_better("log_loss", 0.2, 0.1)


def test_anything_beats_nothing_but_nan_beats_nothing_at_all():
    assert is_better("accuracy", 0.0, None) and is_better("loss", 9.0, math.nan)
    assert not is_better("loss", math.nan, 9.0) and not is_better("accuracy", math.nan, None)


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("f1", "macro_f1, entity_f1, answer_f1"),
        ("val_loss", "log_loss, loss"),
        ("MSE", "rmse, mse"),
        ("pearsonr", "pearson"),
        ("auc", "pr_auc, roc_auc"),
        ("recall_at_0", "recall_at_<k>"),
        ("ndcg", "ndcg_at_<k>"),
        ("map_at_10", ""),
        ("per_class.a.support", r"per_class\.<class>\.f1"),
        ("per_class", r"per_class\.<class>\.f1"),
        ("per_class.f1", r"per_class\.<class>\.f1"),
        ("per_target.price.f1", r"per_target\.<target>\.mae"),
        ("per_entity.drug.roc_auc", "per_entity"),
        ("xyz", "accuracy, macro_f1, .*spearman, .*entity_f1, .*ndcg_at_<k>"),
        ("", "accuracy, macro_f1"),
    ],
)
def test_a_name_to_choose_by_is_checked_before_there_are_values(name, near):
    for ask in (lambda: metric_direction(name), lambda: is_better(name, 1.0, 0.0)):
        with pytest.raises(InputError, match=rf"there is no metric {name!r}; choose one of .*{near}") as caught:
            ask()
        assert len(str(caught.value)) < 320
