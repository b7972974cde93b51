"""What a run shows in TensorBoard beyond what costs nothing."""

from typing import Annotated

import pydantic
from pydantic import Field

from tfdomain.config.sections import Section

__all__ = ["Board"]

Step = Annotated[int, Field(ge=1, strict=True)]


class Board(Section):
    """What TensorBoard shows of a run beside what every run shows.

    Attributes:
        points: Validation texts whose vectors the PROJECTOR tab shows at the run's end, evenly drawn; 0: none.
        histograms: Whether the weights, and the gradients of one batch, are shown after each epoch.
        profile: The first and the last update that are profiled, as `[10, 20]`; None: none are.
    """

    points: Annotated[int, Field(ge=0, le=10_000, strict=True)] = 500
    histograms: bool = False
    profile: tuple[Step, Step] | None = None

    @pydantic.model_validator(mode="after")
    def _first_before_last(self):
        if self.profile is not None and self.profile[0] > self.profile[1]:
            raise ValueError(f"profile begins at update {self.profile[0]} and ends at {self.profile[1]}: turn them")
        return self
