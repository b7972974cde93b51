import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tfdomain.data.targets import target_values
from tfdomain.errors import InputError


def refusal(*arguments, **options) -> str:
    with pytest.raises(InputError) as caught:
        target_values(*arguments, **options)
    message = str(caught.value)
    assert "\n" not in message
    return message


@pytest.mark.parametrize(
    "column",
    [
        ["1", "-2.5", "3e2"],
        [" 1.0 ", "-2.50\r\n", "+300"],
        ["１", "－２．５", "３ｅ２"],
        [1, -2.5, 300],
        np.array([1, -2.5, 300]),
        pd.Series([1, -2.5, 300], dtype="float32"),
        pd.Series(["1", "-2.5", "300."]),
        pa.chunked_array([["1"], [], ["-25e-1", "3E+2"]]),
        pa.array(["1", "-2.5", "300"]).dictionary_encode(),
        pa.array(["1", "-2.5", "300"], pa.large_string()),
    ],
)
def test_one_target_in_every_form(column):
    targets = target_values([column], ["score"])
    assert targets.values.dtype == np.float32
    assert targets.values.tolist() == [[1.0], [-2.5], [300.0]]
    assert targets.sound.tolist() == [True] * 3
    assert targets.counts == {}


def test_several_targets_and_no_rows():
    targets = target_values([["1", "2"], [3, 4], np.array([0.5, 1.5])], ["a", "b", "c"])
    assert targets.values.tolist() == [[1, 3, 0.5], [2, 4, 1.5]]
    assert target_values([[], []], ["a", "b"]).values.shape == (0, 2)


@given(st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), max_size=20))
def test_what_python_writes_is_read_back(numbers):
    for column in ([repr(number) for number in numbers], [f"{number:.9e}" for number in numbers]):
        read = target_values([column], ["score"]).values[:, 0]
        np.testing.assert_array_equal(read, np.array(numbers, np.float32))


FAULTS = [
    ("", "empty", "is empty"),
    (" \u3000", "empty", "is empty"),
    (None, "empty", "is empty"),
    ("NaN", "NaN", "is 'NaN', not a number"),
    ("-inf", "infinite", "is '-inf', not a finite number"),
    ("Infinity", "infinite", "not a finite number"),
    ("1e39", "beyond float32", "is '1e39', beyond the range of float32"),
    ("-1e999", "beyond float32", "beyond the range of float32"),
    ("12,5", "not a number", "is '12,5', not a number (write 12.5)"),
    ("１２，５", "not a number", "is '１２，５', not a number (write 12.5)"),
    ("1.234,56", "not a number", "(write 1234.56)"),
    ("1,234.5", "not a number", "(write 1234.5)"),
    ("1,234", "not a number", "(write 1234 or 1.234)"),
    ("1,234,567", "not a number", "(write 1234567)"),
    ("95%", "not a number", "(write 95 in all rows alike)"),
    ("1_000", "not a number", "is '1_000', not a number;"),
    ("0x10", "not a number", "is '0x10', not a number;"),
    ("5²", "not a number", "is '5²', not a number;"),
    ("٣", "not a number", "is '٣', not a number;"),
    ("三", "not a number", "is '三', not a number;"),
    ("1\n2", "not a number", "not a number"),
    ("." * 100, "not a number", "....', not a number"),
]


@pytest.mark.parametrize(("value", "kind", "words"), FAULTS)
def test_a_faulty_target(value, kind, words):
    column = ["1", value, "2"]
    message = refusal([column], ["score"], where=lambda row: f"t.csv: line {row + 2}", skip_mend="do this")
    assert message.startswith("t.csv: line 3: 'score' is ")
    assert words in message
    assert message.endswith("; write a number such as 12.5, or do this to leave such rows out")
    assert len(message) < 200
    targets = target_values([column], ["score"], on_bad="skip")
    assert targets.sound.tolist() == [True, False, True]
    assert targets.counts == {kind: 1}
    assert np.isnan(targets.values).ravel().tolist() == [False, True, False]


@pytest.mark.parametrize(("value", "kind"), [(np.nan, "NaN"), (np.inf, "infinite"), (1e300, "beyond float32")])
def test_a_faulty_number(value, kind):
    columns = [[1.0, 2.0], np.array([value, 4.0])]
    message = refusal(columns, ["a", "b"])
    assert message.startswith("targets[0]: 'b' is ")
    assert target_values(columns, ["a", "b"], on_bad="skip").counts == {kind: 1}
    assert target_values([pa.array([1.0, None])], ["a"], on_bad="skip").counts == {"empty": 1}


def test_faults_are_counted_by_rows():
    columns = [["1", "x", "12,5", *["nan"] * 1500], ["", "y", "1", *["2"] * 1500]]
    message = refusal(columns, ["a", "b"], where=lambda row: f"t.csv: line {row + 2}")
    assert message == (
        "1,503 rows have targets that are no numbers: t.csv: line 2: 'b' is empty, t.csv: line 3: 'a' is 'x', not a "
        "number, t.csv: line 4: 'a' is '12,5', not a number (write 12.5), t.csv: line 5: 'a' is 'nan', not a number, "
        "t.csv: line 6: 'a' is 'nan', not a number, and 1,498 more; write numbers such as 12.5"
    )
    counts = target_values(columns, ["a", "b"], on_bad="skip").counts
    assert counts == {"empty": 1, "not a number": 2, "NaN": 1500}


def test_what_are_no_columns():
    assert "differ in length: 1 in a, 2 in b" in refusal([["1"], ["1", "2"]], ["a", "b"])
    assert "there are 2 columns for 1 names" in refusal([["1"], ["2"]], ["a"])
    assert "there are 0 columns" in refusal([], [])
    assert "score: is one string" in refusal(["12"], ["score"])
    assert "score: has 2 dimensions" in refusal([np.ones((2, 2))], ["score"])
    assert "score: holds bool, not numbers" in refusal([[True, False]], ["score"])
    assert "score: mixes kinds" in refusal([["1", 2]], ["score"])
    assert "choose refuse or skip" in refusal([["1"]], ["score"], on_bad="ignore")


@pytest.mark.real
@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_similarities_of_stsb(data_dir, language):
    # The files have no header.
    file = data_dir / "stsb_en_zh" / f"stsb-{language}-dev.csv"
    column = pd.read_csv(file, header=None, dtype=str, keep_default_na=False)[2]
    targets = target_values([column], ["similarity"])
    np.testing.assert_array_equal(targets.values[:, 0], column.astype("float32"))
    assert len(column) > 1400
    assert (targets.values.min(), targets.values.max()) == (0, 5)
