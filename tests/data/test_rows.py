import contextlib
import csv
import datetime
import gzip
import io
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tfdomain.data import parquet, rows_cache, table_blocks
from tfdomain.data.rows import Rows, read_rows
from tfdomain.data.sources import explained_reading
from tfdomain.errors import InputError

RECORDS = [("plain", "1"), ('said "hi", and\nleft', "2"), (" spaced\u2028text\u0085 ", "007"), ("我们\t来了", "x")]


def read(path, cache, **arguments) -> Rows:
    return read_rows([path], **({"texts": ["text"], "label": "label", "cache_dir": cache} | arguments))


def write(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def write_format(folder: Path, ending: str, records) -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / f"rows{ending}"
    if ending.startswith(".parquet"):
        texts, labels = zip(*records, strict=True)
        pq.write_table(pa.table({"text": list(texts), "label": list(labels)}), path)
        return path
    if ending.startswith((".csv", ".tsv")):
        stream = io.StringIO()
        writer = csv.writer(stream, delimiter="," if ending.startswith(".csv") else "\t")
        writer.writerow(["text", "label"])
        writer.writerows(records)
        content = stream.getvalue().encode()
    else:
        lines = [json.dumps({"text": text, "label": label}) for text, label in records]
        content = "\n".join(lines).encode()
    return write(path, gzip.compress(content) if ending.endswith(".gz") else content)


def refusal(path, cache, **arguments) -> str:
    with pytest.raises(InputError) as caught:
        read(path, cache, **arguments)
    message = str(caught.value)
    assert "\n" not in message
    assert path.name in message
    return message


@pytest.mark.parametrize("ending", [".csv", ".csv.gz", ".tsv", ".tsv.gz", ".jsonl", ".ndjson", ".jsonl.gz", ".parquet"])
def test_every_format_gives_the_rows_as_written(tmp_path, ending):
    rows = read(write_format(tmp_path, ending, RECORDS), tmp_path / "cache")
    assert rows.texts[0].to_pylist() == [text for text, _ in RECORDS]
    assert rows.labels.to_pylist() == [label for _, label in RECORDS]
    assert rows.num_rows == len(rows) == 4
    assert rows.num_skipped == 0


def test_an_unknown_ending_lists_the_choices(tmp_path):
    message = refusal(write(tmp_path / "rows.xlsx", "text\n"), tmp_path)
    assert ".csv[.gz]" in message
    assert ".parquet" in message


def test_line_numbers_count_quoted_line_ends_blank_lines_and_the_header(tmp_path):
    content = 'text,label\r\n"two\r\nlines",a\r\n\r\nnext,b\r\n"x""y",c\r\nlast,d'
    rows = read(write(tmp_path / "a.csv", "\ufeff" + content), tmp_path)
    assert rows.texts[0].to_pylist() == ["two\r\nlines", "next", 'x"y', "last"]
    assert rows.line_numbers.tolist() == [2, 5, 6, 7]
    assert rows.where(1) == f"{tmp_path / 'a.csv'}: line 5"
    assert rows.file_of(1) == tmp_path / "a.csv"


def test_several_files_keep_their_own_lines(tmp_path):
    first = write(tmp_path / "a.csv", "text,label\nx,1\ny,2\n")
    second = write(tmp_path / "b.jsonl", '{"label": 3, "text": "z"}\n')
    rows = read_rows([first, second], texts=["text"], label="label", cache_dir=tmp_path)
    assert rows.labels.to_pylist() == ["1", "2", "3"]
    assert [rows.where(row) for row in range(3)] == [f"{first}: line 2", f"{first}: line 3", f"{second}: line 1"]


FAULTY_CSV = b"text,label\ngood,1\nshort\na,b,c\n,2\n   ,2\nno label,\nstray\rreturn,1\nbro\xffken,1\nlast,2\n"


@pytest.mark.parametrize("tail", ["", 'a 5" pipe,3\n'], ids=["block", "record-by-record"])
def test_faulty_rows_are_refused_with_their_lines_or_skipped_and_counted(tmp_path, tail):
    path = write(tmp_path / "a.csv", FAULTY_CSV + tail.encode())
    message = refusal(path, tmp_path / "cache")
    expected = {3: "too few", 4: "too many", 5: "empty", 7: "no label", 8: "carriage return", 9: "broken UTF-8"}
    for line, problem in expected.items():
        assert re.search(rf"lines? {line}(, 6)?: [^;]*{problem}", message)
    assert message.startswith(f"{path}: line 3: too few fields (the header has 2); line 4: ")
    assert "data.on_bad_row: skip" in message
    assert not list((tmp_path / "cache").rglob("*.*"))

    rows = read(path, tmp_path / "cache", on_bad_row="skip")
    assert rows.texts[0].to_pylist() == ["good", "last"] + (['a 5" pipe'] if tail else [])
    assert rows.num_skipped == 7
    assert [fault.line for fault in rows.skipped] == [3, 4, 5, 6, 7, 8, 9]
    # What was skipped before is still refused from the cache.
    assert refusal(path, tmp_path / "cache") == message


def test_a_file_of_faults_is_told_in_one_line(tmp_path):
    path = write(tmp_path / "a.csv", "text,label\n" + "short\n" * 5000)
    message = refusal(path, tmp_path)
    assert "lines 2, 3, 4, 5, 6 and 4,995 more: too few fields" in message
    assert len(refusal(path, tmp_path, on_bad_row="skip")) < 400


def test_an_unclosed_quote_costs_its_own_line_only(tmp_path):
    content = 'text,label\n"a" b,1\nfine,2\n"never closed,3\nfine too,4\n'
    path = write(tmp_path / "a.csv", content)
    message = refusal(path, tmp_path)
    assert "line 2: text after the closing quote" in message
    assert "line 4: a quote that opens a field and never closes" in message
    assert read(path, tmp_path, on_bad_row="skip").labels.to_pylist() == ["2", "4"]


def test_a_tsv_need_not_quote(tmp_path):
    path = write(tmp_path / "a.tsv", 'text\tlabel\n"open\t1\n5" pipe\t2\nclose"\t3\n"quo""ted"\t4\n"a" b\t5\n')
    rows = read(path, tmp_path)
    assert rows.texts[0].to_pylist() == ['"open', '5" pipe', 'close"', 'quo"ted', '"a" b']
    swallowing = write(tmp_path / "b.tsv", 'text\tlabel\n"open\t1\nclose"\t2\n')
    assert read(swallowing, tmp_path).texts[0].to_pylist() == ['"open', 'close"']


def test_empty_texts_are_rows_where_they_are_allowed(tmp_path):
    path = write(tmp_path / "a.csv", "text,label\n,1\n  ,2\n")
    assert read(path, tmp_path, require_text=False).texts[0].to_pylist() == ["", "  "]


def test_pairs_and_extra_columns(tmp_path):
    path = write(tmp_path / "a.csv", "n,first,second,label\n1.50,a,b,x\n")
    rows = read(path, tmp_path, texts=["first", "second"], extra=["n"])
    assert [column.to_pylist() for column in rows.texts] == [["a"], ["b"]]
    assert rows.table.column_names == ["first", "second", "label", "n"]
    assert rows.table["n"].to_pylist() == ["1.50"]


def with_a_bad_pair(folder: Path, kind: str, side: str) -> Path:
    """Three pairs; the second one lacks its `side`."""
    rows = [{"first": f"a{number}", "second": f"b{number}", "label": "x"} for number in range(3)]
    gone, path = rows[1], folder / f"{side}.jsonl"
    if kind.startswith("csv"):
        content = "first,second,label\n" + "\n".join(",".join(row.values()) for row in rows)
        cut = "" if kind == "csv empty" else "  " if kind == "csv blank" else None
        old = gone[side] if cut is not None else f"{gone[side]},"
        return write(path.with_suffix(".csv"), content.replace(old, cut or ""))
    if kind == "json absent":
        del gone[side]
    else:
        gone[side] = {"json null": None, "json empty": "", "parquet null": None}[kind]
    if kind.startswith("parquet"):
        pq.write_table(pa.Table.from_pylist(rows), path.with_suffix(".parquet"))
        return path.with_suffix(".parquet")
    return write(path, "\n".join(map(json.dumps, rows)))


@pytest.mark.parametrize("side", ["first", "second"])
@pytest.mark.parametrize(
    ("kind", "problem"),
    [
        ("csv empty", "line 3: an empty text in '{side}'"),
        ("csv blank", "line 3: an empty text in '{side}'"),
        ("csv short", "line 3: too few fields (the header has 3)"),
        ("json null", "line 2: no text in '{side}'"),
        ("json absent", "line 2: no text in '{side}'"),
        ("json empty", "line 2: an empty text in '{side}'"),
        ("parquet null", "row 2: no text in '{side}'"),
    ],
)
def test_a_pair_with_one_side_missing_is_a_fault(tmp_path, kind, problem, side):
    path = with_a_bad_pair(tmp_path, kind, side)
    message = refusal(path, tmp_path / "cache", texts=["first", "second"])
    assert f"{path}: {problem.format(side=side)}" in message
    assert "set `data.on_bad_row: skip`" in message
    rows = read(path, tmp_path / "cache", texts=["first", "second"], on_bad_row="skip")
    assert [column.to_pylist() for column in rows.texts] == [["a0", "a2"], ["b0", "b2"]]
    assert rows.num_skipped == 1
    # Where texts may be empty, as in `predict`, one side of a pair may be; what is not there is a fault all the same.
    allowing = read(path, tmp_path / "cache", texts=["first", "second"], on_bad_row="skip", require_text=False)
    assert allowing.num_rows == (3 if "empty text" in problem else 2)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.csv", b"", "is empty"),
        ("a.jsonl", b"", "is empty"),
        ("a.csv", b"text,label\n", "has no rows"),
        ("a.csv", b"text,label", "has no rows"),
        ("a.jsonl", b"\n\n", "has no rows"),
        ("a.csv", b"text,label,text\na,b,c\n", "2 columns named 'text'"),
        ("a.csv", b"texts,label\na,b\n", "no column 'text'; its columns are 'texts', 'label'; did you mean 'texts'"),
        ("a.csv", b"text;label\na;b\n", "seem to end at ';'"),
        ("a.jsonl", b'{"Text": "a", "label": 1}\n', "did you mean 'Text'?"),
        ("a.csv", "text,label\na,b\n".encode("utf-16"), "UTF-16"),
        ("a.csv", "text,label\na,b\n".encode("utf-16-le"), "UTF-16"),
        ("a.csv", "tëxt,label\na,b\n".encode("latin-1"), "header is not UTF-8"),
        ("a.csv", gzip.compress(b"text,label\na,b\n", mtime=0), "gzipped"),
        ("a.csv.gz", gzip.compress(b"text,label\n" + os.urandom(5000))[:-900], "cut short"),
        ("a.csv.gz", b"text,label\na,b\n", "not sound gzip"),
        ("a.csv", b'"text,label\na,b\n', "the header has a quote"),
        ("a.parquet", b"PAR1 and no more", "not sound Parquet"),
    ],
)  # fmt: skip
def test_files_that_are_not_what_they_seem(tmp_path, name, content, words):
    assert words in refusal(write(tmp_path / name, content), tmp_path / "cache")
    assert not list(tmp_path.glob("cache/**/*.*"))


def test_a_latin_1_file_is_refused_with_its_lines(tmp_path):
    path = write(tmp_path / "a.csv", "text,label\ncafé,1\nbar,2\n".encode("latin-1"))
    message = refusal(path, tmp_path)
    assert "line 2: broken UTF-8" in message
    assert "iconv" in message


def test_faults_of_json_lines(tmp_path):
    lines = [
        '{"text": "a", "label": 1}', '{"text": "a"', '{"text": 5, "label": 1}', '["a", 1]', '{"text": "a"}',
        '{"text": null, "label": 1}', '{"text": "a", "label": [1]}', '{"text": "\\ud800", "label": 1}',
        '{"text": "a", "label": NaN}', "[" * 100_000, "", '{"text": "\u2028", "label": "x"}',
    ]  # fmt: skip
    path = write(tmp_path / "a.jsonl", "\n".join(lines))
    rows = read(path, tmp_path, on_bad_row="skip", require_text=False)
    problems = {fault.line: fault.problem for fault in rows.skipped}
    expected = {
        2: "malformed JSON", 3: "the value of 'text' is a number", 4: "not a JSON object", 5: "no label in",
        6: "no text in", 7: "the value of 'label' is a list", 8: "half of a surrogate pair", 9: "malformed JSON",
        10: "malformed JSON",
    }  # fmt: skip
    assert problems.keys() == expected.keys()
    assert all(problems[line].find(words) >= 0 for line, words in expected.items())
    assert rows.labels.to_pylist() == ["1", "x"]
    assert rows.line_numbers.tolist() == [1, 12]


def test_json_labels_stay_as_written(tmp_path):
    path = write(tmp_path / "a.jsonl", "".join(f'{{"text": "a", "label": {x}}}\n' for x in ("1", "1.0", "1e2", "true")))
    assert read(path, tmp_path).labels.to_pylist() == ["1", "1.0", "1e2", "true"]


def test_parquet_columns_of_other_types(tmp_path):
    path = tmp_path / "a.parquet"
    frame = pd.DataFrame({"text": ["a", "b", None], "label": [1, 2, None], "n": [0.5, 1.5, 2.5]})
    frame["text"] = frame["text"].astype("category")
    frame.to_parquet(path)
    rows = read(path, tmp_path, extra=["n"], on_bad_row="skip")
    assert rows.texts[0].to_pylist() == ["a", "b"]
    assert rows.labels.to_pylist() == ["1", "2"]
    assert rows.table["n"].to_pylist() == [0.5, 1.5]
    assert rows.where(1).endswith("row 2")
    assert f"{path}: row 3: no label" in refusal(path, tmp_path, on_bad_row="refuse")
    assert "holds double, not text" in refusal(path, tmp_path, texts=["n"])


def test_strings_of_parquet_and_csv_are_one_type(tmp_path):
    path, other = write(tmp_path / "a.csv", "text,label,who\nx,1,ann\n"), tmp_path / "b.parquet"
    columns = {"text": ["y", "z"], "label": ["2", "2"]}
    kinds = [pa.large_string(), pa.dictionary(pa.int8(), pa.large_string()), pa.string_view()]
    for kind in kinds:
        pq.write_table(pa.table(columns | {"who": pa.array(["bo", None], pa.string()).cast(kind)}), other)
        rows = read_rows([path, other], texts=["text"], label="label", extra=["who"], cache_dir=tmp_path / "cache")
        assert rows.table["who"].to_pylist() == ["ann", "bo", None]


def test_the_second_reading_maps_the_cache(tmp_path, monkeypatch):
    path = write(tmp_path / "a.csv", "text,label\nx,1\n")
    first = read(path, tmp_path / "cache")

    def read_again(*_, **__):
        raise AssertionError("the file was read again")

    monkeypatch.setattr(table_blocks, "read_delimited", read_again)
    second = read(path, tmp_path / "cache")
    assert second.table.equals(first.table)
    assert second.fingerprint == first.fingerprint
    renamed = path.rename(tmp_path / "b.csv")
    assert read(renamed, tmp_path / "cache").where(0) == f"{renamed}: line 2"
    with pytest.raises(AssertionError):
        read(renamed, tmp_path / "cache", label=None)


def test_an_edited_file_is_read_anew(tmp_path):
    path = write(tmp_path / "a.csv", "text,label\nx,1\n")
    first = read(path, tmp_path)
    second = read(write(path, "text,label\ny,1\n"), tmp_path)
    assert second.texts[0].to_pylist() == ["y"]
    assert second.fingerprint != first.fingerprint


def test_a_damaged_cache_is_made_again(tmp_path):
    path = write(tmp_path / "a.csv", "text,label\nx,1\n")
    read(path, tmp_path / "cache")
    (entry,) = tmp_path.glob("cache/rows/*.arrow")
    entry.write_bytes(entry.read_bytes()[:100])
    assert read(path, tmp_path / "cache").texts[0].to_pylist() == ["x"]


SLOW_READ = """
import sys, time
from tfdomain.data import table_blocks
from tfdomain.data.rows import read_rows
original = table_blocks.read_delimited
def slow(*arguments, **named):
    for block in original(*arguments, **named):
        yield block
        print("writing", flush=True)
        time.sleep(float(sys.argv[3]))
table_blocks.read_delimited = slow
print(read_rows([sys.argv[1]], texts=["text"], cache_dir=sys.argv[2]).num_rows)
"""


def start_reading(path, cache, seconds) -> subprocess.Popen:
    command = [sys.executable, "-c", SLOW_READ, str(path), str(cache), str(seconds)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def test_a_killed_writer_leaves_no_entry(tmp_path):
    path = write(tmp_path / "a.csv", "text,label\nx,1\n")
    process = start_reading(path, tmp_path / "cache", 60)
    assert process.stdout.readline() == "writing\n"
    process.send_signal(signal.SIGKILL)
    process.wait()
    folder = tmp_path / "cache" / "rows"
    (left,) = folder.iterdir()
    assert left.name.startswith(".")
    # Its temporary file goes with the first writing after a day.
    yesterday = time.time() - 25 * 3600
    os.utime(left, (yesterday, yesterday))
    assert read(path, tmp_path / "cache").num_rows == 1
    assert sorted(entry.suffix for entry in folder.iterdir()) == [".arrow", ".json"]


def test_two_processes_may_write_one_entry_at_once(tmp_path):
    path = write(tmp_path / "a.csv", "text,label\nx,1\ny,2\n")
    processes = [start_reading(path, tmp_path / "cache", 0.5) for _ in range(2)]
    outputs = [process.communicate(timeout=60)[0].split() for process in processes]
    assert [output[-1] for output in outputs] == ["2", "2"]
    assert len(list((tmp_path / "cache" / "rows").iterdir())) == 2


@pytest.mark.parametrize(
    "texts",
    [
        ["a", "b"], ("a", "b"), np.array(["a", "b"]), np.array(["a", "b"], object), np.array([b"a", b"b"]),
        pd.Series(["a", "b"], index=[7, 3]), pd.Series(["a", "b"], dtype="category"), pa.array(["a", "b"]),
        pa.chunked_array([["a"], ["b"]]), pa.array(["a", "b"], pa.large_string()),
    ],
    ids=lambda value: type(value).__name__,
)  # fmt: skip
def test_columns_in_memory(texts):
    rows = Rows.from_columns(texts, labels=np.array([1, 0]), pairs=["c", "d"])
    assert [column.to_pylist() for column in rows.texts] == [["a", "b"], ["c", "d"]]
    assert rows.labels.to_pylist() == ["1", "0"]
    assert rows.where(1) == "row 1"
    assert rows.fingerprint == Rows.from_columns(["a", "b"], [1, 0], ["c", "d"]).fingerprint
    assert rows.fingerprint != Rows.from_columns(["ab", ""], [1, 0], ["c", "d"]).fingerprint


@pytest.mark.parametrize(
    ("texts", "words"),
    [
        ("one", "texts: is one string"),
        (["a", None], "texts[1]: is missing"),
        (["a", float("nan")], "texts[1]: is missing"),
        (["a", 3], "texts[1]: is 3, not a string"),
        ([b"\xff"], "texts[0]: is no UTF-8"),
        (["\ud800"], "texts[0]: is no UTF-8"),
        ([1, 2], "not text"),
        (np.array([["a"]]), "2 dimensions"),
    ],
)
def test_columns_that_are_no_texts(texts, words):
    with pytest.raises(InputError) as caught:
        Rows.from_columns(texts)
    assert words in str(caught.value)


def test_columns_of_different_lengths():
    with pytest.raises(InputError, match="2 in text, 1 in label"):
        Rows.from_columns(["a", "b"], ["x"])


@pytest.mark.parametrize(
    "arguments",
    [{"texts": []}, {"texts": ["text", "text"]}, {"label": "text"}, {"on_bad_row": "ignore"}],
    ids=lambda value: next(iter(value)),
)
def test_arguments_that_contradict(tmp_path, arguments):
    path = write(tmp_path / "a.csv", "text,label\nx,1\n")
    with pytest.raises(InputError):
        read(path, tmp_path, **arguments)


def test_data_is_read_without_tensorflow():
    code = "import sys, tfdomain.data.rows, tfdomain.data.registry; sys.exit('tensorflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


@pytest.mark.parametrize("ending", [".csv", ".jsonl", ".parquet"])
def test_files_that_cannot_be_opened(tmp_path, monkeypatch, ending):
    assert "no such file; check the path" in refusal(tmp_path / f"none{ending}", tmp_path / "cache")
    folder = tmp_path / f"folder{ending}"
    folder.mkdir()
    assert "is a folder, not a file" in refusal(folder, tmp_path / "cache")
    path = write_format(tmp_path, ending, RECORDS)
    # As root every file may be read: the refusal of the system is played.
    original = open

    def denied(name, *arguments, **named):
        if str(name) == str(path):
            raise PermissionError(13, "Permission denied", str(path))
        return original(name, *arguments, **named)

    monkeypatch.setattr("builtins.open", denied)
    assert "may not be read (permission denied)" in refusal(path, tmp_path / "cache")
    assert not (tmp_path / "cache").exists()


def test_a_disk_that_fails_while_a_file_is_read(tmp_path):
    refused = pytest.raises(InputError, match=r"a.csv: cannot be read \(input/output error\); check its disk")
    with refused, explained_reading(tmp_path / "a.csv"):
        raise OSError(5, "Input/output error")


def test_a_wanted_parquet_column_that_is_there_twice(tmp_path):
    path = tmp_path / "a.parquet"
    columns = [pa.array(["a"]), pa.array(["b"]), pa.array(["c"])]
    pq.write_table(pa.Table.from_arrays(columns, names=["text", "label", "text"]), path)
    assert "has 2 columns named 'text'; rename them" in refusal(path, tmp_path / "cache")
    rows = read(path, tmp_path / "cache", texts=["label"], label=None, rest=True)
    assert json.loads(rows.rest[0].as_py()) == {"text": "a", "text_2": "c"}


def test_float_labels_do_not_hang_on_the_rows_around_them(tmp_path, monkeypatch):
    monkeypatch.setattr(parquet, "BATCH_ROWS", 2)
    path = tmp_path / "a.parquet"
    labels = [1.0, 2.0, 1.0, float("nan"), 2.5, 1.0]
    pq.write_table(pa.table({"text": ["a"] * 6, "label": labels}), path)
    rows = read(path, tmp_path / "cache", on_bad_row="skip")
    assert rows.labels.to_pylist() == ["1", "2", "1", "2.5", "1"]
    assert [fault.line for fault in rows.skipped] == [4]


@pytest.mark.parametrize("tail", ["", '4,a 5" pipe,,\n'], ids=["block", "record-by-record"])
def test_the_rest_of_a_csv_is_kept_by_name(tmp_path, tail):
    path = write(tmp_path / "a.csv", 'id,text,n,n\n1,x,"a, b",é\n2,y,,\n3\n' + tail)
    rows = read(path, tmp_path / "cache", label=None, rest=True, on_bad_row="skip")
    kept = [json.loads(text) for text in rows.rest.to_pylist()]
    assert kept[:2] == [{"id": "1", "n": "a, b", "n_2": "é"}, {"id": "2", "n": "", "n_2": ""}]
    assert kept[2:] == ([{"id": "4", "n": "", "n_2": ""}] if tail else [])
    assert rows.table.column_names == ["text"]
    assert read(path, tmp_path / "cache", label=None, on_bad_row="skip").rest is None


def test_the_rest_of_json_lines_has_each_rows_own_keys(tmp_path):
    lines = ['{"text": "a", "label": 1, "id": 5}', '{"id": 1e999, "label": 2, "text": "b", "x": [1.0, {"y": null}]}']
    path = write(tmp_path / "a.jsonl", "\n".join([*lines, '{"text": "c", "label": 3, "z": "\\ud800"}']))
    rows = read(path, tmp_path / "cache", rest=True, on_bad_row="skip")
    assert [json.loads(text) for text in rows.rest.to_pylist()] == [{"id": 5}, {"id": "1e999", "x": [1.0, {"y": None}]}]
    assert "half of a surrogate pair" in rows.skipped[0].problem


def test_the_rest_of_parquet_comes_as_json(tmp_path):
    path = tmp_path / "a.parquet"
    day, columns = datetime.date(2024, 2, 29), {"text": ["a"], "n": [7], "x": [float("inf")], "b": [b"\xff"]}
    pq.write_table(pa.table(columns | {"day": [day], "tags": [["u", "v"]]}), path)
    rows = read(path, tmp_path / "cache", label=None, rest=True)
    expected = {"n": 7, "x": None, "b": "/w==", "day": "2024-02-29", "tags": ["u", "v"]}
    assert json.loads(rows.rest[0].as_py()) == expected


@pytest.mark.parametrize(("name", "content"), [("a.csv", "text,label\n"), ("a.jsonl", ""), ("a.jsonl", "\n")])
def test_a_file_without_rows_where_it_is_allowed(tmp_path, name, content):
    path = write(tmp_path / name, content)
    rows = read(path, tmp_path / "cache", require_rows=False, rest=True)
    assert rows.num_rows == len(rows.rest) == 0
    assert rows.texts[0].to_pylist() == rows.labels.to_pylist() == []
    assert re.search("has no rows|is empty", refusal(path, tmp_path / "cache"))


def test_the_mend_is_the_callers(tmp_path):
    path = write(tmp_path / "a.csv", "text,label\nshort\n")
    assert refusal(path, tmp_path, skip_mend="pass --skip").endswith(
        "; mend the rows, or pass --skip to leave them out"
    )
    assert refusal(path, tmp_path, on_bad_row="skip").endswith("; no row is left: mend them")


@pytest.mark.parametrize("ending", [".csv", ".csv.gz", ".jsonl", ".parquet"])
def test_all_bytes_of_the_files_are_told_of(tmp_path, monkeypatch, ending):
    told = []

    @contextlib.contextmanager
    def counting_bar(title, *, total, in_bytes):
        told.append((title, total, in_bytes))
        yield told.append

    monkeypatch.setattr(rows_cache, "bar", counting_bar)
    paths = [write_format(tmp_path, ending, RECORDS), write_format(tmp_path / "b", ending, RECORDS * 500)]
    read_rows(paths, texts=["text"], cache_dir=tmp_path / "cache")
    total = sum(path.stat().st_size for path in paths)
    assert told[0] == ("reading", total, True)
    assert sum(told[1:]) == pytest.approx(total, abs=2)
