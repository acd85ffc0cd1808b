"""`mtseg explain` from end to end, on a tiny training."""

import json
import shutil
from dataclasses import asdict
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
import yaml
from typer.testing import CliRunner

from mtseg.bundle import explain, predict
from mtseg.cam.agreement import compare_map
from mtseg.cli.app import app
from mtseg.errors import InputError
from mtseg.files import read_table


@pytest.fixture(scope="module")
def explained(tiny, trained, tmp_path_factory):
    return explain(
        str(trained), cohort=tiny.table, fold=0, out=tmp_path_factory.mktemp("explained") / "out", faithfulness=True
    )


def test_each_subject_has_a_map_on_the_inputs_grid(explained, tiny):
    table = read_table(explained / "explanations.tsv")
    assert table["participant_id"].tolist() == ["p0", "p1", "p4", "p5"]
    for subject in table["participant_id"]:
        source = nib.load(tiny.table.parent / f"{subject}_dwi.nii.gz")
        raw, normalised = (nib.load(explained / f"{subject}_{name}.nii.gz") for name in ("cam", "cam_normalised"))
        for image in (raw, normalised):
            assert image.shape == source.shape
            np.testing.assert_array_equal(image.affine, source.affine)
        values, share = raw.get_fdata(), normalised.get_fdata()
        assert values.min() >= 0
        assert values.max() == pytest.approx(table.set_index("participant_id").loc[subject, "peak"], rel=1e-5)
        if values.any():
            assert share.max() == 1
            np.testing.assert_allclose(share, values / values.max(), atol=1e-6)
        for suffix in ("png", "html"):
            assert (explained / f"{subject}_cam.{suffix}").stat().st_size > 10_000


def test_what_a_map_is_stands_beside_it(explained, tiny, trained, tmp_path):
    about = json.loads((explained / "p0_cam.json").read_text())
    predicted = read_table(predict(str(trained), cohort=tiny.table, out=tmp_path / "p") / "predictions.tsv")
    row = predicted.set_index("participant_id").loc["p0"]
    assert about["answer"] == row["outcome_predicted"]
    assert about["score"] == pytest.approx(row[f"outcome_prob_{about['answer']}"], rel=1e-4)
    assert (about["method"], about["layers"], about["head"], about["scale"]) == (
        "hirescam",
        ["encoder.levels.1"],
        "outcome",
        "logit",
    )
    assert len(about["models"][0]) == 12
    assert json.loads((explained / "run.json").read_text())["command"] == "explain"


def test_the_agreement_is_that_of_the_files(explained, tiny):
    table = read_table(explained / "explanations.tsv").set_index("participant_id")
    for subject, row in table.iterrows():
        shares = nib.load(explained / f"{subject}_cam_normalised.nii.gz").get_fdata()
        for which, folder in {"own": explained, "reference": tiny.table.parent}.items():
            mask = np.asarray(nib.load(folder / f"{subject}_mask.nii.gz").dataobj) > 0
            for measure, value in asdict(compare_map(shares, mask)).items():
                assert row[f"{measure}_{which}"] == pytest.approx(value, abs=1e-5, nan_ok=True)


def test_the_checks_of_each_map_and_their_means(explained):
    table = read_table(explained / "explanations.tsv")
    for name in ("insertion_auc", "deletion_auc", "insertion_auc_random", "deletion_auc_random"):
        assert table[name].between(0, 1).all()
    assert table["energy_inside_reference"].dropna().between(0, 1).all()
    assert table["mask_share_reference"].between(0.001, 0.5).all()
    summary = read_table(explained / "explanations_summary.tsv").set_index("metric")
    gain = (table["insertion_auc"] - table["insertion_auc_random"]).mean()
    assert summary.loc["insertion_auc_gain", "value"] == pytest.approx(gain, abs=1e-5)
    assert summary.loc["insertion_auc", "n"] == 4
    curves = read_table(explained / "faithfulness_curves.tsv")
    for subject, curve in curves.groupby("participant_id"):
        area = np.trapezoid(curve["insertion"], curve["fraction"])
        assert area == pytest.approx(table.set_index("participant_id").loc[subject, "insertion_auc"], abs=1e-5)
    stages = read_table(explained / "randomisation.tsv")
    assert stages.groupby("participant_id").size().eq(stages["stage"].max()).all()
    assert stages["module"].iloc[0].startswith("heads")


def test_an_image_stored_in_another_orientation_has_the_same_map(tiny, trained, tmp_path):
    table = pd.read_csv(tiny.table, sep="\t").head(1)
    for name in ("dwi", "adc"):
        image = nib.load(tiny.table.parent / table.loc[0, name])
        codes = nib.orientations.axcodes2ornt(("P", "S", "R"))
        turned = image.as_reoriented(nib.orientations.ornt_transform(nib.io_orientation(image.affine), codes))
        nib.save(turned, tmp_path / f"{name}.nii.gz")
        table[name] = f"{name}.nii.gz"
    table.drop(columns="mask").to_csv(tmp_path / "turned.tsv", sep="\t", index=False)
    for cohort, out in ((tiny.table, "a"), (tmp_path / "turned.tsv", "b")):
        explain(str(trained), cohort=cohort, out=tmp_path / out, pictures=False)
    straight, turned = (nib.load(tmp_path / out / "p0_cam.nii.gz") for out in "ab")
    assert nib.aff2axcodes(turned.affine) == ("P", "S", "R")
    back = nib.as_closest_canonical(turned).get_fdata()
    np.testing.assert_allclose(back, nib.as_closest_canonical(straight).get_fdata(), atol=1e-5)
    assert "energy_inside_reference" not in read_table(tmp_path / "b" / "explanations.tsv")


def test_an_ensemble_has_a_spread_and_layers_a_fourth_axis(tiny, trained, tmp_path):
    weights = trained / "models" / "model.pt"
    out = explain(
        str(trained),
        cohort=tiny.table,
        fold=1,
        out=tmp_path / "out",
        weights=[weights, shutil.copy(weights, tmp_path / "same.pt")],
        head="seg",
        layers=["decoder.levels.0", "encoder.levels.0"],
        pictures=False,
    )
    spread = nib.load(out / "p2_cam_sd.nii.gz")
    assert spread.shape[3] == 2
    np.testing.assert_allclose(spread.get_fdata(), 0, atol=1e-5)  # two members that are the same
    about = json.loads((out / "p2_cam.json").read_text())
    assert about["layers"] == ["decoder.levels.0", "encoder.levels.0"]
    assert about["models"][0] == about["models"][1]
    assert (about["head"], about["answer"], about["where"]) == ("seg", "lesion", "predicted")


def test_an_atlas_gives_regions_means_and_a_comparison(tiny, trained, tmp_path):
    image = nib.load(tiny.table.parent / "p0_dwi.nii.gz")
    regions = np.ones(image.shape, np.int16)
    regions[image.shape[0] // 2 :] = 2
    nib.save(nib.Nifti1Image(regions, image.affine), tmp_path / "halves.nii.gz")
    (tmp_path / "halves.tsv").write_text("index\tname\n1\tlow\n2\thigh\n")
    out = explain(
        str(trained),
        cohort=tiny.table,
        out=tmp_path / "out",
        answer="good",
        atlas=str(tmp_path / "halves.nii.gz"),
        pictures=False,
    )
    table = read_table(out / "regions.tsv")
    assert len(table) == 8 * 2
    assert table.groupby("participant_id")["voxels"].sum().eq(regions.size).all()
    mean, sd, n = (nib.load(out / f"group_good_{what}.nii.gz") for what in ("mean", "sd", "n"))
    assert mean.shape == sd.shape == regions.shape and (n.get_fdata() == 4).all()
    assert read_table(out / "group_poor_peaks.tsv")["region"].isin(["low", "high"]).all()
    assert {"measure", "region", "p", "q"} <= {*read_table(out / "regions_compared.tsv").columns}


def test_a_training_older_than_the_maps_is_explained_on_the_inputs_grid(tiny, trained, tmp_path):
    old = shutil.copytree(trained, tmp_path / "old")
    config = yaml.safe_load((old / "configs" / "inference.yaml").read_text())
    for transform in config["postprocessing"]["transforms"][1:]:
        transform["keys"] = "seg"
        transform.pop("allow_missing_keys", None)
    (old / "configs" / "inference.yaml").write_text(yaml.safe_dump(config))
    turned = nib.load(tiny.table.parent / "p0_dwi.nii.gz").as_reoriented([[2, 1], [0, 1], [1, -1]])
    for name in ("dwi", "adc"):
        nib.save(turned, tmp_path / f"{name}.nii.gz")
    (tmp_path / "one.tsv").write_text("id\tdwi\tadc\np0\tdwi.nii.gz\tadc.nii.gz\n")
    out = explain(str(old), cohort=tmp_path / "one.tsv", out=tmp_path / "out")
    assert nib.load(out / "p0_cam.nii.gz").shape == turned.shape != turned.shape[::-1]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"method": "magic"}, "method 'magic': there is no such"),
        ({"head": "grade"}, "--head grade: there is no such. Choose one of outcome, seg"),
        ({"layers": ["top"]}, "There are: encoder, encoder.gate"),
        ({"layers": ["heads.outcome"]}, "its output is no feature map"),
        ({"layers": ["decoder.levels.0"]}, "the target does not depend on it"),
        ({"layers": ["encoder.levels.0"], "method": "occlusion"}, "occlusion does not look at one"),
        ({"method": "attention"}, "method attention: this network has no map of its own"),
        ({"klass": "good", "ensemble": []}, "ensemble, klass: no such option. There are: against, answer, atlas"),
        ({"atlas": "nowhere.nii.gz"}, "nowhere.nii.gz or its names: cannot be read"),
        ({"atlas": Path("nowhere.nii.gz")}, "nowhere.nii.gz or its names: cannot be read"),
    ],
)
def test_what_is_refused_leaves_nothing(options, message, tiny, trained, tmp_path):
    with pytest.raises(InputError, match=message.replace("(", r"\(")):
        explain(str(trained), cohort=tiny.table, out=tmp_path / "out", **options)
    assert not (tmp_path / "out").exists()


def test_series_of_dicom_images_are_drawn_and_compared_with_the_atlas(tiny, trained, tmp_path, save_series):
    """They were drawn as the network saw them, and looked for in the atlas when all was computed."""
    image = nib.load(tiny.table.parent / "p0_dwi.nii.gz")
    for name in ("dwi", "adc"):
        voxels = nib.load(tiny.table.parent / f"p0_{name}.nii.gz").get_fdata()
        scaled = (voxels - voxels.min()) / np.ptp(voxels) * 1000
        save_series(tmp_path / name, scaled.astype(np.uint16), image.affine)
    (tmp_path / "series.tsv").write_text("id\tdwi\tadc\np0\tdwi\tadc\n")
    out = explain(str(trained), cohort=tmp_path / "series.tsv", out=tmp_path / "out")
    assert (out / "p0_cam.png").stat().st_size > 10_000
    far = image.affine.copy()
    far[:3, 3] += 1000
    nib.save(nib.Nifti1Image(np.ones(image.shape, np.uint8), far), tmp_path / "far.nii.gz")
    (tmp_path / "far.tsv").write_text("index\tname\n1\tfar\n")
    with pytest.raises(InputError, match="no voxel lies in a region of the atlas"):
        explain(str(trained), cohort=tmp_path / "series.tsv", out=tmp_path / "no", atlas=str(tmp_path / "far.nii.gz"))
    assert not (tmp_path / "no").exists()


def test_files_of_others_stay(tiny, trained, tmp_path):
    (tmp_path / "group_analysis").mkdir()
    (tmp_path / "group_table.csv").write_text("mine")
    explain(str(trained), cohort=tiny.table, fold=0, out=tmp_path, pictures=False)
    assert (tmp_path / "group_table.csv").read_text() == "mine" and (tmp_path / "group_analysis").is_dir()


@pytest.mark.parametrize("name", ["group_controls_mean.nii.gz", "regions.tsv"])
def test_files_of_others_that_have_the_names_of_ours_are_not_removed(name, tiny, trained, tmp_path):
    """They went as if an earlier explanation had left them."""
    (tmp_path / name).write_text("mine")
    with pytest.raises(InputError, match=rf"/{name}: could be overwritten"):
        explain(str(trained), cohort=tiny.table, fold=0, out=tmp_path, pictures=False)
    assert [path.read_text() for path in tmp_path.iterdir()] == ["mine"]


def test_the_command(tiny, trained, tmp_path):
    command = ["explain", str(trained), "--cohort", str(tiny.table), "--fold", "1", "--out", str(tmp_path / "out")]
    options = ["--class", "good", "--against", "poor", "--method", "hirescam", "--no-pictures"]
    result = CliRunner().invoke(app, [*command, *options])
    assert result.exit_code == 0, result.output
    assert (tmp_path / "out" / "p3_cam.nii.gz").is_file()
    assert not [*(tmp_path / "out").glob("*_cam.png"), *(tmp_path / "out").glob("*_cam.html")]
    about = json.loads((tmp_path / "out" / "p3_cam.json").read_text())
    assert (about["answer"], about["against"], about["method"]) == ("good", "poor", "hirescam")
