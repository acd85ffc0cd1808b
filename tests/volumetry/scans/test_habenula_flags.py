"""Each flag, and none without cause."""

from dataclasses import replace

import nibabel as nib
import numpy as np
import pytest

from mtseg.volumetry.scans.flags import Flag, flags_of
from mtseg.volumetry.scans.locate import Located
from mtseg.volumetry.scans.measure import volumes
from mtseg.volumetry.scans.structures import HABENULA, SIDES

NO_MASK = np.zeros(0, np.uint8)


def flags(found, located, voxel_mm=1.0, structure=HABENULA):
    row = volumes(found, NO_MASK, structure=structure, native_mm3=1.0, threshold=0.5)
    sides = {side: row[f"{side}_mm3"] for side in SIDES}
    return flags_of(
        found, located, structure=structure, volumes_mm3=sides, voxel_mm=np.full(3, voxel_mm), threshold=0.5
    )


def test_none_without_cause(make_found, located):
    assert flags(make_found(), located) == []


@pytest.mark.parametrize(
    ("radii", "flag"),
    [((0, 0), Flag.NOT_FOUND), ((0, 1.6), Flag.LEFT_MISSING), ((1.6, 0), Flag.RIGHT_MISSING)],
)
def test_missing(make_found, located, radii, flag):
    found = make_found(radii)
    for side, radius in zip(SIDES, radii, strict=True):
        found[side].looks[:] *= radius > 0
    assert flags(found, located) == [flag]


@pytest.mark.parametrize("radii", [(1.0, 1.6), (1.6, 2.2)])
def test_implausible(make_found, located, radii):
    assert flags(make_found(radii), located) == [Flag.IMPLAUSIBLE]


def test_coarse(make_found, located):
    assert flags(make_found(), located, voxel_mm=1.5) == [Flag.COARSE]


def test_displaced(make_found):
    elsewhere = Located(nib.affines.from_matvec(np.eye(3), [0, 9, 0]), alike=0.9, icv_mm3=1.5e6)
    assert flags(make_found(), elsewhere) == [Flag.DISPLACED]


def test_at_the_border(make_found, located):
    assert Flag.AT_BORDER in flags(make_found(offset_mm=13.0), located)


def test_low_contrast(make_found, located):
    found = make_found()
    image = found["left"].image  # the same for both
    image[:] = 100 + np.random.default_rng(0).normal(0, 3, image.shape)
    assert flags(found, located) == [Flag.LOW_CONTRAST]


def test_what_should_be_darker_than_its_surroundings_must_be(make_found, located):
    assert flags(make_found(), located, structure=replace(HABENULA, sign=-1)) == [Flag.LOW_CONTRAST]
