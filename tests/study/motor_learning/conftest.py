"""Small persons in one space: an ellipsoid of brain in air, whose values say where in the world they lie."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from nibabel.affines import apply_affine
from nibabel.orientations import axcodes2ornt, io_orientation, ornt_transform

from mtseg.errors import ProblemsError
from mtseg.study.motor_learning.persons import Given

SHAPE, SPACING = (20, 24, 16), 3.0
AFFINE = np.diag([SPACING, SPACING, SPACING, 1.0])
AFFINE[:3, 3] = -30, -40, -20


def value_at(world: np.ndarray) -> np.ndarray:
    """What the images hold at places (..., 3) in mm: different everywhere, and above 0."""
    return 5000 + world @ np.array([1.0, 10.0, 100.0]) / SPACING


def brain(shape: Sequence[int] = SHAPE) -> np.ndarray:
    """An ellipsoid that leaves the outermost slices empty, bool in RAS order."""
    middle, half = (np.array(shape) - 1) / 2, np.array(shape) / 2 - 1.5
    places = (np.moveaxis(np.indices(shape), 0, -1) - middle) / half
    return np.square(places).sum(axis=-1) < 1


def save_volume(path: Path, *, axes: str = "RAS", affine: np.ndarray = AFFINE, scale: float = 1.0) -> None:
    """Write a brain in some voxel order."""
    world = apply_affine(affine, np.moveaxis(np.indices(SHAPE), 0, -1))
    image = nib.Nifti1Image((np.where(brain(), value_at(world), 0) * scale).astype(np.float32), affine)
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(image.as_reoriented(ornt_transform(io_orientation(affine), axcodes2ornt(axes))), path)


@dataclass(frozen=True)
class Study:
    """Files of a small study, and the writers above for tests, which cannot import this file."""

    folder: Path
    shape = SHAPE
    affine = AFFINE
    value_at = staticmethod(value_at)
    brain = staticmethod(brain)
    save_volume = staticmethod(save_volume)

    def given(
        self,
        persons: int = 8,
        *,
        modalities: tuple[str, ...] = ("gm",),
        columns: dict[str, Any] | None = None,
        **options: Any,
    ) -> Given:
        """Write volumes and a table; odd persons are good at it."""
        rows = []
        for i in range(persons):
            row = {"participant_id": f"p{i}", "skill": "good" if i % 2 else "bad"}
            for k, name in enumerate(modalities):
                row[name] = f"{name}/p{i}.nii.gz"
                save_volume(self.folder / row[name], scale=1 + i / 100 + k)
            rows.append(row)
        table = pd.DataFrame(rows).assign(**(columns or {}))
        table.to_csv(self.folder / "persons.tsv", sep="\t", index=False, na_rep="n/a")
        about = {"table": self.folder / "persons.tsv", "label": "skill", "modalities": modalities}
        return Given(**(about | options))

    def atlas(self, labels: np.ndarray, affine: np.ndarray = AFFINE) -> Path:
        """Write regions named region1, region2, ..."""
        nib.save(nib.Nifti1Image(labels.astype(np.int16), affine), self.folder / "atlas.nii.gz")
        codes = [int(code) for code in np.unique(labels) if code]
        names = pd.DataFrame({"index": codes, "name": [f"region{code}" for code in codes]})
        names.to_csv(self.folder / "atlas.tsv", sep="\t", index=False)
        return self.folder / "atlas.nii.gz"


@pytest.fixture
def study(tmp_path):
    return Study(tmp_path)


@pytest.fixture
def problems_of():
    """What a call says is wrong, a line each."""

    def call(function, *arguments, **named):
        with pytest.raises(ProblemsError) as caught:
            function(*arguments, **named)
        return [str(problem) for problem in caught.value.problems]

    return call
