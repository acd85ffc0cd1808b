"""The difference of two trainings or predictions, by subject."""

import numpy as np
import pandas as pd

from mtseg.statistics import estimate


def difference(ours: pd.Series, theirs: pd.Series) -> str:
    """Mean Dice of ours, and its difference with a 95 % interval over subjects."""
    apart = (ours - theirs).to_numpy()
    found = estimate(lambda i: apart[i].mean(axis=-1), [np.arange(len(apart))], resamples=5000)
    return f"Dice {ours.mean():.4f}, {found.value:+.4f} ({found.low:+.4f} to {found.high:+.4f}), n {len(apart)}"
