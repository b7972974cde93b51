"""Several tasks on one encoder: what each learns alone, what they share, and what every public model keeps."""

import json
import re
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
import yaml

import tfdomain
from tfdomain.config import FitOptions, experiment_from
from tfdomain.encoders.dropout import StatelessDropout
from tfdomain.errors import InputError
from tfdomain.models.task_batches import rows_of_update
from tfdomain.models.task_losses import TaskLosses
from tfdomain.optimization.train_step import fold_seed

TEXTS = ["my car is lost", "we paid", "", "please help with the money for school !", "银行😀 paid"]
X = {"intent": TEXTS, "ner": TEXTS[:3], "stars": (TEXTS[:4], TEXTS[:4][::-1])}
Y = {
    "intent": ["a", "b", "a", "c", "b"],
    "ner": [[("thing", 3, 6)], [], []],
    "stars": [4.5, 1.0, 2.0, 4.0],
}
TASKS = {
    "stars": ("regression", {"targets": ["stars"], "pooling": "mean", "pairs": True}),
    "intent": ("classification", {"labels": ["a", "b", "c"]}),
    "ner": ("tagging", {"labels": ["thing", "费用"], "decoder": "crf", "max_length": 16}),
}
FIT = {"epochs": 1, "batch_size": 4, "verbose": 0, "learning_rate": 0.01}


@pytest.fixture(scope="module")
def fresh(small_checkpoint):
    """Gives an untrained model of three tasks."""
    return lambda **more: tfdomain.MultiTaskModel.from_pretrained(small_checkpoint, **({"tasks": TASKS} | more))


@pytest.fixture(scope="module")
def trained(fresh):
    model = fresh(loss_weights="uncertainty", share="uniform")
    model.fit(X, Y, seed=1, **FIT)
    return model


def assert_same(actual, expected, atol=0.0):
    """Predictions by task that are the same, numbers within `atol`."""
    assert actual.keys() == expected.keys()
    for name, value in expected.items():
        if isinstance(value, np.ndarray):
            np.testing.assert_allclose(actual[name], value, atol=atol, rtol=0)
            continue
        for one, other in zip(actual[name], value, strict=True):
            assert [{**each, "confidence": None} for each in one] == [{**each, "confidence": None} for each in other]
            confidences = [[each["confidence"] for each in entities] for entities in (one, other)]
            np.testing.assert_allclose(*confidences, atol=atol, rtol=0)


@pytest.mark.thorough
def test_all_tasks_move_the_one_encoder(fresh, trained):
    models = trained.models
    assert all(model.encoder is trained.encoder for model in models.values())
    variables = trained.trainable_variables
    assert trained.encoder.pooler.trainable_variables
    assert len({id(variable) for variable in variables}) == len(variables)
    # A tagger freezes the pooler, which the classifier reads.
    assert {id(variable) for variable in trained.encoder.pooler.trainable_variables} <= {id(one) for one in variables}
    for before, after in zip(fresh(loss_weights="uncertainty").trainable_variables, variables, strict=True):
        assert not np.array_equal(before.numpy(), after.numpy()), after.path


def test_a_pooler_that_no_task_reads_is_not_trained(fresh):
    model = fresh(tasks={"ner": TASKS["ner"], "stars": TASKS["stars"]})
    assert not model.encoder.pooler.trainable


@pytest.mark.thorough
def test_the_loss_is_the_weighted_sum_of_the_tasks_own(fresh):
    model = fresh(loss_weights={"ner": 0.5, "stars": 2.0})
    options = FitOptions(batch_size=12)
    source = model.training_batches(X, model.encode_labels(Y), options=options, shuffle=False)
    model.prepare_training(options, source.num_batches)
    batch = next(iter(source.epoch(0)))
    seed = fold_seed(0, tf.constant(0), 0, 1)
    total = float(model.replica_loss(batch, denominator=model.loss_denominator(batch), seed=seed))
    expected = 0.0
    for place, (name, weight) in enumerate({"intent": 1.0, "ner": 0.5, "stars": 2.0}.items()):
        one, part = model.models[name], batch[name]
        own = tf.random.experimental.stateless_fold_in(seed, place, alg="philox")
        loss = one.replica_loss(part, denominator=one.loss_denominator(part), seed=own)
        expected += weight * float(loss)
    assert total == pytest.approx(expected, rel=1e-6)


def test_uncertainty_weighs_as_the_paper_says():
    losses = TaskLosses({"class": False, "number": True}, "uncertainty")
    losses.log_variances.assign([0.5, -1.0])
    total = float(losses.total({"class": tf.constant(2.0), "number": tf.constant(3.0)}))
    # Equation 10 with sigma squared = exp(s): L1 / sigma1^2 + L2 / (2 sigma2^2) + log(sigma1 sigma2).
    sigmas = np.exp(np.array([0.5, -1.0]) / 2)
    assert total == pytest.approx(2 / sigmas[0] ** 2 + 3 / (2 * sigmas[1] ** 2) + np.log(sigmas.prod()), rel=1e-6)


@pytest.mark.thorough
def test_uncertainties_move_at_a_rate_of_their_own(trained):
    variable = trained.task_losses.log_variances
    assert trained.optimizer.rate_multipliers == {variable.path: 0.01 / FIT["learning_rate"]}
    # 3 steps of at most 0.01 each, in the direction of the loss.
    assert 0 < np.abs(variable.numpy()).max() <= 0.031


@pytest.mark.thorough
def test_a_task_alone_learns_what_its_model_learns(small_checkpoint, fresh):
    """One task of weight 1, without dropout, is the same training as without this class."""
    kind, settings = TASKS["intent"]
    several = tfdomain.MultiTaskModel.from_pretrained(small_checkpoint, tasks={"x": (kind, settings)}, dropout_rate=0.0)
    alone = tfdomain.TextClassifier.from_pretrained(small_checkpoint, **settings, dropout_rate=0.0)
    several.fit({"x": TEXTS}, {"x": Y["intent"]}, **FIT)
    alone.fit(TEXTS, Y["intent"], **FIT)
    np.testing.assert_allclose(several.models["x"].predict(TEXTS), alone.predict(TEXTS), atol=1e-5)


def test_equal_texts_lose_other_numbers_in_each_task(fresh, monkeypatch):
    seen = []
    call = StatelessDropout.call

    def record(layer, x, training=False, seed=None):
        if training and seed is not None:
            seen.append((layer.layer_index, tuple(np.asarray(seed).tolist())))
        return call(layer, x, training=training, seed=seed)

    monkeypatch.setattr(StatelessDropout, "call", record)
    model = fresh(tasks=dict.fromkeys(("one", "two"), TASKS["intent"]))
    tokens = model.models["one"].prepare({"text": tf.constant(TEXTS)})
    model({"one": tokens, "two": tokens}, training=True, dropout_seed=tf.constant([3, 4]))
    assert len(seen) == len(set(seen)) == 2


# What every public model keeps (test_contract.py has the models of one task).


@pytest.mark.thorough
def test_config_round_trip(trained):
    config = json.loads(json.dumps(trained.get_config()))
    again = tfdomain.MultiTaskModel.from_config(config)
    assert json.loads(json.dumps(again.get_config())) == config
    again.set_weights(trained.get_weights())
    assert_same(again.predict(X), trained.predict(X))


@pytest.mark.thorough
def test_save_and_load(trained, tmp_path):
    data = {"intent": {"text": "question", "label": "intent"}}
    trained.save(tmp_path / "model", data=data)
    again = tfdomain.load(tmp_path / "model")
    assert isinstance(again, tfdomain.MultiTaskModel)
    assert again.settings() == trained.settings()
    assert_same(again.predict(X), trained.predict(X))
    assert again.task_losses.log_variances.numpy() == pytest.approx(trained.task_losses.log_variances.numpy())
    assert again.task_model("intent").notes == {"data": data["intent"]}
    # The encoder is there once, and any encoder's folder.
    assert tfdomain.Encoder.from_pretrained(tmp_path / "model").num_layers == 1


@pytest.mark.thorough
def test_fit_is_a_function_of_the_seed(fresh, trained):
    same, other = (fresh(loss_weights="uncertainty", share="uniform") for _ in range(2))
    same.fit(X, Y, seed=1, **FIT)
    other.fit(X, Y, seed=2, **FIT)
    first = trained.get_weights()
    assert all(np.array_equal(one, two) for one, two in zip(same.get_weights(), first, strict=True))
    assert any(not np.array_equal(one, two) for one, two in zip(other.get_weights(), first, strict=True))


@pytest.mark.thorough
def test_evaluate_and_validation_are_each_tasks_own(trained):
    measured = trained.evaluate(X, Y)
    assert measured["stars"] == trained.models["stars"].evaluate(X["stars"], Y["stars"])
    figures = trained.held_out_figures(measured)
    assert figures["intent_accuracy"] == measured["intent"]["accuracy"]
    assert {"intent_loss", "ner_entity_f1", "stars_loss"} <= figures.keys()
    assert "loss" not in figures


def promised_by_signature(model, columns, promised_answers):
    """What the model of each task promises, and the signature of all that read one text."""
    by_task = {
        name: promised_answers(one, {key: columns[key] for key in one.column_specs()})["serving_default"]
        for name, one in model.models.items()
    }
    shared = {f"{name}_{key}": part for name in model.text_models() for key, part in by_task[name].items()}
    return by_task | {"serving_default": shared}


def assert_same_outputs(served, promised):
    assert served.keys() == promised.keys()
    for signature, outputs in promised.items():
        assert served[signature].keys() == outputs.keys()
        for name, value in outputs.items():
            if value.dtype.kind == "f":
                np.testing.assert_allclose(served[signature][name], value, atol=1e-5, rtol=0)
            else:
                np.testing.assert_array_equal(served[signature][name], value)


@pytest.mark.thorough
def test_the_signatures_equal_predict_on_200_texts(small_checkpoint, promised_answers, served_answers, tmp_path):
    """With heads that chance has made, so that the tagger finds entities everywhere."""
    tasks = {
        "intent": ("classification", {"labels": ["a", "b"], "threshold": 0.3}),
        "ner": ("tagging", {"labels": ["thing", "费用"], "max_length": 16}),
        "stars": ("regression", {"targets": ["stars"], "pairs": True}),
        "topics": ("multilabel", {"labels": ["fees", "费用"]}),
    }
    model = tfdomain.MultiTaskModel.from_pretrained(small_checkpoint, tasks=tasks, share="uniform")
    random = np.random.default_rng(2)
    for weight in (weight for one in model.models.values() for weight in one.head.weights):
        weight.assign(random.normal(size=weight.shape))
    pieces = ["loan", "lending", "paid!", "[SEP]", "it's", "银行", "全角Ｆ１", "😀", "👩\u200d⚕️", "e\u0301", "\x00"]
    texts = ["", *(" ".join(random.choice(pieces, random.integers(0, 40))) for _ in range(196))]
    # Apart: beside these the short ones would be read with thousands of tokens of padding.
    long = ["loan " * 1000, "房" * 5000, "x" * 5000]
    tables = [{"text": part, "text_pair": part[::-1]} for part in (texts, long)]
    promised = [promised_by_signature(model, columns, promised_answers) for columns in tables]
    assert np.median(promised[0]["ner"]["count"]) > 5 and promised[1]["ner"]["count"].max() > 100
    for one, other in zip(served_answers(model.export(tmp_path / "served"), *tables), promised, strict=True):
        assert_same_outputs(one, other)


@pytest.mark.thorough
def test_export_answers_as_predict(trained, promised_answers, served_answers, tmp_path):
    folder = trained.export(tmp_path / "served")
    columns = {"text": TEXTS, "text_pair": TEXTS[::-1]}
    [served] = served_answers(folder, columns)
    assert set(served) == {"serving_default", "intent", "ner", "stars"}
    assert_same_outputs(served, promised_by_signature(trained, columns, promised_answers))
    assert (folder / "assets/intent_labels.txt").read_text() == "a\nb\nc\n"


@pytest.mark.thorough
def test_mixed_precision(fresh):
    keras.mixed_precision.set_global_policy("mixed_float16")
    try:
        history = fresh(loss_weights="uncertainty").fit(X, Y, **FIT)
    finally:
        keras.mixed_precision.set_global_policy("float32")
    assert np.isfinite(history.history["loss"]).all()


@pytest.mark.thorough
def test_mirrored_strategy_gives_the_same_weights(small_checkpoint):
    code = f"""
import numpy as np, tensorflow as tf
devices = tf.config.list_physical_devices("CPU")
tf.config.set_logical_device_configuration(devices[0], [tf.config.LogicalDeviceConfiguration()] * 2)
import tfdomain

def train():
    settings = dict(tasks={TASKS!r}, loss_weights="uncertainty", dropout_rate=0.0)
    model = tfdomain.MultiTaskModel.from_pretrained({str(small_checkpoint)!r}, **settings)
    # 12 rows in updates of 5: a task gives one or two of them, and a replica may have none of a task.
    model.fit({X!r}, {Y!r}, epochs=3, batch_size=5, optimizer="sgd", learning_rate=0.1, verbose=0)
    return model

alone = train()
with tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]).scope():
    together = train()
for one, other in zip(together.get_weights(), alone.get_weights(), strict=True):
    np.testing.assert_allclose(one, other, atol=1e-5)
"""
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"tasks": {}}, "there are no tasks"),
        ({"tasks": {"a": ("classify", {})}}, r"tasks\['a'\]: is \('classify', \{\}\); give a pair of one of class"),
        ({"tasks": {"serving_default": TASKS["intent"]}}, "'serving_default' cannot name a task"),
        ({"tasks": {"a b": TASKS["intent"]}}, "'a b' cannot name a task"),
        ({"share": "even"}, "share is 'even'; choose proportional, square_root, uniform"),
        ({"loss_weights": "learned"}, "loss_weights is 'learned'; give 'uncertainty', or a factor by task"),
        ({"loss_weights": {"intents": 1.0}}, "a weight for 'intents'; the tasks are intent, ner, stars"),
        ({"loss_weights": {"ner": 0}}, "ner weighs 0; give a number above 0"),
    ],
)
def test_wrong_settings_are_refused(fresh, settings, message):
    with pytest.raises(InputError, match=message):
        fresh(**settings)


def test_wrong_inputs_are_refused(fresh):
    model = fresh()
    for x, y, message in [
        (TEXTS, None, "list where a dictionary by task is expected"),
        ({"intent": TEXTS}, {"intent": Y["intent"]}, "x: the task 'ner' is missing; the tasks are intent, ner, stars"),
        (X | {"intents": TEXTS}, Y, "there is no task 'intents'"),
        (X | {"intent": []}, Y | {"intent": []}, r"x\['intent'\]: there are no examples"),
        (X, {name: Y[name] for name in ("intent", "ner")}, "no labels to train on"),
        (X | {"intent": tf.data.Dataset.from_tensors(TEXTS)}, Y, r"x\['intent'\]: a data set"),
    ]:
        with pytest.raises(InputError, match=message):
            model.fit(x, y, **FIT)
    with pytest.raises(InputError, match="there is no task 'stats'; choose one of intent, ner, stars"):
        model.task_model("stats")


@pytest.mark.thorough
def test_every_kind_of_task_can_be_one_of_several(small_checkpoint, tmp_path):
    """Those that the other tests have no part of: questions with contexts, pairs without labels, a table alone."""
    table = {"amount": [10.0, 250.0, 30.5, 7.0], "用途": ["car", "房", "", "car"]}
    specs = [spec.to_json() for spec in tfdomain.learn_features(table, min_count=1)]
    tasks = {
        "near": ("embedding", {}),
        "qa": ("span", {"max_length": 16, "overlap": 3}),
        "risk": ("classification", {"labels": ["a", "b"], "features": specs, "table_only": True}),
        "topics": ("multilabel", {"labels": ["fees", "费用"]}),
    }
    model = tfdomain.MultiTaskModel.from_pretrained(small_checkpoint, tasks=tasks, share="uniform")
    x = {"near": (TEXTS[:4], TEXTS[1:]), "qa": (TEXTS, ["the bank is lost"] * 5), "risk": table, "topics": TEXTS}
    y = {
        "qa": [[("bank", 4)], [], [], [], []],
        "risk": ["a", "b", "a", "b"],
        "topics": [["fees"], [], ["费用"], [], []],
    }
    history = model.fit(x, y, validation_data=(x, y), **(FIT | {"batch_size": 8}))
    assert {"val_near_mrr", "val_qa_answer_f1", "val_risk_accuracy", "val_topics_micro_f1"} <= set(history.history)
    model.save(tmp_path / "model")
    again, asked = tfdomain.load(tmp_path / "model"), x | {"near": TEXTS}
    for name, value in model.predict(asked).items():
        ours, theirs = (one["score"] if name == "qa" else one for one in (value, again.predict(asked)[name]))
        np.testing.assert_array_equal(ours, theirs)
    signatures = tf.saved_model.load(str(model.export(tmp_path / "served"))).signatures
    assert set(signatures["serving_default"].structured_outputs) == {
        *("near_embedding", "topics_labels", "topics_count", "topics_scores")
    }
    columns = {"amount": tf.constant([10.0, 7.0]), "用途": tf.constant(["car", "car"])}
    np.testing.assert_allclose(
        signatures["risk"](**columns)["scores"].numpy(), model.predict(asked)["risk"][[0, 3]], atol=1e-5
    )


@pytest.mark.thorough
def test_the_page_does_what_it_says(small_checkpoint):
    page = (Path(__file__).resolve().parents[2] / "docs/multitask.md").read_text(encoding="utf-8")
    yaml_block, python_block = (re.search(rf"```{kind}\n(.*?)```", page, re.DOTALL)[1] for kind in ("yaml", "python"))
    experiment = experiment_from(yaml.safe_load(yaml_block), where="the page")
    assert [one.task for one in experiment.tasks.values()] == ["classification", "tagging", "regression"]
    names = {"encoder": str(small_checkpoint)}
    exec(python_block, names)
    assert names["model"].predict({"intent": ["卡不见了"]})["intent"].shape == (1, 2)
    for share, sizes in re.findall(r"^\| `(\w+)` \| ([\d, ]+) \|", page, re.MULTILINE):
        rows = rows_of_update({"large": 9000, "middle": 900, "small": 100}, 48, share)
        assert list(rows.values()) == [int(size) for size in sizes.split(", ")]
