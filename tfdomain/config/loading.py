"""An experiment file is read and checked key by key.

An unknown key, a wrong type or a value out of range is one line that names the key and what it may
hold.
"""

import difflib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar, get_args, get_origin

import pydantic
import yaml
from pydantic import BaseModel

from tfdomain.config.experiments import Experiment
from tfdomain.config.multitask import OneTask
from tfdomain.config.single_tasks import SINGLE_TASKS
from tfdomain.config.tasks import EXPERIMENTS
from tfdomain.errors import InputError
from tfdomain.files import whole_file

__all__ = ["assign", "experiment_from", "load_experiment", "read_values", "save_config", "validated"]

Model = TypeVar("Model", bound=BaseModel)


def load_experiment(path: str | os.PathLike, overrides: list[str] | tuple[str, ...] = ()) -> Experiment:
    """Reads an experiment file.

    Args:
        path: A YAML file.
        overrides: Assignments like `training.epochs=1`; their values are YAML.

    Raises:
        InputError: The file is missing, is not YAML, or a key or value is wrong.
    """
    return experiment_from(read_values(path, overrides), where=str(path))


def read_values(path: str | os.PathLike, overrides: Sequence[str] = ()) -> dict[str, Any]:
    """The keys and values of a YAML file.

    Args:
        path: The file.
        overrides: Assignments like `training.epochs=1`; their values are YAML.

    Raises:
        InputError: The file is missing, is not YAML, or an assignment is none.
    """
    where = str(path)
    try:
        values = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError("no such file", where=where, mend="check the path") from None
    except UnicodeDecodeError as error:
        raise InputError(f"is not a text file ({error})", where=where, mend="give a YAML file") from None
    except OSError as error:
        raise InputError(f"cannot be read ({error.strerror})", where=where, mend="give a YAML file") from None
    except yaml.YAMLError as error:
        raise InputError(f"is not YAML ({error})", where=where, mend="mend the line it names") from None
    if not isinstance(values, dict):
        raise InputError("holds no keys", where=where, mend="write it as `key: value` lines")
    for assignment in overrides:
        assign(values, assignment)
    return values


def experiment_from(values: dict[str, Any], *, where: str) -> Experiment:
    """Makes an experiment from plain values, in the form of its task; `classification` where none is named.

    Raises:
        InputError: A key or value is wrong.
    """
    task = values.get("task", "classification")
    if not isinstance(task, str) or task not in EXPERIMENTS:
        raise InputError(f"task is {task!r}", where=where, mend=f"the tasks are {', '.join(EXPERIMENTS)}")
    if task == "multitask" and isinstance(values.get("tasks"), dict):
        values = values | {"tasks": {name: _one_task(one, name, where) for name, one in values["tasks"].items()}}
    return validated(EXPERIMENTS[task], values, where=where)


def save_config(config: BaseModel, path: str | os.PathLike) -> None:
    """Writes a resolved experiment or pretraining, defaults included, as YAML."""
    with whole_file(path) as file:
        yaml.safe_dump(config.model_dump(mode="json"), file, sort_keys=False, allow_unicode=True)


def validated(kind: type[Model], values: dict, *, where: str, prefix: str = "") -> Model:
    """Makes a section from plain values, or says in one line which key is wrong and what it may be.

    `prefix` is what comes before the keys in what is said.
    """
    try:
        return kind.model_validate(values)
    except pydantic.ValidationError as error:
        raise _explain(kind, error, where, prefix) from None


def _one_task(section: Any, name: str, where: str) -> OneTask:
    """One of several tasks; its data and its head have the form that an experiment of this task alone has."""
    prefix = f"tasks.{name}."
    if not isinstance(section, dict):
        raise InputError(f"tasks.{name} is {section!r}", where=where, mend="give it task, data and model")
    task = section.get("task", "classification")
    if not isinstance(task, str) or task not in SINGLE_TASKS:
        mend = f"choose one of {', '.join(SINGLE_TASKS)}"
        raise InputError(f"{prefix}task is {task!r}", where=where, mend=mend)
    own = {key: section[key] for key in ("data", "model") if key in section}
    alone = validated(
        SINGLE_TASKS[task], {"name": "-", "encoder": "-", "task": task, **own}, where=where, prefix=prefix
    )
    values = section | {"task": task, "data": alone.data, "model": alone.model}
    return validated(OneTask, values, where=where, prefix=prefix)


def assign(values: dict, assignment: str) -> None:
    """Puts one assignment like `training.epochs=1` into nested values.

    Raises:
        InputError: It assigns nothing, its value is not YAML, or a key above it holds a value.
    """
    key, equals, text = assignment.partition("=")
    if not equals or not key:
        raise InputError(f"{assignment!r} assigns nothing", where="--set", mend="write key=value")
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError:
        raise InputError(f"{text!r} is not YAML", where=f"--set {key}", mend="quote the value") from None
    *parents, last = key.split(".")
    for parent in parents:
        values = values.setdefault(parent, {})
        if not isinstance(values, dict):
            raise InputError(f"{parent} holds no keys", where=f"--set {key}", mend="check the key")
    values[last] = value


def _explain(kind: type[BaseModel], error: pydantic.ValidationError, where: str, prefix: str) -> InputError:
    faults = error.errors()
    # A union reports each of its members; a missing or unknown key tells more than those.
    fault = min(faults, key=lambda one: one["type"] not in ("extra_forbidden", "missing"))
    path = [str(part) for part in fault["loc"]]
    if fault["type"] == "extra_forbidden":
        choices = list(_section_at(kind, path[:-1]).model_fields)
        near = difflib.get_close_matches(path[-1], choices, n=1)
        mend = f"did you mean {near[0]}?" if near else f"the keys here are {', '.join(choices)}"
        return InputError(f"unknown key {prefix}{'.'.join(path)}", where=where, mend=mend)
    if fault["type"] == "missing":
        return InputError(f"{prefix}{'.'.join(path)} is missing", where=where, mend="add the key")
    if fault["type"] == "value_error":
        section = f"{prefix}{'.'.join(path)}".rstrip(".")
        return InputError(f"{section}: {fault['ctx']['error']}" if section else str(fault["ctx"]["error"]), where=where)
    path = _real_path(kind, path)
    unspaced = _unspaced_key(faults)
    if unspaced is not None:
        mend = f"put a blank behind the colon: {unspaced.replace(':', ': ', 1)}"
        return InputError(f"{prefix}{'.'.join(path)}: {unspaced!r} has no value", where=where, mend=mend)
    messages = [one["msg"] for one in faults if _real_path(kind, [str(p) for p in one["loc"]]) == path]
    wanted = " or ".join(dict.fromkeys(message.removeprefix("Input should be ") for message in messages))
    return InputError(f"{prefix}{'.'.join(path)} is {fault['input']!r}", where=where, mend=f"it should be {wanted}")


def _unspaced_key(faults: Sequence[Any]) -> str | None:
    """A key like `en:x` without a value: YAML reads it as one word, where `en: x` was meant."""
    valueless = (str(key) for one in faults if one["input"] is None for key in one["loc"][-1:])
    return next((key for key in valueless if ":" in key), None)


def _section_at(kind: type[BaseModel], path: list[str]) -> type[BaseModel]:
    for name in path:
        # A mapping of sections has keys of the user's own.
        if name in kind.model_fields:
            kind = _sections_of(kind.model_fields[name].annotation)[0]
    return kind


def _real_path(kind: type[BaseModel], path: list[str]) -> list[str]:
    """The keys of a fault's location, without the names of union members that pydantic adds."""
    real: list[str] = []
    is_own_key = False
    for name in path:
        if is_own_key:
            real.append(name)
            is_own_key = False
            continue
        if name not in kind.model_fields:
            break
        real.append(name)
        field = kind.model_fields[name].annotation
        sections = _sections_of(field)
        if not sections:
            break
        kind, is_own_key = sections[0], get_origin(field) is dict
    return real


def _sections_of(field: Any) -> list[type[BaseModel]]:
    return [one for one in (field, *get_args(field)) if isinstance(one, type) and issubclass(one, BaseModel)]
