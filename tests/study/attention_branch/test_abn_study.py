"""The study from pictures to its page."""

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
    result = CliRunner().invoke(app, command(given, out, "--quick", "--shuffle-labels"))
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
    assert CliRunner().invoke(app, command(given, out, "--quick", "--shuffle-labels")).exit_code == 0
    refused = CliRunner().invoke(app, command(given, out, "--quick"))
    assert isinstance(refused.exception, InputError)


def test_the_full_study_chooses_the_weight_of_the_map():
    options = study.baseline(quick=False)["choose"]["options"]
    assert [about["loss_weights"]["map"] for about in options.values()] == [0.01, 0.1, 1, 10]
    assert study.baseline(quick=True)["loss_weights"]["map"] == 1
