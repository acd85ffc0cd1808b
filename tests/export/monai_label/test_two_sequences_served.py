"""A glioma network of two sequences on a real server: siblings, 4D files, drawing, training, choosing."""

import json
import shutil
import time

import nibabel as nib
import numpy as np
import pytest
from label_server import REAL_PATIENT, predicted, serving, turned

from mtseg.files import read_table

pytestmark = pytest.mark.serve

MODEL = "run"
HEADS = ["grade_code", "coc_cluster", "death"]
WHOLE = ["p0", "p1", "p2", "p3"]
"""Subjects with both sequences; p4 has a flair alone, p5 both in one 4D file."""


@pytest.fixture(scope="module")
def studies(glioma, tmp_path_factory):
    folder, sources = tmp_path_factory.mktemp("studies"), glioma.parent
    for subject in WHOLE:
        for sequence in ("t1", "flair"):
            turned(sources / f"{subject}_{sequence}.nii.gz", folder / f"{subject}_{sequence}.nii.gz")
    nib.save(nib.load(folder / "p3_flair.nii.gz").slicer[2:, :, 1:], folder / "p3_flair.nii.gz")  # a grid of its own
    turned(sources / "p4_flair.nii.gz", folder / "p4_flair.nii.gz")
    both = [nib.load(sources / f"p5_{sequence}.nii.gz") for sequence in ("t1", "flair")]
    voxels = np.stack([np.asarray(image.dataobj) for image in both], axis=-1)
    nib.save(nib.Nifti1Image(voxels, both[0].affine), sources / "p5.nii.gz")
    turned(sources / "p5.nii.gz", folder / "p5.nii.gz", volumes=True)
    table = read_table(sources / "cohort.tsv", text=HEADS)
    table[["participant_id", *HEADS]].to_csv(folder / "participants.tsv", sep="\t", index=False)
    return folder


@pytest.fixture(scope="module")
def app(glioma_app, tmp_path_factory):
    """A copy, for it is trained."""
    return shutil.copytree(glioma_app, tmp_path_factory.mktemp("copy") / "app")


@pytest.fixture(scope="module")
def server(app, studies, tmp_path_factory):
    with serving(app, studies, log=tmp_path_factory.mktemp("log") / "server.log") as client:
        yield client


def ask(server, image):
    return server.post(f"infer/{MODEL}", image=image, output="json").json()


def mask_of(server, image, folder):
    (folder / "mask.nii.gz").write_bytes(server.post(f"infer/{MODEL}", image=image, output="image").content)
    return nib.load(folder / "mask.nii.gz")


@pytest.fixture(scope="module")
def expected(glioma, studies, tmp_path_factory):
    """What mtseg predict says of everybody, from a table."""
    folder = tmp_path_factory.mktemp("expected")
    split = nib.load(studies / "p5.nii.gz")
    for k, sequence in enumerate(("t1", "flair")):
        nib.save(split.slicer[..., k], folder / f"p5_{sequence}.nii.gz")
    rows = [f"{subject}\t{studies}/{subject}_t1.nii.gz\t{studies}/{subject}_flair.nii.gz" for subject in WHOLE]
    rows += [f"p4\tn/a\t{studies}/p4_flair.nii.gz", "p5\tp5_t1.nii.gz\tp5_flair.nii.gz"]
    (folder / "table.tsv").write_text("\n".join(["participant_id\tt1\tflair", *rows]) + "\n")
    return predicted(glioma, "--cohort", folder / "table.tsv", out=folder / "out")


@pytest.mark.parametrize(
    ("image", "subject"), [("p0_t1", "p0"), ("p0_flair", "p0"), ("p1_flair", "p1"), ("p4_flair", "p4"), ("p5", "p5")]
)
def test_one_image_is_asked_for_and_all_of_the_subject_answer(server, expected, image, subject, tmp_path):
    row = read_table(expected / "predictions.tsv", text=HEADS).set_index("participant_id").loc[subject]
    theirs = nib.load(expected / f"{subject}_mask.nii.gz")
    mask, said = mask_of(server, image, tmp_path), ask(server, image)
    assert (np.asarray(mask.dataobj) != np.asarray(theirs.dataobj)).sum() == 0
    assert np.asarray(mask.dataobj).any()
    assert np.allclose(mask.affine, theirs.affine, atol=1e-6)
    assert nib.aff2axcodes(mask.affine) != ("R", "A", "S")
    for head, names in {"grade_code": "12", "coc_cluster": "123", "death": "01"}.items():
        probabilities = {name: row[f"{head}_prob_{name}"] for name in names}
        assert said["heads"][head]["probabilities"] == pytest.approx(probabilities, abs=1e-4)


@pytest.mark.data
@pytest.mark.skipif(not REAL_PATIENT.is_dir(), reason="shared/data/lgg is absent")
def test_sequences_of_a_real_patient(glioma, glioma_app, tmp_path):
    studies = tmp_path / "studies"
    studies.mkdir()
    files = [turned(REAL_PATIENT / f"{name}.nii.gz", studies / f"ann_{name}.nii.gz") for name in ("t1", "flair")]
    (tmp_path / "table.tsv").write_text(f"participant_id\tt1\tflair\nann\t{files[0]}\t{files[1]}\n")
    out = predicted(glioma, "--cohort", tmp_path / "table.tsv", out=tmp_path / "out")
    theirs, row = nib.load(out / "ann_mask.nii.gz"), read_table(out / "predictions.tsv", text=HEADS).iloc[0]
    with serving(glioma_app, studies, log=tmp_path / "server.log") as server:
        for image in ("ann_t1", "ann_flair"):
            mask, said = mask_of(server, image, tmp_path), ask(server, image)["heads"]
            assert (np.asarray(mask.dataobj) != np.asarray(theirs.dataobj)).sum() == 0
            assert np.allclose(mask.affine, theirs.affine, atol=1e-6)
            assert said["death"]["probabilities"]["1"] == pytest.approx(row["death_prob_1"], abs=1e-4)
    assert np.asarray(theirs.dataobj).any()


def test_a_4d_scan_that_is_not_in_the_folder_can_be_sent(server, studies):
    session = server.send(studies / "p5.nii.gz", name="mine.nii.gz")
    sent = server.post(f"infer/{MODEL}", session_id=session, output="json").json()
    assert sent["heads"] == ask(server, "p5")["heads"]
    alone = server.send(studies / "p0_t1.nii.gz", name="mine.nii.gz")
    refused = server.post(f"infer/{MODEL}", session_id=alone, output="json")
    assert refused.status_code == 422
    assert "which sequence is this? Call the files of a subject <subject>_t1.nii.gz" in refused.json()["detail"]


def test_the_most_uncertain_subject_is_next(server):
    images = [*(f"{subject}_t1" for subject in WHOLE), "p4_flair", "p5"]
    uncertain = {image: ask(server, image)["uncertainty"]["mean"] for image in images}
    chosen = server.post("activelearning/uncertainty", json={}).json()
    assert chosen["id"] == max(uncertain, key=uncertain.get)
    assert chosen["uncertainty"]["mean"] == pytest.approx(max(uncertain.values()))
    assert {"mask", *HEADS} <= {*chosen["uncertainty"]}
    assert server.post("activelearning/first", json={}).json()["id"] == "p0_t1"
    assert server.post("activelearning/random", json={}).json()["id"] in images


def submit(server, glioma, image, folder, *, value=1, name="abnormality"):
    """Draw the truth, as 3D Slicer sends it."""
    subject = image.split("_")[0]
    truth = turned(glioma.parent / f"{subject}_mask.nii.gz", folder / f"{subject}.nii.gz")
    drawn = nib.load(truth).slicer[2:, :, 1:] if image == "p3_flair" else nib.load(truth)
    nib.save(nib.Nifti1Image((np.asarray(drawn.dataobj) > 0).astype(np.uint8) * value, drawn.affine), truth)
    answer = server.submit(image, truth, json.dumps({"label_info": [{"name": name, "idx": value}]}))
    assert answer.ok
    return truth


def test_without_a_finished_mask_there_is_nothing_to_train_on(server, app):
    answer = server.post(f"train/{MODEL}", json={"max_epochs": 1}, run_sync=True)
    assert answer.status_code == 422
    assert "there is no finished mask to train on" in answer.json()["detail"]
    assert not [*(app / "trainings").iterdir()]
    answer = server.post(f"train/{MODEL}", json={"max_epochs": "abc", "learning_rate": -1}, run_sync=True)
    assert answer.status_code == 422
    assert "max_epochs: 'abc'" in answer.json()["detail"] and "learning_rate: '-1'" in answer.json()["detail"]
    answer = server.post(f"train/{MODEL}", json={"pretrained": "perhaps"}, run_sync=True)
    assert answer.status_code == 422
    assert "pretrained: 'perhaps' is neither true nor false" in answer.json()["detail"]


def test_scores_are_refused_while_the_table_is_wrong(server, studies):
    table = studies / "participants.tsv"
    right = table.read_text()
    table.write_text(right + right.splitlines()[1] + "\n")
    try:
        answer = server.post("scoring/uncertainty", run_sync=True)
        assert answer.status_code == 422
        assert "participants.tsv: p0: several rows of one subject. Keep one of each" in answer.json()["detail"]
    finally:
        table.write_text(right)
    assert server.post("scoring/uncertainty", run_sync=True).ok


def test_drawing_scoring_and_training(server, app, glioma, tmp_path):
    drawn = submit(server, glioma, "p0_t1", tmp_path)
    assert server.post("activelearning/first", json={}).json()["id"] == "p1_t1", "p0 has a mask, p0_flair needs none"
    submit(server, glioma, "p1_flair", tmp_path)

    truth, before = np.asarray(nib.load(drawn).dataobj) > 0, np.asarray(mask_of(server, "p0_t1", tmp_path).dataobj) > 0
    scores = server.post("scoring/dice", run_sync=True).json()
    dice = 2 * (truth & before).sum() / (truth.sum() + before.sum())
    assert scores["p0_t1"]["abnormality"]["dice"] == pytest.approx(dice, abs=1e-5)
    assert {*scores} == {"p0_t1", "p1_flair"}
    kept = server.get("datastore/label/info", label="p0_t1", tag="final").json()["dice"]
    assert kept["mean"] == pytest.approx(dice, abs=1e-5)

    said = ask(server, "p2_t1")
    trained = server.post(f"train/{MODEL}", json={"max_epochs": 1, "learning_rate": 0.001}, run_sync=True).json()
    assert trained["subjects"] == ["p0", "p1"]
    assert trained["epoch"] == trained["total_epochs"] == 1
    (training,) = (app / "trainings").iterdir()
    table = read_table(training / "subjects.tsv", text=HEADS).set_index("participant_id")
    assert table.loc["p0", HEADS].tolist() == ["1", "1", "0"]
    assert table.loc["p1", HEADS].tolist() == ["2", "2", "1"]
    history = read_table(training / "run" / "history.tsv").iloc[0]
    assert all(history[f"loss_{head}"] > 0 for head in HEADS), "the classes taught too"
    heads = ask(server, "p2_t1")["heads"]
    assert heads != said["heads"], "another network is served now"
    for head in HEADS:
        changed, old = heads[head]["probabilities"], said["heads"][head]["probabilities"]
        assert changed == pytest.approx(old, abs=0.1), "but it went on from the old one"


def test_training_in_the_background_as_viewers_start_it(server, app, studies, glioma, tmp_path):
    submit(server, glioma, "p3_flair", tmp_path)
    said = ask(server, "p2_t1")["heads"]
    options = {MODEL: {"max_epochs": 2, "learning_rate": 0.01, "pretrained": False}}
    assert server.post("train/", json=options).ok
    end = time.monotonic() + 120
    while (status := server.get("train/").json())["status"] in ("SUBMITTED", "RUNNING") and time.monotonic() < end:
        time.sleep(1)
    assert status["status"] == "DONE", status["details"]
    stats = server.get("info/").json()["train_stats"][MODEL]
    assert (stats["epoch"], stats["total_epochs"]) == (2, 2)
    assert stats["total_time"] > 0
    assert ask(server, "p2_t1")["heads"] != said
    _, newest = sorted((app / "trainings").iterdir())
    mask, t1 = nib.load(newest / "p3_mask.nii.gz"), nib.load(studies / "p3_t1.nii.gz")
    assert mask.shape == t1.shape and np.allclose(mask.affine, t1.affine), "drawn on the flair's grid"
    assert np.asarray(mask.dataobj).any()


def test_a_mask_of_something_else_is_refused_and_the_weights_stay(server, app, glioma, tmp_path):
    submit(server, glioma, "p2_t1", tmp_path, name="ventricle")
    weights = (app / "model" / MODEL / "models" / "model.pt").read_bytes()
    answer = server.post(f"train/{MODEL}", json={"max_epochs": 1}, run_sync=True)
    assert answer.status_code == 422
    assert "p2_t1.nii.gz: ventricle: the network has no such structure" in answer.json()["detail"]
    assert (app / "model" / MODEL / "models" / "model.pt").read_bytes() == weights
    scores = server.post("scoring/dice", run_sync=True).json()
    assert "ventricle" in scores["p2_t1"]["error"]
    assert scores["p0_t1"]["mean"] >= 0
