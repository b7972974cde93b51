"""Which columns are taken for what, and which task follows."""

from pathlib import Path

import pytest

from tfdomain.data.file_columns import Column, FileColumns
from tfdomain.drafting.roles import choose_roles
from tfdomain.errors import InputError

FILE = Path("a.csv")


def column(name, kind, *, distinct=50, tokens=10.0, filled=1.0, **more):
    return Column(name, kind, filled, distinct, (), tokens, **more)


def roles(*columns, names=None, **asked):
    return choose_roles(FileColumns(list(columns), 100, names), FILE, **asked)


TEXT = column("text", "text")
FEW = column("product", "category", distinct=5)


@pytest.mark.parametrize(
    ("columns", "texts", "label"),
    [
        ([TEXT, FEW], ["text"], "product"),
        ([FEW, column("body", "text"), column("header", "text", tokens=50.0)], ["body"], "product"),
        ([column("long", "text", tokens=90.0), column("short", "text"), FEW], ["long"], "product"),
        ([TEXT, column("label", "number", distinct=3, whole=True), FEW], ["text"], "label"),
        ([TEXT, column("label_gold", "category"), column("target_group", "category")], ["text"], "label_gold"),
        ([TEXT, FEW, column("is_bad", "flag", distinct=2)], ["text"], "is_bad"),
        ([TEXT, FEW, column("amount", "number")], ["text"], "product"),
        ([TEXT, column("constant", "category", distinct=1), FEW], ["text"], "product"),
        ([column("sentence1", "text"), column("sentence2", "text"), FEW], ["sentence1", "sentence2"], "product"),
        ([column("premise", "text"), column("hypothesis", "text"), FEW], ["premise", "hypothesis"], "product"),
        ([column("query", "category"), FEW], ["query"], "product"),
    ],
)
def test_what_is_guessed(columns, texts, label):
    found = roles(*columns)
    assert (found.texts, found.labels) == (texts, [label])


def test_two_texts_of_a_file_without_names_are_a_pair_if_they_are_alike():
    columns = [column("column_1", "text"), column("column_2", "text"), column("column_3", "number")]
    names = ["column_1", "column_2", "column_3"]
    assert roles(*columns, names=names).texts == ["column_1", "column_2"]
    columns[1] = column("column_2", "text", tokens=80.0)
    assert roles(*columns, names=names).texts == ["column_2"]


@pytest.mark.parametrize(
    ("label", "task"),
    [
        (column("y", "category", distinct=7), "classification"),
        (column("y", "flag", distinct=2), "classification"),
        (column("y", "number", distinct=5, whole=True), "classification"),
        (column("y", "number", distinct=60, whole=True), "regression"),
        (column("y", "number", distinct=9), "regression"),
        (column("y", "labels", delimiter="|"), "multilabel"),
    ],
)
def test_the_task_follows_from_the_label(label, task):
    assert roles(TEXT, label).task == task
    assert roles(TEXT, label, task="classification").task == "classification"


@pytest.mark.parametrize(("kind", "task"), [("flag", "multilabel"), ("number", "regression")])
def test_several_labels(kind, task):
    found = roles(TEXT, column("a", kind), column("b", kind), labels=["a", "b"])
    assert found == (task, ["text"], ["a", "b"])


@pytest.mark.parametrize(
    ("columns", "asked", "expected"),
    [
        ([TEXT, FEW], {"labels": ["prodct"]}, r"no column 'prodct'.*did you mean 'product'"),
        ([TEXT, FEW], {"texts": ["text"] * 3}, r"--text: names 3 columns; name one, or two for pairs"),
        (
            [TEXT, FEW, column("a", "flag")],
            {"labels": ["product", "a"], "task": "classification"},
            r"--label: names 2 columns for one label a row.*--task multilabel",
        ),
        ([TEXT, FEW], {"texts": ["none"]}, r"a\.csv: has no column 'none'"),
        ([TEXT, FEW], {"texts": ["text"], "labels": ["text"]}, r"--label: 'text' is a text column too"),
        ([TEXT, FEW], {"task": "classify"}, r"there is no task 'classify'; did you mean classification"),
        ([TEXT, FEW], {"task": "span"}, r"no file is drafted for span.*docs/span\.md"),
        ([TEXT], {}, r"no column looks like a label: 'text'; name its column with --label.*pretrain"),
        ([FEW], {}, r"no column looks like a text: 'product'; name its column with --text"),
        ([column("a;b", "text")], {}, r"seem to end at ';': save them with commas"),
    ],
)
def test_what_cannot_be_is_refused(columns, asked, expected):
    with pytest.raises(InputError, match=expected):
        roles(*columns, **asked)
