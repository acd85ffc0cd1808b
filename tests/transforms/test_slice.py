import nibabel as nib
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from monai.data import MetaTensor
from monai.transforms import Compose, Invertd, NormalizeIntensityd, Orientationd, Spacingd
from nibabel.orientations import axcodes2ornt, io_orientation, ornt_transform

from mtseg.errors import InputError
from mtseg.keys import MISSING
from mtseg.planes import Plane, Slice
from mtseg.tasks import Structures
from mtseg.transforms import CutSlice, LoadSubject

SIZE, SPACING = (10, 9, 8), (1.0, 1.5, 4.0)
CODES = st.permutations(["LR", "PA", "IS"]).flatmap(lambda axes: st.tuples(*map(st.sampled_from, axes))).map("".join)
PLANES = st.sampled_from(list(Plane))
ANGLES = st.tuples(*[st.floats(-0.4, 0.4)] * 3)
ORIENT = {"keys": ["image", "mask"], "axcodes": "RAS", "labels": None, "allow_missing_keys": True}


def volume(*, angles=(0.0, 0.0, 0.0)) -> nib.Nifti1Image:
    """Every voxel with a value of its own; axes to the right, to the front and up, turned a little."""
    voxels = np.arange(np.prod(SIZE), dtype=np.float32).reshape(SIZE) + 1
    rotation = nib.eulerangles.euler2mat(*angles)
    return nib.Nifti1Image(voxels, nib.affines.from_matvec(rotation @ np.diag(SPACING), [-5.0, -7.0, 3.0]))


def stored(image: nib.Nifti1Image, codes: str) -> nib.Nifti1Image:
    """The same image in another voxel order."""
    return image.as_reoriented(ornt_transform(io_orientation(image.affine), axcodes2ornt(codes)))


def stored_index(image: nib.Nifti1Image, plane: Plane, index: int) -> int:
    """Find the slice of `volume` in a stored copy by its voxels."""
    wanted = {*np.take(np.asarray(volume().dataobj), index, axis=plane.across).ravel()}
    slices = np.moveaxis(np.asarray(image.dataobj), plane.axis(image.affine)[0], 0)
    return next(k for k, voxels in enumerate(slices) if {*voxels.ravel()} == wanted)


def loaded(image: nib.Nifti1Image, path, **cells) -> dict:
    nib.save(image, path)
    record = {"subject": "ann", "image": [str(path), None], "mask": str(path)}
    return LoadSubject(structures=Structures({"low": list(range(1, 300))}))(record | cells)


@given(plane=PLANES, codes=CODES, angles=ANGLES, data=st.data())
@settings(max_examples=25)
def test_the_same_slice_whatever_the_voxel_order(tmp_path_factory, plane, codes, angles, data):
    index = data.draw(st.integers(0, SIZE[plane.across] - 1))
    image = stored(volume(angles=angles), codes)
    k = stored_index(image, plane, index)
    np.testing.assert_array_equal(
        np.sort(np.asarray(image.dataobj)[Slice(plane, k).within(image.affine)].ravel()),
        np.sort(np.take(np.asarray(volume().dataobj), index, axis=plane.across).ravel()),
    )
    sample = loaded(image, tmp_path_factory.mktemp("slice") / "t1.nii", **{plane.column: k})
    cut = Compose([Orientationd(**ORIENT), CutSlice(plane, mirror=False)])(sample)
    expected = np.take(np.asarray(volume().dataobj), index, axis=plane.across)
    np.testing.assert_array_equal(cut["image"][0], expected)
    assert cut["image"][1].isnan().all()  # the missing sequence stays missing
    np.testing.assert_array_equal(cut["mask"][0], expected < 300)
    np.testing.assert_allclose(cut["image"].pixdim[:2], np.delete(SPACING, plane.across), rtol=1e-5)


@given(plane=PLANES, codes=CODES, angles=ANGLES, data=st.data())
@settings(max_examples=25)
def test_what_is_predicted_comes_back_to_its_slice_of_the_stored_grid(tmp_path_factory, plane, codes, angles, data):
    index = data.draw(st.integers(0, SIZE[plane.across] - 1))
    image = stored(volume(angles=angles), codes)
    k = stored_index(image, plane, index)
    sample = loaded(image, tmp_path_factory.mktemp("slice") / "t1.nii", **{plane.column: k})
    steps = Compose([Orientationd(**ORIENT), CutSlice(plane, mirror=False)])
    cut = steps(sample)
    cut["seg"] = MetaTensor(cut["image"][:1].as_tensor())
    back = Invertd(keys="seg", transform=steps, orig_keys="image", nearest_interp=False)(cut)["seg"]
    expected = np.zeros(image.shape)
    axis, _ = plane.axis(image.affine)
    where = tuple(k if a == axis else slice(None) for a in range(3))
    expected[where] = np.asarray(image.dataobj)[where]
    np.testing.assert_array_equal(back[0], expected)
    np.testing.assert_allclose(back.affine, image.affine, atol=1e-4)


@pytest.mark.parametrize("plane", list(Plane))
def test_resampled_in_the_plane_and_back(plane, tmp_path):
    """A ramp along each axis, so that any shift of the grid would change its values."""
    image = volume(angles=(0.2, -0.1, 0.3))
    x, y, z = np.indices(SIZE)
    image = stored(nib.Nifti1Image((x + 2.0 * y + 3.0 * z + 1).astype(np.float32), image.affine), "PSR")
    sample = loaded(image, tmp_path / "t1.nii", **{plane.column: 4})
    pixels = {"keys": ["image", "mask"], "mode": ["bilinear", "nearest"], "allow_missing_keys": True}
    steps = Compose(
        [
            Orientationd(**ORIENT),
            CutSlice(plane, mirror=False),
            Spacingd(pixdim=[0.5, 0.5], **pixels),
            NormalizeIntensityd(keys="image", subtrahend=0.0, divisor=1.0, allow_missing_keys=True),
        ]
    )
    cut = steps(sample)
    size = np.delete((np.array(SIZE) - 1) * SPACING / 0.5, plane.across) + 1
    assert cut["image"].shape[1:] == cut["mask"].shape[1:] == tuple(size.round().astype(int))
    cut["seg"] = MetaTensor(cut["image"][:1].as_tensor())
    back = Invertd(keys="seg", transform=steps, orig_keys="image", nearest_interp=False)(cut)["seg"]
    axis, _ = plane.axis(image.affine)
    np.testing.assert_allclose(back[0].select(axis, 4), np.asarray(image.dataobj).take(4, axis=axis), rtol=0, atol=1e-3)
    assert back[0].index_select(axis, torch.tensor([3, 5])).count_nonzero() == 0


def test_without_a_mask_and_with_a_missing_one(tmp_path):
    sample = loaded(volume(), tmp_path / "t1.nii", slice_axial=2)
    masked = sample | {"mask": MetaTensor(torch.full((1, *SIZE), MISSING), meta=sample["image"].meta)}
    assert CutSlice("axial", mirror=True)(masked)["mask"].unique().tolist() == [MISSING]
    del sample["mask"]
    assert CutSlice("axial", mirror=True)(sample)["image"].shape == (2, 10, 9)
    assert sample["image"].shape == (2, *SIZE)  # the sample itself is as it was
    np.testing.assert_allclose(sample["image"].affine, volume().affine)


@pytest.mark.parametrize(("cells", "said"), [({"slice_coronal": 3}, "is None"), ({"slice_axial": 8}, "is 8")])
def test_a_slice_that_is_not_there(cells, said, tmp_path):
    with pytest.raises(InputError, match=f"ann: slice_axial {said}, but the image has slices 0 to 7. Correct"):
        CutSlice("axial", mirror=False)(loaded(volume(), tmp_path / "t1.nii", **cells))


def test_planes_that_cannot_be(tmp_path):
    with pytest.raises(InputError, match="a sagittal slice has no left and right"):
        CutSlice("sagittal", mirror=True)
    with pytest.raises(InputError, match="plane 'oblique': there is no such"):
        CutSlice("oblique", mirror=False)
