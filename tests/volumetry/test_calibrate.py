"""Calibration from files: the profile, and what is wrong with the images."""

import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from simulated_study import write

from mtseg.errors import InputError, ProblemsError
from mtseg.volumetry.calibrate import calibrate_threshold

SHAPE, AFFINE = (20, 16, 12), np.diag([0.7, 0.7, 0.7, 1.0])
CENTRES = np.array([[6.0, 8, 6], [13.0, 8, 6]])


def save(folder: Path, name: str, values: np.ndarray, affine: np.ndarray = AFFINE) -> str:
    nib.save(nib.Nifti1Image(values, affine), folder / name)
    return name


def cases(folder: Path, n: int = 6, *, shift: float = 1.5, flat: bool = False) -> pd.DataFrame:
    """Balls whose probabilities are too large by `shift` logits; masks 1 left and 2 right."""
    rng, rows = np.random.default_rng(0), []
    grid = np.stack(np.meshgrid(*map(np.arange, SHAPE), indexing="ij"), axis=-1)
    for i in range(n):
        radius = rng.uniform(2, 3, 2)
        depth = np.stack([r - np.linalg.norm(grid - c, axis=-1) for c, r in zip(CENTRES, radius, strict=True)], axis=-1)
        probability = 1 / (1 + np.exp(-3 * depth - shift - rng.normal(0, 0.2, depth.shape)))
        mask = ((depth > 0) * np.array([1, 2])).sum(axis=-1).astype(np.uint8)
        if flat:
            probability = probability.max(axis=-1)
        rows.append(
            {
                "participant_id": f"s{i}",
                "probability": save(folder, f"s{i}_prob.nii.gz", probability.astype(np.float32)),
                "mask": save(folder, f"s{i}_mask.nii.gz", mask),
            }
        )
    return pd.DataFrame(rows)


@pytest.mark.parametrize("aim", ["dice", "volume"])
def test_the_profile(tmp_path, aim):
    table = write(cases(tmp_path), tmp_path / "cases.tsv")
    found = calibrate_threshold(table, out=tmp_path / "profiles" / "prisma.json", aim=aim)
    profile = json.loads((tmp_path / "profiles" / "prisma.json").read_text())
    assert profile["name"] == "prisma"
    assert profile["threshold"] == found.threshold == pytest.approx(0.82, abs=0.08)
    assert (profile["aim"], profile["n"], profile["folds"]) == (aim, 6, 6)
    assert profile["structure"] is None, "other names do not tell it"
    assert profile["cross_validated"]["dice"]["value"] > profile["at_half"]["dice"]["value"] + 0.05
    assert profile["at_half"]["volume_bias_percent"]["low"] > 20
    assert abs(profile["cross_validated"]["volume_bias_percent"]["value"]) < 10
    assert profile["thresholds"][0] <= profile["threshold"] <= profile["thresholds"][1]
    assert profile["made"]["command"] == "volumes calibrate"
    said = str(found)
    assert f"threshold {found.threshold:.2f} for {aim}, by 6 cases; 6 folds chose" in said
    assert len(said.splitlines()) == 5


def test_one_structure_and_other_labels(tmp_path):
    table = write(cases(tmp_path, 4, flat=True), tmp_path / "cases.tsv")
    both = calibrate_threshold(table, out=tmp_path / "a.json", folds=2)
    assert both.folds == 2
    right = calibrate_threshold(table, out=tmp_path / "b.json", labels=[2])
    assert right.at_half.dice.value < both.at_half.dice.value - 0.2  # the left one is a mistake now
    swapped = write(cases(tmp_path, 4), tmp_path / "cases.tsv")
    assert calibrate_threshold(swapped, out=tmp_path / "c.json", labels=[1, 2]).at_half.dice.value > 0.5
    with pytest.raises(ProblemsError, match=r"s3: .* has another one\. Name the values with --label"):
        calibrate_threshold(swapped, out=tmp_path / "d.json", labels=[2, 1])
    assert not (tmp_path / "d.json").exists()


@pytest.mark.parametrize("column", ["participant_id", "group"])
def test_scans_of_a_person_are_left_out_together(tmp_path, column):
    """The odd one has three scans: each was scored at a threshold that the other two had drawn towards them."""
    (tmp_path / "odd").mkdir()
    usual, odd = cases(tmp_path, 4, shift=0), cases(tmp_path / "odd", 3, shift=4)
    odd = odd.assign(participant_id=["x", "y", "z"], **{k: "odd/" + odd[k] for k in ("probability", "mask")})
    table = pd.concat([usual, odd]).assign(group=[None] * 4 + ["g"] * 3)
    if column == "participant_id":
        table = table.drop(columns="group").assign(participant_id=["a", "b", "c", "d", *"eee"])
    found = calibrate_threshold(write(table, tmp_path / "cases.tsv"), out=tmp_path / "p.json")
    assert (found.n, found.persons, found.folds) == (7, 5, 5)
    assert "by 7 cases of 5 persons; 5 folds chose" in str(found)
    alone = calibrate_threshold(write(usual, tmp_path / "usual.tsv"), out=tmp_path / "q.json")
    assert found.thresholds[0] == alone.threshold  # what the odd one's scans were given
    few = table.iloc[2:]
    with pytest.raises(InputError, match=r"5 cases of 3 persons are too few\. At least 4 persons are needed"):
        calibrate_threshold(write(few, tmp_path / "few.tsv"), out=tmp_path / "p.json", folds=4)


def test_everything_wrong_comes_at_once(tmp_path):
    table = cases(tmp_path, 6)
    save(tmp_path, "s0_mask.nii.gz", np.ones(SHAPE, np.uint8), np.diag([1.0, 1, 1, 1]))
    save(tmp_path, "s1_mask.nii.gz", np.ones(SHAPE, np.uint8))
    save(tmp_path, "s2_prob.nii.gz", np.full((*SHAPE, 2), 3, np.float32))
    (tmp_path / "s3_prob.nii.gz").unlink()
    save(tmp_path, "s4_prob.nii.gz", np.full((*SHAPE, 3), 0.2, np.float32))
    save(tmp_path, "s5_mask.nii.gz", np.ones((*SHAPE, 2), np.uint8))
    with pytest.raises(ProblemsError) as error:
        calibrate_threshold(write(table, tmp_path / "cases.tsv"), out=tmp_path / "p.json")
    assert [(problem.subject, problem.what) for problem in error.value.problems] == [
        ("s0", "is on another grid than the probability image"),
        ("s1", "has no voxel of value 2"),
        ("s2", "holds values that are not between 0 and 1"),
        ("s3", "cannot be read as a NIfTI image"),
        ("s4", "has no voxel of value 3"),
        ("s5", "has several volumes"),
    ]
    assert not (tmp_path / "p.json").exists()


def test_what_is_refused(tmp_path):
    table = cases(tmp_path)
    file = write(table, tmp_path / "cases.tsv")
    with pytest.raises(InputError, match="--aim speed: is unknown"):
        calibrate_threshold(file, out=tmp_path / "p.json", aim="speed")
    with pytest.raises(InputError, match="6 cases are too few"):
        calibrate_threshold(file, out=tmp_path / "p.json", folds=7)
    with pytest.raises(ProblemsError, match="has 2 structures, but --label names 1"):
        calibrate_threshold(file, out=tmp_path / "p.json", labels=[1])
    with pytest.raises(InputError, match="no column 'mask'"):
        calibrate_threshold(write(table.drop(columns="mask"), tmp_path / "c.tsv"), out=tmp_path / "p.json")
