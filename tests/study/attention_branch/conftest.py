"""Slices of eight patients in files."""

import numpy as np
import pandas as pd
import pytest
from skimage.io import imsave

from mtseg.study.attention_branch.slices import Slices


@pytest.fixture
def given(tmp_path):
    """The disease is a bright spot in the lung, which is a square left of the middle; three slices of each patient."""
    rng = np.random.default_rng(0)
    rows = []
    for folder in ("ct", "lungs"):
        (tmp_path / folder).mkdir()
    for k in range(24):
        patient, name = k // 3, f"{k:04d}"
        pixels = rng.integers(20, 60, (40, 40), dtype=np.uint8)
        mask = np.zeros((40, 40), np.uint8)
        mask[10:30, 4:18] = 255
        if patient % 2:
            pixels[16:24, 8:14] = 220
        imsave(tmp_path / "ct" / f"{name}.png", pixels, check_contrast=False)
        imsave(tmp_path / "lungs" / f"{name}.png", mask, check_contrast=False)
        rows.append(
            {"slice": name, "volume": f"v{patient}", "burden": patient % 2 * 0.5 + 0.01 * k, "who": "AB"[patient % 2]}
        )
    pd.DataFrame(rows).to_csv(tmp_path / "slices.tsv", sep="\t", index=False)
    return Slices(
        table=tmp_path / "slices.tsv",
        images=tmp_path / "ct",
        masks=tmp_path / "lungs",
        name="slice",
        patient="volume",
        label="burden",
    )
