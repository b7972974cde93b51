import json

import numpy as np
import pytest
import tensorflow as tf

import tfdomain
from tfdomain.errors import InputError
from tfdomain.models.answer_spans import context_words
from tfdomain.models.span_extractor import SpanExtractor

QUESTIONS = ["who lost the car ?", "what was paid ?", "where is the money ?", "what is new ?"]
CONTEXTS = [
    "the house is old . my job was lost by the bank . " * 3,
    "we paid a loan and no debt",
    "good money is in the school or not",
    "",
]
ANSWERS = [[("bank", 42), ("bank", 91)], [("a loan", 8)], [("the school", 17)], []]


@pytest.fixture(scope="module")
def parts(small_checkpoint):
    return tfdomain.Encoder.from_pretrained(small_checkpoint), tfdomain.Tokenizer.from_pretrained(small_checkpoint)


@pytest.fixture(scope="module")
def trained(small_checkpoint):
    """An extractor that has learned the four rows; its contexts are cut into windows of 24."""
    model = SpanExtractor.from_pretrained(str(small_checkpoint), max_length=24, overlap=6, dropout_rate=0.0)
    # One epoch of many rows: each epoch traces the tokenizer anew.
    x, y = (QUESTIONS * 60, CONTEXTS * 60), ANSWERS * 60
    model.fit(x, y, epochs=1, batch_size=4, learning_rate=0.01, verbose=0)
    return model


def random_pairs(num_rows):
    """Questions and contexts: empty ones, Chinese, emoji, full-width forms, words in pieces, long ones."""
    random = np.random.default_rng(5)
    words = [
        "the",
        "money",
        "银行",
        "😀",
        "Ｂａｎｋ",
        "paid!",
        "it's",
        "学校在哪里？",
        "\u200b",
        "é",
        "xyz",
        "[SEP]",
        " ",
    ]

    def text(longest):
        return " ".join(random.choice(words, random.integers(0, longest)))

    questions, contexts = [text(30) for _ in range(num_rows)], [text(60) for _ in range(num_rows)]
    questions[0] = contexts[1] = questions[2] = contexts[2] = ""
    contexts[3] = "银行😀 " * 1250
    contexts[4] = "a" * 5000
    return questions, contexts


@pytest.mark.thorough
def test_learns_and_answers(trained):
    predictions = trained.predict((QUESTIONS, CONTEXTS))
    assert predictions["answer"].tolist() == ["bank", "a loan", "the school", ""]
    for row, answer in enumerate(trained.answers(predictions)):
        assert CONTEXTS[row][answer["start"] : answer["end"]] == answer["answer"]
        assert (answer["score"] > answer["no_answer_score"]) == bool(answer["answer"])
    assert trained.answers(predictions)[3] == {
        "answer": "", "start": 0, "end": 0, "score": 0.0, "no_answer_score": 1.0,
    }  # fmt: skip
    metrics = trained.evaluate((QUESTIONS, CONTEXTS), ANSWERS)
    assert metrics["exact_match"] == metrics["answer_f1"] == metrics["no_answer_accuracy"] == 1
    assert trained.evaluate({"context": CONTEXTS, "question": QUESTIONS}, ANSWERS) == metrics


@pytest.mark.thorough
def test_loss_is_that_of_numpy_over_windows(trained):
    batch = trained.prepare({"question": tf.constant(QUESTIONS), "context": tf.constant(CONTEXTS)})
    batch["labels"] = tf.constant(trained.encode_labels(ANSWERS))
    outputs = trained(batch)
    logs, tokens, rows = (
        np.asarray(part) for part in (outputs.log_probabilities, outputs.tokens, outputs.row_of_window)
    )
    offsets = batch["offsets"].numpy().reshape(-1, 2)
    is_context = (batch["segment_ids"] * batch["padding_mask"]).numpy().reshape(-1) > 0
    assert len(rows) > len(QUESTIONS)
    np.testing.assert_allclose(np.exp(logs).sum(axis=1), 1, atol=1e-5)
    expected = np.zeros(len(QUESTIONS))
    for window, row in enumerate(rows):
        places = {tuple(offsets[token]): place for place, token in enumerate(tokens[window]) if is_context[token]}
        found = (0, 0)
        for text, start in reversed(ANSWERS[row]):
            first = next((place for (begin, end), place in places.items() if begin == start < end), None)
            last = next((place for (begin, end), place in places.items() if begin < end == start + len(text)), None)
            found = found if first is None or last is None else (first, last)
        expected[row] -= (logs[window, found[0], 0] + logs[window, found[1], 1]) / 2
    np.testing.assert_allclose(trained.example_losses(batch, outputs), expected, rtol=1e-5, atol=1e-6)
    assert float(trained.loss_denominator(batch)) == len(rows)


def test_windows_see_the_question_and_every_character(trained):
    questions, contexts = random_pairs(12)
    batch = trained.prepare({"question": tf.constant(questions), "context": tf.constant(contexts)})
    outputs = trained(batch)
    tokens, ids = outputs.tokens.numpy(), batch["token_ids"].numpy()
    assert tokens.shape[1] <= trained.max_length
    num_questions = ((1 - batch["segment_ids"]) * batch["padding_mask"]).numpy().sum(axis=1)
    assert num_questions.max() == trained.max_length // 3 + 2
    for window, row in enumerate(outputs.row_of_window.numpy()):
        shown = ids.reshape(-1)[tokens[window][: num_questions[row]]]
        assert shown.tolist() == ids[row][: num_questions[row]].tolist()
    begun = {token for window in range(len(tokens)) for token in tokens[window][outputs.words.begins[window]]}
    words = context_words(batch, tf.gather(trained.tokenizer.continues, batch["token_ids"]))
    assert sorted(begun) == np.flatnonzero(words.begins).tolist()


@pytest.mark.thorough
def test_signature_equals_predict_on_random_pairs(trained, tmp_path):
    questions, contexts = random_pairs(200)
    trained.answer_threshold = None
    try:
        predicted = trained.predict((questions, contexts))
        signature = tf.saved_model.load(str(trained.export(tmp_path))).signatures["serving_default"]
        served = signature(question=tf.constant(questions), context=tf.constant(contexts))
    finally:
        trained.answer_threshold = 0.0
    assert [answer.decode() for answer in served["answer"].numpy()] == predicted["answer"].tolist()
    for name in ("start", "end"):
        np.testing.assert_array_equal(served[name], predicted[name])
    for name in ("score", "no_answer_score"):
        np.testing.assert_allclose(served[name], predicted[name], atol=1e-5)
    rows = zip(contexts, predicted["answer"], predicted["start"], predicted["end"], strict=True)
    assert all(context[start:end] == answer for context, answer, start, end in rows)
    assert sum(map(bool, predicted["answer"])) > 150
    assert predicted["answer"][1] == predicted["answer"][2] == ""
    assert signature(question=tf.constant([], tf.string), context=tf.constant([], tf.string))["answer"].shape == [0]
    broken = signature(question=tf.constant([b"\xff"]), context=tf.constant([b"a\xffb bank \xe4\xbd money"]))
    assert broken["answer"].numpy()[0] in "a\ufffdb bank \ufffd money".encode()


def test_answers_are_whole_words_of_at_most_so_many_tokens(small_checkpoint, parts):
    model = SpanExtractor(*parts, max_length=20, max_answer_tokens=4, answer_threshold=None)
    model.head.set_weights([np.random.default_rng(0).normal(size=[16, 2]) * 5, np.zeros(2)])
    contexts = ["unhelpful schoolhouse, repainted cars: a-b don't 银行学校 " * 3] * 3
    for context, answer in zip(
        contexts, model.predict((["who", "what", "where is it"], contexts))["answer"], strict=True
    ):
        offsets = parts[1]([context], max_length=None, return_offsets=True)["offsets"].numpy()[0, 1:-1]
        at = context.index(answer)
        inside = [(begin, end) for begin, end in offsets if at <= begin and end <= at + len(answer)]
        assert answer and len(inside) <= 4
        for edge in (at, at + len(answer)):
            assert not (context[edge - 1 : edge + 1].isascii() and context[edge - 1 : edge + 1].isalpha()) or edge == 0


@pytest.mark.thorough
def test_threshold_decides_what_is_no_answer(parts):
    x = (QUESTIONS[:2], CONTEXTS[1:3])
    model = SpanExtractor(*parts, answer_threshold=None)
    always = model.predict(x)
    model.answer_threshold = 1e6
    never = model.predict(x)
    assert all(always["answer"])
    assert not any(never["answer"])
    np.testing.assert_array_equal(always["score"], never["score"])
    assert model.measure(model.encode_labels([[], []]), never)["no_answer_accuracy"] == 1
    # Between the odds of the two rows it parts them.
    margins = np.log(always["score"] / always["no_answer_score"])
    model.answer_threshold = float(margins.mean())
    assert [bool(answer) for answer in model.predict(x)["answer"]] == (margins >= margins.mean()).tolist()


@pytest.mark.thorough
def test_folder_is_what_transformers_calls_question_answering(trained, tmp_path):
    trained.save(tmp_path / "model")
    config = json.loads((tmp_path / "model/config.json").read_text())
    assert config["architectures"] == ["BertForQuestionAnswering"]
    again = tfdomain.load(tmp_path / "model")
    assert again.settings() == trained.settings()
    before, after = (model.predict((QUESTIONS, CONTEXTS)) for model in (trained, again))
    np.testing.assert_array_equal(before["score"], after["score"])


def test_wrong_arguments(parts, trained):
    for settings, expected in [
        ({"max_length": 7}, "max_length is 7, which holds no question beside its context; give at least 8"),
        ({"max_length": 20, "overlap": 18}, "overlap is 18; give 0 to 17 for windows of 20"),
        ({"max_answer_tokens": 0}, "max_answer_tokens is 0; give at least 1"),
    ]:
        with pytest.raises(InputError) as caught:
            SpanExtractor(*parts, **settings)
        assert str(caught.value) == expected
    with pytest.raises(InputError, match="the model reads pairs of texts"):
        trained.predict(QUESTIONS)
    with pytest.raises(InputError, match=r"y\[1\]: the answer 'a loan' is not at character 9 of its context"):
        trained.fit((QUESTIONS[:2], CONTEXTS[:2]), [[], [("a loan", 9)]], verbose=0)
    with pytest.raises(InputError, match=r"y\[0\]: an answer ends at character 99 of a context of 26"):
        trained.evaluate((QUESTIONS[1:2], CONTEXTS[1:2]), [[(90, 99)]])
    with pytest.raises(InputError, match="token arrays, and answers are cut from the texts"):
        trained.predict(trained.tokenizer(QUESTIONS, CONTEXTS))
    with pytest.raises(InputError, match="class_weights is given, which means nothing to span"):
        trained.fit((QUESTIONS, CONTEXTS), ANSWERS, class_weights="balanced", verbose=0)
    with pytest.raises(InputError, match="answers are counted without weights"):
        trained.evaluate((QUESTIONS, CONTEXTS), ANSWERS, sample_weight=[1.0] * 4)
