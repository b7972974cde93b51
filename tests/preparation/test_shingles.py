import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tfdomain.preparation import shingles as module
from tfdomain.preparation.shingles import fold, jaccard, shingles

ODD = ["", " ", "，。!", "a", "Ab1", "abcd", "ABCDE", "ΣΑΣ σας", "İstanbul", "ﬁnal", "借款人2024年", "好" * 9, "½ ②"]


def reference(text):
    letters = "".join(character for character in text.lower() if character.isalnum())
    return {letters[at : at + 5] for at in range(max(len(letters) - 4, 1))} if letters else set()


def similarity(first, second):
    either = reference(first) | reference(second)
    return len(reference(first) & reference(second)) / len(either) if either else 0.0


def all_pairs(texts):
    return np.divmod(np.arange(len(texts) ** 2), len(texts))


@pytest.fixture(params=[False, True], ids=["whole", "in small parts"])
def parts(request, monkeypatch):
    if request.param:
        monkeypatch.setattr(module, "GROUP_CHARACTERS", 20)
        monkeypatch.setattr(module, "BLOCK_SHINGLES", 8)
        monkeypatch.setattr(module, "SORTED_SHINGLES", 30)
        monkeypatch.setattr(module, "LONG_SORTED_SHINGLES", 16)


def test_letters_are_folded_text_by_text(parts):
    found = {}
    for folded in fold(ODD):
        ends = np.cumsum(folded.counts)
        for number, (begin, end) in enumerate(zip(ends - folded.counts, ends, strict=True), folded.first):
            found[number] = "".join(map(chr, folded.letters[begin:end]))
    assert found == {
        number: "".join(character for character in text.lower() if character.isalnum())
        for number, text in enumerate(ODD)
    }


def test_each_text_has_its_shingles(parts):
    texts = [*ODD, "the quick brown fox", "the quick brown fox jumps over it, twice: the quick brown fox"]
    found = [set() for _ in texts]
    for folded in fold(texts):
        for block in shingles(folded):
            for text, hashes in zip(block.texts, np.split(block.hashes, block.starts[1:]), strict=True):
                found[text].update(hashes.tolist())
    assert [len(hashes) for hashes in found] == [len(reference(text)) for text in texts]
    assert found[-2] < found[-1]


@settings(max_examples=200, deadline=None)
@given(st.lists(st.one_of(st.text("ab 好1", max_size=40), st.text(max_size=12)), min_size=1, max_size=8))
def test_similarity_is_that_of_sets(texts):
    first, second = all_pairs(texts)
    expected = [similarity(texts[one], texts[other]) for one, other in zip(first, second, strict=True)]
    np.testing.assert_allclose(jaccard(texts, first, second), expected, atol=1e-12)


def test_similarity_in_parts(parts):
    words = ["loan", "card", "house", "repair", "money,", "贷款合同", "利率", "bank"]
    random = np.random.default_rng(0)
    texts = [*ODD, *(" ".join(random.choice(words, size)) for size in (1, 3, 5, 9, 30))]
    first, second = all_pairs(texts)
    expected = [similarity(texts[one], texts[other]) for one, other in zip(first, second, strict=True)]
    np.testing.assert_allclose(jaccard(texts, first, second), expected, atol=1e-12)


def test_nothing_to_compare():
    assert list(fold([])) == []
    assert len(jaccard([], np.empty(0, np.int64), np.empty(0, np.int64))) == 0
