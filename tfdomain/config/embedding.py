"""Experiments of `task: embedding`."""

from typing import Annotated, Literal

import pydantic
from pydantic import Field

from tfdomain.config.experiments import Experiment
from tfdomain.config.sections import DataFiles, FeatureKind, Head

__all__ = ["EmbedderHead", "EmbeddingData", "EmbeddingExperiment"]

PairColumns = Annotated[list[str], Field(min_length=2, max_length=3)]


class EmbeddingData(DataFiles):
    """Rows of two or three texts, or of two texts and a score.

    Attributes:
        text: The columns of the anchors and of their positives, and perhaps of hard negatives.
        label: The column with the score of each pair; None where there are no scores.
        empty_text: Whether a row without a text is a fault in training, or is trained on like any other.
        column_names: All columns of CSV and TSV files without a header, in their order.
    """

    text: PairColumns = Field(["anchor", "positive"])
    label: str | None = None
    empty_text: Literal["refuse", "keep"] = "refuse"
    column_names: Annotated[list[str], Field(min_length=1)] | None = None

    @property
    def text_columns(self) -> list[str]:
        """The columns that hold text."""
        return list(self.text)

    @property
    def feature_kinds(self) -> dict[str, FeatureKind | None]:
        """None: an embedder reads texts alone."""
        return {}


class EmbedderHead(Head):
    """How vectors come about, and what they are learned by.

    Attributes:
        pooling: `mean` of the tokens, or `cls`, the first token's vector.
        loss: `multiple_negatives` of pairs, perhaps with hard negatives; `triplet` of three texts; `cosine` of
            pairs with a score.
        scale: What `multiple_negatives` multiplies cosines with.
        margin: By how much `triplet` wants a negative further off than the positive.
        score_range: The scores of unrelated texts and of texts equal in meaning, for `cosine`.
        sampling_correction: Whether `multiple_negatives` makes up for positives that are frequent in training.
    """

    pooling: Literal["cls", "mean"] = "mean"
    loss: Literal["multiple_negatives", "triplet", "cosine"] = "multiple_negatives"
    scale: Annotated[float, Field(gt=0)] = 20.0
    margin: Annotated[float, Field(gt=0, le=2)] = 0.2
    score_range: tuple[float, float] = (0.0, 1.0)
    sampling_correction: bool = False

    @pydantic.field_validator("score_range")
    @classmethod
    def _rises(cls, score_range):
        if not score_range[0] < score_range[1]:
            raise ValueError(f"{list(score_range)} does not rise: give the lowest and the highest score")
        return score_range


class EmbeddingExperiment(Experiment):
    """Vectors of texts, learned from texts that belong together."""

    task: Literal["embedding"] = "embedding"
    data: EmbeddingData
    model: EmbedderHead = EmbedderHead()

    @pydantic.model_validator(mode="after")
    def _loss_fits_columns(self):
        loss, columns = self.model.loss, self.data.text
        if len(columns) not in {"multiple_negatives": (2, 3), "triplet": (3,), "cosine": (2,)}[loss]:
            wanted = {"multiple_negatives": "two or three", "triplet": "three", "cosine": "two"}[loss]
            raise ValueError(f"data.text names {len(columns)} columns, and the loss {loss} reads {wanted}")
        if (self.data.label is not None) != (loss == "cosine"):
            if loss == "cosine":
                raise ValueError("the loss cosine learns from scores: name their column in data.label")
            raise ValueError(f"data.label names scores, and the loss {loss} has no use for them: choose cosine")
        if self.model.sampling_correction and loss != "multiple_negatives":
            raise ValueError(f"model.sampling_correction is on, and the loss {loss} draws no negatives: leave it out")
        return self
