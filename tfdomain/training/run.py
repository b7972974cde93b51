"""One run: an experiment becomes a folder with a model, its metrics and its logs.

A run folder holds `config.yaml` (resolved), `environment.json`, `progress.json`, `metrics.json`,
`report.txt`, `model/`, `tensorboard/` and, while it is under way, `state.safetensors`.
"""

from pathlib import Path
from typing import Any

from tfdomain.config import Experiment, load_experiment, save_config
from tfdomain.encoders.sources import checkpoint_beside, resolve_checkpoint
from tfdomain.errors import InputError
from tfdomain.evaluation.report import report_text
from tfdomain.files import read_json, whole_file, write_json
from tfdomain.metrics.selection import metric_direction
from tfdomain.models.base import TextModel
from tfdomain.models.folder import load
from tfdomain.training.beginning import begin_training, make_model, read_data
from tfdomain.training.board import TensorBoardLogger
from tfdomain.training.callbacks import Validation
from tfdomain.training.datasets import ExperimentData, Part
from tfdomain.training.environment import describe_environment, versions
from tfdomain.training.feature_ranks import rank_features
from tfdomain.training.hparams import session
from tfdomain.training.logs import chosen_callbacks, log_lengths, log_start
from tfdomain.training.precision import precision_remarks
from tfdomain.training.resumable import fit_resumably
from tfdomain.training.run_folder import RunFolder, claim
from tfdomain.training.shown_part import log_part
from tfdomain.training.state import fingerprint_of_weights
from tfdomain.training.strategies import start_workers
from tfdomain.training.throughput import speed_text
from tfdomain.training.workers import Workers

__all__ = ["blank_metrics", "train"]


def train(
    experiment: Experiment, run_dir: Path, *, folder: Path, resume: bool = False, verbose: str | int = "auto"
) -> dict[str, Any]:
    """Trains, measures and saves one experiment; with several processes each calls this, and the chief writes.

    Args:
        experiment: What to do.
        run_dir: The run's own folder: new or empty, or with `resume` that of a run that was killed.
        folder: Where the experiment's relative paths start.
        resume: Go on from the run's last state; the result is that of an uninterrupted run.
        verbose: 0 shows no progress.

    Returns:
        What `metrics.json` holds: `validation` and `test`, each the task's metrics (of several tasks those of each,
        by task), or None; with features also how much each tells by itself, as `features`; and `training`, how fast
        it was.

    Raises:
        InputError: The experiment, its data or its checkpoint is wrong, or `run_dir` is taken; or the processes that
            TF_CONFIG names have different ones.
        TfdomainError: Another of these processes is gone.
    """
    if experiment.search is not None:
        print("search: is what `tfdomain tune` does; this run is of the file as it stands", flush=True)
        experiment = experiment.model_copy(update={"search": None})
    options = experiment.training
    if options.best is not None:
        metric_direction(options.best)
    batch_size = None if options.batch_tokens else options.batch_size
    workers = start_workers(options.strategy, batch_size=batch_size, tpu=options.tpu)
    with workers.explained(), workers.folder(run_dir) as own_dir:
        return _train(experiment, RunFolder(own_dir), workers, folder=folder, resume=resume, verbose=verbose)


def _train(
    experiment: Experiment, run: RunFolder, workers: Workers, *, folder: Path, resume: bool, verbose: str | int
) -> dict[str, Any]:
    finished = workers.from_chief(lambda: _claim(run, experiment, resume))
    if finished is not None:
        return finished
    # Whatever can be wrong is found before the first file is written.
    data = workers.together(lambda: read_data(experiment, folder))
    checkpoint = workers.together(lambda: resolve_checkpoint(checkpoint_beside(experiment.encoder, folder)))
    workers.from_chief(lambda: _check_same_data(run, data))
    workers.check_same(experiment=experiment.model_dump(mode="json"), data=data.fingerprint, versions=versions())
    workers.tell(data.remarks)
    options = experiment.training
    workers.tell(precision_remarks(options.precision))
    jit = workers.from_chief(lambda: read_json(run.environment).get("jit") if run.environment.is_file() else None)
    with workers.strategy.scope():
        model, batches = begin_training(experiment, data, checkpoint, jit=jit)
    workers.tell(model.remarks(data.train.inputs, data.train.labels))
    if workers.count > 1:
        workers.check_same(weights=fingerprint_of_weights(model))
    validation = None if data.validation is None else Validation(model, data.validation)
    if validation is not None and options.best is not None:
        validation.check(options.best)
    workers.from_chief(lambda: _describe(run, experiment, data, folder, jit=model.options.jit))
    board = TensorBoardLogger(run.tensorboard)
    log_start(board, experiment)
    log_lengths(board, batches, model.max_length)
    with session(run.tensorboard, experiment) as metrics:
        figures = fit_resumably(
            model,
            batches,
            run,
            board,
            workers,
            validation=validation,
            best=options.best,
            patience=options.patience,
            checkpoint_seconds=options.checkpoint_seconds,
            stop_after=options.stop_after,
            callbacks=chosen_callbacks(board, experiment, batches),
            verbose=verbose,
        )
        metrics |= workers.from_chief(lambda: _finish(model, experiment, data, run, board, figures))
    return metrics


def _claim(run: RunFolder, experiment: Experiment, resume: bool) -> dict[str, Any] | None:
    """Takes the run's folder; gives the metrics of a run that is complete."""
    claim(run, experiment, resume=resume, load=load_experiment)
    finished = run.finished_metrics()
    if finished is not None:
        _remove_what_has_served(run, experiment)
    return finished


def _remove_what_has_served(run: RunFolder, experiment: Experiment) -> None:
    """A state is three times the size of the model; that of a run that was cut short is gone on from."""
    if not experiment.training.is_cut_short:
        run.state.unlink(missing_ok=True)


def blank_metrics(experiment: Experiment, folder: Path) -> dict[str, Any]:
    """The validation metrics that a run would have, of predictions that know nothing: which there are, and defined.

    Args:
        experiment: What a run would do; it has validation rows.
        folder: Where the experiment's relative paths start.

    Raises:
        InputError: The experiment, its data or its checkpoint is wrong.
    """
    data = read_data(experiment, folder)
    assert data.validation is not None
    checkpoint = resolve_checkpoint(checkpoint_beside(experiment.encoder, folder))
    validation = Validation(make_model(experiment, data, checkpoint), data.validation)
    validation.measure_blank()
    return validation.metrics


def _finish(
    model: TextModel,
    experiment: Experiment,
    data: ExperimentData,
    run: RunFolder,
    board: TensorBoardLogger,
    training: dict[str, Any],
) -> dict[str, Any]:
    last_step, options = model.step, experiment.training
    if options.best is not None and run.best.is_dir():
        model = load(run.best)
    else:
        if options.best is not None:
            print(f"{options.best} was undefined after every epoch: the last one is kept", flush=True)
        if options.precision != "float32":
            # What is measured is what will be served.
            model.save(run.model)
            model = load(run.model)
    if data.validation is not None:
        for remark in model.calibrate(data.validation.inputs, data.validation.own_truth, data.validation.rows):
            print(remark, flush=True)
    notes: dict[str, Any] = {
        "experiment": experiment.name,
        "data": experiment.columns(),
        "data_fingerprint": data.fingerprint,
    }
    model.save(run.model, **notes)
    metrics, report = _measure(model, data, board, last_step, experiment.board.points)
    with whole_file(run.report) as file:
        file.write(f"{report}\nTraining\n  {speed_text(training)}\n")
    metrics["training"] = training
    board.close()
    write_json(run.metrics, metrics)
    _remove_what_has_served(run, experiment)
    return metrics


def _check_same_data(run: RunFolder, data: ExperimentData) -> None:
    if not run.environment.is_file():
        return
    if read_json(run.environment)["data_fingerprint"] != data.fingerprint:
        raise InputError(
            "the data is not what the run began with",
            where=str(run.environment),
            mend="restore the files, or choose another --run-dir",
        )


def _describe(run: RunFolder, experiment: Experiment, data: ExperimentData, folder: Path, **choices: Any) -> None:
    if not run.environment.is_file():
        environment = describe_environment(data_sha256=data.file_hashes, seed=experiment.training.seed, folder=folder)
        save_config(experiment, run.config)
        write_json(run.environment, environment | {"data_fingerprint": data.fingerprint} | choices)


def _measure(
    model: TextModel, data: ExperimentData, board: TensorBoardLogger, step: int, points: int
) -> tuple[dict[str, Any], str]:
    metrics: dict[str, Any] = {}
    reports = []
    for name, part in {"validation": data.validation, "test": data.test}.items():
        metrics[name] = None if part is None else _measure_part(model, name, part, board, step, points)
        if part is not None:
            reports.append(report_text(metrics[name], title=name.capitalize()))
    if getattr(model, "features", ()):
        metrics["features"] = rank_features(model, data.train)
        reports.append(report_text(metrics["features"], title="Features"))
    return metrics, "\n".join(reports)


def _measure_part(
    model: TextModel, name: str, part: Part, board: TensorBoardLogger, step: int, points: int
) -> dict[str, Any]:
    predictions = model.predict(part.inputs, rows=part.rows)
    metrics = model.measure(part.own_truth, predictions)
    log_part(board, name, model, part, metrics, predictions, step=step, points=points)
    return metrics
