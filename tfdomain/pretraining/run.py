"""One pretraining: a corpus and a checkpoint become an encoder that knows the corpus.

The run's folder holds what that of a fine-tuning holds, and while it is under way `corpus/`, what was read; `tokens/`,
its token ids; and `start/`, the model before it learned, with its vocabulary and its head.
"""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tfdomain.config.loading import save_config
from tfdomain.config.pretraining import Pretraining, load_pretraining
from tfdomain.errors import TfdomainError
from tfdomain.files import read_json, whole_file, write_json
from tfdomain.models.masked_lm import MaskedLM
from tfdomain.pretraining.batches import PackedBatches
from tfdomain.pretraining.head_training import train_head
from tfdomain.pretraining.masking import Masking
from tfdomain.pretraining.material import Material, gather_material
from tfdomain.pretraining.measuring import HeldOut, frequent_words, nearest_words, pseudo_perplexity
from tfdomain.pretraining.objectives import Learner, load_model, with_objective
from tfdomain.pretraining.report import report_lines
from tfdomain.pretraining.token_store import TokenStore, write_token_store
from tfdomain.pretraining.vocabulary import begin_model
from tfdomain.training.board import TensorBoardLogger
from tfdomain.training.environment import describe_environment, versions
from tfdomain.training.logs import log_start
from tfdomain.training.precision import computed_in, precision_remarks
from tfdomain.training.resumable import fit_resumably
from tfdomain.training.run_folder import RunFolder, claim
from tfdomain.training.strategies import start_workers
from tfdomain.training.workers import Workers

__all__ = ["pretrain"]

HELD_OUT_SEED = 1


def pretrain(
    pretraining: Pretraining, run_dir: Path, *, folder: Path, resume: bool = False, verbose: str | int = "auto"
) -> dict[str, Any]:
    """Reads, trains, measures and saves one pretraining; with several processes each calls this, and the chief writes.

    Args:
        pretraining: What to do.
        run_dir: The run's own folder: new or empty, or with `resume` that of a run that was killed.
        folder: Where relative paths start.
        resume: Go on from the run's last state; the result is that of an uninterrupted run.
        verbose: 0 shows no progress.

    Returns:
        What `metrics.json` holds: `corpus` (counts), `vocabulary` (fertility, terms), and `before` and `after`, each
        with `loss`, `perplexity` and `masked_accuracy` of the hidden held-out tokens, `pseudo_perplexity` where it is
        measured, and `neighbours`; and `training`, how fast it was.

    Raises:
        InputError: The file, the corpus or the checkpoint is wrong, or `run_dir` is taken; or the processes that
            TF_CONFIG names have different ones.
        TfdomainError: Another of these processes is gone.
    """
    options = pretraining.training
    workers = start_workers(options.strategy, batch_size=options.batch_size, takes_tpu=False)
    with workers.explained(), workers.folder(run_dir) as own_dir, computed_in(options.precision):
        return _pretrain(pretraining, RunFolder(own_dir), workers, folder=folder, resume=resume, verbose=verbose)


def _pretrain(
    pretraining: Pretraining, run: RunFolder, workers: Workers, *, folder: Path, resume: bool, verbose: str | int
) -> dict[str, Any]:
    finished = workers.from_chief(lambda: _claim(run, pretraining, resume))
    if finished is not None:
        return finished
    options = pretraining.training
    workers.tell(precision_remarks(options.precision))
    with _nothing_left_by_errors(run):
        workers.from_chief(lambda: save_config(pretraining, run.config))
        material = workers.together(lambda: gather_material(pretraining, folder, run.corpus))
        workers.check_same(
            pretraining=pretraining.model_dump(mode="json"), corpus=material.fingerprint, versions=versions()
        )
        started = workers.from_chief(lambda: _start(pretraining, material, run, folder, verbose))
        workers.share(run.start)
        with workers.strategy.scope():
            model = load_model(run.start, pretraining)
        store = workers.together(lambda: write_token_store(material.texts, model.tokenizer, run.tokens))
        workers.check_same(tokens=store.num_tokens)
        source = _batches(pretraining, model, store, material)
        with workers.strategy.scope():
            model.prepare_training(options, source.num_batches)
    held_out = HeldOut(model, _batches(pretraining, model, store, material, held_out=True))
    board = TensorBoardLogger(run.tensorboard)
    log_start(board, pretraining)
    figures = fit_resumably(
        model,
        source,
        run,
        board,
        workers,
        validation=held_out,
        best="loss" if options.patience is not None else None,
        patience=options.patience,
        checkpoint_seconds=options.checkpoint_seconds,
        verbose=verbose,
    )
    so_far = {"corpus": material.notes, **started, "training": figures}
    return workers.from_chief(lambda: _finish(model, held_out, material, pretraining, run, board, so_far))


def _claim(run: RunFolder, pretraining: Pretraining, resume: bool) -> dict[str, Any] | None:
    """Takes the run's folder; gives the metrics of a run that is complete."""
    claim(run, pretraining, resume=resume, load=load_pretraining)
    finished = run.finished_metrics()
    if finished is not None:
        _remove_what_has_served(run)
    return finished


def _finish(
    model: Learner,
    held_out: HeldOut,
    material: Material,
    pretraining: Pretraining,
    run: RunFolder,
    board: TensorBoardLogger,
    so_far: dict[str, Any],
) -> dict[str, Any]:
    """Measures and saves what was learned."""
    last_step = model.step
    if pretraining.training.patience is not None and run.best.is_dir():
        model = load_model(run.best, pretraining)
        held_out = HeldOut(model, held_out.source)
    metrics = so_far | {"after": _measure(model, held_out, material, pretraining)}
    model.save(run.model)
    report = "\n".join(report_lines(metrics))
    with whole_file(run.report) as file:
        file.write(report + "\n")
    board.log_text("report", f"```\n{report}\n```", last_step)
    board.close()
    write_json(run.metrics, metrics)
    _remove_what_has_served(run)
    return metrics


def _remove_what_has_served(run: RunFolder) -> None:
    run.state.unlink(missing_ok=True)
    for folder in (run.corpus, run.start, run.tokens):
        shutil.rmtree(folder, ignore_errors=True)


def _start(
    pretraining: Pretraining, material: Material, run: RunFolder, folder: Path, verbose: str | int
) -> dict[str, Any]:
    """Stores the model before it learns, since it takes its time, and gives what there is to tell of it."""
    notes = run.start / "start.json"
    if notes.is_file():
        return read_json(notes)
    hashes, seed = {"corpus": material.notes["fingerprint"]}, pretraining.training.seed
    write_json(run.environment, describe_environment(data_sha256=hashes, seed=seed, folder=folder))
    masked_lm, vocabulary = begin_model(pretraining, material, folder)
    model = with_objective(masked_lm, pretraining)
    store = write_token_store(material.texts, model.tokenizer, run.tokens)
    if isinstance(model, MaskedLM) and not model.has_trained_head:
        train_head(model, _batches(pretraining, model, store, material), pretraining.training, verbose=verbose)
    held_out = HeldOut(model, _batches(pretraining, model, store, material, held_out=True))
    started = {"vocabulary": vocabulary, "before": _measure(model, held_out, material, pretraining)}
    model.save(run.start, extra={"start.json": started})
    return started


def _batches(
    pretraining: Pretraining, model: Learner, store: TokenStore, material: Material, *, held_out: bool = False
) -> PackedBatches:
    options, objective = pretraining.training, pretraining.objective
    return PackedBatches(
        store,
        model.tokenizer,
        material.held_out if held_out else material.training,
        hide=Masking(
            model.tokenizer,
            mask_rate=objective.mask_rate,
            whole_words=objective.whole_words,
            longest_span=objective.longest_span,
        ),
        length=model.max_length,
        batch_size=options.batch_size if held_out else options.rows_per_update,
        # What is hidden of the held-out rows is the same in every run, so that their losses can be compared.
        seed=HELD_OUT_SEED if held_out else options.seed,
        shuffle=not held_out,
    )


def _measure(model: Learner, held_out: HeldOut, material: Material, pretraining: Pretraining) -> dict[str, Any]:
    measured: dict[str, Any] = held_out()
    texts = material.held_out_texts(pretraining.measured_texts)
    if texts and isinstance(model, MaskedLM):
        measured = measured | {"pseudo_perplexity": pseudo_perplexity(model, texts)}
    if pretraining.neighbours:
        among = frequent_words(material.training_texts(), model.tokenizer)
        neighbours = nearest_words(model.encoder, model.tokenizer, pretraining.neighbours, among)
        measured = measured | {"neighbours": neighbours}
    return measured


@contextmanager
def _nothing_left_by_errors(run: RunFolder) -> Iterator[None]:
    """What is wrong with the input of a new run leaves no folder that is taken; a kill leaves what is resumed from."""
    is_new = not run.config.is_file()
    try:
        yield
    except TfdomainError:
        if is_new:
            run.remove()
        raise
