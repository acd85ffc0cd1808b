"""Whether bfloat16 costs accuracy: short trainings of `hippocampus_t1` in it and in float32."""

from contextlib import nullcontext
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest.mock import patch

import pandas as pd
import torch

from benchmarks.timing import NUMBERS
from mtseg.bundle import evaluate, train
from mtseg.statistics import paired_numbers

SEEDS = 3
EPOCHS = 12


def run(cohort: str) -> None:
    """Train on all folds but the first with three seeds, and print the difference of the first's Dice, by subject."""
    if torch.bfloat16 not in NUMBERS:
        raise SystemExit("this device has no fast bfloat16: mtseg computes in float32 on it anyway")
    found = []
    for seed in range(SEEDS):
        dice = {number: _dice(cohort, number, seed=seed) for number in NUMBERS}
        found.append((dice[torch.bfloat16], dice[torch.float32]))
        print(", ".join(f"{number}: Dice {of.mean():.4f}" for number, of in dice.items()), flush=True)
    means = (pd.concat(seeds, axis=1).mean(axis=1) for seeds in zip(*found, strict=True))
    apart = paired_numbers(*means)
    print(f"bfloat16 minus float32: {apart.difference:+.4f} ({apart.low:+.4f} to {apart.high:+.4f}), n {apart.n}")


def _dice(cohort: str, number: torch.dtype, *, seed: int) -> pd.Series:
    with TemporaryDirectory() as folder:
        # What the processor can do decides the format, and is told here that it can do nothing.
        plain = patch("torch.cpu.get_capabilities", dict) if number == torch.float32 else nullcontext()
        with plain:
            once = [f"epochs={EPOCHS}", f"val_interval={EPOCHS}"]
            train("hippocampus_t1", cohort=cohort, out=f"{folder}/run", fold=0, seed=seed, settings=once)
            evaluate(f"{folder}/run", cohort=cohort, out=f"{folder}/scores", fold=0)
        cases = pd.read_csv(Path(folder) / "scores" / "cases.tsv", sep="\t", index_col=0)
    return cases["dice_mean"]
