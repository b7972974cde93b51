import gzip
import json

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tfdomain.config.span import SpanData
from tfdomain.data.answers import QuestionRows, read_answers
from tfdomain.data.examples import Grouped, Reading
from tfdomain.errors import InputError

CONTEXT = "北京😀是中国的首都。Beijing is the capital; Beijing!"
ANSWERED = {"id": "q1", "question": "首都?", "answers": [{"text": "北京", "answer_start": 0}]}
TWICE = {
    "id": "q2",
    "question": "Which?",
    "answers": [{"text": "😀", "answer_start": 2}, {"text": "Beijing", "answer_start": 10}],
}
IMPOSSIBLE = {"id": "q3", "question": "Why?", "answers": [], "is_impossible": True, "plausible_answers": [{}]}


def squad(*questions, context=CONTEXT) -> dict:
    return {"version": "2.0", "data": [{"title": "t", "paragraphs": [{"context": context, "qas": list(questions)}]}]}


def write(path, value):
    content = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    path.write_bytes(gzip.compress(content.encode()) if path.suffix == ".gz" else content.encode())
    return path


def flat(question, context=CONTEXT) -> dict:
    answers = question["answers"]
    listed = {"text": [each["text"] for each in answers], "answer_start": [each["answer_start"] for each in answers]}
    return {"id": question["id"], "question": question["question"], "context": context, "answers": listed}


def refusal(*arguments, **options) -> str:
    with pytest.raises(InputError) as caught:
        read_answers(*arguments, **options)
    message = str(caught.value)
    assert "\n" not in message
    return message


def question(text="Beijing", start=10, **fields) -> dict:
    return {"id": "q", "question": "Which?", "answers": [{"text": text, "answer_start": start}]} | fields


@pytest.mark.parametrize("ending", [".json", ".json.gz", ".jsonl", ".ndjson", ".jsonl.gz"])
def test_both_forms_give_the_same_rows(tmp_path, ending):
    questions = [ANSWERED, TWICE, IMPOSSIBLE]
    value = squad(*questions) if ".json" in ending and ".jsonl" not in ending else None
    lines = "\n\n".join(json.dumps(flat(each)) for each in questions)
    file = write(tmp_path / f"dev{ending}", value or lines)
    rows = read_answers([file])
    assert len(rows) == rows.num_rows == 3
    assert rows.ids == ["q1", "q2", "q3"]
    assert isinstance(rows.questions, pa.ChunkedArray)
    assert rows.questions.to_pylist() == ["首都?", "Which?", "Why?"]
    assert rows.contexts.to_pylist() == [CONTEXT] * 3
    assert rows.answers == [[("北京", 0, 2)], [("😀", 2, 3), ("Beijing", 10, 17)], []]
    assert all(CONTEXT[each.start : each.end] == each.text for answers in rows.answers for each in answers)
    assert rows.where(1) == rows.where(-2) == f"{file}: {'question ' + repr('q2') if value else 'line 3'}"
    assert (rows.num_skipped, rows.num_skipped_questions, rows.skipped) == (0, 0, [])
    memory = QuestionRows.from_columns(
        ["首都?", "Which?", "Why?"], [CONTEXT] * 3, [[("北京", 0)], [("😀", 2), ("Beijing", 10)], []], rows.ids
    )
    assert memory.fingerprint == rows.fingerprint
    assert memory.answers == rows.answers


def test_several_files_and_missing_ids(tmp_path):
    first = write(tmp_path / "a.json", squad(ANSWERED, TWICE))
    second = write(tmp_path / "b.jsonl", json.dumps({"question": "Who?", "context": "me", "answers": []}))
    rows = read_answers([first, second])
    assert rows.ids == ["q1", "q2", "1"]
    assert [rows.where(row) for row in range(3)] == [
        f"{first}: question 'q1'",
        f"{first}: question 'q2'",
        f"{second}: line 1",
    ]
    assert len(set(rows.file_hashes)) == 2
    assert read_answers([first]).fingerprint != rows.fingerprint
    with pytest.raises(IndexError):
        rows.where(3)


def test_questions_to_ask_need_no_answers(tmp_path):
    asked = {"id": "q", "question": "Which?"}
    file = write(tmp_path / "ask.json", squad(asked))
    assert "question 'q': has no 'answers'" in refusal([file])
    assert read_answers([file], require_answers=False).answers == [[]]
    assert read_answers([write(tmp_path / "x.json", squad(asked | {"is_impossible": True}))]).answers == [[]]
    wrong = write(tmp_path / "wrong.json", squad(question(start=3)))
    assert "not at character 3" in refusal([wrong], require_answers=False)


@pytest.mark.parametrize(
    ("bad", "problem"),
    [
        (question(start=11), "the answer 'Beijing' is not at character 11 of its context, but at 10"),
        (question(start=27), "the answer 'Beijing' is not at character 27 of its context, but at 34"),
        (question(start=-1), "the answer 'Beijing' is not at character -1 of its context, but at 10"),
        (question(start=10**9), "the answer 'Beijing' is not at character 1000000000 of its context, but at 34"),
        (question("Paris"), "the answer 'Paris' is not at character 10 of its context, nor anywhere else in it"),
        (question(start="10"), "the answer 'Beijing' starts at \"10\", which is no whole number"),
        (question(start=True), "the answer 'Beijing' starts at true, which is no whole number"),
        (question(start=None), "the answer 'Beijing' starts at null, which is no whole number"),
        (question(" "), "an answer is empty"),
        (question(7), "an answer is no text"),
        (question("\ud83d"), "an answer holds half of a surrogate pair"),
        (question(answers=[3]), "an answer is missing"),
        (question(answers="Beijing"), "'answers' holds neither a list nor two lists of one length"),
        (question(answers={"text": ["a"], "answer_start": []}), "'answers' holds neither a list nor two lists"),
        (question(is_impossible=True), "is marked impossible, yet has answers"),
        (question(answers=[], is_impossible=False), "has no answer, yet is marked possible"),
        (question(question=""), "the question is empty"),
        (question(question=None), "the question is missing"),
        (question(context=" "), "the context is empty"),
        (question(context=["x"]), "the context is no text"),
    ],
)
@pytest.mark.parametrize("ending", [".json", ".jsonl"])
def test_a_faulty_question(tmp_path, bad, problem, ending):
    file = tmp_path / f"train{ending}"
    if ending == ".json":
        file.write_text(json.dumps(squad(ANSWERED, bad)))
        place = f"{file}: question 'q': "
    else:
        file.write_text("\n".join(json.dumps({"context": CONTEXT} | each) for each in (ANSWERED, bad)))
        place = f"{file}: line 2: "
    message = refusal([file], skip_mend="do this")
    assert message.startswith(place + problem)
    assert message.endswith("; mend them, or do this to leave them out")
    rows = read_answers([file], on_bad_row="skip")
    assert rows.ids == ["q1"]
    assert (rows.num_skipped, rows.num_skipped_questions) == (1, 1)
    assert (rows.skipped[0].file, rows.skipped[0].line) == (0, 2)
    assert problem in rows.skipped[0].problem


def test_a_question_keeps_its_sound_answers(tmp_path):
    both = question(answers=[*TWICE["answers"], {"text": "Paris", "answer_start": 1}])
    rows = read_answers([write(tmp_path / "dev.json", squad(both))], on_bad_row="skip")
    assert rows.answers == [[("😀", 2, 3), ("Beijing", 10, 17)]]
    assert (rows.num_skipped, rows.num_skipped_questions) == (1, 0)


def test_many_faults_are_told_in_one_line(tmp_path):
    bad = [question(start=1, id=f"q{number}") for number in range(1500)]
    file = write(tmp_path / "train.json", squad(*bad))
    message = refusal([file])
    assert message.startswith("1,500 answers or questions have faults: ")
    assert (
        "question 'q4': the answer 'Beijing' is not at character 1 of its context, but at 10, and 1,495 more; mend"
        in (message)
    )
    assert "'q5'" not in message
    assert "no question is left: mend them" in refusal([file], on_bad_row="skip")


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.json", "[]", "the top has no list of objects 'data'; SQuAD's form is"),
        ("a.json", '{"data": [3]}', "the top has no list of objects 'data'"),
        (
            "a.json",
            '{"data": [{"paragraphs": [{"context": "x"}]}]}',
            "data[0].paragraphs[0] has no list of objects 'qas'",
        ),
        ("a.json", '{"question": "x"}\n{"question": "y"}', "is not JSON (Extra data"),
        ("a.json", "[" * 100_000, "is not JSON"),
        ("a.json", '{"data": []}', "has no questions"),
        ("a.json", "", "is empty"),
        ("a.jsonl", "\n", "has no questions"),
        ("a.jsonl", "{", "line 1: malformed JSON"),
        ("a.jsonl", "3", "line 1: not a JSON object"),
        ("a.jsonl", '"3"', "line 1: not a JSON object"),
        ("a.csv", "x", "unknown file ending; the endings read are .json"),
    ],
)
def test_what_is_no_file_of_questions(tmp_path, name, content, words):
    assert words in refusal([write(tmp_path / name, content)])


def test_what_cannot_be_read(tmp_path):
    assert "no such file" in refusal([tmp_path / "a.json"])
    assert "no file is named" in refusal([])
    assert "choose refuse or skip" in refusal([tmp_path / "a.json"], on_bad_row="ignore")
    (tmp_path / "a.json").write_bytes(b'{"data": "\xe9"}')
    assert "is not UTF-8" in refusal([tmp_path / "a.json"])
    (tmp_path / "a.jsonl").write_bytes(b'{"question": "\xe9"}')
    assert "line 1: broken UTF-8" in refusal([tmp_path / "a.jsonl"])


def test_columns_that_do_not_fit():
    with pytest.raises(InputError, match=r"row 0: the answer 'x' is not at character 1 of its context, but at 0"):
        QuestionRows.from_columns(["Which?"], ["x"], [[("x", 1)]])
    with pytest.raises(InputError, match="differ in length: 1 questions, 2 contexts"):
        QuestionRows.from_columns(["Which?"], ["x", "y"])
    rows = QuestionRows.from_columns(["Which?"], pa.array(["x"]).to_pylist(), [[("x", np.int64(0))]])
    assert rows.answers == [[("x", 0, 1)]]
    assert rows.where(0) == "row 0"


@given(st.text("ab😀", min_size=1, max_size=30), st.text("ab😀", min_size=1, max_size=2), st.integers(-5, 40))
def test_the_nearest_place_is_the_nearest(context, text, start):
    places = [place for place in range(len(context)) if context[place : place + len(text)] == text]
    if start in places:
        assert QuestionRows.from_columns(["?"], [context], [[(text, start)]]).answers[0][0].start == start
        return
    with pytest.raises(InputError) as caught:
        QuestionRows.from_columns(["?"], [context], [[(text, start)]])
    told = str(caught.value).split("its context")[1]
    nearest = min(places, key=lambda place: abs(place - start), default=None)
    assert told.startswith(", nor anywhere" if nearest is None else f", but at {nearest};")


@pytest.mark.real
@pytest.mark.parametrize(
    ("name", "num_rows", "misplaced", "empty", "left_out"),
    [
        ("xquad.en", 1190, 0, 0, 0),
        ("xquad.zh", 1190, 0, 0, 0),
        ("cmrc2018_trial", 995, 5, 2, 7),
        ("cmrc2018_dev", 3216, 200, 0, 3),
    ],
)
def test_the_answers_of_real_files(data_dir, name, num_rows, misplaced, empty, left_out):
    file = data_dir / "qa_span" / f"{name}.json.gz"
    rows = read_answers([file], on_bad_row="skip")
    assert rows.num_rows == num_rows
    assert sum("not at character" in fault.problem for fault in rows.skipped) == misplaced
    assert sum("the question is empty" in fault.problem for fault in rows.skipped) == empty
    assert (rows.num_skipped, rows.num_skipped_questions) == (misplaced + empty, left_out)
    for context, answers in zip(rows.contexts.to_pylist(), rows.answers, strict=True):
        assert answers
        assert all(context[answer.start : answer.end] == answer.text for answer in answers)
    if rows.num_skipped:
        assert f"{misplaced + empty} answers or questions have faults: {file}: question " in refusal([file])
    else:
        assert read_answers([file]).fingerprint == rows.fingerprint


def test_examples_of_a_task(tmp_path):
    file = write(tmp_path / "dev.json", squad(ANSWERED, TWICE, IMPOSSIBLE))
    rows = QuestionRows.read([file], SpanData(train="-"), Reading(for_training=True))
    assert rows.learn() == {}
    assert [column.to_pylist() for column in rows.inputs] == [["首都?", "Which?", "Why?"], [CONTEXT] * 3]
    encoded = rows.encode({}, Reading())
    assert encoded.labels.dtype == np.int32
    assert encoded.labels.tolist() == [[[0, 2], [0, 0]], [[2, 3], [10, 17]], [[0, 0], [0, 0]]]
    assert encoded.rows is None
    assert isinstance(rows, Grouped)
    assert rows.groups().to_pylist() == [CONTEXT] * 3
    assert rows.strata() is None and rows.remarks() == []


def test_nothing_can_be_learned_where_no_question_has_an_answer(tmp_path):
    file = write(tmp_path / "dev.json", squad(IMPOSSIBLE))
    rows = QuestionRows.read([file], None, Reading())
    assert rows.encode({}, Reading()).labels.tolist() == [[[0, 0]]]
    with pytest.raises(InputError) as caught:
        rows.learn()
    assert str(caught.value) == f"{file}: no question has an answer; give some that their contexts answer"


def test_faulty_answers_are_skipped_where_that_is_asked_for(tmp_path):
    file = write(tmp_path / "dev.json", squad(ANSWERED, question(start=9)))
    with pytest.raises(InputError, match="pass --skip"):
        QuestionRows.read([file], None, Reading(skip_mend="pass --skip"))
    rows = QuestionRows.read([file], None, Reading(on_bad_row="skip"))
    assert (len(rows), rows.num_skipped) == (1, 1)
