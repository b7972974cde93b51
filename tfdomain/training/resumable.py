"""The part of a run that a kill may interrupt: its updates, from the state that the last process left."""

from collections.abc import Sequence
from typing import Any

import keras

from tfdomain.files import read_json
from tfdomain.models.encoder_model import EncoderModel
from tfdomain.optimization.loop import EpochSource
from tfdomain.training.board import TensorBoardLogger
from tfdomain.training.callbacks import BestModel, Measured, ProgressFile, StateKeeper
from tfdomain.training.logs import TrainGraph
from tfdomain.training.run_folder import RunFolder
from tfdomain.training.state import read_state
from tfdomain.training.throughput import Throughput
from tfdomain.training.workers import Workers

__all__ = ["fit_resumably"]


def fit_resumably(
    model: EncoderModel,
    source: EpochSource,
    run: RunFolder,
    board: TensorBoardLogger,
    workers: Workers,
    *,
    validation: Measured | None,
    best: str | None,
    patience: int | None,
    checkpoint_seconds: float,
    stop_after: int | None = None,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    verbose: str | int = "auto",
) -> dict[str, Any]:
    """Trains a prepared model from the run's last state on; from the beginning where there is none.

    Args:
        model: What `prepare_training` was called of.
        source: The batches.
        run: Where the state, the best model and the progress stand, of the chief.
        board: Gets every figure, and the graph of an update, of the chief.
        workers: The processes that train; the chief writes and measures.
        validation: Measures the model after each epoch; None: nothing does.
        best: The figure of `validation` by which the best epoch's model is kept; None keeps none.
        patience: Epochs without a better `best` after which the training stops; None never stops it.
        checkpoint_seconds: Seconds between two states.
        stop_after: Epochs after which this run ends; None: all of the model's options.
        callbacks: Further ones of the chief, which keep nothing that a resumed run needs.
        verbose: 0 shows no progress.

    Returns:
        How fast it was, as `Throughput.figures` tells.

    Raises:
        InputError: The state is damaged.
        TfdomainError: The loss is no longer a finite number, or another process is gone.
    """
    measured = None if validation is None else _MeasuredByChief(validation, workers)
    keep_best = None
    throughput = Throughput()
    if best is not None and measured is not None:
        keep_best = BestModel(run.best if workers.is_chief else None, best, measured, patience)
    state, resumed_from = None, None
    workers.share(run.state)
    if run.state.is_file():
        state, stored = read_state(run.state, model)
        resumed_from = state.step
        if keep_best:
            keep_best.restore(stored)
        if stored["stopped"]:
            model.loop_state = state
            return throughput.figures()
        if workers.is_chief:
            _tell_resumed(run, resumed_from, workers)
    every = [throughput, *([keep_best] if keep_best else [])]
    if workers.is_chief:
        keeper = StateKeeper(run.state, seconds=checkpoint_seconds, best=keep_best)
        # The keeper comes last: what it stores of the others is of the same moment.
        every = [board, TrainGraph(board), *callbacks, ProgressFile(run.progress, resumed_from), *every, keeper]
    with workers.strategy.scope():
        shown = verbose if workers.is_chief else 0
        model.fit_batches(source, state=state, validate=measured, callbacks=every, verbose=shown, stop_after=stop_after)
    return throughput.figures()


class _MeasuredByChief:
    """The chief's figures of an epoch, in every process: all stop where it stops, whatever their rounding."""

    def __init__(self, measured: Measured, workers: Workers):
        self._measured, self._workers = measured, workers
        self.metrics: dict[str, Any] = {}

    def __call__(self) -> dict[str, float]:
        figures, self.metrics = self._workers.from_chief(lambda: (self._measured(), self._measured.metrics))
        return figures


def _tell_resumed(run: RunFolder, step: int, workers: Workers) -> None:
    print(f"resumed from step {step}", flush=True)
    now = workers.strategy.num_replicas_in_sync
    before = read_json(run.progress)["replicas"] if run.progress.is_file() else now
    if before != now:
        print(f"the run had {before} replicas and now has {now}: its dropout is another from here on", flush=True)
