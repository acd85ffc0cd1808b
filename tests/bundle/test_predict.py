"""Prediction on files, DICOM folders and tables: what is written, where, and in which grid."""

import nibabel as nib
import numpy as np
import pydicom
import pytest
import yaml
from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage, generate_uid

from mtseg.bundle import predict, train
from mtseg.errors import InputError
from mtseg.files import read_table

NETWORK = (
    "network_def={_target_: mtseg.networks.JointNet, in_channels: 1, mask_classes: 3, heads: {size: 2}, "
    "channels: [8, 16]}"
)
COLUMNS = [
    "participant_id",
    "mask_file",
    "anterior_volume_mm3",
    "posterior_volume_mm3",
    "size_prob_normal",
    "size_prob_small",
    "size_predicted",
]
SPACING = (1.5, 1.0, 2.0)


@pytest.fixture(scope="module")
def model(phantoms, tmp_path_factory):
    """A hippocampus_t1 that has seen its phantoms for a few steps."""
    folder = tmp_path_factory.mktemp("hippocampus")
    settings = (NETWORK, "patch_size=[16, 16, 16]", "epochs=40", "batch_size=4", "learning_rate=0.01")
    cohort = phantoms(folder, "hippocampus_t1")
    return train("hippocampus_t1", cohort=cohort, out=folder / "run", settings=settings)


@pytest.fixture
def image(model, tmp_path):
    """A training image, stored left-handed and oblique, with codes of its own."""
    source = nib.load(model.parent / "p0_t1.nii.gz")
    affine = np.diag([*SPACING, 1.0]) @ nib.affines.from_matvec(nib.eulerangles.euler2mat(0.1, 0.2, 0.0), [5, -7, 9])
    affine[:, 0] *= -1
    turned = nib.Nifti1Image(np.asarray(source.dataobj)[:, :, :12], affine)
    turned.set_sform(affine, 4)
    turned.set_qform(affine, 1)
    nib.save(turned, tmp_path / "ann.nii.gz")
    return tmp_path / "ann.nii.gz"


def files(folder) -> list[str]:
    """Everything in an output folder, hidden or not."""
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def test_one_mask_per_file_named_after_it_in_its_grid(model, image, tmp_path):
    plain = model.parent / "p1_t1.nii.gz"
    out = predict(str(model), [image, plain], out=tmp_path / "out")
    configs = ["configs/inference.yaml", "configs/metadata.json"]
    masks = ["ann_mask.nii.gz", "p1_t1_mask.nii.gz"]
    assert files(out) == sorted([*configs, *masks, "inputs.tsv", "predictions.tsv", "run.json"])

    table = read_table(out / "predictions.tsv")
    assert table.columns.tolist() == COLUMNS
    assert table["mask_file"].tolist() == masks
    assert table["size_prob_normal"].add(table["size_prob_small"]).to_numpy() == pytest.approx(1)
    for row, path in zip(table.itertuples(), (image, plain), strict=True):
        mask, source = nib.load(out / row.mask_file), nib.load(path)
        np.testing.assert_array_equal(mask.affine, source.affine)
        assert mask.shape == source.shape
        assert (mask.header["sform_code"], mask.header["qform_code"]) == (
            source.header["sform_code"],
            source.header["qform_code"],
        )
        voxel = abs(np.linalg.det(source.affine[:3, :3]))
        voxels = np.asarray(mask.dataobj)
        assert {*np.unique(voxels)} <= {0, 1, 2}
        assert row.anterior_volume_mm3 == pytest.approx((voxels == 1).sum() * voxel, rel=1e-4)
        assert row.posterior_volume_mm3 == pytest.approx((voxels == 2).sum() * voxel, rel=1e-4)
    assert table["posterior_volume_mm3"].gt(0).all()  # it learned something, so the masks can be compared below


def test_probabilities_are_one_volume_a_structure_and_agree_with_the_mask(model, image, tmp_path):
    out = predict(str(model), [image], out=tmp_path / "out", probabilities=True)
    probability = nib.load(out / "ann_prob.nii.gz")
    mask = np.asarray(nib.load(out / "ann_mask.nii.gz").dataobj)
    assert probability.shape == (*mask.shape, 2)
    voxels = probability.get_fdata()
    assert voxels.min() >= 0
    assert voxels.sum(axis=-1).max() <= 1 + 1e-4
    every = np.concatenate([1 - voxels.sum(axis=-1, keepdims=True), voxels], axis=-1)
    np.testing.assert_array_equal(every.argmax(axis=-1), mask)


def test_mirror_averages_with_the_mirrored_image(model, tmp_path):
    """The mean of an image's and its twin's answers is the same for both."""
    source = nib.load(model.parent / "p1_t1.nii.gz")
    nib.save(nib.Nifti1Image(np.asarray(source.dataobj)[::-1], source.affine), tmp_path / "twin.nii.gz")
    inputs = [model.parent / "p1_t1.nii.gz", tmp_path / "twin.nii.gz"]

    def probabilities(**options):
        out = predict(str(model), inputs, out=tmp_path / str(options), probabilities=True, **options)
        return (nib.load(out / f"{name}_prob.nii.gz").get_fdata() for name in ("p1_t1", "twin"))

    one, twin = probabilities(mirror=True)
    np.testing.assert_allclose(one, twin[::-1], atol=5e-3)  # bfloat16
    one, twin = probabilities(mirror=False)
    assert np.abs(one - twin[::-1]).max() > 2e-2


def write_series(folder, voxels, *, spacing) -> None:
    """Write an axial MR series; (x, y, z) runs to the patient's left, back and head."""
    folder.mkdir()
    series, study, frame = generate_uid(), generate_uid(), generate_uid()
    for z in range(voxels.shape[2]):
        slice_ = pydicom.Dataset()
        slice_.file_meta = pydicom.dataset.FileMetaDataset()
        slice_.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        slice_.SOPClassUID, slice_.SOPInstanceUID = MRImageStorage, generate_uid()
        slice_.SeriesInstanceUID, slice_.StudyInstanceUID, slice_.FrameOfReferenceUID = series, study, frame
        slice_.Modality, slice_.PatientID, slice_.SeriesNumber, slice_.InstanceNumber = "MR", "ann", 1, z + 1
        slice_.ImagePositionPatient = [-10, -20, 30 + z * spacing[2]]
        slice_.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
        slice_.PixelSpacing, slice_.SliceThickness = [spacing[1], spacing[0]], spacing[2]
        pixels = voxels[:, :, z].T.astype(np.uint16)
        slice_.Rows, slice_.Columns = pixels.shape
        slice_.BitsAllocated, slice_.BitsStored, slice_.HighBit, slice_.PixelRepresentation = 16, 16, 15, 0
        slice_.SamplesPerPixel, slice_.PhotometricInterpretation = 1, "MONOCHROME2"
        slice_.PixelData = pixels.tobytes()
        slice_.save_as(folder / f"{z:03d}.dcm", enforce_file_format=True)


def test_a_dicom_series_equals_the_same_image_as_nifti(model, tmp_path):
    voxels = np.asarray(nib.load(model.parent / "p1_t1.nii.gz").dataobj).clip(0).astype(np.uint16)
    write_series(tmp_path / "series", voxels, spacing=SPACING)
    affine = np.diag([*SPACING, 1.0])
    affine[:3, 3] = -10, -20, 30
    affine[:2] *= -1  # DICOM counts to the left and to the back
    nib.save(nib.Nifti1Image(voxels.astype(np.float32), affine), tmp_path / "nifti.nii.gz")

    out = predict(str(model), [tmp_path / "series", tmp_path / "nifti.nii.gz"], out=tmp_path / "out")
    one, other = (nib.load(out / f"{name}_mask.nii.gz") for name in ("series", "nifti"))
    ornt = nib.orientations.io_orientation(np.linalg.inv(other.affine) @ one.affine)
    turned = one.as_reoriented(ornt)
    np.testing.assert_allclose(turned.affine, other.affine, atol=1e-4)
    np.testing.assert_array_equal(np.asarray(turned.dataobj), np.asarray(other.dataobj))
    assert np.asarray(other.dataobj).any()


@pytest.mark.parametrize(
    ("bundle", "inputs", "message"),
    [
        ("stroke_dwi_adc", ["a.nii.gz"], "this bundle needs dwi, adc of each subject: give a table of them with"),
        ("hippocampus_t1", ["a.nii.gz"], "a.nii.gz: there is no such file. Check the path"),
        ("hippocampus_t1", ["x/a.nii", "y/a.nii.gz"], "a: several inputs have this name"),
        ("hippocampus_t1", [], "Name either image files or, with --cohort, a table"),
    ],
)
def test_inputs_that_cannot_be_predicted(bundle, inputs, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for path in ("x/a.nii", "y/a.nii.gz"):
        (tmp_path / path).parent.mkdir()
        (tmp_path / path).touch()
    with pytest.raises(InputError, match=message):
        predict(bundle, inputs, out=tmp_path / "out", weights=__file__)


def test_a_broken_image_leaves_no_predictions(model, image, tmp_path):
    broken = tmp_path / "broken.nii.gz"
    broken.write_bytes(image.read_bytes()[:-200])
    with pytest.raises(InputError):
        predict(str(model), [image, broken], out=tmp_path / "out")
    assert "predictions.tsv" not in files(tmp_path / "out")
    assert not [name for name in files(tmp_path / "out") if ".writing" in name]


def test_a_head_in_place_of_a_crop_is_noted(model, image, tmp_path, caplog):
    source = nib.load(image)
    head = nib.Nifti1Image(np.asarray(source.dataobj), source.affine @ np.diag([6, 6, 6, 1.0]), source.header)
    head.set_qform(head.affine, 1)
    nib.save(head, tmp_path / "head.nii.gz")
    predict(str(model), [image, tmp_path / "head.nii.gz"], out=tmp_path / "out")
    (note,) = [message for message in caplog.messages if "crops of" in message]
    assert note.startswith("note: head: t1: is 182 × 97 × 143 mm large, and the network knows crops of at most 100 mm")


def test_a_training_on_larger_images_says_so(phantoms, tmp_path):
    settings = (NETWORK, "patch_size=[16, 16, 16]", "epochs=1", "largest_image_mm=null")
    run = train("hippocampus_t1", cohort=phantoms(tmp_path, "hippocampus_t1"), out=tmp_path / "run", settings=settings)
    assert yaml.safe_load((run / "configs" / "inference.yaml").read_text())["largest_image_mm"] is None
