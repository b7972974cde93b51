import numpy as np
import pytest
import tensorflow as tf

from tfdomain.models.classifier import TextClassifier
from tfdomain.optimization.accumulation import sum_over_parts


@pytest.mark.parametrize("num_parts", [2, 3, 7])
def test_parts_add_up_to_the_whole(num_parts):
    random = np.random.default_rng(0)
    weight, unused = tf.Variable(random.normal(size=(4, 2))), tf.Variable(1.0)
    batch = {"x": tf.constant(random.normal(size=(7, 4))), "more": {"y": tf.constant(random.normal(size=(7, 2)))}}

    def differentiate(part, seed):
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum((part["x"] @ weight - part["more"]["y"]) ** 2) / 7
        return loss, tape.gradient(loss, [weight, unused])

    seed = tf.constant([0, 1])
    whole = differentiate(batch, seed)
    for run in (sum_over_parts, tf.function(sum_over_parts, autograph=False)):
        loss, gradients = run(differentiate, batch, seed, num_parts)
        np.testing.assert_allclose(loss, whole[0], rtol=1e-12)
        np.testing.assert_allclose(gradients[0], whole[1][0], rtol=1e-10)
        assert gradients[1] is None


def test_every_part_has_a_seed_of_its_own():
    def seeds(num_parts):
        def differentiate(part, seed):
            seen.append(tuple(seed.numpy()))
            return tf.zeros([]), [tf.zeros([])]

        seen = []
        sum_over_parts(differentiate, {"x": tf.zeros([6])}, tf.constant([5, 6]), num_parts)
        return seen

    assert len(set(seeds(3))) == 3
    assert seeds(3) == seeds(3)
    assert seeds(1) == [(5, 6)]


def test_a_model_learns_the_same_in_parts(tiny_checkpoint, labelled_texts):
    """One update for k batches equals one large batch, without dropout and with plain gradient descent."""

    def weights(**options):
        model = TextClassifier.from_pretrained(
            str(tiny_checkpoint), labels=["default", "repaid"], dropout_rate=0.0, seed=1
        )
        model.fit(*labelled_texts, epochs=2, optimizer="sgd", learning_rate=0.1, verbose=0, **options)
        return model.get_weights()

    large, parts = weights(batch_size=20), weights(batch_size=5, accumulate=4)
    for one, other in zip(large, parts, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)
