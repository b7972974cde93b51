"""The figures of a profile against a count by hand."""

import csv
import json
import random
from collections import Counter

import numpy as np
import pytest

from tfdomain.data.file_columns import read_columns
from tfdomain.drafting.profile import Profile
from tfdomain.drafting.reading import holds_tags, profile_table, profile_tagged, sort_files
from tfdomain.drafting.roles import choose_roles
from tfdomain.errors import InputError


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("TFDOMAIN_CACHE_DIR", str(tmp_path / "cache"))


def write(path, header, rows):
    with open(path, "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([header, *rows])
    return path


def profile(*files, **asked) -> Profile:
    parts = sort_files(files)
    columns = read_columns(parts["train"][0])
    return profile_table(parts, columns, choose_roles(columns, files[0], **asked))


def test_counts_lengths_and_duplicates(tmp_path):
    rng = random.Random(0)
    words = ["loan", "card", "money", "my", "the", "is", "lost"]
    texts = [" ".join(rng.choices(words, k=rng.randrange(5, 40))) for _ in range(300)]
    rows = [(text, "bad" if "lost" in text.split() else "good") for text in texts]
    rows += [(text, "other") for text, _ in rows[:7]] + rows[10:15] + [("", "good")] * 4
    path = write(tmp_path / "a.csv", ("text", "label"), rows)
    with open(path, "a", encoding="utf-8") as file:
        file.write("one field only\nwe paid and are glad,\n")
    found = profile(path)
    assert (found.task, found.num_rows, found.num_empty) == ("classification", len(rows), 4)
    lengths = [len(text) for text, _ in rows if text]
    # Words of up to seven letters are a token each.
    tokens = [len(text.split()) for text, _ in rows if text]
    for spread, values in ((found.characters, lengths), (found.tokens, tokens)):
        expected = [*np.quantile(values, [0.5, 0.95, 0.99], method="higher"), max(values)]
        assert list(spread) == expected
    assert (found.num_duplicates, found.num_conflicts) == (12, 7)
    assert found.labels == dict(Counter(label for _, label in rows).most_common())
    assert list(found.labels.values()) == sorted(found.labels.values(), reverse=True)
    assert found.num_faults == 2
    assert any("too few fields" in problem for problem in found.faults)
    assert found.faults["no label in 'label'"] == 1


def test_pairs_count_as_one_text(tmp_path):
    rows = [("how are you", "what is it", 1.5), ("what is it", "how are you", 2.5), ("how are you", "what is it", 3.5)]
    found = profile(write(tmp_path / "a.csv", ("first", "second", "score"), rows), texts=["first", "second"])
    assert (found.task, found.num_duplicates) == ("regression", 1)
    assert found.characters.longest == len("how are you") + len("what is it")
    assert found.numbers == {"score": (1.5, 2.5, 3.5)}


def test_label_sets(tmp_path):
    sets = [["fees"], [], ["fees", "fraud"], ["fraud", "fees"]]
    path = tmp_path / "a.jsonl"
    path.write_text(
        "".join(json.dumps({"text": f"my card number {n} is lost", "labels": one}) + "\n" for n, one in enumerate(sets))
    )
    found = profile(path)
    assert (found.task, found.labels, found.num_unlabelled) == ("multilabel", {"fees": 3, "fraud": 2}, 1)
    flags = [(f"my card number {n} is lost", int("fees" in one), int("fraud" in one)) for n, one in enumerate(sets)]
    path = write(tmp_path / "b.csv", ("text", "fees", "fraud"), [*flags, ("my card is here again", "maybe", 0)])
    found = profile(path, labels=["fees", "fraud"], task="multilabel")
    assert (found.labels, found.num_unlabelled) == ({"fees": 3, "fraud": 2}, 1)
    assert found.faults == {"labels that cannot be read": 1}


@pytest.mark.parametrize(
    ("task", "expected"),
    [("multilabel", r"a\.csv: line 2: 'y' is 'p', not 0 or 1"), ("regression", r"a\.csv: line 2.*y")],
)
def test_labels_of_which_none_can_be_read(tmp_path, task, expected):
    rows = [(f"my loan number {n} is paid", "1", label) for n, label in enumerate("pqr")]
    path = write(tmp_path / "a.csv", ("text", "x", "y"), rows)
    with pytest.raises(InputError, match=expected):
        profile(path, labels=["x", "y"], task=task)


def test_numbers_with_faults(tmp_path):
    rows = [(f"the house number {n} is old", value) for n, value in enumerate(["0.5", "1.25", "n/a", "7"])]
    found = profile(write(tmp_path / "a.csv", ("text", "price"), rows), labels=["price"], task="regression")
    assert found.numbers == {"price": (0.5, pytest.approx(8.75 / 3), 7.0)}
    assert found.num_faults == 1
    with pytest.raises(InputError, match="price"):
        profile(write(tmp_path / "b.csv", ("text", "price"), [("it is old", "x")]), labels=["price"], task="regression")


def test_files_by_name_and_labels_that_training_has_not(tmp_path):
    rows = [(f"my loan number {n} is paid", label) for n, label in enumerate("aabb")]
    train = write(tmp_path / "x-train.csv", ("text", "label"), rows)
    dev = write(tmp_path / "x_dev.csv", ("text", "label"), rows[:2])
    test = write(tmp_path / "latest.test.csv", ("text", "label"), [*rows, ("we want a new one", "c")])
    assert sort_files([test, train, dev]) == {"test": [test], "train": [train], "validation": [dev]}
    assert sort_files([dev]) == {"train": [dev]}
    # `latest` and `developer` are words of their own.
    other = tmp_path / "latest_developers.csv"
    assert sort_files([other, test])["train"] == [other]
    found = profile(train, dev, test)
    assert (found.num_rows, found.held_out, found.unseen) == (4, {"validation": 2, "test": 5}, ("c",))


def test_languages(tmp_path):
    chinese = "这家酒店的早餐很丰富，房间也很干净，下次还会再来"
    english = "the breakfast was good and the room was very clean, we will come again"
    rows = [(f"{chinese}{n}", "a") for n in range(30)] + [(f"{english} {n}", "b") for n in range(10)]
    found = profile(write(tmp_path / "a.csv", ("text", "label"), rows))
    assert found.languages == {"zh": 0.75, "en": 0.25}
    assert found.language is None
    assert profile(write(tmp_path / "b.csv", ("text", "label"), rows[:31])).language == "zh"


def test_tags(tmp_path):
    path = tmp_path / "train.tsv"
    path.write_text("Take\tO\naspirin\tB-drug\n\nNo\tO\nnews\tO\n\nold\tI-drug\naspirin\tB-drug\nnow\tI-place\n")
    assert holds_tags(path)
    found = profile_tagged(sort_files([path]), text="text", entities=None)
    assert (found.task, found.num_rows, found.num_unlabelled) == ("tagging", 3, 1)
    assert found.labels["drug"] == 3
    assert found.num_repaired > 0
    assert found.scheme
    path.write_text("No\tO\nnews\tO\n")
    with pytest.raises(InputError, match="there is no entity"):
        profile_tagged(sort_files([path]), text="text", entities=None)


def test_spans_that_overlap_and_faults(tmp_path):
    path = tmp_path / "a.json"
    records = [
        {"text": "my old car", "entities": [[3, 10, "thing"], [7, 10, "thing"]]},
        {"text": "my car", "entities": [[3, 99, "thing"]]},
    ]
    path.write_text(json.dumps(records))
    assert holds_tags(path)
    found = profile_tagged({"train": [path]}, text="text", entities=None)
    assert (found.num_rows, found.num_overlaps, found.num_faults) == (1, 1, 1)


@pytest.mark.parametrize("content", ["text\tlabel\nmy car\tbad\n\nwe paid\tgood\n", "a line\nand another\n"])
def test_tables_hold_no_tags(tmp_path, content):
    path = tmp_path / "a.tsv"
    path.write_text(content)
    assert not holds_tags(path)
