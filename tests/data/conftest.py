from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from mtseg.data import Cohort, check_cohort, read_cohort
from mtseg.data.template.anatomy import Template, load_template

SHAPE = (12, 10, 8)


def save(path: Path, voxels: np.ndarray, affine: np.ndarray | None = None) -> Path:
    """Save a NIfTI file that is sound if the arguments are."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image = nib.Nifti1Image(voxels, np.eye(4) if affine is None else affine)
    image.set_qform(image.affine, 1)
    nib.save(image, path)
    return path


@dataclass
class Study:
    """A sound cohort of three subjects on disk, for tests to break."""

    folder: Path
    table: pd.DataFrame = field(init=False)

    def __post_init__(self) -> None:
        random = np.random.default_rng(0)
        mask = np.zeros(SHAPE, np.uint8)
        mask[2:4, 2, 3:5] = 1
        for subject in "abc":
            for sequence in ("t1", "flair"):
                save(self.folder / subject / f"{sequence}.nii.gz", random.random(SHAPE, dtype=np.float32))
            save(self.folder / subject / "mask.nii.gz", mask)
        images = {name: [f"{s}/{name}.nii.gz" for s in "abc"] for name in ("t1", "flair", "mask")}
        self.table = pd.DataFrame({"participant_id": [*"abc"], **images, "sex": [*"FMF"], "age": ["31", "40.5", ""]})

    def cells(self, column: str, *values: str) -> None:
        self.table[column] = list(values)

    def voxels(self, name: str, change: Callable[[np.ndarray], np.ndarray]) -> None:
        """Save an image again with changed voxels."""
        image = nib.load(self.folder / name)
        save(self.folder / name, change(image.get_fdata(dtype=np.float32)), image.affine)

    def one_voxel(self, name: str, value: float) -> None:
        self.voxels(name, lambda data: np.where(np.arange(data.size).reshape(data.shape) == 0, np.float32(value), data))

    def lines(self, **options) -> list[str]:
        """What the check reports, with paths as in the table."""
        problems = check_cohort(self.read(), **options)
        marks = {True: "", False: "note "}
        return [f"{marks[problem.fatal]}{problem}".replace(f"{self.folder}/", "") for problem in problems]

    def read(self, name: str = "cohort.tsv") -> Cohort:
        self.table.to_csv(self.folder / name, sep="\t", index=False)
        return read_cohort(self.folder / name)


@pytest.fixture
def study(tmp_path: Path) -> Study:
    return Study(tmp_path)


@pytest.fixture
def save_image() -> Callable[..., Path]:
    return save


@pytest.fixture(scope="session")
def template() -> Template:
    """That of the template cohort, with voxels of 6 mm."""
    return load_template(6.0)
