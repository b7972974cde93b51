import csv
import gzip
import io
import json

import pytest

from tfdomain.data.span_records import read_span_records
from tfdomain.data.tag_schemes import Entity
from tfdomain.errors import InputError

TEXT = "浙商银行企业信贷部叶老桂博士👍"
ENTITIES = [Entity("company", 0, 4), Entity("name", 9, 12)]
OTHER = 'no, "nothing"\there'
CLUENER = {"company": {"浙商银行": [[0, 3]]}, "name": {"叶老桂": [[9, 11]]}}
OBJECTS = [{"label": "company", "start": 0, "end": 4}, {"label": "name", "start": 9, "end": 12, "text": "叶老桂"}]
OFFSETS = [
    {"type": "company", "start_offset": 0, "end_offset": 4, "id": 7},
    {"label": "name", "start_idx": 9, "end_idx": 12, "entity": "叶老桂"},
]
TRIPLES = [[0, 4, "company"], [9, 12, "name"]]
INCLUSIVE = [[0, 3, "company"], {"label": "name", "start": 9, "end": 11, "text": "叶老桂"}]


def read(path, **arguments):
    faults, name = [], path.name.removesuffix(".gz")
    records = read_span_records(
        path,
        kind=name.rsplit(".", 1)[1],
        zipped=path.suffix == ".gz",
        report=lambda problem, lines: faults.append((problem, list(lines))) if len(lines) else None,
        **arguments,
    )
    return list(records), faults


def write(path, content):
    data = content if isinstance(content, bytes) else content.encode()
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path


def as_json(records, form):
    if form == "lines":
        return "\n".join(json.dumps(record) for record in records)
    if form == "array":
        return json.dumps(records, ensure_ascii=False)
    if form == "pretty array":
        return json.dumps(records, indent=1)
    return "\n".join(json.dumps(record, indent=2, ensure_ascii=False) for record in records)


@pytest.mark.parametrize(
    ("spans", "ends"),
    [
        (CLUENER, "exclusive"),
        (CLUENER, "inclusive"),
        (OBJECTS, "exclusive"),
        (OFFSETS, "exclusive"),
        (TRIPLES, "exclusive"),
        (INCLUSIVE, "inclusive"),
    ],
)
@pytest.mark.parametrize(
    ("name", "form"),
    [
        ("a.jsonl", "lines"),
        ("a.json", "lines"),
        ("a.json.gz", "array"),
        ("a.json", "pretty array"),
        ("a.json", "objects"),
    ],
)
def test_every_form_gives_the_same_entities(tmp_path, spans, ends, name, form):
    records = [{"text": TEXT, "label": spans}, {"text": OTHER, "label": type(spans)()}]
    found, faults = read(write(tmp_path / name, as_json(records, form)), ends=ends)
    assert [(record.text, record.entities) for record in found] == [(TEXT, ENTITIES), (OTHER, [])]
    assert faults == []


@pytest.mark.parametrize("name", ["a.csv", "a.tsv", "a.csv.gz"])
def test_a_column_of_spans(tmp_path, name):
    stream = io.StringIO()
    writer = csv.writer(stream, delimiter="\t" if ".tsv" in name else ",")
    writer.writerow(["id", "spans", "words"])
    writer.writerows([[1, json.dumps(OBJECTS), TEXT], [2, "[]", OTHER], [3, json.dumps(CLUENER), TEXT]])
    path = write(tmp_path / name, stream.getvalue())
    found, faults = read(path, text="words")
    assert [(record.line, record.text, record.entities) for record in found] == [
        (2, TEXT, ENTITIES),
        (3, OTHER, []),
        (4, TEXT, ENTITIES),
    ]
    assert faults == []
    assert read(path, text="words", entities="spans")[0] == found


def test_lines_are_those_that_records_start_on(tmp_path):
    records = [{"text": TEXT, "entities": OBJECTS}] * 3
    for form, lines in (("lines", [1, 2, 3]), ("array", [1, 1, 1]), ("objects", [1, 17, 33])):
        path = write(tmp_path / "a.json", as_json(records, form))
        assert [record.line for record in read(path)[0]] == lines
        assert path.read_text().split("\n")[lines[1] - 1].lstrip("[").startswith("{")


def test_the_key_of_entities_is_the_first_that_is_there_or_the_one_named(tmp_path):
    records = [{"text": "ab", "label": [], "entities": [[0, 1, "X"]], "mine": [[1, 2, "Y"]]}]
    path = write(tmp_path / "a.json", as_json(records, "array"))
    assert read(path)[0][0].entities == [("X", 0, 1)]
    assert read(path, entities="label")[0][0].entities == []
    assert read(path, entities="mine")[0][0].entities == [("Y", 1, 2)]


@pytest.mark.parametrize(
    ("record", "problem"),
    [
        ("7", "not a JSON object"),
        ('{"text": "ab"', "malformed JSON"),
        ({"entities": []}, "no text in 'text'"),
        ({"text": None, "entities": []}, "no text in 'text'"),
        ('{"text": NaN, "entities": []}', "no text in 'text'"),
        ({"text": 5, "entities": []}, "the value of 'text' is a number, not a string"),
        ('{"text": "\\ud83d", "entities": []}', "the value of 'text' holds half of a surrogate pair"),
        ({"text": "ab", "entities": None}, "no entities in 'entities' (where a text has none, write [])"),
        ({"text": "ab"}, "no entities in 'entities' (where a text has none, write [])"),
        ({"text": "ab", "label": "spam"}, "the value of 'label' is a string, not a list or an object of entities"),
        ({"text": "ab", "entities": ["X"]}, "'X' is no entity: write label, start and end"),
        ({"text": "ab", "entities": [[0, 1]]}, "[0, 1] is not [start, end, label]"),
        ({"text": "ab", "entities": [["X", 0, 1]]}, "['X', 0] are no whole numbers"),
        ({"text": "ab", "entities": [[0, 1.5, "X"]]}, "[0, 1.5] are no whole numbers"),
        ({"text": "ab", "entities": [[False, True, "X"]]}, "[False, True] are no whole numbers"),
        ({"text": "ab", "entities": [[0, 1, " "]]}, "' ' is no label"),
        ({"text": "ab", "entities": [{"label": "X", "end": 1}]}, "{'label': 'X', 'end': 1} has no 'start'"),
        ({"text": "ab", "label": {"X": [[0, 1]]}}, "'X' is a list, not an object of mentions and places"),
        ({"text": "ab", "label": {"X": {"a": [0, 1]}}}, "the place 0 of 'a' is not [start, end]"),
        ({"text": "ab", "label": {"X": {"a": 3}}}, "the places of 'a' are no list"),
        ({"text": "银行", "label": {"X": {"行": [[0, 0]]}}}, "'X' at 0:1 ('银') is not the '行' that the file names"),
        (
            {"text": "abc", "entities": [{"label": "X", "start": 0, "end": 1, "text": "ab"}]},
            "'X' at 0:1 ('a') is not the 'ab' that the file names (with inclusive ends it would be)",
        ),
    ],
)
def test_faults_are_told_with_their_line_and_the_others_read(tmp_path, record, problem):
    good = json.dumps({"text": "ab", "entities": [[0, 1, "X"]]})
    line = record if isinstance(record, str) else json.dumps(record)
    found, faults = read(write(tmp_path / "a.jsonl", f"{good}\n\n{line}\n{good}"))
    assert [record.line for record in found] == [1, 4]
    ((told, lines),) = faults
    assert told.startswith(problem)
    assert lines == [3]


def test_exclusive_ends_read_as_inclusive_are_told(tmp_path):
    path = write(
        tmp_path / "a.jsonl",
        json.dumps({"text": "abc", "entities": [OBJECTS[1] | {"start": 0, "end": 1, "text": "a"}]}),
    )
    _, faults = read(path, ends="inclusive")
    assert faults == [
        ("'name' at 0:2 ('ab') is not the 'a' that the file names (with exclusive ends it would be)", [1])
    ]


def test_faults_of_a_column(tmp_path):
    path = write(tmp_path / "a.csv", "text,spans\nab,\nab,\"[{'label': 'X'}]\"\nab,[]\n")
    found, faults = read(path)
    assert len(found) == 1
    assert faults == [
        ("no entities in 'spans' (where a text has none, write [])", [2]),
        ("the value of 'spans' is not JSON", [3]),
    ]


def test_broken_utf8(tmp_path):
    good = b'{"text": "ab", "entities": []}\n'
    found, faults = read(write(tmp_path / "a.jsonl", good + b'{"text": "\xe9", "entities": []}\n' + good))
    assert len(found) == 2
    ((problem, lines),) = faults
    assert "broken UTF-8" in problem
    assert lines == [2]
    with pytest.raises(InputError, match="line 2: broken UTF-8"):
        read(write(tmp_path / "a.json", good + b'{"text": "\xe9", "entities": []}\n'))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.json", '[{"text": "a", "label": []},\n{"text"', "line 2: malformed JSON"),
        ("a.json", '[{"text": "a", "label": []}', "the array of the file has no end"),
        ("a.json", '{"text": "a", "label": []}\nx', "line 2: malformed JSON"),
        ("a.json", '{"text": "a", "id": 0}', "has entities in none of 'entities', 'spans', 'label', 'labels'; it has"),
        ("a.jsonl", '{"txt": "a", "label": []}', "has no column 'text'; its columns are 'txt', 'label'; did you mean"),
        ("a.csv", "text,category\na,b\n", "has entities in none of"),
        ("a.csv", "sentence,spans\na,[]\n", "has no column 'text'"),
        ("a.json", "", "is empty"),
    ],
)
def test_files_that_are_no_such_records(tmp_path, name, content, message):
    path = write(tmp_path / name, content)
    with pytest.raises(InputError) as caught:
        read(path)
    assert message in str(caught.value)
    assert str(path) in str(caught.value)


def test_a_key_that_is_not_there(tmp_path):
    path = write(tmp_path / "a.jsonl", '{"text": "a", "label": []}')
    with pytest.raises(
        InputError, match="has no column 'labelz'; its columns are 'text', 'label'; did you mean 'label'"
    ):
        read(path, entities="labelz")
    with pytest.raises(InputError, match="choose exclusive or inclusive"):
        read(path, ends="both")
