import numpy as np
import pytest
import tensorflow as tf

from tfdomain.encoders.encoder import Encoder
from tfdomain.encoders.tokenizer import Tokenizer
from tfdomain.models.replaced_tokens import ReplacedTokenDetector


def make(folder, **options) -> ReplacedTokenDetector:
    encoder = Encoder.from_pretrained(folder, dropout_rate=0.0)
    return ReplacedTokenDetector(encoder, Tokenizer.from_pretrained(folder), generator_size=0.5, **options)


@pytest.fixture
def batch() -> dict[str, tf.Tensor]:
    random = np.random.default_rng(0)
    mask = (np.arange(10) < np.array([10, 6, 4, 8])[:, None]).astype("int32")
    ids = random.integers(5, 60, mask.shape).astype("int32") * mask
    labels = np.where((random.random(mask.shape) < 0.4) & (mask == 1), ids, -1).astype("int32")
    hidden = np.where(labels == -1, ids, 4)
    return {
        name: tf.constant(array, tf.int32)
        for name, array in (("token_ids", hidden), ("padding_mask", mask), ("labels", labels))
    }


def test_the_loss_is_the_sum_of_both_means(tiny_checkpoint, batch):
    model, seed = make(tiny_checkpoint, detection_weight=7.0), tf.constant([2, 3])
    denominator = model.loss_denominator(batch)
    assert float(denominator["tokens"]) == 28
    assert float(denominator["guesses"]) == (batch["labels"].numpy() != -1).sum()
    loss = float(model.replica_loss(batch, denominator=denominator, seed=seed))
    labels = batch["labels"].numpy()[batch["labels"].numpy() != -1]
    scores = model.generator(batch).numpy()
    guesses = -tf.nn.log_softmax(scores).numpy()[np.arange(len(labels)), labels].mean()
    detection = (loss - guesses) / 7
    # A fresh scorer knows nothing: each token costs about the logarithm of 2.
    assert detection == pytest.approx(np.log(2), abs=0.1)
    # Nothing flows from detection into the generator: a draw has no gradient.
    with tf.GradientTape() as tape:
        loss = model.replica_loss(batch, denominator=denominator, seed=seed)
    bias = model.generator.head.bias
    expected = (tf.nn.softmax(scores).numpy() - tf.one_hot(labels, scores.shape[1]).numpy()).mean(axis=0)
    np.testing.assert_allclose(tape.gradient(loss, bias.value), expected, atol=1e-6)


def test_it_learns_and_a_seed_gives_the_same_again(tiny_checkpoint, batch):
    def losses(seed):
        model, optimizer = make(tiny_checkpoint, seed=seed), tf.keras.optimizers.Adam(3e-3)
        found = []
        for step in range(30):
            with tf.GradientTape() as tape:
                loss = model.replica_loss(batch, denominator=model.loss_denominator(batch), seed=tf.constant([1, step]))
            optimizer.apply_gradients(
                zip(tape.gradient(loss, model.trainable_variables), model.trainable_variables, strict=True)
            )
            found.append(float(loss))
        return found, model.guess_batch(batch)[0].mean()

    (one, held_out), (again, _), (other, _) = losses(1), losses(1), losses(2)
    assert one == again != other
    assert np.mean(one[-5:]) < 0.8 * np.mean(one[:5]) and held_out < 0.6


def test_saved_and_loaded(tiny_checkpoint, batch, tmp_path):
    model = make(tiny_checkpoint, seed=4)
    model.save(tmp_path / "model", extra={"more.json": {"a": 1}})
    again = ReplacedTokenDetector.from_folder(tmp_path / "model", generator_size=0.5, seed=9)
    for one, other in zip(model.guess_batch(batch), again.guess_batch(batch), strict=True):
        np.testing.assert_array_equal(one, other)
    np.testing.assert_array_equal(
        Encoder.from_pretrained(tmp_path / "model")({"token_ids": tf.constant([[2, 7, 3]])}),
        model.encoder({"token_ids": tf.constant([[2, 7, 3]])}),
    )
