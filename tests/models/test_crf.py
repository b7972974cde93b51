import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfdomain.errors import InputError
from tfdomain.models.crf import LinearChainCRF
from tfdomain.models.tag_moves import entity_types, legal_moves, tag_names

TYPES = ["X", "Y"]
LENGTHS = [4, 0, 1, 3, 2]


def make_crf(scheme, seed=0, scale=1.0):
    """A CRF of two types with random weights, the illegal ones among them too."""
    crf = LinearChainCRF(tag_names(TYPES, scheme))
    random = np.random.default_rng(seed)
    crf.set_weights([random.normal(0, scale, weight.shape) for weight in crf.get_weights()])
    return crf


def make_batch(crf, seed=1, scale=1.0, lengths=LENGTHS):
    """Emissions, with junk beyond the mask, and the mask."""
    random = np.random.default_rng(seed)
    emissions = random.normal(0, scale, (len(lengths), max(lengths), len(crf.tags))).astype("float32")
    mask = (np.arange(max(lengths)) < np.array(lengths)[:, np.newaxis]).astype("int32")
    return emissions, mask


def taggings(crf, emissions):
    """Every legal tagging of `[n, tags]` emissions, with its score in float64."""
    transitions, starts, ends = (np.asarray(weight, "float64") for weight in crf.get_weights())
    may_start, may_move, may_end = legal_moves(crf.tags)
    paths, scores = [], []
    for path in itertools.product(range(len(crf.tags)), repeat=len(emissions)):
        moves = list(itertools.pairwise(path))
        if may_start[path[0]] and may_end[path[-1]] and all(may_move[move] for move in moves):
            paths.append(path)
            own = sum(float(emissions[unit, tag]) for unit, tag in enumerate(path))
            scores.append(own + starts[path[0]] + ends[path[-1]] + sum(transitions[move] for move in moves))
    return np.array(paths), np.array(scores)


def log_sum(scores):
    return np.logaddexp.reduce(scores) if len(scores) else -np.inf


def entities(path, tags):
    """The entities (first, last, type name) of a legal tagging."""
    found = []
    for unit, number in enumerate(path):
        prefix, name = tags[number][0], tags[number][2:]
        if prefix in "BS":
            found.append([unit, unit, name])
        elif prefix in "IE":
            found[-1][1] = unit
    return [tuple(entity) for entity in found]


@pytest.mark.parametrize("scale", [1.0, 60.0])
@pytest.mark.parametrize("scheme", ["bio", "bioes"])
def test_against_enumeration(scheme, scale):
    crf = make_crf(scheme)
    emissions, mask = make_batch(crf, scale=scale)
    gold = np.full(mask.shape, -1, "int32")
    rows = [taggings(crf, emissions[row, :length]) if length else None for row, length in enumerate(LENGTHS)]
    random = np.random.default_rng(2)
    expected = np.zeros(len(LENGTHS))
    for row, length in enumerate(LENGTHS):
        if length:
            paths, scores = rows[row]
            chosen = random.integers(len(paths))
            gold[row, :length] = paths[chosen]
            expected[row] = log_sum(scores) - scores[chosen]
    np.testing.assert_allclose(crf.losses(emissions, gold, mask), expected, rtol=1e-5, atol=1e-5)

    best, marginals = crf.decode(emissions, mask).numpy(), crf.marginals(emissions, mask).numpy()
    assert best.dtype == np.int32
    for row, length in enumerate(LENGTHS):
        assert not best[row, length:].any() and not marginals[row, length:].any()
        if length:
            paths, scores = rows[row]
            np.testing.assert_array_equal(best[row, :length], paths[scores.argmax()])
            weights = np.exp(scores - log_sum(scores))
            summed = [[weights[paths[:, unit] == tag].sum() for tag in range(len(crf.tags))] for unit in range(length)]
            np.testing.assert_allclose(marginals[row, :length], summed, atol=1e-5)


@pytest.mark.parametrize("scale", [1.0, 10.0])
@pytest.mark.parametrize("scheme", ["bio", "bioes"])
def test_span_probabilities_against_enumeration(scheme, scale):
    """Of every possible span of every row, in a shuffled order, closed behind."""
    crf = make_crf(scheme, seed=3)
    emissions, mask = make_batch(crf, seed=4, scale=scale)
    spans, expected = [], []
    for row, length in enumerate(LENGTHS):
        if length:
            paths, scores = taggings(crf, emissions[row, :length])
            found = [entities(path, crf.tags) for path in paths]
            for first, last in itertools.combinations_with_replacement(range(length), 2):
                for number, name in enumerate(entity_types(crf.tags)):
                    holds = np.array([(first, last, name) in each for each in found])
                    spans.append((row, first, last, number))
                    expected.append(log_sum(scores[holds]) - log_sum(scores))
    order = np.random.default_rng(5).permutation(len(spans))
    spans, expected = np.array(spans, "int32")[order], np.array(expected)[order]
    given = crf.span_log_probabilities(emissions, mask, spans).numpy()
    assert given.max() <= 0
    np.testing.assert_allclose(given, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("scheme", ["bio", "bioes"])
def test_gradient_is_what_the_marginals_say(scheme):
    """Of a tagging's loss by the emissions: the tags' probabilities less the gold tags; nothing where nothing is."""
    crf = make_crf(scheme)
    emissions, mask = make_batch(crf)
    gold = np.zeros(mask.shape, "int32")
    emissions = tf.constant(emissions)
    with tf.GradientTape() as tape:
        tape.watch(emissions)
        loss = tf.reduce_sum(crf.losses(emissions, gold, mask))
    by_emissions, *by_weights = tape.gradient(loss, [emissions, *crf.trainable_variables])
    expected = crf.marginals(emissions, mask).numpy() - np.eye(len(crf.tags))[gold] * mask[:, :, np.newaxis]
    np.testing.assert_allclose(by_emissions, expected, atol=1e-5)
    for weight, gradient, legal in zip(crf.trainable_variables, by_weights, _legal_in_order(crf), strict=True):
        gradient = tf.convert_to_tensor(gradient).numpy()
        assert np.isfinite(gradient).all() and gradient[legal].any()
        assert not gradient[~legal].any(), weight.path


def _legal_in_order(crf):
    starts, moves, ends = legal_moves(crf.tags)
    return moves, starts, ends


def test_gradient_of_the_weights_against_differences():
    crf = make_crf("bio")
    emissions, mask = make_batch(crf)
    gold = np.array([[1, 2, 0, 3], [0, 0, 0, 0], [3, 0, 0, 0], [0, 1, 1, 0], [3, 4, 0, 0]])
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(crf.losses(emissions, gold, mask))
    gradients = [tf.convert_to_tensor(each).numpy() for each in tape.gradient(loss, crf.trainable_variables)]
    weights, step = crf.get_weights(), 1e-2
    for index, place in [(0, (1, 2)), (0, (0, 1)), (0, (2, 2)), (1, (3,)), (2, (4,))]:
        sides = []
        for sign in (1, -1):
            moved = [weight.copy() for weight in weights]
            moved[index][place] += sign * step
            crf.set_weights(moved)
            sides.append(float(tf.reduce_sum(crf.losses(emissions, gold, mask))))
        assert (sides[0] - sides[1]) / (2 * step) == pytest.approx(gradients[index][place], abs=2e-3)


@pytest.mark.parametrize("scheme", ["bio", "bioes"])
def test_illegal_moves_are_never_decoded(scheme):
    """Though the weights and the emissions praise them as they can."""
    crf = LinearChainCRF(tag_names(TYPES, scheme))
    starts, moves, ends = legal_moves(crf.tags)
    crf.set_weights([np.where(legal, -1e4, 1e4) for legal in (moves, starts, ends)])
    lengths = [40, 1, 2, 17, 40]
    emissions, mask = make_batch(crf, scale=1e3, lengths=lengths)
    emissions[4, :, crf.tags.index("I-X")] += 1e6
    for row, length in zip(crf.decode(emissions, mask).numpy(), lengths, strict=True):
        path = row[:length]
        assert starts[path[0]] and ends[path[-1]]
        assert all(moves[move] for move in itertools.pairwise(path))


def test_long_texts_are_as_exact_as_short_ones():
    """2,000 units: the float32 probabilities against float64 sums over the same chain."""
    length, crf = 2000, make_crf("bio", seed=6)
    emissions, mask = make_batch(crf, seed=7, scale=3.0, lengths=[length])
    moves = np.where(legal_moves(crf.tags)[1], crf.get_weights()[0].astype("float64"), -1e30)
    starts = np.where(legal_moves(crf.tags)[0], crf.get_weights()[1].astype("float64"), -1e30)
    forward = [starts + emissions[0, 0]]
    for unit in emissions[0, 1:].astype("float64"):
        forward.append(np.logaddexp.reduce(forward[-1][:, np.newaxis] + moves, axis=0) + unit)
    backward = [crf.get_weights()[2].astype("float64")]
    for unit in emissions[0, :0:-1].astype("float64"):
        backward.append(np.logaddexp.reduce(moves + unit + backward[-1], axis=1))
    total = log_sum(forward[-1] + backward[0])
    expected = np.exp(np.array(forward) + np.array(backward[::-1]) - total)
    np.testing.assert_allclose(tf.function(crf.marginals)(emissions, mask)[0], expected, atol=1e-5)
    gold = np.zeros([1, length], "int32")
    score = emissions[0, :, 0].sum(dtype="float64") + (length - 1) * moves[0, 0] + starts[0] + backward[0][0]
    np.testing.assert_allclose(tf.function(crf.losses)(emissions, gold, mask), [total - score], rtol=1e-6)
    # The chance that the last unit alone is an entity: what comes before must not blur it.
    closed = tf.function(crf.span_log_probabilities)(emissions, mask, [[0, length - 1, length - 1, 1]])
    np.testing.assert_allclose(np.exp(closed), expected[-1][3], rtol=1e-4)


@pytest.mark.parametrize("shape", [(0, 3), (2, 0), (0, 0)])
def test_no_rows_and_no_units(shape):
    crf = make_crf("bio")
    emissions, mask = np.zeros((*shape, 5), "float32"), np.ones(shape, bool)
    assert crf.losses(emissions, np.zeros(shape, "int32"), mask).numpy().tolist() == [0.0] * shape[0]
    assert crf.decode(emissions, mask).shape == shape
    assert crf.marginals(emissions, mask).shape == (*shape, 5)
    assert crf.span_log_probabilities(emissions, mask, np.zeros((0, 4), "int32")).shape == (0,)


def test_half_precision_outside_full_inside():
    """Under a half-precision policy, inside a model whose layers cast what they see."""

    class Model(keras.Model):
        def __init__(self):
            super().__init__(dtype="mixed_bfloat16")
            self.crf = make_crf("bio")

        def call(self, emissions):
            mask = tf.ones(tf.shape(emissions)[:2], tf.int32)
            return self.crf.marginals(emissions, mask), self.crf.chain().transitions

    model = Model()
    emissions = tf.constant(make_batch(model.crf)[0])
    marginals, transitions = model(emissions)
    assert marginals.dtype == transitions.dtype == tf.float32
    inside = tf.cast(tf.cast(emissions, tf.bfloat16), tf.float32)
    np.testing.assert_allclose(marginals, model.crf.marginals(inside, np.ones((5, 4))), atol=1e-6)
    np.testing.assert_array_equal(transitions[0, 0], model.crf.get_weights()[0][0, 0])


def test_saved_model_with_any_batch_and_length(tmp_path):
    """One traced signature serves every shape, without Python in the graph, and answers what the layer does."""
    crf = make_crf("bioes")

    @tf.function(
        input_signature=[
            tf.TensorSpec([None, None, len(crf.tags)], tf.float32),
            tf.TensorSpec([None, None], tf.int32),
            tf.TensorSpec([None, 4], tf.int32),
        ]
    )
    def serve(emissions, mask, spans):
        return {
            "tags": crf.decode(emissions, mask),
            "marginals": crf.marginals(emissions, mask),
            "spans": crf.span_log_probabilities(emissions, mask, spans),
        }

    module = tf.Module()
    module.crf, module.serve = crf, serve
    tf.saved_model.save(module, tmp_path / "model", signatures=serve)
    loaded = tf.saved_model.load(tmp_path / "model")
    names = {node.op for node in loaded.serve.concrete_functions[0].graph.as_graph_def().node}
    assert not names & {"PyFunc", "EagerPyFunc", "PyFuncStateless"}
    for lengths in (LENGTHS, [2, 1]):
        emissions, mask = make_batch(crf, lengths=lengths)
        spans = np.array([[0, 0, 1, 1], [0, 1, 1, 0]], "int32")
        given = loaded.signatures["serving_default"](
            emissions=tf.constant(emissions), mask=tf.constant(mask), spans=tf.constant(spans)
        )
        np.testing.assert_array_equal(given["tags"], crf.decode(emissions, mask))
        np.testing.assert_allclose(given["marginals"], crf.marginals(emissions, mask), atol=1e-6)
        np.testing.assert_allclose(given["spans"], crf.span_log_probabilities(emissions, mask, spans), atol=1e-5)


def test_it_learns_what_emissions_cannot_say():
    """The same emission everywhere: that entities have two units stands in the transitions alone."""
    crf = LinearChainCRF(tag_names(["X"]))
    gold = np.tile(np.array([1, 2, 0], "int32"), (8, 4))
    emissions, mask = np.zeros((*gold.shape, 3), "float32"), np.ones(gold.shape, "int32")
    optimizer = keras.optimizers.Adam(0.3)

    @tf.function
    def update():
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(crf.losses(emissions, gold, mask))
        optimizer.apply(tape.gradient(loss, crf.trainable_variables), crf.trainable_variables)
        return loss

    losses = [float(update()) for _ in range(60)]
    assert losses[-1] < 0.1 * losses[0]
    np.testing.assert_array_equal(crf.decode(emissions, mask), gold)


def test_comes_back_from_its_config():
    crf = make_crf("bioes")
    again = LinearChainCRF.from_config(crf.get_config())
    again.set_weights(crf.get_weights())
    emissions, mask = make_batch(crf)
    np.testing.assert_array_equal(again.decode(emissions, mask), crf.decode(emissions, mask))


def test_tags_of_no_scheme():
    with pytest.raises(InputError, match="give what tag_names makes of the entity types"):
        LinearChainCRF(["B-X", "I-X", "O"])
