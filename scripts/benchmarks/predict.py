"""`mtseg predict` from a cold start: how soon it answers, and the most memory that it takes for a large volume."""

from pathlib import Path
from tempfile import TemporaryDirectory

import nibabel as nib
import numpy as np

from benchmarks.timing import PATCH, command

LARGE = (512, 512, 400)


def run() -> None:
    """Print seconds and memory of `hippocampus_t1` for one crop and for a volume of 1 mm."""
    with TemporaryDirectory() as folder:
        for shape in (PATCH, LARGE):
            path = Path(folder) / "image.nii.gz"
            rng = np.random.default_rng(0)
            nib.save(nib.Nifti1Image(rng.integers(0, 1000, shape, np.int16), np.eye(4)), path)
            took, memory = command("predict", "hippocampus_t1", path, "--out", f"{folder}/{shape[0]}")
            print(f"{'x'.join(map(str, shape))}: {took:.1f} s, {memory:.1f} GB", flush=True)
