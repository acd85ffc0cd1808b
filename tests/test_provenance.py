import json
import subprocess
from datetime import datetime
from importlib.metadata import version

import pytest

from mtseg import provenance
from mtseg.bundle.guards import check_output
from mtseg.data import read_cohort
from mtseg.errors import InputError
from mtseg.experiment import run_experiment
from mtseg.study.runs import Plan, study_folder
from mtseg.volumetry.scans import HABENULA, HIPPOCAMPUS, cut_crops, measure_structure, synthesise


def test_a_training_says_what_made_it(trained, tiny):
    run = json.loads((trained / "run.json").read_text())
    facts = {"command": "train", "seed": 0, "fold": 0, "epochs": 4, "cohort": str(tiny.table)}
    assert {key: run[key] for key in facts} == facts
    assert run["data"] == read_cohort(tiny.table).fingerprint()
    assert run["versions"] == {
        package: version(package)
        for package in ("mtseg", "torch", "monai", "pytorch-ignite", "numpy", "scipy", "statsmodels", "nibabel")
    }
    assert datetime.fromisoformat(run["time"]).utcoffset() is not None
    assert {"python", "machine", "git_commit"} <= run.keys()


def test_values_that_json_lacks_become_text(tmp_path):
    provenance.write_run(tmp_path / "new", weights=tmp_path)
    assert json.loads((tmp_path / "new" / "run.json").read_text())["weights"] == str(tmp_path)


@pytest.mark.parametrize("text", [None, "", "[]", "{}", '"train"', '{"command": 1', '{"steps": 3}'])
def test_files_of_this_name_that_others_wrote_are_no_results(tmp_path, text):
    """Of a run.json without a command, predictions into its folder ended in a traceback."""
    if text is not None:
        (tmp_path / "run.json").write_text(text)
    assert provenance.command_in(tmp_path) is None
    provenance.check_command(tmp_path, "predict")
    check_output(tmp_path, tmp_path / "bundle")
    (tmp_path / "a_mask.nii.gz").touch()
    with pytest.raises(InputError, match=r"a_mask\.nii\.gz: could be overwritten"):
        check_output(tmp_path, tmp_path / "bundle")


def test_outside_a_checkout_there_is_no_commit(tmp_path, monkeypatch):
    monkeypatch.setattr(provenance, "_PACKAGE", tmp_path)
    assert provenance._commit() is None


def test_the_commit_of_a_checkout(tmp_path, monkeypatch):
    git = ["git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=a@b.c"]
    for command in (["init", "-q"], ["commit", "-q", "--allow-empty", "-m", "first"]):
        subprocess.run([*git, *command], check=True)
    package, installed = tmp_path / "mtseg", tmp_path / ".venv" / "lib" / "mtseg"
    package.mkdir()
    installed.mkdir(parents=True)
    monkeypatch.setattr(provenance, "_PACKAGE", package)
    commit = subprocess.run([*git, "rev-parse", "HEAD"], check=True, capture_output=True, text=True).stdout
    assert commit.startswith(provenance._commit())
    monkeypatch.setattr(provenance, "_PACKAGE", installed)
    assert provenance._commit() is None, "the user's own repository"


def test_only_the_first_process_writes(tmp_path, monkeypatch):
    monkeypatch.setattr("ignite.distributed.utils.get_rank", lambda: 1)
    provenance.write_run(tmp_path / "run")
    assert not (tmp_path / "run").exists()


COMMANDS = {
    "experiment": lambda out: run_experiment("experiment.yaml", out=out),
    "study": lambda out: study_folder(Plan(out), {}).__enter__(),
    "volumes habenula": lambda out: measure_structure(HABENULA, ["head.nii.gz"], out=out),
    "volumes crops": lambda out: cut_crops("cohort.tsv", out=out),
    "volumes synthesise": lambda out: synthesise("masks.npz", "volumes.csv", out=out, crops=1, voxel_mm=(1, 1)),
}


@pytest.mark.parametrize("call", COMMANDS.values(), ids=COMMANDS)
def test_results_of_several_commands_are_not_mixed(tmp_path, call):
    """Maps of an experiment would have stood among predictions, and `run.json` told of one of them only."""
    provenance.write_run(tmp_path, command="predict")
    with pytest.raises(InputError, match="holds the results of `mtseg predict`"):
        call(tmp_path)


def test_structures_share_a_folder(tmp_path):
    provenance.write_run(tmp_path, command="volumes habenula")
    with pytest.raises(InputError, match="nowhere"):
        measure_structure(HIPPOCAMPUS, ["nowhere"], out=tmp_path)
