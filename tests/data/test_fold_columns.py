"""What folds are cut by is read from the files of every task, whatever their form."""

import csv
import io
import json

import numpy as np
import pytest

from tfdomain.config import Fold, experiment_from
from tfdomain.data.examples import Reading
from tfdomain.data.held_out import cut_examples
from tfdomain.data.readers import read_examples
from tfdomain.errors import InputError

NUM_ROWS = 12
PEOPLE = [f"p{number % 4}" for number in range(NUM_ROWS)]
DAYS = [f"2024-{1 + number}-01" for number in range(NUM_ROWS)]
OWN = {
    "classification": {"text": "my car", "label": "thing"},
    "embedding": {"anchor": "my car", "positive": "the car"},
    "multilabel": {"text": "my car", "label": ["thing"]},
    "regression": {"text": "my car", "label": 1.5},
    "span": {"question": "Whose?", "answers": [{"text": "my", "answer_start": 0}]},
    "tagging": {"text": "my car", "entities": [[3, 6, "thing"]]},
}


def rows_of(task):
    rows = [OWN[task] | {"person": person, "day": day} for person, day in zip(PEOPLE, DAYS, strict=True)]
    return [row | {"context": f"my car {number}"} if task == "span" else row for number, row in enumerate(rows)]


def cut(path, task, content, of=3, **choices):
    """The folds of a file, each as the rows trained on and those tested on."""
    path.write_text(content, encoding="utf-8")
    cuts = []
    for number in range(1, of + 1):
        fold = Fold(number=number, of=of, **choices)
        data = {"train": str(path), "fold": fold.model_dump()}
        experiment = experiment_from({"name": "a", "encoder": "e", "task": task, "data": data}, where="a")
        reading = Reading(for_training=True, cache_dir=path.parent / "cache")
        cuts.append(cut_examples({"": read_examples(task, [path], experiment.data, reading)}, {"": fold})[""])
    return cuts


def lines(rows):
    return "\n".join(map(json.dumps, rows))


@pytest.mark.parametrize("task", OWN)
def test_json_lines_of_every_task(tmp_path, task):
    grouped = cut(tmp_path / "a.jsonl", task, lines(rows_of(task)), group="person")
    assert sorted(row for one in grouped for row in one.test.tolist()) == list(range(NUM_ROWS))
    for one in grouped:
        assert not {PEOPLE[row] for row in one.test} & {PEOPLE[row] for row in one.train}
    in_time = cut(tmp_path / "a.jsonl", task, lines(rows_of(task)), time="day")
    assert [(one.train.tolist(), one.test.tolist()) for one in in_time] == [
        (list(range(last)), list(range(last, last + 3))) for last in (3, 6, 9)
    ]
    with pytest.raises(InputError, match=r"a.jsonl: has no column 'persn'.* did you mean 'person'"):
        cut(tmp_path / "a.jsonl", task, lines(rows_of(task)), group="persn")
    with pytest.raises(InputError, match=r"line 1: column 'person' holds no date .* in 12 rows"):
        cut(tmp_path / "a.jsonl", task, lines(rows_of(task)), time="person")
    faulty = rows_of(task)
    del faulty[4]["person"]
    with pytest.raises(InputError, match=r"a.jsonl: line 5: column 'person' names no group in 1 row"):
        cut(tmp_path / "a.jsonl", task, lines(faulty), group="person")


def as_table(delimiter, name="entities"):
    file = io.StringIO()
    writer = csv.writer(file, delimiter=delimiter, lineterminator="\n")
    writer.writerow(["text", name, "person"])
    writer.writerows([["my car", json.dumps([[3, 6, "thing"]]), person] for person in PEOPLE])
    return file.getvalue()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.json", json.dumps(rows_of("tagging"))),
        ("a.csv", as_table(",")),
        ("a.tsv", as_table("\t", "spans")),
    ],
)
def test_spans_in_other_forms(tmp_path, name, content):
    for one in cut(tmp_path / name, "tagging", content, group="person"):
        assert not {PEOPLE[row] for row in one.test} & {PEOPLE[row] for row in one.train}
    # The text itself is a column too: one that stands in the file many times is one group.
    with pytest.raises(InputError, match="3 folds of 1 groups of rows that stay together"):
        cut(tmp_path / name, "tagging", content, group="text")
    with pytest.raises(InputError, match=f"{name}: has no column 'moment'"):
        cut(tmp_path / name, "tagging", content, time="moment")


SENTENCE = "my\tO\ncar\tB-thing\n\n"
DOCUMENTS = "".join(f"-DOCSTART-\tO\n\n{SENTENCE * count}" for count in (1, 2, 3, 2))


def test_documents_of_conll_files_stay_whole(tmp_path):
    document = np.repeat(range(4), [1, 2, 3, 2])
    cuts = cut(tmp_path / "a.conll", "tagging", DOCUMENTS, group="document")
    assert sorted(row for one in cuts for row in one.test.tolist()) == list(range(8))
    for one in cuts:
        assert not set(document[one.test]) & set(document[one.train])


@pytest.mark.parametrize(
    ("content", "choices", "message"),
    [
        (DOCUMENTS, {"group": "person"}, "a.conll: columns of words and tags have no field 'person'; leave it out"),
        (DOCUMENTS, {"time": "day"}, "a.conll: columns of words and tags have no field 'day'; leave it out"),
        (DOCUMENTS, {"time": "document"}, "a.conll: line 3: column 'document' holds no date"),
        (SENTENCE * 9, {"group": "document"}, "a.conll: does not tell where its documents begin; put a line of -DOC"),
    ],
)
def test_what_conll_files_do_not_tell_is_refused(tmp_path, content, choices, message):
    with pytest.raises(InputError, match=message):
        cut(tmp_path / "a.conll", "tagging", content, **choices)


def squad(topics):
    """SQuAD's form: a list of (title, what each context is asked)."""
    answers = [{"text": "my", "answer_start": 0}]
    articles = []
    for title, contexts in topics:
        paragraphs = [
            {"context": context, "qas": [{"question": "Whose?", "answers": answers, **one} for one in asked]}
            for context, asked in contexts.items()
        ]
        articles.append({"title": title, "paragraphs": paragraphs})
    return json.dumps({"version": "1.1", "data": articles})


def test_articles_of_squad_are_groups(tmp_path):
    topics = [(title, {f"my {title} {number}": [{}, {}] for number in range(3)}) for title in ("car", "house", "job")]
    title = np.repeat(range(3), 6)
    for one in cut(tmp_path / "a.json", "span", squad(topics), group="title"):
        assert set(title[one.test]) | set(title[one.train]) == {0, 1, 2}
        assert not set(title[one.test]) & set(title[one.train])


def test_groups_never_cut_a_context_in_two(tmp_path):
    # p0 and p1 asked about one context, p1 and p2 about another: the three are one.
    asked = {"my car": ["p0", "p1"], "my house": ["p1", "p2"], "my job": ["p3", "p3"], "my debt": ["p4"]}
    topics = [("t", {context: [{"person": person} for person in people] for context, people in asked.items()})]
    tied = [0, 0, 0, 0, 1, 1, 2]
    cuts = cut(tmp_path / "a.json", "span", squad(topics), group="person")
    assert sorted(sorted({tied[row] for row in one.test}) for one in cuts) == [[0], [1], [2]]
    with pytest.raises(InputError, match="4 folds of 3 groups of rows that stay together"):
        cut(tmp_path / "a.json", "span", squad(topics), of=4, group="person")


def test_time_never_cuts_a_context_in_two(tmp_path):
    days = {"my car": [1, 9], "my house": [2, 3], "my job": [4, 5], "my debt": [6, 7, 8]}
    contexts = {context: [{"day": day} for day in asked] for context, asked in days.items()}
    of_row = [day for asked in days.values() for day in asked]
    context = np.repeat(range(4), [2, 2, 2, 3])
    cuts = cut(tmp_path / "a.json", "span", squad([("t", contexts)]), of=2, time="day")
    assert [sorted(of_row[row] for row in one.test) for one in cuts] == [[4, 5, 6], [7, 8, 9]]
    # What was asked earlier about a context that is tested on is left out: here day 1, and later 1 and 6 too.
    assert [sorted(of_row[row] for row in one.train) for one in cuts] == [[1, 2, 3], [2, 3, 4, 5]]
    for one in cuts:
        assert not set(context[one.test]) & set(context[one.train])
    alone = {"my car": [{"day": day} for day in range(9)]}
    with pytest.raises(InputError, match="no row is left to train on: all stay together with later ones"):
        cut(tmp_path / "a.json", "span", squad([("t", alone)]), of=2, time="day")
