"""Runs: an experiment file becomes a folder with a model, its metrics and its logs."""
