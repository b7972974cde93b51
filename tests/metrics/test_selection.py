import math

import numpy as np
import pytest

from tfdomain.errors import InputError
from tfdomain.metrics.classification import classification_metrics
from tfdomain.metrics.selection import SUMMARY_METRICS, is_better, metric_direction, metric_value


@pytest.fixture
def metrics():
    random = np.random.default_rng(0)
    return classification_metrics(random.integers(0, 3, 50), random.dirichlet(np.ones(3), 50), ["a", "b", "No. 3"])


def test_every_summary_metric_but_the_loss_is_a_flat_number_of_the_table(metrics):
    for name in SUMMARY_METRICS:
        if name != "loss":
            assert metric_value(metrics, name) == metrics[name]


def test_dotted_names_reach_into_the_table_even_past_labels_with_dots(metrics):
    assert metric_value(metrics, "per_class.a.f1") == metrics["per_class"]["a"]["f1"]
    assert metric_value(metrics, "per_class.No. 3.recall") == metrics["per_class"]["No. 3"]["recall"]
    assert metric_value({"validation": metrics}, "validation.per_class.b.pr_auc") > 0


@pytest.mark.parametrize("name", ["f1", "per_class.z.f1", "per_class", "confusion_matrix", "", "per_class.a.f1.x"])
def test_an_unknown_name_lists_the_choices(metrics, name):
    with pytest.raises(InputError, match=r"there is no metric .*choose one of .*macro_f1"):
        metric_value(metrics, name)


def test_an_undefined_value_is_an_error_that_says_why():
    metrics = classification_metrics([0, 0], [[0.7, 0.3], [0.6, 0.4]], ["a", "b"])
    with pytest.raises(InputError, match="'roc_auc' is undefined on these examples"):
        metric_value(metrics, "roc_auc")


def test_losses_are_better_when_smaller_and_scores_when_larger():
    assert {name for name in SUMMARY_METRICS if metric_direction(name) == "min"} == {"loss", "log_loss"}
    assert metric_direction("per_class.in arrears.recall") == "max"
    assert is_better("macro_f1", 0.8, 0.7) and not is_better("macro_f1", 0.7, 0.7)
    assert is_better("log_loss", 0.1, 0.2) and not is_better("log_loss", 0.2, 0.1)


def test_anything_beats_nothing_but_nan_beats_nothing_at_all():
    assert is_better("accuracy", 0.0, None) and is_better("loss", 9.0, math.nan)
    assert not is_better("loss", math.nan, 9.0) and not is_better("accuracy", math.nan, None)


@pytest.mark.parametrize("name", ["f1", "val_loss", "per_class.a.support", "per_class", "per_class.f1"])
def test_a_name_to_choose_by_is_checked_before_there_are_values(name):
    with pytest.raises(InputError, match="choose one of accuracy, "):
        metric_direction(name)
    with pytest.raises(InputError, match="choose one of accuracy, "):
        is_better(name, 1.0, 0.0)
