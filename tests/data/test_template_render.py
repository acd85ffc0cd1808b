"""Rendered scans of the template cohort: lesions where they were drawn, and what they look like."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mtseg.data.template.anatomy import deform
from mtseg.data.template.render import _infarct, render
from mtseg.data.template.subjects import Lesion, Subject

SPACING = 6.0
LEFT, RIGHT = (-44.0, 0.0, 28.0), (44.0, 0.0, 28.0)


@pytest.fixture(scope="module")
def anatomy(template):
    return deform(template, np.random.default_rng(0))


def infarct(anatomy, lesion, *, spared=True, spacing=SPACING, seed=0):
    spared = np.broadcast_to(spared, anatomy.brain.shape)
    return _infarct(lesion, anatomy, spared=spared, spacing=spacing, rng=np.random.default_rng(seed))


def subject(*lesions, **other) -> Subject:
    return Subject("sub-001", 7, lesions, 60, "F", "good", **other)


@settings(max_examples=15)
@given(volume=st.floats(0.3, 120), side=st.sampled_from([-1, 1]), seed=st.integers(0, 99))
def test_a_lesion_has_its_volume_in_the_tissue_of_its_side(anatomy, volume, side, seed):
    mask = infarct(anatomy, Lesion((side * 40.0, -10.0, 20.0), volume), seed=seed)
    assert mask.sum() == round(1000 * volume / SPACING**3)
    assert (anatomy.brain & (anatomy.tissue > 0.5) & (side * anatomy.mni_mm[0] > 0))[mask].all()


def test_a_lesion_smaller_than_a_voxel_is_one_voxel(anatomy):
    """It had been the whole image: the smallest of no voxels was taken for the largest distance."""
    mask = infarct(anatomy, Lesion(LEFT, 0.05))
    assert mask.sum() == 1
    assert np.linalg.norm(anatomy.mni_mm[:, mask][:, 0] - LEFT) < 30


def test_a_lesion_lies_about_its_centre_and_spares_what_it_shall(anatomy):
    first = infarct(anatomy, Lesion(RIGHT, 20))
    assert np.linalg.norm(anatomy.mni_mm[:, first].mean(axis=1) - RIGHT) < 15
    second = infarct(anatomy, Lesion(RIGHT, 20), spared=~first)
    assert second.sum() == first.sum() and not (first & second).any()


def test_a_subject_is_rendered_alike_each_time(template):
    one, again = (render(subject(Lesion(LEFT, 30)), template) for _ in range(2))
    for a, b in zip(one, again, strict=True):
        np.testing.assert_array_equal(a, b)
    other = render(replace(subject(Lesion(LEFT, 30)), render_seed=8), template)
    assert not np.array_equal(other.t1, one.t1)


def test_two_lesions_are_both_in_the_mask(template):
    scan = render(subject(Lesion(LEFT, 30), Lesion((-20.0, -75.0, 5.0), 10)), template)
    assert scan.mask.sum() == round(30000 / SPACING**3) + round(10000 / SPACING**3)
    assert [image.dtype for image in scan] == [np.int16, np.int16, np.int16, np.uint8]


def test_air_is_0_and_a_lesion_restricts_diffusion(template):
    scan = render(subject(Lesion(LEFT, 60)), template)
    brain = scan.adc > 0
    assert not scan.mask[~brain].any() and not scan.dwi[~brain & (scan.t1 == 0)].any()
    mirrored = scan.mask[::-1] > 0
    lesion, other = scan.mask > 0, mirrored & brain & ~(scan.mask > 0)
    assert np.median(scan.adc[lesion]) < 0.9 * np.median(scan.adc[other])
    assert np.median(scan.dwi[lesion]) > 1.1 * np.median(scan.dwi[other])
    assert scan.adc.min() >= 0 and scan.adc.max() <= 4000
