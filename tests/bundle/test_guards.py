"""What must not be lost or overwritten, and what must not pass without a word."""

import json
import logging
import re
import shutil
from functools import partial

import nibabel as nib
import numpy as np
import pytest
import yaml

from mtseg.bundle import evaluate, explain, find, finish_training, predict
from mtseg.data import read_cohort, write_cohort
from mtseg.engine.checkpoint import Checkpoints
from mtseg.errors import InputError
from mtseg.export import export
from mtseg.files import alone_in, read_table

pytestmark = pytest.mark.usefixtures("hidden_figures")


def test_masks_of_others_are_not_overwritten(tiny, trained):
    before = {path: path.read_bytes() for path in tiny.table.parent.glob("*_mask.nii.gz")}
    assert before
    with pytest.raises(InputError, match=r"_mask\.nii\.gz: could be overwritten"):
        predict(str(trained), cohort=tiny.table, out=tiny.table.parent)
    assert {path: path.read_bytes() for path in before} == before


def test_a_prediction_may_be_repeated_but_not_into_the_bundle(tiny, trained, tmp_path):
    for _ in range(2):
        predict(str(trained), cohort=tiny.table, out=tmp_path / "out")
    (tmp_path / "file").touch()
    for out in (trained, tmp_path / "file"):
        with pytest.raises(InputError, match=re.escape(f"{out}: is no folder for predictions")):
            predict(str(trained), cohort=tiny.table, out=out)


def test_a_training_of_another_is_not_written_into(tiny, trained, tmp_path):
    other = shutil.copytree(trained, tmp_path / "other")
    before = {path: path.read_bytes() for path in other.rglob("*") if path.is_file()}
    with pytest.raises(InputError, match="is no folder for predictions"):
        predict(str(trained), cohort=tiny.table, out=other)
    assert {path: path.read_bytes() for path in other.rglob("*") if path.is_file()} == before


def test_what_is_refused_leaves_an_earlier_result_as_it_was(tiny, trained, tmp_path):
    out = explain(str(trained), cohort=tiny.table, fold=0, out=tmp_path / "out", pictures=False)
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    with pytest.raises(InputError, match="there is no such"):
        explain(str(trained), cohort=tiny.table, out=out, head="nope")
    with pytest.raises(InputError, match="fold"):
        evaluate(str(trained), cohort=tiny.table, out=out, fold=7)
    assert {path: path.read_bytes() for path in out.rglob("*") if path.is_file()} == before


def test_a_repeated_evaluation_leaves_no_older_scores(tiny, trained, tmp_path, plain_reports):
    """They lay beside the new predictions, and looked like theirs."""
    out, scores = tmp_path / "out", ("cases.tsv", "summary.tsv", "simple_scores.tsv", "selective.tsv", "report.html")
    evaluate(str(trained), cohort=tiny.table, out=out, fold=0)
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    assert {out / name for name in scores} <= {*before}
    assert json.loads((out / "run.json").read_text())["mirror"] is False
    with pytest.raises(InputError, match="fold"):
        evaluate(str(trained), cohort=tiny.table, out=out, fold=7)
    assert {path: path.read_bytes() for path in out.rglob("*") if path.is_file()} == before
    image = nib.load(tiny.table.with_name("p1_adc.nii.gz"))
    voxels = image.get_fdata()
    voxels[0, 0, 0] = np.nan
    nib.save(nib.Nifti1Image(voxels, image.affine), tmp_path / "p1.nii.gz")
    broken = tiny.with_cells("broken_later.tsv", {("p1", "adc"): str(tmp_path / "p1.nii.gz")})
    with pytest.raises(InputError, match="1 of 4 subjects could not be used"):
        evaluate(str(trained), cohort=broken, out=out, fold=0)
    for name in ("predictions.tsv", "cases.tsv"):
        assert read_table(out / name)["participant_id"].tolist() == ["p0", "p4", "p5"], (
            "one had cost the others' scores"
        )
    assert not [path for path in before if path.name in scores and path.read_bytes() == before[path]]


@pytest.mark.parametrize("command", [predict, partial(explain, pictures=False)])
def test_no_scores_stay_beside_other_predictions(tiny, trained, tmp_path, command):
    """After a prediction with other weights they looked like its scores."""
    table, scores = tmp_path / "one.tsv", ("cases.tsv", "report.html")
    write_cohort(read_cohort(tiny.table).table.iloc[:1], table)
    for name, evaluated in (("ours", True), ("anybodys", False)):
        (out := tmp_path / name).mkdir()
        for file in scores:
            (out / file).write_text("of earlier predictions")
        if evaluated:
            (out / "run.json").write_text('{"command": "evaluate"}')
        command(str(trained), cohort=table, out=out)
        assert (out / "predictions.tsv").exists()
        assert [file for file in scores if (out / file).exists()] == ([] if evaluated else [*scores])


@pytest.mark.parametrize("command", [predict, evaluate])
def test_no_maps_stay_beside_other_predictions(tiny, trained, tmp_path, plain_reports, command):
    """Maps of an earlier explanation looked as if they showed where the new answers came from."""
    maps = ("p0_cam.nii.gz", "p0_cam.json", "explanations.tsv", "regions.tsv")
    for file in maps:
        (tmp_path / file).write_text("of earlier predictions")
    (tmp_path / "run.json").write_text('{"command": "explain"}')
    command(str(trained), cohort=tiny.table, out=tmp_path)
    assert (tmp_path / "predictions.tsv").exists()
    assert not [file for file in maps if (tmp_path / file).exists()]


OTHERS = ("experiment", "study calcium", "volumes compare", "volumes habenula", "cohort fmri-maps", "export")


def test_results_of_unlike_commands_are_not_mixed(tiny, trained, tmp_path):
    """A training overwrote the run.json of predictions, predictions went among the volumes of another study."""
    training = lambda out: tiny.train(out, "epochs=1")  # noqa: E731
    predictions = [partial(one, str(trained), cohort=tiny.table) for one in (predict, evaluate, explain)]
    for there in (*OTHERS, "train", "predict", "evaluate", "explain"):
        (tmp_path / "run.json").write_text(json.dumps({"command": there}))
        begins = [training] * (there != "train") + predictions * (there in (*OTHERS, "train"))
        for begin in begins:
            with pytest.raises(InputError, match=f"holds the results of `mtseg {there}`. Choose another folder"):
                begin(out=tmp_path)
        assert [path.name for path in tmp_path.iterdir()] == ["run.json"]


@pytest.mark.parametrize(
    ("command", "file"), [(evaluate, "cases.tsv"), (predict, "predictions.tsv"), (None, "history.tsv")]
)
def test_tables_of_others_are_not_overwritten(tiny, trained, tmp_path, command, file):
    """An evaluation removed a cases.tsv that was nobody's but the user's."""
    (tmp_path / file).write_text("mine")
    with pytest.raises(InputError, match=rf"{file}: .* overwrit.*Choose another folder"):
        command(str(trained), cohort=tiny.table, out=tmp_path) if command else tiny.train(tmp_path, "epochs=1")
    assert (tmp_path / file).read_text() == "mine"


def test_a_folder_that_cannot_be_written_is_named_before_anything_is_computed(tiny, trained, tmp_path):
    (tmp_path / "file").touch()
    out = tmp_path / "file" / "out"
    for call in (predict, export):
        options = {"cohort": tiny.table} if call is predict else {"to": "torchscript"}
        with pytest.raises(InputError, match=re.escape(f"{out}: cannot be written (Not a directory). Choose another")):
            call(str(trained), out=out, **options)


def test_a_training_overwrites_nothing(tiny, trained, tmp_path):
    (tmp_path / "LICENSE").write_text("mine")
    with pytest.raises(InputError, match="LICENSE: a training would overwrite this"):
        tiny.train(tmp_path)
    (tmp_path / "other" / "configs").mkdir(parents=True)
    (tmp_path / "other" / "configs" / "train.yaml").write_text("epochs: 1\n")
    with pytest.raises(InputError, match=r"train\.yaml: a training would overwrite this"):
        tiny.train(tmp_path / "other")
    bundle = shutil.copytree(find("glioma_t1_flair_t1gd"), tmp_path / "bundle")
    with pytest.raises(InputError, match="a training would overwrite this"):
        tiny.train(bundle)
    finished = shutil.copytree(trained, tmp_path / "finished")
    for checkpoint in (finished / "models").glob("checkpoint_*.pt"):
        checkpoint.unlink()
    with pytest.raises(InputError, match=r"model\.pt: a trained network is there already"):
        tiny.train(finished)
    assert (tmp_path / "LICENSE").read_text() == "mine" and not (tmp_path / "configs").exists()


def test_a_training_that_was_refused_leaves_nothing_and_can_be_repeated(tiny, tmp_path):
    tmp_path.joinpath("run").mkdir()
    for setting in ("structures={lesion_left: 1}", "patch_size=[12, 12]", "heads={side: {classes: [left, right]}}"):
        with pytest.raises(InputError):
            tiny.train(tmp_path / "run", setting, "mirror=true")
        assert not [path for path in (tmp_path / "run").rglob("*") if path.is_file()]
    assert (tiny.train(tmp_path / "run", "epochs=1") / "models" / "model.pt").is_file()


def test_a_folder_takes_one_at_a_time(tiny, trained, tmp_path):
    """Two trainings that were begun at once into one folder both wrote there."""
    with alone_in(tmp_path / "out"):
        for begin in (
            lambda out: tiny.train(out, "epochs=1"),
            lambda out: finish_training(**tiny.arguments(out, "epochs=1")),
            lambda out: predict(str(trained), cohort=tiny.table, out=out),
            lambda out: evaluate(str(trained), cohort=tiny.table, out=out, fold=0),
            lambda out: explain(str(trained), cohort=tiny.table, out=out, fold=0, pictures=False),
        ):
            with pytest.raises(InputError, match="out: another process is working in this folder"):
                begin(tmp_path / "out")
            assert not [*(tmp_path / "out").iterdir()]
    assert (tiny.train(tmp_path / "out", "epochs=1") / "models" / "model.pt").is_file()


def test_a_running_training_keeps_its_folder(tiny, tmp_path, monkeypatch):
    """The second one began anew in the first one's folder, or went on from its checkpoint."""
    refused, save = [], Checkpoints.save

    def begin_another(self, engine):
        save(self, engine)
        for resume in (False, True):
            with pytest.raises(InputError, match="run: another process is working in this folder"):
                tiny.train(tmp_path / "run", "epochs=1", resume=resume)
            refused.append(resume)

    monkeypatch.setattr(Checkpoints, "save", begin_another)
    tiny.train(tmp_path / "run", "epochs=1")
    assert refused == [False, True]


def test_masks_of_other_values_are_refused_before_training_and_scoring(tiny, trained, tmp_path):
    with pytest.raises(InputError, match=r"mask: no mask holds core \(value 255\)"):
        tiny.train(tmp_path / "run", "structures={core: 255}")
    assert not (tmp_path / "run").exists()
    other = tmp_path / "cohort.tsv"
    table = read_cohort(tiny.table).table
    for subject, mask in zip(table["participant_id"], table["mask"], strict=True):
        image = nib.load(mask)
        nib.save(nib.Nifti1Image(np.asarray(image.dataobj) * 255, image.affine), tmp_path / f"{subject}.nii.gz")
    write_cohort(table.assign(mask=[str(tmp_path / f"{subject}.nii.gz") for subject in table["participant_id"]]), other)
    with pytest.raises(InputError, match=r"8 of 8|no mask holds"):
        evaluate(str(trained), cohort=other, out=tmp_path / "out", fold=0)


def test_mirroring_needs_a_mirrored_training(tiny, trained, tmp_path):
    with pytest.raises(InputError, match="trained without mirroring"):
        predict(str(trained), cohort=tiny.table, out=tmp_path / "out", mirror=True)


@pytest.mark.parametrize(("fold", "warned"), [(0, False), (1, True), (None, True)])
def test_scores_on_training_subjects_are_called_so(fold, warned, tiny, trained, tmp_path, caplog):
    with caplog.at_level(logging.WARNING, logger="mtseg"):
        evaluate(str(trained), cohort=tiny.table, out=tmp_path / "out", fold=fold)
    said = "These subjects trained this network (fold held out: 0)"
    assert (said in caplog.text) == (said in (tmp_path / "out" / "report.html").read_text()) == warned


def test_a_cohort_that_was_divided_anew_does_not_hide_that_its_subjects_trained(tiny, tmp_path, caplog):
    table = read_cohort(tiny.table).table
    write_cohort(table, tmp_path / "cohort.tsv")
    run = tiny.train(tmp_path / "run", "epochs=1", cohort=tmp_path / "cohort.tsv")
    write_cohort(table.assign(fold=1 - table["fold"]), tmp_path / "cohort.tsv")
    for fold, warned in ((0, True), (1, False)):
        caplog.clear()
        with caplog.at_level(logging.WARNING, logger="mtseg"):
            evaluate(str(run), cohort=tmp_path / "cohort.tsv", out=tmp_path / f"out{fold}", fold=fold)
        assert ("These subjects trained this network" in caplog.text) == warned


def test_a_subject_that_cannot_be_used_does_not_stop_the_others(tiny, trained, tmp_path):
    broken = {}
    for subject in ("p2", "p5"):
        image = nib.load(tiny.table.with_name(f"{subject}_adc.nii.gz"))
        voxels = image.get_fdata()
        voxels[0, 0, 0] = np.nan
        nib.save(nib.Nifti1Image(voxels, image.affine), tmp_path / f"{subject}.nii.gz")
        broken[subject, "adc"] = str(tmp_path / f"{subject}.nii.gz")
    out = tmp_path / "out"
    with pytest.raises(InputError, match=r"2 of 8 subjects could not be used:\np2: .*NaN.*\np5: .*NaN"):
        predict(str(trained), cohort=tiny.with_cells("broken.tsv", broken), out=out)
    done = ["p0", "p1", "p3", "p4", "p6", "p7"]
    assert read_table(out / "predictions.tsv")["participant_id"].tolist() == done
    assert sorted(path.name for path in out.glob("*_mask.nii.gz")) == [f"{subject}_mask.nii.gz" for subject in done]


def test_the_learning_curve_is_that_of_the_weights(tiny, trained, tmp_path, monkeypatch):
    shown = []
    monkeypatch.setattr("mtseg.report.write.learning_curves", lambda history: shown.append(len(history)))
    other = tiny.train(tmp_path / "other", "epochs=1", fold=1)
    for weights in ((), other, (trained, other)):
        evaluate(str(trained), cohort=tiny.table, out=tmp_path / "out", fold=0, weights=weights)
    assert shown == [4, 1]


def test_prediction_prepares_images_as_training_did(tiny, tmp_path):
    run = tiny.train(tmp_path / "run", "epochs=1", "prepare=[]")
    assert yaml.safe_load((run / "configs" / "inference.yaml").read_text())["prepare"] == []
