"""What `tfdomain prepare` is told: which columns, which steps, which shares."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import pydantic
from pydantic import Field

from tfdomain.config.loading import assign, read_values, validated
from tfdomain.config.sections import Section

__all__ = ["Preparation", "Steps", "load_preparation"]

PersonalData = Literal["EMAIL", "PHONE", "CARD", "IBAN", "RESIDENT_ID", "IP", "URL", "BIRTH_DATE"]
PERSONAL_DATA: tuple[PersonalData, ...] = ("EMAIL", "PHONE", "CARD", "IBAN", "RESIDENT_ID", "IP", "URL", "BIRTH_DATE")

# Signatures that miss few pairs of this similarity bring texts of 0.3 together in one of five cases.
LEAST_SIMILARITY = 0.7


class Steps(Section):
    """Which steps are taken, in this order.

    Attributes:
        clean: Broken Unicode, HTML remnants and white space are mended.
        language: Rows in other languages than `languages` are left out.
        personal_data: What is personal becomes a placeholder.
        names: So do people's names; needs the extra `names`.
        duplicates: Of equal texts one stays.
        near_duplicates: Of texts that are alike by `similarity` one stays.
        label_quality: Labels that look wrong are listed for review; needs the extra `quality`.
    """

    clean: bool = True
    language: bool = False
    personal_data: bool = True
    names: bool = False
    duplicates: bool = True
    near_duplicates: bool = True
    label_quality: bool = False


class Preparation(Section):
    """How raw files become a data set.

    Attributes:
        text: The column of the text.
        label: The column of the label; None: there is none.
        group: The column whose rows with one value stay in one split: a customer, say.
        time: The column of the moment: training is what came first, the test what came last.
        form: `auto` goes by the files' endings: `.txt` holds a document a line, `.conll` and `.iob` sentences,
            all others tables. `documents` takes each file as one text.
        split: The shares of training, validation and test.
        folds: Into how many folds the training rows are numbered (column `fold`); None: none.
        seed: Decides which rows go where.
        languages: ISO 639-1 codes of what the step `language` keeps, and of what the step `names` reads.
        personal_data: The kinds that are masked.
        regions: ISO 3166 codes of the countries whose national phone numbers are known by their form.
        name_models: spaCy models that find names, by language, in the place of `en_core_web_sm` and `zh_core_web_sm`:
            installed packages, or folders.
        similarity: The Jaccard similarity of character 5-grams from which texts are near-duplicates; 0.7 or more.
        quality_predictions: A file that `tfdomain predict` wrote, by which `label_quality` judges instead of a
            baseline: of a model that did not train on the rows. Looked for beside the file that names it, then in the
            working folder, then among the data sets.
        min_class_rows: Classes with fewer rows are listed as rare.
        steps: Which steps are taken.
    """

    text: str = "text"
    label: str | None = None
    group: str | None = None
    time: str | None = None
    form: Literal["auto", "table", "lines", "documents", "conll"] = "auto"
    split: tuple[float, float, float] = (0.8, 0.1, 0.1)
    folds: Annotated[int, Field(ge=2, le=100)] | None = None
    seed: Annotated[int, Field(ge=0)] = 0
    languages: list[str] = Field(["en", "zh"], min_length=1)
    personal_data: list[PersonalData] = Field(list(PERSONAL_DATA), min_length=1)
    regions: list[Annotated[str, Field(pattern="^[A-Z]{2}$")]] = Field(["US", "GB", "CN"])
    name_models: dict[str, str] = Field({})
    similarity: Annotated[float, Field(lt=1)] = 0.8
    quality_predictions: str | None = None
    min_class_rows: Annotated[int, Field(ge=1)] = 10
    steps: Steps = Steps()

    @pydantic.field_validator("split")
    @classmethod
    def _adds_up(cls, split):
        if min(split) < 0 or split[0] <= 0 or abs(sum(split) - 1) > 1e-6:
            raise ValueError(f"{list(split)} are no shares: give three that add up to 1, the first above 0")
        return split

    @pydantic.field_validator("similarity")
    @classmethod
    def _can_be_searched(cls, similarity):
        if similarity < LEAST_SIMILARITY:
            raise ValueError(
                f"{similarity} is too low: below {LEAST_SIMILARITY} so many unlike texts have to be compared that "
                "large data would take days; choose a higher one"
            )
        return similarity

    @pydantic.model_validator(mode="after")
    def _columns_differ(self):
        named = [name for name in (self.text, self.label, self.time) if name is not None]
        if len(set(named)) < len(named) or self.group == self.text:
            raise ValueError("one column is named for two things: name different ones")
        if self.group is not None and self.time is not None:
            raise ValueError("group and time are both named, and rows of a group have many moments: choose one")
        if self.steps.label_quality and self.label is None:
            raise ValueError("steps.label_quality is on, and no label is named: name its column in label")
        if self.name_models and not self.steps.names:
            raise ValueError("name_models is given, and nothing reads it: turn steps.names on")
        if self.quality_predictions is not None and not self.steps.label_quality:
            raise ValueError("quality_predictions is given, and nothing reads it: turn steps.label_quality on")
        return self


def load_preparation(
    path: str | os.PathLike | None, *, options: dict[str, Any] | None = None, assignments: Sequence[str] = ()
) -> Preparation:
    """Reads a configuration; what stands beside it wins over what stands in it.

    Args:
        path: A YAML file; None: the defaults.
        options: Keys with their values.
        assignments: Like `steps.language=true`; their values are YAML.

    Raises:
        InputError: The file cannot be read, or a key or value is wrong.
    """
    values = {} if path is None else read_values(path)
    predictions = values.get("quality_predictions")
    if path is not None and isinstance(predictions, str) and (Path(path).parent / predictions).exists():
        values["quality_predictions"] = str(Path(path).parent / predictions)
    values |= options or {}
    for assignment in assignments:
        assign(values, assignment)
    return validated(Preparation, values, where=str(path or "prepare"))
