"""The commands as a user types them: what they print, and what they say of mistakes."""

import runpy
import shlex
import shutil
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from mtseg.bundle import names
from mtseg.cli import main


@pytest.fixture
def mtseg(monkeypatch, capsys):
    """Run a command in this process; gives the exit code and what was printed."""

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["mtseg", *map(str, arguments)])
        with pytest.raises(SystemExit) as caught:
            main()
        printed = capsys.readouterr()
        assert "Traceback" not in printed.out + printed.err
        return caught.value.code or 0, printed.out, printed.err

    return run


def settings(tiny_settings, *more):
    return [part for setting in (*tiny_settings, *more) for part in ("--set", setting)]


def rewrite(path: Path, change=lambda voxels: voxels, affine=None, code=1) -> None:
    image = nib.load(path)
    changed = nib.Nifti1Image(change(image.get_fdata(dtype=np.float32)), image.affine if affine is None else affine)
    changed.set_sform(changed.affine, code)
    changed.set_qform(changed.affine, code)
    nib.save(changed, path)


def with_nan(voxels):
    voxels[0, 0, 0] = np.nan
    return voxels


MISTAKES = {
    "p0_dwi": (lambda path: path.unlink(), "does not exist"),
    "p0_adc": (lambda path: path.write_bytes(b""), "is an empty file"),
    "p1_dwi": (lambda path: path.write_bytes(path.read_bytes()[:-100]), "is cut off or damaged"),
    "p1_adc": (lambda path: path.write_bytes(b"<html>not found</html>"), "is no image"),
    "p2_dwi": (lambda path: rewrite(path, lambda v: np.stack([v, v], -1)), "4 dimensions instead of 3"),
    "p2_adc": (lambda path: rewrite(path, code=0), "has no orientation"),
    "p3_dwi": (lambda path: rewrite(path, affine=np.diag([900.0, 3, 3, 1])), "has voxels of 900 × 3 × 3 mm"),
    "p3_adc": (lambda path: rewrite(path, with_nan), "holds NaN or Inf in 1 voxels"),
    "p4_dwi": (lambda path: rewrite(path, np.ones_like), "is 1 everywhere"),
    "p4_mask": (lambda path: rewrite(path, lambda v: v + 0.5), "holds 0.5, which is no whole number"),
    "p5_mask": (lambda path: rewrite(path, np.zeros_like), "mask is empty"),
    "p5_dwi": (lambda path: shutil.copy(path, path.with_name("p6_dwi.nii.gz")), "is the same image as dwi of p5"),
}
IN_THE_TABLE = {"p4: participant_id": "the id stands in 2 rows", "p4: fold": "the subject is in folds 0, 1"}
DEEP = ("p3_adc", "p4_dwi", "p4_mask", "p5_mask")
"""Mistakes in the voxels, which only `cohort check --deep` reads."""


@pytest.fixture
def bad_table(tiny, tmp_path):
    """A cohort with a mistake of each kind."""
    shutil.copytree(tiny.table.parent, tmp_path / "bad")
    for name, (spoil, _) in MISTAKES.items():
        spoil(tmp_path / "bad" / f"{name}.nii.gz")
    table = pd.read_csv(tmp_path / "bad" / "cohort.tsv", sep="\t").set_index("participant_id", drop=False)
    table.loc["p6", "outcome"] = "maybe"
    table.loc["p7", "participant_id"] = "p4"
    table.to_csv(tmp_path / "bad" / "bad.tsv", sep="\t", index=False)
    return tmp_path / "bad" / "bad.tsv"


def said(lines: list[str], where: str, what: str) -> bool:
    """Whether a line names the place, what is wrong and, after a full stop, what to do."""
    return any(where in line and f"{what}" in line and ". " in line.split(what)[1] for line in lines)


def test_cohort_check_names_fourteen_kinds_of_mistakes(bad_table, mtseg):
    code, out, _ = mtseg("cohort", "check", bad_table, "--deep")
    expected = {name: what for name, (_, what) in MISTAKES.items() if name != "p5_dwi"} | IN_THE_TABLE
    expected["p6_dwi"] = MISTAKES["p5_dwi"][1]
    assert [name for name, what in expected.items() if not said(out.splitlines(), name, what)] == []
    assert (code, len(expected)) == (2, 14)
    assert out.splitlines()[-1] == "8 subjects, sequences dwi, adc: problems to mend: 13, notes: 2"


def test_train_refuses_them_all_at_once_and_computes_nothing(bad_table, mtseg, tmp_path):
    code, out, err = mtseg("train", "stroke_dwi_adc", "--cohort", bad_table, "--out", tmp_path / "run")
    lines = err.splitlines()
    unseen = {*DEEP, "p5_dwi"} - {"p4_mask"}  # masks are read
    seen = {name: what for name, (_, what) in MISTAKES.items() if name not in unseen} | IN_THE_TABLE
    seen["p6: outcome"] = "'maybe' is none of poor, good"
    assert [name for name, what in seen.items() if not said(lines, name, what)] == []
    assert (code, out) == (2, "")
    assert not [*tmp_path.glob("run/*.json"), *tmp_path.glob("run/models")]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ("train", "hippo", "--cohort", "{table}"),
            "hippo: no such bundle. Name a bundle's folder, or one of attention_branch_2d, calcium_2d, dementia_t1",
        ),
        (("train", "ixi_t1", "--cohort", "none.tsv"), "none.tsv: there is no such file. Check the path of the table"),
        (("train", "ixi_t1", "--cohort", "{table}"), "there is no column 't1' (sequence)"),
        (("train", "ixi_t1", "--cohort", "{table}", "--set", "epoch=1"), "--set epoch=1: write NAME=VALUE, where NAME"),
        (("train", "stroke_dwi_adc", "--cohort", "{table}", "--resume"), "there is no checkpoint to resume from"),
        (("train", "stroke_dwi_adc", "--cohort", "{table}", "--fold", "7"), "no subject is in fold 7, only in 0, 1"),
        (("predict", "stroke_dwi_adc", "--cohort", "{table}"), "no such weights. Train the bundle first, or give --w"),
        (("evaluate", "stroke_dwi_adc", "--cohort", "{table}"), "no such weights. Train the bundle first, or give --w"),
        (("predict", "{run}"), "Name either image files or, with --cohort, a table"),
        (("predict", "{run}", "{table}"), "this bundle needs dwi, adc of each subject"),
        (("train", "stroke_dwi_adc"), "Missing option '--cohort'"),
        (("demo", "--subjects", "3"), "'--subjects': Input should be greater than or equal to 20"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_a_mistake_is_told_in_words(arguments, message, mtseg, tiny, trained, tmp_path):
    filled = [argument.format(table=tiny.table, run=trained) for argument in arguments]
    code, out, err = mtseg(*filled, "--out", tmp_path / "out")
    assert (code, out) == (2, "")
    assert message in " ".join(err.replace("\u2502", "").split())  # a usage error comes in a frame


def test_from_training_to_report(mtseg, tiny, tiny_settings, tmp_path):
    run, table = tmp_path / "run", ("--cohort", tiny.table)
    options = settings(tiny_settings, "epochs=1", "mirror=true")
    code, out, err = mtseg("train", "stroke_dwi_adc", *table, "--out", run, "--fold", 0, *options)
    assert (code, out) == (0, f"trained: {run}\n"), err
    assert mtseg("predict", run, *table, "--out", tmp_path / "p", "--probabilities", "--mirror")[0] == 0
    assert (tmp_path / "p" / "p3_prob.nii.gz").exists()
    code, out, _ = mtseg("evaluate", run, *table, "--out", tmp_path / "e", "--fold", 0)
    assert (code, out) == (0, f"{tmp_path}/e/report.html\n")


@pytest.mark.parametrize("to", ["torchscript", "onnx"])
def test_bundle_export(to, mtseg, tiny, trained, tmp_path):
    code, printed, _ = mtseg("bundle", "export", trained, "--to", to, "--out", tmp_path / "it is here")
    file, compared, use = printed.splitlines()
    assert code == 0
    assert file.startswith(f"{tmp_path / 'it is here' / 'model.'}{'ts' if to == 'torchscript' else 'onnx'}: 0.")
    assert compared.startswith("compared with the network on 6 random images; largest differences (of logits): seg ")
    if to == "onnx":
        given = {"FOLDER": str(tmp_path / "p"), "TABLE": str(tiny.table)}
        _, *arguments = (given.get(part, part) for part in shlex.split(use.removeprefix("how to use it: ")))
        assert mtseg(*arguments)[0] == 0
        assert len(list((tmp_path / "p").glob("*_mask.nii.gz"))) == 8
    assert mtseg("bundle", "export", trained, "--to", "pdf", "--out", tmp_path / "out")[0] == 2


def test_bundle_list_and_verify(mtseg):
    code, out, _ = mtseg("bundle", "list")
    assert code == 0
    assert [line.split()[0] for line in out.splitlines() if line.split()[0] in names()] == names()
    assert "schwannoma_t1_t2_t1gd" in out and "…" not in out, "names were cut where no terminal says how wide it is"
    code, out, _ = mtseg("bundle", "verify", "stroke_dwi_adc")
    assert code == 0
    assert out.startswith("stroke_dwi_adc: metadata, properties, names and network are in order; ")


def test_the_version(mtseg):
    code, out, _ = mtseg("--version")
    assert (code, out) == (0, f"mtseg {version('mtseg')}\n")


def test_the_installed_script(bad_table, tmp_path):
    script = Path(sys.executable).with_name("mtseg")
    command = [script, "train", "stroke_dwi_adc", "--cohort", bad_table, "--out", tmp_path / "run"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert len(done.stderr.splitlines()) == 12
    assert "Traceback" not in done.stderr


def test_the_package_as_a_script(bad_table, tmp_path, monkeypatch, capsys):
    """As `python -m mtseg` runs it."""
    command = ["mtseg", "train", "stroke_dwi_adc", "--cohort", bad_table, "--out", tmp_path / "run"]
    monkeypatch.setattr(sys, "argv", [*map(str, command)])
    with pytest.raises(SystemExit) as ended:
        runpy.run_module("mtseg", run_name="__main__")
    out, err = capsys.readouterr()
    assert (ended.value.code, out, len(err.splitlines())) == (2, "", 12)
    assert "Traceback" not in err
