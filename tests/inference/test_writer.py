from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch
from ignite.engine import Engine
from nibabel.affines import apply_affine, from_matvec
from nibabel.eulerangles import euler2mat
from nibabel.orientations import axcodes2ornt, io_orientation, ornt_transform

from mtseg.errors import InputError
from mtseg.files import read_table
from mtseg.inference import WritePredictions
from mtseg.tasks import Head, Kind, Structures
from mtseg.transforms import LoadSubject

SIZE = (7, 6, 5)
STRUCTURES = Structures({"left": [48, 49], "right": 2035, "lesion": 3})
HEADS = (
    Head("sex", Kind.CLASSES, ("F", "M")),
    Head("signs", Kind.LABELS, ("bleed", "oedema")),
    Head("age", Kind.NUMBER, mean=50, sd=10),
)
ANSWERS = {"sex": torch.tensor([0.75, 0.25]), "signs": torch.tensor([0.5, 1.0]), "age": torch.tensor([62.5])}
OBLIQUE = from_matvec(euler2mat(0.1, -0.2, 0.3) @ np.diag([0.9, 1.1, 1.7]), [-31.7, 12.3, 45.6])
GRID = ("sform_code", "qform_code", "quatern_b", "quatern_c", "quatern_d", "qoffset_x", "qoffset_y", "qoffset_z",
        "srow_x", "srow_y", "srow_z")  # fmt: skip


def save(path: Path, *, affine=OBLIQUE, codes: str = "PSR", sform: int = 1, qform: int = 1) -> Path:
    image = nib.Nifti1Image(np.random.default_rng(0).random(SIZE, dtype=np.float32), affine)
    image = image.as_reoriented(ornt_transform(io_orientation(affine), axcodes2ornt(codes)))
    image.set_sform(image.affine, sform)
    image.set_qform(image.affine, qform)
    nib.save(image, path)
    return path


def load(path: Path, subject: str = "p1") -> dict:
    return LoadSubject()({"subject": subject, "image": [str(path)]})


def answers(size, seed: int = 0) -> dict[str, torch.Tensor]:
    logits = torch.randn(4, *size, generator=torch.Generator().manual_seed(seed))
    return {"seg": (3 * logits).softmax(0)} | ANSWERS


def write(folder: Path, samples: list[dict], found: list[dict], **options) -> None:
    engine = Engine(lambda engine, batch: found)
    WritePredictions(folder, structures=STRUCTURES, heads=HEADS, **options).attach(engine)
    engine.run([samples])


@pytest.mark.parametrize(("sform", "qform"), [(1, 1), (4, 1), (0, 1), (2, 0), (0, 0)])
@pytest.mark.parametrize("codes", ["PSR", "LAS"])
def test_the_mask_lies_on_the_grid_of_its_input_bit_for_bit(tmp_path, codes, sform, qform):
    path = save(tmp_path / "t1.nii.gz", codes=codes, sform=sform, qform=qform)
    source, sample = nib.load(path), load(path)
    write(tmp_path, [sample], [answers(source.shape)], probabilities=True)
    for name in ("p1_mask.nii.gz", "p1_prob.nii.gz"):
        written = nib.load(tmp_path / name)
        assert written.shape[:3] == source.shape
        assert np.array_equal(written.affine, source.affine)
        for field in GRID:
            assert np.array_equal(written.header[field], source.header[field]), field
        assert np.array_equal(written.header["pixdim"][:4], source.header["pixdim"][:4])


def test_an_unused_qform_that_is_no_rotation_does_not_matter(tmp_path):
    path = save(tmp_path / "t1.nii.gz", qform=0)
    image = nib.load(path)
    for name in GRID[2:5]:
        image.header[name] = 1
    nib.save(image, tmp_path / "odd.nii.gz")
    write(tmp_path / "out", [load(tmp_path / "odd.nii.gz")], [answers(SIZE)])
    mask = nib.load(tmp_path / "out" / "p1_mask.nii.gz")
    assert all(np.array_equal(mask.header[name], nib.load(tmp_path / "odd.nii.gz").header[name]) for name in GRID)


@pytest.mark.parametrize("spoilt", ["seg", "age"])
def test_an_answer_that_is_no_number_is_refused_by_name(tmp_path, spoilt):
    found = answers(SIZE)
    found[spoilt] = found[spoilt].clone()
    found[spoilt].flatten()[0] = torch.nan
    with pytest.raises(InputError, match=f"p1: {spoilt}: no finite answer"):
        write(tmp_path / "out", [load(save(tmp_path / "t1.nii.gz"))], [found])


def test_a_shear_that_only_the_sform_can_hold_survives(tmp_path):
    sheared = OBLIQUE.copy()
    sheared[0, 1] += 0.4
    path = save(tmp_path / "t1.nii", affine=sheared, codes="RAS")
    write(tmp_path, [load(path)], [answers(SIZE)])
    assert np.array_equal(nib.load(tmp_path / "p1_mask.nii.gz").affine, nib.load(path).affine)


def test_values_volumes_and_probabilities(tmp_path):
    path = save(tmp_path / "t1.nii.gz", codes="RAS")
    found = answers(SIZE)
    write(tmp_path, [load(path)], [found], probabilities=True)
    mask, prob = nib.load(tmp_path / "p1_mask.nii.gz"), nib.load(tmp_path / "p1_prob.nii.gz")
    values = np.asarray(mask.dataobj)
    assert np.issubdtype(mask.get_data_dtype(), np.integer)
    assert np.array_equal(values, np.array([0, 48, 2035, 3])[found["seg"].argmax(0)])
    assert prob.shape == (*SIZE, 3)
    assert np.array_equal(prob.get_fdata(dtype=np.float32), np.moveaxis(found["seg"][1:].numpy(), 0, -1))
    row = read_table(tmp_path / "predictions.tsv").iloc[0]
    for name, value in (("left", 48), ("right", 2035), ("lesion", 3)):
        assert row[f"{name}_volume_mm3"] == pytest.approx((values == value).sum() * 0.9 * 1.1 * 1.7, abs=1e-3)


def test_columns_and_one_row_per_subject(tmp_path):
    path = save(tmp_path / "t1.nii.gz", codes="RAS")
    write(tmp_path / "new" / "out", [load(path, "007"), load(path, "8")], [answers(SIZE), answers(SIZE, seed=1)])
    table = read_table(tmp_path / "new" / "out" / "predictions.tsv")
    assert table["participant_id"].tolist() == ["007", "8"]
    assert table["mask_file"].tolist() == ["007_mask.nii.gz", "8_mask.nii.gz"]
    assert table.columns[2:].tolist() == [
        *("left_volume_mm3", "right_volume_mm3", "lesion_volume_mm3"),
        *("sex_prob_F", "sex_prob_M", "sex_predicted"),
        *("signs_prob_bleed", "signs_prob_oedema"),
        "age_predicted",
    ]
    assert table.loc[0, "sex_prob_F":].tolist() == [0.75, 0.25, "F", 0.5, 1.0, 62.5]
    names = {file.name for file in (tmp_path / "new" / "out").iterdir()}
    assert names == {"007_mask.nii.gz", "8_mask.nii.gz", "predictions.tsv"}


def test_the_sequences_that_a_subject_had(tmp_path):
    t1, t2 = (str(save(tmp_path / f"{name}.nii.gz")) for name in ("t1", "t2"))
    records = [{"subject": "a", "image": [t1, t2]}, {"subject": "b", "image": [None, t2]}]
    write(tmp_path, [*map(LoadSubject(), records)], [answers(SIZE), answers(SIZE)], sequences=["t1", "t2"])
    assert read_table(tmp_path / "predictions.tsv")["sequences"].tolist() == ["t1+t2", "t2"]


def test_nothing_half_written_stays(tmp_path, monkeypatch):
    sample, out = load(save(tmp_path / "t1.nii.gz", codes="RAS")), tmp_path / "out"

    def fail(image, path):
        Path(path).write_bytes(b"half")
        raise OSError("disk full")

    monkeypatch.setattr(nib, "save", fail)
    with pytest.raises(OSError, match="disk full"):
        write(out, [sample], [answers(SIZE)])
    assert list(out.iterdir()) == []


def test_probabilities_of_another_mask_do_not_stay(tmp_path):
    """They lay beside the mask of other weights."""
    path = save(tmp_path / "t1.nii.gz")
    maps = [tmp_path / f"p1_{name}.nii.gz" for name in ("prob", "entropy", "disagreement")]
    for one in maps:
        one.touch()
    write(tmp_path, [load(path)], [answers(SIZE)])
    assert (tmp_path / "p1_mask.nii.gz").exists() and not any(one.exists() for one in maps)


def test_the_table_of_other_masks_does_not_stay(tmp_path, monkeypatch):
    """Where a second prediction was killed, it described the first one's masks."""
    sample, out = load(save(tmp_path / "t1.nii.gz", codes="RAS")), tmp_path / "out"
    write(out, [sample], [answers(SIZE)])
    monkeypatch.setattr(WritePredictions, "write_batch", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        write(out, [sample], [answers(SIZE, seed=1)])
    assert not (out / "predictions.tsv").exists()


@pytest.mark.parametrize("shape", [(7, 6), (7, 6, 1)])
def test_a_single_slice(tmp_path, shape):
    nib.save(
        nib.Nifti1Image(np.arange(np.prod(shape), dtype=np.float32).reshape(shape), np.diag([2.0, 3.0, 5.0, 1.0])),
        tmp_path / "t1.nii.gz",
    )
    write(tmp_path, [load(tmp_path / "t1.nii.gz")], [answers(shape)])
    mask = nib.load(tmp_path / "p1_mask.nii.gz")
    assert mask.shape == shape
    row = read_table(tmp_path / "predictions.tsv").iloc[0]
    assert row["left_volume_mm3"] == pytest.approx((mask.get_fdata() == 48).sum() * 30)


def test_freesurfer_input(tmp_path):
    nib.save(nib.MGHImage(np.arange(np.prod(SIZE), dtype=np.float32).reshape(SIZE), OBLIQUE), tmp_path / "t1.mgz")
    write(tmp_path, [load(tmp_path / "t1.mgz")], [answers(SIZE)])
    mask = nib.load(tmp_path / "p1_mask.nii.gz")
    assert mask.shape == SIZE
    assert np.allclose(mask.affine, OBLIQUE, atol=1e-4)


@pytest.mark.parametrize("codes", ["LPS", "PIR", "LIP"])
def test_a_dicom_folder(tmp_path, codes, save_series):
    """Axial, sagittal and coronal oblique series: the brightest voxel stays where it is in the patient."""
    ornt = ornt_transform(axcodes2ornt("RAS"), axcodes2ornt(codes))
    volume = np.random.default_rng(0).integers(0, 1000, SIZE)
    volume[5, 1, 3] = 4000
    image = nib.Nifti1Image(volume.astype(np.int16), OBLIQUE).as_reoriented(ornt)
    save_series(tmp_path / "series", np.asarray(image.dataobj), image.affine)
    sample = load(tmp_path / "series")
    voxels = sample["image"][0].numpy()
    assert voxels.shape == image.shape
    brightest = np.unravel_index(voxels.argmax(), voxels.shape)
    truth = apply_affine(OBLIQUE, [5, 1, 3])
    assert np.allclose(apply_affine(sample["image"].affine.numpy(), brightest), truth, atol=1e-3)
    found = answers(voxels.shape)
    found["seg"][:] = torch.eye(4)[(sample["image"][0] == 4000).long()].movedim(-1, 0)
    write(tmp_path, [sample], [found])
    mask = nib.load(tmp_path / "p1_mask.nii.gz")
    (where,) = np.argwhere(np.asarray(mask.dataobj) == 48)
    assert np.allclose(apply_affine(mask.affine, where), truth, atol=1e-3)
    row = read_table(tmp_path / "predictions.tsv").iloc[0]
    assert row["left_volume_mm3"] == pytest.approx(0.9 * 1.1 * 1.7, abs=2e-3)


@pytest.mark.filterwarnings("ignore:Failed to read")
def test_a_text_file_in_a_dicom_folder_does_not_matter(tmp_path, save_series):
    save_series(tmp_path / "series", np.random.default_rng(0).integers(0, 9, SIZE), OBLIQUE)
    plain = load(tmp_path / "series")["image"]
    (tmp_path / "series" / "notes.txt").write_text("scanned twice")
    assert torch.equal(load(tmp_path / "series")["image"].as_tensor(), plain.as_tensor())


def test_masks_of_an_earlier_call_are_told_of(tmp_path, caplog):
    path = save(tmp_path / "t1.nii.gz")
    for subject in ("p1", "p2", "p2"):
        caplog.clear()
        write(tmp_path, [load(path, subject)], [answers(nib.load(path).shape)])
        assert ("p1_mask.nii.gz" in caplog.text) == (subject == "p2")
    assert "(1)" in caplog.text
