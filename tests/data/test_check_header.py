"""Dimensions, orientation, spacing and grids of images, at the limits and in every orientation."""

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nibabel.affines import from_matvec
from nibabel.eulerangles import euler2mat
from nibabel.openers import ImageOpener
from nibabel.orientations import axcodes2ornt, io_orientation, ornt_transform

from mtseg.data.checks.header import (
    check_extent,
    check_grid,
    check_handedness,
    check_header,
    check_orientation,
    is_numeric,
)
from mtseg.data.checks.scan import Scan

SHAPE = (6, 5, 4)
T1, FLAIR, MASK, BOLD = (Scan("p", name, f"/d/{name}.nii") for name in ("t1", "flair", "mask", "bold_rest"))


def image(affine=None, shape=SHAPE, *, dtype=np.float32, sform: int = 1, qform: int = 1) -> nib.Nifti1Image:
    affine = np.diag([2.0, 2, 2, 1]) if affine is None else np.asarray(affine, float)
    made = nib.Nifti1Image(np.zeros(shape, dtype), np.eye(4))
    made.set_qform(affine, qform, strip_shears=True)
    made.set_sform(affine, sform)
    return made


def header(made, scan=T1, **options) -> list[str]:
    return [problem.what for problem in check_header(scan, made, **options)]


def spaced(*mm: float) -> np.ndarray:
    return np.diag([*mm, 1.0])


orders = st.permutations([("L", "R"), ("P", "A"), ("I", "S")]).flatmap(
    lambda pairs: st.tuples(*(st.sampled_from(pair) for pair in pairs))
)
affines = st.builds(
    lambda angles, mm, place: from_matvec(euler2mat(*angles) @ np.diag(mm), place),
    st.tuples(*[st.floats(-0.5, 0.5)] * 3),
    st.tuples(*[st.floats(0.5, 4.0)] * 3),
    st.tuples(*[st.floats(-100.0, 100.0)] * 3),
)


def stored(made: nib.Nifti1Image, order: tuple[str, ...]) -> nib.Nifti1Image:
    """The same image with its axes in another order."""
    return made.as_reoriented(ornt_transform(io_orientation(made.affine), axcodes2ornt(order)))


@pytest.mark.parametrize(
    ("scan", "shape", "what"),
    [
        (T1, (6, 5, 4), None),
        (T1, (6, 5, 1), None),  # one slice
        (T1, (6, 5), "has 2 dimensions instead of 3 (6×5)"),
        (T1, (6, 5, 4, 2), "has 4 dimensions instead of 3 (6×5×4×2)"),
        (T1, (6, 5, 4, 1, 1), "has a needless last dimension of size 1 (6×5×4×1×1)"),
        (T1, (6, 5, 4, 1, 3), "has 5 dimensions instead of 3 (6×5×4×1×3)"),  # an MNI warp
        (T1, (6, 0, 4), "has no voxels (6×0×4)"),
        (BOLD, (6, 5, 4, 7), None),
        (BOLD, (6, 5, 4, 1), None),  # told by its clips
        (BOLD, (6, 5, 4, 7, 1), "has a needless last dimension of size 1 (6×5×4×7×1)"),
        (BOLD, (6, 5, 4), "has 3 dimensions instead of 4 (6×5×4)"),
        (BOLD, (6, 5, 4, 0), "has no voxels (6×5×4×0)"),
    ],
)
def test_dimensions(scan, shape, what):
    assert header(image(shape=shape), scan) == ([] if what is None else [f"{scan.column} {what}"])


def test_what_to_do_about_dimensions():
    (four,) = check_header(T1, image(shape=(6, 5, 4, 2)))
    assert four.remedy.startswith("Give one 3D volume, e.g. one of those that nibabel.four_to_three makes")
    (two,) = check_header(T1, image(shape=(6, 5)))
    (three,) = check_header(BOLD, image(shape=SHAPE))
    assert (two.remedy, three.remedy) == ("Give the 3D image", "Give the 4D image")


@pytest.mark.parametrize(
    ("mm", "largest", "wrong"),
    [
        ((0.1, 1, 1), None, False),
        ((0.09, 1, 1), None, True),
        ((1, 20, 1), None, False),
        ((1, 1, 20.1), None, True),
        ((1, 1, 30), 30, False),
        ((1, 1, 15), 10.0, True),
        ((0.05, 1, 1), 30, True),  # the least is the same for all
    ],
)
def test_the_limits_of_spacing(mm, largest, wrong):
    size = " × ".join(f"{n:.3g}" for n in mm)
    expected = [f"t1 has voxels of {size} mm"] if wrong else []
    assert header(image(spaced(*mm)), largest_voxel_mm=largest) == expected


@settings(max_examples=30)
@given(affines, orders)
def test_spacing_is_that_of_the_voxels_however_they_lie(affine, order):
    made = stored(image(affine), order)
    assert header(made) == []
    fine = made.affine @ spaced(0.01, 1, 1)
    (what,) = header(image(fine))
    assert what.startswith(f"t1 has voxels of {np.linalg.norm(fine[:3, 0]):.3g} × ")


@settings(max_examples=30)
@given(affines, orders)
def test_left_handed_is_what_mirrors_space(affine, order):
    notes = [*check_handedness(T1, stored(image(affine), order))]
    mirrored = sum(code in "LPI" for code in order) % 2 == 1
    turned = [{"L": 0, "R": 0, "P": 1, "A": 1, "I": 2, "S": 2}[code] for code in order]
    odd = turned in ([1, 0, 2], [0, 2, 1], [2, 1, 0])
    assert len(notes) == (mirrored != odd)
    assert all((note.subject, note.where, note.fatal) == ("p", "t1", False) for note in notes)


def test_no_crop_is_noted_whatever_axis_is_long():
    for axis in np.eye(3):
        long = image(spaced(*(2 + 8 * axis)))  # 6, 5 and 4 voxels
        (note,) = check_extent(T1, long, largest_mm=39)
        size = " × ".join(f"{n * mm:.0f}" for n, mm in zip(SHAPE, 2 + 8 * axis, strict=True))
        assert note.what == f"is {size} mm large, and the network knows crops of at most 39 mm"
        assert (note.subject, note.where, note.fatal) == ("p", "t1", False)
        assert not [*check_extent(T1, long, largest_mm=60)]


@pytest.mark.parametrize(
    "affine",
    [
        np.zeros((4, 4)),
        spaced(2, 2, 0),
        np.array([[2.0, 2, 0, 0], [0, 0, 0, 0], [0, 0, 2, 0], [0, 0, 0, 1]]),  # two axes on one line
        np.full((4, 4), np.nan),
        np.array([[2.0, 0, 0, np.inf], [0, 2, 0, 0], [0, 0, 2, 0], [0, 0, 0, 1]]),
    ],
)
def test_an_affine_that_leads_nowhere(affine):
    made = image(qform=0)
    made.set_sform(affine, 1)
    made._affine = affine
    assert header(made) == ["t1 has no usable affine (zero, flat or not finite)"]


def test_a_fine_grid_is_not_flat():
    assert header(image(spaced(0.001, 0.001, 0.001))) == ["t1 has voxels of 0.001 × 0.001 × 0.001 mm"]


@pytest.mark.parametrize("codes", [(0, 0), (1, 0), (0, 1), (4, 1)])
def test_one_orientation_is_enough(codes):
    made = image()
    made.set_sform(spaced(2, 2, 2), codes[0])
    made.set_qform(spaced(2, 2, 2), codes[1])
    found = [problem.what for problem in check_orientation(T1, made)]
    missing = "t1 has no orientation (sform and qform code are 0), so left and right cannot be told"
    assert found == ([] if any(codes) else [missing])


@settings(max_examples=20)
@given(affines, orders, orders)
def test_two_forms_must_agree_on_left_and_right_and_may_differ_in_detail(affine, one, other):
    made = image(affine)
    sform, qform = stored(made, one).affine, stored(made, other).affine
    forms = image(sform)
    forms.set_qform(from_matvec(qform[:3, :3], qform[:3, 3] + 3), 1, strip_shears=True)  # 3 mm away
    found = [*check_orientation(T1, forms)]
    assert len(found) == (one != other)
    if found:
        text = f"t1 has two orientations: {''.join(one)} by its sform, {''.join(other)} by its qform"
        assert found[0].what == text
        assert found[0].remedy.endswith("or copy the right one over the other")


@pytest.mark.parametrize("flag", [1, 0, -1])
@pytest.mark.parametrize("suffix", [".mgz", ".mgh"])
def test_freesurfer_says_whether_there_is_an_orientation(tmp_path, flag, suffix):
    """Of a file without one nibabel assumes one, so that left and right were a guess."""
    path = tmp_path / f"t1{suffix}"
    nib.save(nib.MGHImage(np.zeros(SHAPE, np.float32), spaced(-1, 1, 1)), path)
    with ImageOpener(path) as file:
        content = file.read()
    with ImageOpener(path, "wb") as file:
        file.write(content[:28] + flag.to_bytes(2, "big", signed=True) + content[30:])
    missing = "t1 has no orientation (goodRASFlag is not 1), so left and right cannot be told"
    assert header(nib.load(path)) == ([] if flag == 1 else [missing])


@pytest.mark.parametrize(
    ("dtype", "what"),
    [
        (np.uint8, None),
        (np.int16, None),
        (np.float64, None),
        (np.complex64, "t1 holds values of type complex64, not intensities"),
        (np.dtype([("R", "u1"), ("G", "u1"), ("B", "u1")]), "t1 holds colours, not intensities"),
    ],
)
def test_voxels_are_numbers(dtype, what):
    made = image(dtype=dtype)
    assert is_numeric(made) == (what is None)
    assert header(made) == ([] if what is None else [what])


@settings(max_examples=30)
@given(affines, st.tuples(*[st.floats(-0.05, 0.05)] * 3))
def test_grids_less_than_a_tenth_of_a_voxel_apart_are_one(affine, part):
    """Of the smallest spacing."""
    shift = np.array(part) * np.linalg.norm(affine[:3, :3], axis=0).min()
    near = from_matvec(affine[:3, :3], affine[:3, 3] + shift)
    assert [*check_grid({T1: image(affine), FLAIR: image(near), MASK: image(near)}, first=T1)] == []


@settings(max_examples=30)
@given(affines, orders)
def test_a_mask_stored_in_another_order_lies_on_another_grid(affine, order):
    """Voxel by voxel it would be read as another place's, even where the shape is the same."""
    first = image(affine, shape=(5, 5, 5))
    mask = stored(first, order)
    found = [*check_grid({T1: first, FLAIR: mask, MASK: mask}, first=T1)]
    codes = ["".join(nib.aff2axcodes(one.affine)) for one in (mask, first)]
    assert len(found) == (2 if codes[0] != codes[1] else 0)
    if found:
        note, fatal = found
        assert (note.fatal, note.where, note.what) == (False, "flair", "lies on another grid than t1")
        assert fatal.what == f"mask lies on another grid than t1 ({codes[0]} instead of {codes[1]})"
        assert fatal.where == MASK.path


@pytest.mark.parametrize(
    ("mask", "how"),
    [
        (image(shape=(6, 5, 3)), "6×5×3 instead of 6×5×4 voxels"),
        (image(from_matvec(2 * np.eye(3), [0, 0, 1.5])), "up to 1.5 mm apart"),
        (image(spaced(2, 2, 2.2)), "up to 0.6 mm apart"),  # at the last of four slices
    ],
)
def test_how_grids_differ(mask, how):
    (problem,) = check_grid({T1: image(), MASK: mask}, first=T1)
    assert problem.what == f"mask lies on another grid than t1 ({how})"
    assert problem.remedy.startswith("Put first the sequence on which it was drawn")


def test_volumes_of_a_run_share_the_grid_of_its_mask():
    assert [*check_grid({BOLD: image(shape=(*SHAPE, 9)), MASK: image()}, first=BOLD)] == []
