"""Raw files become a data set, through the command line and the Python function."""

import csv
import json
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest

from tfdomain.cli import main
from tfdomain.config.preparation import load_preparation
from tfdomain.errors import InputError
from tfdomain.preparation import shards
from tfdomain.preparation.run import prepare
from tfdomain.preparation.shards import SHARD_ROWS

SPLITS = ("train", "validation", "test")
THINGS = ["card", "loan", "account", "transfer", "mortgage", "payment", "invoice", "branch", "银行卡", "贷款"]
PLACES = ["Leeds", "Bath", "Ely", "Derby", "York", "Ayr", "Hull", "Luton", "Dover", "Poole", "上海", "北京"]


def rows_of(count, start=0):
    """Texts that no two are alike, with a label, a customer and a day."""
    return [
        {
            "text": f"My {THINGS[n % 10]} {n * 7919 % 10007} was not in {PLACES[n % 12]} on day {n} of {n * n % 997}.",
            "label": ["complaint", "question", "praise"][n % 3],
            "customer": f"c{n // 4}",
            "day": f"2024-{1 + n % 12:02d}-{1 + n % 28:02d}",
            "amount": n,
        }
        for n in range(start, start + count)
    ]


def write_csv(path, rows):
    pd.DataFrame(rows).to_csv(path, index=False)
    return path


def read(folder):
    return {name: pq.read_table(folder / f"{name}.parquet").to_pylist() for name in SPLITS}


def run(files, folder, **options):
    return prepare(files, folder, load_preparation(None, options=options))


def removed_rows(folder):
    with open(folder / "removed.csv", newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_from_files_to_splits_and_a_card(tmp_path, capsys):
    rows = rows_of(400)
    rows[10]["text"] = "Please call me: write to Jane.Doe@example.com about &amp; the   card"
    rows[11]["text"] = rows[5]["text"]
    rows[12]["text"] = rows[6]["text"].upper() + "!!"
    rows[13]["text"] = "<p> </p>"
    write_csv(tmp_path / "raw.csv", rows)
    with open(tmp_path / "raw.csv", "ab") as file:
        file.write(b"broken \xff byte,praise,c1,2024-01-01,3\n")
    arguments = ["prepare", str(tmp_path / "raw.csv"), "--to", str(tmp_path / "out"), "--label", "label"]
    with pytest.raises(SystemExit) as end:
        main([*arguments, "--split", "0.7,0.2,0.1"])
    assert not end.value.code
    printed = capsys.readouterr().out
    assert "401 rows read, 397 written" in printed

    card = json.loads((tmp_path / "out" / "data_card.json").read_text())
    assert (card["rows_read"], card["rows_written"]) == (401, 397)
    steps = {step["name"]: (step["removed"], step["changed"], step["rows"]) for step in card["steps"]}
    assert steps == {
        "read": (1, 0, 400),
        "clean": (1, 2, 399),
        "personal_data": (0, 1, 399),
        "duplicates": (1, 0, 398),
        "near_duplicates": (1, 0, 397),
    }
    found = read(tmp_path / "out")
    assert sum(map(len, found.values())) == 397
    assert card["splits"]["train"]["rows"] == len(found["train"])
    everything = {int(row["amount"]): row for part in found.values() for row in part}
    assert everything[10]["text"] == "Please call me: write to <EMAIL> about & the card"
    assert set(everything[0]) == {"text", "label", "customer", "day", "amount"}
    for row in removed_rows(tmp_path / "out"):
        assert row["place"].startswith("raw.csv:") and row["reason"]
    told = {row["place"]: (row["step"], row["duplicate_of"]) for row in removed_rows(tmp_path / "out")}
    assert told["raw.csv:402"] == ("read", "")
    assert told["raw.csv:15"] == ("clean", "")
    assert {told["raw.csv:7"] if "raw.csv:7" in told else told["raw.csv:13"]} <= {
        ("duplicates", "raw.csv:13"),
        ("duplicates", "raw.csv:7"),
    }
    page = (tmp_path / "out" / "data_card.md").read_text(encoding="utf-8")
    assert "401 rows read, 397 written" in page and "labels.png" in page
    assert (tmp_path / "out" / "labels.png").read_bytes()[:4] == b"\x89PNG"


def test_groups_stay_together_and_time_divides(tmp_path):
    write_csv(tmp_path / "raw.csv", rows_of(800))
    run([tmp_path / "raw.csv"], tmp_path / "groups", group="customer", label="label")
    found = read(tmp_path / "groups")
    customers = [{row["customer"] for row in found[name]} for name in SPLITS]
    assert all(customers) and not (customers[0] & customers[1] or customers[0] & customers[2])
    run([tmp_path / "raw.csv"], tmp_path / "time", time="day")
    found = read(tmp_path / "time")
    assert max(row["day"] for row in found["train"]) < min(row["day"] for row in found["validation"])
    assert max(row["day"] for row in found["validation"]) < min(row["day"] for row in found["test"])


def test_more_files_move_nothing(tmp_path):
    first, second = rows_of(300), [*rows_of(100, start=300), *rows_of(5)]
    write_csv(tmp_path / "one.csv", first)
    write_csv(tmp_path / "two.csv", second)
    options = {"label": "label", "folds": 3}
    run([tmp_path / "one.csv"], tmp_path / "out", **options)
    before = read(tmp_path / "out")
    again = run([tmp_path / "one.csv"], tmp_path / "out", **options)
    assert again["changes"] is None
    card = run([tmp_path / "one.csv", tmp_path / "two.csv"], tmp_path / "out", **options)
    after = read(tmp_path / "out")
    for name in SPLITS:
        assert after[name][: len(before[name])] == before[name]
    assert sum(map(len, after.values())) == 400
    assert (card["changes"]["rows_before"], card["changes"]["rows_now"]) == (300, 400)
    assert 0 < card["changes"]["vocabulary"]["divergence"] < 1
    assert {row["fold"] for row in after["train"]} == {0, 1, 2}
    with pytest.raises(InputError, match="prepared with other settings: seed 0"):
        run([tmp_path / "two.csv"], tmp_path / "out", seed=1, **options)


def test_what_was_left_out_before_stays_explained(tmp_path):
    first, second = rows_of(60), rows_of(60, start=60)
    first[20] = first[5] | {"label": "other", "amount": 20}
    first[21]["text"] = first[6]["text"].upper() + "!!"
    second[0] = first[5] | {"label": "third", "amount": 60}
    second[1]["text"] = first[7]["text"] + "!"
    write_csv(tmp_path / "one.csv", first)
    write_csv(tmp_path / "two.csv", second)
    run([tmp_path / "one.csv"], tmp_path / "out", label="label")
    before = removed_rows(tmp_path / "out")
    assert len(before) == 2
    card = run([tmp_path / "two.csv"], tmp_path / "out", label="label")
    after = removed_rows(tmp_path / "out")
    assert after[:2] == before
    assert [row["place"] for row in after[2:]] == ["two.csv:2", "two.csv:3"]
    assert (card["rows_read"], card["rows_written"], card["steps"][-1]["rows"]) == (120, 116, 116)
    with open(tmp_path / "out" / "conflicting_labels.csv", newline="", encoding="utf-8") as file:
        (conflict,) = csv.DictReader(file)
    assert conflict["places"] == "one.csv:7 one.csv:22 two.csv:2"
    # Killed between the state and the card: the card tells the same.
    (tmp_path / "out" / "data_card.json").unlink()
    again = run([tmp_path / "two.csv"], tmp_path / "out", label="label")
    assert (again["steps"], again["splits"]) == (card["steps"], card["splits"])
    assert removed_rows(tmp_path / "out") == after


def test_an_interrupted_run_goes_on(tmp_path):
    rows = rows_of(SHARD_ROWS + 50)
    write_csv(tmp_path / "raw.csv", rows)
    whole = run([tmp_path / "raw.csv"], tmp_path / "whole", label="label")
    code = f"""
import os, sys
from tfdomain.preparation.run import prepare
from tfdomain.preparation.runner import LocalRunner
from tfdomain.config.preparation import load_preparation
from pathlib import Path
# Killed after the shards and before anything else.
LocalRunner.find_duplicates = lambda *arguments: os._exit(9)
if __name__ == "__main__":
    preparation = load_preparation(None, options={{"label": "label"}})
    prepare([Path({str(tmp_path / "raw.csv")!r})], Path({str(tmp_path / "cut")!r}), preparation)
"""
    (tmp_path / "killed.py").write_text(code)
    assert subprocess.run([sys.executable, str(tmp_path / "killed.py")], check=False).returncode == 9
    (shard,) = (tmp_path / "cut" / "state").glob("batch-0000/000001.parquet")
    stamp = (tmp_path / "cut" / "state" / "batch-0000" / "000000.parquet").stat().st_mtime_ns
    shard.with_suffix(".signatures.parquet").unlink()
    card = run([tmp_path / "raw.csv"], tmp_path / "cut", label="label")
    assert card == whole
    assert read(tmp_path / "cut") == read(tmp_path / "whole")
    assert (tmp_path / "cut" / "state" / "batch-0000" / "000000.parquet").stat().st_mtime_ns == stamp


def test_several_processes_make_what_one_makes(tmp_path, monkeypatch):
    file = write_csv(tmp_path / "raw.csv", rows_of(250))
    monkeypatch.setattr(shards, "SHARD_ROWS", 100)
    monkeypatch.setattr(shards, "POOL_BYTES", 0)
    made = {}
    for folder, processors in {"one": {0}, "two": {0, 1}}.items():
        monkeypatch.setattr(shards.os, "sched_getaffinity", lambda _, found=processors: found, raising=False)
        made[folder] = run([file], tmp_path / folder, label="label"), read(tmp_path / folder)
    assert made["one"] == made["two"]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.txt", b"", "is empty"),
        ("a.txt", b"\n \n", "there is no text"),
        ("a.txt", b"\x89PNG\x00\x01\n", "zero byte"),
        ("a.txt", "银行".encode("gb18030") + b"\n", "broken UTF-8"),
        ("a.csv", b"other\nx\n", "no column 'text'"),
    ],
)
def test_files_that_hold_no_text_are_one_line(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=message) as caught:
        run([tmp_path / name], tmp_path / "out")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "out" / "train.parquet").exists()


def test_other_languages_go_and_are_listed(tmp_path):
    texts = {
        "The loan was paid back on time and the bank was content.": True,
        "贷款按时还清了，银行很满意。": True,
        "Der Kredit wurde rechtzeitig zurückgezahlt, und die Bank war zufrieden.": False,
        "ok": True,
    }
    (tmp_path / "a.txt").write_text("\n".join(texts) + "\n", encoding="utf-8")
    run([tmp_path / "a.txt"], tmp_path / "out", steps={"language": True})
    kept = {row["text"] for part in read(tmp_path / "out").values() for row in part}
    assert kept == {text for text, stays in texts.items() if stays}
    (row,) = removed_rows(tmp_path / "out")
    assert (row["place"], row["step"], row["reason"]) == ("a.txt:3", "language", "de")


def test_what_other_settings_left_half_done_is_not_used(tmp_path):
    (tmp_path / "a.txt").write_text("please write about the old loan to a@example.com\n", encoding="utf-8")
    with pytest.raises(InputError, match="unknown language 'english'"):
        run([tmp_path / "a.txt"], tmp_path / "out", steps={"language": True}, languages=["english"])
    # Nothing was read for that.
    assert not (tmp_path / "out").exists()
    with pytest.raises(InputError, match="no row is left"):
        run([tmp_path / "a.txt"], tmp_path / "out", steps={"language": True}, languages=["zh"], text="t", seed=1)
    run([tmp_path / "a.txt"], tmp_path / "out", steps={"personal_data": False})
    assert [row["text"] for part in read(tmp_path / "out").values() for row in part] == [
        "please write about the old loan to a@example.com"
    ]


def test_suspicious_labels_are_listed_with_their_places(tmp_path):
    rows = [
        {"text": f"{word} {place} {n}", "label": word}
        for n, place in enumerate(PLACES * 5)
        for word in ("complaint", "question")
    ]
    wrong = range(40, 64, 4)
    for place in wrong:
        rows[place]["label"] = "question"
    write_csv(tmp_path / "raw.csv", rows)
    steps = {"label_quality": True, "near_duplicates": False}
    card = run([tmp_path / "raw.csv"], tmp_path / "out", label="label", steps=steps)
    with open(tmp_path / "out" / "suspicious_labels.csv", newline="", encoding="utf-8") as file:
        listed = list(csv.DictReader(file))
    assert card["suspicious_labels"] == len(listed) >= 1
    # The first row stands in the second line.
    assert {row["place"] for row in listed} <= {f"raw.csv:{place + 2}" for place in wrong}
    assert {(row["label"], row["suggested"]) for row in listed} == {("question", "complaint")}
    assert "suspicious_labels.csv" in (tmp_path / "out" / "data_card.md").read_text(encoding="utf-8")
    assert (tmp_path / "out" / "class_overlap.csv").read_text().startswith("first,second,rows,share")


def write_predictions(path, rows, scores):
    """As `tfdomain predict` writes them: the source's label beside the answers."""
    answers = [
        {"text": row["text"], "source_label": row["label"], "label": "a", "score": 0.5, "scores": each}
        for row, each in zip(rows, scores, strict=True)
    ]
    if path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(answer) + "\n" for answer in answers), encoding="utf-8")
    elif path.suffix == ".csv":
        pd.DataFrame(answers).assign(scores=[json.dumps(each) for each in scores]).to_csv(path, index=False)
    else:
        pd.DataFrame(answers).to_parquet(path)
    return path


@pytest.mark.parametrize("ending", [".jsonl", ".csv", ".parquet"])
def test_labels_are_judged_by_predictions_that_are_given(tmp_path, ending):
    rows = [row | {"label": row["label"][0]} for row in rows_of(60)]
    rows[5]["text"] += " Write to jane@example.com &amp; ask"
    scores = [{label: 0.9 if row["label"] == label else 0.05 for label in "cqp"} for row in rows]
    # The model is sure of another label than the one that stands there.
    scores[5], scores[9] = {"c": 0.94, "q": 0.05, "p": 0.01}, {"c": 0.03, "q": 0.07, "p": 0.9}
    assert (rows[5]["label"], rows[9]["label"]) == ("p", "c")
    file = write_csv(tmp_path / "raw.csv", rows)
    run([file], tmp_path / "out", label="label")
    written = (tmp_path / "out" / "train.parquet").read_bytes()
    # Of the raw texts, in another order, and of all but ten.
    given = write_predictions(tmp_path / f"given{ending}", rows[:50][::-1], scores[:50][::-1])
    options = {"label": "label", "steps": {"label_quality": True}, "quality_predictions": str(given)}
    card = run([file], tmp_path / "out", **options)
    with open(tmp_path / "out" / "suspicious_labels.csv", newline="", encoding="utf-8") as listed:
        found = [(row["place"], row["label"], row["suggested"], row["quality"]) for row in csv.DictReader(listed)]
    assert found == [("raw.csv:7", "p", "c", "0.0100"), ("raw.csv:11", "c", "p", "0.0300")]
    assert (card["suspicious_labels"], card["judged_labels"], card["rows_written"]) == (2, 50, 60)
    assert (tmp_path / "out" / "train.parquet").read_bytes() == written


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda row: row.pop("scores"), "line 1: holds no label's probability"),
        (lambda row: row.update(scores=[0.5, 0.5]), "line 1: holds no label's probability"),
        (lambda row: row.pop("text"), "text"),
        (lambda row: row.update(text="?"), "holds none of the 30 prepared texts"),
        (lambda row: row.update(scores={"complaint": 0.5, "other": 0.5}), "lack the label"),
        (lambda row: row.update(scores={"complaint": 0.5, "question": 0.9, "praise": 0.2}), "do not add up to 1"),
    ],
)
def test_predictions_that_do_not_fit_are_one_line(tmp_path, change, message):
    rows = rows_of(30)
    written = [{"text": row["text"], "scores": {"complaint": 1.0, "question": 0.0, "praise": 0.0}} for row in rows]
    for row in written:
        change(row)
    (tmp_path / "given.jsonl").write_text("".join(json.dumps(row) + "\n" for row in written))
    options = {"steps": {"label_quality": True}, "quality_predictions": str(tmp_path / "given.jsonl")}
    with pytest.raises(InputError, match=message) as caught:
        run([write_csv(tmp_path / "raw.csv", rows)], tmp_path / "out", label="label", **options)
    assert "\n" not in str(caught.value) and "given.jsonl" in str(caught.value)


def test_predictions_that_are_not_there_stop_before_anything_is_read(tmp_path):
    file = write_csv(tmp_path / "raw.csv", rows_of(30))
    options = {"steps": {"label_quality": True}, "quality_predictions": "nowhere.jsonl"}
    with pytest.raises(InputError, match="no such file"):
        run([file], tmp_path / "out", label="label", **options)
    assert not (tmp_path / "out").exists()


def test_all_rows_alike_leave_one(tmp_path):
    (tmp_path / "a.txt").write_text("the same text\n" * 50, encoding="utf-8")
    card = run([tmp_path / "a.txt"], tmp_path / "out")
    assert (card["rows_read"], card["rows_written"]) == (50, 1)


def test_without_near_duplicates_nothing_is_prepared_for_them(tmp_path):
    (tmp_path / "a.txt").write_text("the card was lost\nThe card was lost!\nthe card was lost\n", encoding="utf-8")
    card = run([tmp_path / "a.txt"], tmp_path / "out", steps={"near_duplicates": False})
    assert card["rows_written"] == 2
    (signatures,) = (tmp_path / "out" / "state").rglob("*.signatures.parquet")
    assert pq.read_schema(signatures).names == ["row", "text_key_0", "text_key_1"]
    assert pq.read_metadata(signatures).row_group(0).column(1).compression == "UNCOMPRESSED"


def test_a_long_document_on_one_line(tmp_path):
    (tmp_path / "a.txt").write_text("word " * 2_000_000 + "\nshort\n", encoding="utf-8")
    card = run([tmp_path / "a.txt"], tmp_path / "out")
    assert card["rows_written"] == 2


def test_sentences_keep_their_words_and_tags(tmp_path):
    (tmp_path / "a.conll").write_text("a@example.com B-x\nis O\n\nit O\nworks O\n", encoding="utf-8")
    run([tmp_path / "a.conll"], tmp_path / "out")
    (first, second) = sorted(
        (row for part in read(tmp_path / "out").values() for row in part), key=lambda row: row["text"]
    )
    assert first == {"text": "a@example.com is", "words": ["a@example.com", "is"], "tags": ["B-x", "O"]}
    assert second["tags"] == ["O", "O"]


def test_other_folders_are_left_alone(tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "notes.txt").write_text("mine")
    write_csv(tmp_path / "raw.csv", rows_of(5))
    with pytest.raises(InputError, match="holds other files"):
        run([tmp_path / "raw.csv"], tmp_path / "out")
    assert Path(tmp_path / "out" / "notes.txt").read_text() == "mine"
