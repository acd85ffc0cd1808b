"""A small synthetic stroke cohort with the true shape of a brain, for the demo, the tutorial and the tests."""

import os
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
from sklearn.utils.parallel import Parallel, delayed

from mtseg.data.template.anatomy import Template, load_template
from mtseg.data.template.render import render
from mtseg.data.template.subjects import GOOD, POOR, Subject, draw_subjects
from mtseg.files import replacing, write_table
from mtseg.keys import Column

__all__ = ["GOOD", "POOR", "make_template_cohort"]

SEQUENCES = ("dwi", "adc", "t1")


def make_template_cohort(
    folder: str | os.PathLike, *, subjects: int = 44, spacing: float = 3.0, seed: int = 0, workers: int = 2
) -> Path:
    """Write a synthetic stroke cohort: NIfTI images, lesion masks and a BIDS-like table with an outcome.

    The anatomy is MNI152, deformed for each subject; lesions, contrasts and outcomes are simulated. Nothing is
    downloaded. The files depend on `seed` but not on `workers`.

    Args:
        folder: Where to write; each subject gets a folder of its own.
        subjects: How many; the first ones stay the same when there are more of them, but for their missing cells.
        spacing: Edge of a voxel in mm.
        seed: Seed of everything random.
        workers: How many threads render.

    Returns:
        Path of `participants.tsv`, which is written last.
    """
    folder = Path(folder)
    template = load_template(spacing)
    drawn = draw_subjects(subjects, seed=seed)
    # Threads scale here, because the time goes into SciPy and zlib, and they need not import everything again.
    rows = Parallel(n_jobs=workers, prefer="threads")(
        delayed(_write_subject)(subject, template, folder) for subject in drawn
    )
    table = folder / "participants.tsv"
    write_table(pd.DataFrame(rows), table)
    return table


def _write_subject(subject: Subject, template: Template, folder: Path) -> dict[str, str | int | None]:
    """Write the images of one subject and give its row of the table."""
    scan = render(subject, template)
    names = [*SEQUENCES, Column.MASK.value] if subject.has_mask else SEQUENCES
    paths = {name: f"{subject.name}/{subject.name}_{name}.nii.gz" for name in names}
    for name, path in paths.items():
        _write_nifti(getattr(scan, name), template.affine, folder / path)
    return {
        Column.SUBJECT.value: subject.name,
        **{name: paths.get(name) for name in (*SEQUENCES, Column.MASK.value)},
        "outcome": subject.outcome,
        "age": subject.age,
        "sex": subject.sex,
    }


def _write_nifti(voxels: np.ndarray, affine: np.ndarray, path: Path) -> None:
    image = nib.Nifti1Image(voxels, affine)
    image.set_sform(affine, code="scanner")
    image.set_qform(affine, code="scanner")
    image.header.set_xyzt_units("mm")
    with replacing(path) as temporary:
        nib.save(image, temporary)
