import gzip

import pytest

from tfdomain.config.preparation import load_preparation
from tfdomain.errors import InputError
from tfdomain.preparation.reading import SCHEMA, read_source


def read(folder, files, **options):
    return read_source(files, load_preparation(None, options=options), folder / "kept")


def write(path, content):
    path.write_bytes(gzip.compress(content.encode()) if path.suffix == ".gz" else content.encode())
    return path


@pytest.mark.parametrize("name", ["a.txt", "a.txt.gz"])
def test_a_document_a_line(tmp_path, name):
    file = write(tmp_path / name, "\ufeffone\r\n\n  \n银行 two\nlast")
    source = read(tmp_path, [file, write(tmp_path / "b.txt", "three\n")])
    assert source.form == "lines"
    assert source.table.schema == SCHEMA
    rows = [(row["text"].strip(), row["file"], row["line"]) for row in source.table.to_pylist()]
    assert rows == [("one", 0, 1), ("银行 two", 0, 4), ("last", 0, 5), ("three", 1, 1)]


def test_lines_longer_than_a_block(tmp_path):
    # Blocks are of 2 MB: the first document ends in the third one.
    file = write(tmp_path / "a.txt", "x" * 5_000_000 + "\n" + "y" * 10 + "\n")
    table = read(tmp_path, [file]).table
    assert [len(text) for text in table.column("text").to_pylist()] == [5_000_000, 10]
    assert table.column("line").to_pylist() == [1, 2]


def test_broken_lines_are_counted_with_their_numbers(tmp_path):
    (tmp_path / "a.txt").write_bytes(b"good\nbad \xff\nalso good\n")
    source = read(tmp_path, [tmp_path / "a.txt"])
    assert source.table.column("line").to_pylist() == [1, 3]
    (fault,) = source.faults.kept
    assert (fault.file, fault.line) == (0, 2)


def test_a_file_a_document(tmp_path):
    files = [write(tmp_path / "a.txt", "one\ntwo\n"), write(tmp_path / "b.md", "three")]
    source = read(tmp_path, files, form="documents")
    assert source.table.column("text").to_pylist() == ["one\ntwo\n", "three"]


def test_long_documents_come_in_small_batches(tmp_path):
    files = [write(tmp_path / f"{name}.txt", name * 3_000_000) for name in "abc"]
    batches = read(tmp_path, files, form="documents").table.column("text").chunks
    assert [len(batch) for batch in batches] == [2, 1]


def test_a_binary_file_is_refused(tmp_path):
    for content in (b"text\n\0\1", b"text\n\xff\0\n"):
        (tmp_path / "a.txt").write_bytes(content)
        with pytest.raises(InputError, match=r"a\.txt: line 2 holds a zero byte; give text files"):
            read(tmp_path, [tmp_path / "a.txt"])


def test_tables_keep_their_other_columns(tmp_path):
    first = write(tmp_path / "a.csv", "id,body,kind,who\n1,hello,x,ann\n2,,y,bob\n")
    second = write(tmp_path / "b.jsonl", '{"body": "你好", "kind": 3, "who": "cy", "n": [1, 2]}\n')
    source = read(tmp_path, [first, second], text="body", label="kind", group="who")
    rows = source.table.to_pylist()
    assert [(row["text"], row["label"], row["group"], row["file"], row["line"]) for row in rows] == [
        ("hello", "x", "ann", 0, 2),
        ("你好", "3", "cy", 1, 1),
    ]
    assert [row["rest"] for row in rows] == ['{"id": "1", "who": "ann"}', '{"who": "cy", "n": [1, 2]}']
    assert source.faults.count == 1


def test_forms_are_not_mixed(tmp_path):
    files = [write(tmp_path / "a.txt", "x\n"), write(tmp_path / "b.csv", "text\nx\n")]
    with pytest.raises(InputError, match=r"a\.txt and b\.csv are of different forms; prepare them apart"):
        read(tmp_path, files)
    assert len(read(tmp_path, [files[1], write(tmp_path / "c.txt", "text\ty\nz\tw\n")], form="table").table) == 2
