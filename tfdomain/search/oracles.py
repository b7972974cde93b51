"""KerasTuner's oracles, which choose the settings of each trial, and what they have in mind as JSON values."""

import contextlib
import io
import itertools
import json
from collections.abc import Mapping
from typing import Any, TypeAlias

import keras_tuner
import numpy as np
from keras_tuner.engine.trial import Trial

from tfdomain.config import Experiment
from tfdomain.config.search import Dimension, Search
from tfdomain.metrics.selection import metric_direction

__all__ = ["Oracle", "make_oracle", "oracle_state", "plain_values", "restore_oracle", "set_back"]

# KerasTuner has no types.
Oracle: TypeAlias = Any
# A crash is judged by the search itself, and a trial whose worker was lost is given out again however often.
WITHOUT_END = 10**9


class GridOracle(keras_tuner.Oracle):
    """All combinations, in the order of their number: KerasTuner's own forgets where it was when it is restored."""

    def populate_space(self, trial_id: str) -> dict[str, Any]:
        """The values of the next combination."""
        dimensions = self.hyperparameters.space
        combinations = itertools.product(*(sorted(one.values) if _is_range(one) else one.values for one in dimensions))
        values = next(itertools.islice(combinations, len(self.start_order), None), None)
        if values is None:
            return {"status": "STOPPED"}
        return {"status": "RUNNING", "values": {one.name: value for one, value in zip(dimensions, values, strict=True)}}


def make_oracle(experiment: Experiment, search: Search) -> Oracle:
    """The oracle of a search at its beginning."""
    shared: dict[str, Any] = {
        "objective": keras_tuner.Objective(search.objective, metric_direction(search.metric)),
        "hyperparameters": _space(search.space),
        # Of 0 KerasTuner makes a seed by chance.
        "seed": search.seed + 1,
        "max_retries_per_trial": WITHOUT_END,
        "max_consecutive_failed_trials": WITHOUT_END,
    }
    if search.tuner == "hyperband":
        # Once through all brackets, or for as long as was asked for.
        sweeps = 1 if search.trials is None and search.hours is None else None
        oracle = keras_tuner.oracles.HyperbandOracle(
            max_epochs=experiment.training.epochs, hyperband_iterations=sweeps, **shared
        )
        oracle.max_trials = search.trials
    else:
        kinds = {
            "random": keras_tuner.oracles.RandomSearchOracle,
            "bayesian": keras_tuner.oracles.BayesianOptimizationOracle,
            "grid": GridOracle,
        }
        oracle = kinds[search.tuner](max_trials=search.trials, **shared)
    oracle.verbose = 0
    # It would write files of its own, each of which a kill may leave in halves.
    oracle.save = lambda: None
    oracle._save_trial = lambda trial: None
    return oracle


def plain_values(trial: Trial, search: Search, epochs: int) -> tuple[dict[str, Any], str | None]:
    """The keys of the experiment that a trial sets, and which trial it goes on from, if any.

    Args:
        trial: As the oracle made it.
        search: What it is one of.
        epochs: The experiment's; what hyperband gives fewer of, it stops early.
    """
    chosen = trial.hyperparameters.values
    values = {key: _decode(chosen[key], dimension) for key, dimension in search.space.items()}
    stop = chosen.get("tuner/epochs", epochs)
    if stop < epochs:
        values["training.stop_after"] = stop
    return values, chosen.get("tuner/trial_id")


def oracle_state(oracle: Oracle) -> dict[str, Any]:
    """All that an oracle has in mind, as JSON values."""
    return {"oracle": oracle.get_state(), "trials": [trial.get_state() for trial in oracle.trials.values()]}


def restore_oracle(oracle: Oracle, state: Mapping[str, Any]) -> None:
    """Gives a new oracle what another had in mind; what was under way is given out again."""
    trials = [Trial.from_state(one) for one in state["trials"]]
    oracle.trials = {trial.trial_id: trial for trial in trials}
    oracle.set_state(state["oracle"])
    for trial in list(oracle.ongoing_trials.values()):
        set_back(oracle, trial)


def set_back(oracle: Oracle, trial: Trial) -> None:
    """Puts a trial that was under way where the next worker finds it."""
    trial.status = "INVALID"
    # It prints how often it will go on trying.
    with contextlib.redirect_stdout(io.StringIO()):
        oracle.end_trial(trial)


def _space(space: Mapping[str, Dimension]) -> keras_tuner.HyperParameters:
    parameters = keras_tuner.HyperParameters()
    for key, one in space.items():
        sampling = "log" if one.log else "linear"
        if one.choice is not None:
            values = one.choice if _are_numbers(one.choice) else [json.dumps(value) for value in one.choice]
            parameters.Choice(key, values)
        elif one.int is not None:
            parameters.Int(key, *one.int, sampling=sampling)
        elif one.float is not None:
            parameters.Float(key, *one.float, sampling=sampling)
    return parameters


def _decode(value: Any, dimension: Dimension) -> Any:
    if dimension.choice is not None and not _are_numbers(dimension.choice):
        return json.loads(value)
    # What a Gaussian process gives is a number of NumPy's.
    return value.item() if isinstance(value, np.generic) else value


def _are_numbers(values: list[Any]) -> bool:
    """Whether KerasTuner takes them as numbers in an order: all whole, or all not."""
    return {type(value) for value in values} in ({int}, {float})


def _is_range(parameter: Any) -> bool:
    return not isinstance(parameter, keras_tuner.engine.hyperparameters.Choice)
