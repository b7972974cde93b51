"""One experiment file as one typed object."""

from tfdomain.config.board import Board
from tfdomain.config.classification import ClassificationData, ClassifierHead
from tfdomain.config.experiments import Experiment
from tfdomain.config.loading import experiment_from, load_experiment, save_config, validated
from tfdomain.config.multitask import MultiTaskExperiment
from tfdomain.config.sections import DataFiles, FitOptions, Fold, Head, Section, TextData, Training
from tfdomain.config.tasks import EXPERIMENTS

__all__ = [
    "EXPERIMENTS",
    "Board",
    "ClassificationData",
    "ClassifierHead",
    "DataFiles",
    "Experiment",
    "FitOptions",
    "Fold",
    "Head",
    "MultiTaskExperiment",
    "Section",
    "TextData",
    "Training",
    "experiment_from",
    "load_experiment",
    "save_config",
    "validated",
]
