"""Raw columns to numbers and category ids, inside the graph.

It does in TensorFlow's ops what `tfdomain.data.features` did to the training rows, so that an exported
model takes the columns as they stand in a file. It has no weights: what it gives can be made once before
training.
"""

import math
from collections.abc import Mapping, Sequence

import tensorflow as tf

from tfdomain.data.cells import BLANKS, DATE, DATE_REWRITES
from tfdomain.data.features import FeatureSpec
from tfdomain.errors import InputError

__all__ = ["MISSING_ID", "UNKNOWN_ID", "FeatureReader", "read_dates"]

# Standard deviations; a slip of the pen in one cell must not drown the others.
LIMIT = 10.0
UNKNOWN_ID, MISSING_ID, FIRST_ID = 0, 1, 2


class FeatureReader(tf.Module):
    """Raw columns by name become `features` and `category_ids`.

    It holds lookup tables: whatever is exported has to track it.

    Args:
        specs: What was learned of each column; their order is that of the outputs.

    Raises:
        InputError: There is no spec, or two of one name.
    """

    def __init__(self, specs: Sequence[FeatureSpec]):
        super().__init__()
        names = [spec.name for spec in specs]
        if not names or len(set(names)) < len(names):
            raise InputError(f"features are {names}", mend="give at least one, each once")
        self._specs = tuple(specs)
        self._tables = {spec.name: _vocabulary_table(spec) for spec in specs if spec.kind == "category"}

    @property
    def num_features(self) -> int:
        """The number of columns of `features`."""
        return sum(
            (1 if spec.kind == "numeric" else 5) + spec.has_missing for spec in self._specs if spec.kind != "category"
        )

    def signature(self) -> dict[str, tf.TensorSpec]:
        """The raw columns: float32 `[batch]` for numbers, strings `[batch]` for categories and dates."""
        return {
            spec.name: tf.TensorSpec([None], tf.float32 if spec.kind == "numeric" else tf.string)
            for spec in self._specs
        }

    def __call__(self, columns: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """Reads a batch of rows.

        Args:
            columns: float32 `[batch]` for each numeric feature, NaN and infinity are missing; strings
                `[batch]` for categories and dates, empty or blank ones are missing. Others are ignored.

        Returns:
            - `features`: float32 `[batch, num_features]`. For numbers and dates the standardised value
              within ±10, imputed where it is missing; a flag, 1 = missing, where training rows had
              missing values; for dates also sine and cosine of the month and of the weekday, 0 if missing.
            - `category_ids`: int32 `[batch, num_categories]`: 0 = unknown, 1 = missing, then the vocabulary.
        """
        numbers, ids = [], []
        for spec in self._specs:
            values = columns[spec.name]
            if spec.kind == "category":
                ids.append(self._tables[spec.name].lookup(tf.strings.regex_replace(values, BLANKS, "")))
            elif spec.kind == "date":
                days, month = read_dates(values)
                numbers += [*_standardise(days, spec), *_circle(month, 12), *_circle(days + 3, 7)]
            else:
                numbers += _standardise(tf.cast(values, tf.float32), spec)
        # Without numbers, or without categories, the batch size still has to be right.
        rows = tf.shape(columns[self._specs[0].name])[0]
        return {
            "features": tf.stack(numbers, axis=-1) if numbers else tf.zeros([rows, 0]),
            "category_ids": tf.stack(ids, axis=-1) if ids else tf.zeros([rows, 0], tf.int32),
        }


def read_dates(texts: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """The days since 1970-01-01 and the months from 0, NaN where a text is no date.

    Args:
        texts: Strings of any shape, in the forms that `tfdomain.data.cells.as_days` reads.

    Returns:
        float32, twice, of the same shape.

    Reference: Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms" (days_from_civil).
    """
    texts = tf.strings.regex_replace(texts, BLANKS, "")
    for pattern, replacement in DATE_REWRITES:
        texts = tf.strings.regex_replace(texts, pattern, replacement)
    sound = tf.strings.regex_full_match(texts, DATE)
    texts = tf.where(sound, texts, "1970-1-1")
    year, month, day = (
        tf.strings.to_number(tf.strings.regex_replace(texts, DATE, rf"\{part}"), tf.int32) for part in (1, 2, 3)
    )
    leap = (year % 4 == 0) & ((year % 100 != 0) | (year % 400 == 0))
    in_range = tf.clip_by_value(month, 1, 12)
    length = tf.gather([31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31], in_range - 1)
    length += tf.cast(leap & (month == 2), tf.int32)
    sound &= (month == in_range) & (day >= 1) & (day <= length)
    # Years that begin in March end with the leap day.
    shifted = year - tf.cast(in_range <= 2, tf.int32)
    day_of_year = (153 * ((in_range + 9) % 12) + 2) // 5 + day - 1
    days = 365 * shifted + shifted // 4 - shifted // 100 + shifted // 400 + day_of_year - 719_468
    return _where_sound(sound, days), _where_sound(sound, month - 1)


def _where_sound(sound: tf.Tensor, values: tf.Tensor) -> tf.Tensor:
    return tf.where(sound, tf.cast(values, tf.float32), math.nan)


def _standardise(values: tf.Tensor, spec: FeatureSpec) -> list[tf.Tensor]:
    missing = ~tf.math.is_finite(values)
    values = tf.where(missing, spec.median, values)
    if spec.log:
        values = tf.sign(values) * tf.math.log1p(tf.abs(values))
    values = tf.clip_by_value((values - spec.mean) / spec.deviation, -LIMIT, LIMIT)
    return [values, tf.cast(missing, tf.float32)] if spec.has_missing else [values]


def _circle(values: tf.Tensor, period: int) -> list[tf.Tensor]:
    # December lies beside January, Sunday beside Monday.
    angle = tf.math.floormod(values, float(period)) * (2 * math.pi / period)
    known = tf.math.is_finite(values)
    return [tf.where(known, wave(angle), 0.0) for wave in (tf.sin, tf.cos)]


def _vocabulary_table(spec: FeatureSpec) -> tf.lookup.StaticHashTable:
    keys = tf.constant(["", *spec.vocabulary])
    ids = tf.range(MISSING_ID, FIRST_ID + len(spec.vocabulary))
    return tf.lookup.StaticHashTable(tf.lookup.KeyValueTensorInitializer(keys, ids), default_value=UNKNOWN_ID)
