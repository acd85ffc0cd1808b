"""The learning curve as a table, plain lines for a log, a bar with the remaining time for a terminal."""

import logging
import time
from datetime import timedelta
from math import nan
from os import PathLike
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from ignite.distributed import all_reduce, get_rank, one_rank_only
from ignite.engine import Engine, Events
from rich import get_console
from rich.progress import Progress, TimeElapsedColumn, TimeRemainingColumn
from torch import Tensor
from torch.optim import Optimizer

from mtseg.files import read_table, write_table
from mtseg.keys import File
from mtseg.losses import WeightedLoss

logger = logging.getLogger("mtseg")


class History:
    """Write `history.tsv`, one row an epoch: loss, loss of each task, learning rate, validation scores, seconds.

    Of several processes the first one writes; the losses are the means over all of them. A task's is the mean over the
    steps in which somebody had its target, NaN if nobody had.

    Args:
        folder: Where the table goes; rows of an earlier, interrupted training are kept up to the resumed epoch.
        loss: Its `latest` holds the parts, its `known` which of them count.
        optimizer: For the learning rate.
        evaluator: Its metrics are recorded in the epochs in which it ran; None without validation.
    """

    def __init__(
        self, folder: str | PathLike, *, loss: WeightedLoss, optimizer: Optimizer, evaluator: Engine | None = None
    ):
        self.path = Path(folder) / File.HISTORY
        self.loss = loss
        self.optimizer = optimizer
        self.evaluator = evaluator
        self.rows: list[dict[str, Any]] = []
        self.sums: dict[str, Tensor] = {}  # of each loss, and the number of steps that it is the sum of
        self.validated = False
        self.bar = Progress(
            *Progress.get_default_columns()[:-1],
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            disable=get_rank() > 0 or not get_console().is_terminal,
        )

    def attach(self, engine: Engine) -> None:
        """Register with the trainer; attach after the validation handler, so that a row has its epoch's scores."""
        engine.add_event_handler(Events.STARTED, self.start)
        engine.add_event_handler(Events.EPOCH_STARTED, self.start_epoch)
        engine.add_event_handler(Events.ITERATION_COMPLETED, self.add)
        engine.add_event_handler(Events.EPOCH_COMPLETED, self.finish_epoch)
        engine.add_event_handler(Events.COMPLETED, lambda: self.bar.stop())
        engine.add_event_handler(Events.EXCEPTION_RAISED, self.fail)
        if self.evaluator is not None:
            self.evaluator.add_event_handler(Events.COMPLETED, lambda: setattr(self, "validated", True))

    def start(self, engine: Engine) -> None:
        """Take over the rows of the epochs that are not repeated."""
        if self.path.exists() and engine.state.epoch > 0:
            table = read_table(self.path)
            self.rows = table[table["epoch"] <= engine.state.epoch].to_dict("records")
        self.begun, self.first_epoch = time.monotonic(), engine.state.epoch
        self.spent_before = self.rows[-1]["seconds"] if self.rows else 0.0
        total = engine.state.max_epochs * engine.state.epoch_length
        self.task = self.bar.add_task("training", total=total, completed=engine.state.iteration)
        self.bar.start()

    def start_epoch(self, engine: Engine) -> None:
        """Forget the last epoch's sums."""
        self.sums, self.validated = {}, False

    def add(self, engine: Engine) -> None:
        """Add one step's losses."""
        whole = engine.state.output["loss"].detach()
        parts = {"loss": (whole, torch.ones_like(whole))}
        parts |= {f"loss_{name}": (part, self.loss.known[name]) for name, part in self.loss.latest.items()}
        for name, (value, known) in parts.items():  # no numbers yet: a GPU would have to be waited for
            self.sums[name] = self.sums.get(name, 0.0) + torch.stack([value, known.to(value)])
        self.bar.advance(self.task)

    def finish_epoch(self, engine: Engine) -> None:
        """Write the epoch's row and say how long the rest takes."""
        every = {name: [all_reduce(float(part)) for part in sums] for name, sums in self.sums.items()}
        self.write(engine, {name: total / steps if steps else nan for name, (total, steps) in every.items()})

    @one_rank_only()
    def write(self, engine: Engine, losses: dict[str, float]) -> None:
        """Write the epoch's row."""
        state = engine.state
        spent = time.monotonic() - self.begun
        remaining = spent / (state.epoch - self.first_epoch) * (state.max_epochs - state.epoch)
        row = {"epoch": state.epoch} | losses
        if self.validated and self.evaluator is not None:
            row |= {f"val_{name}": value for name, value in self.evaluator.state.metrics.items()}
        row |= {"lr": self.optimizer.param_groups[0]["lr"], "seconds": round(self.spent_before + spent, 3)}
        self.rows.append(row)
        state.metrics = row  # for trackers that are attached after this one
        write_table(pd.DataFrame(self.rows), self.path)
        scores = ", ".join(f"{name} {value:.3f}" for name, value in row.items() if name.startswith(("loss", "val_")))
        logger.info(
            "epoch %d/%d: %s, %s left", state.epoch, state.max_epochs, scores, timedelta(seconds=round(remaining))
        )

    def fail(self, engine: Engine, error: BaseException) -> None:
        """Give the terminal back before the error is shown."""
        self.bar.stop()
        raise error
