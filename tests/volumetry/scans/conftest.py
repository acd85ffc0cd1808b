"""A head that is easily made, and habenulae whose volume is known."""

import nibabel as nib
import numpy as np
import pytest
from nibabel.affines import apply_affine
from nilearn.datasets import load_mni152_template

from mtseg.data.crops import Frame
from mtseg.data.synthetic_heads import CENTRE_MM, CROP_MM, CROP_SHAPE
from mtseg.volumetry.scans.locate import Located
from mtseg.volumetry.scans.segment import Found


@pytest.fixture(scope="session")
def template():
    return load_mni152_template(resolution=2)


@pytest.fixture
def located():
    return Located(np.eye(4), alike=0.9, icv_mm3=1.5e6)


def balls(frame, radii_mm, *, offset_mm=3.6):
    """(2, X, Y, Z): smooth balls, left and right, of these radii."""
    places = apply_affine(frame.affine, np.moveaxis(np.indices(frame.shape), 0, -1)) - CENTRE_MM
    distances = [np.linalg.norm(places - [side * offset_mm, 0, 0], axis=-1) for side in (-1, 1)]
    return np.stack([np.clip((r - d) / 0.7 + 0.5, 0, 1) for r, d in zip(radii_mm, distances, strict=True)])


@pytest.fixture
def make_found():
    """Balls round the usual places, by side, seen a little differently each time."""

    def make(radii_mm=(1.6, 1.5), *, wobble_mm=0.0, **options):
        frame = Frame.around(CENTRE_MM, turn=np.eye(3), voxel_mm=CROP_MM, shape=CROP_SHAPE)
        steps = (-wobble_mm, 0, 0, wobble_mm)
        looks = np.stack([balls(frame, [r + step if r else 0 for r in radii_mm], **options) for step in steps])
        rng = np.random.default_rng(0)
        image = 100 + rng.normal(0, 3, frame.shape) + 40 * looks.mean(axis=0).max(axis=0)
        image, looks = image.astype(np.float32), looks.astype(np.float32)
        return {side: Found(frame, image, looks[:, i : i + 1]) for i, side in enumerate(("left", "right"))}

    return make


@pytest.fixture
def blank():
    """An image of 1 mm round the habenulae, stored from right to left."""
    affine = np.diag([-1.0, 1, 1, 1])
    affine[:3, 3] = CENTRE_MM + np.array([20, -20, -20])
    return nib.Nifti1Image(np.zeros((41, 41, 41), np.float32), affine)
