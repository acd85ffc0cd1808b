"""A brain of even perfusion with balls where AAL's regions are, and the pictures made of it once."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from nibabel.affines import apply_affine
from nilearn import datasets
from scipy.ndimage import gaussian_filter

from mtseg.cam import read_atlas
from mtseg.cam.atlas import Atlas
from mtseg.study.perfusion import pictures as module
from mtseg.study.perfusion.pictures import Pictures, make_pictures

LEFT = {
    "Angular": (-44, -61, 36),
    "Parietal_Sup": (-23, -60, 59),
    "Parietal_Inf": (-43, -46, 47),
    "SupraMarginal": (-56, -34, 30),
    "Cingulum_Post": (-7, -43, 25),
    "Precuneus": (-8, -58, 46),
    "Occipital_Sup": (-17, -86, 28),
    "Occipital_Mid": (-34, -83, 16),
    "Occipital_Inf": (-38, -80, -8),
    "Cuneus": (-8, -82, 24),
    "Lingual": (-10, -72, -2),
    "Frontal_Sup": (-20, 40, 42),
    "Thalamus": (-11, -18, 8),
    "Cerebelum_6": (-22, -62, -32),
}
"""Middles, about where AAL has them on the left, mm."""

RADIUS_MM = 11
SMALL = {"normals": 4, "pictures_per_class": 12, "validation_per_class": 3, "test_subjects": 2, "size": 64}


@dataclass(frozen=True)
class Phantom:
    """Files of a template and an atlas."""

    template: Path
    atlas: Path

    @property
    def read(self) -> Atlas:
        return read_atlas(self.atlas)

    def make(self, out: Path, **settings: Any) -> Pictures:
        return make_pictures(out, **{"template": self.template, "atlas": self.atlas} | SMALL | settings)


def write_atlas(path: Path, mask: nib.Nifti1Image, *, without: str = "nothing") -> Path:
    names = [f"{region}_{side}" for region in LEFT if region != without for side in "LR"]
    world = apply_affine(mask.affine, np.moveaxis(np.indices(mask.shape), 0, -1))
    codes = np.zeros(mask.shape, dtype=np.int16)
    for code, name in enumerate(names, start=1):
        x, y, z = LEFT[name[:-2]]
        middle = (x if name.endswith("L") else -x, y, z)
        codes[np.linalg.norm(world - middle, axis=-1) <= RADIUS_MM] = code
    nib.save(nib.Nifti1Image(codes, mask.affine), path)
    table = pd.DataFrame({"index": range(1, len(names) + 1), "name": names})
    table.to_csv(path.with_name(path.name.replace(".nii.gz", ".tsv")), sep="\t", index=False)
    return path


@pytest.fixture(scope="session")
def mask() -> nib.Nifti1Image:
    return datasets.load_mni152_brain_mask(resolution=4)


@pytest.fixture(scope="session")
def phantom(tmp_path_factory: pytest.TempPathFactory, mask) -> Phantom:
    folder = tmp_path_factory.mktemp("phantom")
    perfusion = 1000 * gaussian_filter(mask.get_fdata(dtype=np.float32), 1)
    nib.save(nib.Nifti1Image(perfusion, mask.affine), folder / "template.nii.gz")
    return Phantom(folder / "template.nii.gz", write_atlas(folder / "regions.nii.gz", mask))


@pytest.fixture
def without_precuneus(tmp_path: Path, mask) -> Path:
    return write_atlas(tmp_path / "other.nii.gz", mask, without="Precuneus")


@pytest.fixture
def projected_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same people are projected once, not at every call: for tests of what is made of them."""
    known = {}
    for name in ("project_normals", "project_unseen"):
        project = getattr(module, name)

        def once(people, *, seed, name=name, project=project, **given):
            if (name, people, seed) not in known:
                known[name, people, seed] = project(people, seed=seed, **given)
            return known[name, people, seed]

        monkeypatch.setattr(module, name, once)


@pytest.fixture(scope="session")
def pictures(phantom: Phantom, tmp_path_factory: pytest.TempPathFactory) -> Pictures:
    return phantom.make(tmp_path_factory.mktemp("made") / "pictures")
