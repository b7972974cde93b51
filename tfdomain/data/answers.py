"""Questions with their contexts and the places of their answers, read from files or given in memory."""

import bisect
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa

from tfdomain.data.examples import Encoded, Reading, fold_columns
from tfdomain.data.faults import Fault, Faults
from tfdomain.data.rest import as_json
from tfdomain.data.sources import explained_reading, unknown_column
from tfdomain.data.squad import Answer, Question, is_flat, question_id, read_question, read_records
from tfdomain.data.values import as_text_array, fingerprint
from tfdomain.errors import InputError
from tfdomain.files import hash_file

__all__ = ["Answer", "QuestionRows", "read_answers"]

SHOWN_FAULTS = 5


def read_answers(
    files: Sequence[str | Path],
    *,
    on_bad_row: Literal["refuse", "skip"] = "refuse",
    skip_mend: str = "set `data.on_bad_row: skip`",
    require_answers: bool = True,
    further: Sequence[str] = (),
) -> "QuestionRows":
    """Reads questions with their contexts and answers; `.json` is SQuAD's form, `.jsonl` and `.ndjson` the flat one.

    A question without an answer is one that its context does not answer. An answer that does not stand
    where it says is a fault, and so are an empty question or context and a question that holds answers though
    it is marked impossible.

    Args:
        files: The files; each may be gzipped (`.gz`).
        on_bad_row: `"refuse"` raises when there is a fault; `"skip"` leaves faulty answers out, and with
            them a question of which no answer is left.
        skip_mend: How the caller's user asks for `"skip"`, for the message that refuses.
        require_answers: Whether every question must say its answers, if only that it has none; False
            reads files of questions to ask.
        further: More keys to read of each question, of SQuAD's form also of its paragraph and its article.

    Raises:
        InputError: An unknown ending, a file that cannot be read or is not in SQuAD's form, no questions, none with
            a further key, or faults when they are refused: the first five are named, with the nearest place where an
            answer does stand, and all are counted.
    """
    if on_bad_row not in ("refuse", "skip"):
        raise InputError(f"is {on_bad_row!r}", where="data.on_bad_row", mend="choose refuse or skip")
    if not files:
        raise InputError("no file is named", where="data", mend="give at least one file")
    paths, faults = [Path(file) for file in files], Faults()
    questions: list[Question] = []
    columns: dict[str, list[Any]] = {name: [] for name in further}
    num_left_out, file_ends, hashes = 0, [], []
    for index, path in enumerate(paths):
        with explained_reading(path):
            hashes.append(hash_file(path))
        before, met = len(questions) + num_left_out, dict[str, None]()
        for line, record in read_records(path):
            question, problems = read_question(line, record, require_answers)
            name = "" if is_flat(path) else f"question {question_id(record, line)!r}: "
            for problem in problems:
                faults.add(index, name + problem, [line])
            if question is None:
                num_left_out += 1
            else:
                questions.append(question)
                met |= dict.fromkeys(record)
                for name in further:
                    columns[name].append(record.get(name))  # type: ignore[union-attr]
        if len(questions) + num_left_out == before:
            raise InputError("has no questions", where=str(path), mend="give a file with questions")
        for name in further:
            if met and name not in met:
                raise unknown_column(name, list(met), path)
        file_ends.append(len(questions))
    if faults.count and (on_bad_row == "refuse" or not questions):
        raise _refusal(faults, paths, skip_mend if on_bad_row == "refuse" else None)
    return QuestionRows(
        questions,
        files=paths,
        file_hashes=hashes,
        file_ends=file_ends,
        faults=faults,
        num_left_out=num_left_out,
        further=columns,
    )


class QuestionRows:
    """Questions with their contexts and answers, in memory.

    Attributes:
        questions: Strings `[num_rows]`, in Arrow.
        contexts: Strings `[num_rows]`, in Arrow.
        answers: The answers of each row; none where its context holds none.
        ids: The questions' ids; where a file has none, the number of the question in it.
        further: The value of each row under each further key that was read; None where it has none.
        files: The files that the rows came from, in order.
        file_hashes: The SHA-256 of each file.
        fingerprint: A SHA-256 that is equal for equal rows.
        skipped: The first faults that were left out (file index, line or number of the question, problem);
            at most 1,000.
        num_skipped: How many faults were left out: single answers, and questions at fault themselves.
        num_skipped_questions: How many questions were left out, at fault or without an answer left.
    """

    def __init__(
        self,
        questions: Sequence[Question],
        *,
        files: Sequence[Path] = (),
        file_hashes: Sequence[str] = (),
        file_ends: Sequence[int] = (),
        faults: Faults | None = None,
        num_left_out: int = 0,
        further: Mapping[str, list[Any]] | None = None,
    ):
        faults = faults or Faults()
        self.further = dict(further or {})
        self.questions = as_text_array([each.question for each in questions], "questions")
        self.contexts = as_text_array([each.context for each in questions], "contexts")
        self.answers = [each.answers for each in questions]
        self.ids = [each.id for each in questions]
        self.files, self.file_hashes = list(files), list(file_hashes)
        self.skipped: list[Fault] = faults.kept
        self.num_skipped, self.num_skipped_questions = faults.count, num_left_out
        self._lines, self._file_ends = [each.line for each in questions], list(file_ends)
        ids = as_text_array(self.ids, "ids")
        answers = as_text_array([json.dumps(each) for each in self.answers], "answers")
        others = [as_text_array([as_json(value) for value in column], name) for name, column in self.further.items()]
        self.fingerprint = fingerprint(self.questions, self.contexts, ids, answers, *others)

    @classmethod
    def read(cls, files: Sequence[Path], data: Any, reading: Reading) -> "QuestionRows":
        """Reads labelled questions; `tfdomain.data.readers` tells of the arguments."""
        choices: dict[str, Any] = {"on_bad_row": reading.on_bad_row, "skip_mend": reading.skip_mend}
        return read_answers(files, **choices, further=fold_columns(data, reading))

    @classmethod
    def from_columns(
        cls,
        questions: Sequence[str],
        contexts: Sequence[str],
        answers: Sequence[Sequence[tuple[str, int]]] | None = None,
        ids: Sequence[str] | None = None,
    ) -> "QuestionRows":
        """Rows from columns in memory.

        Args:
            questions: Strings `[n]`.
            contexts: Strings `[n]`.
            answers: Each row's answers as (text, first character); none where the context holds none.
            ids: Strings `[n]`; None: the row numbers.

        Raises:
            InputError: The lengths differ, a text is empty, or an answer is not where it says.
        """
        columns = {"questions": questions, "contexts": contexts, "answers": answers, "ids": ids}
        lengths = {name: len(column) for name, column in columns.items() if column is not None}
        if len(set(lengths.values())) > 1:
            shown = ", ".join(f"{length} {name}" for name, length in lengths.items())
            raise InputError(f"the columns differ in length: {shown}", mend="give one value a row")
        rows = []
        for row, (question, context) in enumerate(zip(questions, contexts, strict=True)):
            pairs = [] if answers is None else answers[row]
            # numpy's whole numbers are none to JSON.
            starts = [int(start) if isinstance(start, np.integer) else start for _, start in pairs]
            given = [{"text": text, "answer_start": start} for (text, _), start in zip(pairs, starts, strict=True)]
            record = {"question": question, "context": context, "answers": given}
            read, problems = read_question(row, record | ({} if ids is None else {"id": ids[row]}), True)
            if problems or read is None:
                raise InputError(problems[0], where=f"row {row}", mend="mend the row")
            rows.append(read)
        return cls(rows)

    @property
    def num_rows(self) -> int:
        """The number of questions."""
        return len(self.ids)

    def __len__(self) -> int:
        return self.num_rows

    def where(self, row: int) -> str:
        """A row's place, for messages: `dev.json: question 'Q7'`, `dev.jsonl: line 12`."""
        if not -self.num_rows <= row < self.num_rows:
            raise IndexError(f"row {row} of {self.num_rows}")
        row = row % self.num_rows
        if not self.files:
            return f"row {row}"
        file = self.files[bisect.bisect_right(self._file_ends, row)]
        return f"{file}: line {self._lines[row]}" if is_flat(file) else f"{file}: question {self.ids[row]!r}"

    @property
    def inputs(self) -> tuple[pa.ChunkedArray, pa.ChunkedArray]:
        """The questions and the contexts."""
        return self.questions, self.contexts

    def column(self, name: str) -> list[Any]:
        """The value of each question under a further key that was read."""
        return self.further[name]

    def learn(self, rows: np.ndarray | None = None) -> dict[str, Any]:
        """Nothing: a model of questions has no labels.

        Raises:
            InputError: No question has an answer.
        """
        if not any(self.answers):
            where = ", ".join(map(str, self.files)) or "answers"
            raise InputError("no question has an answer", where=where, mend="give some that their contexts answer")
        return {}

    def remarks(self) -> list[str]:
        """Nothing: what was left out is told for every task alike."""
        return []

    def strata(self) -> None:
        """No label to stratify by; see `groups`."""

    def groups(self) -> pa.ChunkedArray:
        """The contexts: who has learned one question of a context knows it for the others."""
        return self.contexts

    def encode(self, head: Mapping[str, Any], reading: Reading) -> Encoded:
        """The characters of each row's answers, int32 `[num_rows, most answers, 2]`, with zeros behind the last."""
        labels = np.zeros([self.num_rows, max([1, *map(len, self.answers)]), 2], "int32")
        for label, answers in zip(labels, self.answers, strict=True):
            for place, answer in enumerate(answers):
                label[place] = answer.start, answer.end
        return Encoded(labels, labels)


def _refusal(faults: Faults, files: list[Path], skip_mend: str | None) -> InputError:
    skip = "no question is left: mend them" if skip_mend is None else f"mend them, or {skip_mend} to leave them out"
    first = faults.kept[:SHOWN_FAULTS]
    told = [
        f"{files[fault.file]}: {f'line {fault.line}: ' if is_flat(files[fault.file]) else ''}{fault.problem}"
        for fault in first
    ]
    if faults.count > len(first):
        told.append(f"and {faults.count - len(first):,} more")
    problem = told[0] if len(told) == 1 else f"{faults.count:,} answers or questions have faults: {', '.join(told)}"
    return InputError(problem, mend=skip)
