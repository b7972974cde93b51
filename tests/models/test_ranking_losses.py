import numpy as np
import pytest
import tensorflow as tf

from tfdomain.errors import InputError
from tfdomain.models.ranking_losses import (
    cosent_loss,
    cosine_score_losses,
    cosines,
    multiple_negatives_loss,
    triplet_losses,
)

RANDOM = np.random.default_rng(0)
ANCHORS, POSITIVES, OTHERS = RANDOM.normal(size=(3, 6, 5)).astype("float32")
NEGATIVES = RANDOM.normal(size=(6, 2, 5)).astype("float32")
SCORES = np.array([0.0, 0.2, 0.2, 0.5, 1.0, 0.9], "float32")


def cosine(first, second) -> float:
    first, second = first.astype("float64"), second.astype("float64")
    return float(first @ second / np.sqrt((first @ first) * (second @ second)))


def reference(anchors, positives, negatives=(), scale=20.0, left_out=lambda anchor, candidate: False) -> list[float]:
    """Anchor by anchor: candidates are the positives, then all hard negatives in order."""
    candidates = [*positives, *(vector for group in negatives for vector in group)]
    losses = []
    for row, anchor in enumerate(anchors):
        logits = {
            place: scale * cosine(anchor, candidate)
            for place, candidate in enumerate(candidates)
            if place == row or not left_out(row, place)
        }
        losses.append(np.log(sum(np.exp(logit - logits[row]) for logit in logits.values())))
    return losses


def close(found, expected):
    assert found.dtype == tf.float32
    np.testing.assert_allclose(found.numpy(), expected, rtol=2e-5, atol=2e-6)


@pytest.mark.parametrize("scale", [1.0, 20.0, 50.0])
def test_negatives_of_the_batch(scale):
    close(multiple_negatives_loss(ANCHORS, POSITIVES, scale=scale), reference(ANCHORS, POSITIVES, scale=scale))


def test_hard_negatives_stand_against_every_anchor():
    close(multiple_negatives_loss(ANCHORS, POSITIVES, NEGATIVES), reference(ANCHORS, POSITIVES, NEGATIVES))


def test_the_symmetric_loss_is_the_mean_of_both_ways():
    both = [reference(ANCHORS, POSITIVES, NEGATIVES), reference(POSITIVES, ANCHORS)]
    close(multiple_negatives_loss(ANCHORS, POSITIVES, NEGATIVES, symmetric=True), np.mean(both, axis=0))


def test_frequent_positives_lose_the_logarithm_of_their_counts():
    counts = np.array([1, 5, 2, 30, 1, 7])
    logits = np.array([[20 * cosine(anchor, positive) for positive in POSITIVES] for anchor in ANCHORS])
    logits -= np.log(counts)
    expected = np.log(np.exp(logits).sum(axis=1)) - np.diag(logits)
    close(multiple_negatives_loss(ANCHORS, POSITIVES, positive_counts=counts), expected)
    # In proportion is enough.
    close(multiple_negatives_loss(ANCHORS, POSITIVES, positive_counts=counts / 46), expected)


@pytest.mark.parametrize("kind", [np.int64, str])
def test_equal_positives_are_no_negatives(kind):
    ids = np.array([7, 8, 7, 9, 7, 10]).astype(kind)
    losses = multiple_negatives_loss(ANCHORS, POSITIVES, positive_ids=ids, symmetric=True)
    ways = [
        reference(first, second, left_out=lambda row, place: ids[row] == ids[place])
        for first, second in ((ANCHORS, POSITIVES), (POSITIVES, ANCHORS))
    ]
    close(losses, np.mean(ways, axis=0))


def test_what_equal_anchors_like_is_no_negative():
    anchors, positives = np.array([1, 2, 1, 3, 4, 5]), np.array([1, 2, 3, 4, 4, 5])
    losses = multiple_negatives_loss(ANCHORS, POSITIVES, anchor_ids=anchors, positive_ids=positives)
    close(
        losses,
        reference(
            ANCHORS,
            POSITIVES,
            left_out=lambda row, place: anchors[row] == anchors[place] or positives[row] == positives[place],
        ),
    )


def test_a_hard_negative_that_is_the_positive_is_none():
    ids, hard = np.array(list("abcdef")), np.array(["bx", "ya", "ad", "zz", "fe", "ab"])
    hard = np.array([list(pair) for pair in hard])
    losses = multiple_negatives_loss(ANCHORS, POSITIVES, NEGATIVES, positive_ids=ids, negative_ids=hard)
    flat = [*ids, *hard.ravel()]
    close(losses, reference(ANCHORS, POSITIVES, NEGATIVES, left_out=lambda row, place: flat[place] == ids[row]))


def test_a_batch_of_one_and_of_equals_has_no_loss():
    close(multiple_negatives_loss(ANCHORS[:1], POSITIVES[:1], symmetric=True), [0])
    close(multiple_negatives_loss(ANCHORS, POSITIVES, positive_ids=tf.zeros(6, tf.int32)), np.zeros(6))


def test_a_masked_positive_moves_nothing():
    anchors, positives = tf.Variable(ANCHORS), tf.Variable(POSITIVES)
    with tf.GradientTape() as tape:
        loss = multiple_negatives_loss(anchors, positives, positive_ids=[0, 0, 1, 2, 3, 4])[0]
    gradient = tape.gradient(loss, positives).numpy()
    assert np.all(gradient[1] == 0)
    assert np.all(np.abs(gradient[[0, 2, 3, 4, 5]]).sum(axis=1) > 0)


def test_triplets():
    cosine_expected, euclidean_expected = [], []
    for anchor, positive, negative in zip(ANCHORS, POSITIVES, OTHERS, strict=True):
        cosine_expected.append(max(0, cosine(anchor, negative) - cosine(anchor, positive) + 0.1))
        far, near = np.linalg.norm(anchor - negative), np.linalg.norm(anchor - positive)
        euclidean_expected.append(max(0, near - far + 0.5))
    close(triplet_losses(ANCHORS, POSITIVES, OTHERS, 0.1), cosine_expected)
    close(triplet_losses(ANCHORS, POSITIVES, OTHERS, 0.5, distance="euclidean"), euclidean_expected)
    assert 0 < np.count_nonzero(cosine_expected) < 6
    assert 0 < np.count_nonzero(euclidean_expected) < 6


def test_the_squared_difference_to_the_score():
    expected = [
        (cosine(first, second) - score) ** 2 for first, second, score in zip(ANCHORS, OTHERS, SCORES, strict=True)
    ]
    close(cosine_score_losses(ANCHORS, OTHERS, SCORES), expected)


def test_the_order_of_the_cosines():
    found = [cosine(first, second) for first, second in zip(ANCHORS, OTHERS, strict=True)]
    terms = [
        np.exp(20 * (found[low] - found[high])) for high in range(6) for low in range(6) if SCORES[high] > SCORES[low]
    ]
    assert len(terms) == 14
    close(cosent_loss(ANCHORS, OTHERS, SCORES), np.log1p(sum(terms)))
    close(cosent_loss(ANCHORS, OTHERS, 100 * SCORES - 3), np.log1p(sum(terms)))
    close(cosent_loss(ANCHORS, OTHERS, np.zeros(6)), 0)


def losses_of(first, second):
    yield multiple_negatives_loss(first, second, tf.stack([second, first], axis=1), symmetric=True)
    for distance in ("cosine", "euclidean"):
        yield triplet_losses(first, second, first, 0.3, distance=distance)
    yield cosine_score_losses(first, second, tf.ones(first.shape[0]))
    yield cosent_loss(first, second, tf.range(first.shape[0]))


def test_gradients_are_finite_at_zeros_and_at_equal_vectors():
    first = tf.Variable(np.concatenate([np.zeros((2, 5)), ANCHORS[2:]]).astype("float32"))
    with tf.GradientTape(persistent=True) as tape:
        losses = list(losses_of(first, tf.identity(first)))
    for loss in losses:
        assert np.isfinite(loss.numpy()).all()
        assert np.isfinite(tape.gradient(loss, first).numpy()).all()


def test_half_precision_counts_in_float32_and_graphs_agree():
    first, second = tf.cast(ANCHORS, tf.bfloat16), tf.cast(OTHERS, tf.bfloat16)
    graph = tf.function(lambda first, second: list(losses_of(first, second)))
    for half, whole, traced in zip(
        losses_of(first, second),
        losses_of(tf.cast(first, tf.float32), tf.cast(second, tf.float32)),
        graph(first, second),
        strict=True,
    ):
        close(half, whole.numpy())
        close(traced, half.numpy())


def test_a_zero_vector_is_like_nothing():
    close(cosines(np.zeros((1, 5)), ANCHORS[:1]), [0])
    close(cosines(3 * ANCHORS, ANCHORS), np.ones(6))


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: triplet_losses(ANCHORS, POSITIVES, OTHERS, 0.5, distance="dot"), "choose cosine or euclidean"),
        (lambda: triplet_losses(ANCHORS, POSITIVES, OTHERS, 0), "margin: is 0; choose one above 0"),
        (lambda: multiple_negatives_loss(ANCHORS, POSITIVES, scale=-1), "scale: is -1"),
        (lambda: cosent_loss(ANCHORS, POSITIVES, SCORES, scale=0), "scale: is 0"),
    ],
)
def test_settings_out_of_range(call, words):
    with pytest.raises(InputError, match=words):
        call()
