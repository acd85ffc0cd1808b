"""How good `hippocampus_t1` gets in a given time, from the command to the weights."""

import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter

import pandas as pd

from mtseg.statistics.summary import ALL

_PROBED = 4
_SPARE = 0.97  # of the time: the processor's speed varies


def run(cohort: str, *budgets: str) -> None:
    """Train on all folds but the first for so many seconds each (1,000), and print the Dice of the first."""
    with TemporaryDirectory() as folder:
        spent = _train(cohort, out=f"{folder}/probe", epochs=_PROBED)
        passed = pd.read_csv(f"{folder}/probe/history.tsv", sep="\t")["seconds"]
        epoch = (passed.iloc[-1] - passed.iloc[0]) / (_PROBED - 1)
        for budget in budgets or ("1000",):
            epochs = int(_SPARE * (float(budget) - spent + _PROBED * epoch) / epoch)
            took = _train(cohort, out=f"{folder}/{budget}", epochs=epochs)
            for options in ((), ("--mirror",)):
                out = f"{folder}/scores{budget}{''.join(options)}"
                _mtseg("evaluate", f"{folder}/{budget}", "--cohort", cohort, "--fold", "0", "--out", out, *options)
                scores = pd.read_csv(Path(out) / "summary.tsv", sep="\t")
                dice = scores[scores["metric"].eq("dice_mean") & scores["structure_or_class"].eq(ALL)].iloc[0]
                print(
                    f"{took:.0f} s, {epochs} epochs{', predicted twice, once mirrored' * bool(options)}: "
                    f"Dice {dice['value']:.3f} ({dice['low']:.3f} to {dice['high']:.3f}), n {dice['n']}",
                    flush=True,
                )


def _train(cohort: str, *, out: str, epochs: int) -> float:
    """Seconds, start included."""
    began = perf_counter()
    once = ("--set", f"epochs={epochs}", "--set", f"val_interval={epochs}")
    _mtseg("train", "hippocampus_t1", "--cohort", cohort, "--fold", "0", "--out", out, *once)
    return perf_counter() - began


def _mtseg(*arguments: str) -> None:
    subprocess.run([Path(sys.executable).with_name("mtseg"), *arguments], check=True, capture_output=True)
