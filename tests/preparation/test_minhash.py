import numpy as np
import pytest

from tfdomain.errors import InputError
from tfdomain.preparation import minhash as module
from tfdomain.preparation import shingles
from tfdomain.preparation.minhash import FOLDED_KEYS, TEXT_KEYS, band_columns, band_shape, signatures

TEXTS = ["", "?!", "one", "One!", "one ", "a longer text: it has many letters", "借款人申请延期还款，原因是失业。" * 3]
KEYS = (TEXT_KEYS, FOLDED_KEYS)
ALPHABETS = {"latin": (ord("a"), 26), "chinese": (0x4E00, 3000)}
GOLDEN_BAND = [14554188141516153493, 4394708077595894797]
GOLDEN_FOLDED = [18310086487401677459, 5178329283929776490]
GOLDEN_TEXT = [14212460129618870248, 288878627372312009]


def alike(alphabet, num_shared, num_own, count, seed=0):
    """Pairs of texts that share just that many shingles and have just that many of their own."""
    first, size = ALPHABETS[alphabet]
    codes = np.random.default_rng(seed).integers(first, first + size, (count, num_shared + 4 + 2 * num_own))
    whole = ["".join(map(chr, row)) for row in codes]
    return (
        [text[: num_shared + 4 + num_own] for text in whole],
        [text[: num_shared + 4] + text[num_shared + 4 + num_own :] for text in whole],
    )


def share_of_candidates(texts, others, threshold=0.8):
    first, second = signatures(texts, threshold=threshold), signatures(others, threshold=threshold)
    equal = [first[name].to_numpy() == second[name].to_numpy() for name in band_columns(threshold)]
    return np.any(equal, axis=0).mean()


def test_columns():
    table = signatures(TEXTS, rows=np.arange(10, 17))
    assert table["row"].to_pylist() == list(range(10, 17))
    assert table["letters"].to_pylist() == [sum(map(str.isalnum, text)) for text in TEXTS]
    assert band_columns(0.8) == table.column_names[-20:]
    assert {str(table.schema.field(name).type) for name in (*TEXT_KEYS, *FOLDED_KEYS, *band_columns(0.8))} == {"uint64"}
    texts, folded = (list(zip(*(table[name].to_pylist() for name in names), strict=True)) for names in KEYS)
    assert len(set(texts)) == 7
    assert folded[0] == folded[1] == (0, 0)
    assert folded[2] == folded[3] == folded[4]
    assert len(set(folded)) == 4


def test_a_signature_hangs_on_the_text_alone(monkeypatch):
    whole = signatures(TEXTS, rows=np.zeros(7, np.int64))
    singles = [signatures([text]) for text in TEXTS]
    assert [table.to_pylist()[0] for table in singles] == whole.to_pylist()
    monkeypatch.setattr(shingles, "GROUP_CHARACTERS", 16)
    monkeypatch.setattr(shingles, "BLOCK_SHINGLES", 8)
    monkeypatch.setattr(module, "TILE", 4)
    assert signatures(TEXTS, rows=np.zeros(7, np.int64)).equals(whole)
    assert signatures([]).num_rows == 0


def test_signatures_stay_what_they_were():
    """Prepared folders keep them: what is added later is compared with what is there."""
    table = signatures(["The quick brown fox", "敏捷的棕色狐狸跳过了懒狗"])
    assert table["band_6_00"].to_pylist() == GOLDEN_BAND
    assert table["folded_key_0"].to_pylist() == GOLDEN_FOLDED
    assert table["text_key_1"].to_pylist() == GOLDEN_TEXT


@pytest.mark.parametrize("alphabet", ALPHABETS)
@pytest.mark.parametrize("length", [1, 2, 22, 100])
def test_of_pairs_at_the_threshold_99_of_100_are_candidates(alphabet, length):
    # 8 of 10 shingles are shared.
    assert share_of_candidates(*alike(alphabet, 8 * length, length, 1500)) >= 0.99


@pytest.mark.parametrize(("shared", "own"), [(40, 20), (20, 40), (130, 35)])
def test_candidates_come_as_often_as_the_formula_says(shared, own):
    """What makes bands worth their while: few pairs of little similarity are compared."""
    similarity = shared / (shared + 2 * own)
    expected = 1 - (1 - similarity**6) ** 20
    found = share_of_candidates(*alike("latin", shared, own, 4000))
    assert abs(found - expected) < 4 * np.sqrt(expected * (1 - expected) / 4000)


@pytest.mark.parametrize("threshold", [0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99])
def test_bands_suit_the_threshold(threshold):
    num_bands, size = band_shape(threshold)
    assert 1 - (1 - threshold**size) ** num_bands >= 0.99
    own = 30
    shared = int(np.ceil(2 * own * threshold / (1 - threshold)))
    assert share_of_candidates(*alike("latin", shared, own, 600), threshold) >= 0.98


@pytest.mark.parametrize("threshold", [0.0, 0.49, 1.0, 1.2, float("nan")])
def test_thresholds_out_of_range(threshold):
    with pytest.raises(InputError, match="similarity"):
        signatures(["a"], threshold=threshold)
