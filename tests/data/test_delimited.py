import csv
import io
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tfdomain.data.delimited import read_delimited
from tfdomain.data.rows import read_rows
from tfdomain.errors import InputError


def read(path: Path, content: str, **arguments) -> tuple[list[list[str]], list[int], list[int]]:
    """Rows, their lines, and the lines of the faults; without the cache, which flushes to the disk."""
    path.write_bytes(content.encode())
    faults: list[int] = []
    blocks = list(
        read_delimited(
            path,
            columns=["text", "label"],
            delimiter=",",
            zipped=False,
            report=lambda _, lines: faults.extend(lines),
            **arguments,
        )
    )
    columns = [[value for block in blocks for value in block.columns[name].to_pylist()] for name in ("text", "label")]
    lines = [line for block in blocks for line in block.line_numbers.tolist()]
    return list(map(list, zip(*columns, strict=True))), lines, faults


def written(rows, crlf: bool = False) -> str:
    stream = io.StringIO()
    for row in [("text", "label"), *rows]:
        # A bare carriage return is a fault here and a line end there: quoted it is text to both.
        quoting = csv.QUOTE_ALL if "\r" in "".join(row) else csv.QUOTE_MINIMAL
        csv.writer(stream, lineterminator="\r\n" if crlf else "\n", quoting=quoting).writerow(row)
    return stream.getvalue()


FIELD = st.text(st.sampled_from('ab ",\n\r\t\u2028\x00é'), max_size=6)


@settings(max_examples=150, deadline=None)
@given(rows=st.lists(st.tuples(FIELD, FIELD), min_size=1, max_size=8), crlf=st.booleans(), ends=st.booleans())
def test_csv_equals_pythons_reader(tmp_path_factory, rows, crlf, ends):
    content = written(rows, crlf) if ends else written(rows, crlf).rstrip("\r\n")
    expected = list(csv.reader(io.StringIO(content, newline="")))[1:]
    found, lines, faults = read(tmp_path_factory.getbasetemp() / "fuzz.csv", content)
    assert found == expected
    assert not faults
    heights = [1 + "".join(row).count("\n") for row in expected]
    assert lines == (2 + np.cumsum([0, *heights[:-1]])).tolist()


@settings(max_examples=150, deadline=None)
@given(tail=st.text(st.sampled_from('a",\n\r'), max_size=30))
def test_whatever_the_quotes_rows_stand_at_their_lines(tmp_path_factory, tail):
    content = "text,label\nfirst,row\n" + tail
    found, lines, faults = read(tmp_path_factory.getbasetemp() / "fuzz.csv", content)
    assert found[0] == ["first", "row"]
    told = sorted(lines + faults)
    assert told == sorted(set(told))
    physical = content.split("\n")
    for number, row in zip(lines, found, strict=True):
        at_line = "\n".join(physical[number - 1 :]).replace('"', "")
        assert at_line.startswith(",".join(row).replace('"', "")), (number, row)


@pytest.mark.parametrize("size", [37, 64, 1000])
def test_blocks_are_joined_wherever_they_are_cut(tmp_path, size):
    random = np.random.default_rng(0)
    rows = [["".join(random.choice(list('ab"\n,é'), 8)) + "z", str(row)] for row in range(300)]
    found, _, faults = read(tmp_path / "a.csv", written(rows), block_bytes=size)
    assert found == rows
    assert not faults


def test_a_quote_that_swallows_the_file_is_given_up(tmp_path):
    content = 'text,label\n"' + "never closed,1\n" * 200
    _, lines, faults = read(tmp_path / "a.csv", content, block_bytes=16)
    assert faults == [2]
    assert lines == list(range(3, 202))


def test_a_row_larger_than_a_block(tmp_path):
    text = "long, " * 1_000_000
    found, _, _ = read(tmp_path / "a.csv", f'text,label\n"{text}",1\nshort,2\n')
    assert found == [[text, "1"], ["short", "2"]]


@pytest.mark.parametrize("ending", [".csv", ".tsv", ".txt"])
def test_column_names_stand_for_a_header(tmp_path, ending):
    mark = "," if ending == ".csv" else "\t"
    path = tmp_path / f"rows{ending}"
    path.write_text("\n" + mark.join(("1", "你好", "x")) + "\n" + mark.join(("2", "🙂")) + "\n" + mark.join("3ab"))
    reading = {"texts": ["text", "pair"], "label": "label", "cache_dir": tmp_path}
    names = ["label", "text", "pair"]
    rows = read_rows([path], column_names=names, on_bad_row="skip", **reading)
    assert rows.labels.to_pylist() == ["1", "3"]
    assert [column.to_pylist() for column in rows.texts] == [["你好", "a"], ["x", "b"]]
    assert [rows.where(0), rows.where(1)] == [f"{path}: line 2", f"{path}: line 4"]
    assert [fault.line for fault in rows.skipped] == [3]
    with pytest.raises(InputError, match=r"has no column 'pair'; its columns are 'label', 'text'"):
        read_rows([path], column_names=names[:2], **reading)


def test_a_first_row_of_the_wanted_names_is_a_header_nevertheless(tmp_path):
    (tmp_path / "a.csv").write_text("text,label\nyes,1\n")
    (tmp_path / "b.csv").write_text("0,text\n")
    reading = {"texts": ["text"], "label": "label", "column_names": ["label", "text"], "cache_dir": tmp_path}
    rows = read_rows([tmp_path / "a.csv", tmp_path / "b.csv"], **reading)
    assert rows.labels.to_pylist() == ["1", "0"]
    assert rows.texts[0].to_pylist() == ["yes", "text"]
    assert rows.line_numbers.tolist() == [2, 1]
