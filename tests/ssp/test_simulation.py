"""Simulated cases: seeded, lowered where they say, and known by the subject that they were made of."""

import nibabel as nib
import numpy as np
import pytest
from ball_phantom import ball, image_of, orders, stored
from hypothesis import given, settings

from mtseg.cam.atlas import Atlas, make_atlas
from mtseg.errors import InputError
from mtseg.ssp import Pattern, lower_regions, region_mask, simulate_normals, simulate_patient

NAMES = [name for pattern in Pattern for name in pattern.regions]


@pytest.fixture(scope="module")
def atlas() -> Atlas:
    """Balls of 9 mm in the two patterns' regions, left and right of the midline."""
    codes = np.zeros(image_of(ball).shape, dtype=np.int16)
    for code, name in enumerate(NAMES, start=1):
        place = (
            (-1 if name.endswith("_L") else 1) * 25,
            -45 + 22 * ((code - 1) // 2 % 5),
            -20 + 22 * ((code - 1) // 10),
        )
        codes[image_of(lambda world, place=place: ball(world, centre=place, radius=9)).get_fdata() > 0] = code
    return make_atlas(nib.Nifti1Image(codes, image_of(ball).affine), dict(enumerate(NAMES, start=1)))


@pytest.fixture(scope="module")
def template() -> nib.Nifti1Image:
    return image_of(lambda world: 1000.0 * ball(world))


def inside(image):
    return image.get_fdata()[image_of(lambda world: ball(world, radius=45)).get_fdata() > 0]


def test_patterns_are_the_published_ones_on_both_sides():
    assert len(Pattern.AD.regions) == 12 and len(Pattern.DLB.regions) == 10 and Pattern.NC.regions == ()
    assert {"Angular_L", "Cingulum_Post_R", "Precuneus_L"} < set(Pattern.AD.regions)
    assert {"Cuneus_L", "Lingual_R"} < set(Pattern.DLB.regions)


def test_normals_are_varied_and_seeded(template):
    cases = list(simulate_normals(template, subjects=4, seed=3))
    assert [case.subject for case in cases] == ["normal-01", "normal-02", "normal-03", "normal-04"]
    again = next(simulate_normals(template, subjects=1, seed=3))
    assert np.array_equal(again.image.dataobj, cases[0].image.dataobj)  # whatever follows
    other = next(simulate_normals(template, subjects=1, seed=4))
    assert not np.array_equal(other.image.dataobj, cases[0].image.dataobj)
    relative = np.stack([inside(case.image) / inside(case.image).mean() for case in cases])
    assert 0.03 < relative.std(axis=0).mean() < 0.12
    assert all((np.asarray(case.image.dataobj) >= 0).all() for case in cases)


def test_what_the_template_lacks_nobody_has(template):
    """One NaN had been blurred over the whole brain of everybody."""
    values = template.get_fdata(dtype=np.float32)
    holed = nib.Nifti1Image(np.where(values > 0, values, np.nan), template.affine)
    (case,) = simulate_normals(holed, subjects=1, seed=3)
    (like,) = simulate_normals(template, subjects=1, seed=3)
    expected = np.where(values > 0, like.image.get_fdata(dtype=np.float32), np.nan)
    np.testing.assert_array_equal(case.image.get_fdata(dtype=np.float32), expected)


@settings(max_examples=4)
@given(order=orders)
def test_storage_order_changes_nothing(template, order):
    case, again = (next(simulate_normals(image, subjects=1)) for image in (template, stored(template, order)))
    assert np.array_equal(again.image.dataobj, case.image.dataobj)
    assert np.array_equal(again.image.affine, case.image.affine)


@pytest.mark.parametrize("pattern", [Pattern.AD, Pattern.DLB])
def test_a_patient_is_lowered_in_its_regions_only(template, atlas, pattern):
    normal = next(simulate_normals(template, subjects=1))
    patient = simulate_patient(normal, pattern, atlas=atlas, seed=1)
    assert (patient.subject, patient.pattern) == (normal.subject, pattern)
    assert 0.20 <= patient.reduction <= 0.35
    share = 1 - inside(patient.image) / inside(normal.image)
    lowered = region_mask(normal.image, pattern.regions, atlas=atlas)
    other = next(iter({Pattern.AD, Pattern.DLB} - {pattern}))
    elsewhere = inside(nib.Nifti1Image(region_mask(normal.image, other.regions, atlas=atlas) * 1.0, np.eye(4))) > 0
    within = inside(nib.Nifti1Image(lowered * 1.0, np.eye(4))) > 0
    assert share[within].max() == pytest.approx(patient.reduction, rel=0.03)
    assert share[within].mean() > 0.6 * patient.reduction
    assert share[elsewhere].mean() < 0.05 * patient.reduction
    assert (share > -1e-6).all()


def test_borders_are_smooth(template, atlas):
    lowered = lower_regions(template, ("Angular_L",), atlas=atlas, reduction=0.3)
    share = 1 - inside(lowered) / inside(template)
    assert len(np.unique(np.round(share, 3))) > 5  # not only 0 and 0.3
    assert share.max() <= 0.3


def test_shares_differ_by_seed_subject_and_pattern_and_nc_is_left_alone(template, atlas):
    first, second = simulate_normals(template, subjects=2)
    shares = [
        simulate_patient(case, pattern, atlas=atlas, seed=seed).reduction
        for case in (first, second)
        for pattern in (Pattern.AD, Pattern.DLB)
        for seed in (0, 1)
    ]
    assert len(set(shares)) == 8
    assert simulate_patient(first, Pattern.AD, atlas=atlas).reduction == shares[0]
    assert simulate_patient(first, Pattern.NC, atlas=atlas) is first


def test_wrong_input_is_refused_in_words(template, atlas):
    with pytest.raises(InputError, match="no region named Angular_X"):
        lower_regions(template, ("Angular_X",), atlas=atlas, reduction=0.3)
    with pytest.raises(InputError, match="reduction is 30"):
        lower_regions(template, ("Angular_L",), atlas=atlas, reduction=30)
