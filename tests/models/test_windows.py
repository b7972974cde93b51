import itertools

import numpy as np
import pytest
import tensorflow as tf

from tfdomain.errors import InputError
from tfdomain.models.windows import cut_windows, merge_tokens, pool_windows

PAD, CLS, SEP, WORD, PIECE = 0, 1, 2, 3, 4
CONTINUES = np.arange(200) >= 100  # words are 3 to 99, their further pieces 100 and up


def make_batch(seed, batch=12, longest=60, questions=False):
    """Rows of random words, some longer than a window, and an empty text; every token of a row is another number."""
    random = np.random.default_rng(seed)
    rows, segments = [], []
    for index in range(batch):
        row, segment = [CLS], [0]
        if questions:
            row += [int(token) for token in random.integers(WORD, 200, random.integers(0, 4))] + [SEP]
            segment += [0] * (len(row) - 1)
        content = []
        limit = 0 if index == 0 else int(random.integers(0, longest))
        while len(content) < limit:
            pieces = int(random.integers(12, 30)) if random.random() < 0.08 else int(random.integers(1, 5))
            content += [int(random.integers(WORD, 100)), *random.integers(100, 200, pieces - 1).tolist()]
        rows.append([*row, *content, SEP])
        segments.append(segment + [int(questions)] * (len(content) + 1))
    length = max(map(len, rows))
    token_ids = np.array([row + [PAD] * (length - len(row)) for row in rows], "int32")
    segment_ids = np.array([row + [0] * (length - len(row)) for row in segments], "int32")
    padding_mask = np.array([[1] * len(row) + [0] * (length - len(row)) for row in rows], "int32")
    inputs = {"token_ids": token_ids, "segment_ids": segment_ids, "padding_mask": padding_mask}
    return rows, segments, {name: tf.constant(part) for name, part in inputs.items()}


def cuts_of(content, room, overlap):
    """The windows (start, stop) of a row's content, and its words (start, stop), in plain words of the rule."""
    borders = [0] + [at for at in range(1, len(content)) if not CONTINUES[content[at]]] + [len(content)]
    borders = sorted(set(borders))
    words = list(itertools.pairwise(borders))
    windows, start = [], 0
    while True:
        full = start + room
        stop = max((at for at in borders if start < at <= full), default=min(full, len(content)))
        windows.append((start, stop))
        if stop == len(content):
            return windows, words
        if stop not in borders:  # inside a word that is longer than a window
            start = stop - overlap
            continue
        next_word = next(end for at, end in words if at == stop)
        choices = [at for at in borders if at <= stop - overlap and next_word - at <= room]
        # The nearest border that leaves the overlap; else the earliest that leaves room for the next word.
        enough = [at for at in borders if at <= stop and next_word - at <= room]
        start = max(choices) if choices else min(enough, default=stop)


def supplier(at, windows, words, length, room):
    """The first window in which the token, or the first one of its word, stands furthest from an edge."""
    start, stop = next(word for word in words if word[0] <= at < word[1])
    anchor = start if stop - start <= room else at

    def distance(window):
        left = anchor - window[0] if window[0] > 0 else length
        right = window[1] - 1 - anchor if window[1] < length else length
        return min(left, right)

    holding = [number for number, window in enumerate(windows) if window[0] <= anchor < window[1]]
    return max(holding, key=lambda number: (distance(windows[number]), -number))


@pytest.mark.parametrize("questions", [False, True])
@pytest.mark.parametrize(("width", "overlap"), [(16, None), (12, 0), (9, 2), (3, None), (24, 15), (50, None)])
def test_against_the_rule_in_plain_python(width, overlap, questions):
    width += 4 if questions else 0
    for seed in range(3):
        rows, segments, inputs = make_batch(seed, questions=questions)
        given = cut_windows(inputs, CONTINUES, width=width, overlap=overlap, keep_question=questions)
        token_ids, segment_ids, padding_mask, row_of_window, window_of_token, place_of_token = (
            part.numpy() for part in given
        )
        assert token_ids.shape[1] == segment_ids.shape[1] == padding_mask.shape[1] == width
        expected, expected_segments, expected_rows, before = [], [], [], 0
        for index, (row, segment) in enumerate(zip(rows, segments, strict=True)):
            prefix = segment.count(0) if questions else 1
            room, content = width - 1 - prefix, row[prefix:-1]
            repeated = room // 4 if overlap is None else min(overlap, room - 1)
            windows, words = cuts_of(content, room, repeated)
            for start, stop in windows:
                places = [*range(prefix), *range(prefix + start, prefix + stop), len(row) - 1]
                expected.append([row[place] for place in places])
                expected_segments.append([segment[place] for place in places])
                expected_rows.append(index)
            for at in range(len(content)):
                number = supplier(at, windows, words, len(content), room)
                assert window_of_token[index, prefix + at] == before + number
                assert place_of_token[index, prefix + at] == prefix + at - windows[number][0]
            before += len(windows)
        assert row_of_window.tolist() == expected_rows
        assert padding_mask.sum(1).tolist() == [len(window) for window in expected]
        for window, segment, tokens, numbers in zip(expected, expected_segments, token_ids, segment_ids, strict=True):
            assert tokens.tolist() == window + [PAD] * (width - len(window))
            assert numbers.tolist() == segment + [0] * (width - len(segment))


@pytest.mark.parametrize("questions", [False, True])
@pytest.mark.parametrize("width", [11, 17, 40])
def test_what_holds_for_any_text(width, questions):
    """Each token comes back as itself, once; windows hold CLS to SEP; words that fit stay whole."""
    for seed in range(10, 16):
        rows, segments, inputs = make_batch(seed, longest=200, questions=questions)
        windows = cut_windows(inputs, CONTINUES, width=width, keep_question=questions)
        merged = merge_tokens(windows.token_ids[:, :, tf.newaxis], windows)[:, :, 0].numpy()
        kept = inputs["padding_mask"].numpy().astype(bool)
        assert merged.shape == kept.shape
        np.testing.assert_array_equal(merged[kept], inputs["token_ids"].numpy()[kept])
        sizes, window_of_token = windows.padding_mask.numpy().sum(1), windows.window_of_token.numpy()
        assert sizes.max() <= width and set(windows.row_of_window.numpy()) == set(range(len(rows)))
        for tokens, size, row in zip(windows.token_ids.numpy(), sizes, windows.row_of_window.numpy(), strict=True):
            assert tokens[0] == CLS and tokens[size - 1] == SEP
            prefix = segments[row].count(0) if questions else 1
            assert tokens[:prefix].tolist() == rows[row][:prefix]
        for index, row in enumerate(rows):
            prefix = segments[index].count(0) if questions else 1
            _, words = cuts_of(row[prefix:-1], width - 1 - prefix, 0)
            for start, stop in words:
                if stop - start <= width - 1 - prefix:
                    assert len(set(window_of_token[index, prefix + start : prefix + stop])) == 1


def test_nothing_too_long_is_nothing_changed():
    """The same tensors, to the bit, and the merged hidden states too; as wide as the texts are."""
    _, _, inputs = make_batch(0)
    length = inputs["token_ids"].shape[1]
    windows = cut_windows(inputs, CONTINUES, width=length)
    for name, part in windows.inputs().items():
        np.testing.assert_array_equal(part, inputs[name])
    assert windows.row_of_window.numpy().tolist() == list(range(12))
    hidden = tf.random.stateless_normal([12, length, 3], [0, 0], dtype=tf.bfloat16)
    assert merge_tokens(hidden, windows) is hidden
    vectors = hidden[:, 0]
    for pooling in ("mean", "max"):
        np.testing.assert_array_equal(pool_windows(vectors, windows.row_of_window, 12, pooling), vectors)


def test_length_of_padding_alone_costs_no_windows():
    """Long for its padding only: one window a row, each text as it was."""
    rows, _, inputs = make_batch(1, longest=10)
    wide = {name: tf.pad(part, [[0, 0], [0, 80]]) for name, part in inputs.items()}
    windows = cut_windows(wide, CONTINUES, width=max(map(len, rows)))
    for name, part in windows.inputs().items():
        np.testing.assert_array_equal(part, inputs[name])


def test_rows_of_padding_alone():
    inputs = {name: tf.zeros([3, 20], tf.int32) for name in ("token_ids", "segment_ids", "padding_mask")}
    for questions in (False, True):
        windows = cut_windows(inputs, CONTINUES, width=8, keep_question=questions, pad_token_id=7)
        assert windows.row_of_window.numpy().tolist() == [0, 1, 2]
        assert not windows.padding_mask.numpy().any() and (windows.token_ids.numpy() == 7).all()
        assert merge_tokens(tf.zeros([3, 8, 2]), windows).shape == (3, 20, 2)


def test_no_rows():
    inputs = {name: tf.zeros([0, 20], tf.int32) for name in ("token_ids", "segment_ids", "padding_mask")}
    windows = cut_windows(inputs, CONTINUES, width=8)
    assert windows.token_ids.shape == (0, 8) and windows.window_of_token.shape == (0, 20)
    assert merge_tokens(tf.zeros([0, 8, 2]), windows).shape == (0, 20, 2)


def test_pooled_windows():
    vectors = np.random.default_rng(0).normal(size=(5, 3)).astype("float32")
    row_of_window = tf.constant([0, 0, 0, 1, 1])
    mean, highest = (pool_windows(tf.constant(vectors), row_of_window, 2, pooling) for pooling in ("mean", "max"))
    np.testing.assert_allclose(mean, [vectors[:3].mean(0), vectors[3:].mean(0)], atol=1e-6)
    np.testing.assert_array_equal(highest, [vectors[:3].max(0), vectors[3:].max(0)])
    many = pool_windows(tf.ones([4096, 1], tf.bfloat16), tf.zeros(4096, tf.int32), 1)
    assert many.dtype == tf.bfloat16 and float(many[0, 0]) == 1


def test_gradient_reaches_the_windows_that_supply():
    _, _, inputs = make_batch(2)

    @tf.function
    def gradient(hidden):
        windows = cut_windows(inputs, CONTINUES, width=16)
        with tf.GradientTape() as tape:
            tape.watch(hidden)
            total = tf.reduce_sum(merge_tokens(hidden, windows))
        return tf.convert_to_tensor(tape.gradient(total, hidden))

    windows = cut_windows(inputs, CONTINUES, width=16)
    expected = np.zeros((*windows.token_ids.shape, 2))
    index = windows.window_of_token.numpy(), windows.place_of_token.numpy()
    np.add.at(expected, index, 1)
    np.testing.assert_array_equal(gradient(tf.ones(expected.shape)), expected)


def test_in_a_saved_model(tmp_path):
    """One signature for short and long batches of any number of rows."""
    names = ("token_ids", "segment_ids", "padding_mask")

    @tf.function(input_signature=[tf.TensorSpec([None, None], tf.int32, name=name) for name in names])
    def serve(token_ids, segment_ids, padding_mask):
        inputs = {"token_ids": token_ids, "segment_ids": segment_ids, "padding_mask": padding_mask}
        windows = cut_windows(inputs, tf.constant(CONTINUES), width=40)
        hidden = tf.cast(windows.token_ids[:, :, tf.newaxis], tf.float32)
        pooled = pool_windows(hidden[:, 0], windows.row_of_window, tf.shape(token_ids)[0])
        return {"merged": merge_tokens(hidden, windows)[:, :, 0], "pooled": pooled}

    module = tf.Module()
    module.serve = serve
    tf.saved_model.save(module, tmp_path / "model", signatures=serve)
    answer = tf.saved_model.load(tmp_path / "model").signatures["serving_default"]
    for batch, longest in ((3, 20), (5, 300), (1, 1)):
        _, _, inputs = make_batch(batch, batch=batch, longest=longest)
        given = answer(**inputs)
        kept = inputs["padding_mask"].numpy().astype(bool)
        np.testing.assert_array_equal(given["merged"].numpy()[kept], inputs["token_ids"].numpy()[kept])
        np.testing.assert_array_equal(given["pooled"], np.full((batch, 1), CLS))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"width": 2}, r"width: windows of 2 tokens; give at least 3: \[CLS\], a token, \[SEP\]"),
        ({"width": 8, "overlap": 6}, "overlap: an overlap of 6 tokens; give 0 to 5 for windows of 8"),
        ({"width": 8, "overlap": -1}, "overlap: an overlap of -1 tokens; give 0 to 5 for windows of 8"),
    ],
)
def test_settings_that_make_no_windows(settings, message):
    with pytest.raises(InputError, match=message):
        cut_windows(make_batch(0)[2], CONTINUES, **settings)


def test_a_question_that_fills_the_window():
    inputs = {"token_ids": tf.fill([1, 12], WORD), "padding_mask": tf.ones([1, 12], tf.int32)}
    inputs["segment_ids"] = tf.constant([[0] * 7 + [1] * 5])
    with pytest.raises(tf.errors.InvalidArgumentError, match="a question leaves no room for its context in a window"):
        cut_windows(inputs, CONTINUES, width=8, keep_question=True)


def test_a_pooling_that_is_none():
    with pytest.raises(InputError, match="pooling: the pooling of windows is 'sum'; choose mean or max"):
        pool_windows(tf.zeros([1, 1]), tf.constant([0]), 1, "sum")
