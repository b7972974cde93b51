import itertools
import random
import re

import pytest

from tfdomain.data.tag_schemes import (
    SCHEMES,
    Entity,
    detect_scheme,
    entities_of,
    illegal_tags,
    scheme_named,
    split_tag,
    tags_of,
)
from tfdomain.errors import InputError

LETTERS = {"bioes": "BIES", "bilou": "BILU", "bmes": "BMES", "bmewo": "BMEW"}


def random_entities(rng, num_units, labels=("X", "疾病")):
    """Entities without overlaps, often side by side and often of one unit."""
    entities, place = [], 0
    while place < num_units:
        place += rng.choice([0, 0, 1, 2])
        end = place + rng.choice([1, 1, 2, 3])
        if end <= num_units:
            entities.append(Entity(rng.choice(labels), place, end))
        place = end
    return entities


def write_tags(entities, num_units, scheme):
    """Tags as the schemes' definitions have them, written apart from the package."""
    tags = ["O"] * num_units
    for index, (label, start, end) in enumerate(entities):
        for place in range(start, end):
            first, last = place == start, place == end - 1
            if scheme == "io":
                letter = "I"
            elif scheme == "iob1":
                before = entities[index - 1] if index else None
                touches = before is not None and before.end == start and before.label == label
                letter = "B" if first and touches else "I"
            elif scheme == "iob2":
                letter = "B" if first else "I"
            else:
                begin, inside, close, single = LETTERS[scheme]
                letter = single if first and last else begin if first else close if last else inside
            tags[place] = f"{letter}-{label}"
    return tags


def starts_chunk(before, tag):
    """conlleval's rule for tags of B, I and O: whether an entity starts at `tag`."""
    (letter, label), (letter_before, label_before) = tag, before
    if letter == "B":
        return True
    return letter == "I" and (letter_before == "O" or label != label_before)


def ends_chunk(before, tag):
    """conlleval's rule: whether an entity that `before` is in ends before `tag`."""
    (letter, label), (letter_before, label_before) = tag, before
    return letter_before != "O" and (letter in "BO" or label != label_before)


def chunks(tags):
    pairs = [("O", "") if tag == "O" else (tag[0], tag[2:]) for tag in tags]
    found, start, before = [], None, ("O", "")
    for place, pair in enumerate([*pairs, ("O", "")]):
        if ends_chunk(before, pair):
            found.append((before[1], start, place))
        if starts_chunk(before, pair):
            start = place
        before = pair
    return found


@pytest.mark.parametrize("scheme", ["iob1", "iob2", *LETTERS])
def test_entities_come_back_from_the_tags_of_every_scheme(scheme):
    rng = random.Random(0)
    for _ in range(300):
        entities = random_entities(rng, 12)
        tags = write_tags(entities, 12, scheme)
        assert entities_of(tags, scheme) == entities
        assert illegal_tags(tags, scheme) == []


def test_io_joins_neighbours_of_one_label():
    assert entities_of(["I-X", "I-X", "I-Y", "O", "I-X"], "io") == [("X", 0, 2), ("Y", 2, 3), ("X", 4, 5)]


@pytest.mark.parametrize(("scheme", "reference"), [("bio", "iob2"), ("bioes", "bioes")])
def test_tags_are_written_as_the_schemes_define_them(scheme, reference):
    rng = random.Random(1)
    for _ in range(300):
        entities = random_entities(rng, 9)
        assert tags_of(entities, 9, scheme) == write_tags(entities, 9, reference)
    assert tags_of([], 0) == []


@pytest.mark.parametrize(
    ("scheme", "grammar"),
    [
        ("iob2", "(O |B-X (I-X )*|B-Y (I-Y )*)*"),
        ("bioes", "(O |S-X |S-Y |B-X (I-X )*E-X |B-Y (I-Y )*E-Y )*"),
        ("bmewo", "(O |W-X |W-Y |B-X (M-X )*E-X |B-Y (M-Y )*E-Y )*"),
    ],
)
def test_illegal_are_just_the_sequences_that_a_grammar_does_not_make(scheme, grammar):
    alphabet = ["O", *(f"{letter}-{label}" for letter in SCHEMES[scheme] for label in "XY")]
    legal = 0
    for length in range(5):
        for tags in itertools.product(alphabet, repeat=length):
            fits = re.fullmatch(grammar, "".join(f"{tag} " for tag in tags)) is not None
            assert (illegal_tags(tags, scheme) == []) == fits, tags
            legal += fits
    assert legal > 100


def test_illegal_tags_are_read_as_conlleval_reads_them():
    alphabet = ["O", "B-X", "I-X", "B-Y", "I-Y"]
    repaired = 0
    for length in range(6):
        for tags in itertools.product(alphabet, repeat=length):
            assert entities_of(tags, "iob2", repair=True) == chunks(tags), tags
            repaired += bool(illegal_tags(tags, "iob2"))
    assert repaired > 1000


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        (["B-X", "O"], [("X", 0, 1)]),
        (["B-X", "B-X", "E-X"], [("X", 0, 1), ("X", 1, 3)]),
        (["B-X", "E-Y"], [("X", 0, 1), ("Y", 1, 2)]),
        (["E-X", "E-X"], [("X", 0, 1), ("X", 1, 2)]),
        (["S-X", "I-X", "E-X"], [("X", 0, 1), ("X", 1, 3)]),
        (["O", "I-X", "S-X"], [("X", 1, 2), ("X", 2, 3)]),
    ],
)
def test_broken_ends_are_repaired(tags, expected):
    assert entities_of(tags, "bioes", repair=True) == expected


@pytest.mark.parametrize(
    ("tags", "scheme", "place", "problem"),
    [
        (["O", "I-X"], "iob2", 1, "'I-X' after 'O' (illegal in iob2)"),
        (["I-X"], "bio", 0, "'I-X' at the start of a sentence (illegal in iob2)"),
        (["B-X", "E-Y"], "iobes", 1, "'E-Y' after 'B-X' (illegal in bioes)"),
        (["O", "B-X"], "bioes", 2, "'B-X' at the end of a sentence (illegal in bioes)"),
    ],
)
def test_illegal_tags_are_named(tags, scheme, place, problem):
    assert illegal_tags(tags, scheme)[0] == (place, problem)
    with pytest.raises(InputError, match=re.escape(problem)):
        entities_of(tags, scheme)


@pytest.mark.parametrize("scheme", list(SCHEMES))
def test_the_scheme_is_told_from_the_tags(scheme):
    rng = random.Random(2)
    written = [write_tags(random_entities(rng, 20), 20, scheme) for _ in range(20)]
    assert detect_scheme(written) == scheme


def test_what_fits_several_schemes_or_none():
    assert detect_scheme([]) == detect_scheme([["O", "O"]]) == detect_scheme([["B-X"]]) == "iob2"
    # One illegal I among tags that IOB1 would not write: IOB2 with a mistake.
    assert detect_scheme([["O", "B-X", "I-X"], ["I-X", "O"]]) == "iob2"
    with pytest.raises(InputError, match="no tag scheme has the letters I, M"):
        detect_scheme([["I-X", "O"], ["M-X"]])


def test_tags_may_join_their_letter_with_an_underscore():
    assert split_tag("B_疾病和诊断") == ("B", "疾病和诊断")
    assert split_tag("I-a-b_c") == ("I", "a-b_c")


@pytest.mark.parametrize("tag", ["", "B", "B-", "B- ", "X-LOC", "LOC", "o", "BLOC", "-X"])
def test_unknown_forms_are_refused(tag):
    with pytest.raises(InputError, match=f"unknown tag {re.escape(repr(tag))}; tags are O, or a letter and a label"):
        split_tag(tag)


def test_tags_of_another_scheme_are_refused():
    with pytest.raises(InputError, match="'E-X' is no tag of iob2; its letters are O, B, I"):
        entities_of(["B-X", "E-X"], "iob2", repair=True)
    with pytest.raises(InputError, match="unknown tag scheme 'bilo'; choose io, iob1"):
        scheme_named("bilo")
    with pytest.raises(InputError, match="choose bio or bioes"):
        tags_of([], 1, "iob1")


@pytest.mark.parametrize("entity", [("X", 1, 1), ("X", 2, 1), ("X", -1, 1), ("X", 2, 4)])
def test_spans_that_are_none_get_no_tags(entity):
    with pytest.raises(InputError, match="is no span of 3 units"):
        tags_of([entity], 3)


def test_overlapping_entities_get_no_tags():
    with pytest.raises(InputError, match="'Y' at 1:3 overlaps another"):
        tags_of([("X", 0, 2), ("Y", 1, 3)], 3)
