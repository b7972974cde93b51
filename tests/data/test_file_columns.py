"""What is told of the columns of a file by its first rows."""

import gzip
import json
import random

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tfdomain.data.file_columns import read_columns
from tfdomain.errors import InputError

WORDS = ["loan", "card", "money", "bank", "debt", "house", "school", "repair", "my", "the", "is", "was", "lost"]


def sentences(count, seed=0):
    rng = random.Random(seed)
    return [" ".join(rng.choices(WORDS, k=rng.randrange(6, 15))) for _ in range(count)]


@pytest.fixture(scope="module")
def rows():
    rng = random.Random(1)
    return [
        {
            "id": 1000 + number,
            "text": text,
            "product": rng.choice(["credit card", "mortgage", "student loan"]),
            "disputed": rng.choice(["yes", "no"]),
            "stars": rng.choice([1, 2, 3, 4, 5]),
            "amount": round(rng.uniform(1, 900), 2),
            "day": f"2024-0{rng.randrange(1, 10)}-1{rng.randrange(10)}",
            "kinds": "|".join(sorted(rng.sample(["fees", "fraud", "service"], rng.randrange(3)))),
            "code": f"{rng.randrange(10**9):09x}z",
            "nothing": "",
        }
        for number, text in enumerate(sentences(200))
    ]


KINDS = {
    "id": "identifier",
    "text": "text",
    "product": "category",
    "disputed": "flag",
    "stars": "number",
    "amount": "number",
    "day": "date",
    "kinds": "labels",
    "code": "identifier",
    "nothing": "empty",
}


def write(path, rows):
    if path.suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist(rows), path)
    elif ".jsonl" in path.name:
        path.write_text("\n".join(json.dumps(row) for row in rows) + "\n", encoding="utf-8")
    else:
        mark = "\t" if ".tsv" in path.name else ","
        lines = [mark.join(rows[0]), *(mark.join(map(str, row.values())) for row in rows)]
        content = ("\n".join(lines) + "\n").encode()
        path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return path


@pytest.mark.parametrize("name", ["a.csv", "a.tsv.gz", "a.jsonl", "a.parquet"])
def test_kinds_are_told_alike_in_every_format(tmp_path, rows, name):
    found = read_columns(write(tmp_path / name, rows))
    assert {column.name: column.kind for column in found.columns} == KINDS
    assert (found.num_rows, found.column_names) == (200, None)
    assert found.named("kinds").delimiter == "|"
    assert (found.named("stars").whole, found.named("amount").whole) == (True, False)
    assert found.named("product").num_distinct == 3
    assert found.named("text").examples == tuple(row["text"] for row in rows[:3])
    filled = sum(bool(row["kinds"]) for row in rows) / 200
    assert found.named("kinds").filled == pytest.approx(filled)
    assert found.named("absent") is None


def test_lists_and_spans_of_json_lines(tmp_path):
    rows = [
        {"text": text, "tags": ["a", "b"][: number % 3], "entities": [[0, 4, "word"]] if number % 2 else []}
        for number, text in enumerate(sentences(40))
    ]
    found = read_columns(write(tmp_path / "a.jsonl", rows))
    assert [column.kind for column in found.columns] == ["text", "labels", "spans"]
    assert found.named("tags").delimiter is None


def test_keys_that_some_objects_lack_count_as_missing(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text('{"a": "x"}\n{"a": "y", "b": 2}\n{"b": 3}\nno json\n')
    found = read_columns(path)
    assert [(column.name, column.filled) for column in found.columns] == [("a", 2 / 3), ("b", 2 / 3)]
    assert found.num_rows == 3


@pytest.mark.parametrize(
    "content",
    [
        "A plane is taking off.,An air plane takes off.,5.0\nA man plays.,A man sings.,1.5\n",
        "i feel great today,joy\nit is all lost and gone,sadness\nwhat a day this was,joy\n",
    ],
)
def test_a_file_without_a_header_gets_names(tmp_path, content):
    path = tmp_path / "a.csv"
    path.write_text(content)
    found = read_columns(path)
    width = content.split("\n")[0].count(",") + 1
    assert found.column_names == [f"column_{number}" for number in range(1, width + 1)]
    assert found.num_rows == len(content.splitlines())
    assert found.columns[0].examples[0] == content.split(",")[0]


@pytest.mark.parametrize(
    "content",
    [
        "text,label\nit is lost,bad\nwe paid,good\ntext,label\nmy card,bad\n",  # two files put together
        "0,1\nit is lost,bad\nwe paid,good\n",  # pandas' names of columns without names
        ",text\n0,it is lost\n1,we paid\n",  # pandas' index
        "text,2024\nit is lost,1\nwe paid,0\n",
        "text,spam\nit is lost,ham\nwe paid,spam\n",
    ],
)
def test_a_header_is_not_taken_for_a_row(tmp_path, content):
    path = tmp_path / "a.csv"
    path.write_text(content)
    assert read_columns(path).column_names is None


def test_only_the_first_rows_are_looked_at(tmp_path, rows):
    found = read_columns(write(tmp_path / "a.csv", rows), num_rows=30)
    assert found.num_rows == 30
    assert found.named("text").num_distinct == 30


def test_a_file_without_a_sound_row_is_refused(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("text,label\nonly one\n")
    with pytest.raises(InputError, match=r"a\.csv: has no sound row"):
        read_columns(path)
