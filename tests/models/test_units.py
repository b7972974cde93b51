"""Units of token batches and the tags that entities give them, against a plain walk over tokens."""

import random

import numpy as np
import pytest
import tensorflow as tf

import tfdomain
from tfdomain.data.tag_schemes import Entity, tags_of
from tfdomain.data.tagged_examples import entity_array
from tfdomain.models.tag_moves import tag_names
from tfdomain.models.units import find_units, place_entities, unit_tags

ALPHABET = [*"abcz .,-银行房😀é", "loan", "lending", " the ", "\u3000", "e\u0301"]
LABELS = ["x", "疾病"]


@pytest.fixture(scope="module")
def tokenizer(tiny_checkpoint):
    return tfdomain.Tokenizer.from_pretrained(tiny_checkpoint)


def random_texts(rng, count):
    return ["".join(rng.choices(ALPHABET, k=rng.randrange(0, 30))) for _ in range(count)]


def random_entities(rng, text):
    places = sorted(rng.sample(range(len(text) + 1), min(len(text) + 1, 2 * rng.randrange(0, 5))))
    return [Entity(rng.choice(LABELS), start, end) for start, end in zip(places[::2], places[1::2], strict=False)]


def units_by_hand(tokens, offsets, whole_words):
    """The (start, end) of each unit, piece by piece."""
    units = []
    for token, (start, end) in zip(tokens, offsets, strict=True):
        if whole_words and units and token.startswith("##"):
            units[-1] = (units[-1][0], max(units[-1][1], end))
        else:
            units.append((start, end))
    return units


def tags_by_hand(units, entities, scheme):
    free, taken = set(range(len(units))), []
    for label, start, end in entities:
        mine = [place for place in sorted(free) if units[place][0] < end and units[place][1] > start]
        if mine:
            taken.append((label, mine[0], mine[-1] + 1))
            free -= set(mine)
    return tags_of(taken, len(units), scheme)


@pytest.mark.parametrize("scheme", ["bio", "bioes"])
@pytest.mark.parametrize("whole_words", [True, False])
def test_units_and_their_tags(tokenizer, whole_words, scheme):
    rng = random.Random(5)
    texts = [*random_texts(rng, 150), "", "   "]
    entities = [random_entities(rng, text) for text in texts]
    batch = tokenizer(texts, max_length=None, return_offsets=True)
    vocabulary = tokenizer.vocabulary
    continues = np.array([token.startswith("##") and len(token) > 2 for token in vocabulary]) & whole_words
    units = find_units(batch, continues)
    tags = unit_tags(place_entities(tf.constant(entity_array(entities, LABELS)), units), units, scheme).numpy()
    names, num_cut = tag_names(LABELS, scheme), 0
    for row, text in enumerate(texts):
        length = int(batch["padding_mask"][row].numpy().sum())
        tokens = [vocabulary[number] for number in batch["token_ids"][row, 1 : length - 1].numpy()]
        expected = units_by_hand(tokens, batch["offsets"][row, 1 : length - 1].numpy().tolist(), whole_words)
        count = int(units.mask[row].numpy().sum())
        places = list(zip(units.starts[row].numpy().tolist(), units.ends[row].numpy().tolist(), strict=True))
        assert places[:count] == expected, text
        assert units.mask[row].numpy().tolist() == [place < count for place in range(len(places))]
        assert [names[number] for number in tags[row, :count]] == tags_by_hand(expected, entities[row], scheme), text
        assert not tags[row, count:].any()
        num_cut += sum(start not in {unit[0] for unit in expected} for _, start, _ in entities[row])
    assert num_cut > 20  # entities that begin inside a unit were among them


def test_no_rows_and_rows_without_words(tokenizer):
    for texts in ([], ["", " "]):
        batch = tokenizer(texts, max_length=None, return_offsets=True)
        batch = {name: tf.pad(part, [[0, 0], [0, 3], [0, 0]][: part.shape.rank]) for name, part in batch.items()}
        units = find_units(batch, np.zeros(tokenizer.vocabulary_size, bool))
        assert units.tokens.shape == (len(texts), 1)
        assert not units.mask.numpy().any()
        places = place_entities(tf.zeros([len(texts), 1, 3], tf.int32), units)
        assert not unit_tags(places, units, "bio").numpy().any()
