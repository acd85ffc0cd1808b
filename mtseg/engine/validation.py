"""Quick scores on held-out subjects while training; the full evaluation is in the native grid, afterwards."""

from collections.abc import Sequence

import numpy as np
import torch
from ignite.engine import Engine, Events
from monai.metrics import compute_dice
from monai.networks.utils import one_hot

from mtseg.keys import Key, Task
from mtseg.networks.labels import largest
from mtseg.tasks import Head, Kind


class ValidationScores:
    """Mean Dice of the structures and one score per head, over the subjects that have the target.

    Accuracy for classes, accuracy over labels, mean absolute error in the column's unit for numbers. Written to the
    evaluator's `state.metrics` as `dice` and `<head>_accuracy` or `<head>_mae`.

    Args:
        heads: The network's heads.
    """

    def __init__(self, heads: Sequence[Head]):
        self.heads = tuple(heads)
        self.scores: dict[str, list[float]] = {}

    def attach(self, engine: Engine) -> None:
        """Register with the evaluator."""
        engine.add_event_handler(Events.STARTED, lambda: self.scores.clear())
        engine.add_event_handler(Events.ITERATION_COMPLETED, self.add)
        engine.add_event_handler(
            Events.EPOCH_COMPLETED,
            lambda e: e.state.metrics.update({name: float(np.nanmean(v)) for name, v in self.scores.items()}),
        )

    def add(self, engine: Engine) -> None:
        """Score one batch."""
        pred, target = engine.state.output[Key.PRED], engine.state.output["label"]
        mask = target[Task.SEG]
        for answer, wanted in zip(pred[Task.SEG], mask, strict=True):
            if (wanted >= 0).all():
                found = largest(answer[None])
                dice = compute_dice(*(one_hot(m[None], len(answer)) for m in (found, wanted)), include_background=False)
                self.scores.setdefault("dice", []).append(float(dice.nanmean()))
        for head in self.heads:
            for answer, wanted in zip(pred[head.name], target[head.name], strict=True):
                if not wanted.isnan().any():
                    name, score = _score(head, answer, wanted)
                    self.scores.setdefault(name, []).append(score)


def _score(head: Head, answer: torch.Tensor, wanted: torch.Tensor) -> tuple[str, float]:
    """Score one subject: probabilities (or the number in its own unit) against the encoded target."""
    if head.kind is Kind.NUMBER:
        return f"{head.name}_mae", abs(float(answer) - (float(wanted) * head.sd + head.mean))
    right = answer.argmax() == wanted if head.kind is Kind.CLASSES else (answer > 0.5) == (wanted > 0.5)
    return f"{head.name}_accuracy", float(right.float().mean())
