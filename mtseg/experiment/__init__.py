"""Comparing variants of a network: many trainings, one report."""

from mtseg.experiment.run import run_experiment

__all__ = ["run_experiment"]
