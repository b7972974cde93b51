"""Optimizers, learning-rate schedules and the train step."""
