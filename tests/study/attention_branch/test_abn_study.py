"""The study from pictures to its page."""

import pandas as pd
import pytest
from typer.testing import CliRunner

import mtseg.study.attention_branch.study as study
from mtseg.cli import app
from mtseg.errors import InputError
from mtseg.files import read_table


def command(given, out, *more):
    files = [str(given.table), "--images", str(given.images), "--masks", str(given.masks)]
    return [
        "study",
        "attention-branch",
        *files,
        "--patient",
        "volume",
        "--label",
        "burden",
        "--out",
        str(out),
        "--architecture",
        "plain",
        *more,
    ]


def test_from_pictures_to_the_page(given, tmp_path, monkeypatch, plain_reports):
    monkeypatch.setattr(study, "QUICK_SIZE", 64)
    monkeypatch.setattr(study, "FOLDS", 2)
    monkeypatch.setattr(study, "QUICK", {"epochs": 2, "val_interval": 2, "batch_size": 4})
    out = tmp_path / "out"
    options = ("--quick", "--shuffle-labels", "--repeats", "1")
    result = CliRunner().invoke(app, command(given, out, *options))
    assert result.exit_code == 0, result.output
    page = (out / "report.html").read_text()
    for part in (
        "published: the source&#39;s own data",
        "83.1 %",
        "299/346",
        "The labels were shuffled",
        "8 patients, 24 slices",
    ):
        assert part in page
    diagnoses = read_table(out / "diagnoses.tsv").query("fold == 'all' and measure == 'accuracy'")
    assert diagnoses.groupby(["variant", "level"])["n"].first().to_dict() == {
        ("baseline", "slice"): 24, ("baseline", "patient"): 8, ("switched", "slice"): 24, ("switched", "patient"): 8,
    }  # fmt: skip
    assert (diagnoses["low"] <= 0.5).all() and (diagnoses["high"] >= 0.5).all()
    agreement = read_table(out / "agreement.tsv")
    assert {*agreement["map"]} == {"attention", "gradcam"}
    assert len([*out.glob("maps/switched/fold*/attention/s*_cam.nii.gz")]) == 24
    assert not [*out.glob("maps/**/*_cam.png")]

    # What is finished stays; another study does not go into the same folder.
    monkeypatch.setattr("mtseg.experiment.jobs.finish_training", None)
    monkeypatch.setattr("mtseg.study.runs.explain", None)
    do = study.train_variants

    def and_choose(*given, **options):
        folder = do(*given, **options)
        lines = ["fold\toption\tvalue\tchosen", "0\tgamma0.1\t0.7\tTrue", "1\tgamma0.1\t0.6\tTrue"]
        (folder / "choices.tsv").write_text("\n".join(lines))
        return folder

    monkeypatch.setattr(study, "train_variants", and_choose)
    assert CliRunner().invoke(app, command(given, out, *options)).exit_code == 0
    page = (out / "report.html").read_text()
    assert "Weight of the map in the usual loss" in page and "gamma0.1" in page
    refused = CliRunner().invoke(app, command(given, out, "--quick"))
    assert isinstance(refused.exception, InputError)
    assert "was begun with another repeats, shuffled" in str(refused.exception)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--weights", "missing.pt"), "missing.pt: there is no such file"),
        (("--architecture", "resnet81"), "resnet81"),
        (("--positive", "worst"), "--positive worst: is no class. Choose high or low"),
    ],
)
def test_what_is_refused_leaves_nothing_behind(given, tmp_path, options, message):
    refused = CliRunner().invoke(app, command(given, tmp_path / "out", "--quick", *options))
    assert isinstance(refused.exception, InputError) and message in str(refused.exception)
    assert not [*tmp_path.glob("out/*")]


def test_maps_are_of_the_networks_that_were_chosen(given, tmp_path, monkeypatch):
    """An interrupted study had chosen without one option, and chose again: the study ended with a traceback."""
    prepared = study.prepare_slices(given, out=tmp_path, size=32, folds=2)
    for gamma in ("0.1", "1"):
        (tmp_path / f"runs/baseline-gamma{gamma}/fold0/seed0/run").mkdir(parents=True)
    options, chosen = ["gamma0.1", "gamma1"] * 2, [False, True, True, False]
    choices = pd.DataFrame({"variant": "baseline", "fold": [0, 0, 1, 1], "option": options, "chosen": chosen})
    choices.to_csv(tmp_path / "choices.tsv", sep="\t", index=False)
    asked = []

    def explained(run, *, out, **_):
        asked.append(str(run.relative_to(tmp_path)))
        out.mkdir(parents=True)
        (out / "explanations.tsv").write_text("participant_id\ns0000\n")
        return out

    monkeypatch.setattr(study, "map_pictures", explained)
    for variant in ("baseline", "switched"):
        study._maps(tmp_path / variant, tmp_path, prepared.table, variant)
    assert [*dict.fromkeys(asked)] == [
        f"runs/{name}/seed0/run"
        for name in ("baseline-gamma1/fold0", "baseline-gamma0.1/fold1", "switched/fold0", "switched/fold1")
    ]


def test_the_full_study_chooses_the_weight_of_the_map():
    options = study.baseline(quick=False)["choose"]["options"]
    assert [about["loss_weights"]["map"] for about in options.values()] == [0.01, 0.1, 1, 10]
    assert study.baseline(quick=True)["loss_weights"]["map"] == 1
