"""Texts of many windows: what is pooled, what is learned, what is exported, what is refused."""

import numpy as np
import pytest
import tensorflow as tf

import tfdomain
from tfdomain.errors import InputError
from tfdomain.models.long_texts import WindowPooling, encode_in_parts

SHORT = ["my car is lost", "we paid", "", "please help my school"]
WORDS = ["the", "old", "car", "house", "bank", "money", "school", "card"]
WINDOWS = ["mean", "max", "attention"]


def random_text(random, num_words):
    return " ".join(random.choice(WORDS, num_words))


def softmax(scores):
    exponentials = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return exponentials / exponentials.sum(axis=-1, keepdims=True)


@pytest.mark.parametrize("windows", WINDOWS)
def test_short_texts_are_read_as_without_windows(new_classifier, windows):
    plain, windowed = new_classifier(max_length=8), new_classifier(max_length=20, window_length=8, windows=windows)
    np.testing.assert_array_equal(windowed.predict(SHORT), plain.predict(SHORT))
    seed, batch = tf.constant([1, 2]), plain.tokenizer(SHORT)
    vectors = [model.embed(batch, training=True, dropout_seed=seed) for model in (plain, windowed)]
    np.testing.assert_array_equal(*vectors)


@pytest.mark.parametrize("windows", WINDOWS)
def test_long_texts_against_numpy(new_classifier, windows):
    random = np.random.default_rng(0)
    model = new_classifier(max_length=21, window_length=8, overlap=0, windows=windows)
    query = random.normal(size=16)
    for weight in model.window_pooling.weights:
        weight.assign(query)
    model.head.set_weights([random.normal(size=[16, 2]), np.array([0.1, -0.1])])
    texts = [random_text(random, number) for number in (30, 0, 3, 6, 7, 19)]
    expected = []
    for text in texts:
        words = text.split()[:19]  # 21 tokens with [CLS] and [SEP]
        pieces = [" ".join(words[start : start + 6]) for start in range(0, max(len(words), 1), 6)]
        vectors = []
        for piece in pieces:
            hidden = model.encoder(model.tokenizer([piece]))
            vectors.append(model.encoder.pool(hidden).numpy()[0])
        vectors = np.array(vectors, "float64")
        weights = softmax(vectors @ query / 4) if windows == "attention" else np.full(len(vectors), 1 / len(vectors))
        pooled = vectors.max(axis=0) if windows == "max" else weights @ vectors
        expected.append(softmax(pooled @ model.head.kernel.numpy() + [0.1, -0.1]))
    np.testing.assert_allclose(model.predict(texts), expected, atol=1e-6)


def test_attention_starts_as_the_mean():
    vectors, rows = np.random.default_rng(0).normal(size=[7, 4]).astype("float32"), np.array([0, 0, 0, 1, 2, 2, 2])
    attention, mean = (WindowPooling(pooling)(vectors, rows, num_texts=3) for pooling in ("attention", "mean"))
    np.testing.assert_allclose(attention, mean, atol=1e-6)


def test_attention_takes_any_scores():
    pooling = WindowPooling("attention")
    pooling.build((None, 2))
    pooling.query.assign([1e4, 0.0])
    pooled = pooling(np.array([[100, 1], [99, 2], [-100, 3]], "float32"), np.array([0, 0, 1]), num_texts=2)
    np.testing.assert_array_equal(pooled, [[100, 1], [-100, 3]])


@pytest.mark.parametrize("num_windows", [0, 1, 7, 8, 9])
def test_windows_are_encoded_a_few_at_a_time(monkeypatch, num_windows):
    monkeypatch.setattr("tfdomain.models.long_texts.TOKENS_AT_ONCE", 16)
    sizes = []

    def encode(batch):
        sizes.append(len(batch["token_ids"]))
        return tf.cast(batch["token_ids"][:, :2], tf.float32)

    token_ids = tf.reshape(tf.range(num_windows * 4), [num_windows, 4])
    vectors = encode_in_parts(encode, {"token_ids": token_ids}, size=2, dtype="float32")
    np.testing.assert_array_equal(vectors, token_ids[:, :2])
    assert max(sizes) <= 4


def test_each_window_has_its_own_dropout(new_classifier):
    model = new_classifier(max_length=40, window_length=8, overlap=0, windows="mean")
    batch = model.tokenizer([" ".join(WORDS[:6] * 3)], max_length=40)
    vectors = []
    model.window_pooling = lambda windows, *_: vectors.append(windows.numpy()) or windows[:1]
    for training in (False, True):
        model.embed(batch, training=training, dropout_seed=tf.constant([1, 2]))
    still, dropped = vectors
    np.testing.assert_allclose(still, np.repeat(still[:1], 3, axis=0), atol=1e-6)
    assert all(np.abs(dropped[one] - dropped[other]).max() > 0.01 for one, other in ((0, 1), (0, 2), (1, 2)))


@pytest.mark.thorough
def test_the_end_of_a_long_text_is_learned(new_classifier):
    random = np.random.default_rng(0)
    bodies = [random_text(random, random.integers(64, 90)) for _ in range(48)]
    labels = ["default", "repaid"] * 24
    endings = {"default": " lost" * 5, "repaid": " paid" * 5}
    texts = [body + endings[label] for body, label in zip(bodies, labels, strict=True)]
    model = new_classifier(max_length=100, window_length=32, windows="attention", pooling="mean")
    model.fit(texts[:32], labels[:32], epochs=12, batch_size=8, learning_rate=0.01, verbose=0)
    assert model.evaluate(texts[32:], labels[32:])["accuracy"] >= 0.9
    assert np.abs(model.window_pooling.query.numpy()).max() > 0.01
    # Without windows no training could: both endings are cut off.
    cut = new_classifier(max_length=64, pooling="mean")
    np.testing.assert_array_equal(cut.predict([f"{bodies[0]} lost"]), cut.predict([f"{bodies[0]} paid"]))


@pytest.mark.thorough
def test_the_export_answers_as_predict(new_classifier, tmp_path):
    random = np.random.default_rng(0)
    model = new_classifier(max_length=6000, window_length=32, windows="attention")
    model.head.set_weights([random.normal(size=[16, 2]), np.array([0.1, -0.1])])
    model.window_pooling.query.assign(random.normal(size=16))
    texts = ["", "银行" * 2500, "😀👍🏽 lost 费用 ｌｏａｎ", "help " * 1000, "x" * 5000, " \n\u3000", "a\u2028b"]
    texts += [random_text(random, random.integers(0, 150)) + "银😀" * random.integers(2) for _ in range(193)]
    served = tf.saved_model.load(str(model.export(tmp_path / "served"))).signatures
    scores, vectors = [], []
    for start in range(0, 200, 50):
        text = tf.constant(texts[start : start + 50])
        scores.append(served["serving_default"](text=text)["scores"])
        vectors.append(served["embed"](text=text)["embedding"])
    expected = model.predict(texts)
    assert np.ptp(expected[:, 0]) > 0.1
    np.testing.assert_allclose(np.concatenate(scores), expected, atol=1e-5)
    kernel, bias = model.head.get_weights()
    np.testing.assert_allclose(softmax(np.concatenate(vectors) @ kernel + bias), expected, atol=1e-5)


def test_what_the_folder_holds(new_classifier, tmp_path):
    plain, model = new_classifier(), new_classifier(windows="attention", window_length=16)
    assert not plain.settings().keys() & {"windows", "window_length", "overlap"}
    assert {name: model.settings()[name] for name in ("max_length", "windows", "window_length", "overlap")} == {
        "max_length": 128,
        "windows": "attention",
        "window_length": 16,
        "overlap": None,
    }
    assert model.transformers_form() is None
    assert set(model.head_tensors()) == {"head.kernel", "head.bias", "windows.query"}
    model.window_pooling.query.assign(np.arange(16))
    model.save(tmp_path / "model")
    np.testing.assert_array_equal(tfdomain.load(tmp_path / "model").window_pooling.query, np.arange(16))
    assert set(new_classifier(windows="max").head_tensors()) == {"head.kernel", "head.bias"}


def test_default_lengths(new_classifier):
    for settings, expected in [({}, (64, 512)), ({"max_length": 40}, (40, 40)), ({"window_length": 10}, (10, 80))]:
        model = new_classifier(windows="mean", **settings)
        assert (model.window_length, model.max_length) == expected


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"max_length": 65},
            "max_length is 65; choose 3 to 64, the encoder's positions, or read longer texts with model.windows",
        ),
        ({"windows": "sum"}, "model.windows: windows is 'sum'; choose mean, max, attention"),
        ({"windows": "mean", "window_length": 65}, "model.window_length: window_length is 65; choose 3 to 64"),
        ({"windows": "mean", "window_length": 2}, "model.window_length: window_length is 2; choose 3 to 64"),
        (
            {"windows": "mean", "window_length": 16, "max_length": 15},
            "max_length is 15, less than a window of 16; give 16 or more, or a smaller model.window_length",
        ),
        ({"windows": "mean", "max_length": 2}, "window_length is 2"),
        (
            {"windows": "max", "window_length": 16, "overlap": 14},
            "model.overlap: overlap is 14; give 0 to 13 for windows of 16",
        ),
        (
            {"window_length": 16},
            r"model.window_length: window_length is 16, and there are no windows; choose model.windows \(mean, max",
        ),
        ({"overlap": 0}, "model.overlap: overlap is 0, and there are no windows"),
        ({"windows": "mean", "pairs": True}, "model.windows: windows are of single texts, and a window of a pair"),
    ],
)
def test_contradictions_are_refused(new_classifier, settings, message):
    with pytest.raises(InputError, match=message):
        new_classifier(**settings)


def test_training_on_pairs_is_refused(new_classifier):
    with pytest.raises(InputError, match=r"model\.windows: windows are of single texts"):
        new_classifier(windows="mean").fit((SHORT, SHORT), ["default", "repaid"] * 2, verbose=0)
