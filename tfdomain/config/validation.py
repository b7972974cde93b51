"""What a cross-validation is to do."""

import os

from pydantic import SerializeAsAny

from tfdomain.config.experiments import Experiment
from tfdomain.config.loading import experiment_from, read_values, validated
from tfdomain.config.sections import Section
from tfdomain.errors import InputError

__all__ = ["CrossValidation", "load_cross_validation"]


class CrossValidation(Section):
    """A cross-validation as its folder keeps it.

    Attributes:
        experiment: What each run does, but for its fold and its seed.
        folds: How many parts the training rows are cut into.
        seeds: Those of the runs, each with all folds.
        group: The column whose rows of one value stay in one fold.
        time: The column that the folds are in the order of.
    """

    experiment: SerializeAsAny[Experiment]
    folds: int
    seeds: list[int]
    group: str | None = None
    time: str | None = None


def load_cross_validation(path: str | os.PathLike) -> CrossValidation:
    """Reads the file that a cross-validation keeps in its folder.

    Raises:
        InputError: The file is missing, is not YAML, or a key or value is wrong.
    """
    values = read_values(path)
    if not isinstance(values.get("experiment"), dict):
        raise InputError("is of no cross-validation", where=str(path), mend="choose another --run-dir")
    experiment = experiment_from(values["experiment"], where=str(path))
    return validated(CrossValidation, values | {"experiment": experiment}, where=str(path))
