from itertools import combinations

import numpy as np
import pyarrow.parquet as pq
import pytest
from datasketch import MinHash, MinHashLSH

from tfdomain.errors import InputError, TfdomainError
from tfdomain.preparation import links, shared_keys
from tfdomain.preparation.duplicates import find_duplicates, rows_to_drop
from tfdomain.preparation.minhash import signatures
from tfdomain.preparation.shingles import jaccard

ENGLISH = ["loan", "card", "house", "repair", "medical", "school", "family", "interest", "wedding", "garden", "engine"]
CHINESE = "贷款还清信用卡利率房屋装修医疗学费家庭收入工作稳定银行账户结婚旅行汽车维修冬季花园"


def reference(text):
    letters = "".join(character for character in text.lower() if character.isalnum())
    return {letters[at : at + 5] for at in range(max(len(letters) - 4, 1))} if letters else set()


def alike_pairs(texts, threshold=0.8):
    sets = [reference(text) for text in texts]
    return [
        (one, other)
        for one, other in combinations(range(len(texts)), 2)
        if sets[one] and len(sets[one] & sets[other]) >= threshold * len(sets[one] | sets[other])
    ]


def components(num_rows, pairs):
    labels = list(range(num_rows))
    for one, other in pairs:
        low, high = sorted((labels[one], labels[other]))
        labels = [low if label == high else label for label in labels]
    return labels


def variants(count, seed, num_words=(8, 40)):
    """English and Chinese texts, and for each some with a few changes: pairs on either side of the threshold."""
    random = np.random.default_rng(seed)
    texts = []
    for number in range(count):
        size = random.integers(*num_words)
        words = list(random.choice(ENGLISH, size)) if number % 2 else list(random.choice(list(CHINESE), 2 * size))
        joiner = " " if number % 2 else ""
        texts.append(joiner.join(words))
        for _ in range(random.integers(0, 4)):
            changed = list(words)
            for place in random.integers(0, len(words), random.integers(0, 3)):
                changed[place] = f"{random.integers(1000)}"
            texts.append(joiner.join(changed) + random.choice(["", "!", "。", " ok"]))
    return [texts[place] for place in random.permutation(len(texts))]


def find(texts, folder, *, chunk=1000, rows=None, **arguments):
    rows = np.arange(len(texts)) if rows is None else rows
    files = []
    for start in range(0, len(texts), chunk):
        files.append(folder / f"signatures [{len(list(folder.iterdir()))}].parquet")
        table = signatures(
            texts[start : start + chunk], rows=rows[start : start + chunk], threshold=arguments.get("threshold", 0.8)
        )
        pq.write_table(table, files[-1])
    by_row = dict(zip(rows.tolist(), texts, strict=True))
    settings = {"num_rows": len(texts), "folder": folder, "memory_limit": "500MB"} | arguments
    return find_duplicates(files, lambda wanted: [by_row[row] for row in wanted.tolist()], **settings)


@pytest.mark.parametrize("seed", [0, 1])
def test_clusters_are_those_of_all_pairs_compared(tmp_path, seed):
    texts = variants(200, seed)
    pairs = alike_pairs(texts)
    assert len(pairs) > 150
    found = find(texts, tmp_path)
    clusters = found.clusters[0]
    linked = np.mean([clusters[one] == clusters[other] for one, other in pairs])
    assert linked >= 0.99
    # What is linked is linked by pairs at or above the threshold, and by nothing else.
    true = np.array(components(len(texts), pairs))
    assert all(len(set(true[clusters == cluster])) == 1 for cluster in set(clusters.tolist()))
    assert clusters.dtype == found.originals.dtype == np.int64
    assert found.originals.tolist() == [texts.index(text) for text in texts]


def test_finds_what_datasketch_finds(tmp_path):
    texts = variants(150, 5)
    index, hashes = MinHashLSH(threshold=0.8, num_perm=120, params=(20, 6)), []
    for number, text in enumerate(texts):
        minhash = MinHash(num_perm=120)
        minhash.update_batch([shingle.encode() for shingle in reference(text)])
        hashes.append(minhash)
        index.insert(number, minhash)
    candidates = {(min(one, other), max(one, other)) for one in range(len(texts)) for other in index.query(hashes[one])}
    pairs = candidates & set(alike_pairs(texts))
    assert pairs
    clusters = find(texts, tmp_path).clusters[0]
    assert np.mean([clusters[one] == clusters[other] for one, other in pairs]) >= 0.99


@pytest.mark.parametrize("threshold", [0.6, 0.9])
def test_other_thresholds(tmp_path, threshold):
    texts = variants(80, 3)
    pairs = alike_pairs(texts, threshold)
    clusters = find(texts, tmp_path, threshold=threshold).clusters[0]
    assert np.mean([clusters[one] == clusters[other] for one, other in pairs]) >= 0.99
    true = np.array(components(len(texts), pairs))
    assert all(len(set(true[clusters == cluster])) == 1 for cluster in set(clusters.tolist()))


def test_a_pair_at_the_threshold_counts_and_one_below_does_not(tmp_path):
    # 8 shingles of 10 are shared, and 7 of 9.
    at, below = ["abcdefghijklX", "abcdefghijklY"], ["mnopqrstuvwX", "mnopqrstuvwY"]
    # So short a pair at the threshold may have no band in common: the bands of this one do.
    assert find([*at, *below], tmp_path).clusters[0].tolist() == [0, 0, 2, 3]


def test_chunks_files_and_limits_do_not_matter(tmp_path, monkeypatch):
    texts = [*variants(12, 8), "", "", "ab", "AB"]
    splits = np.random.default_rng(0).integers(-1, 3, len(texts)).astype(np.int8)
    expected = find(texts, tmp_path, splits=splits)
    ways = [find(texts, tmp_path, splits=splits, chunk=chunk) for chunk in (3, 7)]
    ways.append(find(texts, tmp_path, splits=splits, threads=1, memory_limit="100MB"))
    monkeypatch.setattr(shared_keys, "PART_ROWS", 15)
    monkeypatch.setattr(links, "SLICE_ROWS", 5)
    monkeypatch.setattr(links, "BATCH_LETTERS", 300)
    ways.append(find(texts, tmp_path, splits=splits))
    for found in ways:
        assert all(np.array_equal(one, other) for one, other in zip(found, expected, strict=True))


def test_copies_of_one_text(tmp_path):
    found = find(["Always the same text, a hundred thousand times over."] * 100_000, tmp_path, chunk=20_000)
    assert not found.clusters.any()
    assert not found.originals.any()
    dropped = rows_to_drop(found)
    assert dropped.rows.tolist() == list(range(1, 100_000))
    assert set(dropped.reasons) == {"exact duplicate"}


def test_a_form_that_is_filled_in(tmp_path, monkeypatch):
    """Many rows share their bands; the work stays in proportion to the rows, and what is alike is found."""
    random = np.random.default_rng(4)
    form = "".join(map(chr, random.integers(0x4E00, 0x6000, 90)))
    names = ["".join(map(chr, random.integers(0x6000, 0x9000, 14))) for _ in range(500)]
    texts = [f"{form}{names[row % 500]}{row // 500}" for row in range(1000)]
    # Two forms have three quarters of their shingles in common, two with one name nearly all.
    assert jaccard(texts, np.array([0, 0]), np.array([1, 500])).round(2).tolist() == [0.74, 0.98]
    compared = []
    monkeypatch.setattr(links, "jaccard", lambda *given: compared.append(len(given[1])) or jaccard(*given))
    clusters = find(texts, tmp_path).clusters[0]
    assert clusters.tolist() == [row % 500 for row in range(1000)]
    assert sum(compared) < 1000 * 999 / 2 / 4


def test_texts_without_letters_are_like_their_copies_alone(tmp_path):
    found = find(["", "!!", "", "??", "!!", "a", "A", "a b", "ab"], tmp_path)
    assert found.originals.tolist() == [0, 1, 0, 3, 1, 5, 6, 7, 8]
    assert found.clusters.tolist() == [[0, 1, 0, 3, 1, 5, 5, 7, 7]]


def test_one_row_and_no_row(tmp_path):
    found = find(["alone"], tmp_path)
    assert found.clusters.tolist() == [[0]]
    assert not len(rows_to_drop(found).rows)
    assert find([], tmp_path, chunk=1, num_rows=2).clusters.tolist() == [[0, 1]]


def test_rows_without_signatures_and_rows_left_out(tmp_path):
    texts = ["the same words", "the same words", "The same words!", "other words"]
    found = find(texts, tmp_path, rows=np.array([1, 4, 5, 6]), num_rows=8)
    assert found.originals.tolist() == [0, 1, 2, 3, 1, 5, 6, 7]
    assert found.clusters.tolist() == [[0, 1, 2, 3, 1, 1, 6, 7]]
    splits = np.array([-1, 0, 0, 0], np.int8)
    assert find(texts, tmp_path, splits=splits).clusters.tolist() == [[0, 1, 1, 3]]
    with pytest.raises(ValueError, match="row 6"):
        find(texts, tmp_path, rows=np.array([1, 4, 5, 6]))


def test_exact_duplicates_alone(tmp_path):
    found = find(["one text", "One text", "one text"], tmp_path, near=False)
    assert found.clusters.tolist() == [[0, 1, 0]]


def test_progress_is_told(tmp_path):
    told = []
    find(["text"] * 30, tmp_path, advance=told.append)
    assert len(told) == 20
    assert sum(told) == 30


def test_a_threshold_out_of_range(tmp_path):
    with pytest.raises(InputError, match="similarity"):
        find_duplicates([], list, num_rows=1, folder=tmp_path, threshold=0.3)


def test_too_little_memory_is_told(tmp_path):
    texts = [f"text {number}" for number in range(30_000)]
    with pytest.raises(TfdomainError, match="free some space"):
        find(texts, tmp_path, memory_limit="1MB", chunk=30_000)


LONG = "please consolidate my debts since the rate of this card is far too high for me and my family"


def test_who_stays(tmp_path):
    texts = [LONG, "unlike", LONG + "!", LONG, LONG + " ok", LONG, "none"]
    splits = np.array([0, 0, 1, 2, 2, 1, 0], np.int8)
    dropped = rows_to_drop(find(texts, tmp_path, splits=splits), splits)
    assert list(zip(*(column.tolist() for column in dropped), strict=True)) == [
        (0, 3, "exact duplicate between test and train"),
        (2, 3, "near duplicate between test and validation"),
        (4, 3, "near duplicate in test"),
        (5, 3, "exact duplicate between test and validation"),
    ]
    dropped = rows_to_drop(find(texts, tmp_path))
    assert dropped.rows.tolist() == [2, 3, 4, 5]
    assert dropped.duplicate_of.tolist() == [0, 0, 0, 0]
    assert dropped.reasons.tolist() == ["near duplicate", "exact duplicate", "near duplicate", "exact duplicate"]


def test_the_order_says_which_is_first(tmp_path):
    found = find([LONG, LONG, LONG], tmp_path)
    assert rows_to_drop(found, order=np.array([5.0, 2.5, 9.0])).rows.tolist() == [0, 2]


# Each is like the next, and the ends are not like each other.
CHAIN = [LONG, LONG[9:], LONG[18:]]


def test_a_training_text_does_not_link_two_of_the_test(tmp_path):
    assert alike_pairs(CHAIN) == [(0, 1), (1, 2)]
    splits = np.array([2, 0, 2], np.int8)
    found = find(CHAIN, tmp_path, splits=splits)
    assert found.clusters.tolist() == [[0, 0, 0], [0, 1, 2], [0, 1, 2]]
    dropped = rows_to_drop(found, splits)
    assert dropped.rows.tolist() == [1]
    assert dropped.reasons.tolist() == ["near duplicate between test and train"]
    # What has the very text of a row that stays is named after that row.
    splits = np.array([2, 0, 2, 0], np.int8)
    dropped = rows_to_drop(find([*CHAIN, CHAIN[2]], tmp_path, splits=splits), splits)
    assert list(zip(dropped.rows.tolist(), dropped.duplicate_of.tolist(), strict=True)) == [(1, 0), (3, 2)]
    assert rows_to_drop(find(CHAIN, tmp_path)).rows.tolist() == [1, 2]


def test_rows_that_were_written_before_stay(tmp_path):
    texts, splits = [LONG, LONG + "!", "new", LONG, LONG], np.array([0, 1, 0, 2, 0], np.int8)
    kept = np.array([True, True, False, False, False])
    dropped = rows_to_drop(find(texts, tmp_path, splits=splits, kept=kept), splits)
    assert list(zip(*(column.tolist() for column in dropped), strict=True)) == [
        (3, 0, "exact duplicate between train and test"),
        (4, 0, "exact duplicate in train"),
    ]
    assert rows_to_drop(find(texts, tmp_path, kept=kept)).rows.tolist() == [3, 4]


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_what_stays_is_free_of_duplicates(tmp_path, seed):
    texts = variants(120, seed, num_words=(4, 12))
    random = np.random.default_rng(seed)
    splits = random.choice([-1, 0, 0, 1, 2], len(texts)).astype(np.int8)
    dropped = rows_to_drop(find(texts, tmp_path, splits=splits), splits)
    stays = splits >= 0
    stays[dropped.rows] = False
    assert stays[dropped.duplicate_of].all()
    assert (splits[dropped.duplicate_of] >= splits[dropped.rows]).all()
    pairs = [pair for pair in alike_pairs(texts) if min(splits[list(pair)]) >= 0]
    assert np.mean([not stays[list(pair)].all() for pair in pairs]) >= 0.99
    # A row goes because of rows that are as protected as itself, or more.
    for rank in range(3):
        allowed = [pair for pair in pairs if min(splits[list(pair)]) >= rank]
        linked = np.array(components(len(texts), allowed))
        going = dropped.rows[splits[dropped.rows] == rank]
        assert all((linked == linked[row]).sum() > 1 for row in going)
        staying = np.flatnonzero(stays & (splits == rank))
        firsts = [min(np.flatnonzero(linked == linked[row]), key=lambda one: (-splits[one], one)) for row in staying]
        assert np.mean(firsts == staying) >= 0.99
