"""The exported folder, what is refused, and that nothing half-written is left."""

import json
import shutil

import nibabel as nib
import numpy as np
import pytest
import torch
import yaml

from mtseg.bundle import predict, verify
from mtseg.errors import InputError
from mtseg.export import export
from mtseg.export.monai_label.served import ServedModel
from mtseg.files import read_table


def test_an_app_is_complete_and_says_how_it_is_served(glioma, tmp_path):
    said = export(str(glioma), to="monai-label", out=tmp_path / "my app")
    app = tmp_path / "my app"
    assert "the app differs from mtseg predict in 0 of 3072 voxels" in said
    assert f"python -m monailabel.main start_server --app '{app}' --studies STUDIES --host 127.0.0.1" in said
    assert sorted(path.name for path in app.iterdir()) == ["README.md", "main.py", "model", "run.json"]
    run = json.loads((app / "run.json").read_text())
    assert (run["voxels_compared"], run["voxels_different"], run["largest_difference"]) == (3072, 0, 0)
    assert run["voxels_in_structures"] > 0
    assert verify(str(app / "model" / "run")).endswith("are in order; weights")
    assert ".writing" not in "".join(file.read_text() for file in app.rglob("*.yaml"))


def test_structures_are_numbered_from_one(hippocampus_app, phantoms, tmp_path):
    bundle = tmp_path / "renumbered"
    shutil.copytree(hippocampus_app / "model" / "hippocampus_t1", bundle)
    for file in bundle.glob("configs/*.yaml"):
        config = yaml.safe_load(file.read_text())
        if "structures" in config:
            config["structures"] = {"anterior": 47, "posterior": [12, 13]}
        file.write_text(yaml.safe_dump(config, sort_keys=False))
    export(str(bundle), to="monai-label", out=tmp_path / "app")
    image = phantoms(tmp_path, "hippocampus_t1", edge=24).parent / "p0_t1.nii.gz"
    out = predict(str(bundle), [image], out=tmp_path / "predicted")
    ours = np.asarray(nib.load(out / "p0_t1_mask.nii.gz").dataobj)
    with ServedModel(tmp_path / "app" / "model" / "renumbered").answer(image) as answer:
        served = np.asarray(nib.load(answer.mask).dataobj)
    assert {*np.unique(ours)} == {0, 47, 12}
    assert np.array_equal(served, np.select([ours == 47, ours == 12], [1, 2]))
    assert answer.result["label_names"] == {"anterior": 1, "posterior": 2}


@pytest.mark.parametrize(
    ("bundle", "message"),
    [
        ("slice_2d", "answers about one slice of a subject"),
        ("rsfmri_4d", "draws no mask"),
    ],
)
def test_what_a_viewer_cannot_show_is_refused(bundle, message, tmp_path):
    torch.save({}, tmp_path / "model.pt")
    with pytest.raises(InputError, match=message):
        export(bundle, to="monai-label", out=tmp_path / "app", weights=tmp_path / "model.pt")
    assert not (tmp_path / "app").exists()


def test_weights_of_another_network_are_refused_and_nothing_is_left(glioma, tmp_path):
    weights = shutil.copy(glioma / "models" / "model.pt", tmp_path / "weights.pt")
    for given, message in ((weights, "does not fit the network"), (glioma, "sequences, .*: not as in")):
        with pytest.raises(InputError, match=message):
            export("hippocampus_t1", to="monai-label", out=tmp_path / "app", weights=given)
    assert [*tmp_path.iterdir()] == [weights]


def test_an_app_that_answers_otherwise_is_refused_and_nothing_is_left(glioma, tmp_path, monkeypatch):
    found = ServedModel._result
    monkeypatch.setattr(ServedModel, "_result", lambda *args: _doubted(found(*args)))
    with pytest.raises(InputError, match=r"otherwise than mtseg predict: 0 voxels of 3072, probabilities by up to 0.1"):
        export(str(glioma), to="monai-label", out=tmp_path / "app")
    assert not [*tmp_path.iterdir()]


def _doubted(result):
    result["heads"]["death"]["probabilities"]["1"] += 0.1
    return result


def test_a_folder_with_something_in_it_is_left_alone(glioma, tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match="is there already"):
        export(str(glioma), to="monai-label", out=tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


@pytest.fixture
def model(glioma_app):
    return ServedModel(glioma_app / "model" / "run")


def test_the_answer_is_the_predictions_for_any_sequence_asked_for(glioma, model, tmp_path):
    cohort = glioma.parent / "cohort.tsv"
    row = read_table(predict(str(glioma), cohort=cohort, out=tmp_path / "out") / "predictions.tsv").iloc[0]
    expected = nib.load(tmp_path / "out" / "p0_mask.nii.gz")
    assert np.asarray(expected.dataobj).any()
    for sequence in ("t1", "flair"):
        with model.answer(glioma.parent / f"p0_{sequence}.nii.gz") as answer:
            served = nib.load(answer.mask)
            assert np.array_equal(np.asarray(served.dataobj), np.asarray(expected.dataobj))
            assert np.array_equal(served.affine, expected.affine)
        said = answer.result
        assert said["subject"] == "p0"
        assert said["sequences"] == {"t1": "p0_t1.nii.gz", "flair": "p0_flair.nii.gz"}
        assert said["heads"]["death"]["probabilities"] == {"0": row["death_prob_0"], "1": row["death_prob_1"]}
        assert sum(said["heads"]["coc_cluster"]["probabilities"].values()) == pytest.approx(1, abs=1e-6)
        assert 0 < said["uncertainty"]["mean"] < 1


def test_a_4d_file_says_the_same_as_its_sequences(glioma, model, tmp_path):
    both = [nib.load(glioma.parent / f"p0_{sequence}.nii.gz") for sequence in ("t1", "flair")]
    voxels = np.stack([np.asarray(image.dataobj) for image in both], axis=-1)
    nib.save(nib.Nifti1Image(voxels, both[0].affine), tmp_path / "p0.nii.gz")
    voxels[..., 0] = 0  # the network has a flair alone
    nib.save(nib.Nifti1Image(voxels, both[0].affine), tmp_path / "p1.nii.gz")
    nib.save(both[1], tmp_path / "p2_flair.nii.gz")
    images = (
        glioma.parent / "p0_t1.nii.gz",
        tmp_path / "p0.nii.gz",
        tmp_path / "p2_flair.nii.gz",
        tmp_path / "p1.nii.gz",
    )
    masks, heads = [], []
    for image in images:
        with model.answer(image) as answer:
            masks.append(np.asarray(nib.load(answer.mask).dataobj))
            heads.append(answer.result["heads"])
    assert np.array_equal(masks[0], masks[1])
    assert heads[0] == heads[1]
    assert np.array_equal(masks[2], masks[3])
    assert heads[2] == heads[3] != heads[0]


def test_the_mask_is_on_the_grid_of_the_image_that_was_asked_for(glioma, model, tmp_path):
    t1, flair = (nib.load(glioma.parent / f"p0_{sequence}.nii.gz") for sequence in ("t1", "flair"))
    nib.save(t1, tmp_path / "p0_t1.nii.gz")
    nib.save(flair.slicer[2:, :-3], tmp_path / "p0_flair.nii.gz")
    with model.answer(tmp_path / "p0_t1.nii.gz") as answer:
        whole = np.asarray(nib.load(answer.mask).dataobj)
    with model.answer(tmp_path / "p0_flair.nii.gz") as answer:
        part = np.asarray(nib.load(answer.mask).dataobj)
    assert part.shape == flair.slicer[2:, :-3].shape
    assert np.array_equal(part, whole[2:, :-3])
    assert part.any()


@pytest.mark.parametrize("wanted", ["death", "abnormality"])
def test_a_map_comes_with_the_answer(glioma, model, wanted):
    with model.answer(glioma.parent / "p0_t1.nii.gz", cam=wanted) as answer:
        voxels = nib.load(answer.cam).get_fdata()
        mask = np.asarray(nib.load(answer.mask).dataobj)
    assert voxels.shape == mask.shape
    assert voxels.min() >= 0
    assert voxels.max() == pytest.approx(1)
    assert answer.result["cam"]["head"] == ("death" if wanted == "death" else "seg")
    with pytest.raises(InputError, match=r"cam age: there is no such answer. Choose one of grade_code, coc_cluster"):
        model.answer(glioma.parent / "p0_t1.nii.gz", cam="age").__enter__()


def test_a_damaged_image_is_named(model, glioma, tmp_path):
    (tmp_path / "ann_t1.nii.gz").write_bytes((glioma.parent / "p0_t1.nii.gz").read_bytes()[:2000])
    nib.save(nib.load(glioma.parent / "p0_flair.nii.gz"), tmp_path / "ann_flair.nii.gz")
    with pytest.raises(InputError, match=r"ann: .*ann_t1.nii.gz"):
        model.answer(tmp_path / "ann_flair.nii.gz").__enter__()


def test_a_4d_file_that_is_cut_off_is_named(model, glioma, tmp_path):
    both = [np.asarray(nib.load(glioma.parent / f"p0_{sequence}.nii.gz").dataobj) for sequence in ("t1", "flair")]
    nib.save(nib.Nifti1Image(np.stack(both, axis=-1), np.eye(4)), tmp_path / "whole.nii.gz")
    (tmp_path / "ann.nii.gz").write_bytes((tmp_path / "whole.nii.gz").read_bytes()[:20_000])  # its header is there
    with pytest.raises(InputError, match=r"ann\.nii\.gz: is cut off or damaged .*Copy it again"):
        model.answer(tmp_path / "ann.nii.gz").__enter__()


def test_a_4d_file_of_colours_is_refused(model, tmp_path):
    colours = np.zeros((8, 8, 8, 2), [("R", "u1"), ("G", "u1"), ("B", "u1")])
    nib.save(nib.Nifti1Image(colours, np.eye(4)), tmp_path / "ann.nii.gz")
    with pytest.raises(InputError, match=r"ann\.nii\.gz: image holds colours, not intensities. Use the original image"):
        model.answer(tmp_path / "ann.nii.gz").__enter__()


def test_classes_are_said_as_the_bundle_spells_them(glioma, glioma_app, tmp_path):
    classes = {"grade_code": ["1.10", "1.1"], "coc_cluster": ["01", "1", "1.0"], "death": ["True", "False"]}
    bundle = shutil.copytree(glioma_app / "model" / "run", tmp_path / "run")
    for file in bundle.glob("configs/*.yaml"):
        config = yaml.safe_load(file.read_text())
        if "heads" in config:
            config["heads"] = {head: {"classes": names} for head, names in classes.items()}
        file.write_text(yaml.safe_dump(config, sort_keys=False))
    spelt = set()
    for subject in ("p0", "p1", "p2"):
        with ServedModel(bundle).answer(glioma.parent / f"{subject}_t1.nii.gz") as answer:
            for said in answer.result["heads"].values():
                assert said["predicted"] == max(said["probabilities"], key=said["probabilities"].get)
                spelt.add(said["predicted"])
    assert spelt & {"1.10", "1.0", "01", "True", "False"}, "numbers would spell these otherwise"


def test_what_comes_from_a_training_is_configuration_only(glioma_app):
    config = yaml.safe_load((glioma_app / "model" / "run" / "configs" / "train.yaml").read_text())
    assert config["cohort"] == "participants.tsv"
    assert config["start_weights"] is None
