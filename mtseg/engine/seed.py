"""Randomness that depends on the epoch's number alone."""

import torch
from ignite.distributed import get_rank
from ignite.engine import Engine, Events
from monai.utils import set_determinism
from torch.utils.data import DataLoader

from mtseg.transforms import SamplePatch


class SeedEpochs:
    """Seed every random number generator at the start of each epoch.

    A resumed training then repeats what the uninterrupted one did: no generator's state has to be stored, and
    validating more often or logging differently changes nothing.

    Args:
        seed: The run's seed.
        patches: The random transform of the data set; worker processes seed their copies from torch's generator.
        loader: The training loader, whose distributed sampler (if any) is told the epoch.
    """

    def __init__(self, seed: int, *, patches: SamplePatch, loader: DataLoader):
        self.seed = seed
        self.patches = patches
        self.loader = loader

    def attach(self, engine: Engine) -> None:
        """Register with the trainer."""
        engine.add_event_handler(Events.EPOCH_STARTED, self)

    def __call__(self, engine: Engine) -> None:
        """Seed for the epoch that starts."""
        # Neighbouring runs, processes and epochs must not share a seed: 0 + 1 and 1 + 0 would.
        seed = (self.seed * 100_003 + get_rank() * 10_007 + engine.state.epoch) % 2**32
        set_determinism(seed)
        # On a GPU equal weights are not promised anyway: cuDNN may try which convolutions are fastest, and take them.
        torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark = False, True
        self.patches.set_random_state(seed)
        if hasattr(self.loader.sampler, "set_epoch"):
            self.loader.sampler.set_epoch(engine.state.epoch)
