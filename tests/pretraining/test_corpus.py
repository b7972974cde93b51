import gzip
import hashlib
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tfdomain.config.preparation import load_preparation
from tfdomain.errors import InputError
from tfdomain.preparation.run import prepare
from tfdomain.pretraining.corpus import read_corpus


def write(path, content):
    content = content if isinstance(content, bytes) else content.encode()
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return path


def read(folder, *files, text=None, **options):
    return read_corpus([str(file) for file in files], text=text, folder=folder, to=folder / "to", **options)


def test_every_form_in_one_corpus(tmp_path):
    write(tmp_path / "a.csv", 'id,body\n1,"one, and\nmore"\n2,\n3,二\n')
    write(tmp_path / "b.tsv.gz", "body\tid\nthree\t1\n")
    write(tmp_path / "c.jsonl", '{"body": "four"}\n\n{"id": 1, "body": null}\n{"body": "\\u3000 "}\n')
    pq.write_table(pa.table({"body": ["five", None, "six"]}), tmp_path / "d.parquet")
    write(tmp_path / "e.txt", "\ufeffseven\r\n\n \t\n eight \nnine")
    write(tmp_path / "f.conll", "银 O\n行 O\n\n卡 O\n")
    corpus = read(tmp_path, "*.csv", "b.tsv.gz", "c.jsonl", "d.parquet", "e.txt", "f.conll", "a.csv", text="body")
    expected = ["one, and\nmore", "二", "three", "four", "five", "six", "seven", " eight ", "nine", "银行", "卡"]
    assert corpus.texts.to_pylist() == expected
    assert corpus.texts.type == pa.large_string()
    assert (corpus.num_documents, corpus.num_characters) == (11, sum(map(len, expected)))
    # Of the CSV, of JSON Lines (null, ideographic space), of Parquet, and two lines of the text file.
    assert corpus.skipped == {"empty": 6}
    assert corpus.path == tmp_path / "to" / "corpus.arrow"
    with pa.memory_map(str(corpus.path)) as mapped:
        stored = pa.ipc.open_file(mapped).read_all()
    assert stored.schema == pa.schema([("text", pa.large_string())])
    assert stored.column("text").equals(corpus.texts)


def test_the_fingerprint_hangs_on_the_documents_and_their_order_alone(tmp_path):
    texts = ["one", "二", "three " * 50]
    write(tmp_path / "a.txt", "\n".join(texts))
    write(tmp_path / "b.jsonl", "".join(json.dumps({"text": text}) + "\n" for text in texts[:2]))
    write(tmp_path / "c.csv", f"text\n{texts[2]}\n")
    one, other = read(tmp_path, "a.txt"), read(tmp_path, "b.jsonl", "c.csv")
    lengths = b"".join(len(text.encode()).to_bytes(8, "little") for text in texts)
    digests = [hashlib.sha256(content).digest() for content in (lengths, "".join(texts).encode())]
    assert one.fingerprint == other.fingerprint == hashlib.sha256(b"".join(digests)).hexdigest()
    others = [read(tmp_path, "c.csv", "b.jsonl")]
    # The same letters, cut otherwise.
    others.append(read(tmp_path, write(tmp_path / "d.txt", "on\ne二\n" + texts[2])))
    assert len({one.fingerprint, *(corpus.fingerprint for corpus in others)}) == 3


def test_the_texts_are_on_the_disk(tmp_path):
    write(tmp_path / "a.txt", "".join(f"document {number} {'x' * 1000}\n" for number in range(10_000)))
    before = pa.total_allocated_bytes()
    corpus = read(tmp_path, "a.txt")
    assert corpus.num_documents == 10_000
    assert corpus.texts[9_999].as_py().startswith("document 9999 ")
    assert pa.total_allocated_bytes() - before < 100_000
    # Several batches: it was not written, nor is it read, in one piece.
    assert corpus.texts.num_chunks > 1


@pytest.mark.parametrize("name", ["a.txt", "a.jsonl", pytest.param("a.csv", marks=pytest.mark.thorough)])
def test_a_document_of_many_megabytes(tmp_path, name):
    # More than twice what is read at once, and in the CSV file more than 16 times.
    long = "long 长 " * (4_000_000 if name == "a.csv" else 700_000)
    lines = {".csv": ["text", long, "short"], ".jsonl": [json.dumps({"text": each}) for each in (long, "short")]}
    write(tmp_path / name, "\n".join(lines.get((tmp_path / name).suffix, [long, "short"])) + "\n")
    corpus = read(tmp_path, name)
    assert corpus.num_characters == len(long) + 5
    assert corpus.texts.to_pylist() == [long, "short"]
    assert not corpus.skipped


def test_a_file_a_document(tmp_path):
    write(tmp_path / "a.txt", "one\ntwo\n")
    write(tmp_path / "b.md", "three")
    write(tmp_path / "c.md", b"\x89PNG\r\n\x1a\n\xff")
    write(tmp_path / "d.md", "zero\0byte")
    write(tmp_path / "e.md", "")
    corpus = read(tmp_path, "a.txt", "*.md", form="documents")
    assert corpus.texts.to_pylist() == ["one\ntwo\n", "three"]
    assert corpus.skipped == {"empty": 1, "not UTF-8": 1, "binary": 1}


def test_a_prepared_folder(tmp_path):
    rows = [{"complaint": f"{word} was charged twice by the bank", "n": 1} for word in "ABCDEFGHIJKLMNOP"]
    source = write(tmp_path / "raw.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
    options = {"text": "complaint", "split": [0.5, 0.25, 0.25], "steps": {"near_duplicates": False}}
    prepare([source], tmp_path / "prepared", load_preparation(None, options=options))
    corpus = read(tmp_path, "prepared")
    expected = pq.read_table(tmp_path / "prepared" / "train.parquet").column("complaint").to_pylist()
    assert 0 < len(expected) < 16
    assert corpus.texts.to_pylist() == expected
    with pytest.raises(InputError, match="has no column 'other'; its columns are 'complaint'"):
        read(tmp_path, "prepared", text="other")


def test_broken_rows_are_counted(tmp_path):
    write(tmp_path / "a.txt", b"good\nbad \xff\nalso good\nzero \0 byte\nthird\n")
    write(tmp_path / "b.csv", "text,n\nx,1\ny\n")
    write(tmp_path / "c.jsonl", '{"text": "z"}\n{"text": 3}\n')
    corpus = read(tmp_path, "a.txt", "b.csv", "c.jsonl")
    assert corpus.texts.to_pylist() == ["good", "also good", "third", "x", "z"]
    assert corpus.skipped == {
        "not UTF-8": 1,
        "binary": 1,
        "too few fields (the header has 2)": 1,
        "the value of 'text' is a number, not a string": 1,
    }


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("银行\n贷款\n信用卡\n".encode("gbk"), r"a\.txt: 3 of its documents are binary or not UTF-8, and 0 are text"),
        (
            b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\n\0abc\n",
            r"a\.txt: 3 of its documents are binary or not UTF-8, and 1 are text",
        ),
        ("银行 bank\n".encode("utf-16"), r"a\.txt: is UTF-16, not UTF-8 text; save it as UTF-8"),
        (gzip.compress(b"text", mtime=0), r"a\.txt: is gzipped though its name does not say so"),
        (b" \n\n\t\n", r"a\.txt: there is no document \(left out: 3 empty\); give files with text"),
        (b"", r"a\.txt: there is no document \(left out: 1 empty\)"),
    ],
)
def test_what_is_no_text_is_refused_and_leaves_nothing(tmp_path, content, message):
    (tmp_path / "a.txt").write_bytes(content)
    with pytest.raises(InputError, match=message) as error:
        read(tmp_path, "a.txt")
    assert "\n" not in str(error.value)
    assert not list((tmp_path / "to").iterdir())


def test_what_cannot_be_found_is_refused(tmp_path):
    write(tmp_path / "reviews.csv", "text\nx\n")
    with pytest.raises(InputError, match=r"review\.csv: no such file .* did you mean reviews\.csv"):
        read(tmp_path, "review.csv")
    with pytest.raises(InputError, match=r"is a folder, not a file; name its files"):
        read(tmp_path, tmp_path)
    with pytest.raises(InputError, match="no file is named"):
        read(tmp_path)


def test_a_corpus_that_fails_leaves_the_one_before(tmp_path):
    write(tmp_path / "a.txt", "one\n")
    read(tmp_path, "a.txt")
    write(tmp_path / "b.csv", "title\nx\n")
    with pytest.raises(InputError, match="has no column 'text'"):
        read(tmp_path, "a.txt", "b.csv")
    with pa.memory_map(str(tmp_path / "to" / "corpus.arrow")) as mapped:
        assert pa.ipc.open_file(mapped).read_all().column("text").to_pylist() == ["one"]
