"""One experiment file as one typed object.

The YAML of an experiment is checked key by key: an unknown key, a wrong type or a value out of
range is one line that names the key and what it may hold.
"""

import difflib
import os
from pathlib import Path
from typing import Annotated, Literal, TypeVar, get_args

import pydantic
import yaml
from pydantic import BaseModel, ConfigDict, Field

from tfdomain.errors import InputError
from tfdomain.files import whole_file

__all__ = ["Data", "Experiment", "FitOptions", "Head", "Training", "load_experiment", "save_experiment", "validated"]

Share = Annotated[float, Field(gt=0, lt=1)]
Rate = Annotated[float, Field(ge=0, lt=1)]
Files = str | list[str]
Section = TypeVar("Section", bound=BaseModel)


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @pydantic.model_validator(mode="before")
    @classmethod
    def _refuse_booleans(cls, values):
        # Python would take yes and no for 1 and 0, and no key here is a switch.
        for key, value in values.items() if isinstance(values, dict) else ():
            if isinstance(value, bool):
                raise ValueError(f"{key} is {value}, which says nothing here; a word like yes or no needs quotes")
        return values


class Data(_Section):
    """Which files are read, and which of their columns.

    Attributes:
        train: A path, several, or a glob; relative to the experiment file or TFDOMAIN_DATA_DIR.
        validation: A share of the training rows (stratified, seeded), files, or nothing.
        test: Files, or nothing.
        text: The column with the text, or the two columns of a pair.
        label: The column with the label.
        on_bad_row: Refuse a file that has rows with faults, or skip and count them.
    """

    train: Files
    validation: Share | Files | None = None
    test: Files | None = None
    text: str | Annotated[list[str], Field(min_length=1, max_length=2)] = "text"
    label: str = "label"
    on_bad_row: Literal["refuse", "skip"] = "refuse"

    @property
    def text_columns(self) -> list[str]:
        """The one or two columns that hold text."""
        return [self.text] if isinstance(self.text, str) else list(self.text)


class Head(_Section):
    """What is put on the encoder.

    Attributes:
        pooling: `cls`: the first token through the checkpoint's dense-tanh pooler where it has
            one; `mean`: the mean of the tokens that are no padding.
        dropout_rate: One rate for every dropout of the model; None keeps the checkpoint's rates.
    """

    pooling: Literal["cls", "mean"] = "cls"
    dropout_rate: Rate | None = None


class FitOptions(_Section):
    """How weights are trained; the arguments of `fit` and most of an experiment's `training`.

    Attributes:
        epochs: Passes over the training rows.
        batch_size: Examples of one update, over all replicas together.
        learning_rate: Its peak, reached after the warm-up.
        warmup_rate: Share of all steps in which the learning rate rises.
        weight_decay: Decoupled weight decay; biases and norms are spared.
        optimizer: `adamw`, or `sgd` without momentum.
        clip_norm: Largest global norm of the gradients; None clips nothing.
        layer_decay: Factor on the learning rate for each layer further from the head.
        frozen_layers: Lowest encoder layers that stay as they are, with the embeddings; 0 trains all.
        class_weights: `balanced` (inverse to frequency) or a weight by label.
        label_smoothing: Share of each label that is spread over all classes.
        seed: Of the order of rows, the dropout, the head's first weights and the split.
    """

    epochs: Annotated[int, Field(ge=1, strict=True)] = 3
    batch_size: Annotated[int, Field(ge=1, strict=True)] = 32
    learning_rate: Annotated[float, Field(gt=0)] = 5e-5
    warmup_rate: Rate = 0.1
    weight_decay: Annotated[float, Field(ge=0)] = 0.01
    optimizer: Literal["adamw", "sgd"] = "adamw"
    clip_norm: Annotated[float, Field(gt=0)] | None = 1.0
    layer_decay: Annotated[float, Field(gt=0, le=1)] = 1.0
    frozen_layers: Annotated[int, Field(ge=0, strict=True)] = 0
    class_weights: Literal["balanced"] | dict[str, Annotated[float, Field(gt=0)]] | None = None
    label_smoothing: Rate = 0.0
    seed: Annotated[int, Field(ge=0, lt=2**31, strict=True)] = 0

    @pydantic.field_validator("class_weights", mode="before")
    @classmethod
    def _name_classes(cls, weights):
        if not isinstance(weights, dict):
            return weights
        for label in weights:
            if isinstance(label, bool):
                raise ValueError(f"the label {label} is no word; words like yes and no need quotes")
        return {str(label): weight for label, weight in weights.items()}


class Training(FitOptions):
    """`FitOptions`, and what only a run with a folder of its own can do.

    Attributes:
        best: The validation metric whose best epoch becomes the model; None keeps the last epoch.
        patience: Epochs without a better `best` after which the run stops; None never stops.
        checkpoint_seconds: Seconds between two states that `--resume` can go on from.
    """

    best: str | None = None
    patience: Annotated[int, Field(ge=1, strict=True)] | None = None
    checkpoint_seconds: Annotated[float, Field(ge=0)] = 30.0

    @pydantic.model_validator(mode="after")
    def _patience_needs_best(self):
        if self.patience is not None and self.best is None:
            raise ValueError("patience waits for a better metric: name it in training.best")
        return self


class Experiment(_Section):
    """Everything that a run is made of; see `docs/experiment_file.md`."""

    name: Annotated[str, Field(pattern=r"^[\w.-]+$")]
    task: Literal["classification"] = "classification"
    encoder: str
    max_length: Annotated[int, Field(ge=3, strict=True)] | None = None
    data: Data
    model: Head = Head()
    training: Training = Training()

    @pydantic.field_validator("model", "training", mode="before")
    @classmethod
    def _fill_empty_section(cls, section):
        # `training:` with nothing below it asks for the defaults.
        return {} if section is None else section

    @pydantic.model_validator(mode="after")
    def _best_needs_validation(self):
        if self.training.best is not None and self.data.validation is None:
            raise ValueError("training.best is measured on validation rows: set data.validation")
        return self


def load_experiment(path: str | os.PathLike, overrides: list[str] | tuple[str, ...] = ()) -> Experiment:
    """Reads an experiment file.

    Args:
        path: A YAML file.
        overrides: Assignments like `training.epochs=1`; their values are YAML.

    Raises:
        InputError: The file is missing, is not YAML, or a key or value is wrong.
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
        _assign(values, assignment)
    return validated(Experiment, values, where=where)


def save_experiment(experiment: Experiment, path: str | os.PathLike) -> None:
    """Writes the resolved experiment, defaults included, as YAML."""
    with whole_file(path) as file:
        yaml.safe_dump(experiment.model_dump(mode="json"), file, sort_keys=False, allow_unicode=True)


def validated(kind: type[Section], values: dict, *, where: str) -> Section:
    """Makes a section from plain values, or says in one line which key is wrong and what it may be."""
    try:
        return kind.model_validate(values)
    except pydantic.ValidationError as error:
        raise _explain(kind, error, where) from None


def _assign(values: dict, assignment: str) -> None:
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


def _explain(kind: type[BaseModel], error: pydantic.ValidationError, where: str) -> InputError:
    faults = error.errors()
    # A union reports each of its members; a missing or unknown key tells more than those.
    fault = min(faults, key=lambda one: one["type"] not in ("extra_forbidden", "missing"))
    path = [str(part) for part in fault["loc"]]
    if fault["type"] == "extra_forbidden":
        choices = list(_section_at(kind, path[:-1]).model_fields)
        near = difflib.get_close_matches(path[-1], choices, n=1)
        mend = f"did you mean {near[0]}?" if near else f"the keys here are {', '.join(choices)}"
        return InputError(f"unknown key {'.'.join(path)}", where=where, mend=mend)
    if fault["type"] == "missing":
        return InputError(f"{'.'.join(path)} is missing", where=where, mend="add the key")
    if fault["type"] == "value_error":
        section = f"{'.'.join(path)}: " if path else ""
        return InputError(f"{section}{fault['ctx']['error']}", where=where)
    path = _real_path(kind, path)
    messages = [one["msg"] for one in faults if _real_path(kind, [str(p) for p in one["loc"]]) == path]
    wanted = " or ".join(dict.fromkeys(message.removeprefix("Input should be ") for message in messages))
    return InputError(f"{'.'.join(path)} is {fault['input']!r}", where=where, mend=f"it should be {wanted}")


def _section_at(kind: type[BaseModel], path: list[str]) -> type[BaseModel]:
    for name in path:
        field = kind.model_fields[name].annotation
        kind = next(one for one in (field, *get_args(field)) if isinstance(one, type) and issubclass(one, BaseModel))
    return kind


def _real_path(kind: type[BaseModel], path: list[str]) -> list[str]:
    """The keys of a fault's location, without the names of union members that pydantic adds."""
    real: list[str] = []
    for name in path:
        if name not in kind.model_fields:
            break
        real.append(name)
        field = kind.model_fields[name].annotation
        sections = [one for one in (field, *get_args(field)) if isinstance(one, type) and issubclass(one, BaseModel)]
        if not sections:
            break
        kind = sections[0]
    return real
