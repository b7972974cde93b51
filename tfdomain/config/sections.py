"""What every experiment has, whatever its task: files and options of training."""

from typing import Annotated, Literal, get_args

import pydantic
from pydantic import BaseModel, ConfigDict, Field

__all__ = [
    "DataFiles",
    "FeatureKind",
    "FitOptions",
    "Fold",
    "Head",
    "Rate",
    "RunOptions",
    "Section",
    "Strategy",
    "TextData",
    "Training",
]

Share = Annotated[float, Field(gt=0, lt=1)]
Rate = Annotated[float, Field(ge=0, lt=1)]
Files = str | list[str]
FeatureKind = Literal["numeric", "category", "date"]
Strategy = Literal["auto", "none", "mirrored", "multi_worker", "tpu"]
Features = list[str] | dict[str, FeatureKind | None]


class Section(BaseModel):
    """Keys with checked values; an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @pydantic.model_validator(mode="before")
    @classmethod
    def _refuse_booleans(cls, values):
        # Python would take yes and no for 1 and 0 where a number is meant.
        for key, value in values.items() if isinstance(values, dict) else ():
            field = cls.model_fields.get(key)
            if not isinstance(value, bool) or field is None or field.annotation is bool:
                continue
            if value not in get_args(field.annotation):
                raise ValueError(f"{key} is {value}, which says nothing here; a word like yes or no needs quotes")
        return values


class Fold(Section):
    """One of the parts that training rows are cut into, to be tested on; the others are trained on.

    Attributes:
        number: Which part, from 1.
        of: How many parts there are.
        group: The column whose rows of one value stay in one part; of CoNLL files `document`.
        time: The column that rows are put in order by: tested on is what comes after everything that is trained on.
        seed: Decides which rows are in which part; with `time` it decides nothing.
    """

    number: Annotated[int, Field(ge=1, strict=True)]
    of: Annotated[int, Field(ge=2, strict=True)]
    group: str | None = None
    time: str | None = None
    seed: Annotated[int, Field(ge=0, lt=2**31, strict=True)] = 0

    @property
    def columns(self) -> list[str]:
        """The columns that it needs."""
        return [name for name in (self.group, self.time) if name is not None]

    @pydantic.model_validator(mode="after")
    def _is_one_part(self):
        if self.number > self.of:
            raise ValueError(f"fold.number is {self.number}, and there are {self.of} folds")
        if self.group is not None and self.time is not None:
            raise ValueError("folds are cut by group or by time: name one column")
        return self


class DataFiles(Section):
    """Which files are read.

    Attributes:
        train: A path, several, or a glob; relative to the experiment file or TFDOMAIN_DATA_DIR.
        validation: A share of the training rows (seeded; stratified where rows have one label), files, or nothing.
        test: Files, or nothing.
        fold: Which part of the training rows is kept from training and tested on, in place of `test`.
        on_bad_row: Refuse a file that has rows with faults, or skip and count them.
    """

    train: Files
    validation: Share | Files | None = None
    test: Files | None = None
    fold: Fold | None = None
    on_bad_row: Literal["refuse", "skip"] = "refuse"

    def columns(self) -> dict:
        """What tells how files are read, without their names: the form of further files of the same kind."""
        return self.model_dump(mode="json", exclude={"train", "validation", "test", "fold", "on_bad_row"})

    @pydantic.model_validator(mode="after")
    def _one_test(self):
        if self.fold is not None and self.test is not None:
            raise ValueError("a fold is tested on in place of test: set test to null")
        return self


class TextData(DataFiles):
    """Files of rows with one text, or a pair of texts, a table of features, or both.

    Attributes:
        text: The column with the text, or the two columns of a pair; None reads no text.
        empty_text: Whether a row without a text is a fault in training, or is trained on like any other.
        features: The columns that are read beside the text, perhaps each with its kind.
        refuse_columns: Columns that no other key may name, since they were written after the outcome, say.
        column_names: All columns of CSV and TSV files without a header, in their order.
    """

    text: str | Annotated[list[str], Field(min_length=1, max_length=2)] | None = "text"
    empty_text: Literal["refuse", "keep"] = "refuse"
    features: Features = []
    refuse_columns: list[str] = []
    column_names: Annotated[list[str], Field(min_length=1)] | None = None

    @property
    def text_columns(self) -> list[str]:
        """The one or two columns that hold text; none of a table alone."""
        return [self.text] if isinstance(self.text, str) else list(self.text or [])

    @property
    def feature_kinds(self) -> dict[str, FeatureKind | None]:
        """The features' columns and, where they are declared, their kinds."""
        return dict(self.features) if isinstance(self.features, dict) else dict.fromkeys(self.features)

    @pydantic.model_validator(mode="after")
    def _each_column_has_one_use(self):
        if not self.text_columns and not self.feature_kinds:
            raise ValueError("there is neither a text nor a feature: name one in text or features")
        # Whatever further keys a task has: what they hold may be the name of a column.
        others = set(type(self).model_fields) - set(DataFiles.model_fields)
        others -= {"empty_text", "refuse_columns", "column_names"}
        for key in sorted(others):
            value = getattr(self, key)
            named = [value] if isinstance(value, str) else list(value) if isinstance(value, (list, dict)) else []
            refused = [name for name in named if name in self.refuse_columns]
            if refused:
                raise ValueError(f"{key} names the column {refused[0]!r}, which refuse_columns refuses")
            shared = [name for name in named if key != "features" and name in self.feature_kinds]
            if shared:
                raise ValueError(f"the column {shared[0]!r} is both in features and in {key}")
        return self


class Head(Section):
    """What is put on the encoder.

    Attributes:
        dropout_rate: One rate for every dropout of the model; None keeps the checkpoint's rates.
    """

    dropout_rate: Rate | None = None

    def settings(self) -> dict:
        """The arguments of the model's constructor that the section gives."""
        return self.model_dump(exclude={"dropout_rate"})


class FitOptions(Section):
    """How weights are trained; the arguments of `fit` and most of an experiment's `training`.

    Attributes:
        epochs: Passes over the training rows.
        batch_size: Examples of one batch, over all replicas together.
        batch_tokens: In place of it the most tokens of one batch with its padding: short texts share large batches,
            long ones small ones.
        accumulate: Batches of one update, computed one after the other: as if they were one, in the memory of one.
        recompute: Whether the encoder's layers are computed a second time for the gradient, instead of being kept: more
            time, less memory, the same gradients.
        learning_rate: Its peak, reached after the warm-up.
        warmup_rate: Share of all steps in which the learning rate rises.
        weight_decay: Decoupled weight decay; biases and norms are spared.
        optimizer: `adamw`, or `sgd` without momentum.
        clip_norm: Largest global norm of the gradients; None clips nothing.
        layer_decay: Factor on the learning rate for each layer further from the head.
        head_rate: Factor on the learning rate of what no checkpoint has: the head, and what reads a table.
        frozen_layers: Lowest encoder layers that stay as they are, with the embeddings; 0 trains all.
        class_weights: `balanced` (inverse to frequency) or a weight by label.
        label_smoothing: Share of each label that is spread over all classes.
        seed: Of the order of rows, the dropout, the head's first weights and the split.
        jit: Whether updates are compiled by XLA, on batches padded to a few lengths and filled up to `batch_size` rows;
            `auto`: on TPUs alone.
    """

    epochs: Annotated[int, Field(ge=1, strict=True)] = 3
    batch_size: Annotated[int, Field(ge=1, strict=True)] = 32
    batch_tokens: Annotated[int, Field(ge=1, strict=True)] | None = None
    accumulate: Annotated[int, Field(ge=1, strict=True)] = 1
    recompute: bool = False
    learning_rate: Annotated[float, Field(gt=0)] = 5e-5
    warmup_rate: Rate = 0.1
    weight_decay: Annotated[float, Field(ge=0)] = 0.01
    optimizer: Literal["adamw", "sgd"] = "adamw"
    clip_norm: Annotated[float, Field(gt=0)] | None = 1.0
    layer_decay: Annotated[float, Field(gt=0, le=1)] = 1.0
    head_rate: Annotated[float, Field(gt=0)] = 1.0
    frozen_layers: Annotated[int, Field(ge=0, strict=True)] = 0
    class_weights: Literal["balanced"] | dict[str, Annotated[float, Field(gt=0)]] | None = None
    label_smoothing: Rate = 0.0
    seed: Annotated[int, Field(ge=0, lt=2**31, strict=True)] = 0
    jit: Literal["auto", True, False] = "auto"

    @property
    def rows_per_update(self) -> int:
        """Examples of one update, over all replicas together."""
        return self.batch_size * self.accumulate

    @property
    def tokens_per_update(self) -> int | None:
        """The most tokens of one update, where they decide and not its examples."""
        return None if self.batch_tokens is None else self.batch_tokens * self.accumulate

    @pydantic.model_validator(mode="after")
    def _batches_are_of_rows_or_of_tokens(self):
        if self.batch_tokens is not None and self.batch_size != type(self).model_fields["batch_size"].default:
            raise ValueError("batch_size and batch_tokens are both given: leave one of them out")
        if self.batch_tokens is not None and self.jit is True:
            raise ValueError("jit wants batches of equally many rows: give batch_size in place of batch_tokens")
        return self

    @pydantic.field_validator("class_weights", mode="before")
    @classmethod
    def _name_classes(cls, weights):
        if not isinstance(weights, dict):
            return weights
        for label in weights:
            if isinstance(label, bool):
                raise ValueError(f"the label {label} is no word; words like yes and no need quotes")
        return {str(label): weight for label, weight in weights.items()}


class RunOptions(FitOptions):
    """`FitOptions`, and what only a run with a folder of its own can do.

    Attributes:
        patience: Epochs without a better figure after which the run stops; None never stops.
        checkpoint_seconds: Seconds between two states that `--resume` can go on from.
        strategy: Which devices share each batch: one (`none`), all of this machine (`mirrored`), or those of all
            processes that TF_CONFIG names (`multi_worker`), or the cores of a TPU (`tpu`); `auto` tells from `tpu`, the
            devices of this machine and TF_CONFIG.
        precision: What the updates are computed in; the model that is kept is in float32 whatever it is.
            `mixed_float16` scales the loss, and leaves out updates whose gradients overflow.
    """

    patience: Annotated[int, Field(ge=1, strict=True)] | None = None
    checkpoint_seconds: Annotated[float, Field(ge=0)] = 30.0
    strategy: Strategy = "auto"
    precision: Literal["float32", "mixed_bfloat16", "mixed_float16"] = "float32"


class Training(RunOptions):
    """`RunOptions`, and which epoch's model is kept, and on which TPU it is trained.

    Attributes:
        best: The validation metric whose best epoch becomes the model, and which `patience` waits for; None keeps the
            last epoch.
        stop_after: Epochs after which the run ends, with a learning rate that was to fall over all `epochs`; it keeps
            the state that a longer run can go on from. None: all.
        tpu: The TPU: its name, `grpc://host:port`, or `local`, where this machine is its host; None: `local`.
    """

    best: str | None = None
    stop_after: Annotated[int, Field(ge=1, strict=True)] | None = None
    tpu: str | None = None

    @pydantic.model_validator(mode="after")
    def _patience_needs_best(self):
        if self.patience is not None and self.best is None:
            raise ValueError("patience waits for a better metric: name it in training.best")
        return self

    @pydantic.model_validator(mode="after")
    def _fits_a_tpu(self):
        if self.tpu is not None and self.strategy not in ("auto", "tpu"):
            raise ValueError(f"tpu is given, and strategy is {self.strategy}: set strategy to tpu, or leave tpu out")
        if self.tpu is not None or self.strategy == "tpu":
            if self.jit is False:
                raise ValueError("jit is false, and a TPU runs what is compiled alone: leave jit out")
            if self.batch_tokens is not None:
                raise ValueError("a TPU wants batches of equally many rows: give batch_size in place of batch_tokens")
            if self.precision == "mixed_float16":
                raise ValueError("a TPU has no float16: set precision to mixed_bfloat16")
        return self

    @pydantic.model_validator(mode="after")
    def _stops_within_its_epochs(self):
        if self.stop_after is not None and self.stop_after > self.epochs:
            raise ValueError(f"stop_after is {self.stop_after}, and there are {self.epochs} epochs")
        return self

    @property
    def is_cut_short(self) -> bool:
        """Whether a longer run can go on from where it ends."""
        return self.stop_after is not None and self.stop_after < self.epochs
