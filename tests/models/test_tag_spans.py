import numpy as np
import pytest
import tensorflow as tf

from tfdomain.models.tag_moves import tag_names
from tfdomain.models.tag_spans import find_spans, mean_confidences, pad_spans

TYPES = ["X", "疾病"]


def chunks(tags):
    """The chunks (first, last, type) as conlleval's two questions find them: does one end, does one begin?"""
    found, start, previous, previous_type = [], 0, "O", ""
    for unit, tag in enumerate([*tags, "O"]):
        prefix, _, name = tag.partition("-")
        ended = (
            (previous, prefix) in {("B", "B"), ("B", "S"), ("B", "O"), ("I", "B"), ("I", "S"), ("I", "O")}
            or previous in ("E", "S")
            or (previous != "O" and previous_type != name)
        )
        begun = (
            prefix in ("B", "S")
            or (previous in ("E", "S", "O") and prefix in ("E", "I"))
            or (prefix != "O" and previous_type != name)
        )
        if ended:
            found.append((start, unit - 1, previous_type))
        if begun:
            start = unit
        previous, previous_type = prefix, name
    return found


def random_batch(scheme, seed, batch=40, longest=12):
    tags = tag_names(TYPES, scheme)
    random = np.random.default_rng(seed)
    tag_ids = random.integers(0, len(tags), (batch, longest)).astype("int32")
    tag_ids[: batch // 2][random.random((batch // 2, longest)) < 0.4] = 0
    lengths = random.integers(0, longest + 1, batch)
    lengths[:3] = 0, 1, longest
    return tags, tag_ids, (np.arange(longest) < lengths[:, np.newaxis]).astype("int32"), lengths


@pytest.mark.parametrize("scheme", ["bio", "bioes"])
def test_any_tagging_is_read_as_conlleval_reads_it(scheme):
    tags, tag_ids, mask, lengths = random_batch(scheme, seed=0)
    expected = [
        (row, first, last, TYPES.index(name))
        for row, length in enumerate(lengths)
        for first, last, name in chunks([tags[number] for number in tag_ids[row, :length]])
    ]
    spans = find_spans(tag_ids, mask, tags)
    assert spans.dtype == tf.int32
    np.testing.assert_array_equal(spans, expected)


@pytest.mark.parametrize(
    ("tags", "spans"),
    [
        ("I-X I-X O I-X", [(0, 1, 0), (3, 3, 0)]),
        ("B-X I-疾病 I-疾病", [(0, 0, 0), (1, 2, 1)]),
        ("B-X B-X I-X", [(0, 0, 0), (1, 2, 0)]),
        ("O O", []),
    ],
)
def test_by_hand(tags, spans):
    names = tag_names(TYPES)
    tag_ids = np.array([[names.index(tag) for tag in tags.split()]], "int32")
    found = find_spans(tag_ids, np.ones_like(tag_ids), names).numpy()[:, 1:]
    assert [tuple(span) for span in found.tolist()] == spans


def test_table_and_confidences():
    tags, tag_ids, mask, lengths = random_batch("bio", seed=1)
    probabilities = np.random.default_rng(2).dirichlet(np.ones(len(tags)), tag_ids.shape).astype("float32")
    spans = find_spans(tag_ids, mask, tags)
    table = pad_spans(spans, mean_confidences(probabilities, tag_ids, spans), len(tag_ids))
    assert table.confidence.dtype == tf.float32
    widest = 0
    for row, length in enumerate(lengths):
        expected = chunks([tags[number] for number in tag_ids[row, :length]])
        count, widest = len(expected), max(widest, len(expected))
        assert table.count[row] == count
        given = zip(*(part[row].numpy()[:count].tolist() for part in table[:3]), strict=True)
        assert list(given) == [(first, last, TYPES.index(name)) for first, last, name in expected]
        assert not any(part[row].numpy()[count:].any() for part in table[:4])
        for place, (first, last, _) in enumerate(expected):
            mean = np.mean([probabilities[row, unit, tag_ids[row, unit]] for unit in range(first, last + 1)])
            assert float(table.confidence[row, place]) == pytest.approx(mean, abs=1e-6)
    assert table.first.shape == (len(tag_ids), widest)


@pytest.mark.parametrize("shape", [(2, 3), (2, 0), (0, 3), (0, 0)])
def test_no_entities_leave_one_empty_column(shape):
    tags = tag_names(TYPES)
    tag_ids = np.zeros(shape, "int32")
    spans = find_spans(tag_ids, np.ones(shape), tags)
    assert spans.shape == (0, 4)
    table = pad_spans(spans, mean_confidences(np.ones((*shape, 5), "float32"), tag_ids, spans), shape[0])
    assert all(part.shape == (shape[0], 1) for part in table[:4])
    assert not table.count.numpy().any()


def test_in_a_saved_model(tmp_path):
    tags = tag_names(TYPES)

    @tf.function(
        input_signature=[tf.TensorSpec([None, None, len(tags)], tf.bfloat16), tf.TensorSpec([None, None], tf.int32)]
    )
    def serve(probabilities, mask):
        tag_ids = tf.argmax(probabilities, axis=-1, output_type=tf.int32)
        spans = find_spans(tag_ids, mask, tags)
        return pad_spans(spans, mean_confidences(probabilities, tag_ids, spans), tf.shape(mask)[0])._asdict()

    module = tf.Module()
    module.serve = serve
    tf.saved_model.save(module, tmp_path / "model", signatures=serve)
    answer = tf.saved_model.load(tmp_path / "model").signatures["serving_default"]
    given = answer(probabilities=tf.one_hot([[1, 2, 0, 4]], 5, dtype=tf.bfloat16), mask=tf.constant([[1, 1, 1, 1]]))
    assert {name: value.numpy().tolist() for name, value in given.items()} == {
        "first": [[0, 3]], "last": [[1, 3]], "type": [[0, 1]], "confidence": [[1.0, 1.0]], "count": [2],
    }  # fmt: skip
    assert answer(probabilities=tf.zeros([3, 0, 5], tf.bfloat16), mask=tf.zeros([3, 0], tf.int32))["count"].shape == 3
