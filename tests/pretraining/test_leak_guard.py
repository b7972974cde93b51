import csv
import gzip
import json

import numpy as np
import pyarrow as pa
import pytest
from sklearn.feature_extraction.text import CountVectorizer

from tfdomain.data.rows import read_rows
from tfdomain.errors import InputError
from tfdomain.pretraining import containment, leak_guard, likeness
from tfdomain.pretraining.leak_guard import find_leaks

ENGLISH = ["loan", "card", "house", "repair", "medical", "school", "family", "interest", "wedding", "garden", "engine"]
CHINESE = "贷款还清信用卡利率房屋装修医疗学费家庭收入工作稳定银行账户结婚旅行汽车维修冬季花园"

CARD = "I ordered a card three weeks ago, and it has still not arrived at my address."
LOAN = "贷款已经还清，可是信用卡的利率上个月又提高了，请问为什么？"
NEAR_CARD = CARD.replace("address", "adress")
GUARDED = [CARD, LOAN, "Help!", "?!"]
LONG = "Minutes of the meeting. " * 10


def folded(text):
    return "".join(character for character in text.lower() if character.isalnum())


def weight(text):
    """Letters and digits, Chinese ones twice."""
    return sum(2 if ord(character) >= 0x2E80 else 1 for character in folded(text))


def shingles(text):
    letters = folded(text)
    return {letters[at : at + 5] for at in range(max(len(letters) - 4, 1))} if letters else set()


def brute_force(texts, guarded, similarity):
    """Which documents leak and how, by comparing each with each."""
    others = [(other, folded(other), shingles(other), weight(other) >= 30) for other in guarded]
    kinds = {}
    for row, text in enumerate(texts):
        letters, runs = folded(text), shingles(text)
        found = set()
        for other, other_letters, other_runs, may_be_inside in others:
            if text == other or (letters and letters == other_letters):
                found.add("same")
            elif may_be_inside and other_letters in letters:
                found.add("contains")
            elif runs and len(runs & other_runs) / len(runs | other_runs) >= similarity:
                found.add("near")
        if found:
            kinds[row] = next(kind for kind in ("same", "contains", "near") if kind in found)
    return kinds


@pytest.mark.parametrize(
    ("document", "guarded", "kind"),
    [
        (CARD, 0, "same"),
        (CARD.upper().replace(",", " -") + "\n", 0, "same"),
        (LOAN.replace("，", " "), 1, "same"),
        ("help", 2, "same"),
        ("?!", 3, "same"),
        (f"{LONG}{CARD}{LONG}", 0, "contains"),
        (f"{LONG}“{CARD.replace(',', '')}”", 0, "contains"),
        (f"客户来信：{LOAN}此致敬礼。{LONG}", 1, "contains"),
        (NEAR_CARD, 0, "near"),
        (LOAN.replace("什么", "何"), 1, "near"),
        # A few things said many times are a small set.
        (CARD[:-3] * 20, 0, "near"),
        ("?!?", None, None),
        ("I ordered a card, and it came in three days.", None, None),
        (CARD[:60], None, None),
        (f"{LONG}{NEAR_CARD}{LONG}", None, None),
        (f"{LONG} Help! {LONG}", None, None),
        ("", None, None),
    ],
)
def test_each_kind_of_leak(document, guarded, kind):
    leaks = find_leaks(["Nothing of interest.", document, "别的"], GUARDED)
    if kind is None:
        assert not len(leaks.rows)
        return
    assert leaks.rows.tolist() == [1]
    (leak,) = leaks.reasons
    assert (leak.row, leak.guarded, leak.kind) == (1, guarded, kind)
    assert (leak.similarity is not None) == (kind == "near")
    if kind == "near":
        one, other = shingles(document), shingles(GUARDED[guarded])
        assert leak.similarity == pytest.approx(len(one & other) / len(one | other))
        assert 0.8 <= leak.similarity < 1


def planted(count, seed):
    """Texts of few words, so that many are nearly alike, and documents with changed ones in them."""
    random = np.random.default_rng(seed)
    texts, guarded = [], []
    for number in range(count):
        size = random.integers(2, 40)
        words = list(random.choice(ENGLISH, size)) if number % 2 else list(random.choice(list(CHINESE), 2 * size))
        joiner = " " if number % 2 else ""
        guarded.append(joiner.join(words))
        for _ in range(random.integers(0, 4)):
            changed = list(words)
            for place in random.integers(0, len(words), random.integers(0, 3)):
                changed[place] = f"{random.integers(1000)}"
            before, after = random.choice(["", "", "", "OK ", "So they said that in the end: ", LONG], 2)
            texts.append(f"{before}{joiner.join(changed)}{random.choice(['', '!', '。'])}{after}")
    return texts, guarded


@pytest.mark.parametrize("similarity", [0.8, 0.6])
def test_finds_what_comparing_each_with_each_finds(similarity):
    texts, guarded = planted(120, seed=1)
    expected = brute_force(texts, guarded, similarity)
    leaks = find_leaks(texts, guarded, similarity=similarity)
    assert {leak.row: leak.kind for leak in leaks.reasons} == expected
    assert leaks.rows.dtype == np.int64
    assert leaks.rows.tolist() == sorted(expected) == [leak.row for leak in leaks.reasons]
    assert min(list(expected.values()).count(kind) for kind in leak_guard.KINDS) > 10
    assert len(expected) < len(texts) - 30
    # The text that is named is one that explains it.
    for leak in leaks.reasons:
        assert brute_force([texts[leak.row]], [guarded[leak.guarded]], similarity) == {0: leak.kind}


def test_parts_and_forms_do_not_matter(monkeypatch):
    texts, guarded = planted(40, seed=2)
    expected = find_leaks(texts, guarded)
    assert len(expected.rows) > 20
    array = pa.array(texts, pa.large_string())
    chunked = pa.chunked_array([array[:7], array[7:7], pa.array(texts[7:], pa.large_string())])
    monkeypatch.setattr(leak_guard, "PART_BYTES", 2000)
    monkeypatch.setattr(likeness, "PAIRS_AT_ONCE", 3)
    monkeypatch.setattr(containment, "BLOCK_LETTERS", 64)
    for given in (array, chunked, tuple(texts)):
        found = find_leaks(given, guarded)
        assert found.reasons == expected.reasons
        assert found.to_json() == expected.to_json()


def test_forms_that_share_most_of_their_letters():
    """Every candidate is met in every band, and the anchors of the texts are where they differ."""
    random = np.random.default_rng(3)
    form = "".join(map(chr, random.integers(0x4E00, 0x6000, 60)))
    names = ["".join(map(chr, random.integers(0x6000, 0x9000, 30))) for _ in range(60)]
    guarded = [form + name for name in names[:30]]
    texts = [f"{names[(number + 1) % 60]}{form}{name}" for number, name in enumerate(names)]
    leaks = find_leaks(texts, guarded)
    assert [(leak.row, leak.guarded, leak.kind) for leak in leaks.reasons] == [(n, n, "contains") for n in range(30)]


def test_documents_and_guarded_texts_of_great_length():
    random = np.random.default_rng(4)
    long = "".join(map(chr, random.integers(0x4E00, 0x9000, 300_000)))
    texts = [long, f"{long[:140_000]}{CARD}{long[140_000:]}", CARD * 4_000, long[:-10]]
    leaks = find_leaks(texts, [CARD])
    assert [(leak.row, leak.kind) for leak in leaks.reasons] == [(1, "contains"), (2, "contains")]
    leaks = find_leaks(texts, [long])
    assert [(leak.row, leak.kind) for leak in leaks.reasons] == [(0, "same"), (1, "near"), (3, "near")]


def test_the_first_of_equal_guarded_texts_is_named():
    leaks = find_leaks([CARD, LONG + CARD], ["other", CARD, CARD.lower()])
    assert [leak.guarded for leak in leaks.reasons] == [1, 1]


def test_counts_and_the_list(tmp_path):
    texts = [CARD, "fine", LONG + CARD, NEAR_CARD, "HELP"]
    leaks = find_leaks(texts, GUARDED, to=tmp_path / "pretraining")
    counts = {"documents": 5, "guarded": 4, "guarded_short": 2, "leaking": 4, "same": 2, "contains": 1, "near": 1}
    assert json.loads(json.dumps(leaks.to_json())) == counts
    with (tmp_path / "pretraining" / "leaks.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["row"], row["guarded"], row["kind"]) for row in rows] == [
        ("0", "0", "same"),
        ("2", "0", "contains"),
        ("3", "0", "near"),
        ("4", "2", "same"),
    ]
    assert [float(row["similarity"] or 0) for row in rows] == [leak.similarity or 0 for leak in leaks.reasons]


@pytest.mark.parametrize(("texts", "guarded"), [([], GUARDED), (["a text"], []), (["a text"], [""]), ([""], ["?"])])
def test_nothing_to_find(texts, guarded):
    leaks = find_leaks(texts, guarded)
    assert leaks.rows.tolist() == leaks.reasons == []
    assert leaks.num_documents == len(texts)


@pytest.mark.parametrize("similarity", [0.49, 1.0])
def test_similarities_out_of_range_are_refused(similarity):
    with pytest.raises(InputError, match=r"similarity: a similarity of .* is out of range; choose one from 0\.5"):
        find_leaks(["a text"], ["a text"], similarity=similarity)


def compared(texts, guarded, similarity):
    """As `brute_force`, which rows leak, by scikit-learn's counts of 5-grams."""
    counter = CountVectorizer(analyzer="char", ngram_range=(5, 5), lowercase=False, binary=True, dtype=np.int32)
    letters, others = [folded(text) for text in texts], [folded(text) for text in guarded]
    counter.fit([*letters, *others])
    runs, other_runs = counter.transform(letters), counter.transform(others)
    sizes, other_sizes = (np.asarray(each.sum(axis=1)).ravel() for each in (runs, other_runs))
    inside = [other for text, other in zip(guarded, others, strict=True) if weight(text) >= 30]
    rows = set()
    for first in range(0, len(texts), 500):
        shared = (runs[first : first + 500] @ other_runs.T).toarray()
        alike = shared >= similarity * (sizes[first : first + 500, None] + other_sizes - shared)
        rows.update((first + np.flatnonzero((alike & (shared > 0)).any(axis=1))).tolist())
    same = set(others) - {""}
    rows.update(row for row, text in enumerate(letters) if text in same or any(other in text for other in inside))
    return rows


@pytest.mark.real
@pytest.mark.parametrize("name", ["banking77", "financial_phrasebank"])
def test_real_texts_as_comparing_each_with_each(data_dir, tmp_path, name):
    """Those that a task is tested on, looked for among all of the task's texts."""
    if name == "banking77":
        files = [data_dir / name / part for part in ("train.csv.gz", "test.csv")]
        rows = [read_rows([file], texts=["text"], cache_dir=tmp_path) for file in files]
        texts, guarded = [each.texts[0].to_pylist() for each in rows]
    else:
        lines = gzip.decompress((data_dir / name / "Sentences_50Agree.txt.gz").read_bytes()).decode("latin-1")
        sentences = [line.rpartition("@")[0] for line in lines.splitlines()]
        texts = [sentence for number, sentence in enumerate(sentences) if number % 5]
        guarded = sentences[::5]
    expected = compared(texts + guarded, guarded, 0.8)
    leaks = find_leaks(texts + guarded, guarded)
    found, own = set(leaks.rows.tolist()), set(range(len(texts), len(texts) + len(guarded)))
    print(
        f"\n{name}: {len(expected)} leak, {len(expected - found)} missed, {len(found - expected)} kept out for nothing"
    )
    print(f"  of {len(texts)} training texts: {len(found - own)}; {leaks.to_json()}")
    assert own <= found <= expected
    assert len(expected - found) <= 0.001 * len(expected)
