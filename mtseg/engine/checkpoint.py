"""Saving a training so that it can go on as if it had never stopped."""

import logging
import os
from os import PathLike
from pathlib import Path
from typing import Any

import torch
from ignite.distributed import one_rank_only
from ignite.engine import Engine, Events
from ignite.handlers import Checkpoint
from torch import nn
from torch.optim import Optimizer

from mtseg.errors import InputError
from mtseg.files import replacing
from mtseg.keys import File

logger = logging.getLogger("mtseg")


def find_checkpoint(folder: str | PathLike, *, resume: bool) -> Path | None:
    """Find the newest checkpoint, of which there must be one if `resume` is set and none otherwise.

    Raises:
        InputError: It is the other way round.
    """
    newest = max(Path(folder).glob("checkpoint_*.pt"), key=lambda path: int(path.stem[11:]), default=None)
    if resume and newest is None:
        raise InputError(f"{folder}: there is no checkpoint to resume from. Train without --resume")
    if newest is not None and not resume:
        raise InputError(f"{newest}: a training is there already. Add --resume, or choose another folder")
    return newest


class Checkpoints:
    """Keep the newest epoch's state in `checkpoint_<epoch>.pt`, and write the weights alone at the end.

    Every file is written whole or not at all, and holds tensors and plain values only. Of several processes the first
    one writes.

    Args:
        folder: Where the files go.
        network: Not wrapped for several processes, so that its keys are its own.
        optimizer: Its moments are part of the state.
        scheduler: Likewise its position.
        resume: Go on from the newest checkpoint in `folder`, see `find_checkpoint`.
    """

    def __init__(
        self, folder: str | PathLike, *, network: nn.Module, optimizer: Optimizer, scheduler: Any, resume: bool = False
    ):
        self.folder = Path(folder)
        self.state: dict[str, Any] = {"network": network, "optimizer": optimizer, "scheduler": scheduler}
        self.newest = find_checkpoint(folder, resume=resume)

    def attach(self, engine: Engine) -> None:
        """Register with the trainer, before anything that looks at its epoch when it starts."""
        self.state["trainer"] = engine
        engine.add_event_handler(Events.STARTED, self.start)
        engine.add_event_handler(Events.COMPLETED, self.write_weights)

    def start(self, engine: Engine) -> None:
        """Load the newest checkpoint, if resuming, and save from now on."""
        if self.newest is not None:
            self.restore(engine, self.newest)
        # Last of an epoch's handlers: what they write about an epoch is there before it counts as done.
        engine.add_event_handler(Events.EPOCH_COMPLETED, self.save)

    def restore(self, engine: Engine, path: Path) -> None:
        """Load a checkpoint.

        Raises:
            InputError: It cannot be read.
        """
        epochs = engine.state.max_epochs
        try:
            saved = torch.load(path, map_location="cpu", weights_only=True)
        except Exception as error:  # torch and pickle raise whatever a file makes them raise
            why = str(error).splitlines()[0]
            raise InputError(f"{path}: cannot be read ({why}). Remove the folder, and train anew") from error
        Checkpoint.load_objects(self.state, saved)
        engine.state.max_epochs = epochs
        logger.info("resuming after epoch %d of %d", engine.state.epoch, epochs)

    @one_rank_only()
    def save(self, engine: Engine) -> None:
        """Write the epoch's checkpoint; the ones before it go when it is there."""
        path = self.folder / f"checkpoint_{engine.state.epoch}.pt"
        with replacing(path) as temporary:
            torch.save({name: thing.state_dict() for name, thing in self.state.items()}, temporary)
            with temporary.open("rb") as file:  # else a power cut now could lose it and the older one
                os.fsync(file.fileno())
        for older in set(self.folder.glob("checkpoint_*.pt")) - {path}:
            older.unlink()

    @one_rank_only()
    def write_weights(self, engine: Engine) -> None:
        """Write the network's state dict."""
        with replacing(self.folder / File.WEIGHTS) as temporary:
            torch.save(self.state["network"].state_dict(), temporary)
