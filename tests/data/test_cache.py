"""Subjects are kept in memory as far as it goes."""

from types import SimpleNamespace

import nibabel as nib
import numpy as np
import psutil
import pytest
import torch
from monai.transforms import Compose, Transform

from mtseg.data import cached_dataset
from mtseg.transforms import FindStructure, SamplePatch

BYTES = 8**3 * (4 + 2)
"""Of an image in float32 and a mask in int16, without a structure in it."""


@pytest.fixture
def loaded():
    """Subjects in the order in which they were loaded."""
    return []


@pytest.fixture
def transform(loaded):
    class Load(Transform):
        def __call__(self, record):
            loaded.append(record["subject"])
            return record | {"image": torch.ones(1, 8, 8, 8), "mask": torch.zeros(1, 8, 8, 8)}

    return Compose([Load(), FindStructure(), SamplePatch((4, 4, 4))])


@pytest.mark.parametrize(("processes", "kept"), [("1", 3), ("3", 1)])
def test_what_does_not_fit_is_loaded_each_time(transform, loaded, caplog, monkeypatch, processes, kept):
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=2 * 3.5 * BYTES))
    monkeypatch.setenv("LOCAL_WORLD_SIZE", processes)
    dataset = cached_dataset([{"subject": name} for name in "abcde"], transform)
    assert f"{kept} of 5 subjects fit in memory" in caplog.text
    loaded.clear()
    for _ in range(2):
        assert [dataset[i]["image"].shape for i in range(5)] == [(1, 4, 4, 4)] * 5
    assert loaded == 2 * ["a", "b", "c", "d", "e"][kept:]


def test_what_fits_is_loaded_once(transform, loaded, caplog):
    dataset = cached_dataset([{"subject": name} for name in "ab"], transform)
    loaded.clear()
    assert [dataset[i]["subject"] for i in range(2)] == ["a", "b"]
    assert not loaded and not caplog.text


def test_room_is_made_for_the_largest(tmp_path, save_image, caplog, monkeypatch):
    """All were taken to be as large as the first, and memory ran out. Large is who has many voxels, or large ones."""
    paths = {}
    for name, edge, zoom in (("a", 4, 1.0), ("many", 16, 0.1), ("b", 4, 1.0), ("coarse", 2, 16.0)):
        paths[name] = str(save_image(tmp_path / f"{name}.nii.gz", np.zeros(3 * (edge,)), np.diag([*3 * [zoom], 1])))
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=2 * 2.5 * 4 * 32**3))
    records = [{"image": [None, path]} for path in paths.values()]

    class Resample(Transform):
        def __init__(self, voxels):
            self.voxels = voxels

        def __call__(self, record):
            return {"image": torch.zeros(self.voxels(nib.load(record["image"][-1])))}

    cached_dataset(records, Compose([Resample(lambda image: 8 * image.shape[0] ** 3)]))
    assert "2 of 4 subjects fit in memory" in caplog.text
    caplog.clear()
    cached_dataset(records, Compose([Resample(lambda image: int(image.header.get_zooms()[0] * image.shape[0]) ** 3)]))
    assert "2 of 4 subjects fit in memory" in caplog.text


def test_nobody(transform):
    assert not len(cached_dataset([], transform))
