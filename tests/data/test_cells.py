import datetime
import decimal

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from tfdomain.data.cells import as_cells, as_days, as_numbers
from tfdomain.errors import InputError

EPOCH = datetime.date(1970, 1, 1)


def write_date(day: datetime.date, form: int) -> tuple[str, datetime.date]:
    """A date in one of the known forms, and the day that is left of it."""
    first = day.replace(day=1)
    month = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"][day.month - 1]
    full = str.maketrans("0123456789/-", "０１２３４５６７８９／－")
    return [
        (day.isoformat(), day),
        (f"{day.isoformat()}T23:59:59.25+08:00", day),
        (f"{day.year}/{day.month}/{day.day}", day),
        (f"{day:%Y/%m/%d}".translate(full), day),
        (f"{day:%Y%m%d}", day),
        (f"{day:%Y-%m}", first),
        (f"{day.year}年{day.month}月{day.day}日", day),
        (f"{day.year}年{day.month}月{day.day}日".translate(full), day),
        (f"{day.year}年{day:%m}月", first),
        (f"{month}-{day.year}", first),
        (f" {month.upper()}-{day.year}　", first),
        (f"{month.lower()}-{day:%y}", first),
    ][form]


def random_dates(count: int, seed: int = 0) -> tuple[list[str], np.ndarray]:
    """Texts in every form, and their days since 1970 by Python's own calendar."""
    random = np.random.default_rng(seed)
    texts, days = [], []
    for number in range(count):
        form = number % 12
        # Two digits mean the years from 1969 to 2068.
        start, end = (1969, 2069) if form == 11 else (1000, 10000)
        low, high = datetime.date(start, 1, 1).toordinal(), datetime.date(end - 1, 12, 31).toordinal()
        text, day = write_date(datetime.date.fromordinal(int(random.integers(low, high + 1))), form)
        texts.append(text)
        days.append((day - EPOCH).days)
    return texts, np.array(days, "float64")


def test_days_equal_the_calendar_in_every_form():
    texts, expected = random_dates(2400)
    days, malformed = as_days(texts, "day")
    assert days.dtype == np.float64
    np.testing.assert_array_equal(days, expected)
    assert not malformed.any()


@pytest.mark.parametrize(
    "text",
    ["2011-02-29", "1900-02-29", "2011-13-01", "2011-00-01", "2011-04-31", "2011-01-00", "0999-01-01", "20110229",
     "Foo-2011", "12-11", "2011", "x", "2011-12-01 noon", "1/12/2011", "2011年13月1日", "🙂", "2011-1-1-1"],
)  # fmt: skip
def test_what_is_no_date(text):
    days, malformed = as_days([text, "", None, " "], "day")
    assert np.isnan(days).all()
    assert malformed.tolist() == [True, False, False, False]


def test_leap_days():
    assert as_days(["2012-02-29", "2000-02-29"], "day")[0].tolist() == [15399.0, 11016.0]


def test_arrow_dates_and_integers_are_dates():
    moments = pa.array([datetime.datetime(1960, 2, 3, 23, 59), None])
    days, malformed = as_days(moments, "day")
    assert days[0] == (datetime.date(1960, 2, 3) - EPOCH).days and np.isnan(days[1]) and not malformed.any()
    assert as_days(pa.chunked_array([[20111201], [19700102]]), "day")[0].tolist() == [15309, 1]


@pytest.mark.parametrize(
    ("text", "number"),
    [("1,234,567.5", 1234567.5), ("12.5%", 12.5), ("１２．５ ％", 12.5), ("－３", -3), ("−3", -3), (" +4 ", 4),
     ("1e-2", 0.01), ("1E+3", 1000), (".5", 0.5), ("5.", 5), ("007", 7), ("　8", 8)],
)  # fmt: skip
def test_numbers_as_people_write_them(text, number):
    numbers, malformed = as_numbers([text], "amount")
    assert numbers.dtype == np.float32
    assert numbers[0] == np.float32(number) and not malformed[0]


@pytest.mark.parametrize(
    "text", ["", " ", None, "NaN", "-inf", "Infinity", "N/A", "na", "NULL", "None", "1e39", "-1e999"]
)
def test_missing_numbers(text):
    numbers, malformed = as_numbers(pa.array([text], pa.string()), "amount")
    assert np.isnan(numbers[0]) and not malformed[0]


@pytest.mark.parametrize("text", ["abc", "1,23", "1.2.3", "1,2345", "--1", "$5", "12%%", "1e", ".", "一", "nano"])
def test_what_is_no_number(text):
    numbers, malformed = as_numbers([text], "amount")
    assert np.isnan(numbers[0]) and malformed[0]


def test_typed_numbers():
    for values in (pd.Series([1.0, None, np.inf]), pa.chunked_array([[1.0], [None, float("nan")]]), [1, None, None]):
        numbers, malformed = as_numbers(values, "amount")
        np.testing.assert_array_equal(numbers, np.array([1, np.nan, np.nan], "float32"))
        assert not malformed.any()
    assert as_numbers([True, False], "amount")[0].tolist() == [1, 0]
    assert as_numbers([decimal.Decimal("1.5")], "amount")[0].tolist() == [1.5]


@pytest.mark.parametrize(
    ("values", "cells"),
    [
        ([" a\t", "　b c　", None, ""], ["a", "b c", "", ""]),
        ([36.0, 2.5, None], ["36", "2.5", ""]),
        ([True, None], ["true", ""]),
        ([None, None], ["", ""]),
        ([datetime.date(2011, 12, 1), None], ["2011-12-01", ""]),
        (pd.Series(["x", None], dtype="category"), ["x", ""]),
        (pa.array(["x", None], pa.string_view()), ["x", ""]),
        (pa.array([b"x", None]), ["x", ""]),
        (pa.chunked_array([["🙂"], ["中文"]]), ["🙂", "中文"]),
    ],
)
def test_cells_are_trimmed_text(values, cells):
    assert as_cells(values, "column").to_pylist() == cells


@pytest.mark.parametrize("values", [["a", 1], [[1], [2]], [datetime.time(1)], [object()]])
def test_columns_of_other_things_are_named(values):
    with pytest.raises(InputError, match=r"column 'odd': (mixes types|holds ).*(text, numbers, booleans or dates)"):
        as_cells(values, "odd")
