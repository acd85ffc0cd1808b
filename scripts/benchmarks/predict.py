"""`mtseg predict` from a cold start: how soon it answers, and the most memory that it takes for a large volume."""

import os
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter

import nibabel as nib
import numpy as np

from benchmarks.timing import PATCH

LARGE = (512, 512, 400)


def run() -> None:
    """Print seconds and memory of `hippocampus_t1` for one crop and for a volume of 1 mm."""
    with TemporaryDirectory() as folder:
        for shape in (PATCH, LARGE):
            path = Path(folder) / "image.nii.gz"
            rng = np.random.default_rng(0)
            nib.save(nib.Nifti1Image(rng.integers(0, 1000, shape, np.int16), np.eye(4)), path)
            command = [Path(sys.executable).with_name("mtseg"), "predict", "hippocampus_t1", path, "--out"]
            began = perf_counter()
            child = subprocess.Popen([*map(str, command), f"{folder}/{shape[0]}"], stdout=subprocess.DEVNULL)
            _, status, used = os.wait4(child.pid, 0)
            print(f"{'x'.join(map(str, shape))}: {perf_counter() - began:.1f} s, {used.ru_maxrss / 1e6:.1f} GB", end="")
            print(f", failed ({status})" if status else "", flush=True)
