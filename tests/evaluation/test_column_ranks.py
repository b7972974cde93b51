import numpy as np
import pandas as pd
import pytest
import scipy.stats
from sklearn.metrics import roc_auc_score

from tfdomain.errors import InputError
from tfdomain.evaluation.column_ranks import column_ranks

ROWS = 2000


@pytest.fixture(scope="module")
def table() -> tuple[dict, np.ndarray]:
    random = np.random.default_rng(0)
    bad = random.random(ROWS) < 0.2
    days = np.datetime64("2010-01-01") + random.integers(0, 300, ROWS) + 100 * bad
    chance = np.where(bad, 0.7, 0.3)
    columns = {
        "noise": random.normal(size=ROWS),
        "good": bad + random.normal(size=ROWS),
        "against": np.char.mod("%.3f", random.normal(size=ROWS) - 2 * bad),
        "filled if bad": np.where(bad, random.normal(size=ROWS), np.nan),
        "issued": days.astype(str),
        "grade": np.where(random.random(ROWS) < chance, "D", "A"),
        "id": [f"loan {number}" for number in range(ROWS)],
        "many": random.choice([f"v{number}" for number in range(500)], ROWS),
        "same": ["x"] * ROWS,
        "empty": [""] * ROWS,
    }
    return columns, bad


def test_each_column_against_the_labels(table):
    columns, bad = table
    ranks = column_ranks(columns, np.where(bad, "bad", "paid"))
    assert [rank.score for rank in ranks] == sorted((rank.score for rank in ranks), reverse=True)
    scores = {rank.name: rank.score for rank in ranks}
    assert scores["good"] == pytest.approx(roc_auc_score(bad, np.float32(columns["good"])))
    assert scores["against"] == pytest.approx(1 - roc_auc_score(bad, columns["against"].astype(float)))
    assert scores["issued"] == pytest.approx(roc_auc_score(bad, pd.to_datetime(columns["issued"]).astype("int64")))
    assert scores["grade"] == pytest.approx(roc_auc_score(bad, columns["grade"] == "D"), abs=0.003)
    assert scores["filled if bad"] == 1
    assert scores["id"] == scores["same"] == scores["empty"] == 0.5
    for name in ("noise", "many"):
        assert scores[name] == pytest.approx(0.5, abs=0.04), name
    kinds = {rank.name: rank.kind for rank in ranks}
    assert (kinds["against"], kinds["issued"], kinds["grade"]) == ("numeric", "date", "category")
    missing = {rank.name: rank.missing_rate for rank in ranks}
    assert missing["empty"] == 1 and missing["good"] == 0
    assert missing["filled if bad"] == pytest.approx(1 - bad.mean())


def test_labels_and_seed(table):
    columns, bad = table
    first = column_ranks(columns, bad)
    assert first == column_ranks(columns, bad.astype(int)) == column_ranks(columns, bad, seed=0)
    assert first != column_ranks(columns, bad, seed=1)
    as_text = column_ranks(columns, bad, kinds={"good": "category"})
    assert {rank.name: rank for rank in as_text}["good"].score == pytest.approx(0.5, abs=0.03)


def test_several_classes_count_the_one_told_best(table):
    columns, bad = table
    labels = np.where(bad, "bad", np.where(np.arange(ROWS) % 2, "paid", "late"))
    scores = {rank.name: rank.score for rank in column_ranks(columns, labels)}
    expected = max(
        max(area, 1 - area)
        for area in (roc_auc_score(labels == name, columns["good"]) for name in ("bad", "paid", "late"))
    )
    assert scores["good"] == pytest.approx(expected, abs=1e-6)


def test_regression_is_by_rank(table):
    columns, bad = table
    target = np.random.default_rng(1).normal(size=ROWS) - bad
    scores = {rank.name: rank.score for rank in column_ranks(columns, target, regression=True)}
    expected = scipy.stats.spearmanr(np.float32(columns["good"]), target).statistic
    assert expected < 0
    assert scores["good"] == pytest.approx(-expected)
    assert scores["grade"] == pytest.approx(
        abs(scipy.stats.spearmanr(columns["grade"] == "D", target).statistic), abs=0.02
    )
    for name in ("id", "same", "empty", "many"):
        assert scores[name] == pytest.approx(0, abs=0.08), name


def test_labels_that_say_nothing():
    with pytest.raises(InputError, match="the labels hold 1 value"):
        column_ranks({"a": [1, 2]}, [1, 1])
    with pytest.raises(InputError, match="column 'a' has 3 rows, the labels 2"):
        column_ranks({"a": [1, 2, 3]}, [0, 1])


@pytest.mark.real
def test_a_leak_is_seen_in_lendingclub(data_dir):
    loans = pd.read_csv(data_dir / "lendingclub" / "lendingclub_2007_2011.csv.gz", dtype=str, keep_default_na=False)
    names = ["loan_amnt", "annual_inc", "purpose", "home_ownership", "issue_d", "grade", "total_pymnt", "recoveries"]
    ranks = column_ranks({name: loans[name] for name in names}, loans.is_bad)
    assert [rank.name for rank in ranks[:3]] == ["recoveries", "total_pymnt", "grade"]
    scores = {rank.name: rank.score for rank in ranks}
    assert scores["recoveries"] > 0.8
    assert max(scores[name] for name in names[:5]) < 0.6
    # docs/features.md tells both: of all rows, and of those that experiments/lendingclub.yaml trains on.
    early = loans[loans.issue_d < "2011"].sample(8000, random_state=0).sort_index()
    [trained_on] = column_ranks({"total_pymnt": early.total_pymnt}, early.is_bad)
    assert (round(scores["total_pymnt"], 2), round(trained_on.score, 2)) == (0.75, 0.76)
