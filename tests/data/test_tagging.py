import gzip
import json
import time
from collections import Counter

import pytest

from tfdomain.data.tagging import TAGGED_FORMATS, read_tagged
from tfdomain.errors import InputError

COLUMNS = "EU\tB-ORG\nrejects\tO\nGerman\tB-MISC\n\nPeter\tB-PER\nBlackburn\tI-PER\n"
RECORDS = [
    {"text": "EU rejects German", "entities": [[11, 17, "MISC"], [0, 2, "ORG"]]},
    {"text": "Peter Blackburn", "entities": [[0, 15, "PER"]]},
]
ENTITIES = [[("ORG", 0, 2), ("MISC", 11, 17)], [("PER", 0, 15)]]


def write(path, content):
    if not isinstance(content, str | bytes):
        content = "\n".join(json.dumps(record, ensure_ascii=False) for record in content)
    data = content if isinstance(content, bytes) else content.encode()
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path


def refusal(path, **arguments):
    with pytest.raises(InputError) as caught:
        read_tagged([path], **arguments)
    message = str(caught.value)
    assert "\n" not in message
    assert str(path) in message
    return message


@pytest.mark.parametrize("name", ["a.tsv", "a.conll", "a.txt", "a.bio", "a.tsv.gz", "A.TXT.GZ"])
def test_columns_give_texts_entities_and_words(tmp_path, name):
    rows = read_tagged([write(tmp_path / (name.lower() if name[0] == "a" else "b.txt.gz"), COLUMNS)])
    assert rows.texts.to_pylist() == ["EU rejects German", "Peter Blackburn"]
    assert rows.entities == ENTITIES
    assert rows.words == [[(0, 2), (3, 10), (11, 17)], [(0, 5), (6, 15)]]
    assert (rows.labels, rows.joiner, rows.scheme) == (["MISC", "ORG", "PER"], " ", "iob2")
    assert (rows.num_rows, len(rows), rows.num_skipped, rows.skipped, rows.notes()) == (2, 2, 0, [], [])


@pytest.mark.parametrize("name", ["a.jsonl", "a.ndjson", "a.json", "a.json.gz"])
def test_spans_give_texts_and_entities(tmp_path, name):
    rows = read_tagged([write(tmp_path / name, RECORDS)])
    assert rows.texts.to_pylist() == ["EU rejects German", "Peter Blackburn"]
    assert rows.entities == ENTITIES
    assert rows.words is rows.joiner is rows.scheme is None
    assert rows.labels == ["MISC", "ORG", "PER"]


@pytest.mark.parametrize(("name", "mark"), [("a.csv", ","), ("a.tsv", "\t")])
def test_tables_with_spans_are_told_from_columns(tmp_path, name, mark):
    lines = [f"text{mark}spans"]
    for record in RECORDS:
        spans = json.dumps(record["entities"]).replace('"', '""')
        lines.append(f'"{record["text"]}"{mark}"{spans}"')
    rows = read_tagged([write(tmp_path / name, "\n".join(lines))])
    assert rows.entities == ENTITIES
    assert [rows.where(row) for row in range(2)] == [f"{tmp_path / name}: line {line}" for line in (2, 3)]


def test_a_named_column_of_entities_makes_a_table(tmp_path):
    path = write(tmp_path / "a.tsv", 'text\tmine\nEU rejects\t[[0, 2, "ORG"]]\n')
    assert read_tagged([path], entities="mine").entities == [[("ORG", 0, 2)]]
    assert "has no column 'yours'; its columns are 'text', 'mine'" in refusal(path, entities="yours")


def test_columns_may_have_a_header_of_any_names(tmp_path):
    path = write(tmp_path / "a.tsv", "text\tlabel\n" + COLUMNS)
    assert read_tagged([path], words="text", tags="label").entities == ENTITIES
    # Nobody said so: it might be a table as well.
    assert "the value of 'label' is not JSON" in refusal(path)
    message = refusal(write(tmp_path / "b.tsv", "text\tner\n" + COLUMNS))
    assert "line 1: unknown tag 'ner' (tags are O, or a letter and a label" in message
    assert "(if this line is a header, name the columns by it)" in message


def test_a_first_word_is_no_header(tmp_path):
    rows = read_tagged([write(tmp_path / "a.tsv", "text\tO\nmining\tB-X\n")])
    assert rows.texts.to_pylist() == ["text mining"]


def test_chinese_characters_are_words_without_blanks(tmp_path):
    content = "浙 B_公司\n商 M_公司\n银 M_公司\n行 E_公司\n　 O\n叶 S_人名\n\n我 O\n"
    rows = read_tagged([write(tmp_path / "a.txt", content)])
    assert rows.texts.to_pylist() == ["浙商银行　叶", "我"]
    assert rows.entities == [[("公司", 0, 4), ("人名", 5, 6)], []]
    assert rows.words[0] == [(place, place + 1) for place in range(6)]
    assert (rows.joiner, rows.scheme, rows.labels) == ("", "bmes", ["人名", "公司"])
    # What the training file decided is passed on to files that would decide otherwise.
    other = write(tmp_path / "b.txt", "GDP O\n涨 B_公司\nABC E_公司\n")
    assert read_tagged([other]).texts.to_pylist() == ["GDP 涨 ABC"]
    passed = read_tagged([other], joiner=rows.joiner, scheme=rows.scheme)
    assert passed.texts.to_pylist() == ["GDP涨ABC"]
    assert passed.entities == [[("公司", 3, 7)]]


def test_entities_are_counted_in_code_points(tmp_path):
    record = {"text": "👩\u200d⚕在𠮷野家", "label": {"店": {"𠮷野家": [[4, 6]]}, "人": {"👩\u200d⚕": [[0, 2]]}}}
    rows = read_tagged([write(tmp_path / "a.json", [record])])
    text = rows.texts[0].as_py()
    assert {text[start:end]: label for label, start, end in rows.entities[0]} == {"𠮷野家": "店", "👩\u200d⚕": "人"}


SCHEMES = {
    "io": "I-X I-X O I-Y",
    "iob1": "I-X B-X O I-Y",
    "iob2": "B-X B-X O B-Y",
    "bioes": "S-X S-X O S-Y",
}


@pytest.mark.parametrize("scheme", list(SCHEMES))
def test_schemes_are_told_or_named(tmp_path, scheme):
    tags = SCHEMES[scheme].split()
    path = write(tmp_path / "a.conll", "".join(f"{word} {tag}\n" for word, tag in zip("abcd", tags, strict=True)))
    expected = [("X", 0, 3), ("Y", 6, 7)] if scheme == "io" else [("X", 0, 1), ("X", 2, 3), ("Y", 6, 7)]
    for named in ("auto", scheme):
        rows = read_tagged([path], scheme=named)
        assert rows.entities == [expected]
        assert rows.scheme == scheme


def test_illegal_tags_are_refused_skipped_or_repaired(tmp_path):
    path = write(tmp_path / "a.conll", "a B-X\nb I-X\n\nc O\nd I-X\ne I-Y\n\nf B-X\n")
    message = refusal(path)
    assert message == (
        f"{path}: line 5: 'I-X' after 'O' (illegal in iob2); mend the rows, or set `data.on_illegal_tags: repair` to "
        "read illegal tags as conlleval does, or set `data.on_bad_row: skip` to leave them out"
    )
    rows = read_tagged([path], on_bad_row="skip")
    assert rows.texts.to_pylist() == ["a b", "f"]
    assert (rows.num_skipped, rows.skipped[0].line, rows.num_repaired) == (1, 5, 0)
    rows = read_tagged([path], on_illegal_tags="repair")
    assert rows.entities == [[("X", 0, 3)], [("X", 2, 3), ("Y", 4, 5)], [("X", 0, 1)]]
    assert rows.notes() == ["2 illegal tags were repaired as conlleval reads them"]


def test_an_entity_without_its_end_is_named_at_the_last_line(tmp_path):
    path = write(tmp_path / "a.conll", "a S-X\nb B-X\n\nc O\n")
    assert f"{path}: line 2: 'B-X' at the end of a sentence (illegal in bioes)" in refusal(path)


def test_tags_that_fit_no_scheme_or_not_the_named_one(tmp_path):
    path = write(tmp_path / "a.conll", "a I-X\nb M-X\n")
    assert f"{path}: no tag scheme has the letters I, M" in refusal(path)
    assert f"{path}: line 2: 'M-X' is no tag of iob2" in refusal(path, scheme="bio")
    with pytest.raises(InputError, match="unknown tag scheme 'iob3'"):
        read_tagged([path], scheme="iob3")


def test_overlaps_are_refused_skipped_or_the_longest_kept(tmp_path):
    book = {"text": "《招商银行》好", "label": {"company": {"招商银行": [[1, 4]]}, "book": {"《招商银行》": [[0, 5]]}}}
    path = write(tmp_path / "a.jsonl", [RECORDS[0] | {"label": {}}, book])
    message = refusal(path, entities="label")
    assert message.startswith(
        f"{path}: line 2: 'book' at 0:6 ('《招商银行》') overlaps 'company' at 1:5 ('招商银行'); mend the rows, or set "
        "`data.on_overlap: longest` to keep the longest of overlapping entities, or set `data.on_bad_row: skip`"
    )
    rows = read_tagged([path], entities="label", on_overlap="longest")
    assert rows.entities == [[], [("book", 0, 6)]]
    assert rows.notes() == ["1 entity left out in favour of a longer one that overlaps"]
    assert read_tagged([path], entities="label", on_bad_row="skip").entities == [[]]


@pytest.mark.parametrize(
    ("record", "problem"),
    [
        ({"text": "abc", "entities": [[1, 4, "X"]]}, "'X' at 1:4 lies outside the text of 3 characters"),
        ({"text": "abc", "entities": [[-1, 2, "X"]]}, "'X' at -1:2 lies outside the text of 3 characters"),
        ({"text": "abc", "entities": [[1, 1, "X"]]}, "'X' at 1:1 is empty"),
        ({"text": "cafe\u0301", "entities": [[0, 4, "X"]]}, "'X' at 0:4 ('cafe') cuts a character at 4"),
        ({"text": "", "entities": [[0, 1, "X"]]}, "'X' at 0:1 in an empty text"),
        ({"text": " \n", "entities": []}, "an empty text"),
        ({"text": None, "entities": []}, "no text in 'text'"),
        ({"text": "ab", "entities": [{"label": "X", "start": 0, "end": 1, "text": "b"}]}, "'X' at 0:1 ('a') is not"),
    ],
)  # fmt: skip
def test_faulty_rows_are_refused_with_their_place_or_counted(tmp_path, record, problem):
    path = write(tmp_path / "a.jsonl", [RECORDS[0], record, RECORDS[1]])
    message = refusal(path)
    assert f"{path}: line 2: {problem}" in message
    assert message.endswith("mend the rows, or set `data.on_bad_row: skip` to leave them out")
    rows = read_tagged([path], on_bad_row="skip")
    assert rows.entities == ENTITIES
    assert rows.num_skipped == 1
    assert (rows.skipped[0].file, rows.skipped[0].line) == (0, 2)
    assert rows.skipped[0].problem.startswith(problem)
    assert rows.where(1) == rows.where(-1) == f"{path}: line 3"
    assert "no row is left: mend them" in refusal(write(tmp_path / "b.jsonl", [record]), on_bad_row="skip")


def test_a_sentence_with_a_faulty_line_is_left_out(tmp_path):
    path = write(tmp_path / "a.tsv", COLUMNS + "\nX\nY\tO\n\nZ\tB-PER\n")
    assert f"{path}: line 8: 1 column, where the first line has 2" in refusal(path)
    rows = read_tagged([path], on_bad_row="skip")
    assert rows.texts.to_pylist()[2:] == ["Z"]
    assert rows.where(2) == f"{path}: line 11"


def test_words_whose_border_cuts_a_character(tmp_path):
    path = write(tmp_path / "a.txt", "我 O\n最 O\n爱 O\n❤ B-X\n\ufe0f O\n")
    assert "'X' at 3:4 ('❤') cuts a character at 4" in refusal(path)
    # Between blanks the same words are characters of their own.
    assert read_tagged([path], joiner=" ").entities == [[("X", 6, 7)]]


def test_several_files_are_read_in_order(tmp_path):
    one, other = write(tmp_path / "a.tsv", COLUMNS), write(tmp_path / "b.conll", "x I-PER\n\ny O\n")
    rows = read_tagged([one, other], on_illegal_tags="repair")
    assert [rows.file_of(row).name for row in range(4)] == ["a.tsv", "a.tsv", "b.conll", "b.conll"]
    assert [rows.where(row).rsplit(" ", 1)[1] for row in range(4)] == ["1", "5", "1", "3"]
    assert rows.line_numbers.tolist() == [1, 5, 1, 3]
    assert rows.files == [one, other]
    assert len(set(rows.file_hashes)) == 2
    assert rows.num_repaired == 1
    with pytest.raises(IndexError):
        rows.where(4)
    spans = write(tmp_path / "c.jsonl", RECORDS)
    with pytest.raises(
        InputError, match=r"holds columns of words and tags, .*c.jsonl texts with spans; give files of one"
    ):
        read_tagged([one, spans])


def test_the_fingerprint_is_that_of_the_rows(tmp_path):
    rows = read_tagged([write(tmp_path / "a.tsv", COLUMNS)])
    same = read_tagged([write(tmp_path / "b.txt.gz", COLUMNS.replace("\t", "  "))])
    assert rows.fingerprint == same.fingerprint
    assert rows.file_hashes != same.file_hashes
    changes = [("B-ORG", "O"), ("B-ORG", "B-PER"), ("EU", "UE"), ("German\tB-MISC\n\n", "German\tB-MISC\n")]
    prints = {read_tagged([write(tmp_path / "c.tsv", COLUMNS.replace(*change))]).fingerprint for change in changes}
    words = read_tagged([write(tmp_path / "d.tsv", COLUMNS.replace("EU\tB-ORG\nrejects\tO", "EU rejects\tO"))])
    spans = read_tagged([write(tmp_path / "e.jsonl", RECORDS)])
    assert len({rows.fingerprint, words.fingerprint, spans.fingerprint} | prints) == 7


def test_files_without_rows(tmp_path):
    path = write(tmp_path / "a.conll", "# nothing\n\n")
    assert "has no rows; give a file with rows" in refusal(path)
    rows = read_tagged([path], require_rows=False)
    assert (len(rows), rows.texts.to_pylist(), rows.labels, rows.words) == (0, [], [], [])
    empty = write(tmp_path / "b.jsonl", "")
    assert "is empty" in refusal(empty)
    assert len(read_tagged([empty], require_rows=False)) == 0


def test_what_cannot_be_read_at_all(tmp_path):
    message = refusal(write(tmp_path / "a.xlsx", ""))
    assert "unknown file ending (.xlsx)" in message
    assert all(ending in message for ending in TAGGED_FORMATS)
    assert "no such file" in refusal(tmp_path / "none.tsv")
    with pytest.raises(InputError, match="no file is named"):
        read_tagged([])


@pytest.mark.parametrize("name", ["on_bad_row", "on_illegal_tags", "on_overlap", "ends"])
def test_unknown_choices_are_refused(tmp_path, name):
    with pytest.raises(InputError, match=f"data.{name}: is 'perhaps'; choose "):
        read_tagged([tmp_path / "a.tsv"], **{name: "perhaps"})


# From here on: the data sets themselves, against the counts that their papers and their descriptions give.


def counts(rows):
    return dict(Counter(entity.label for row in rows.entities for entity in row))


def surfaces_fit(rows):
    """Each word and entity stands where it is said to stand."""
    for text, entities, words in zip(rows.texts.to_pylist(), rows.entities, rows.words, strict=True):
        starts, ends = {start for start, _ in words}, {end for _, end in words}
        assert rows.joiner.join(text[start:end] for start, end in words) == text
        assert all(entity.start in starts and entity.end in ends for entity in entities)


@pytest.mark.real
@pytest.mark.parametrize(
    ("name", "sentences", "tokens", "entities"),
    [
        ("ncbi_disease/train.tsv.gz", 5432, 136086, {"Disease": 5145}),
        ("ncbi_disease/devel.tsv", 923, 23969, {"Disease": 787}),
        ("ncbi_disease/test.tsv", 940, 24497, {"Disease": 960}),
        ("bc5cdr/train.tsv.gz", 4560, 118170, {"Chemical": 5203, "Disease": 4182}),
        ("bc5cdr/devel.tsv.gz", 4581, 117453, {"Chemical": 5347, "Disease": 4246}),
        ("bc5cdr/test.tsv.gz", 4797, 124750, {"Chemical": 5385, "Disease": 4424}),
    ],
)
def test_real_english_columns(data_dir, name, sentences, tokens, entities):
    rows = read_tagged([data_dir / name])
    assert (len(rows), sum(map(len, rows.words)), counts(rows)) == (sentences, tokens, entities)
    assert (rows.joiner, rows.scheme, rows.notes()) == (" ", "iob2", [])
    surfaces_fit(rows)


@pytest.mark.real
@pytest.mark.parametrize(
    ("name", "sentences", "tokens", "entities", "disease"),
    [
        ("cMedQANER/train.txt.gz", 1673, 175830, 12490, 3890),
        ("cMedQANER/dev.txt", 175, 15025, 1024, 332),
        ("cMedQANER/test.txt", 215, 18563, 1340, 431),
        ("cEHRNER/train.txt.gz", 914, 382232, 16136, 3824),
        ("cEHRNER/test.txt", 41, 16722, 632, 149),
    ],
)
def test_real_chinese_columns(data_dir, name, sentences, tokens, entities, disease):
    rows = read_tagged([data_dir / "zh_medical" / name])
    assert (len(rows), sum(map(len, rows.words))) == (sentences, tokens)
    found = counts(rows)
    assert sum(found.values()) == entities
    assert found.get("disease", found.get("疾病和诊断")) == disease
    assert (rows.joiner, rows.scheme) == ("", "iob2")
    surfaces_fit(rows)


@pytest.mark.real
def test_real_cluener(data_dir):
    folder = data_dir / "zh_cluener"
    rows = read_tagged([folder / "dev.json.gz"])
    assert len(rows) == 1343
    assert counts(rows) == {
        "address": 373, "name": 465, "organization": 367, "game": 295, "scene": 209,
        "book": 154, "company": 378, "position": 433, "government": 247, "movie": 151,
    }  # fmt: skip
    # The training file has one text with a company twice in the name of a book.
    with pytest.raises(InputError, match=r"'book' at 15:35 .* overlaps 'company' at 16:20"):
        read_tagged([folder / "train.json.gz"])
    rows = read_tagged([folder / "train.json.gz"], on_overlap="longest")
    assert (len(rows), rows.num_dropped) == (10748, 2)
    assert counts(rows) == {
        "name": 3755, "company": 2980 - 2, "game": 2376, "organization": 3210, "movie": 1123,
        "address": 2891, "position": 3141, "government": 1835, "scene": 1521, "book": 1139,
    }  # fmt: skip
    with pytest.raises(InputError, match="has entities in none of"):
        read_tagged([folder / "test.json"])


@pytest.mark.real
def test_real_columns_are_read_in_seconds(data_dir):
    files = [data_dir / "bc5cdr" / f"{part}.tsv.gz" for part in ("train", "devel", "test")]
    before = time.process_time()
    rows = read_tagged(files)
    assert time.process_time() - before < 3
    assert sum(map(len, rows.words)) == 360373
