"""What an embedder learns from: pairs against the rest of their batch, triplets, and pairs with a score.

All compute in float32 whatever the policy, on vectors of any length: where a cosine is meant, it is taken here.
"""

import tensorflow as tf

from tfdomain.errors import InputError

__all__ = ["cosent_loss", "cosine_score_losses", "cosines", "multiple_negatives_loss", "triplet_losses"]

DISTANCES = ("cosine", "euclidean")

# Under this squared length a vector counts as this long, and two vectors as this far apart: a root has no slope at 0.
_SMALLEST_SQUARE = 1e-12
_MASKED = -1e9


def multiple_negatives_loss(
    anchors: tf.Tensor,
    positives: tf.Tensor,
    negatives: tf.Tensor | None = None,
    *,
    scale: float = 20.0,
    anchor_ids: tf.Tensor | None = None,
    positive_ids: tf.Tensor | None = None,
    negative_ids: tf.Tensor | None = None,
    positive_counts: tf.Tensor | None = None,
    symmetric: bool = False,
) -> tf.Tensor:
    """Cross-entropy of picking each anchor's positive among all positives and negatives of the batch, by cosine.

    A batch may hold a text twice, and what is one anchor's positive is then no negative of another: ids tell.
    A candidate is no negative of an anchor when its id is that of the anchor's positive, or when it is the
    positive of an anchor with the same id.

    Args:
        anchors: Float `[batch, size]`.
        positives: Float `[batch, size]`, each anchor's own.
        negatives: Float `[batch, count, size]`, hard negatives; each stands against every anchor.
        scale: What cosines are multiplied with, one over the temperature.
        anchor_ids: Integers or strings `[batch]`, equal for equal anchors; None: all differ.
        positive_ids: Integers or strings `[batch]`, equal for equal positives; None: all differ.
        negative_ids: `[batch, count]`, as `positive_ids` names the same texts; None: none is a positive.
        positive_counts: Numbers `[batch]` above 0, in proportion to how often each positive is drawn into a
            batch. Without them a text that is drawn often is a negative often, and ends up below its due; with
            them the logarithm is taken off its logits. Hard negatives are not drawn, and stay as they are.
        symmetric: Whether each positive has to pick its anchor as well; the loss is the mean of both.

    Returns:
        Float32 `[batch]`.

    Reference:
        Henderson et al. 2017, "Efficient Natural Language Response Suggestion for Smart Reply";
        Karpukhin et al. 2020, "Dense Passage Retrieval for Open-Domain Question Answering", for hard negatives;
        Yi et al. 2019, "Sampling-Bias-Corrected Neural Modeling for Large Corpus Item Recommendations".
    """
    _check_scale(scale)
    anchors, positives = _unit(anchors), _unit(positives)
    logits = scale * tf.matmul(anchors, positives, transpose_b=True)
    if positive_counts is not None:
        logits -= tf.math.log(tf.cast(positive_counts, tf.float32))
    same = _same(anchor_ids, positive_ids, tf.shape(logits)[0])
    logits = tf.where(same, _MASKED, logits)
    forward = logits
    if negatives is not None:
        hard = tf.reshape(_unit(negatives), [-1, tf.shape(positives)[1]])
        hard_logits = scale * tf.matmul(anchors, hard, transpose_b=True)
        if positive_ids is not None and negative_ids is not None:
            known = tf.reshape(negative_ids, [1, -1]) == tf.reshape(positive_ids, [-1, 1])
            hard_logits = tf.where(known, _MASKED, hard_logits)
        forward = tf.concat([logits, hard_logits], axis=1)
    true = tf.linalg.diag_part(logits)
    losses = tf.reduce_logsumexp(forward, axis=1) - true
    if symmetric:
        losses = (losses + tf.reduce_logsumexp(logits, axis=0) - true) / 2
    return losses


def triplet_losses(
    anchors: tf.Tensor,
    positives: tf.Tensor,
    negatives: tf.Tensor,
    margin: float,
    distance: str = "cosine",
) -> tf.Tensor:
    """How much a negative is short of standing `margin` further from the anchor than the positive does.

    Args:
        anchors: Float `[batch, size]`.
        positives: Float `[batch, size]`.
        negatives: Float `[batch, size]`.
        margin: Above 0; unit vectors are at most 2 apart by either distance.
        distance: `cosine` (1 - cosine) or `euclidean`.

    Returns:
        Float32 `[batch]`, at least 0.

    Reference:
        Reimers and Gurevych 2019, "Sentence-BERT", the triplet objective, with the Euclidean distance.
    """
    if distance not in DISTANCES:
        raise InputError(f"is {distance!r}", where="distance", mend=f"choose {' or '.join(DISTANCES)}")
    if not margin > 0:
        raise InputError(f"is {margin}", where="margin", mend="choose one above 0")
    measure = _cosine_distances if distance == "cosine" else _euclidean_distances
    return tf.nn.relu(measure(anchors, positives) - measure(anchors, negatives) + float(margin))


def cosine_score_losses(first: tf.Tensor, second: tf.Tensor, scores: tf.Tensor) -> tf.Tensor:
    """The squared difference between the cosine of each pair and its score.

    Args:
        first: Float `[batch, size]`.
        second: Float `[batch, size]`.
        scores: Float `[batch]`, 0 for unrelated to 1 for equal in meaning.

    Returns:
        Float32 `[batch]`.

    Reference:
        Reimers and Gurevych 2019, "Sentence-BERT", the regression objective.
    """
    return tf.square(cosines(first, second) - tf.cast(scores, tf.float32))


def cosent_loss(first: tf.Tensor, second: tf.Tensor, scores: tf.Tensor, scale: float = 20.0) -> tf.Tensor:
    """How far the order of the cosines is from the order of the scores, over all pairs of the batch.

    Only the order of the scores counts: it need not be in 0 to 1. The loss belongs to the batch as a whole.

    Args:
        first: Float `[batch, size]`.
        second: Float `[batch, size]`.
        scores: Float `[batch]`, of any range.
        scale: What cosines are multiplied with.

    Returns:
        A float32 scalar; 0 where all scores are equal.

    Reference:
        Huang et al. 2024, "CoSENT: Consistent Sentence Embedding via Similarity Ranking", IEEE/ACM TASLP 32.
    """
    _check_scale(scale)
    scaled = scale * cosines(first, second)
    scores = tf.cast(scores, tf.float32)
    # [i, j]: by how much pair j, whose score is lower, lies above pair i.
    excess = scaled[tf.newaxis, :] - scaled[:, tf.newaxis]
    excess = tf.where(scores[:, tf.newaxis] > scores[tf.newaxis, :], excess, _MASKED)
    return tf.reduce_logsumexp(tf.concat([[0.0], tf.reshape(excess, [-1])], axis=0))


def cosines(first: tf.Tensor, second: tf.Tensor) -> tf.Tensor:
    """The cosine of each pair of vectors `[..., size]`, float32 `[...]`; 0 where one of them is 0."""
    return tf.reduce_sum(_unit(first) * _unit(second), axis=-1)


def _unit(vectors: tf.Tensor) -> tf.Tensor:
    return tf.math.l2_normalize(tf.cast(vectors, tf.float32), axis=-1, epsilon=_SMALLEST_SQUARE)


def _cosine_distances(first: tf.Tensor, second: tf.Tensor) -> tf.Tensor:
    return 1.0 - cosines(first, second)


def _euclidean_distances(first: tf.Tensor, second: tf.Tensor) -> tf.Tensor:
    difference = tf.cast(first, tf.float32) - tf.cast(second, tf.float32)
    return tf.sqrt(tf.maximum(tf.reduce_sum(tf.square(difference), axis=-1), _SMALLEST_SQUARE))


def _same(anchor_ids: tf.Tensor | None, positive_ids: tf.Tensor | None, size: tf.Tensor) -> tf.Tensor:
    """bool `[batch, batch]`: whose positive is as good for an anchor as its own, the own one not counted."""
    same = tf.zeros([size, size], tf.bool)
    for ids in (anchor_ids, positive_ids):
        if ids is not None:
            ids = tf.reshape(ids, [-1])
            same = same | (ids[:, tf.newaxis] == ids[tf.newaxis, :])
    return same & ~tf.eye(size, dtype=tf.bool)


def _check_scale(scale: float) -> None:
    if not scale > 0:
        raise InputError(f"is {scale}", where="scale", mend="choose one above 0")
