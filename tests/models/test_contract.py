"""What every public model keeps: one test case a promise, one row a model."""

import json
import subprocess
import sys
from typing import Any, NamedTuple

import keras
import numpy as np
import pytest
import tensorflow as tf

import tfdomain
from tfdomain.data.features import learn_features
from tfdomain.models.folder import TASKS

TEXTS = ["my car is lost", "we paid", "", "please help with the money for school !"]


TABLE = {
    "amount": [10.0, 250.0, 30.5, 7.0],
    "purpose": ["car", "房", "", "car"],
    "day": ["2011-12-01", "", "x", "Dec-09"],
}
SPECS = [spec.to_json() for spec in learn_features(TABLE, ["amount", "purpose"], min_count=1)]
SPECS.append(learn_features({"day": ["2011-01-01", "2011-02-03", ""]})[0].to_json())


class Row(NamedTuple):
    """A model of a task on the small checkpoint, or on the one that knows Chinese characters.

    Attributes:
        settings: What its head is made from.
        labels: One for each of the rows of `x`; None where the task learns from texts alone.
        x: What `fit` and `predict` take.
        train_x: What `fit` takes, where it takes something else.
        checkpoint: The fixture that the encoder is from.
    """

    settings: dict[str, Any]
    labels: Any
    x: Any = TEXTS
    train_x: Any = None
    checkpoint: str = "small_checkpoint"

    @property
    def fit_x(self):
        return self.x if self.train_x is None else self.train_x


class Case(NamedTuple):
    """A row and the task that it is of."""

    task: str
    row: Row


# Two rows have one positive: in a batch of their own they have nothing to learn.
PAIRS = {"anchor": TEXTS, "positive": ["lost car", "paid", "paid", "need help 银行😀"]}
TRIPLETS = {**PAIRS, "negative": ["school", "my car", "", "paid"]}


# The first is longer than the windows of the first row below, and answered twice.
CONTEXTS = ["we paid for the old car and the house . " * 6 + "the bank is lost", "银行😀 paid", "", "my school"]
SPANS = [[("bank", 244), ("car", 20)], [(2, 3)], [], [("school", 3)]]


# Half-width and full-width digits, letters and signs, a character outside of the vocabulary and one of two code units.
CHINESE_CONTEXTS = ["我的银行卡丢了，很贵！" * 8 + "ＡＢ卡", "利率１２％。房贷𠀀", "", "😀我的车 bank"]
CHINESE_SPANS = [[("ＡＢ卡", 88), ("银行卡", 2)], [("１２％", 2)], [], [("车", 3)]]


ENTITIES = [[("x", 0, 6), ("费用", 7, 14)], [("x", 0, 2)], [], [("x", 0, 11), ("费用", 12, 39)]]


ROWS = {
    "classification": [
        Row({"labels": ["default", "repaid"]}, ["default", "repaid", "repaid", "default"]),
        Row(
            {"labels": ["差评", "好评", "c"], "pooling": "mean", "max_length": 16},
            ["差评", "好评", "c", "好评"],
            ["房间很小，太贵了！不再来", "早餐好吃！！１２％", "", "我的车 is good 😀"],
            checkpoint="chinese_checkpoint",
        ),
        Row(
            {"labels": ["a", "b"], "windows": "attention", "max_length": 40, "window_length": 8},
            ["a", "b", "b", "a"],
            ["please help with the money for school ! " * 5, "银行😀 paid", "", "my car is lost"],
        ),
        Row({"labels": ["a", "b"], "features": SPECS}, ["a", "b", "b", "a"], {"text": TEXTS, **TABLE}),
        Row({"labels": ["a", "b"], "features": SPECS, "table_only": True}, ["a", "b", "b", "a"], TABLE),
        Row(
            {"labels": ["no", "yes"], "positive": "no", "threshold": 0.3, "threshold_by": {"metric": "f2"}},
            ["no", "yes", "yes", "no"],
        ),
        Row({"labels": ["a", "b"], "pairs": True}, ["a", "b", "b", "a"], (TEXTS, TEXTS[::-1])),
    ],
    "multilabel": [
        Row({"labels": ["fees", "fraud", "费用"]}, [["fees"], [], ["费用", "fraud"], ["fees"]]),
        Row(
            {"labels": ["a", "b"], "threshold": {"a": 0.4, "b": 0.6}, "pooling": "mean", "pairs": True},
            [["a", "b"], ["a"], [], []],
            (TEXTS, TEXTS[::-1]),
        ),
        Row(
            {"labels": ["a", "b"], "windows": "max", "max_length": 40, "window_length": 8},
            [["a", "b"], ["a"], [], []],
            ["please help with the money for school ! " * 5, "银行😀 paid", "", "my car is lost"],
        ),
    ],
    "embedding": [
        Row({}, None, train_x=PAIRS),
        Row({"pooling": "cls", "max_length": 16}, None, train_x=TRIPLETS),
        Row({"loss": "triplet", "margin": 0.5}, None, train_x=TRIPLETS),
        Row({"loss": "cosine", "score_range": [0, 5]}, [5.0, 0.0, 2.5, 4.0], train_x=PAIRS),
    ],
    "regression": [
        Row({"targets": ["stars"]}, [4.5, 1.0, 2.0, 4.0]),
        Row(
            {"targets": ["甲", "price"], "pooling": "mean", "pairs": True},
            [[0.1, 9.0], [0.2, 12.0], [0.0, 1.0], [0.4, 3.0]],
            (TEXTS, TEXTS[::-1]),
        ),
        Row(
            {"targets": ["stars"], "windows": "mean", "max_length": 40, "window_length": 8},
            [4.5, 1.0, 2.0, 4.0],
            ["please help with the money for school ! " * 5, "银行😀 paid", "", "my car is lost"],
        ),
    ],
    "span": [
        Row({"max_length": 16, "overlap": 3}, SPANS, (TEXTS, CONTEXTS)),
        Row(
            {"answer_threshold": None, "max_answer_tokens": 3},
            CHINESE_SPANS,
            {"question": ["丢了？", "利率？", "", "車？"], "context": CHINESE_CONTEXTS},
            checkpoint="chinese_checkpoint",
        ),
    ],
    "tagging": [
        Row({"labels": ["x", "费用"]}, ENTITIES),
        Row(
            {"labels": ["x", "费用"], "decoder": "crf", "scheme": "bioes", "label_pieces": "all", "max_length": 8},
            [[("x", 2, 5), ("费用", 88, 91)], [("费用", 2, 5), ("x", 8, 9)], [], [("x", 3, 4)]],
            CHINESE_CONTEXTS,
            checkpoint="chinese_checkpoint",
        ),
    ],
}


def cases(is_fast, is_asked=lambda task, place: True):
    """A parameter for each row that is asked for; the fast suite has those whose task and place `is_fast` holds for."""
    return [
        pytest.param(Case(task, row), id=f"{task}-{place}", marks=[pytest.mark.thorough] * (not is_fast(task, place)))
        for task, rows in ROWS.items()
        for place, row in enumerate(rows)
        if is_asked(task, place)
    ]


def is_first(task, place):
    return not place


def learns_otherwise(task, place):
    """One row of each task, and those whose losses are others."""
    return not place or task in ("tagging", "embedding")


def differs(of_row):
    """Asks for the first row of each task, those whose losses are others, and the first of each kind.

    What trains once more takes seconds a row; `of_row` tells of what kind one is.
    """
    kinds = set()

    def is_asked(task, place):
        kind = of_row(ROWS[task][place])
        is_new = kind not in kinds
        kinds.add(kind)
        return is_new or learns_otherwise(task, place)

    return is_asked


def trains_again(of_row):
    """The cases to train once more, the fast suite but one."""
    asked = cases(lambda task, place: task == "classification" and not place, differs(of_row))
    return pytest.mark.parametrize("case", asked, indirect=True, scope="module")


def batch_of(row):
    """What a training's batches are made of: windows, columns of a table, without texts or beside them."""
    return "windows" in row.settings, "features" in row.settings, "table_only" in row.settings


def form_of(row):
    """How `x` comes: texts, pairs of them, columns by name."""
    return batch_of(row), type(row.fit_x)


FIT = {"epochs": 1, "batch_size": 2, "verbose": 0, "learning_rate": 0.01}


def assert_close(actual, expected, atol):
    """Numbers within `atol`, everything else equal, however deep."""
    if isinstance(expected, dict):
        assert actual.keys() == expected.keys()
        for key, value in expected.items():
            assert_close(actual[key], value, atol)
    elif isinstance(expected, (list, tuple)):
        assert len(actual) == len(expected)
        for one, other in zip(actual, expected, strict=True):
            assert_close(one, other, atol)
    elif isinstance(expected, (float, np.ndarray)) and np.asarray(expected).dtype.kind == "f":
        np.testing.assert_allclose(actual, expected, atol=atol, rtol=0)
    elif isinstance(expected, np.ndarray):
        np.testing.assert_array_equal(actual, expected)
    else:
        assert actual == expected


def arrays_in(value):
    """The arrays of floats in a model's predictions; a list of what was found has none."""
    parts = value.values() if isinstance(value, dict) else [value]
    return [part for part in parts if isinstance(part, np.ndarray) and part.dtype.kind == "f"]


def as_dataset(x, labels):
    return tf.data.Dataset.from_tensor_slices(x if labels is None else (x, labels)).batch(2)


def columns_of(x, model):
    if isinstance(x, dict):
        return x
    return dict(zip(model.text_names, x, strict=False)) if isinstance(x, tuple) else {model.text_names[0]: x}


class Worker:
    """A Python process that runs one script after another: TensorFlow's start is paid for once.

    What a script defines, the next ones see.
    """

    LOOP = """
import json, sys, traceback
shared = {}
for line in sys.stdin:
    try:
        error = exec(json.loads(line), shared)
    except BaseException:
        error = traceback.format_exc()
    print("done " + json.dumps(error), flush=True)
"""

    def __init__(self):
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        self.process = subprocess.Popen([sys.executable, "-c", self.LOOP], **pipes)

    def run(self, script):
        self.process.stdin.write(json.dumps(script) + "\n")
        self.process.stdin.flush()
        reply = next(line for line in self.process.stdout if line.startswith("done "))
        error = json.loads(reply.removeprefix("done "))
        assert error is None, error


@pytest.fixture(scope="module")
def start_worker():
    workers = []

    def start():
        workers.append(Worker())
        return workers[-1]

    yield start
    for worker in workers:
        worker.process.kill()
        worker.process.wait()


@pytest.fixture(scope="module")
def server(start_worker):
    """A process that has TensorFlow and its text ops, and nothing of ours."""
    return start_worker()


@pytest.fixture(scope="module")
def two_replicas(start_worker):
    """A process with a `strategy` over two logical devices: a second one would take up the collectives of the first."""
    worker = start_worker()
    worker.run("""
import tensorflow as tf
devices = tf.config.list_physical_devices("CPU")
tf.config.set_logical_device_configuration(devices[0], [tf.config.LogicalDeviceConfiguration()] * 2)
strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
""")
    return worker


@pytest.fixture(scope="module", params=cases(lambda task, place: task in ("classification", "tagging") and not place))
def case(request):
    return request.param


@pytest.fixture(scope="module")
def checkpoint(case, request):
    return request.getfixturevalue(case.row.checkpoint)


@pytest.fixture(scope="module")
def fresh(case, checkpoint):
    """Gives an untrained model of the case."""
    return lambda **more: TASKS[case.task].from_pretrained(checkpoint, **case.row.settings, **more)


@pytest.fixture(scope="module")
def trained(case, fresh):
    model = fresh()
    model.fit(case.row.fit_x, case.row.labels, seed=1, **FIT)
    return model


@pytest.fixture(scope="module")
def untrained_predictions(case, fresh):
    return fresh().predict(case.row.x)


def test_every_task_has_a_row():
    # What several tasks take and give is by task: test_multitask.py holds them to the same promises.
    assert set(ROWS) == set(TASKS) - {"multitask"}


def test_config_round_trip(case, trained):
    config = json.loads(json.dumps(trained.get_config()))
    again = type(trained).from_config(config)
    assert json.loads(json.dumps(again.get_config())) == config
    again.set_weights(trained.get_weights())
    assert_close(again.predict(case.row.x), trained.predict(case.row.x), 0)


def test_save_and_load(case, trained, tmp_path):
    trained.save(tmp_path / "model", origin="a test")
    again = tfdomain.load(tmp_path / "model")
    assert type(again) is type(trained)
    assert again.notes == {"origin": "a test"}
    assert again.settings() == trained.settings()
    assert_close(again.predict(case.row.x), trained.predict(case.row.x), 0)


@trains_again(batch_of)
def test_fit_is_a_function_of_the_seed(case, fresh, trained):
    same, other = fresh(), fresh()
    before = same.get_weights()
    same.fit(case.row.fit_x, case.row.labels, seed=1, **FIT)
    other.fit(case.row.fit_x, case.row.labels, seed=2, **FIT)
    first = trained.get_weights()
    assert_close(same.get_weights(), first, 0)
    for different in (other.get_weights(), before):
        assert any(not np.array_equal(one, two) for one, two in zip(first, different, strict=True))


@trains_again(form_of)
def test_fit_takes_a_dataset(case, fresh):
    row, model = case.row, fresh()
    dataset = as_dataset(row.fit_x, None if row.labels is None else model.encode_labels(row.labels))
    model.fit(dataset, **FIT)
    # Texts in a list are grouped by length, and rounding differs with the batch that a text is in.
    # Labels stand beside the texts because a pair alone would look like a text and its label.
    assert_close(model.predict(as_dataset(row.x, [0] * 4)), model.predict(row.x), 1e-6)
    if row.train_x is None:
        alone, beside = model.evaluate(dataset), model.evaluate(row.x, row.labels)
        assert alone[model.headline[0]] == pytest.approx(beside[model.headline[0]], abs=1e-6)


def test_answers_have_the_types_they_claim(case, trained):
    answers = trained.answers(trained.predict(case.row.x))
    assert len(answers) == 4
    assert all(answer.keys() == trained.answer_types().keys() for answer in answers)
    assert json.loads(json.dumps(answers)) == answers


# Of classification test_export.py shows as much, and more.
@pytest.mark.parametrize(
    "case", cases(lambda task, place: task == "tagging" and not place), indirect=True, scope="module"
)
def test_export_answers_as_predict(case, trained, server, promised_answers, tmp_path):
    # A trained model: fresh heads give the same to everything.
    folder = trained.export(tmp_path / "served")
    columns = {name: columns_of(case.row.x, trained)[name] for name in trained.column_specs()}
    server.run(f"""
import sys, numpy as np, tensorflow as tf, tensorflow_text
signature = tf.saved_model.load({str(folder)!r}).signatures["serving_default"]
specs, columns = signature.structured_input_signature[1], {columns!r}
outputs = signature(**{{name: tf.constant(values, specs[name].dtype) for name, values in columns.items()}})
decoded = {{name: np.vectorize(lambda each: each.decode() if isinstance(each, bytes) else each)(value.numpy())
            for name, value in outputs.items()}}
np.savez({str(tmp_path / "outputs.npz")!r}, **decoded)
assert not [name for name in sys.modules if name.split(".")[0] in ("tfdomain", "keras_hub", "transformers")]
""")
    assert_close(dict(np.load(tmp_path / "outputs.npz")), promised_answers(trained, columns)["serving_default"], 1e-5)


WORDS = ["loan", "lending", "paid!", "the", "[SEP]", "it's", "银行", "全角Ｆ１", "😀", "👩\u200d⚕️", "é", "e\u0301"]
WORDS += ["\t", "\x00", "\u2028"]


def many_texts(count):
    """Texts of every kind: empty, blank, Chinese, emoji, full-width forms; and four of 5,000 characters apart.

    Beside these a short one would be read with thousands of tokens of padding.
    """
    random = np.random.default_rng(1)
    texts = [" ".join(random.choice(WORDS, random.integers(0, 40))) for _ in range(count - 7)]
    return [*texts, "", " ", "😀"], ["房" * 5000, "loan " * 1000, "x" * 5000, "银行 " * 1666]


@pytest.mark.thorough
def test_the_signatures_equal_predict_on_200_texts(case, trained, promised_answers, served_answers, tmp_path):
    specs, tables = trained.column_specs(), []
    names = [name for name in specs if name in trained.text_names]
    for texts in many_texts(200):
        columns = {name: texts[place:] + texts[:place] for place, name in enumerate(names)}
        rest = {name: case.row.x[name] * (len(texts) // 4) for name in specs if name not in names}
        tables.append(columns | rest)
    for served, columns in zip(served_answers(trained.export(tmp_path / "served"), *tables), tables, strict=True):
        assert_close(served, promised_answers(trained, columns), 1e-5)


@pytest.mark.thorough
@pytest.mark.parametrize("case", cases(is_first, learns_otherwise), indirect=True, scope="module")
@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_mixed_precision(case, fresh, policy, untrained_predictions):
    keras.mixed_precision.set_global_policy(policy)
    try:
        model = fresh()
        predictions = model.predict(case.row.x)
        history = model.fit(case.row.fit_x, case.row.labels, **FIT)
    finally:
        keras.mixed_precision.set_global_policy("float32")
    for half, whole in zip(arrays_in(predictions), arrays_in(untrained_predictions), strict=True):
        assert half.dtype == np.float32
        np.testing.assert_allclose(half, whole, atol=0.03)
    assert np.isfinite(history.history["loss"]).all()
    assert all(variable.dtype == "float32" for variable in model.trainable_variables)


@pytest.mark.parametrize(
    "case",
    cases(lambda task, place: task == "classification" and is_first(task, place), learns_otherwise),
    indirect=True,
    scope="module",
)
def test_mirrored_strategy_gives_the_same_weights(case, two_replicas, checkpoint):
    two_replicas.run(f"""
import numpy as np, tensorflow as tf
from tfdomain.models.folder import TASKS
x, labels = {case.row.fit_x!r}, {case.row.labels!r}
thrice = lambda part: {{name: each * 3 for name, each in part.items()}} if isinstance(part, dict) else part and part * 3
x = tuple(thrice(part) for part in x) if isinstance(x, tuple) else thrice(x)

def train():
    model = TASKS[{case.task!r}].from_pretrained({str(checkpoint)!r}, dropout_rate=0.0, **{case.row.settings!r})
    # 12 rows in batches of 5: the last batch of an epoch is uneven on two replicas.
    model.fit(x, thrice(labels), epochs=3, batch_size=5, optimizer="sgd", learning_rate=0.1, verbose=0)
    return model

alone = train()
with strategy.scope():
    together = train()
for one, other in zip(together.get_weights(), alone.get_weights(), strict=True):
    np.testing.assert_allclose(one, other, atol=1e-5)
""")
