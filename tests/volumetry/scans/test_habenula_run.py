"""Many scans: what is written, what fails, what is done again. Finding and segmenting are tested elsewhere."""

import json
import logging
import shutil
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from mtseg.errors import InputError
from mtseg.files import read_table
from mtseg.volumetry.calibrate import calibrate_threshold
from mtseg.volumetry.scans import HABENULA, HIPPOCAMPUS, measure_structure, run
from mtseg.volumetry.scans.picture import draw


class Weights:
    """Stands for the network's weights."""

    names, spacing = ("habenula_left", "habenula_right"), (0.7, 0.7, 0.7)

    def __init__(self, path):
        self.weights = path


@pytest.fixture
def study(tmp_path, monkeypatch, make_found, located, blank):
    """A BIDS folder with two good scans and a damaged one; how often a scan was looked at is counted.

    Pictures are empty: drawing them takes most of the time.
    """
    seen = []

    def segment(t1, where, structure):
        seen.append(t1)
        return make_found((1.5, 1.6), wobble_mm=0.05)

    (tmp_path / "model.pt").write_bytes(b"weights")
    monkeypatch.setattr(run, "segmenter", lambda bundle: Weights(tmp_path / "model.pt"))
    monkeypatch.setattr(run, "locate", lambda t1: located)
    monkeypatch.setattr(run, "segment", segment)
    monkeypatch.setattr(run, "draw", lambda path, **_: path.touch())
    voxels = np.random.default_rng(0).random(blank.shape, np.float32)
    for name in ("sub-01/anat/sub-01", "sub-02/ses-a/anat/sub-02_ses-a", "sub-03/anat/sub-03"):
        path = tmp_path / "study" / f"{name}_T1w.nii.gz"
        path.parent.mkdir(parents=True)
        nib.save(nib.Nifti1Image(voxels, blank.affine), path)
    path.write_bytes(path.read_bytes()[:1000])
    return tmp_path / "study", tmp_path / "out", seen


@pytest.fixture
def drawn(study, monkeypatch):
    """The pictures too."""
    monkeypatch.setattr(run, "draw", draw)


def test_the_results(study, drawn):
    folder, out, _ = study
    measure_structure(HABENULA, [folder], out=out)
    table = read_table(out / "habenula.tsv")
    assert table["participant_id"].tolist() == ["sub-01", "sub-02", "sub-03"]
    assert table["scan"].tolist() == ["sub-01", "sub-02_ses-a", "sub-03"]
    assert table["error"].isna().tolist() == [True, True, False] and "cannot be read" in table["error"][2]
    good = table.loc[0]
    assert 10 < good["left_mm3"] < good["right_mm3"] < 20
    assert good["total_mm3_low"] < good["total_mm3"] < good["total_mm3_high"]
    assert good["total_to_icv"] == pytest.approx(good["total_mm3"] / 1.5e6, rel=1e-3)
    assert good["voxel_mm"] == "1 x 1 x 1" and good["threshold"] == HABENULA.threshold
    made = out / "sub-02" / "ses-a" / "anat"
    assert {path.name.removeprefix("sub-02_ses-a_") for path in made.iterdir()} == {
        "space-orig_label-habenula_dseg.nii.gz",
        "space-orig_label-habenula_probseg.nii.gz",
        "label-habenula_qc.png",
        "label-habenula_volumes.json",
    }
    scan = nib.load(folder / "sub-02" / "ses-a" / "anat" / "sub-02_ses-a_T1w.nii.gz")
    mask = nib.load(made / "sub-02_ses-a_space-orig_label-habenula_dseg.nii.gz")
    assert mask.shape == scan.shape and np.array_equal(mask.affine, scan.affine)
    assert np.count_nonzero(mask.get_fdata() == 1) == table["left_mm3_hard"][1]
    assert nib.load(made / "sub-02_ses-a_space-orig_label-habenula_probseg.nii.gz").shape == (*scan.shape, 2)
    assert not (out / "sub-03").exists()
    about = json.loads((out / "run.json").read_text())
    assert "not validated on hand-drawn labels" in about["caution"] and "not a medical device" in about["caution"]
    assert json.loads((out / "dataset_description.json").read_text())["DatasetType"] == "derivative"
    assert read_table(out / "label-habenula_dseg.tsv")["name"].tolist() == ["habenula_left", "habenula_right"]


def test_a_second_call_does_what_is_missing(study):
    folder, out, seen = study
    first = measure_structure(HABENULA, [folder], out=out)
    copy = folder / "sub-01" / "anat" / "sub-01_T1w.nii.gz"
    shutil.copy(copy, folder / "sub-03" / "anat" / "sub-03_T1w.nii.gz")
    second = measure_structure(HABENULA, [folder], out=out)
    assert len(seen) == 3 and second["error"].isna().all()
    assert second.loc[:1, "total_mm3"].tolist() == first.loc[:1, "total_mm3"].tolist()


def test_another_scan_in_the_same_place_is_measured(study, blank):
    """As after the correction of a header: the old numbers stayed."""
    folder, out, seen = study
    measure_structure(HABENULA, [folder], out=out)
    path = folder / "sub-01" / "anat" / "sub-01_T1w.nii.gz"
    nib.save(nib.Nifti1Image(nib.load(path).get_fdata(dtype=np.float32) * 2, blank.affine), path)
    measure_structure(HABENULA, [folder], out=out)
    assert len(seen) == 3


def test_scans_of_earlier_calls_stay_in_the_table(study, tmp_path):
    """One call per scan: the table held the last one only."""
    folder, out, _ = study
    for name in ("sub-02/ses-a/anat/sub-02_ses-a", "sub-01/anat/sub-01"):
        measure_structure(HABENULA, [folder / f"{name}_T1w.nii.gz"], out=out)
    assert read_table(out / "habenula.tsv")["scan"].tolist() == ["sub-01", "sub-02_ses-a"]
    (tmp_path / "profile.json").write_text('{"threshold": 0.3}')
    scan = folder / "sub-01" / "anat" / "sub-01_T1w.nii.gz"
    measure_structure(HABENULA, [scan], out=out, profile=tmp_path / "profile.json")
    assert read_table(out / "habenula.tsv")["scan"].tolist() == ["sub-01"], "thresholds are not mixed"


def test_reasons_of_earlier_calls_stay_in_the_table(study):
    """Only what had been measured did; a scan that had failed was gone."""
    folder, out, _ = study
    broken = folder / "sub-03" / "anat" / "sub-03_T1w.nii.gz"
    measure_structure(HABENULA, [broken], out=out)
    measure_structure(HABENULA, [folder / "sub-01" / "anat" / "sub-01_T1w.nii.gz"], out=out)
    table = read_table(out / "habenula.tsv")
    assert table["scan"].tolist() == ["sub-01", "sub-03"] and "cannot be read" in table["error"][1]
    measure_structure(HABENULA, [folder], out=out)
    assert read_table(out / "habenula.tsv")["scan"].tolist() == ["sub-01", "sub-02_ses-a", "sub-03"]
    broken.unlink()
    measure_structure(HABENULA, [folder], out=out)
    assert read_table(out / "habenula.tsv")["scan"].tolist() == ["sub-01", "sub-02_ses-a"]


def test_subjects_are_named_as_in_their_table(study, tmp_path):
    """P_01 became P01, which no table of participants knew."""
    folder, out, _ = study
    table = pd.DataFrame({"participant_id": ["P_01", "07"], "t1": folder / "sub-01" / "anat" / "sub-01_T1w.nii.gz"})
    table.to_csv(tmp_path / "people.tsv", sep="\t", index=False)
    measure_structure(HABENULA, [tmp_path / "people.tsv"], out=out)
    made = read_table(out / "habenula.tsv")
    assert made["participant_id"].tolist() == ["P_01", "07"] and made["scan"].tolist() == ["sub-P01", "sub-07"]


def test_what_a_killed_call_left_behind(study):
    """Its half-written row doubled a scan, or ended every later call with a JSONDecodeError."""
    folder, out, _ = study
    measure_structure(HABENULA, [folder], out=out)
    row_file = out / "sub-02" / "ses-a" / "anat" / "sub-02_ses-a_label-habenula_volumes.json"
    for name, text in (("whole", row_file.read_text()), ("half", '{"made_with"')):
        (row_file.parent / f".writing-{name}").mkdir()
        (row_file.parent / f".writing-{name}" / row_file.name).write_text(text)
    (out / ".writing-table").mkdir()
    measure_structure(HABENULA, [folder / "sub-01" / "anat" / "sub-01_T1w.nii.gz"], out=out)
    assert read_table(out / "habenula.tsv")["scan"].tolist() == ["sub-01", "sub-02_ses-a", "sub-03"]
    assert not [*out.rglob(".writing-*")]


def test_files_that_are_being_written_are_no_rows(study, monkeypatch):
    """Where a folder cannot be locked, another machine may write into it."""
    folder, out, _ = study
    monkeypatch.setattr(run, "_remove_leftovers", lambda folder: None)
    measure_structure(HABENULA, [folder], out=out)
    row_file = out / "sub-02" / "ses-a" / "anat" / "sub-02_ses-a_label-habenula_volumes.json"
    (row_file.parent / ".writing-x").mkdir()
    shutil.copy(row_file, row_file.parent / ".writing-x")
    measure_structure(HABENULA, [folder / "sub-01" / "anat" / "sub-01_T1w.nii.gz"], out=out)
    assert read_table(out / "habenula.tsv")["scan"].tolist() == ["sub-01", "sub-02_ses-a", "sub-03"]


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"row": null}', '{"row": {}}', "\x00"])
def test_a_damaged_row_is_no_measurement(study, text):
    folder, out, seen = study
    measure_structure(HABENULA, [folder], out=out)
    (out / "sub-02" / "ses-a" / "anat" / "sub-02_ses-a_label-habenula_volumes.json").write_text(text)
    measure_structure(HABENULA, [folder / "sub-01" / "anat" / "sub-01_T1w.nii.gz"], out=out)
    assert read_table(out / "habenula.tsv")["scan"].tolist() == ["sub-01", "sub-03"]
    measure_structure(HABENULA, [folder], out=out)
    assert len(seen) == 3
    assert read_table(out / "habenula.tsv")["error"].isna().tolist() == [True, True, False]


def test_a_scan_whose_masks_are_gone_is_not_measured(study, monkeypatch, tmp_path):
    """Killed while outdated results were removed, the row was the last to go: it stood there without masks."""
    folder, out, _ = study
    measure_structure(HABENULA, [folder], out=out)
    (tmp_path / "profile.json").write_text('{"threshold": 0.3}')
    unlink = Path.unlink

    def killed(path, **options):
        unlink(path, **options)
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "unlink", killed)
    with pytest.raises(KeyboardInterrupt):
        measure_structure(HABENULA, [folder], out=out, profile=tmp_path / "profile.json")
    left = [path.name for path in (out / "sub-01" / "anat").iterdir()]
    assert len(left) == 3 and "sub-01_label-habenula_volumes.json" not in left


def test_another_scan_of_the_same_name_is_told(study, tmp_path, caplog):
    """The first one's results were replaced without a word."""
    folder, out, _ = study
    caplog.set_level(logging.WARNING, "mtseg")
    first = folder / "sub-01" / "anat" / "sub-01_T1w.nii.gz"
    (tmp_path / "other").mkdir()
    second = shutil.copy(first, tmp_path / "other" / first.name)
    measure_structure(HABENULA, [first], out=out)
    measure_structure(HABENULA, [first], out=out)
    assert not caplog.messages
    measure_structure(HABENULA, [second], out=out)
    (said,) = caplog.messages
    assert said.startswith(f"sub-01: the results of {first} are replaced by those of {second}")
    caplog.clear()
    second.unlink()
    measure_structure(HABENULA, [first], out=out)
    assert not caplog.messages, "a scan that was moved"


def test_scans_that_are_not_in_the_table_are_counted(study, tmp_path, caplog):
    folder, out, _ = study
    measure_structure(HABENULA, [folder], out=out)
    (tmp_path / "profile.json").write_text('{"threshold": 0.3}')
    caplog.set_level(logging.INFO, "mtseg")
    scan = folder / "sub-01" / "anat" / "sub-01_T1w.nii.gz"
    measure_structure(HABENULA, [scan], out=out, profile=tmp_path / "profile.json")
    assert "1 more scans in the folder are not in the table: other weights, threshold or version" in caplog.messages


def test_a_scan_that_fails_leaves_nothing_of_an_earlier_one(study):
    folder, out, _ = study
    measure_structure(HABENULA, [folder], out=out)
    path = folder / "sub-01" / "anat" / "sub-01_T1w.nii.gz"
    path.write_bytes(path.read_bytes()[:1000])
    measure_structure(HABENULA, [folder], out=out)
    assert not [*out.glob("sub-01/anat/*")]


def test_ones_own_network(study, tmp_path, monkeypatch):
    """It needed the bundle's weights to be overwritten, and run.json told of the shipped ones."""
    folder, out, _ = study
    (tmp_path / "mine.pt").write_bytes(b"mine")
    mine = str(tmp_path / "mine")
    networks = {"habenula_t1": Weights(tmp_path / "model.pt"), mine: Weights(tmp_path / "mine.pt")}
    monkeypatch.setattr(run, "segmenter", networks.__getitem__)
    asked = []
    segment = run.segment
    monkeypatch.setattr(
        run, "segment", lambda t1, where, structure: asked.append(structure) or segment(t1, where, structure)
    )
    measure_structure(HABENULA, [folder], out=out, network=mine)
    assert {structure.bundle for structure in asked} == {mine}
    about = json.loads((out / "run.json").read_text())
    assert "not mtseg's own" in about["caution"] and "synthetic" not in about["caution"]
    networks[mine].names = ("thalamus",)
    with pytest.raises(InputError, match=r"mine: finds thalamus in voxels of 0\.7 × 0\.7 × 0\.7 mm"):
        measure_structure(HABENULA, [folder], out=out, network=mine)


def test_two_scans_of_one_session(study):
    """Measuring `sub-01` removed the results of `sub-01_run-2`, which lie beside its own."""
    folder, out, _ = study
    scan = folder / "sub-01" / "anat" / "sub-01_T1w.nii.gz"
    second = shutil.copy(scan, scan.with_name("sub-01_run-2_T1w.nii.gz"))
    measure_structure(HABENULA, [second], out=out)
    measure_structure(HABENULA, [scan], out=out)
    assert len([*out.glob("sub-01/anat/*")]) == 8
    assert read_table(out / "habenula.tsv")["scan"].tolist() == ["sub-01", "sub-01_run-2"]


def test_another_threshold_measures_anew(study, tmp_path):
    folder, out, seen = study
    (tmp_path / "profile.json").write_text('{"threshold": 0.3}')
    first = measure_structure(HABENULA, [folder], out=out)
    second = measure_structure(HABENULA, [folder], out=out, profile=tmp_path / "profile.json")
    assert len(seen) == 4 and second["threshold"][0] == 0.3
    assert second["total_mm3"][0] > first["total_mm3"][0]


@pytest.mark.parametrize("text", ["{}", "no json", '{"threshold": 1.5}', '{"threshold": null}'])
def test_what_is_no_profile(study, tmp_path, text):
    folder, out, _ = study
    (tmp_path / "profile.json").write_text(text)
    with pytest.raises(InputError, match=r"profile\.json"):
        measure_structure(HABENULA, [folder], out=out, profile=tmp_path / "profile.json")
    assert not out.exists()


def test_one_scan_that_breaks_the_code_does_not_stop_the_others(study, monkeypatch):
    folder, out, _ = study

    def broken(t1, where, structure):
        raise RuntimeError("no luck")

    monkeypatch.setattr(run, "segment", broken)
    table = measure_structure(HABENULA, [folder], out=out)
    assert table["error"][:2].tolist() == ["RuntimeError: no luck"] * 2


def test_nothing_found_is_no_zero(study, drawn, monkeypatch, make_found):
    folder, out, _ = study
    empty = make_found((0, 0))
    for one in empty.values():
        one.looks[:] = 0
    monkeypatch.setattr(run, "segment", lambda *_: empty)
    measure_structure(HABENULA, [folder], out=out)
    row = read_table(out / "habenula.tsv").loc[0]
    assert row["flags"] == "not_found" and row[["left_mm3", "total_mm3", "asymmetry"]].isna().all()


def test_a_side_that_is_not_found_is_no_zero(study, drawn, monkeypatch, make_found):
    """It was 0 mm³, and the total that of the other side."""
    folder, out, _ = study
    half = make_found((1.6, 0))
    half["right"].looks[:] = 0
    monkeypatch.setattr(run, "segment", lambda *_: half)
    measure_structure(HABENULA, [folder], out=out)
    row = read_table(out / "habenula.tsv").loc[0]
    assert row["flags"] == "right_missing" and row["left_mm3"] > 10
    assert row[["right_mm3", "right_mm3_hard", "total_mm3", "total_to_icv", "asymmetry"]].isna().all()


def test_a_profile_makes_the_recommended_volume_right(study, monkeypatch, make_found, tmp_path):
    """It made right what is counted in voxels, and the recommended volume a third too large."""
    folder, out, _ = study
    rng = np.random.default_rng(0)
    voxels = rng.random((41, 41, 41), np.float32)
    rows, drawn = [], []
    for k in range(4):
        for kind in ("t1", "mask"):
            (folder / kind).mkdir(exist_ok=True)
        blank = nib.load(folder / "sub-01" / "anat" / "sub-01_T1w.nii.gz").affine
        nib.save(nib.Nifti1Image(voxels, blank), folder / "t1" / f"k{k}.nii.gz")
        radii = (1.5 + 0.05 * k, 1.6)
        mask, _ = run.native_masks(make_found(radii), nib.Nifti1Image(voxels, blank), threshold=0.5)
        nib.save(nib.Nifti1Image(mask, blank), folder / "mask" / f"k{k}.nii.gz")
        drawn.append(np.count_nonzero(mask))
        rows.append((f"k{k}", f"{out}/sub-k{k}/anat/sub-k{k}_space-orig_label-habenula_probseg.nii.gz",
                     str(folder / "mask" / f"k{k}.nii.gz")))  # fmt: skip
    bold = iter(2 * [make_found((1.8 + 0.05 * k, 1.9)) for k in range(4)])  # each is seen twice
    monkeypatch.setattr(run, "segment", lambda *_: next(bold))
    scans = [folder / "t1" / f"k{k}.nii.gz" for k in range(4)]
    before = measure_structure(HABENULA, scans, out=out)
    pd.DataFrame(rows, columns=["participant_id", "probability", "mask"]).to_csv(tmp_path / "cases.tsv", sep="\t")
    profile = calibrate_threshold(tmp_path / "cases.tsv", out=tmp_path / "profile.json", aim="volume")
    assert (profile.volumes, profile.structure) == ("recommended", "habenula")
    with pytest.raises(InputError, match=r"is a profile of habenula\. Calibrate one for hippocampus"):
        measure_structure(HIPPOCAMPUS, scans, out=out, profile=tmp_path / "profile.json")
    after = measure_structure(HABENULA, scans, out=out, profile=tmp_path / "profile.json")
    assert (before["total_mm3"] / drawn).mean() > 1.3
    assert (after["total_mm3"] / drawn).mean() == pytest.approx(1, abs=0.03)
    assert profile.cross_validated.volume_bias_percent.value == pytest.approx(0, abs=5)
