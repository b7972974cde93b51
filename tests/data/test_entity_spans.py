import itertools
import random

import pytest
import regex

from tfdomain.data.entity_spans import cuts_character, keep_longest, overlap_problem, span_problem
from tfdomain.data.tag_schemes import Entity

JAMO = "\u1100\u1161\u11a8"
CHARACTERS = [
    "a", "é", "e", "\u0301", "中", "　", "Ａ", "\ufe0f", "❤", "👩", "⚕", "\u200d", "🏽", "🇨", "🇳", "क", "\u093f",
    *JAMO, "가", "ｶ", "ﾞ", "\r", "\n", ".",
]  # fmt: skip


def test_characters_are_divided_where_unicode_divides_them():
    """Against the regex package's grapheme clusters, wherever they are not about blanks and stray joiners."""
    rng, cuts = random.Random(0), 0
    for _ in range(5000):
        text = "".join(rng.choices(CHARACTERS, k=6))
        borders = {0, *itertools.accumulate(map(len, regex.findall(r"\X", text)))}
        for place in range(1, len(text)):
            before, after = text[place - 1], text[place]
            stray_joiner = before == "\u200d" and after in "❤👩⚕"
            # Jamo that follow what is no Hangul, or precomposed syllables that follow a jamo, are no words.
            stray_jamo = after in JAMO or (before in JAMO and after == "가")
            if (before.isspace() and after not in "\r\n") or stray_joiner or stray_jamo:
                continue
            assert cuts_character(text, place) == (place not in borders), (text, place)
            cuts += place not in borders
    assert cuts > 3000


@pytest.mark.parametrize(
    ("text", "place", "cut"),
    [
        ("👩\u200d⚕", 2, True), ("가나", 1, False), ("\u1100\u1161", 1, True), ("가\u11a8", 1, True), ("🇨🇳🇨🇳", 1, True),
        ("🇨🇳🇨🇳", 2, False), ("🇨🇳🇨🇳", 3, True), ("a \u0301", 2, False), ("中文", 1, False), ("Ａ１", 1, False),
        ("e\u0301", 0, False), ("e\u0301", 2, False), ("", 0, False), ("\r\n", 1, True),
    ],
)  # fmt: skip
def test_borders_within_characters(text, place, cut):
    assert cuts_character(text, place) is cut


@pytest.mark.parametrize(
    ("text", "span", "problem"),
    [
        ("浙商银行", (0, 4), None),
        ("浙商银行", (1, 1), "'X' at 1:1 is empty"),
        ("浙商银行", (3, 1), "'X' at 3:1 ends before it starts"),
        ("浙商银行", (2, 5), "'X' at 2:5 lies outside the text of 4 characters"),
        ("浙商银行", (-1, 2), "'X' at -1:2 lies outside the text of 4 characters"),
        ("", (0, 1), "'X' at 0:1 in an empty text"),
        ("cafe\u0301!", (0, 4), "'X' at 0:4 ('cafe') cuts a character at 4 (between U+0065 and U+0301)"),
        ("👍🏽好", (1, 3), "'X' at 1:3 ('🏽好') cuts a character at 1 (between U+1F44D and U+1F3FD)"),
    ],
)
def test_spans_that_do_not_fit_their_text(text, span, problem):
    assert span_problem(text, Entity("X", *span)) == problem


def test_overlaps_name_both():
    text = "《招商银行》"
    entities = [Entity("book", 0, 6), Entity("company", 1, 5)]
    assert overlap_problem(text, entities) == "'book' at 0:6 ('《招商银行》') overlaps 'company' at 1:5 ('招商银行')"
    assert overlap_problem(text, [Entity("a", 0, 2), Entity("b", 2, 4)]) is None


def test_the_longest_of_overlapping_entities_stay():
    rng, dropped = random.Random(1), 0
    for _ in range(300):
        starts = [rng.randrange(20) for _ in range(5)]
        entities = [Entity(rng.choice("XY"), start, start + rng.randrange(1, 8)) for start in starts]
        kept = keep_longest(entities)
        assert kept == sorted(kept, key=lambda entity: entity.start)
        for one, other in itertools.pairwise(kept):
            assert one.end <= other.start
        for entity in entities:
            if entity not in kept:
                places = set(range(entity.start, entity.end))
                rivals = [other for other in kept if places & set(range(other.start, other.end))]
                assert any(other.end - other.start >= len(places) for other in rivals)
                dropped += 1
    assert dropped > 100
    assert keep_longest([Entity("Y", 1, 3), Entity("X", 0, 2)]) == [Entity("X", 0, 2)]
