"""A Beam pipeline makes what one machine makes."""

import json
import random

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from tfdomain.cli import app
from tfdomain.config.preparation import load_preparation
from tfdomain.errors import InputError
from tfdomain.preparation import shards
from tfdomain.preparation.beam import prepare_with_beam
from tfdomain.preparation.run import prepare

pytest.importorskip("apache_beam")

# In this process: DirectRunner would look for another one on the network.
OPTIONS = ["--runner=FnApiRunner"]
FILES = ("train.parquet", "validation.parquet", "test.parquet")
WORDS = [f"{start}{end}" for start in ("card", "loan", "pay", "bank") for end in ("s", "ed", "ing")] + ["银行", "贷款"]


@pytest.fixture(autouse=True)
def small_shards(monkeypatch):
    """A few hundred rows are several shards, and duplicates meet across them."""
    monkeypatch.setattr(shards, "SHARD_ROWS", 100)


def raw_rows(count, seed=0):
    """Texts of words drawn by chance; some repeat, some nearly, some with another label, some hold personal data."""
    chance = random.Random(seed)
    rows = []
    for number in range(count):
        text = " ".join(chance.choices(WORDS, k=chance.randint(12, 30))) + f" {chance.randint(0, 10**6)}"
        kind = chance.random()
        if rows and kind < 0.12:
            text = chance.choice(rows)["text"]
        elif rows and kind < 0.2:
            text = chance.choice(rows)["text"].upper() + "!!"
        elif rows and kind < 0.32:
            text = chance.choice(rows)["text"] + f" {chance.choice(WORDS)}"
        elif kind < 0.36:
            text = f"call 212-555-0{number % 900 + 100} or write to a{number}@example.com &amp; <b>{text}</b>"
        elif kind < 0.38:
            text = "<p> </p>"
        row = {"text": text, "label": chance.choice(["praise", "question", "blame"]), "amount": number}
        rows.append(row | {"customer": f"c{number % 90}", "day": f"2024-{1 + number % 12:02d}-{1 + number % 28:02d}"})
    return rows


def write_raw(folder):
    rows = raw_rows(720)
    pd.DataFrame(rows[:330]).to_csv(folder / "one.csv", index=False)
    with open(folder / "one.csv", "ab") as file:
        file.write(b"broken \xff byte,praise,1,c1,2024-01-01\n")
    with open(folder / "two.jsonl", "w", encoding="utf-8") as file:
        for row in rows[330:560]:
            file.write(json.dumps(row, ensure_ascii=False) + "\n")
        file.write('{"text": 3}\nno json\n')
    pq.write_table(pa.Table.from_pylist(rows[560:]), folder / "three.parquet")
    return [folder / "one.csv", folder / "two.jsonl", folder / "three.parquet"]


def assert_same(one, other):
    for name in FILES:
        assert pq.read_table(one / name).equals(pq.read_table(other / name)), name
    for name in ("data_card.json", "data_card.md", "removed.csv", "conflicting_labels.csv"):
        assert (one / name).read_bytes() == (other / name).read_bytes(), name


@pytest.mark.parametrize(
    "settings",
    [
        {"label": "label", "folds": 3},
        pytest.param({"label": "label", "group": "customer", "similarity": 0.7}, marks=pytest.mark.thorough),
        pytest.param({"time": "day", "steps": {"near_duplicates": False}}, marks=pytest.mark.thorough),
    ],
    ids=["labels", "groups", "time"],
)
def test_a_pipeline_makes_what_one_machine_makes(tmp_path, settings):
    files = write_raw(tmp_path)
    preparation = load_preparation(None, options=settings)
    card = prepare(files, tmp_path / "here", preparation)
    removed = {step["name"]: step["removed"] for step in card["steps"]}
    assert all(removed[name] > 10 for name in removed.keys() & {"clean", "duplicates", "near_duplicates"})
    assert removed["read"] == 3
    assert prepare_with_beam(files, tmp_path / "there", preparation, OPTIONS) == card
    assert_same(tmp_path / "here", tmp_path / "there")


@pytest.mark.thorough
def test_either_goes_on_where_the_other_stopped(tmp_path):
    files = write_raw(tmp_path)
    preparation = load_preparation(None, options={"label": "label"})
    for folder, runs in {"here": (prepare, prepare), "mixed": (prepare, prepare_with_beam)}.items():
        for number, run in enumerate(runs):
            options = [OPTIONS] if run is prepare_with_beam else []
            run(files[: number + 1], tmp_path / folder, preparation, *options)
    assert_same(tmp_path / "here", tmp_path / "mixed")


@pytest.mark.thorough
def test_lines_are_read_by_one_worker_a_file(tmp_path):
    for number in range(3):
        texts = [row["text"] for row in raw_rows(60, seed=number)] if number != 1 else ["", " "]
        (tmp_path / f"{number}.txt").write_text("\n".join(texts), encoding="utf-8")
    files, preparation = sorted(tmp_path.glob("*.txt")), load_preparation(None)
    prepare(files, tmp_path / "here", preparation)
    prepare_with_beam(files, tmp_path / "there", preparation, OPTIONS)
    assert_same(tmp_path / "here", tmp_path / "there")


def test_the_command_takes_the_options_of_a_runner(tmp_path):
    pd.DataFrame(raw_rows(60)).to_csv(tmp_path / "a.csv", index=False)
    told = CliRunner().invoke(
        app, ["prepare", str(tmp_path / "a.csv"), "--to", str(tmp_path / "there"), "--beam", *OPTIONS]
    )
    assert told.exit_code == 0, told.output
    prepare([tmp_path / "a.csv"], tmp_path / "here", load_preparation(None))
    assert_same(tmp_path / "here", tmp_path / "there")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("--runner=Nope", "the options of Beam: Unexpected pipeline runner: Nope"),
        ("'--runner=FnApiRunner", "the options of Beam: No closing quotation; give options of a Beam runner"),
    ],
)
def test_options_that_say_nothing_are_refused_before_anything_is_read(tmp_path, options, message):
    (tmp_path / "a.csv").write_text("text\nx\n")
    with pytest.raises(InputError, match=message) as caught:
        prepare_with_beam([tmp_path / "a.csv"], tmp_path / "out", load_preparation(None), options)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_what_a_worker_cannot_read_is_one_line(tmp_path):
    (tmp_path / "a.csv").write_text("other\nx\n")
    with pytest.raises(InputError, match="no column 'text'") as caught:
        prepare_with_beam([tmp_path / "a.csv"], tmp_path / "out", load_preparation(None), OPTIONS)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "out" / "train.parquet").exists()
