"""A cohort of synthetic crops round the habenulae, with masks that are true by construction."""

import os
from collections.abc import Sequence
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
from nibabel.affines import from_matvec
from scipy.spatial.transform import Rotation

from mtseg.data.crops import Frame
from mtseg.data.synthetic_heads.anatomy import Anatomy
from mtseg.data.synthetic_heads.scan import random_contrast, scan, shares
from mtseg.data.synthetic_heads.scene import Variety, make_scene
from mtseg.data.synthetic_heads.shapes import SIDES, Habenulae
from mtseg.data.tables import write_cohort
from mtseg.files import replacing
from mtseg.keys import Column

CROP_MM, CROP_SHAPE = 0.7, (40, 40, 40)
"""Voxel size and number of voxels along each axis of what the network sees: cubes of 28 mm."""
MASK_VALUES = {"left": 1, "right": 2}
_SCANNED_MM = 32.0
_FINEST_OF_DETAIL = 0.7
"""A scan's voxels are no smaller than this share of the anatomy's own."""


def write_crops(
    out: str | os.PathLike,
    *,
    anatomies: Sequence[Anatomy],
    habenulae: Sequence[Habenulae],
    count: int,
    seed: int = 0,
    voxel_mm: tuple[float, float] = (0.7, 1.4),
    variety: Variety | None = None,
) -> Path:
    """Write crops as the habenula network sees them, their masks, and a cohort table.

    Args:
        out: Folder for the images and `cohort.tsv`.
        anatomies: One of them is drawn for each crop.
        habenulae: Likewise.
        count: Number of crops.
        seed: Fixes all that is random; a crop is the same whatever the count.
        voxel_mm: Smallest and largest voxels of the scans that crops are cut from; three in ten have thicker slices.
        variety: How much the scenes differ; None: as for training.

    Returns:
        Path of the table: besides the images the person whose habenulae they are (`group`) and the true volumes.
    """
    out = Path(out).absolute()
    rows = []
    for index in range(count):
        rng = np.random.default_rng([seed, index])
        anatomy = anatomies[int(rng.integers(len(anatomies)))]
        person = habenulae[int(rng.integers(len(habenulae)))]
        scene = make_scene(anatomy, person, rng, variety or Variety())
        spacing = _spacing(rng, voxel_mm, anatomy)
        turn = Rotation.from_euler("xyz", rng.uniform(-12, 12, 3), degrees=True).as_matrix()
        shape = np.ceil(_SCANNED_MM / spacing).astype(int)
        matrix = turn * spacing
        affine = from_matvec(matrix, rng.uniform(-0.5, 0.5, 3) - matrix @ (shape - 1) / 2)
        scanned = scan(scene, random_contrast(rng), affine=affine, shape=shape.tolist(), rng=rng)
        frame = Frame.around(rng.uniform(-1.5, 1.5, 3), turn=np.eye(3), voxel_mm=CROP_MM, shape=CROP_SHAPE)
        share = shares(scene, affine=frame.affine, shape=frame.shape)
        name = f"crop{index:05d}"
        images = {"t1": frame.cut(nib.Nifti1Image(scanned, affine)), Column.MASK.value: as_mask(share)}
        row = {Column.SUBJECT.value: name, Column.GROUP.value: person.subject}
        for kind, voxels in images.items():
            row[kind] = str(out / f"{name}_{kind}.nii.gz")
            with replacing(row[kind]) as temporary:
                nib.save(nib.Nifti1Image(voxels, frame.affine), temporary)
        true_mm3 = share.sum(axis=(1, 2, 3)) * CROP_MM**3
        rows.append(row | {f"{side}_mm3": float(mm3) for side, mm3 in zip(SIDES, true_mm3, strict=True)})
    write_cohort(pd.DataFrame(rows), out / "cohort.tsv")
    return out / "cohort.tsv"


def as_mask(share: np.ndarray) -> np.ndarray:
    """(2, X, Y, Z) shares of right and left habenula -> (X, Y, Z) uint8, `MASK_VALUES` where one has at least half."""
    mask = np.zeros(share.shape[1:], np.uint8)
    for side, part in zip(SIDES, share, strict=True):
        mask[part >= 0.5] = MASK_VALUES[side]
    return mask


def _spacing(rng: np.random.Generator, voxel_mm: tuple[float, float], anatomy: Anatomy) -> np.ndarray:
    smallest = max(voxel_mm[0], _FINEST_OF_DETAIL * anatomy.detail_mm)
    spacing = np.exp(rng.uniform(np.log(smallest), np.log(max(smallest, voxel_mm[1])), 1)).repeat(3)
    if rng.random() < 0.3:
        spacing[rng.integers(3)] *= rng.uniform(1.0, 1.6)
    return spacing
