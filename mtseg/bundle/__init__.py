"""Bundles: find them, read their configurations, run them."""

from mtseg.bundle.explain import explain
from mtseg.bundle.locate import describe, find, names
from mtseg.bundle.run import evaluate, finish_training, predict, train
from mtseg.bundle.subsets import evaluate_all, evaluate_subsets
from mtseg.bundle.verify import verify

__all__ = [
    "describe",
    "evaluate",
    "evaluate_all",
    "evaluate_subsets",
    "explain",
    "find",
    "finish_training",
    "names",
    "predict",
    "train",
    "verify",
]
