"""What `tfdomain pretrain` is told: a corpus, a vocabulary, what to guess, and how to train."""

import os
from typing import Annotated, Literal

import pydantic
from pydantic import Field

from tfdomain.config.loading import read_values, validated
from tfdomain.config.sections import Files, FitOptions, Rate, RunOptions, Section, Share

__all__ = ["SIZES", "Pretraining", "load_pretraining"]

SIZES = {
    "tiny": {"num_hidden_layers": 2, "hidden_size": 128, "num_attention_heads": 2},
    "mini": {"num_hidden_layers": 4, "hidden_size": 256, "num_attention_heads": 4},
    "small": {"num_hidden_layers": 4, "hidden_size": 512, "num_attention_heads": 8},
}
"""The encoders that can be begun from scratch: Turc et al. 2019, "Well-Read Students Learn Better", table 1."""
NOT_FOR_PRETRAINING = {
    "class_weights": "a corpus has no labels",
    "label_smoothing": "a corpus has no labels",
    "batch_tokens": "documents are packed into rows of one length",
    "jit": "a batch has any number of tokens to guess",
}


class Texts(Section):
    """Raw files.

    Attributes:
        files: A path, several, or a glob; relative to the experiment file or TFDOMAIN_DATA_DIR.
        text: The column of the text, of files that have columns; None: `text`, or that of a prepared folder's card.
    """

    files: Files
    text: str | None = None


class Guard(Texts):
    """Texts that must not be learned from: those that a task will be tested on.

    Attributes:
        similarity: The Jaccard similarity of character 5-grams from which a document is as good as such a text.
    """

    similarity: Annotated[float, Field(ge=0.7, lt=1)] = 0.8


class TaskTexts(Texts):
    """A task's texts, whose nearest documents are learned from, and no others.

    Attributes:
        per_text: Documents for each of them, by the cosine of the checkpoint's vectors.
    """

    per_text: Annotated[int, Field(ge=1)] = 50


class Replay(Texts):
    """General texts that are mixed in against forgetting.

    Attributes:
        share: Their share of all characters.
    """

    share: Share = 0.1


class Corpus(Texts):
    """What is learned from.

    Attributes:
        validation: The share of the documents that is held out, to measure on.
        guard: Texts that are kept out, with their near-duplicates and the documents that hold them.
        near: Only the documents nearest to these texts are learned from.
        replay: General texts that are mixed in.
    """

    validation: Share = 0.05
    guard: Guard | None = None
    near: TaskTexts | None = None
    replay: Replay | None = None


class Vocabulary(Section):
    """Which tokens there are.

    Attributes:
        mode: `keep` the checkpoint's, `extend` it by terms of the corpus, or `learn` a new one.
        terms: How many terms `extend` adds at most.
        size: How many tokens `learn` ends with at most.
        min_count: How often a term, or a learned token, stands in the corpus at least.
        lowercase: Whether a learned vocabulary knows small letters only.
    """

    mode: Literal["keep", "extend", "learn"] = "keep"
    terms: Annotated[int, Field(ge=1)] = 500
    size: Annotated[int, Field(ge=100)] = 30_000
    min_count: Annotated[int, Field(ge=1)] = 10
    lowercase: bool = True


class Objective(Section):
    """What is to be guessed.

    Attributes:
        kind: `mlm` guesses hidden tokens; `electra` tells which tokens a small generator has replaced.
        mask_rate: The share of the tokens that is hidden.
        whole_words: Whether all pieces of a word are hidden together.
        longest_span: The most words that are hidden together.
        generator_size: The generator's width and heads as a share of the encoder's (`electra`).
        detection_weight: The factor on the loss of telling replaced tokens (`electra`).
    """

    kind: Literal["mlm", "electra"] = "mlm"
    mask_rate: Share = 0.15
    whole_words: bool = True
    longest_span: Annotated[int, Field(ge=1, le=10)] = 1
    generator_size: Annotated[float, Field(gt=0, le=1)] = 0.25
    detection_weight: Annotated[float, Field(gt=0)] = 50.0

    @pydantic.model_validator(mode="after")
    def _spans_are_of_words(self):
        if self.longest_span > 1 and not self.whole_words:
            raise ValueError("longest_span counts words: leave whole_words on, or longest_span at 1")
        return self


class PretrainingOptions(RunOptions):
    """`RunOptions`, and what only pretraining has.

    With `patience` the model of the epoch with the lowest held-out loss is kept, and the last one's otherwise.

    Attributes:
        head_steps: Updates of the head alone, with the encoder as it is, before all is trained; only where the
            checkpoint has no such head.
    """

    learning_rate: Annotated[float, Field(gt=0)] = 1e-4
    head_steps: Annotated[int, Field(ge=0)] = 200

    @pydantic.model_validator(mode="after")
    def _no_labels_here(self):
        for name, reason in NOT_FOR_PRETRAINING.items():
            if getattr(self, name) != FitOptions.model_fields[name].default:
                raise ValueError(f"{name} is given, and {reason}: leave it out")
        if self.strategy == "tpu":
            raise ValueError(f"strategy is tpu, and {NOT_FOR_PRETRAINING['jit']}: choose another")
        return self


class Pretraining(Section):
    """One pretraining, whole.

    Attributes:
        name: Of the run.
        task: `continue` adapts a checkpoint, `scratch` begins with an encoder of a `size`.
        encoder: The checkpoint: a folder, `package:NAME/folder` or a Hub id.
        size: `tiny`, `mini` or `small`, of an encoder begun from scratch.
        max_length: Tokens of a row that documents are packed into.
        dropout_rate: One rate for every dropout; None keeps the checkpoint's.
        corpus: What is learned from.
        vocabulary: Which tokens there are; from scratch it is always learned.
        objective: What is to be guessed.
        training: How.
        neighbours: Words whose nearest words are shown before and after.
        measured_texts: Held-out documents that the pseudo-perplexity is measured on; 0: it is not.
    """

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][\w.-]*$")]
    task: Literal["continue", "scratch"] = "continue"
    encoder: str | None = None
    size: Literal["tiny", "mini", "small"] | None = None
    max_length: Annotated[int, Field(ge=16, le=512)] = 128
    dropout_rate: Rate | None = None
    corpus: Corpus
    vocabulary: Vocabulary = Vocabulary()
    objective: Objective = Objective()
    training: PretrainingOptions = PretrainingOptions()
    neighbours: list[str] = Field([])
    measured_texts: Annotated[int, Field(ge=0)] = 50

    @pydantic.model_validator(mode="after")
    def _begins_somewhere(self):
        if self.task == "continue" and (self.encoder is None or self.size is not None):
            raise ValueError("task continue goes on from a checkpoint: name it in encoder, and give no size")
        if self.task == "scratch":
            if self.size is None or self.encoder is not None:
                raise ValueError("task scratch begins an encoder: give a size (tiny, mini, small), and no encoder")
            if self.vocabulary.mode != "learn":
                raise ValueError("task scratch has no checkpoint's vocabulary: set vocabulary.mode to learn")
            if self.corpus.near is not None:
                raise ValueError("corpus.near compares by a checkpoint's vectors, which task scratch has not")
        return self


def load_pretraining(path: str | os.PathLike, overrides: list[str] | tuple[str, ...] = ()) -> Pretraining:
    """Reads a pretraining file.

    Args:
        path: A YAML file.
        overrides: Assignments like `training.epochs=1`; their values are YAML.

    Raises:
        InputError: The file is missing, is not YAML, or a key or value is wrong.
    """
    return validated(Pretraining, read_values(path, overrides), where=str(path))
