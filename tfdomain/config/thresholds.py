"""From which probability on a label is given: a number, or how it is chosen on the validation rows."""

from typing import Annotated, Any

import pydantic
from pydantic import Field

from tfdomain.config.experiments import Experiment, PooledHead
from tfdomain.config.sections import Section

__all__ = ["ErrorCosts", "ThresholdExperiment", "ThresholdHead", "ThresholdRule"]


class ErrorCosts(Section):
    """What each kind of error costs, in any unit.

    Attributes:
        false_positive: A label that was given wrongly.
        false_negative: A label that was missed.
    """

    false_positive: Annotated[float, Field(ge=0)]
    false_negative: Annotated[float, Field(ge=0)]


class ThresholdRule(Section):
    """One of three: a number that is fixed, or what is best on the validation rows by a metric or by costs.

    Attributes:
        value: The threshold itself.
        metric: A metric of `tfdomain.metrics.thresholds`: `f1` or another F-beta, `accuracy`,
            `balanced_accuracy`, `youden`.
        costs: The costs whose mean is to be least.
    """

    value: Annotated[float, Field(gt=0, lt=1)] | None = None
    metric: str | None = None
    costs: ErrorCosts | None = None

    @pydantic.model_validator(mode="after")
    def _just_one(self):
        if len(self.model_dump(exclude_none=True)) != 1:
            raise ValueError("give one of value, metric and costs")
        return self

    @property
    def is_chosen(self) -> bool:
        """Whether validation rows decide."""
        return self.value is None


class ThresholdHead(PooledHead):
    """A head whose probabilities become labels by a threshold.

    Attributes:
        threshold: A number between 0 and 1, `{metric: f1}`, or `{costs: {false_positive: 1, false_negative: 5}}`;
            None: the task's own rule.
    """

    threshold: ThresholdRule | None = None

    @pydantic.field_validator("threshold", mode="before")
    @classmethod
    def _name_the_value(cls, threshold):
        if isinstance(threshold, int | float):
            return {"value": threshold}
        if isinstance(threshold, str):
            raise ValueError(f"is {threshold!r}; give a number, {{metric: f1}} or {{costs: {{...}}}}")
        return threshold

    def settings(self) -> dict[str, Any]:
        """The arguments of the model's constructor: `threshold` if it is fixed, `threshold_by` if it is chosen."""
        settings = {name: value for name, value in super().settings().items() if name != "threshold"}
        if self.threshold is None:
            return settings
        if not self.threshold.is_chosen:
            return settings | {"threshold": self.threshold.value}
        return settings | {"threshold_by": self.threshold.model_dump(exclude_none=True)}


class ThresholdExperiment(Experiment):
    """An experiment whose head may have a threshold."""

    @pydantic.model_validator(mode="after")
    def _threshold_needs_validation(self):
        threshold = getattr(self.model, "threshold", None)
        if threshold is not None and threshold.is_chosen and self.data.validation is None:
            raise ValueError("model.threshold is chosen on validation rows: set data.validation, or give a number")
        return self
