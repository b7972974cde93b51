"""The part of a run that a kill may interrupt: its updates, from the state that the last process left."""

from collections.abc import Sequence
from typing import Any

import keras

from tfdomain.models.encoder_model import EncoderModel
from tfdomain.optimization.loop import EpochSource
from tfdomain.training.board import TensorBoardLogger
from tfdomain.training.callbacks import BestModel, Measured, ProgressFile, StateKeeper
from tfdomain.training.logs import TrainGraph
from tfdomain.training.run_folder import RunFolder
from tfdomain.training.state import read_state
from tfdomain.training.throughput import Throughput

__all__ = ["fit_resumably"]


def fit_resumably(
    model: EncoderModel,
    source: EpochSource,
    run: RunFolder,
    board: TensorBoardLogger,
    *,
    validation: Measured | None,
    best: str | None,
    patience: int | None,
    checkpoint_seconds: float,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    verbose: str | int = "auto",
) -> dict[str, Any]:
    """Trains a prepared model from the run's last state on; from the beginning where there is none.

    Args:
        model: What `prepare_training` was called of.
        source: The batches.
        run: Where the state, the best model and the progress stand.
        board: Gets every figure, and the graph of an update.
        validation: Measures the model after each epoch; None: nothing does.
        best: The figure of `validation` by which the best epoch's model is kept; None keeps none.
        patience: Epochs without a better `best` after which the training stops; None never stops it.
        checkpoint_seconds: Seconds between two states.
        callbacks: Further ones, which keep nothing that a resumed run needs.
        verbose: 0 shows no progress.

    Returns:
        How fast it was, as `Throughput.figures` tells.

    Raises:
        InputError: The state is damaged.
        TfdomainError: The loss is no longer a finite number.
    """
    keep_best = None
    if best is not None and validation is not None:
        keep_best = BestModel(run.best, best, validation, patience)
    throughput = Throughput()
    keeper = StateKeeper(run.state, seconds=checkpoint_seconds, best=keep_best)
    state, resumed_from = None, None
    if run.state.is_file():
        state, stored = read_state(run.state, model)
        resumed_from = state.step
        if keep_best:
            keep_best.restore(stored)
        if stored["stopped"]:
            model.loop_state = state
            return throughput.figures()
        print(f"resumed from step {resumed_from}", flush=True)
    progress = ProgressFile(run.progress, resumed_from)
    # The keeper comes last: what it stores of the others is of the same moment.
    every = [board, TrainGraph(board), *callbacks, throughput, progress, *([keep_best] if keep_best else []), keeper]
    model.fit_batches(source, state=state, validate=validation, callbacks=every, verbose=verbose)
    return throughput.figures()
