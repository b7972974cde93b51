import datetime
import doctest
import subprocess
import sys

import keras
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

from tfdomain.data.cells import as_days
from tfdomain.data.features import FeatureSpec, feature_arrays, learn_features
from tfdomain.errors import InputError
from tfdomain.models import features as module
from tfdomain.models.feature_reader import FeatureReader, read_dates
from tfdomain.models.features import FeatureEncoder
from tfdomain.models.signature_names import rename_inputs

ODD_DATES = [
    *["", " ", "2011-02-29", "1900-02-29", "2011-13-01", "2011-00-10", "2011-04-31", "0999-12-31", "20110229", "12-11"],
    *["Foo-2011", "2011", "x", "1/12/2011", "2011年13月1日", "🙂", "2011-1-1-1", "99999999", "-", "2012-02-30"],
    *["2011-12-01T10:00", "2000-02-29", "Dec-68", "dec-69", "　２０１１年１２月１日 ", "9999-12-31", "1000-01-01"],
]
WORDS = ["car", "house", "中文", "🙂", "debt consolidation"]
STATES = [f"state {number}" for number in range(20)]


def make_table(rows: int, seed: int) -> dict[str, np.ndarray]:
    """Random columns of every kind, with gaps, blanks, infinities, rare values and malformed dates."""
    random = np.random.default_rng(seed)
    days = np.datetime64("1969-01-01") + random.integers(0, 30_000, rows)
    forms = ["{:%Y-%m-%d}", "{:%Y/%m/%d}", "{:%Y%m%d}", "{:%Y-%m}", "{:%b-%Y}", "{:%b-%y}", "{:%Y年%m月%d日}", ""]
    income = random.lognormal(11, 1, rows).astype("float32")
    income[random.random(rows) < 0.1] = np.nan
    rate = random.normal(12, 3, rows).astype("float32")
    return {
        "年 收入": income,
        "int_rate": rate,
        "home ownership": random.choice([*WORDS, "", " car "], rows).astype(object),
        "state": random.choice([*STATES, "", f"rare {seed}"], rows).astype(object),
        "issue_d": np.array(
            [forms[form].format(day) for form, day in zip(random.integers(0, 8, rows), days.tolist(), strict=True)],
            object,
        ),
    }


@pytest.fixture(scope="module")
def specs():
    return learn_features(make_table(400, 1))


def odd_rows() -> dict[str, np.ndarray]:
    table = make_table(200, 2)
    table["年 收入"][:5] = [np.inf, -np.inf, -5000, 3e38, 0]
    table["int_rate"][:3] = [np.nan, 1e30, -1e30]
    table["home ownership"][:3] = ["never seen", "　", "Car"]
    table["state"][:3] = ["never seen", "", "state 1"]
    table["issue_d"][:4] = ["someday", "2011-02-29", " Dec-2011 ", "２０１１年１２月１日"]
    return table


def reference(specs: list[FeatureSpec], table: dict[str, np.ndarray], tables: list[np.ndarray]) -> np.ndarray:
    """What the encoder has to give, one cell after the other in Python."""
    tables = iter(tables)
    numbers, categories = [], []
    for spec in specs:
        cells = table[spec.name]
        if spec.kind == "category":
            seen = {"": spec.has_missing} | dict.fromkeys(spec.vocabulary, True)
            ids = {value: number for number, value in enumerate(seen, 1)}
            weights = np.eye(len(ids) + 1) if len(spec.vocabulary) <= 10 else next(tables)
            for cell in cells:
                value = cell.strip()
                known = seen.get(value, spec.has_unknown)
                categories.append(weights[ids.get(value, 0)] * known)
            categories, block = categories[: -len(cells)], categories[-len(cells) :]
            categories.append(np.array(block))
            continue
        days, _ = as_days(cells, spec.name) if spec.kind == "date" else (cells, None)
        rows = []
        for value in days.astype("float64"):
            missing = not np.isfinite(value)
            number = spec.median if missing else value
            number = np.sign(number) * np.log1p(abs(number)) if spec.log else number
            row = [np.clip((number - spec.mean) / spec.deviation, -10, 10)]
            row += [float(missing)] if spec.has_missing else []
            if spec.kind == "date":
                day = datetime.date(1970, 1, 1) + datetime.timedelta(0 if missing else int(value))
                angles = [2 * np.pi * (day.month - 1) / 12, 2 * np.pi * day.weekday() / 7]
                row += [0.0 if missing else wave(angle) for angle in angles for wave in (np.sin, np.cos)]
            rows.append(row)
        numbers.append(np.array(rows))
    return np.concatenate([*numbers, *categories], axis=1)


def test_the_example_in_the_docstring_is_true():
    names = {"learn_features": learn_features}
    outcome = doctest.testmod(module, extraglobs=names)
    assert outcome.attempted > 0 and outcome.failed == 0


def test_dates_in_the_graph_equal_the_reader_of_files():
    random = np.random.default_rng(3)
    forms = [
        *["{0:%Y-%m-%d}", "{0:%Y-%m-%d} 23:59:59", "{0:%Y-%m}", "{0.year}/{0.month}/{0.day}", "{0:%Y%m%d}"],
        *["{0:%b-%Y}", "{0:%b-%y}", "{0.year}年{0.month}月{0.day}日", "{0.year}年{0.month}月"],
    ]
    texts = [
        forms[number % len(forms)].format(datetime.date.fromordinal(int(ordinal)))
        for number, ordinal in enumerate(random.integers(364_878, 3_652_060, 3000))
    ]
    texts += ODD_DATES
    expected, _ = as_days(texts, "day")
    days, months = tf.function(read_dates)(tf.constant(texts))
    np.testing.assert_array_equal(days, expected.astype("float32"))
    known = ~np.isnan(expected)
    calendar = expected[known].astype("int64").astype("datetime64[D]")
    np.testing.assert_array_equal(months.numpy()[known], calendar.astype("datetime64[M]").astype("int64") % 12)
    assert np.isnan(months.numpy()[~known]).all()
    assert known[:3000].all() and 0 < known[3000:].sum() < len(ODD_DATES)


def test_bytes_that_are_no_text_are_no_date():
    assert np.isnan(read_dates(tf.constant([b"\xff\xfe", b"2011\x00"]))[0]).all()


def test_the_encoder_equals_the_reference(specs):
    encoder = FeatureEncoder(specs, seed=3)
    table = odd_rows()
    vectors = encoder({name: tf.constant(column) for name, column in table.items()})
    assert vectors.dtype == tf.float32
    assert vectors.shape == (200, encoder.width)
    expected = reference(specs, table, [variable.numpy() for variable in encoder.weights])
    np.testing.assert_allclose(vectors, expected, atol=2e-5)
    assert {spec.kind for spec in specs} == {"numeric", "category", "date"}
    assert np.abs(vectors.numpy()[:, : encoder.reader.num_features]).max() == 10


def test_what_training_never_showed_is_zero():
    specs = learn_features({"few": ["a", "b"] * 20, "many": STATES * 2, "n": [1, 2, 3, 2] * 10})
    encoder = FeatureEncoder(specs)
    vectors = encoder(
        {"few": tf.constant(["", "new"]), "many": tf.constant(["", "new"]), "n": tf.constant([np.nan, 2])}
    )
    np.testing.assert_array_equal(vectors, np.zeros([2, encoder.width]))
    rare = learn_features({"few": ["a", "a", "b", "b", "c", ""], "many": [*STATES * 2, "x", ""]})
    vectors = FeatureEncoder(rare)({"few": tf.constant(["", "new"]), "many": tf.constant(["", "new"])}).numpy()
    assert vectors[:, :4].tolist() == [[0, 1, 0, 0], [1, 0, 0, 0]]
    assert (vectors[:, 4:] != 0).all()


def test_the_reader_gives_what_the_encoder_takes(specs):
    encoder = FeatureEncoder(specs)
    arrays = feature_arrays(specs, odd_rows())
    read = encoder.reader(arrays)
    assert read["features"].dtype == tf.float32 and read["features"].shape == (200, encoder.reader.num_features)
    assert read["category_ids"].dtype == tf.int32 and read["category_ids"].shape == (200, 2)
    np.testing.assert_array_equal(encoder.encode(read), encoder({name: tf.constant(a) for name, a in arrays.items()}))


def test_tables_of_one_kind_and_of_no_rows():
    numeric = FeatureEncoder(learn_features({"n": [1, 2]}))
    assert numeric({"n": tf.constant([1.0])}).shape == (1, 1)
    assert numeric.reader({"n": tf.constant([1.0])})["category_ids"].shape == (1, 0)
    category = FeatureEncoder(learn_features({"c": ["a", "b", "a"]}, min_count=1))
    assert category({"c": tf.constant(["b"])}).numpy().tolist() == [[0, 0, 0, 1]]
    assert category({"c": tf.constant([], tf.string)}).shape == (0, 4)
    with pytest.raises(InputError, match="give at least one"):
        FeatureReader([])


def test_config_round_trip_and_seed(specs):
    encoder = FeatureEncoder(specs, seed=5, name="table")
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(encoder))
    assert (again.specs, again.name, again.width) == (tuple(specs), "table", encoder.width)
    [first], [second] = encoder.get_weights(), again.get_weights()
    np.testing.assert_array_equal(first, second)
    assert np.any(FeatureEncoder(specs, seed=6).get_weights()[0] != first)


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_half_precision_keeps_incomes(specs, policy):
    table = {name: tf.constant(column) for name, column in odd_rows().items()}
    expected = FeatureEncoder(specs, seed=1)(table)
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        encoder = FeatureEncoder(specs, seed=1)
        np.testing.assert_array_equal(encoder(table), expected)
        assert encoder(table).dtype == tf.float32
    finally:
        keras.config.set_dtype_policy(before)


def test_embeddings_learn(specs):
    encoder = FeatureEncoder(specs)
    table = {name: tf.constant(column) for name, column in make_table(50, 4).items()}
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(encoder(table) ** 2)
    [gradient] = tape.gradient(loss, [variable.value for variable in encoder.trainable_variables])
    assert float(tf.reduce_sum(tf.abs(tf.convert_to_tensor(gradient)))) > 0


CLEAN_PROCESS = """
import sys
import numpy as np
import tensorflow as tf
loaded = tf.saved_model.load("export").signatures["serving_default"]
assert not any(name.startswith("tfdomain") for name in sys.modules)
answer = loaded(**{name: tf.constant(column) for name, column in np.load("columns.npz").items()})
np.save("answer.npy", answer["vectors"].numpy())
"""


@pytest.mark.thorough
def test_an_export_needs_tensorflow_only_and_keeps_the_names(specs, tmp_path):
    encoder = FeatureEncoder(specs)
    signature = encoder.reader.signature()
    plain = {name: f"column_{number}" for number, name in enumerate(signature)}
    served = tf.Module()
    served.reader, served.weights = encoder.reader, [variable.value for variable in encoder.variables]

    @tf.function(input_signature=[tf.TensorSpec([None], spec.dtype, plain[name]) for name, spec in signature.items()])
    def serve(*columns):
        return {"vectors": encoder(dict(zip(signature, columns, strict=True)))}

    tf.saved_model.save(served, str(tmp_path / "export"), signatures=serve.get_concrete_function())
    rename_inputs(tmp_path / "export", {traced: name for name, traced in plain.items()})
    table = odd_rows()
    as_bytes = {name: np.char.encode(a.astype(str), "utf-8") if a.dtype == object else a for name, a in table.items()}
    np.savez(tmp_path / "columns.npz", **as_bytes)
    subprocess.run([sys.executable, "-c", CLEAN_PROCESS], cwd=tmp_path, check=True, env={"TF_CPP_MIN_LOG_LEVEL": "3"})
    proto = saved_model_pb2.SavedModel.FromString((tmp_path / "export" / "saved_model.pb").read_bytes())
    assert set(proto.meta_graphs[0].signature_def["serving_default"].inputs) == set(table)
    expected = encoder({name: tf.constant(column) for name, column in table.items()})
    np.testing.assert_allclose(np.load(tmp_path / "answer.npy"), expected, atol=1e-6)


@pytest.mark.real
def test_lendingclub(data_dir):
    path = data_dir / "lendingclub" / "lendingclub_2007_2011.csv.gz"
    loans = pd.read_csv(path, dtype=str, keep_default_na=False)
    known, later = loans[loans.issue_d < "2011"], loans[loans.issue_d >= "2011"]
    chosen = [
        "loan_amnt",
        "annual_inc",
        "purpose",
        "issue_d",
        "addr_state",
        "earliest_cr_line",
        "mths_since_last_delinq",
    ]
    specs = learn_features({name: known[name] for name in known}, chosen, refused=["total_pymnt", "recoveries"])
    encoder = FeatureEncoder(specs)
    read = encoder.reader(feature_arrays(specs, known))
    assert np.isfinite(read["features"]).all()
    scaled = read["features"].numpy()[:, [0, 1]]
    np.testing.assert_allclose(scaled.mean(0), 0, atol=1e-2)
    np.testing.assert_allclose(scaled.std(0), 1, atol=1e-2)
    rows = feature_arrays(specs, later)
    vectors = encoder({name: tf.constant(column) for name, column in rows.items()})
    expected = reference(specs, rows, [variable.numpy() for variable in encoder.weights])
    np.testing.assert_allclose(vectors, expected, atol=1e-4)
