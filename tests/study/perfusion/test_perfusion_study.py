"""The study from a template, or from own images, to its page."""

import shutil
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from torchvision.models import get_model
from typer.testing import CliRunner

import mtseg.study.perfusion.study as study
from mtseg.cli import app
from mtseg.errors import InputError
from mtseg.files import read_table
from mtseg.ssp import Pattern, simulate_normals, simulate_patient
from mtseg.study.pictures import save_picture
from mtseg.study.runs import train_variants

SMALL = {"pictures_per_class": 12, "validation_per_class": 3, "test_subjects": 2}
"""As of the fixture's pictures, so that these need not be made again."""


@pytest.fixture(autouse=True)
def small(monkeypatch, plain_reports):
    monkeypatch.setattr(study, "QUICK_SIZE", 64)
    monkeypatch.setattr(study, "QUICK_NORMALS", 4)
    monkeypatch.setattr(study, "QUICK_PICTURES", SMALL)
    monkeypatch.setattr(study, "QUICK", {"epochs": 1, "val_interval": 1})


def run(phantom, out, *more):
    options = ["--atlas", str(phantom.atlas), "--out", str(out), "--quick", "--repeats", "1", *more]
    return CliRunner().invoke(app, ["study", "perfusion", *options])


def test_from_a_template_to_the_page(phantom, pictures, tmp_path, monkeypatch):
    """Really trained, but a small network for AlexNet, which takes a minute for its weights alone."""
    variants = study._variants
    monkeypatch.setattr(study, "_variants", lambda w: variants(w) | {"alexnet": {"architecture": "plain"}})
    weights, out = tmp_path / "googlenet.pt", tmp_path / "out"
    torch.save(get_model("googlenet", init_weights=False).state_dict(), weights)
    shutil.copytree(pictures.test.parent, out / "data")
    template = ("--template", str(phantom.template))
    options = (*template, "--weights", f"googlenet={weights}")
    result = run(phantom, out, *options)
    assert result.exit_code == 0, result.output
    page = (out / "report.html").read_text()
    for part in (
        "Published split, beside the published table",
        "0.52 ± 0.12",
        "0.93 ± 0.02",
        "Disjoint split",
        "Recall of the two networks",
        "Where they look",
        "The regions are those that the simulation lowered",
        "Normal people and all patients are simulated",
        "AlexNet began with random numbers",
        "Chance 0.333",
        "12 test pictures of 6 people",
    ):
        assert part in page, part
    assert "The labels were shuffled" not in page
    for split in ("published", "disjoint"):
        trained = out / split / "experiment/runs/googlenet/fold0/seed0/run/configs/train.yaml"
        settings = yaml.safe_load(trained.read_text())
        assert (settings["pretrained"], settings["patch_size"]) == (str(weights), [64, 64])
        assert Path(settings["cohort"]).name == f"{split}.tsv"

    table = read_table(out / "table.tsv")
    assert len(table) == 2 * 2 * 3 * 10
    assert table[table["split"] == "published"]["published_mean"].notna().sum() == 23
    counts = read_table(out / "pictures.tsv").set_index(["split", "part"])
    assert counts.loc[("published", "training"), "AD"] == 9
    maps = read_table(out / "maps.tsv")
    assert len(maps) == 2 * 12
    assert maps["inside"].notna().sum() <= 2 * 8  # those of whom something was lowered

    for name in ("mtseg.experiment.jobs.finish_training", "mtseg.study.runs.explain", f"{study.__name__}.evaluate"):
        monkeypatch.setattr(name, None)
    assert run(phantom, out, *options).exit_code == 0
    changed = run(phantom, out, *template)
    assert isinstance(changed.exception, InputError)
    assert "was begun with another weights" in str(changed.exception)


def test_each_network_has_its_architecture_and_weights():
    assert study._variants({"googlenet": "/weights.pt"}) == {
        "alexnet": {"architecture": "alexnet"},
        "googlenet": {"architecture": "googlenet", "pretrained": "/weights.pt"},
    }


@pytest.fixture
def knowing(monkeypatch):
    """In place of trainings: networks that say what was really lowered, and look at all of a picture alike.

    Gives what was to be trained.
    """
    asked_for = []

    def train(out, **given):
        asked_for.append(given)
        return out

    def evaluate(_, *, cohort, out, fold):
        asked, truth = (read_table(path) for path in (cohort, cohort.with_stem(cohort.stem.partition("_")[0])))
        rows = asked["participant_id"].notna() if fold is None else asked["fold"].eq(fold)
        names = {"participant_id": "participant_id", "diagnosis": "diagnosis_target"}
        cases = asked.rename(columns=names)[[*names.values()]].assign(diagnosis_predicted=truth["diagnosis"])[rows]
        out.mkdir(parents=True)
        cases.to_csv(out / "cases.tsv", sep="\t", index=False)

    def map_pictures(_, *, cohort, out, method):
        assert method == "gradcam"
        for name in read_table(cohort)["participant_id"]:
            save_picture(out / f"{name}_cam_normalised.nii.gz", np.ones((64, 64)))
        return out

    monkeypatch.setattr(study, "train_variants", train)
    monkeypatch.setattr(study, "evaluate", evaluate)
    monkeypatch.setattr("mtseg.study.perfusion.maps.map_pictures", map_pictures)
    return asked_for


def test_shuffled_labels_mean_nothing(phantom, pictures, tmp_path, knowing):
    accuracy = {}
    for name, more in {"true": (), "shuffled": ("--shuffle-labels",)}.items():
        out = tmp_path / name
        shutil.copytree(pictures.test.parent, out / "data")
        result = run(phantom, out, "--template", str(phantom.template), "--repeats", "2", *more)
        assert result.exit_code == 0, result.output
        assert ("The labels were shuffled" in (out / "report.html").read_text()) == (name == "shuffled")
        table = read_table(out / "table.tsv")
        accuracy[name] = table[table["measure"] == "accuracy"]["mean"]
        assert table["repeats"].eq(2).all() and table["sd"].eq(0).all()
        maps = read_table(out / "maps.tsv")
        assert maps["inside"].fillna(0).tolist() == pytest.approx(maps["expected"].fillna(0).tolist(), abs=1e-6)
        truth = read_table(out / "data" / "test.tsv")["diagnosis"].tolist()
        assert maps["lowered"].tolist() == truth * 2  # whatever the labels say
        assert maps["right"].all() == (name == "true")
    assert (accuracy["true"] == 1).all()
    assert accuracy["shuffled"].max() < 0.7
    for name in ("published", "disjoint", "test"):
        before, after = (read_table(tmp_path / "shuffled/data" / f"{name}{which}.tsv") for which in ("", "_shuffled"))
        assert before["participant_id"].equals(after["participant_id"])
        assert sorted(before["diagnosis"]) == sorted(after["diagnosis"])


def test_patients_all_normal(phantom, tmp_path, knowing):
    """Nothing is lowered in any of them: there is no share of a map in the lowered regions."""
    rows = [{"participant_id": "p", "perfusion": "p.nii.gz", "diagnosis": "NC"}]
    (case,) = simulate_normals(nib.load(phantom.template), subjects=1)
    nib.save(case.image, tmp_path / "p.nii.gz")
    pd.DataFrame(rows).to_csv(tmp_path / "patients.tsv", sep="\t", index=False)
    out = tmp_path / "out"
    given = ("--template", str(phantom.template), "--patients", str(tmp_path / "patients.tsv"))
    assert run(phantom, out, *given).exit_code == 0
    assert (out / "report.html").is_file()
    assert read_table(out / "map_means.tsv").empty


def test_own_people(phantom, tmp_path, knowing):
    """Nobody has DLB."""
    rows, classes = [], ["NC"] * 5 + ["AD"] * 3
    for case, name in zip(simulate_normals(nib.load(phantom.template), subjects=8), classes, strict=True):
        shown = simulate_patient(case, Pattern(name), atlas=phantom.read)
        nib.save(shown.image, tmp_path / f"{case.subject}.nii.gz")
        rows.append({"participant_id": case.subject, "perfusion": f"{case.subject}.nii.gz", "diagnosis": name})
    for name, part in {"normals": rows[:4], "patients": rows[4:]}.items():
        pd.DataFrame(part).to_csv(tmp_path / f"{name}.tsv", sep="\t", index=False)
    own = ("--normals", str(tmp_path / "normals.tsv"), "--patients", str(tmp_path / "patients.tsv"))
    own = (*own, "--cluster", "local:2")
    out = tmp_path / "out"
    result = run(phantom, out, *own)
    assert result.exit_code == 0, result.output
    page = (out / "report.html").read_text()
    assert "simulated, of real normal people; those to test on are real" in page
    assert "Nobody knows where these patients" in page
    assert "8 test pictures of 4 people" in page and "One training each" in page
    assert "always the most frequent class 0.750" in page
    assert set(read_table(out / "recall.tsv")["class"]) == {"AD", "NC"}
    for given, split in zip(knowing, ("published", "disjoint"), strict=True):
        assert (given["bundle"], given["cluster"], given["seeds"], given["folds"]) == (
            "perfusion_2d",
            "local:2",
            [0],
            [0],
        )
        assert given["cohort"] == out / "data" / f"{split}.tsv"
    with (tmp_path / "patients.tsv").open("a") as table:
        table.write("late\tnormal-05.nii.gz\tNC\n")
    changed = run(phantom, out, *own)
    assert isinstance(changed.exception, InputError) and "was begun with another patients" in str(changed.exception)


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ("resnet18=a.pt", "there is no network resnet18. Give alexnet or googlenet=FILE"),
        ("alexnet=missing.pt", "missing.pt: there is no such file. Weights that torchvision has: IMAGENET1K_V1"),
    ],
)
def test_weights_are_refused_before_anything_is_done(phantom, tmp_path, weights, message):
    result = run(phantom, tmp_path / "out", "--weights", weights)
    assert isinstance(result.exception, InputError) and message in str(result.exception)
    assert not (tmp_path / "out").exists()


def test_a_failed_training_ends_the_study(tmp_path, monkeypatch):
    def failing(file, *, out, cluster):
        out.mkdir()
        lines = ["status\terror", "finished\tn/a", "failed\tOSError: disk full", "not run\tn/a"]
        (out / "runs.tsv").write_text("\n".join(lines) + "\n")

    monkeypatch.setattr("mtseg.study.runs.run_experiment", failing)
    with pytest.raises(InputError, match=r"runs.tsv: 2 of 3 trainings failed, the first with: OSError: disk full"):
        train_variants(tmp_path / "experiment", cluster=None, cohort=tmp_path / "table.tsv", bundle="perfusion_2d")
