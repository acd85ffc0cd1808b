"""The whole study: tiny trainings of noise, its page, a second call, and other settings."""

import os
import shutil
import sys

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
import torch
from scipy.stats import binomtest
from torchvision.models import resnet18

from mtseg.cli import main
from mtseg.errors import InputError
from mtseg.keys import File
from mtseg.study.motor_learning import study as module
from mtseg.study.motor_learning.study import run_motor_learning

PERSONS, SHAPE = 8, (64, 64, 4)
AFFINE = np.diag([-3.0, 3.0, 3.0, 1.0])  # stored from right to left


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Noise in a disc, in two modalities, an atlas of its four quarters, and a table."""
    folder, rng = tmp_path_factory.mktemp("motor"), np.random.default_rng(0)
    x, y, _ = np.indices(SHAPE) - 31.5
    inside = x**2 + y**2 < 28**2
    rows = []
    for i in range(PERSONS):
        row = {"participant_id": f"p{i}", "gain": i}
        for name in ("gm", "wm"):
            row[name] = f"{name}_{i}.nii.gz"
            voxels = np.where(inside, rng.normal(10, 1, SHAPE), 0).astype(np.float32)
            nib.save(nib.Nifti1Image(voxels, AFFINE), folder / row[name])
        rows.append(row)
    pd.DataFrame(rows).to_csv(folder / "persons.tsv", sep="\t", index=False)
    quarters = (1 + (x > 0) + 2 * (y > 0)) * inside
    nib.save(nib.Nifti1Image(quarters.astype(np.int16), AFFINE), folder / "quarters.nii.gz")
    names = pd.DataFrame({"index": range(1, 5), "name": [f"quarter{k}" for k in range(1, 5)]})
    names.to_csv(folder / "quarters.tsv", sep="\t", index=False)
    return folder


@pytest.fixture(scope="module")
def call(files, omit_figures):
    def run(out, *more):
        with pytest.MonkeyPatch.context() as patch:
            omit_figures(patch)
            patch.setattr(module, "QUICK", {"architecture": "plain", "epochs": 1, "val_interval": 1})
            options = ["--label", "gain", "--atlas", str(files / "quarters.nii.gz"), "--slices", "0:2", "--folds", "2"]
            command = ["mtseg", "study", "motor-learning", str(files / "persons.tsv"), *options, "--quick"]
            patch.setattr(sys, "argv", [*command, "--out", str(out), *more])
            with pytest.raises(SystemExit) as caught:
                main()
        return caught.value.code or 0

    return run


SHUFFLED = ("--modality", "gm", "--repeats", "2", "--positive", "low", "--shuffle-labels")


@pytest.fixture(scope="module")
def finished(files, call):
    """Run once for all tests."""
    assert call(files / "out", *SHUFFLED) == 0
    return files / "out"


def test_page(finished):
    page = (finished / "report.html").read_text()
    for part in (
        "gain: low or high, from axial slices",
        "The labels were shuffled",
        "high is above the median of the persons, 3.50, low is the rest",
        "8 persons: every interval is wide",
        "random numbers, not with learned weights",
        "gm: accuracy of persons",
        "Where the networks look, gm",
        "Regions, gm: persons",
        "Regions, gm: persons, by area",
        "Regions, gm: trainings",
        "is refused",
        "expected by chance",
        "(Benjamini-Hochberg)",
        "data:image/png",
    ):
        assert part in page, part


def test_tables(finished):
    accuracy = pd.read_csv(finished / "accuracy.tsv", sep="\t")
    assert accuracy[["modality", "level", "n", "repeats"]].to_numpy().tolist() == [
        ["gm", "slices", 24, 2], ["gm", "persons", 8, 2],
    ]  # fmt: skip
    assert accuracy["chance"].eq(0.5).all()
    cases = pd.read_csv(finished / "gm/experiment/cases.tsv", sep="\t")
    right = cases["class_target"].eq(cases["class_predicted"]).groupby(cases["seed"]).mean()
    assert accuracy.loc[1, ["repeats_mean", "repeats_sd"]].tolist() == pytest.approx([right.mean(), right.std()])
    targets = cases.drop_duplicates("participant_id").set_index("participant_id")["class_target"]
    assert [targets[f"p{i}"] for i in range(8)] != ["low"] * 4 + ["high"] * 4
    persons = pd.read_csv(finished / "regions_persons.tsv", sep="\t")
    assert [*persons["region"].unique()] == [f"quarter{k}" for k in range(1, 5)]
    assert persons[["n_low", "n_high"]].eq(4).all().all()
    assert pd.read_csv(finished / "regions_runs.tsv", sep="\t")[["n_low", "n_high"]].eq(2).all().all()


def test_nothing_is_found_where_there_is_nothing(finished):
    persons = pd.read_csv(finished / "accuracy.tsv", sep="\t").query("level == 'persons'").iloc[0]
    assert binomtest(round(persons["accuracy"] * persons["n"]), persons["n"]).pvalue > 0.05
    assert pd.read_csv(finished / "regions_persons.tsv", sep="\t")["q"].min() > 0.05


def test_every_person_is_explained_by_the_networks_that_did_not_see_them(finished):
    slices = pd.read_csv(finished / "data/gm/participants_shuffled.tsv", sep="\t")
    for repeat in range(2):
        for fold in range(2):
            table = pd.read_csv(finished / f"gm/maps/repeat{repeat}/fold{fold}" / File.EXPLANATIONS, sep="\t")
            assert {*table["participant_id"]} == {*slices.loc[slices["fold"] == fold, "participant_id"]}
            assert {*table["answer"]} == {"low"}
        regions = pd.read_csv(finished / f"gm/maps/repeat{repeat}/regions.tsv", sep="\t")
        assert len(regions) == PERSONS * 4
        assert regions["slices"].eq(3).all()
    mean = nib.load(finished / "gm/maps/mean_positive.nii.gz")
    assert mean.shape == (64, 64, 3)
    assert nib.aff2axcodes(mean.affine) == ("R", "A", "S")
    values = mean.get_fdata()
    assert np.isnan(values[0, 0, 0])
    assert (values[32, 32] >= 0).all()


def test_second_call_computes_nothing_again(finished, call):
    made = [
        *finished.rglob("model.pt"),
        *finished.rglob(str(File.EXPLANATIONS)),
        *finished.rglob("repeat*/regions.tsv"),
    ]
    assert len(made) == 4 + 4 + 2
    before = {path: path.stat().st_mtime_ns for path in made}
    (finished / "report.html").unlink()
    assert call(finished, *SHUFFLED) == 0
    assert {path: path.stat().st_mtime_ns for path in made} == before
    assert (finished / "report.html").is_file()


def test_other_settings_are_refused(finished, call, capsys):
    assert call(finished, "--modality", "gm", "--repeats", "3", "--positive", "high") == 2
    assert "begun with another positive, repeats, shuffled" in capsys.readouterr().err


@pytest.mark.parametrize("file", ["quarters.nii.gz", "quarters.tsv"])
def test_another_atlas_of_this_name_is_refused(files, finished, call, capsys, file):
    """Its regions would have stood beside those of the repeats that were finished."""
    state = (files / file).stat()
    os.utime(files / file, ns=(0, 0))
    assert call(finished, *SHUFFLED) == 2
    os.utime(files / file, ns=(state.st_atime_ns, state.st_mtime_ns))
    assert "begun with another atlas. Choose another --out" in capsys.readouterr().err


def test_one_repeat_without_a_common_grid(files, tmp_path, plain_reports):
    """Native space: no means and no regions, but examples; and a modality without maps."""
    for path in files.glob("*.*"):
        shutil.copy(path, tmp_path)
    moved = AFFINE.copy()
    moved[:3, 3] = 9
    image = nib.load(tmp_path / "gm_3.nii.gz")
    nib.save(nib.Nifti1Image(image.get_fdata(dtype=np.float32), moved), tmp_path / "gm_3.nii.gz")
    given = module.Given(tmp_path / "persons.tsv", label="gain", modalities=("gm", "wm"), slices=range(1, 2))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "QUICK", {"architecture": "plain", "epochs": 1, "val_interval": 1})
        page = run_motor_learning(given, module.Plan(tmp_path / "out", quick=True, repeats=1), folds=2).read_text()
    assert "No atlas was given" in page
    assert "several grids, so there is no mean" in page
    assert "the first 3 persons of each class" in page
    assert "No maps were made of wm" in page
    assert "Where the networks look, wm" not in page
    assert not (tmp_path / "out/peaks.tsv").exists()
    accuracy = pd.read_csv(tmp_path / "out/accuracy.tsv", sep="\t", na_values="n/a")
    assert [*accuracy["modality"]] == ["gm", "gm", "wm", "wm"]
    assert accuracy["repeats_sd"].isna().all()


def test_weights_that_do_not_fit_are_refused_before_anything(study):
    torch.save({"conv1.weight": torch.zeros(64, 3, 7, 7)}, study.folder / "weights.pt")
    with pytest.raises(InputError, match="does not fit resnet18"):
        plan = module.Plan(study.folder / "out", quick=True)
        run_motor_learning(study.given(6), plan, weights=str(study.folder / "weights.pt"))
    assert not (study.folder / "out/data").exists()


def test_options_arrive(study, monkeypatch):
    """What a training gets of weights, cluster, repeats and folds, without training."""
    seen = {}

    def train(out, **spec):
        seen.update(spec)
        raise InputError("enough")

    monkeypatch.setattr(module, "train_variants", train)
    torch.save(resnet18().state_dict(), study.folder / "weights.pt")
    monkeypatch.chdir(study.folder)
    with pytest.raises(InputError, match="enough"):
        run_motor_learning(study.given(12), module.Plan("out", quick=True, cluster="local:2"), weights="weights.pt")
    assert seen["settings"]["pretrained"] == str(study.folder / "weights.pt")
    assert seen["settings"]["architecture"] == "resnet18"
    assert seen["cluster"] == "local:2"
    assert seen["seeds"] == [0, 1]
    assert seen["average_by"] == "group"
    assert seen["settings"]["heads"] == {"class": {"classes": ["bad", "good"]}}
    table = pd.read_csv(seen["cohort"], sep="\t")
    assert table["fold"].nunique() == 3
    with pytest.raises(InputError, match="enough"):
        run_motor_learning(study.given(12), module.Plan("whole"))
    assert seen["settings"]["architecture"] == "resnet50"
    assert seen["seeds"] == [*range(20)]
    assert pd.read_csv(seen["cohort"], sep="\t")["fold"].nunique() == 5
