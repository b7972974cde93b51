"""Experiments of `task: tagging`."""

from typing import Annotated, Literal

import pydantic
from pydantic import Field

from tfdomain.config.experiments import Experiment
from tfdomain.config.sections import DataFiles, Head

__all__ = ["TaggerHead", "TaggingData", "TaggingExperiment"]

Column = Annotated[int, Field(ge=1, strict=True)] | str


class TaggingData(DataFiles):
    """Texts with labelled spans, or words with tags.

    The ending and the content of a file tell its form; of CoNLL files nothing but their names is needed.

    Attributes:
        words: The column of words in CoNLL files, by its number from 1 or its name; None: the first.
        tags: The column of tags, likewise; None: the last.
        text: The key or column of the text, in files of texts with spans.
        entities: The key or column of the entities; None: the first of `entities`, `spans`, `label`, `labels`.
        scheme: What the tags follow: `iob1`, `iob2`, `bioes`, `bmes` and so on; `auto` tells it from all of them.
        joiner: What stands between words in a text; None: nothing if most words are a single Chinese or
            Japanese character, else a space.
        ends: Whether the ends of listed spans lie after their last character or on it.
        on_illegal_tags: Refuse tags that break their scheme, or read them as conlleval does.
        on_overlap: Refuse entities that overlap, or keep the longest.
    """

    words: Column | None = None
    tags: Column | None = None
    text: str = "text"
    entities: str | None = None
    scheme: str = "auto"
    joiner: Literal["", " "] | None = None
    ends: Literal["exclusive", "inclusive"] = "exclusive"
    on_illegal_tags: Literal["refuse", "repair"] = "refuse"
    on_overlap: Literal["refuse", "longest"] = "refuse"

    @pydantic.field_validator("text", mode="before")
    @classmethod
    def _take_one_name(cls, text):
        # What the command line gives is a list of columns.
        return text[0] if isinstance(text, list) and len(text) == 1 else text


class TaggerHead(Head):
    """The head of a tagger.

    Attributes:
        decoder: `softmax`: each unit's tag by itself; `crf`: the likeliest legal tagging of the whole text.
        scheme: The tags that are learned inside, whatever the files have.
        label_pieces: What is tagged: the first piece of each word, for the whole word, or every piece.
    """

    decoder: Literal["softmax", "crf"] = "softmax"
    scheme: Literal["bio", "bioes"] = "bio"
    label_pieces: Literal["first", "all"] = "first"


class TaggingExperiment(Experiment):
    """Labelled spans in a text."""

    task: Literal["tagging"] = "tagging"
    data: TaggingData
    model: TaggerHead = TaggerHead()
