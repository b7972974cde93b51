"""The formats of the registered data sets, each read into a common form.

Texts stand in `text` (and `text_pair`), labels in `label` as strings, similarities in `score`, words and
their tags in `tokens` and `tags`, entities in `spans` (character offsets, the end not included), questions
in `question`, `context` and `answers`. Lines end at a line feed only, and texts are not trimmed.
"""

import csv
import io
import json
import zipfile
from collections.abc import Callable, Iterator
from typing import Any

import pyarrow as pa
import pyarrow.csv

__all__ = ["PARSERS"]

AG_NEWS_CLASSES = ["World", "Sports", "Business", "Sci/Tech"]


def _lines(content: bytes, encoding: str = "utf-8-sig") -> list[str]:
    lines = [line.removesuffix("\r") for line in content.decode(encoding).split("\n")]
    return lines if lines[-1] else lines[:-1]


def _csv_rows(content: bytes) -> Iterator[list[str]]:
    if content.startswith(b"PK"):
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            content = archive.read(archive.namelist()[0])
    yield from csv.reader(io.StringIO(content.decode("utf-8-sig"), newline=""))


def _table(rows: list[list[Any]], names: list[str]) -> pa.Table:
    columns = dict(zip(names, zip(*rows, strict=True), strict=True))
    return pa.table({name: list(column) for name, column in columns.items()})


def _csv(content: bytes, *, columns: dict[str, str], header: list[str] | None = None) -> pa.Table:
    rows = _csv_rows(content)
    names = header or next(rows)
    places = [names.index(column) for column in columns.values()]
    table = _table([[row[place] for place in places] for row in rows if row], list(columns))
    if "score" in columns:
        table = table.set_column(table.column_names.index("score"), "score", table["score"].cast(pa.float32()))
    return table


def _typed_csv(content: bytes, *, columns: dict[str, str] | None = None) -> pa.Table:
    options = pa.csv.ParseOptions(newlines_in_values=True)
    table = pa.csv.read_csv(pa.BufferReader(content), parse_options=options)
    old_to_new = {old: new for new, old in (columns or {}).items()}
    table = table.rename_columns([old_to_new.get(name, name) for name in table.column_names])
    if "label" in table.column_names:
        labels = table["label"].cast(pa.int64()).cast(pa.string())
        table = table.set_column(table.column_names.index("label"), "label", labels)
    return table


def _separated(
    content: bytes, *, separator: str, fields: list[str], header: bool = False, encoding: str = "utf-8-sig"
) -> pa.Table:
    rows = []
    for line in _lines(content, encoding)[int(header) :]:
        # The text may hold the separator where it comes first, and then the label does not.
        split = line.rsplit if fields[0] == "text" else line.split
        rows.append(split(separator, len(fields) - 1))
    return _table(rows, fields)


def _one_file_a_label(*contents: bytes, labels: list[str], encoding: str = "utf-8-sig") -> pa.Table:
    pairs = zip(contents, labels, strict=True)
    rows = [[text, label] for content, label in pairs for text in _lines(content, encoding) if text.strip()]
    return _table(rows, ["text", "label"])


def _trec(content: bytes) -> pa.Table:
    rows = []
    for line in _lines(content, "latin-1"):
        label, text = line.split(" ", 1)
        rows.append([text, label.split(":")[0], label])
    return _table(rows, ["text", "label", "fine_label"])


def _ag_news(content: bytes, *, first_class: int) -> pa.Table:
    rows = [[" ".join(texts), AG_NEWS_CLASSES[int(number) - first_class]] for number, *texts in _csv_rows(content)]
    return _table(rows, ["text", "label"])


def _records(content: bytes, *, key: str, columns: dict[str, str]) -> pa.Table:
    return _table([[str(record[name]) for name in columns.values()] for record in json.loads(content)[key]], [*columns])


def _intents(content: bytes, *, key: str) -> pa.Table:
    return _table(json.loads(content)[key], ["text", "label"])


def _json_lines(content: bytes, *, columns: dict[str, str]) -> pa.Table:
    records = map(json.loads, _lines(content))
    return _table([[record[name] for name in columns.values()] for record in records], list(columns))


def _terms_of_service(content: bytes) -> pa.Table:
    rows = []
    for record in map(json.loads, _lines(content)):
        # The digit of a tag: 1 clearly fair, 2 perhaps unfair, 3 clearly unfair.
        unfair = any(tag[-1] in "23" for tag in record["tags"])
        rows.append([record["text"], "unfair" if unfair else "fair", record["company"], record["tags"]])
    return _table(rows, ["text", "label", "company", "tags"])


def _tagged_tokens(content: bytes, *, separator: str = "\t") -> pa.Table:
    sentences: list[list[list[str]]] = [[[], []]]
    for line in _lines(content):
        if not line.strip():
            sentences.append([[], []])
            continue
        token, tag = line.rsplit(separator, 1)
        sentences[-1][0].append(token)
        sentences[-1][1].append(tag.replace("_", "-", 1) if tag[:2] in ("B_", "I_") else tag)
    return _table([sentence for sentence in sentences if sentence[0]], ["tokens", "tags"])


def _cluener(content: bytes) -> pa.Table:
    # Objects stand one after the other, each over many lines.
    decoder, text = json.JSONDecoder(), content.decode("utf-8")
    rows, position = [], text.find("{")
    while position >= 0:
        record, end = decoder.raw_decode(text, position)
        position = text.find("{", end)
        spans = [
            {"start": start, "end": last + 1, "label": label}
            for label, mentions in record.get("label", {}).items()
            for places in mentions.values()
            for start, last in places
        ]
        rows.append([record["text"], sorted(spans, key=lambda span: (span["start"], span["end"]))])
    return _table(rows, ["text", "spans"])


def _squad(content: bytes) -> pa.Table:
    rows = []
    for article in json.loads(content)["data"]:
        for paragraph in article["paragraphs"]:
            for question in paragraph["qas"]:
                answers = [{"text": answer["text"], "start": answer["answer_start"]} for answer in question["answers"]]
                rows.append([question["id"], question["question"], paragraph["context"], answers])
    return _table(rows, ["id", "question", "context", "answers"])


PARSERS: dict[str, Callable[..., pa.Table]] = {
    "ag_news": _ag_news,
    "cluener": _cluener,
    "csv": _csv,
    "intents": _intents,
    "json_lines": _json_lines,
    "one_file_a_label": _one_file_a_label,
    "records": _records,
    "separated": _separated,
    "squad": _squad,
    "tagged_tokens": _tagged_tokens,
    "terms_of_service": _terms_of_service,
    "trec": _trec,
    "typed_csv": _typed_csv,
}
"""The parsers that `datasets.yaml` names; each takes the bytes of a part's files and the part's settings."""
