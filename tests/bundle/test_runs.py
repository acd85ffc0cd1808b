"""rsfmri_4d in its modes: maps as channels, time as channels, clips; with blocks as samples and with a mask."""

import itertools
import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
import torch
from typer.testing import CliRunner

from mtseg.bundle import evaluate, explain, predict, train, verify
from mtseg.cli import app
from mtseg.data.fmri import write_fmri_maps
from mtseg.errors import InputError
from mtseg.files import read_table
from mtseg.inference import load_weights
from mtseg.losses import JointLoss
from mtseg.networks import JointNet

pytestmark = pytest.mark.usefixtures("hidden_figures")

NAME, VOLUMES = "rsfmri_4d", 36
SMALL = (
    "network_def={_target_: mtseg.networks.JointNet, in_channels: 0, mask_classes: 1, heads: {diagnosis: 2}, "
    "channels: [4, 8]}",
    "patch_size=[12, 12, 12]",
    "batch_size=2",
    "epochs=2",
    "val_interval=1",
)


@pytest.fixture(scope="module")
def table(phantoms, tmp_path_factory) -> Path:
    return phantoms(tmp_path_factory.mktemp("runs"), NAME)


@pytest.fixture(scope="module")
def clips(table, tmp_path_factory) -> Path:
    """A training on clips of 8 volumes."""
    return fit(table, tmp_path_factory.mktemp("clips"), "clip=8")


def fit(table, folder, *settings, **options) -> Path:
    return train(NAME, cohort=table, out=folder / "run", fold=0, settings=(*SMALL, *settings), **options)


def check(run: Path, table: Path, folder: Path, *, channels: list[str]) -> None:
    """Evaluate and predict, and look at what the training says of itself."""
    evaluate(str(run), cohort=table, out=folder / "evaluation", fold=0)
    assert read_table(folder / "evaluation" / "summary.tsv")["n"].max() == 4
    predicted = read_table(predict(str(run), cohort=table, out=folder / "p") / "predictions.tsv")
    assert predicted.filter(like="_prob_").sum(axis=1).to_numpy() == pytest.approx(1)
    assert verify(str(run)).startswith("run: metadata, properties, names and network are in order")
    image = json.loads((run / "configs" / "metadata.json").read_text())["network_data_format"]["inputs"]["image"]
    assert [*image["channel_def"].values()] == channels


def weights(run: Path) -> dict[str, torch.Tensor]:
    return torch.load(run / "models" / "model.pt", weights_only=True)


def test_maps_as_channels(table, tmp_path):
    brain = np.ones(nib.load(table.with_name("p0_bold.nii.gz")).shape[:3], np.uint8)
    like = nib.load(table.with_name("p0_mask.nii.gz"))
    nib.save(nib.Nifti1Image(brain, like.affine, like.header), table.with_name("brain.nii.gz"))
    runs = pd.read_csv(table, sep="\t").drop(columns="mask").assign(brain="brain.nii.gz")
    runs.to_csv(table.with_name("runs.tsv"), sep="\t", index=False)
    options = {"column": "bold", "maps": ["mfalff", "reho"], "brain_mask": "brain", "tr_s": 2.0}
    cohort = write_fmri_maps(table.with_name("runs.tsv"), out=tmp_path / "maps", **options)
    run = fit(cohort, tmp_path, "sequences=[mfalff, reho]", "clip=null")
    check(run, cohort, tmp_path, channels=["mfalff", "reho"])


def test_time_as_channels(table, tmp_path):
    run = fit(table, tmp_path, f"clip={VOLUMES}")
    check(run, table, tmp_path, channels=[f"bold {t}" for t in range(VOLUMES)])


def test_clips(clips, table, tmp_path):
    check(clips, table, tmp_path, channels=[f"bold {t}" for t in range(8)])


def test_a_prediction_is_the_mean_over_the_clips(clips, table, tmp_path):
    """The same by hand: standardise the run in NumPy, give eight volumes to the network, every four."""
    found = read_table(predict(str(clips), cohort=table, out=tmp_path / "p") / "predictions.tsv")
    voxels = nib.load(table.with_name("p3_bold.nii.gz")).get_fdata()
    t = np.arange(VOLUMES) - (VOLUMES - 1) / 2
    voxels = voxels - voxels.mean(axis=3, keepdims=True)
    voxels -= (voxels @ t / (t @ t))[..., None] * t
    series = torch.tensor(np.moveaxis(voxels / voxels.std(axis=3, keepdims=True), 3, 0), dtype=torch.float32)[None]
    net = JointNet(in_channels=8, mask_classes=1, heads={"diagnosis": 2}, channels=[4, 8])
    net = load_weights(net, clips / "models" / "model.pt").eval()
    with torch.no_grad():
        parts = [net(series[:, first : first + 8])["diagnosis"].softmax(1)[0, 1] for first in range(0, VOLUMES - 7, 4)]
    expected = torch.stack(parts).mean().item()
    assert len(parts) == 8
    assert found["diagnosis_prob_depression"][3] == pytest.approx(expected, abs=0.01)  # bfloat16, where there is it


def test_an_interrupted_training_goes_on_with_the_same_clips(clips, table, tmp_path, monkeypatch):
    """Two steps an epoch, two epochs; it stops in the second."""
    forward, steps = JointLoss.forward, itertools.count(1)

    def stopping(*given):
        if next(steps) > 3:
            raise RuntimeError("stopped")
        return forward(*given)

    with monkeypatch.context() as patch, pytest.raises(RuntimeError):
        patch.setattr(JointLoss, "forward", stopping)
        fit(table, tmp_path, "clip=8")
    assert [path.name for path in (tmp_path / "run" / "models").iterdir()] == ["checkpoint_1.pt"]
    resumed = weights(fit(table, tmp_path, "clip=8", resume=True))
    assert all(torch.equal(resumed[name], value) for name, value in weights(clips).items())


def test_blocks_of_a_run_are_samples(table, tmp_path):
    """Four samples of each of two runs, of 9 volumes and of what is left."""
    cohort = pd.read_csv(table, sep="\t").drop(columns="mask")
    cohort["bold"] = ["p0_bold.nii.gz"] * 4 + ["p1_bold.nii.gz"] * 4
    cohort["fold"] = [0] * 4 + [1] * 4
    cohort = cohort.assign(first_volume=[0, 9, 18, 27] * 2, volumes=["9", "9", "9", "n/a"] * 2)
    cohort.to_csv(table.with_name("blocks.tsv"), sep="\t", index=False)
    run = fit(table.with_name("blocks.tsv"), tmp_path, "clip=6")
    check(run, table.with_name("blocks.tsv"), tmp_path, channels=[f"bold {t}" for t in range(6)])
    probabilities = read_table(tmp_path / "p" / "predictions.tsv")["diagnosis_prob_depression"]
    assert probabilities.nunique() == 8


def test_a_mask_may_be_asked_for_too(table, tmp_path):
    for i in range(8):  # the phantoms of a bundle without structures have empty masks
        path = table.with_name(f"p{i}_mask.nii.gz")
        mask = nib.load(path)
        voxels = np.zeros(mask.shape, np.uint8)
        voxels[4:9, 4:9, 4:9] = 3
        nib.save(nib.Nifti1Image(voxels, mask.affine), table.with_name(f"p{i}_box.nii.gz"))
    boxes = pd.read_csv(table, sep="\t").assign(mask=[f"p{i}_box.nii.gz" for i in range(8)])
    boxes.to_csv(table.with_name("boxes.tsv"), sep="\t", index=False)
    run = fit(table.with_name("boxes.tsv"), tmp_path, "clip=16", "structures={box: 3}")
    check(run, table.with_name("boxes.tsv"), tmp_path, channels=[f"bold {t}" for t in range(16)])
    summary = read_table(tmp_path / "evaluation" / "summary.tsv")
    assert {"seg", "diagnosis"} == {*summary["task"]}
    written = nib.load(tmp_path / "p" / "p0_mask.nii.gz")
    assert written.shape == nib.load(table.with_name("p0_bold.nii.gz")).shape[:3]


def test_runs_shorter_than_a_clip_are_refused_in_one_list(table, tmp_path):
    with pytest.raises(InputError) as refused:
        fit(table, tmp_path, f"clip={VOLUMES + 1}")
    assert "bold has 36 volumes in all, fewer than a clip (37) in 8 subjects (p0, p1," in str(refused.value)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (["clip=null"], "sequences: bold is 4D, but clip is null"),
        (["clip=eight"], "clip: is 'eight'. Give a whole number from 1"),
        (["clip=8", "sequences=[bold, bold_2]"], "sequences: bold, bold_2 cannot be cut into clips"),
    ],
)
def test_settings_that_cannot_be_are_refused(settings, message, table, tmp_path):
    with pytest.raises(InputError, match=message):
        fit(table, tmp_path, *settings)


def test_an_ordinary_bundle_takes_no_runs(table, tmp_path):
    runs = pd.read_csv(table, sep="\t").assign(t1=lambda rows: rows["bold"])
    runs.to_csv(table.with_name("t1.tsv"), sep="\t", index=False)
    with pytest.raises(InputError, match="t1 has 4 dimensions instead of 3"):
        train("dementia_t1", cohort=table.with_name("t1.tsv"), out=tmp_path / "run", fold=0)
    with pytest.raises(InputError, match="sequences: bold is 4D, but clip is null"):
        train("dementia_t1", cohort=table, out=tmp_path / "run", fold=0, settings=["sequences=[bold]"])


def test_maps_of_answers_about_runs_are_refused(clips, table, tmp_path):
    with pytest.raises(InputError, match=r"\(clip: 8\) have no maps"):
        explain(str(clips), cohort=table, out=tmp_path / "maps")


def test_the_cohort_check_knows_the_bundle(clips, table):
    arguments = ["cohort", "check", str(table), "--bundle"]
    assert CliRunner().invoke(app, [*arguments, str(clips)]).exit_code == 0
    short = pd.read_csv(table, sep="\t").assign(volumes=7)
    short.to_csv(table.with_name("short.tsv"), sep="\t", index=False)
    result = CliRunner().invoke(app, ["cohort", "check", str(table.with_name("short.tsv")), "--bundle", str(clips)])
    assert result.exit_code == 2
    assert "bold has 7 volumes of the sample, fewer than a clip (8)" in result.output


def test_clips_tell_fast_from_slow_fluctuations(tmp_path):
    """Planted: a wave of 12 volumes instead of 4, whose phase says nothing, in a box of noise."""
    rng, t, box, rows = np.random.default_rng(0), np.arange(VOLUMES), np.zeros((8, 8, 8, 1)), []
    box[2:6, 2:6, 2:6] = 30
    for i in range(16):
        wave = np.cos(2 * np.pi * (t / (4, 12)[i % 2] + rng.uniform()))
        run = rng.normal(500, 10, (8, 8, 8, VOLUMES)) + box * wave
        nib.save(nib.Nifti1Image(run.astype(np.float32), np.diag([4, 4, 4, 1.0])), tmp_path / f"p{i}.nii.gz")
        answer = ("control", "depression")[i % 2]
        rows.append({"participant_id": f"p{i}", "bold": f"p{i}.nii.gz", "diagnosis": answer, "fold": int(i < 10)})
    pd.DataFrame(rows).to_csv(tmp_path / "cohort.tsv", sep="\t", index=False)
    learning = ("patch_size=[8, 8, 8]", "batch_size=5", "epochs=120", "learning_rate=0.01", "val_interval=200")
    run = fit(tmp_path / "cohort.tsv", tmp_path, "clip=8", *learning)
    found = read_table(predict(str(run), cohort=tmp_path / "cohort.tsv", out=tmp_path / "p") / "predictions.tsv")
    held_out = slice(10, None)
    assert found["diagnosis_predicted"][held_out].tolist() == [row["diagnosis"] for row in rows[held_out]]
