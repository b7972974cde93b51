"""Whether a training's updates are compiled by XLA, and whether they can be."""

import re
from typing import Any, TypeVar

import tensorflow as tf

from tfdomain.config import FitOptions
from tfdomain.errors import InputError, TfdomainError
from tfdomain.optimization.exchange import on_tpu
from tfdomain.optimization.loop import EpochSource

__all__ = ["check_compiles", "check_fixed_shapes", "resolved", "shapes_of"]

Options = TypeVar("Options", bound=FitOptions)

KEY = "training.jit"
# How XLA names the first operation that it does not know.
UNKNOWN_OPERATION = re.compile(r"unsupported operations.*?: (\w+) \(", re.DOTALL)
SHOWN_CHARACTERS = 120


def resolved(options: Options, *, before: bool | None = None) -> Options:
    """The options of a training with `jit` decided for the strategy at hand: `auto` compiles on TPUs, and only there.

    Args:
        options: As people give them.
        before: What was chosen when the run began, and is kept: what is compiled rounds otherwise.

    Raises:
        InputError: The choice does not fit the strategy or the batches.
    """
    jit = options.jit
    if jit == "auto":
        jit = on_tpu() if before is None else before
    num_replicas = tf.distribute.get_strategy().num_replicas_in_sync
    if on_tpu() and not jit:
        raise InputError("is false, and a TPU runs what is compiled alone", where=KEY, mend="set it to auto")
    if jit and num_replicas > 1 and not on_tpu():
        problem = f"is true, and {num_replicas} replicas meet within an update, which only a TPU's compiler can"
        raise InputError(problem, where=KEY, mend="set it to false, or training.strategy to none")
    if jit and options.batch_tokens is not None:
        problem = "is given, and what is compiled wants batches of equally many rows"
        raise InputError(problem, where="training.batch_tokens", mend="give batch_size in place of it")
    return options.model_copy(update={"jit": jit})


def shapes_of(batch: Any) -> Any:
    """The specs of a batch's tensors with their very shapes, per replica under a strategy."""
    return tf.nest.map_structure(tf.type_spec_from_value, batch)


def check_fixed_shapes(model, options: FitOptions, *, is_dataset: bool = False) -> None:
    """Refuses to compile what has no fixed shapes.

    Args:
        model: What is to be trained.
        options: How, with `jit` decided.
        is_dataset: Whether it is to learn from a `tf.data.Dataset`.

    Raises:
        InputError: A task's updates have shapes of their own, or the data set's batches.
    """
    if options.jit is not True or (model.has_fixed_shapes and not is_dataset):
        return
    whose = "the batches of a data set" if is_dataset else f"the updates of this {model.task}"
    mend = "set training.strategy to none" if on_tpu() else "set it to false"
    raise InputError(f"{whose} have no fixed shapes, and cannot be compiled", where=KEY, mend=mend)


def check_compiles(model, source: EpochSource) -> None:
    """Finds out before the first update whether XLA takes it, where the options ask for that.

    Args:
        model: What `prepare_training` was called of.
        source: The batches that it is to learn from.

    Raises:
        InputError: It does not.
    """
    if model.options.jit is not True or on_tpu():
        return
    (batch,) = source.epoch(0).take(1)
    train = model.make_train_function(shapes_of(batch))
    try:
        train.experimental_get_compiler_ir(batch, tf.constant(0, tf.int64))(stage="hlo")
    except TfdomainError:
        raise
    except (tf.errors.OpError, TypeError, ValueError) as error:
        found = UNKNOWN_OPERATION.search(str(error))
        reason = f"the operation {found[1]}" if found else str(error).strip().splitlines()[0][:SHOWN_CHARACTERS]
        problem = f"XLA cannot compile the updates of this {model.task}: {reason}"
        raise InputError(problem, where=KEY, mend="set it to false") from error
