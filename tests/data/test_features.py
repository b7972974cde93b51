import doctest
import json

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import scipy.stats

from tfdomain.data import features as module
from tfdomain.data.features import FeatureSpec, feature_arrays, guess_kind, learn_features
from tfdomain.errors import InputError


def test_the_example_in_the_docstring_is_true():
    outcome = doctest.testmod(module)
    assert outcome.attempted > 0 and outcome.failed == 0


def test_numbers():
    values = np.random.default_rng(0).normal(50, 9, 500)
    values[::7] = np.nan
    [spec] = learn_features({"dti": values})
    filled = pd.Series(values.astype("float32").astype("float64"))
    filled = filled.fillna(filled.median())
    assert (spec.kind, spec.has_missing, spec.log) == ("numeric", True, False)
    assert spec.median == pytest.approx(np.nanmedian(values), rel=1e-6)
    assert spec.mean == pytest.approx(filled.mean())
    assert spec.deviation == pytest.approx(filled.std(ddof=0))


def test_heavy_tails_are_logged():
    incomes = np.random.default_rng(0).lognormal(11, 1, 500)
    assert scipy.stats.skew(incomes) > 2
    [spec] = learn_features({"income": incomes})
    assert spec.log
    assert spec.mean == pytest.approx(np.log1p(incomes).mean(), rel=1e-5)
    assert spec.median == pytest.approx(np.median(incomes), rel=1e-5)
    [debt, left] = learn_features({"debt": incomes - incomes.min() - 1, "left": incomes.max() - incomes})
    assert not debt.log and not left.log


def test_categories():
    values = ["b"] * 3 + ["a"] * 3 + ["中"] * 4 + ["rare"] + [" "] + [None] + [" b "]
    [spec] = learn_features({"purpose": values})
    assert spec == FeatureSpec("purpose", "category", has_missing=True, vocabulary=("b", "中", "a"), has_unknown=True)
    [spec] = learn_features({"purpose": values}, max_categories=2, min_count=1)
    assert spec.vocabulary == ("b", "中") and spec.has_unknown
    [spec] = learn_features({"purpose": values[:10]})
    assert not spec.has_missing and not spec.has_unknown


def test_dates():
    [spec] = learn_features({"issued": ["2011-12-01", "Dec-11", "2011年12月3日", ""]})
    assert (spec.kind, spec.has_missing, spec.median) == ("date", True, 15309.0)
    assert spec.mean == pytest.approx(15309.5)


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (["1", "2,000", "", "N/A", "12%"], "numeric"),
        (["1", "2", "x"], "category"),
        (["2010", "2011"], "numeric"),
        (["20101201", "20110105", ""], "date"),
        ([20101201, 20110105], "date"),
        ([20101201, 20119999], "numeric"),
        (["30101201", "90110105"], "numeric"),
        (["2010-12-01", "Dec-2010", None], "date"),
        (["2010-12-01", "someday"], "category"),
        ([True, False], "category"),
        ([1.5, None], "numeric"),
        (pd.to_datetime(["2010-12-01", "2011-01-01"]), "date"),
        (["", None], "category"),
    ],
)
def test_kinds_are_told_from_the_values(values, kind):
    assert guess_kind(pd.Series(values) if not isinstance(values, list) else values, "column") == kind


def test_specs_stand_json():
    table = {"n": [1, 2, None], "c": ["中", "中", "🙂"], "d": ["2011-01", "2012-01", ""]}
    specs = learn_features(table)
    again = [FeatureSpec.from_json(json.loads(json.dumps(spec.to_json()))) for spec in specs]
    assert again == specs
    assert [spec.kind for spec in again] == ["numeric", "category", "date"]


def test_only_chosen_columns_in_their_order():
    table = {"a": [1, 2], "b": [1, 3], "term": [36, 36, 60] * 2, "leak": [0, 1]}
    assert [spec.name for spec in learn_features(table, ["b", "a"], refused=["leak"])] == ["b", "a"]
    assert [spec.name for spec in learn_features(table, refused=["leak"])] == ["a", "b", "term"]
    term, a = learn_features(table, {"term": "category", "a": None})
    assert term.vocabulary == ("36", "60") and a.kind == "numeric"


@pytest.mark.parametrize(
    ("kinds", "message"),
    [
        (["loan_amt"], "data.features: there is no column 'loan_amt'; did you mean loan_amnt?"),
        (["zzz"], "there is no column 'zzz'; the columns are loan_amnt, total_pymnt, id, purpose"),
        (["total_pymnt"], "column 'total_pymnt' is refused; take it out of data.features, or out of data.refuse"),
        ({"purpose": "text"}, "data.features.purpose: 'text' is no kind of feature; choose numeric, category, date"),
        (["id"], "the category 'id' has 20 values in 20 rows: an id, or free text; take it out of data.features"),
        (["same"], "column 'same' has one value only, 'x', in the training rows; take it out"),
        (["same number"], "column 'same number' has one value only, 5.0, in the training rows"),
        (["empty"], "column 'empty' has no value in the training rows"),
        (["nan"], "column 'nan' has no value in the training rows"),
        ({"nan": "date"}, "20 values are no date in the date column 'nan': nan[0]: 'NaN'"),
        ({"odd": "numeric"}, "1 value is no number in the numeric column 'odd': odd[3]: 'abc'; mend or empty these"),
        ({"purpose": "numeric"}, "20 values are no number in the numeric column 'purpose': purpose[0]: 'car',"),
        ({"purpose": "numeric"}, "purpose[4]: 'house', and 15 more; mend or empty these cells"),
    ],
)  # fmt: skip
def test_what_cannot_be_a_feature(kinds, message):
    table = {
        "loan_amnt": range(20), "total_pymnt": range(20), "id": [f"x{number}" for number in range(20)],
        "purpose": ["car"] * 4 + ["house"] * 16, "same": ["x"] * 20, "same number": [5] * 20, "empty": [""] * 20,
        "nan": ["NaN"] * 20, "odd": ["1", "2", "", "abc"] + ["3"] * 16,
    }  # fmt: skip
    with pytest.raises(InputError) as caught:
        learn_features(table, kinds, refused=["total_pymnt", "recoveries"])
    assert message in str(caught.value)


def test_rare_values_only():
    with pytest.raises(InputError, match="no value of the category 'c' stands in 5 rows"):
        learn_features({"c": ["a", "b"] * 4}, min_count=5)


def test_faulty_rows_are_named_by_their_place():
    with pytest.raises(InputError, match=r"1 value is .* 'a': train.csv: line 3: '１x'"):
        learn_features({"a": ["1", "１x"]}, {"a": "numeric"}, where=lambda row: f"train.csv: line {row + 2}")


def test_arrays():
    specs = learn_features({"n": [1, 2], "c": ["a", "a", "b"], "d": ["2011-01", "2012-01"]})
    table = {
        "n": pa.chunked_array([["1,000"], ["", "inf"]]),
        "c": pa.chunked_array([[" a", None, "new"]]),
        "d": ["2011年1月2日", "", "never"],
        "other": [[1], [2], [3]],
    }
    arrays = feature_arrays(specs, table)
    assert list(arrays) == ["n", "c", "d"]
    assert arrays["n"].dtype == np.float32
    np.testing.assert_array_equal(arrays["n"], np.array([1000, np.nan, np.nan], "float32"))
    assert arrays["c"].dtype == object and arrays["c"].tolist() == ["a", "", "new"]
    assert arrays["d"].tolist() == ["2011年1月2日", "", "never"]
    with pytest.raises(InputError, match=r"in the numeric column 'n': row 1: 'many'"):
        feature_arrays(specs, table | {"n": ["1", "many"]}, where=lambda row: f"row {row}")
    with pytest.raises(InputError, match="there is no column 'd'"):
        feature_arrays(specs, {"n": [1], "c": ["a"]})


def lendingclub(data_dir, *columns) -> pd.DataFrame:
    path = data_dir / "lendingclub" / "lendingclub_2007_2011.csv.gz"
    return pd.read_csv(path, dtype=str, keep_default_na=False, usecols=[*columns, "issue_d"] if columns else None)


@pytest.mark.real
def test_lendingclub(data_dir):
    loans = lendingclub(data_dir)
    known = loans[loans.issue_d < "2011"]
    table = {name: pa.chunked_array([pa.array(known[name].tolist(), pa.string())]) for name in known}
    refused = ["total_pymnt", "recoveries"]
    chosen = ["loan_amnt", "annual_inc", "home_ownership", "purpose", "issue_d", "zip_code", "earliest_cr_line"]
    specs = {spec.name: spec for spec in learn_features(table, chosen, refused=refused)}
    kinds = [spec.kind for spec in specs.values()]
    assert kinds == ["numeric", "numeric", "category", "category", "date", "category", "date"]
    assert specs["annual_inc"].log and specs["annual_inc"].has_missing
    assert specs["purpose"].vocabulary[0] == "debt_consolidation"
    assert set(specs["purpose"].vocabulary) == set(known.purpose)
    assert specs["loan_amnt"].mean == pytest.approx(known.loan_amnt.astype(float).mean())
    later = loans[loans.issue_d >= "2011"]
    arrays = feature_arrays(list(specs.values()), {name: later[name] for name in later})
    expected = pd.to_numeric(later.annual_inc).to_numpy("float32")
    np.testing.assert_array_equal(arrays["annual_inc"], expected)
    for name, mend in {"desc": "free text", "application_type": "one value only", "recoveries": "is refused"}.items():
        with pytest.raises(InputError, match=mend):
            learn_features(table, [name], refused=refused)
