"""JSON Schemas of the files that people write, so that editors complete and check them.

They are made of the typed sections, and shipped as files; `python -m tfdomain.config.schema` writes them anew. What is
between several keys, such as two that contradict each other, is checked when a file is read.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from tfdomain.config.preparation import Preparation
from tfdomain.config.pretraining import Pretraining
from tfdomain.config.sections import Section
from tfdomain.config.single_tasks import SINGLE_TASKS
from tfdomain.config.tasks import EXPERIMENTS
from tfdomain.files import whole_file

__all__ = ["FOLDER", "SCHEMAS", "make_schema"]

FOLDER = Path(__file__).parent / "schemas"
DIALECT = "https://json-schema.org/draft/2020-12/schema"
SCHEMAS: dict[str, list[type[BaseModel]]] = {
    "experiment": list(EXPERIMENTS.values()),
    "pretraining": [Pretraining],
    "preparation": [Preparation],
}
"""The forms of each kind of file."""
# A line of a docstring's `Attributes:` that begins a new one, and what goes on with the one before.
ATTRIBUTE = re.compile(r"^        (\w+): (.*(?:\n            .*)*)", re.MULTILINE)


def make_schema(kind: str) -> dict[str, Any]:
    """The schema of a kind of file, as JSON values; what each key means comes from the sections' docstrings."""
    forms = SCHEMAS[kind]
    references, whole = models_json_schema([(form, "validation") for form in forms])
    sections = whole["$defs"]
    classes = {one.__name__: one for one in _subclasses(Section)}
    for name, section in sections.items():
        _describe(section, classes[name])
    if kind == "experiment":
        sections["OneTask"] = _one_task(sections, references)
        rule = _by_task({name: references[form, "validation"] for name, form in EXPERIMENTS.items()})
    else:
        rule = references[forms[0], "validation"]
    return {"$schema": DIALECT, "title": f"tfdomain {kind}", "type": "object", **rule, "$defs": sections}


def _subclasses(section: type[Section]) -> Iterator[type[Section]]:
    one: type[Section]
    for one in section.__subclasses__():
        yield one
        yield from _subclasses(one)


def _describe(section: dict[str, Any], form: type) -> None:
    """Puts what docstrings say of each attribute, also of a section that this one builds on, where editors look."""
    told: dict[str, str] = {}
    for one in reversed(form.__mro__):
        told |= {name: " ".join(lines.split()) for name, lines in ATTRIBUTE.findall(one.__doc__ or "")}
    section["description"] = " ".join((form.__doc__ or "").split("\n\n")[0].split())
    for name, key in section.get("properties", {}).items():
        key.pop("title", None)
        if name in told:
            key["description"] = told[name]


def _by_task(forms: dict[str, dict]) -> dict[str, Any]:
    """The form that `task` names; classification where nothing does."""
    rules = [{"if": _task_is(name), "then": form} for name, form in forms.items()]
    rules.append({"if": {"not": {"required": ["task"]}}, "then": forms["classification"]})
    return {"properties": {"task": {"enum": list(forms)}}, "allOf": rules}


def _one_task(sections: dict[str, Any], references: dict) -> dict[str, Any]:
    """One of several tasks: with the `data` and `model` that an experiment of it alone has."""
    rules = []
    for name, form in SINGLE_TASKS.items():
        alone = sections[references[form, "validation"]["$ref"].rsplit("/", 1)[1]]["properties"]
        both = {key: alone[key] for key in ("data", "model")}
        rules.append({"if": _task_is(name), "then": {"properties": both}})
    keys = sections["OneTask"]["properties"] | {"data": {}, "model": {}}
    return sections["OneTask"] | {"properties": keys, "required": ["task", "data"], "allOf": rules}


def _task_is(name: str) -> dict[str, Any]:
    return {"properties": {"task": {"const": name}}, "required": ["task"]}


def main() -> None:
    for kind in SCHEMAS:
        with whole_file(FOLDER / f"{kind}.schema.json") as file:
            json.dump(make_schema(kind), file, indent=1, ensure_ascii=False)
            file.write("\n")


if __name__ == "__main__":
    main()
