"""One question at a time from SQuAD's JSON and from flat JSON Lines, checked.

SQuAD's files hold articles of paragraphs, and each paragraph's `context` with its questions `qas`; version 2
marks questions that their context does not answer. Flat files hold one question a line: `question`, `context`
and `answers`, either as SQuAD has them or as `{"text": [...], "answer_start": [...]}`. Offsets count characters
(Unicode code points), from 0.

Reference: Rajpurkar et al. 2016, "SQuAD: 100,000+ Questions for Machine Comprehension of Text"; Rajpurkar,
Jia and Liang 2018, "Know What You Don't Know: Unanswerable Questions for SQuAD".
"""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from tfdomain.data.faults import BROKEN_UTF8
from tfdomain.data.json_lines import HALF_A_PAIR, MALFORMED, NOT_AN_OBJECT
from tfdomain.data.sources import read_blocks
from tfdomain.errors import InputError
from tfdomain.files import whole_file

__all__ = ["Answer", "Question", "flat_files", "is_flat", "question_id", "read_question", "read_records"]

SQUAD_ENDING = ".json"
FLAT_ENDINGS = (".jsonl", ".ndjson")
_OF_QUESTION = ("id", "question", "answers", "is_impossible")


class Answer(NamedTuple):
    """An answer as its context has it: `context[start:end] == text`, in characters."""

    text: str
    start: int
    end: int


class Question(NamedTuple):
    """A question of a file's line (in SQuAD's form: its number), and the answers in its context."""

    line: int
    id: str
    question: str
    context: str
    answers: list[Answer]


def is_flat(path: Path) -> bool:
    """Whether a file holds one question a line, by its ending."""
    return path.name.lower().removesuffix(".gz").endswith(FLAT_ENDINGS)


def read_records(path: Path) -> Iterator[tuple[int, dict[str, Any] | str]]:
    """Each question of a file.

    Returns:
        Its line (in SQuAD's form: its number), and its object or what is wrong with the line. In SQuAD's form the
        object has what its article and its paragraph say of themselves too, such as the article's `title`.

    Raises:
        InputError: An unknown ending, a file that cannot be read, or one that is not in SQuAD's form.
    """
    name = path.name.lower()
    zipped = name.endswith(".gz")
    if not name.removesuffix(".gz").endswith((SQUAD_ENDING, *FLAT_ENDINGS)):
        mend = f"the endings read are {SQUAD_ENDING} (SQuAD's form) and {', '.join(FLAT_ENDINGS)}, with .gz or without"
        raise InputError("unknown file ending", where=str(path), mend=mend)
    content = b"".join(read_blocks(path, zipped))
    return _flat_records(content) if is_flat(path) else enumerate(_squad_records(content, path), 1)


def _flat_records(content: bytes) -> Iterator[tuple[int, dict[str, Any] | str]]:
    for number, line in enumerate(content.split(b"\n"), 1):
        if not line.strip():
            continue
        try:
            value = json.loads(line.decode("utf-8"))
        except UnicodeDecodeError:
            value = BROKEN_UTF8
        except (ValueError, RecursionError):
            value = MALFORMED
        else:
            value = value if isinstance(value, dict) else NOT_AN_OBJECT
        yield number, value


def _squad_records(content: bytes, path: Path) -> Iterator[dict[str, Any]]:
    try:
        value = json.loads(content.decode("utf-8"))
    except UnicodeDecodeError:
        raise InputError("is not UTF-8", where=str(path), mend="save it as UTF-8") from None
    except (ValueError, RecursionError) as error:
        mend = "restore it; a file with one object a line wants the ending .jsonl"
        raise InputError(f"is not JSON ({error})", where=str(path), mend=mend) from None
    for article_path, article in _items(value, "data", "", path):
        for paragraph_path, paragraph in _items(article, "paragraphs", article_path, path):
            shared = _plain(article) | _plain(paragraph) | {"context": paragraph.get("context")}
            for _, question in _items(paragraph, "qas", paragraph_path, path):
                yield shared | question


def _plain(part: dict[str, Any]) -> dict[str, Any]:
    """What an article or a paragraph holds beside its parts, but for what a question has of its own."""
    return {key: value for key, value in part.items() if key not in _OF_QUESTION and not isinstance(value, list | dict)}


def _items(value: Any, key: str, parent: str, path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    items = value.get(key) if isinstance(value, dict) else None
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        problem = f"{parent or 'the top'} has no list of objects {key!r}"
        mend = "SQuAD's form is data[].paragraphs[].qas[]; flat questions want the ending .jsonl"
        raise InputError(problem, where=str(path), mend=mend)
    for index, item in enumerate(items):
        yield f"{parent}{'.' if parent else ''}{key}[{index}]", item


def flat_files(files: Sequence[Path], folder: Path) -> list[Path]:
    """The files, those in SQuAD's form written anew with a question a line: `id`, `question` and `context`.

    Args:
        files: Any; those that do not end in `.json` stay what they are.
        folder: Where the new ones go.

    Raises:
        InputError: A file cannot be read or is not in SQuAD's form.
    """
    flat = []
    for number, file in enumerate(files):
        if file.name.lower().removesuffix(".gz").endswith(SQUAD_ENDING):
            target = folder / f"{number}.jsonl"
            with whole_file(target) as lines:
                for line, record in read_records(file):
                    texts = {"question": record.get("question"), "context": record.get("context")}  # type: ignore[union-attr]
                    lines.write(json.dumps({"id": question_id(record, line), **texts}, ensure_ascii=False) + "\n")
            file = target
        flat.append(file)
    return flat


def read_question(line: int, record: dict[str, Any] | str, require_answers: bool) -> tuple[Question | None, list[str]]:
    """A question of `read_records`, checked.

    Returns:
        The question with its sound answers, None where it must be left out; and what is wrong.
    """
    if isinstance(record, str):
        return None, [record]
    question: Any = record.get("question")
    context: Any = record.get("context")
    for name, text in (("question", question), ("context", context)):
        problem = _text_fault(text)
        if problem:
            return None, [f"the {name} {problem}"]
    answers = _listed(record.get("answers"))
    problem = _answers_fault(answers, record.get("is_impossible"), require_answers)
    if problem:
        return None, [problem]
    sound, problems = [], []
    for answer in answers or []:
        problem = _answer_fault(answer, context)
        if problem:
            problems.append(problem)
        else:
            text, start = answer["text"], answer["answer_start"]
            sound.append(Answer(text, start, start + len(text)))
    if problems and not sound:
        return None, problems
    return Question(line, question_id(record, line), question, context, sound), problems


def question_id(record: dict[str, Any] | str, line: int) -> str:
    """A question's id; the number of its line where it has none."""
    return str(record.get("id", line) if isinstance(record, dict) else line)


def _listed(answers: Any) -> Any:
    """Answers as SQuAD lists them, from that form or from one list of texts and one of starts."""
    if not isinstance(answers, dict):
        return answers
    texts, starts = answers.get("text"), answers.get("answer_start")
    if not isinstance(texts, list) or not isinstance(starts, list) or len(texts) != len(starts):
        return answers
    return [{"text": text, "answer_start": start} for text, start in zip(texts, starts, strict=True)]


def _answers_fault(answers: Any, impossible: Any, required: bool) -> str | None:
    if answers is not None and not isinstance(answers, list):
        return "'answers' holds neither a list nor two lists of one length, 'text' and 'answer_start'"
    if answers and impossible:
        return "is marked impossible, yet has answers"
    if required and answers is None and not impossible:
        return "has no 'answers'"
    if required and not answers and impossible is False:
        return "has no answer, yet is marked possible"
    return None


def _answer_fault(answer: Any, context: str) -> str | None:
    text: Any = answer.get("text") if isinstance(answer, dict) else None
    start: Any = answer.get("answer_start") if isinstance(answer, dict) else None
    problem = _text_fault(text)
    if problem:
        return f"an answer {problem}"
    shown = repr(text if len(text) <= 40 else f"{text[:40]}...")
    if not isinstance(start, int) or isinstance(start, bool):
        return f"the answer {shown} starts at {json.dumps(start)[:20]}, which is no whole number"
    if start >= 0 and context.startswith(text, start):
        return None
    nearest = _nearest(text, context, start)
    found = ", nor anywhere else in it" if nearest is None else f", but at {nearest}"
    return f"the answer {shown} is not at character {start} of its context{found}"


def _nearest(text: str, context: str, start: int) -> int | None:
    """Where `text` stands in `context`, nearest to `start`; the earlier of two as near."""
    start = max(start, 0)
    places = (context.rfind(text, 0, start + len(text)), context.find(text, start))
    return min((place for place in places if place >= 0), key=lambda place: abs(place - start), default=None)


def _text_fault(text: Any) -> str | None:
    if not isinstance(text, str):
        return "is missing" if text is None else "is no text"
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return HALF_A_PAIR
    return None if text.strip() else "is empty"
