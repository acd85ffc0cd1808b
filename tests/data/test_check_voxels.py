"""What voxels may hold: sequences and masks, rounded by scale factors, huge, or none at all."""

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtseg.data import check_cohort
from mtseg.data.checks.scan import Scan
from mtseg.data.checks.voxels import check_mask, check_sequence, read_voxels
from mtseg.keys import MASK_ROUNDING
from mtseg.tasks import Structures

T1, MASK = Scan("p", "t1", "/d/t1.nii"), Scan("p", "mask", "/d/mask.nii")
RAMP = np.arange(24, dtype=np.float32).reshape(2, 3, 4)


def sequence(voxels) -> list[str]:
    return [problem.what for problem in check_sequence(T1, np.asarray(voxels, np.float32))[0]]


def mask(*values: float) -> tuple[list[str], set[int]]:
    problems, found = check_mask(MASK, np.array(values, np.float32).reshape(1, 1, -1))
    return [problem.what for problem in problems], found


def test_the_same_voxels_have_the_same_hash_and_others_another():
    def digest(voxels):
        return check_sequence(T1, voxels)[1]

    same = [RAMP, np.asfortranarray(RAMP), np.repeat(RAMP, 2, axis=0)[::2]]
    assert len({digest(voxels) for voxels in same}) == 1
    others = [RAMP.reshape(3, 2, 4), RAMP.reshape(2, 4, 3), RAMP.ravel(), RAMP[::-1], RAMP + np.float32(1e-6)]
    assert len({digest(voxels) for voxels in (RAMP, *others)}) == 6


@pytest.mark.parametrize("value", [0, 7, -3, 1234.5])
def test_an_image_of_one_value_shows_nothing(value):
    assert sequence(np.full((2, 2, 2), value)) == [f"t1 is {value:g} everywhere"]
    assert sequence(np.where(np.arange(8).reshape(2, 2, 2) == 0, value + 1, value)) == []


def test_what_is_no_number_is_counted_and_nothing_else_is_said():
    assert sequence([np.nan, np.inf, -np.inf, 1]) == ["t1 holds NaN or Inf in 3 voxels"]
    assert sequence([np.nan] * 4) == ["t1 holds NaN or Inf in 4 voxels"]
    assert mask(np.nan, 0.5, -1) == (["mask holds NaN or Inf in 1 voxels"], set())


@pytest.mark.parametrize(
    ("values", "found"),
    [((0, 1, 2), {0, 1, 2}), ((3,), {3}), ((0, 1.0000002, 47.996), {0, 1, 48}), ((-0.004, 1), {0, 1})],
)
def test_whole_numbers_as_scale_factors_leave_them(values, found):
    assert mask(*values) == ([], found)


def test_an_empty_mask_is_a_note():
    (problem,), values = check_mask(MASK, np.full((2, 2, 2), 0.003, np.float32))
    assert str(problem) == (
        "p: /d/mask.nii: mask is empty. Right if the subject has nothing to outline; else the outline was not saved"
    )
    assert (problem.fatal, values) == (False, {0})


@pytest.mark.parametrize("value", [1 / 255, -0.004])
def test_an_outline_that_rounding_loses_is_told_with_its_value(value):
    """A scale factor of 1/255 made 1 to 0.0039, and the mask was called empty."""
    said = f"mask holds {value:.3g}, which is rounded to 0, so its outline is lost"
    assert mask(0, 0, value) == ([said], set())
    assert check_mask(MASK, np.array([0, value], np.float32))[0][0].fatal


@given(st.integers(0, 3000), st.floats(-0.49, 0.49))
def test_what_is_nearly_whole_is_whole_and_what_is_not_is_told(whole, off):
    value = np.float32(whole + off)
    apart = abs(float(value) - round(float(value)))
    (problems, values) = mask(0, 1, value)
    if apart > MASK_ROUNDING + 1e-3:
        text = problems[0].removeprefix("mask holds ").removesuffix(", which is no whole number")
        assert float(text) == pytest.approx(float(value), abs=1e-3)
        assert float(text) % 1 != 0  # what is told is none, either
        assert values == set()
    elif apart < MASK_ROUNDING - 1e-3:
        assert (problems, values) == ([], {0, 1, round(float(value))})


def test_a_label_between_two_of_an_atlas_is_told_as_it_is():
    """It was "holds 1.02e+03, which is no whole number"."""
    assert mask(0, 1017.5, 1018.25) == (["mask holds 1017.5, which is no whole number"], set())


def test_negative_values_are_told_after_fractions():
    assert mask(-2, 0, 1) == (["mask holds the negative value -2"], set())
    assert mask(-1.5, 0, 1) == (["mask holds -1.5, which is no whole number"], set())


def test_voxels_are_read_as_they_will_be_computed_with(tmp_path):
    """Scaled, in single precision, in which a huge number is infinite, and not kept."""
    scaled = nib.Nifti1Image(np.array([[[1, 3]]], np.int16), np.eye(4))
    scaled.header.set_slope_inter(0.5, 10)
    nib.save(scaled, tmp_path / "a.nii")
    image = nib.load(tmp_path / "a.nii")
    voxels = read_voxels(image)
    assert (voxels.dtype, voxels.tolist()) == (np.float32, [[[10.5, 11.5]]])
    assert not image.in_memory
    nib.save(nib.Nifti1Image(np.array([[[1.0, 1e300]]]), np.eye(4)), tmp_path / "b.nii")
    assert sequence(read_voxels(nib.load(tmp_path / "b.nii"))) == ["t1 holds NaN or Inf in 1 voxels"]


@pytest.mark.parametrize("deep", [False, True])
def test_images_without_voxels_are_refused_in_words(study, save_image, deep):
    """A mask without voxels ended the check with an error, and an image passed it unless it was read."""
    for name in ("t1", "flair", "mask"):
        save_image(study.folder / "b" / f"{name}.nii.gz", np.zeros((0, 10, 8), np.float32))
    found = check_cohort(study.read(), deep=deep, masks=True, structures=Structures({"lesion": 1}))
    assert [(p.subject, p.what) for p in found if p.fatal] == [
        ("b", f"{name} has no voxels (0×10×8)") for name in ("t1", "flair", "mask")
    ]
