import doctest
import random
import re

import numpy as np
import pytest

from tfdomain.data.tag_schemes import entities_of
from tfdomain.errors import InputError
from tfdomain.metrics import entities as entities_module
from tfdomain.metrics.entities import entity_metrics, snap_to_words

LABELS = ["drug", "dose", "疾病"]


def conlleval(true, predicted):
    """The shared task's counting, word by word over pairs of tags, written from its published rules."""

    def starts(before, tag):
        if tag[0] == "O":
            return False
        return tag[0] == "B" or before[0] == "O" or before[2:] != tag[2:]

    def ends(before, tag):
        if before[0] == "O":
            return False
        return tag[0] in "BO" or before[2:] != tag[2:]

    correct, support, found = (dict.fromkeys(LABELS, 0) for _ in range(3))
    num_tags = same_tags = 0
    for tags, answers in zip(true, predicted, strict=True):
        both = None  # the label of an entity that both have begun at the same word and neither has ended
        tag_before = answer_before = "O"
        for tag, answer in zip([*tags, "O"], [*answers, "O"], strict=True):
            ended, answer_ended = ends(tag_before, tag), ends(answer_before, answer)
            if both is not None and (ended or answer_ended):
                correct[both] += ended and answer_ended
                both = None
            if starts(tag_before, tag):
                support[tag[2:]] += 1
                if starts(answer_before, answer) and tag[2:] == answer[2:]:
                    both = tag[2:]
            if starts(answer_before, answer):
                found[answer[2:]] += 1
            tag_before, answer_before = tag, answer
        num_tags += len(tags)
        same_tags += sum(tag == answer for tag, answer in zip(tags, answers, strict=True))
    return correct, support, found, same_tags / num_tags


def f_score(correct, support, found):
    precision = correct / found if found else 0.0
    recall = correct / support if support else 0.0
    return precision, recall, 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def random_tags(rng, num_words, legal):
    tags = []
    for _ in range(num_words):
        tag = rng.choice(["O", "B", "I", "I"])
        label = rng.choice(LABELS)
        if legal and tag == "I":
            tag, label = ("I", tags[-1][2:]) if tags and tags[-1] != "O" else ("O", "")
        tags.append("O" if tag == "O" else f"{tag}-{label}")
    return tags


def some_words(num_words):
    return [(3 * place, 3 * place + 2) for place in range(num_words)]


def over_words(tags):
    words = some_words(len(tags))
    found = entities_of(tags, "iob2", repair=True)
    return [(label, words[start][0], words[end - 1][1]) for label, start, end in found]


@pytest.mark.parametrize("legal", [True, False])
def test_the_counts_are_conllevals(legal):
    rng = random.Random(3)
    for _ in range(100):
        lengths = [rng.randrange(1, 12) for _ in range(8)]
        true = [random_tags(rng, length, legal) for length in lengths]
        # Mostly the true tags, so that there is something to find.
        predicted = [
            [
                tag if rng.random() < 0.8 else other
                for tag, other in zip(tags, random_tags(rng, len(tags), False), strict=True)
            ]
            for tags in true
        ]
        if legal:
            predicted = [over_legal(tags) for tags in predicted]
        correct, support, found, accuracy = conlleval(true, predicted)
        words = [some_words(length) for length in lengths]
        metrics = entity_metrics(list(map(over_words, true)), list(map(over_words, predicted)), words=words)
        scores = metrics["entity_precision"], metrics["entity_recall"], metrics["entity_f1"]
        totals = [sum(counts.values()) for counts in (correct, support, found)]
        np.testing.assert_allclose(scores, f_score(*totals))
        assert metrics["num_entities"] == totals[1]
        assert metrics["num_examples"] == 8
        met = [label for label in LABELS if support[label] or found[label]]
        assert list(metrics["per_entity"]) == sorted(met)
        each = [f_score(correct[label], support[label], found[label]) for label in met]
        for label, expected in zip(met, each, strict=True):
            mine = metrics["per_entity"][label]
            np.testing.assert_allclose([mine["precision"], mine["recall"], mine["f1"]], expected)
            assert (mine["support"], mine["predicted"]) == (support[label], found[label])
        np.testing.assert_allclose(metrics["macro_entity_f1"], np.mean([f1 for _, _, f1 in each]))
        if legal:
            np.testing.assert_allclose(metrics["token_accuracy"], accuracy)


def over_legal(tags):
    """The same entities in IOB2: conlleval's accuracy compares tags as they are written."""
    legal = ["O"] * len(tags)
    for label, start, end in entities_of(tags, "iob2", repair=True):
        legal[start:end] = [f"B-{label}"] + [f"I-{label}"] * (end - start - 1)
    return legal


def test_a_small_example_by_hand():
    true = [[("drug", 0, 2), ("dose", 3, 5)], [("drug", 0, 5)], []]
    predicted = [[("drug", 0, 2), ("dose", 3, 8)], [("dose", 0, 5)], [("drug", 6, 8)]]
    metrics = entity_metrics(true, predicted, words=[some_words(3)] * 3)
    assert metrics == {
        "num_examples": 3,
        "num_entities": 3,
        "entity_precision": 0.25,
        "entity_recall": pytest.approx(1 / 3),
        "entity_f1": pytest.approx(2 / 7),
        "macro_entity_f1": 0.25,
        # Wrong are the third word of the first text, both words of the second, the third of the last.
        "token_accuracy": pytest.approx(5 / 9),
        "per_entity": {
            "dose": {"precision": 0.0, "recall": 0.0, "f1": 0.0, "support": 1, "predicted": 2},
            "drug": {"precision": 0.5, "recall": 0.5, "f1": 0.5, "support": 2, "predicted": 2},
        },
    }


# Worked out by hand from conlleval's rules: true tags, found tags, then how many are right, there and found, and the
# share of words whose tag is right. An `I-` behind another label or behind `O` begins an entity; sentences do not run
# into each other; a border or a label that is wrong makes the whole entity wrong. (The package seqeval is not asked:
# its last release is of 2020, a source archive alone. It gave these same scores, once, with NumPy 2.)
HAND_COUNTED = {
    "one border is wrong": (["B-a I-a O B-b"], ["B-a O O B-b"], (1, 2, 2), 3 / 4),
    "one label is wrong": (["B-a I-a O B-b"], ["B-b I-b O B-b"], (1, 2, 2), 2 / 4),
    "the label changes inside": (["B-a I-a I-a"], ["B-b I-b I-a"], (0, 1, 2), None),
    "two that touch are found as one": (["B-a B-a I-a"], ["B-a I-a I-a"], (0, 2, 1), 2 / 3),
    "one is found as two that touch": (["B-a I-a I-a"], ["B-a B-a I-a"], (0, 1, 2), 2 / 3),
    "an I begins an entity": (["O B-a I-a O"], ["O I-a I-a O"], (1, 1, 1), None),
    "a sentence ends an entity": (["O B-a", "I-a O"], ["O B-a", "B-a O"], (2, 2, 2), None),
    "all sentences are counted together": (
        ["B-a O O", "B-a O B-b", "O O O"],
        ["B-a O O", "O O B-b", "B-b I-b O"],
        (2, 3, 3),
        6 / 9,
    ),
    "nothing is found": (["B-a O"], ["O O"], (0, 1, 0), 1 / 2),
    "nothing is there": (["O O"], ["O B-a"], (0, 0, 1), 1 / 2),
    "Chinese, a character a word": (["B-病 I-病 O B-药"], ["B-病 I-病 I-病 B-药"], (1, 2, 2), 3 / 4),
}


@pytest.mark.parametrize("case", HAND_COUNTED)
def test_cases_counted_by_hand_from_conllevals_rules(case):
    true, predicted, (correct, there, found), accuracy = HAND_COUNTED[case]
    true, predicted = ([sentence.split() for sentence in sentences] for sentences in (true, predicted))
    words = [some_words(len(sentence)) for sentence in true]
    metrics = entity_metrics(list(map(over_words, true)), list(map(over_words, predicted)), words=words)
    scores = [metrics[f"entity_{name}"] for name in ("precision", "recall", "f1")]
    assert scores == pytest.approx(f_score(correct, there, found))
    each = metrics["per_entity"].values()
    assert metrics["num_entities"] == sum(one["support"] for one in each) == there
    assert sum(one["predicted"] for one in each) == found
    # None: tags that are not legal as they stand; conlleval's accuracy reads them as written, ours as entities.
    if accuracy is not None:
        assert metrics["token_accuracy"] == pytest.approx(accuracy)


def test_what_is_undefined():
    metrics = entity_metrics([[], []], [[], []])
    assert metrics["entity_precision"] == metrics["entity_recall"] == metrics["entity_f1"] == 0.0
    assert metrics["macro_entity_f1"] is metrics["token_accuracy"] is None
    assert metrics["per_entity"] == {}
    assert entity_metrics([], [])["num_examples"] == 0
    assert entity_metrics([[]], [[]], words=[[]])["token_accuracy"] is None


def test_an_entity_found_twice_is_right_once():
    metrics = entity_metrics([[("X", 0, 1)]], [[("X", 0, 1), ("X", 0, 1)]])
    assert (metrics["entity_precision"], metrics["entity_recall"]) == (0.5, 1.0)


@pytest.mark.parametrize(
    ("entities", "snapped"),
    [
        ([("X", 0, 1)], [("X", 0, 2)]),
        ([("X", 0, 4)], [("X", 0, 5)]),
        ([("X", 1, 4)], [("X", 3, 5)]),
        ([("X", 1, 3)], []),
        ([("X", 2, 3)], []),
        ([("X", 0, 2), ("X", 3, 5)], [("X", 0, 2), ("X", 3, 5)]),
        # The second begins before its first word: at that word stands an I that goes on with the first.
        ([("X", 0, 1), ("X", 1, 5)], [("X", 0, 5)]),
        ([("X", 0, 1), ("Y", 1, 5)], [("X", 0, 2), ("Y", 3, 5)]),
        ([("Y", 6, 7), ("X", 3, 4)], [("X", 3, 5), ("Y", 6, 8)]),
    ],
)
def test_entities_come_to_the_borders_of_words(entities, snapped):
    assert snap_to_words(entities, some_words(3)) == snapped


def test_snapping_is_conllevals_reading_of_the_tags_at_first_characters():
    rng = random.Random(4)
    for _ in range(500):
        num_characters, entities, place = 30, [], 0
        while place < num_characters:
            place += rng.choice([0, 1, 2])
            end = min(place + rng.randrange(1, 6), num_characters)
            entities += [(rng.choice("XY"), place, end)] if place < end else []
            place = end
        units = ["O"] * num_characters
        for label, start, end in entities:
            units[start:end] = [f"B-{label}"] + [f"I-{label}"] * (end - start - 1)
        borders = sorted(rng.sample(range(num_characters + 1), 10))
        words = list(zip(borders[::2], borders[1::2], strict=True))
        read = entities_of([units[start] for start, _ in words], "iob2", repair=True)
        expected = [(label, words[start][0], words[end - 1][1]) for label, start, end in read]
        assert snap_to_words(entities, words) == expected
        assert snap_to_words(expected, words) == expected


def test_inputs_that_do_not_fit_are_refused():
    with pytest.raises(InputError, match="the numbers of texts differ: 1 in true, 2 in predicted, 1 in words"):
        entity_metrics([[]], [[], []], words=[[]])
    message = "predicted[1]: 'X' at 2:2 is no span; give 0 <= start < end"
    with pytest.raises(InputError, match=re.escape(message)):
        entity_metrics([[], []], [[], [("X", 2, 2)]])


def test_the_examples_in_the_docstrings_are_true():
    outcome = doctest.testmod(entities_module)
    assert outcome.attempted > 0
    assert outcome.failed == 0
