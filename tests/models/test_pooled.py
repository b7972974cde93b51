"""The table beside the text: what the constructor refuses, what is trained, and what a model's folder holds."""

import numpy as np
import pytest
import tensorflow as tf

import tfdomain
from tfdomain.errors import InputError

TABLE = {"amount": [10.0, 250.0, float("nan"), 7.0], "state": ["NY", "CA", "", "NY"]}
SPECS = tfdomain.learn_features(TABLE, min_count=1)
TEXTS = ["my car is lost", "we paid", "", "please help"]
LABELS = ["a", "b", "b", "a"]


def make(checkpoint, **settings):
    return tfdomain.TextClassifier.from_pretrained(str(checkpoint), **({"labels": ["a", "b"]} | settings))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"table_only": True}, "neither text nor features to read"),
        ({"features": SPECS, "fusion": "sum"}, "fusion is 'sum'; choose gated or concatenation"),
        ({"features": [tfdomain.FeatureSpec("text", "numeric")]}, "a feature has the name of a text, 'text'"),
        ({"features": [SPECS[0], SPECS[0]]}, "give at least one, each once"),
    ],
)
def test_contradictions_are_refused(small_checkpoint, settings, message):
    with pytest.raises(InputError, match=message):
        make(small_checkpoint, **settings)


def test_a_column_called_text_is_a_feature_of_a_table_alone(small_checkpoint):
    specs = tfdomain.learn_features({"text": [1, 2, 3]})
    model = make(small_checkpoint, features=specs, table_only=True)
    assert model.column_specs()["text"].dtype == tf.float32
    assert model.predict({"text": [2.0]}).shape == (1, 2)


@pytest.mark.parametrize("fusion", ["gated", pytest.param("concatenation", marks=pytest.mark.thorough)])
def test_text_and_table_both_count(small_checkpoint, fusion):
    model = make(small_checkpoint, features=SPECS, fusion=fusion, dropout_rate=0.0)
    x = {"text": TEXTS, **TABLE}
    model.fit(x, LABELS, epochs=3, batch_size=2, learning_rate=0.01, verbose=0)
    before = model.predict(x)
    for name, column in {"text": ["no"] * 4, "amount": [99.0] * 4, "state": ["CA"] * 4}.items():
        assert np.abs(model.predict(x | {name: column}) - before).max() > 1e-4, name


def test_the_head_without_features_is_what_it_was(small_checkpoint):
    model = make(small_checkpoint)
    assert not model.settings().keys() & {"features", "fusion", "table_only"}
    assert set(model.head_tensors()) == {"head.kernel", "head.bias"}
    assert model.transformers_form() is not None
    assert make(small_checkpoint, features=SPECS).transformers_form() is None


def test_tokens_without_the_columns_are_refused(small_checkpoint):
    model = make(small_checkpoint, features=SPECS)
    with pytest.raises(InputError, match="token arrays, and the model reads columns beside the text"):
        model.predict(model.tokenizer(TEXTS))


@pytest.mark.thorough
def test_what_is_new_learns_faster(small_checkpoint):
    models = [make(small_checkpoint, features=SPECS, dropout_rate=0.0) for _ in range(2)]
    before = models[0].head_tensors()
    embeddings = models[0].encoder.get_weights()
    for model, rate in zip(models, (1.0, 10.0), strict=True):
        model.fit(
            {"text": TEXTS, **TABLE}, LABELS, epochs=1, batch_size=4, optimizer="sgd", learning_rate=0.001,
            weight_decay=0.0, warmup_rate=0.0, head_rate=rate, verbose=0,
        )  # fmt: skip
    for name, tensor in before.items():
        plain, fast = (model.head_tensors()[name] - tensor for model in models)
        np.testing.assert_allclose(fast, 10 * plain, rtol=0.01, atol=1e-6, err_msg=name)
    for old, one, other in zip(embeddings, *(model.encoder.get_weights() for model in models), strict=True):
        np.testing.assert_allclose(one - old, other - old, atol=1e-7)


@pytest.mark.thorough
def test_predictions_do_not_hang_on_the_rows_around_them(small_checkpoint):
    model = make(small_checkpoint, features=SPECS)
    x = {"text": TEXTS, **TABLE}
    alone = np.concatenate(
        [model.predict({name: column[row : row + 1] for name, column in x.items()}) for row in range(4)]
    )
    np.testing.assert_allclose(alone, model.predict(x), atol=1e-6)
    assert model.predict({name: [] for name in x}).shape == (0, 2)
