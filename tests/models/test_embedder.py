import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy.stats import spearmanr

import tfdomain
from tfdomain.errors import InputError
from tfdomain.models.folder import load
from tfdomain.models.ranking_losses import cosine_score_losses, multiple_negatives_loss, triplet_losses

ANCHORS = ["my car is lost", "we paid", "银行😀", "please help with the money for school !"]
POSITIVES = ["lost car", "paid debt", "bank ＡＢＣ", "school money"]
NEGATIVES = ["good bank", "old house", "", "we paid"]
FIT = {"batch_size": 4, "verbose": 0, "optimizer": "sgd", "learning_rate": 0.1, "clip_norm": None}


@pytest.fixture(scope="module")
def new_embedder(small_checkpoint):
    tokenizer = tfdomain.Tokenizer.from_pretrained(small_checkpoint)

    def make(**settings):
        encoder = tfdomain.Encoder.from_pretrained(small_checkpoint, dropout_rate=0.0)
        return tfdomain.TextEmbedder(encoder, tokenizer, **settings)

    return make


def refusal(call) -> str:
    with pytest.raises(InputError) as caught:
        call()
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("pooling", ["mean", "cls"])
def test_vectors_are_the_pooled_states_at_length_one(new_embedder, pooling):
    model = new_embedder(pooling=pooling)
    texts = [*ANCHORS, ""]
    vectors = model.predict(texts)
    assert (vectors.dtype, vectors.shape) == (np.float32, (5, 16))
    for text, vector in zip(texts, vectors, strict=True):
        hidden = model.encoder(model.prepare({"text": tf.constant([text])})).numpy()[0]
        pooled = hidden[0] if pooling == "cls" else hidden.mean(axis=0)
        np.testing.assert_allclose(vector, pooled / np.linalg.norm(pooled), atol=1e-6)


@pytest.mark.thorough
def test_pairs_are_predicted_as_their_texts(new_embedder):
    model = new_embedder()
    for pairs in ((ANCHORS, POSITIVES), {"anchor": ANCHORS, "positive": POSITIVES}, (ANCHORS, POSITIVES, NEGATIVES)):
        found = model.predict(pairs)
        assert found.keys() == {"anchor", "positive"}
        np.testing.assert_allclose(found["positive"], model.predict(POSITIVES), atol=1e-6)
    rows = np.array([1, 3])
    np.testing.assert_allclose(model.predict((ANCHORS, POSITIVES), rows=rows)["anchor"], model.predict(ANCHORS)[rows])


@pytest.mark.parametrize(
    ("settings", "texts", "labels"),
    [
        ({"scale": 5.0}, (ANCHORS, POSITIVES), None),
        ({}, (ANCHORS, POSITIVES, NEGATIVES), None),
        ({"sampling_correction": True}, (ANCHORS[:3], [POSITIVES[0], POSITIVES[1], POSITIVES[1]]), None),
        ({"loss": "triplet", "margin": 1.5}, (ANCHORS, POSITIVES, NEGATIVES), None),
        ({"loss": "cosine", "score_range": [-1, 5]}, (ANCHORS, POSITIVES), [5, -1, 2, 0.5]),
    ],
)
def test_one_step_is_the_gradient_of_the_loss(new_embedder, settings, texts, labels):
    trained, model = new_embedder(**settings), new_embedder(**settings)
    history = trained.fit(texts, labels, epochs=1, warmup_rate=0, weight_decay=0, **FIT)
    variables = model.trainable_variables
    with tf.GradientTape() as tape:
        vectors = [model.embed(model.prepare({"text": tf.constant(column)})) for column in texts]
        if settings.get("loss") == "triplet":
            losses = triplet_losses(*vectors, 1.5)
        elif settings.get("loss") == "cosine":
            losses = cosine_score_losses(*vectors, (np.array(labels) + 1) / 6)
        else:
            negatives = [column[:, tf.newaxis] for column in vectors[2:]]
            ids_and_counts = {}
            if settings.get("sampling_correction"):
                ids_and_counts = {"positive_ids": tf.constant([0, 1, 1]), "positive_counts": tf.constant([1, 2, 2])}
            scale = settings.get("scale", 20.0)
            losses = multiple_negatives_loss(*vectors[:2], *negatives, scale=scale, **ids_and_counts)
        loss = tf.reduce_mean(losses)
    assert history.history["loss"][0] == pytest.approx(float(loss), rel=1e-5)
    for after, before, step in zip(trained.trainable_variables, variables, tape.gradient(loss, variables), strict=True):
        np.testing.assert_allclose(after, before - 0.1 * tf.convert_to_tensor(step), atol=2e-6)


@pytest.mark.thorough
def test_equal_texts_of_a_batch_are_no_negatives(new_embedder):
    model = new_embedder(scale=50.0)
    # All others are the anchor's own positive, or the positive of an equal anchor: nothing is left to tell apart.
    loss = model.fit((["we paid"] * 2 + ["my car"], ["debt", "bank", "debt"]), epochs=1, **FIT).history["loss"][0]
    other = model.fit((["we paid", "my car"], ["debt", "bank"]), epochs=1, **FIT).history["loss"][0]
    hard = model.fit((["we paid"], ["debt"], ["debt"]), epochs=1, **FIT).history["loss"][0]
    assert hard == pytest.approx(0, abs=1e-6)
    assert loss < other


@pytest.mark.thorough
def test_training_brings_pairs_together_and_validation_measures_it(new_embedder):
    words = [
        f"{first} {second}" for first in ("loan", "card", "car", "job") for second in ("lost", "new", "old", "good")
    ]
    pairs = ([f"my {word}" for word in words], [f"we need the {word} !" for word in words])
    model = new_embedder()
    before = model.evaluate(pairs)
    assert before["num_queries"] == before["num_items"] == 16
    history = model.fit(pairs, validation_data=(pairs, None), epochs=8, batch_size=16, learning_rate=3e-3, verbose=0)
    assert history.history["val_recall_at_1"][-1] > before["recall_at_1"]
    assert "val_loss" not in history.history
    assert history.history["val_mrr"][-1] == pytest.approx(model.evaluate(pairs)["mrr"])


def test_scored_pairs_are_measured_by_rank_and_error(new_embedder):
    model = new_embedder(loss="cosine", score_range=[0, 5])
    scores = [5.0, 0.0, 2.5, 4.0]
    vectors = model.predict((ANCHORS, POSITIVES))
    cosines = (vectors["anchor"] * vectors["positive"]).sum(axis=1)
    metrics = model.evaluate((ANCHORS, POSITIVES), scores)
    assert metrics["mse"] == pytest.approx(float(np.mean((cosines - np.array(scores) / 5) ** 2)), rel=1e-5)
    assert metrics["spearman"] == pytest.approx(spearmanr(cosines, scores).statistic)
    dataset = tf.data.Dataset.from_tensor_slices(((ANCHORS, POSITIVES), scores))
    assert model.evaluate(dataset.batch(3)) == pytest.approx(metrics, rel=1e-5)
    assert model.held_out_figures(metrics)["loss"] == metrics["mse"]


@pytest.mark.thorough
def test_datasets_of_texts_alone(new_embedder):
    model = new_embedder()
    dataset = tf.data.Dataset.from_tensor_slices({"anchor": ANCHORS, "positive": POSITIVES})
    assert model.evaluate(dataset) == pytest.approx(model.evaluate((ANCHORS, POSITIVES)))
    model.fit(dataset.batch(2), epochs=1, verbose=0)
    assert "2 texts" not in refusal(lambda: model.fit(dataset.map(lambda row: (row["anchor"], 1)), epochs=1))


def test_a_folder_is_a_plain_bert(new_embedder, tmp_path):
    from transformers import AutoConfig

    model = new_embedder(loss="cosine", score_range=[0, 5], pooling="cls")
    model.save(tmp_path / "model")
    assert not (tmp_path / "model" / "head.safetensors").exists()
    assert AutoConfig.from_pretrained(tmp_path / "model").architectures == ["BertModel"]
    again = load(tmp_path / "model")
    assert again.settings() == model.settings()
    np.testing.assert_array_equal(again.predict(ANCHORS), model.predict(ANCHORS))


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"pooling": "max"}, "choose cls or mean"),
        ({"loss": "softmax"}, "choose multiple_negatives, triplet, cosine"),
        ({"scale": 0}, "scale is 0"),
        ({"margin": 2.5}, "at most 2"),
        ({"score_range": [5, 0]}, "score_range is [5, 0]"),
        ({"loss": "cosine", "sampling_correction": True}, "the loss cosine draws no negatives"),
    ],
)
def test_choices_are_checked(new_embedder, settings, expected):
    assert expected in refusal(lambda: new_embedder(**settings))


def test_rows_must_fit_the_loss(new_embedder):
    pairs = (ANCHORS, POSITIVES)
    assert "1 text a row, and the loss multiple_negatives" in refusal(lambda: new_embedder().fit(ANCHORS))
    assert "labels are given" in refusal(lambda: new_embedder().fit(pairs, [1, 2, 3, 4]))
    assert "reads (anchor, positive, negative)" in refusal(lambda: new_embedder(loss="triplet").fit(pairs))
    cosine = new_embedder(loss="cosine")
    assert "no labels to train on" in refusal(lambda: cosine.fit(pairs))
    assert "the score 5 is outside 0 to 1; set score_range" in refusal(lambda: cosine.fit(pairs, [0, 1, 5, 0]))
    assert "y[1]" in refusal(lambda: cosine.fit(pairs, [0, np.nan, 1, 0]))
    assert "token arrays" in refusal(lambda: new_embedder().fit({"token_ids": np.ones((1, 3), "int32")}))
    assert "counts each anchor once" in refusal(lambda: new_embedder().evaluate(pairs, sample_weight=[1] * 4))
    assert "texts without another each" in refusal(lambda: new_embedder().evaluate(ANCHORS))
    assert "leave it out" in refusal(lambda: new_embedder().fit(pairs, label_smoothing=0.1))
    corrected = new_embedder(sampling_correction=True)
    dataset = tf.data.Dataset.from_tensors(dict(zip(("anchor", "positive"), pairs, strict=True)))
    assert "a data set's are not counted" in refusal(lambda: corrected.fit(dataset))


def test_a_callers_loss_is_refused(new_embedder):
    model = new_embedder()
    model.compile(loss=keras.losses.MeanSquaredError())
    assert "does not fit embedding" in refusal(lambda: model.fit((ANCHORS, POSITIVES)))


@pytest.mark.real
def test_vectors_of_the_real_checkpoint(minilm):
    """The first numbers that PyTorch gives with mean pooling at length 1, and the cosine of the two texts."""
    model = tfdomain.TextEmbedder.from_pretrained(minilm)
    vectors = model.predict(["A man with a hard hat is dancing.", "A young child is riding a horse."])
    np.testing.assert_allclose(vectors[0, :4], [0.02971853, -0.06003953, -0.00981452, -0.02668891], atol=2e-6)
    assert float(vectors[0] @ vectors[1]) == pytest.approx(0.03249807, abs=2e-6)
