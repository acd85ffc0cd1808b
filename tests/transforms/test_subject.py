from functools import partial
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from monai.transforms import Compose, Orientationd, Spacingd
from nibabel.orientations import axcodes2ornt, io_orientation, ornt_transform

from mtseg.errors import InputError
from mtseg.keys import MISSING
from mtseg.tasks import Head, Kind, Structures
from mtseg.transforms import EncodeTargets, LoadSubject

SIZE = (10, 9, 8)
AFFINE = nib.affines.from_matvec(np.diag([1.0, 1.5, 2.0]), [-5.0, -7.0, 3.0])
STRUCTURES = Structures({"left": 48, "lesion": [3, 1], "other": 2035})


def voxels(*, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).random(SIZE, dtype=np.float32)


def labels() -> np.ndarray:
    return np.random.default_rng(1).choice([0, 1, 2, 3, 48, 2035], SIZE).astype(np.int16)


def save(path: Path, array: np.ndarray, *, affine: np.ndarray = AFFINE, codes: str = "RAS") -> str:
    """Store in another voxel order; every voxel stays where it is in the world."""
    image = nib.Nifti1Image(array, affine)
    image = image.as_reoriented(ornt_transform(io_orientation(affine), axcodes2ornt(codes)))
    nib.save(image, path)
    return str(path)


ras = partial(Orientationd, keys=["image", "mask"], axcodes="RAS", labels=None, allow_missing_keys=True)


CODES = st.permutations(["LR", "PA", "IS"]).flatmap(lambda axes: st.tuples(*map(st.sampled_from, axes))).map("".join)


@given(first=CODES, second=CODES, mask=CODES)
@example(first="PSR", second="RAS", mask="PSR")
@example(first="LPS", second="LPS", mask="RAS")
@settings(max_examples=15)
def test_voxel_order_does_not_matter(tmp_path_factory, first, second, mask):
    folder = tmp_path_factory.mktemp("orders")
    images = [save(folder / "t1.nii", voxels(), codes=first), save(folder / "t2.nii", voxels(seed=2), codes=second)]
    record = {"subject": "a", "image": images, "mask": save(folder / "mask.nii", labels(), codes=mask)}
    loaded = LoadSubject(structures=STRUCTURES)(record)
    shape = nib.load(images[0]).shape
    assert (loaded["image"].shape, loaded["mask"].shape) == ((2, *shape), (1, *shape))
    result = ras()(loaded)
    torch.testing.assert_close(result["image"].as_tensor()[0], torch.from_numpy(voxels()))
    torch.testing.assert_close(result["image"].as_tensor()[1], torch.from_numpy(voxels(seed=2)), rtol=0, atol=1e-4)
    expected = np.select([labels() == 48, np.isin(labels(), (1, 3)), labels() == 2035], [1, 2, 3])
    assert np.array_equal(result["mask"].numpy()[0], expected)
    for name in ("image", "mask"):
        assert np.allclose(result[name].affine, AFFINE)


def test_another_grid_is_resampled_to_the_first(tmp_path):
    """A ramp along each world axis keeps its value at each world position; a box stays where it is."""
    fine = nib.affines.from_matvec(np.diag([0.5, 0.5, 0.5]), [-7.0, -9.0, 1.0])
    x, y, z = np.meshgrid(*(np.arange(n) * 0.5 for n in (30, 40, 50)), indexing="ij")
    ramp = ((x - 7) + 10 * (y - 9) + 100 * (z + 1)).astype(np.float32)
    box = ((abs(x - 7) < 2.2) & (abs(y - 9) < 3.2) & (abs(z - 9) < 4.2)).astype(np.uint8)
    record = {
        "subject": "a",
        "image": [save(tmp_path / "t1.nii", voxels()), save(tmp_path / "t2.nii", ramp, affine=fine, codes="PSR")],
        "mask": save(tmp_path / "mask.nii", box, affine=fine, codes="LPS"),
    }
    loaded = LoadSubject(structures=STRUCTURES)(record)
    world = nib.affines.apply_affine(AFFINE, np.moveaxis(np.indices(SIZE), 0, -1))
    assert loaded["image"].shape == (2, *SIZE)
    assert np.allclose(loaded["image"][1].numpy(), world @ [1, 10, 100], atol=0.01)
    inside = (abs(world - [0, 0, 10]) < [2.2, 3.2, 4.2]).all(-1)
    assert inside.sum() > 20
    assert np.array_equal(loaded["mask"][0].numpy() > 0, inside)
    assert np.allclose(loaded["mask"].affine, AFFINE)


@pytest.mark.parametrize("absent", [{"mask": None}, {}])
def test_a_missing_mask_is_missing_everywhere(tmp_path, absent):
    record = {"subject": "a", "image": [save(tmp_path / "t1.nii", voxels(), codes="PSR")], **absent}
    loaded = LoadSubject(structures=STRUCTURES)(record)
    result = Compose([ras(), Spacingd(["image", "mask"], pixdim=[1.0] * 3, mode=["bilinear", "nearest"])])(loaded)
    assert result["mask"].shape == result["image"].shape
    assert (result["mask"] == MISSING).all()
    assert "mask" not in LoadSubject()({"subject": "a", "image": record["image"]})


@pytest.mark.parametrize("shape", [(6, 5, 4), (6, 5, 4, 1), (6, 5), (6, 5, 1)])
def test_shapes(tmp_path, shape):
    path = save(tmp_path / "t1.nii.gz", np.arange(np.prod(shape), dtype=np.float32).reshape(shape))
    assert LoadSubject()({"subject": "a", "image": [path, path]})["image"].shape == (2, *shape[:3])


def test_freesurfer_format(tmp_path):
    nib.save(nib.MGHImage(voxels(), AFFINE), tmp_path / "t1.mgz")
    image = LoadSubject()({"subject": "a", "image": [str(tmp_path / "t1.mgz")]})["image"]
    assert np.array_equal(image[0].numpy(), voxels())
    assert np.allclose(image.affine, AFFINE)


@pytest.mark.parametrize("damage", ["truncated", "text", "absent", "mask", "empty folder"])
def test_an_unreadable_file_is_named(tmp_path, damage):
    good = Path(save(tmp_path / "good.nii.gz", voxels()))
    bad = tmp_path / "bad.nii.gz"
    if damage == "empty folder":
        bad = tmp_path / "series"
        bad.mkdir()
    elif damage != "absent":
        bad.write_bytes(b"no image" if damage == "text" else good.read_bytes()[:300])
    record = {"subject": "sub-07", "image": [str(good), str(good if damage == "mask" else bad)]}
    record["mask"] = str(bad if damage == "mask" else good)
    with pytest.raises(InputError) as raised:
        LoadSubject(structures=STRUCTURES)(record)
    assert str(raised.value).startswith(f"sub-07: {bad}: cannot be read")


def test_targets_are_encoded_and_their_cells_dropped():
    heads = (Head("sex", Kind.CLASSES, ("F", "M")), Head("age", Kind.NUMBER, mean=50, sd=10), Head("x", Kind.NUMBER))
    record = {"subject": "a", "sex": "M", "age": None, "site": "Bonn"}
    encoded = EncodeTargets(heads)(record)
    targets = encoded.pop("targets")
    assert encoded == {"subject": "a", "site": "Bonn"}
    assert targets["sex"].tolist() == [1]
    assert targets["age"].isnan().tolist() == targets["x"].isnan().tolist() == [True]
    assert record["sex"] == "M"


def test_nan_voxels_are_refused(tmp_path):
    voxels = np.ones((4, 4, 4), np.float32)
    voxels[1, 2, 3] = np.nan
    nib.save(nib.Nifti1Image(voxels, np.eye(4)), tmp_path / "nan.nii.gz")
    with pytest.raises(InputError, match=r"s1: .*nan\.nii\.gz: has NaN or infinite voxels"):
        LoadSubject()({"subject": "s1", "image": [str(tmp_path / "nan.nii.gz")]})
