"""The bundled sample keeps what its data card says: form, variety, and a text that matters without being easy."""

import csv
import re
from collections import Counter
from itertools import product

import pytest
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedKFold, cross_val_score
from sklearn.pipeline import make_pipeline

from tfdomain.errors import InputError
from tfdomain.samples import sample_path

COLUMNS = ["application_id", "reason", "amount", "term_months", "annual_income", "employment_years", "status"]
TRAIN, TEST = "loan_applications_train.csv", "loan_applications_test.csv"

# The words that make a sentence's frame; any other word is content and is masked, as numbers are.
FRAME_WORDS = frozenset(
    word
    for line in (
        "a about after again all already also although an and any are as at be because been before being between",
        "both but by can can't could did didn't do does doesn't don't down each every for from had has have he her",
        "here him his how i i'd i'll i'm i've if in into is isn't it it'd it's its just less may me might mine more",
        "most must my no none nor not now of off on only or our ours out over per shall she should since so some",
        "still than that that's the their them then there these they they've this those though through to too u",
        "under until up us very was wasn't we we'd we're we've were what when where which while who whose why will",
        "with without won't would yet you your",
    )
    for word in line.split()
)


def read_rows(name: str) -> list[dict[str, str]]:
    with sample_path(name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def train_rows() -> list[dict[str, str]]:
    return read_rows(TRAIN)


@pytest.fixture(scope="module")
def held_out_rows() -> list[dict[str, str]]:
    return read_rows(TEST)


@pytest.fixture(scope="module")
def rows(train_rows, held_out_rows) -> list[dict[str, str]]:
    return sorted(train_rows + held_out_rows, key=lambda row: row["application_id"])


def split_words(text: str) -> list[str]:
    return re.findall(r"[a-z']+|\d[\d.,]*", text.lower())


def mask_content(text: str) -> str:
    """Keeps a text's frame: function words stay, each number becomes `#`, each other word `_`."""
    return " ".join(word if word in FRAME_WORDS else "#" if word[0].isdigit() else "_" for word in split_words(text))


def text_model():
    return make_pipeline(TfidfVectorizer(), LogisticRegression())


def is_default(rows: list[dict[str, str]]) -> list[int]:
    return [int(row["status"] == "default") for row in rows]


def test_files_are_plain_utf8_csv_with_the_columns_of_the_card():
    for name in (TRAIN, TEST):
        raw = sample_path(name).read_bytes()
        assert b"\r" not in raw and raw.endswith(b"\n") and not raw.startswith(b"\xef\xbb\xbf")
        lines = list(csv.reader(raw.decode("utf-8").splitlines(), strict=True))
        assert lines[0] == COLUMNS
        assert {len(line) for line in lines} == {len(COLUMNS)}


def test_counts(train_rows, held_out_rows):
    assert (len(train_rows), len(held_out_rows)) == (494, 160)


def test_label_shares(train_rows, held_out_rows, rows):
    assert {row["status"] for row in rows} == {"repaid", "default"}
    shares = [sum(is_default(part)) / len(part) for part in (train_rows, held_out_rows)]
    assert all(0.30 <= share <= 0.38 for share in shares)
    assert abs(shares[0] - shares[1]) < 0.01


def test_ids_and_texts_are_unique(rows):
    assert sorted(row["application_id"] for row in rows) == [f"L-{n:04d}" for n in range(1, len(rows) + 1)]
    assert len({" ".join(split_words(row["reason"])) for row in rows}) == len(rows)


def test_numbers_are_in_range(rows):
    for row in rows:
        assert 500 <= int(row["amount"]) <= 40_000, row
        assert 6 <= int(row["term_months"]) <= 84, row
        assert 8_000 <= int(row["annual_income"]) <= 100_000, row
        assert 0 <= float(row["employment_years"]) <= 45, row


def test_texts_are_of_varied_length(rows):
    lengths = sorted(len(row["reason"].split()) for row in rows)
    assert 8 <= lengths[0] <= 10 and 80 <= lengths[-1] <= 90
    tenth = len(lengths) // 10
    assert lengths[-tenth] - lengths[tenth] >= 20
    for row in rows:
        assert row["reason"] == " ".join(row["reason"].split())
        assert 1 <= len(re.split(r"(?<=[.!?])\s+", row["reason"])) <= 5, row


def test_no_opening_stands_more_than_three_times(rows):
    openings = Counter(" ".join(split_words(row["reason"])[:4]) for row in rows)
    assert openings.most_common(1)[0][1] <= 3, openings.most_common(5)


def test_no_sentence_frame_stands_more_than_three_times(rows):
    frames = Counter()
    for row in rows:
        for sentence in re.split(r"(?<=[.!?])\s+", row["reason"]):
            frame = mask_content(sentence)
            # Two or three words, as in "Please hurry.", have no frame to speak of.
            if frame.count(" ") >= 3:
                frames[frame] += 1
    assert frames.most_common(1)[0][1] <= 3, frames.most_common(5)


def test_a_frame_survives_other_nouns_and_numbers():
    assert mask_content("I need 300 to pay the rent.") == mask_content("I need 4,500 to pay the dentist.")
    assert mask_content("I need 300 to pay the rent.") != mask_content("They need 300 for the rent.")


def test_no_text_of_the_test_file_is_nearly_in_the_training_file(train_rows, held_out_rows):
    sets = [[set(split_words(row["reason"])) for row in part] for part in (train_rows, held_out_rows)]
    nearest = max(len(one & other) / len(one | other) for one, other in product(*sets))
    assert nearest < 0.6


def test_no_row_of_the_test_file_opens_like_one_of_the_training_file(train_rows, held_out_rows):
    openings = [{" ".join(split_words(row["reason"])[:3]) for row in part} for part in (train_rows, held_out_rows)]
    assert not openings[0] & openings[1]


def test_no_five_words_in_a_row_stand_in_both_files(train_rows, held_out_rows):
    runs = [
        {tuple(words[start : start + 5]) for words in texts for start in range(len(words) - 4)}
        for texts in ([split_words(row["reason"]) for row in part] for part in (train_rows, held_out_rows))
    ]
    assert not runs[0] & runs[1]


def test_word_counts_tell_something_but_not_everything(train_rows, held_out_rows, rows):
    model = text_model().fit([row["reason"] for row in train_rows], is_default(train_rows))
    scores = model.predict_proba([row["reason"] for row in held_out_rows])[:, 1]
    assert 0.65 <= roc_auc_score(is_default(held_out_rows), scores) <= 0.9
    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    texts = [row["reason"] for row in rows]
    by_fold = cross_val_score(text_model(), texts, is_default(rows), cv=folds, scoring="roc_auc")
    assert 0.65 <= by_fold.mean() <= 0.9


def test_the_table_tells_a_little(rows):
    ratios = [int(row["amount"]) / int(row["annual_income"]) for row in rows]
    assert 0.53 <= roc_auc_score(is_default(rows), ratios) <= 0.7


@pytest.mark.parametrize(
    "pattern",
    [r"@", r"https?:|www\.", r"\d{6,}", r"\+\d|\b\d{2,4}[ /-]\d{2,}", r"\b(mr|mrs|ms|dr)\b\.?", r"[$€£]"],
)
def test_no_addresses_and_numbers_of_persons(rows, pattern):
    assert not [row["reason"] for row in rows if re.search(pattern, row["reason"], re.IGNORECASE)]


def test_an_unknown_sample_is_refused_with_the_choices():
    with pytest.raises(InputError, match=TRAIN) as caught:
        sample_path("loans.csv")
    assert "\n" not in str(caught.value) and "loans.csv" in str(caught.value)
    with pytest.raises(InputError):
        sample_path("../errors.py")
