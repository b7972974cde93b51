"""Which settings a search tries, and how it chooses among them."""

from collections.abc import Iterator
from typing import Annotated, Any, Literal

import pydantic
from pydantic import Field

from tfdomain.config.sections import Section

__all__ = ["Dimension", "Search"]

Bounds = Annotated[list[float], Field(min_length=2, max_length=2)]
WholeBounds = Annotated[list[Annotated[int, Field(strict=True)]], Field(min_length=2, max_length=2)]
Choices = Annotated[list[Any], Field(min_length=2)]


class Dimension(Section):
    """What one key may be: one of three.

    Attributes:
        float: The least and the largest number.
        int: The least and the largest whole number.
        choice: The values themselves.
        log: Whether numbers are spread over their orders of magnitude, and not evenly.
    """

    float: Bounds | None = None
    int: WholeBounds | None = None
    choice: Choices | None = None
    log: bool = False

    @property
    def extremes(self) -> list[Any]:
        """The values that, if they are right, make all others right: all choices, or both bounds."""
        return self.choice or self.float or self.int or []

    @property
    def domain(self) -> tuple[Any, Any] | list[Any]:
        """The bounds of numbers as a tuple, or the choices as a list."""
        bounds = self.float or self.int
        return list(self.choice or []) if bounds is None else (bounds[0], bounds[1])

    @pydantic.model_validator(mode="after")
    def _just_one(self):
        if len(self.model_dump(exclude_none=True, exclude={"log"})) != 1:
            raise ValueError("give one of float, int and choice")
        if self.choice is not None:
            if self.log:
                raise ValueError("log is of numbers between bounds: leave it out beside choice")
            if any(value in self.choice[:place] for place, value in enumerate(self.choice)):
                raise ValueError(f"choice is {self.choice}: name each value once")
            return self
        name, (low, high) = "int" if self.float is None else "float", self.extremes
        if low >= high:
            raise ValueError(f"{name} is [{low}, {high}]: write the smaller bound first, and then a larger one")
        if self.log and low <= 0:
            raise ValueError(f"{name} is [{low}, {high}]: with log both bounds are to be above 0")
        return self


class Search(Section):
    """What `tfdomain tune` does; `tfdomain train` takes no notice of it.

    Attributes:
        tuner: How settings are chosen: at `random`, all of a `grid`, by a Gaussian process (`bayesian`), or at random
            with most of them stopped early (`hyperband`).
        objective: The key of `metrics.json` that settings are compared by, such as `validation.macro_f1`.
        space: The keys that are searched, dotted, each with what it may be.
        trials: How many settings are tried at most.
        hours: After how many hours no further trial begins.
        minutes: The most minutes that a trial may take; one that takes longer has failed. None: any number.
        memory_gib: The most memory that a trial's process may have. None: whatever the machine has.
        seed: Decides which settings are tried.
    """

    tuner: Literal["random", "grid", "bayesian", "hyperband"] = "random"
    objective: str
    space: Annotated[dict[str, Dimension], Field(min_length=1)]
    trials: Annotated[int, Field(ge=1, strict=True)] | None = None
    hours: Annotated[float, Field(gt=0)] | None = None
    minutes: Annotated[float, Field(gt=0)] | None = None
    memory_gib: Annotated[float, Field(gt=0)] | None = None
    seed: Annotated[int, Field(ge=0, lt=2**31 - 1, strict=True)] = 0

    @property
    def metric(self) -> str:
        """The objective as the validation rows' metrics name it."""
        return self.objective.partition(".")[2]

    def assignments(self) -> Iterator[tuple[str, Any]]:
        """Each key with each of the values that are checked before a search begins."""
        for key, dimension in self.space.items():
            for value in dimension.extremes:
                yield key, value

    @pydantic.model_validator(mode="after")
    def _ends(self):
        if self.tuner in ("random", "bayesian") and self.trials is None and self.hours is None:
            raise ValueError(f"a {self.tuner} search goes on for ever: give trials or hours")
        return self

    @pydantic.model_validator(mode="after")
    def _is_measured_on_validation_rows(self):
        part, _, metric = self.objective.partition(".")
        if part != "validation" or not metric:
            mend = f"write validation.{self.objective.rpartition('.')[2]}"
            raise ValueError(f"objective is {self.objective!r}; settings are chosen on validation rows: {mend}")
        return self

    @pydantic.model_validator(mode="after")
    def _space_is_of_runs(self):
        for key in self.space:
            if key.split(".")[0] in ("search", "task", "name"):
                raise ValueError(f"space names {key}, which is the same in all trials: leave it out")
        for key in ("training.epochs", "training.stop_after"):
            if self.tuner == "hyperband" and key in self.space:
                raise ValueError(f"space names {key}, which hyperband itself decides: leave it out")
        return self
