import itertools
import random
import re

import numpy as np
import pytest
import tensorflow as tf
from safetensors.numpy import load_file, save_file

import tfdomain
from tfdomain.config import FitOptions
from tfdomain.errors import InputError
from tfdomain.models.tagger import TokenClassifier

LABELS = ["drug", "疾病"]
TEXTS = ["we paid for the car", "the new bank is great", "", "银行房 😀 loan"]
SPANS = [[("drug", 16, 19)], [("疾病", 4, 12)], [], [("drug", 0, 2)]]
DECODERS = [{"decoder": "softmax"}, {"decoder": "crf", "scheme": "bioes", "label_pieces": "all", "max_length": 16}]


@pytest.fixture(scope="module")
def new_tagger(small_checkpoint):
    """The function that makes a tagger whose random weights find entities everywhere."""
    tokenizer = tfdomain.Tokenizer.from_pretrained(small_checkpoint)

    def make(encoder=None, seed=0, **settings):
        encoder = encoder or tfdomain.Encoder.from_pretrained(small_checkpoint)
        model = TokenClassifier(encoder, tokenizer, **({"labels": LABELS} | settings))
        head = [*model.head.weights, *(model.crf.weights if model.crf else [])]
        numbers = np.random.default_rng(seed)
        for weight in head:
            weight.assign(numbers.normal(size=weight.shape))
        return model

    return make


@pytest.fixture(scope="module")
def blind_encoder(small_checkpoint, tmp_path_factory):
    """An encoder in which tokens know nothing of each other, nor of their place: windows then change nothing."""
    folder = tmp_path_factory.mktemp("blind")
    for file in small_checkpoint.iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    tensors = load_file(folder / "model.safetensors")
    for name in tensors:
        if "position" in name or "attention.output.dense" in name:
            tensors[name] = np.zeros_like(tensors[name])
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    return tfdomain.Encoder.from_pretrained(folder)


def random_texts(count):
    rng = random.Random(1)
    words = [
        "loan",
        "lending",
        "paid",
        "the",
        "a",
        ".",
        ",",
        "银行",
        "全角Ｆ１",
        "😀",
        "👩\u200d⚕️",
        "é",
        "e\u0301",
        "\t",
        "\x00",
    ]
    texts = [" ".join(rng.choices(words, k=rng.randrange(0, 40))) for _ in range(count - 6)]
    return [*texts, "", " ", "😀", "房" * 5000, "loan " * 1000, "x" * 5000]


@pytest.mark.thorough
@pytest.mark.parametrize("settings", DECODERS, ids=["softmax", "crf"])
def test_the_signature_equals_predict_on_200_texts(new_tagger, tmp_path, settings):
    model, texts = new_tagger(**settings), random_texts(200)
    signature = tf.saved_model.load(str(model.export(tmp_path / "served"))).signatures["serving_default"]
    expected = model.predict(texts)
    assert sum(map(len, expected)) > 200
    for start in range(0, 200, 50):
        outputs = {name: part.numpy() for name, part in signature(text=tf.constant(texts[start : start + 50])).items()}
        assert outputs["count"].tolist() == [len(found) for found in expected[start : start + 50]]
        for row, found in enumerate(expected[start : start + 50]):
            served = {name: part[row, : len(found)] for name, part in outputs.items() if name != "count"}
            assert [text.decode() for text in served["entity"]] == [one["text"] for one in found]
            assert [label.decode() for label in served["label"]] == [one["label"] for one in found]
            assert served["start"].tolist() == [one["start"] for one in found]
            assert served["end"].tolist() == [one["end"] for one in found]
            np.testing.assert_allclose(served["confidence"], [one["confidence"] for one in found], atol=1e-5)
            for name, part in outputs.items():
                assert name == "count" or not any(part[row, len(found) :])
    # Broken bytes are characters of their own, and no reason to fail; nothing has no entities.
    broken = signature(text=tf.constant([b"a \xff\xfe loan", b"\xe9"]))
    whole = signature(text=tf.constant(["a \ufffd\ufffd loan", "\ufffd"]))
    for name, part in whole.items():
        np.testing.assert_array_equal(broken[name].numpy(), part.numpy())
    assert signature(text=tf.constant([], tf.string))["count"].shape == (0,)


def test_entities_are_where_they_say(new_tagger):
    texts = random_texts(60)
    for text, entities in zip(texts, new_tagger(label_pieces="all").predict(texts), strict=True):
        ends = [0, *(one["end"] for one in entities)]
        for one, before in zip(entities, ends, strict=False):
            assert one["text"] == text[one["start"] : one["end"]] != ""
            assert before <= one["start"]
            assert one["label"] in LABELS
            assert 0 < one["confidence"] <= 1


def test_a_softmax_is_as_sure_as_the_mean_over_an_entitys_words(new_tagger):
    model = new_tagger()
    text = "loan paid the car and the bank"
    batch = model.tokenizer([text], return_offsets=True)
    probabilities = model(batch).numpy()[0]
    # One piece a word in this vocabulary: word i is unit i.
    words = [(found.start(), found.end()) for found in re.finditer(r"\S+", text)]
    assert len(probabilities) >= len(words)
    [entities] = model.predict([text])
    assert entities
    for one in entities:
        units = [unit for unit, (start, end) in enumerate(words) if one["start"] <= start and end <= one["end"]]
        tags = probabilities[units].argmax(axis=1)
        assert {model.tags[tag][2:] for tag in tags} == {one["label"]}
        assert one["confidence"] == pytest.approx(probabilities[units, tags].mean(), abs=1e-5)


def test_a_crf_is_as_sure_as_the_share_of_taggings_with_the_entity(new_tagger):
    """Against the sum over all taggings of a text of three words."""
    model = new_tagger(decoder="crf")
    text = "loan paid car"
    emissions = model(model.tokenizer([text], return_offsets=True), logits=True).numpy()[0, :3]
    chain = model.crf.chain()
    transitions, first, last = (np.asarray(part) for part in (chain.transitions, chain.starts, chain.ends))
    weights = {}
    for tags in itertools.product(range(len(model.tags)), repeat=3):
        moves = sum(transitions[one, other] for one, other in itertools.pairwise(tags))
        score = first[tags[0]] + last[tags[-1]] + moves + sum(emissions[place, tag] for place, tag in enumerate(tags))
        weights[tags] = np.exp(np.float64(score))
    total = sum(weights.values())
    [entities] = model.predict([text])
    assert entities
    for one in entities:
        words = [found.start() for found in re.finditer(r"\S+", text)]
        units = [unit for unit, start in enumerate(words) if one["start"] <= start < one["end"]]
        names = [f"{'B' if place == 0 else 'I'}-{one['label']}" for place in range(len(units))]
        holding = [
            weight
            for tags, weight in weights.items()
            if [model.tags[tags[unit]] for unit in units] == names
            and (units[-1] == 2 or model.tags[tags[units[-1] + 1]] != f"I-{one['label']}")
        ]
        assert one["confidence"] == pytest.approx(sum(holding) / total, abs=1e-5)


def test_the_pieces_of_a_word_are_tagged_as_one_or_each(new_tagger):
    batch = new_tagger().tokenizer(["lending the loan"], return_offsets=True)
    num_pieces = int(batch["padding_mask"].numpy().sum()) - 2
    assert num_pieces > 3
    counts = {
        pieces: int(new_tagger(label_pieces=pieces).units(batch).mask.numpy().sum()) for pieces in ("first", "all")
    }
    assert counts == {"first": 3, "all": num_pieces}


@pytest.mark.parametrize(
    "settings",
    [{"decoder": "softmax"}, pytest.param({"decoder": "crf", "scheme": "bioes"}, marks=pytest.mark.thorough)],
)
def test_windows_change_nothing_where_tokens_do_not_see_each_other(new_tagger, blind_encoder, settings):
    rng = random.Random(2)
    texts = [" ".join(rng.choices(["loan", "lending", "paid", "银行", ","], k=length)) for length in (4, 20, 25)]
    whole = new_tagger(blind_encoder, max_length=64, **settings).predict(texts)
    cut = new_tagger(blind_encoder, max_length=9, **settings).predict(texts)
    assert sum(map(len, whole)) >= 5
    for one, other in zip(whole, cut, strict=True):
        assert [entity | {"confidence": 0} for entity in one] == [entity | {"confidence": 0} for entity in other]
        np.testing.assert_allclose(
            [entity["confidence"] for entity in one], [entity["confidence"] for entity in other], atol=1e-5
        )


def test_the_softmax_loss_is_the_mean_cross_entropy_of_words(new_tagger):
    model = new_tagger()
    model.options = FitOptions(label_smoothing=0.1)
    [batch] = model.batches(TEXTS, batch_size=4, labels=model.encode_labels(SPANS), for_training=True).epoch(0)
    outputs = model(batch, training=False, logits=True)
    mean = tf.reduce_sum(model.example_losses(batch, outputs)) / model.loss_denominator(batch)
    # By hand: the tags of the words of each text, B-drug 1, I-drug 2, B-疾病 3, I-疾病 4; 银行 are two words.
    tags = [[0, 0, 0, 0, 1], [0, 3, 4, 0, 0], [], [1, 2, 0, 0, 0]]
    losses = []
    for row, number in enumerate(batch["row_ids"].numpy()):
        for place, tag in enumerate(tags[number]):
            scores = outputs[row, place].numpy().astype("float64")
            log_probabilities = scores - np.log(np.exp(scores).sum())
            losses.append(-0.9 * log_probabilities[tag] - 0.1 * log_probabilities.mean())
    assert len(losses) == int(model.loss_denominator(batch)) == 15
    assert float(mean) == pytest.approx(np.mean(losses), rel=1e-5)


@pytest.mark.thorough
def test_it_learns_words_and_tags(new_tagger, tmp_path):
    rng = random.Random(3)
    words = [rng.choices(["the", "car", "bank", "new", "debt", "is"], k=rng.randrange(2, 9)) for _ in range(400)]
    tags = [[{"car": "S-x", "bank": "S-y"}.get(word, "O") for word in sentence] for sentence in words]
    for settings in ({"decoder": "softmax"}, {"decoder": "crf", "scheme": "bioes"}):
        model = new_tagger(labels=["x", "y"], **settings)
        history = model.fit(
            words, tags, epochs=2, batch_size=8, learning_rate=0.01, verbose=0, validation_data=(words[:50], tags[:50])
        )
        assert history.history["val_entity_f1"][-1] > 0.9
        metrics = model.evaluate(words[:50], tags[:50])
        assert metrics["entity_f1"] == pytest.approx(history.history["val_entity_f1"][-1])
        assert metrics["token_accuracy"] > 0.95
        assert set(metrics["per_entity"]) == {"x", "y"}
        assert model.joiner == " "
        [found] = model.predict(["the new car"])
        assert [(one["text"], one["label"], one["start"], one["end"]) for one in found] == [("car", "x", 8, 11)]
        assert found == model.predict([["the", "new", "car"]])[0]
        model.save(tmp_path / settings["decoder"])
        assert tfdomain.load(tmp_path / settings["decoder"]).settings() == model.settings()


def test_entities_that_cut_words_are_told(new_tagger):
    model = new_tagger()
    spans = [[("drug", 1, 6)], [("drug", 4, 6), ("疾病", 6, 7)], [("drug", 4, 5)]]
    labels = model.encode_labels(spans)
    assert model.remarks(["we paid", "the car", "the  car"], labels) == [
        "2 entities begin or end inside a word of the tokenizer: training takes the whole word",
        "2 entities have no word of the tokenizer that is no other entity's: training leaves out such",
    ]
    assert model.remarks(TEXTS, model.encode_labels(SPANS)) == []


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"labels": []}, "give at least one, each once"),
        ({"labels": ["x", "x"]}, "give at least one, each once"),
        ({"labels": ["a\nb"]}, r"^labels: the label 'a\\nb' is empty or holds a line break"),
        ({"decoder": "viterbi"}, "decoder is 'viterbi'; choose softmax or crf"),
        ({"scheme": "iob1"}, "the tag scheme is 'iob1'; choose bio or bioes"),
        ({"label_pieces": "last"}, "label_pieces is 'last'; choose first or all"),
        ({"max_length": 65}, "max_length is 65; choose 3 to 64"),
    ],
)
def test_settings_that_cannot_be_are_refused(new_tagger, settings, message):
    with pytest.raises(InputError, match=message):
        new_tagger(**settings)


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        (
            (TEXTS, [[("Drug", 0, 2)], [], [], []]),
            {},
            r"^y\[0\]: label 'Drug' was never seen in training; did you",
        ),
        (
            (TEXTS, [[("drug", 0, 99)], [], [], []]),
            {},
            r"^y\[0\]: 'drug' at 0:99 lies outside the text of 19 characters",
        ),
        ((TEXTS,), {}, r"^y: no labels to train on"),
        ((TEXTS, SPANS[:3]), {}, r"^y: 3 for 4 texts"),
        (
            (TEXTS, SPANS),
            {"class_weights": "balanced"},
            r"class_weights is given, which means nothing to tagging",
        ),
        ((TEXTS, SPANS), {"validation_data": (TEXTS, SPANS[:1])}, r"^y: 1 for 4 texts"),
        (({"token_ids": [[1]], "padding_mask": [[1]]}, SPANS[:1]), {}, r"^x: "),
    ],
)
def test_what_cannot_be_trained_on_is_one_line(new_tagger, arguments, options, message):
    with pytest.raises(InputError, match=message) as caught:
        new_tagger().fit(*arguments, epochs=1, verbose=0, **options)
    assert "\n" not in str(caught.value)


def test_a_loss_of_ones_own_and_weights_are_refused(new_tagger):
    model = new_tagger()
    with pytest.raises(InputError, match=r"^sample_weight: entities have no weights"):
        model.evaluate(TEXTS, SPANS, sample_weight=[1, 1, 1, 1])
    model.compile(loss="mse")
    with pytest.raises(InputError, match="a loss of one's own does not fit tagging"):
        model.fit(TEXTS, SPANS)
