import itertools
import re

import numpy as np
import pytest

from tfdomain.errors import InputError
from tfdomain.models.tag_moves import entity_types, legal_moves, split_tags, tag_names

TYPES = ["A-b", "疾病"]


def is_tagging(tags, scheme):
    """Whether a sequence of tags is a legal tagging, by the grammar of entities."""
    text = "".join(f"{tag} " for tag in tags)
    entity = {
        "bio": "|".join(rf"B-{re.escape(name)} (I-{re.escape(name)} )*" for name in TYPES),
        "bioes": "|".join(
            rf"S-{re.escape(name)} |B-{re.escape(name)} (I-{re.escape(name)} )*E-{re.escape(name)} " for name in TYPES
        ),
    }[scheme]
    return re.fullmatch(f"(O |{entity})*", text) is not None


def test_names():
    assert tag_names(TYPES) == ["O", "B-A-b", "I-A-b", "B-疾病", "I-疾病"]
    assert tag_names(["X"], "bioes") == ["O", "B-X", "I-X", "E-X", "S-X"]


@pytest.mark.parametrize("scheme", ["bio", "bioes"])
def test_types_come_back(scheme):
    tags = tag_names(TYPES, scheme)
    assert entity_types(tags) == TYPES
    prefixes, types = split_tags(tags)
    rebuilt = [f"{prefix}-{TYPES[number]}" for prefix, number in zip(prefixes[1:], types[1:], strict=True)]
    assert (prefixes[0], types[0], rebuilt) == ("O", -1, tags[1:])


@pytest.mark.parametrize("scheme", ["bio", "bioes"])
def test_moves_make_taggings_and_all_of_them(scheme):
    """Sequences of up to three units are legal by the moves where they are by the grammar of entities."""
    tags = tag_names(TYPES, scheme)
    starts, moves, ends = legal_moves(tags)
    assert starts.shape == ends.shape == (len(tags),) and moves.shape == (len(tags), len(tags))
    for length in (1, 2, 3):
        for path in itertools.product(range(len(tags)), repeat=length):
            legal = starts[path[0]] and ends[path[-1]] and all(moves[a, b] for a, b in itertools.pairwise(path))
            assert legal == is_tagging([tags[index] for index in path], scheme), path


def test_outside_is_always_legal_beside_what_is_complete():
    for scheme in ("bio", "bioes"):
        starts, moves, ends = legal_moves(tag_names(["X"], scheme))
        assert starts[0] and ends[0] and moves[0, 0]
        np.testing.assert_array_equal(moves[:, 0], ends)


@pytest.mark.parametrize(
    ("types", "scheme", "message"),
    [
        ([], "bio", r"types: entity types are \[\]; give at least one, each once"),
        (["X", "X"], "bio", r"types: entity types are \['X', 'X'\]"),
        ([""], "bio", r"types: entity types are \[''\]"),
        (["X"], "bmes", "scheme: the tag scheme is 'bmes'; choose bio or bioes"),
    ],
)
def test_bad_types_and_schemes(types, scheme, message):
    with pytest.raises(InputError, match=message):
        tag_names(types, scheme)


@pytest.mark.parametrize("tags", [["O"], ["B-X", "I-X"], ["O", "B-X"], ["O", "I-X", "B-X"], ["O", "B-X", "I-X", "E-X"]])
def test_bad_tags(tags):
    with pytest.raises(InputError, match=r"tags: tags are .*; give what tag_names makes of the entity types"):
        legal_moves(tags)
