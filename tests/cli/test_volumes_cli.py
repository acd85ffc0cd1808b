"""`mtseg volumes compare`, `reliability` and `calibrate` as a user types them."""

import json
import sys

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from mtseg.cli import main
from mtseg.files import read_table


@pytest.fixture
def mtseg(monkeypatch, capsys):
    """Run a command in this process; gives the exit code and what was printed."""

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["mtseg", "volumes", *map(str, arguments)])
        with pytest.raises(SystemExit) as caught:
            main()
        printed = capsys.readouterr()
        return caught.value.code or 0, printed.out, printed.err

    return run


@pytest.fixture
def table(tmp_path):
    rng, n = np.random.default_rng(0), 40
    volumes = pd.DataFrame(
        {
            "participant_id": [f"s{i:02d}" for i in range(n)],
            "group": np.repeat(["HC", "MDD"], n // 2),
            "years": rng.normal(40, 10, n),
            "gender": rng.choice(["F", "M"], n),
            "scanner": rng.choice(["a", "b"], n),
            "hamd": np.repeat([np.nan, 20], n // 2) + rng.normal(0, 4, n),
            "flags": ["low_contrast"] + [None] * (n - 1),
            "total_mm3": rng.normal(34, 3, n),
            "retest": rng.normal(34, 3, n),
        }
    )
    volumes.to_csv(tmp_path / "volumes.csv", index=False)
    return tmp_path / "volumes.csv"


def test_compare(mtseg, table, tmp_path):
    options = ["--covariates", "years, gender,scanner", "--age", "years", "--sex", "gender", "--site", "scanner"]
    more = ["--severity", "hamd", "--site-effect", "combat", "--measure", "total_mm3", "--drop-flagged"]
    code, out, err = mtseg("compare", table, "--group", "group", *options, *more, "--out", tmp_path / "out")
    assert (code, err) == (0, "")
    assert out.strip() == str(tmp_path / "out" / "report.html")
    found = read_table(tmp_path / "out" / "correlations.tsv")
    assert set(found["predictor"]) == {"years", "hamd"}
    assert read_table(tmp_path / "out" / "excluded.tsv")["reason"].tolist() == ["flagged: low_contrast"]


def test_compare_joins_tables(mtseg, table, tmp_path):
    both = pd.read_csv(table)
    both[["participant_id", "total_mm3"]].to_csv(tmp_path / "a.tsv", sep="\t", index=False)
    both[["participant_id", "group"]].iloc[1:].to_csv(tmp_path / "b.tsv", sep="\t", index=False)
    asked = ("compare", tmp_path / "a.tsv", "--with", tmp_path / "b.tsv", "--group", "group", "--out", tmp_path / "out")
    code, _, err = mtseg(*asked)
    assert (code, err) == (0, "")
    excluded = read_table(tmp_path / "out" / "excluded.tsv").to_numpy().tolist()
    assert excluded == [["s00", "no group (no row in b.tsv)"]]


def test_reliability(mtseg, table, tmp_path):
    code, out, _ = mtseg("reliability", table, "--columns", "total_mm3=total_mm3,retest", "--out", tmp_path / "out")
    assert code == 0
    assert out.strip().endswith("report.html")
    assert read_table(tmp_path / "out" / "reliability.tsv")["n"].item() == 40
    code, _, err = mtseg("reliability", table, "--columns", "total_mm3", "--out", tmp_path / "out2")
    assert code == 2
    assert "--columns total_mm3: write NAME=FIRST,SECOND" in err
    code, _, err = mtseg("reliability", table, "--session", "visit", "--measure", "retest", "--out", tmp_path / "out2")
    assert code == 2
    assert "there is no column 'visit'" in err


def test_calibrate(mtseg, tmp_path):
    rng, rows = np.random.default_rng(0), []
    for i in range(4):
        mask = np.zeros((8, 8, 8), np.uint8)
        mask[2:5, 2:6, 2:6] = 7
        probability = np.clip(0.7 * (mask > 0) + rng.uniform(0, 0.3, mask.shape), 0, 1).astype(np.float32)
        for name, values in (("mask", mask), ("prob", probability)):
            nib.save(nib.Nifti1Image(values, np.eye(4)), tmp_path / f"s{i}_{name}.nii.gz")
        rows.append({"participant_id": f"s{i}", "probability": f"s{i}_prob.nii.gz", "mask": f"s{i}_mask.nii.gz"})
    pd.DataFrame(rows).to_csv(tmp_path / "cases.tsv", sep="\t", index=False)
    profile = tmp_path / "scanner.json"
    options = ["--aim", "volume", "--label", 7, "--folds", 2]
    code, out, _ = mtseg("calibrate", tmp_path / "cases.tsv", *options, "--out", profile)
    assert code == 0
    assert "chosen, cross-validated" in out
    assert json.loads(profile.read_text())["threshold"] == 0.5


@pytest.mark.parametrize("below", [False, True])
@pytest.mark.parametrize("command", ["compare", "reliability", "calibrate", "crops", "synthesise"])
def test_an_out_that_is_a_file(mtseg, table, tmp_path, command, below):
    """It ended with a traceback when all was computed."""
    file = tmp_path / "file"
    file.write_text("mine")
    options = {
        "compare": [table, "--group", "group"],
        "reliability": [table, "--columns", "total_mm3=total_mm3,retest"],
        "calibrate": [table],
        "crops": [table],
        "synthesise": [table, table],
    }
    out = file / "out" if below or command == "calibrate" else file
    code, _, err = mtseg(command, *options[command], "--out", out)
    assert code == 2
    assert err == f"{file}: is no folder. Choose another one (--out)\n"
    assert file.read_text() == "mine"


def test_a_profile_that_is_a_folder(mtseg, table, tmp_path):
    code, _, err = mtseg("calibrate", table, "--out", tmp_path)
    assert code == 2
    assert f"{tmp_path}: is a folder. Name the file of the profile" in err


def test_a_profile_replaces_no_table(mtseg, table):
    before = table.read_bytes()
    code, _, err = mtseg("calibrate", table, "--out", table)
    assert (code, err) == (2, f"{table}: is no name of a profile. End it with .json (--out)\n")
    assert table.read_bytes() == before
