"""Several trainings that answer together, from the command line to the report."""

import json
import logging
import shutil
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch
import yaml
from typer.testing import CliRunner

from mtseg.bundle import evaluate, explain, predict
from mtseg.bundle.run import find_weights
from mtseg.cli.app import app
from mtseg.errors import InputError
from mtseg.files import read_table

pytestmark = pytest.mark.usefixtures("hidden_figures")

PROBABILITIES = ["outcome_prob_poor", "outcome_prob_good"]


@pytest.fixture(scope="module")
def runs(tiny, trained, tmp_path_factory) -> list[Path]:
    """Trainings without fold 0 and without fold 1."""
    return [trained, tiny.train(tmp_path_factory.mktemp("second") / "run", fold=1, seed=1)]


@pytest.fixture(scope="module")
def alone(tiny, runs, tmp_path_factory) -> list[Path]:
    """What each says without the other."""
    folder = tmp_path_factory.mktemp("alone")
    return [predict(str(run), cohort=tiny.table, out=folder / str(i), probabilities=True) for i, run in enumerate(runs)]


@pytest.fixture(scope="module")
def together(tiny, runs, tmp_path_factory) -> Path:
    """What `mtseg predict` writes for both."""
    out = tmp_path_factory.mktemp("together") / "out"
    members = [part for run in runs for part in ("--weights", str(run))]
    command = ["predict", str(runs[0]), "--cohort", str(tiny.table), "--out", str(out), "--probabilities", *members]
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 0, result.output
    return out


def changed(run: Path, out: Path, change) -> Path:
    """A copy of a training whose inference settings are others."""
    shutil.copytree(run, out)
    config = yaml.safe_load((out / "configs" / "inference.yaml").read_text())
    change(config)
    (out / "configs" / "inference.yaml").write_text(yaml.safe_dump(config, sort_keys=False))
    return out


def voxels(folder: Path, name: str) -> np.ndarray:
    return nib.load(folder / name).get_fdata()


def test_the_answers_are_the_means(alone, together):
    one, two = (read_table(folder / "predictions.tsv") for folder in alone)
    both = read_table(together / "predictions.tsv")
    assert both[PROBABILITIES].to_numpy() == pytest.approx((one[PROBABILITIES] + two[PROBABILITIES]).to_numpy() / 2)
    sd = np.stack([one["outcome_prob_good"], two["outcome_prob_good"]]).std(axis=0, ddof=1)
    assert both["outcome_sd_good"].to_numpy() == pytest.approx(sd, abs=1e-5)
    # The phantoms' grid is the network's.
    sd = np.stack([one["lesion_volume_mm3"], two["lesion_volume_mm3"]]).std(axis=0, ddof=1)
    assert both["lesion_volume_sd_mm3"].to_numpy() == pytest.approx(sd, abs=1e-2)
    assert both["outcome_mutual_information"].between(0, both["outcome_entropy"]).all()
    for subject in both["participant_id"]:
        mean = sum(voxels(folder, f"{subject}_prob.nii.gz") for folder in alone) / 2
        np.testing.assert_allclose(voxels(together, f"{subject}_prob.nii.gz"), mean, atol=1e-6)
        clear = abs(mean[..., 0] - 0.5) > 1e-6
        assert np.array_equal((voxels(together, f"{subject}_mask.nii.gz") > 0)[clear], (mean[..., 0] > 0.5)[clear])


def test_the_maps_lie_on_the_inputs_grid(together, tiny):
    table = read_table(together / "predictions.tsv").set_index("participant_id")
    for subject in table.index:
        source = nib.load(tiny.table.parent / f"{subject}_dwi.nii.gz")
        p = voxels(together, f"{subject}_prob.nii.gz")[..., 0]
        maps = [nib.load(together / f"{subject}_{name}.nii.gz") for name in ("entropy", "disagreement")]
        assert all(np.array_equal(image.affine, source.affine) and image.shape == source.shape for image in maps)
        entropy, disagreement = (image.get_fdata() for image in maps)
        np.testing.assert_allclose(entropy, -p * np.log(p) - (1 - p) * np.log(1 - p), atol=1e-4)
        assert (disagreement >= 0).all()
        assert (disagreement <= entropy + 1e-6).all()
        mask = voxels(together, f"{subject}_mask.nii.gz") > 0
        if mask.any():
            assert table.loc[subject, "mask_entropy"] == pytest.approx(entropy[mask].mean(), rel=1e-4)


def test_older_trainings_also_have_maps_on_the_inputs_grid(runs, tiny, tmp_path):
    def older(config):
        for transform in config["postprocessing"]["transforms"][1:]:
            transform["keys"] = "seg"
            transform.pop("allow_missing_keys", None)
        del config["optional_sequences"]
        config["data"]["cohort"].pop("optional")
        config["dataset"]["data"].pop("optional")
        config["handlers"][0].pop("sequences")

    old = changed(runs[0], tmp_path / "old", older)
    for name in ("dwi", "adc"):
        image = nib.load(tiny.table.parent / f"p0_{name}.nii.gz").as_reoriented([[2, 1], [0, 1], [1, -1]])
        nib.save(image, tmp_path / f"{name}.nii.gz")
    (tmp_path / "one.tsv").write_text("id\tdwi\tadc\np0\tdwi.nii.gz\tadc.nii.gz\n")
    out = predict(str(old), cohort=tmp_path / "one.tsv", out=tmp_path / "out", weights=runs, probabilities=True)
    entropy = nib.load(out / "p0_entropy.nii.gz")
    assert entropy.shape == image.shape
    assert np.array_equal(entropy.affine, image.affine)


def test_one_training_answers_as_the_bundle_that_it_is(runs, alone, tiny, tmp_path):
    out = predict(str(runs[0]), cohort=tiny.table, out=tmp_path / "out", weights=runs[1], probabilities=True)
    names = sorted(path.name for path in alone[1].glob("*.*"))
    assert names == sorted(path.name for path in out.glob("*.*"))
    assert (out / "predictions.tsv").read_bytes() == (alone[1] / "predictions.tsv").read_bytes()
    for name in (name for name in names if name.endswith(".nii.gz")):
        assert np.array_equal(voxels(out, name), voxels(alone[1], name))
    assert json.loads((out / "run.json").read_text())["weights"] == str(runs[1] / "models" / "model.pt")


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda config: config.update(spacing=[1.0, 1.0, 1.0], brain_only=False), "spacing, brain_only"),
        (lambda config: config["prepare"].pop(), "prepare"),
        (lambda config: config["network_def"].update(channels=[4, 6]), "network_def"),
        (lambda config: config.update(sequences=["adc", "dwi"]), "sequences"),
        (lambda config: config.update(heads={"outcome": {"classes": ["good", "poor"]}}), "heads"),
        (lambda config: config.update(structures={"rim": 2, "lesion": 1}), "structures"),
    ],
)
def test_trainings_with_other_settings_are_refused_by_name(change, named, runs, tiny, tmp_path):
    other = changed(runs[1], tmp_path / "other", change)
    for command in (predict, evaluate, explain):
        with pytest.raises(InputError) as error:
            command(str(runs[0]), cohort=tiny.table, out=tmp_path / "out", weights=[runs[0], other, tmp_path / "none"])
        absent, differs = str(error.value).splitlines()
        assert absent.startswith(f"{tmp_path / 'none'}: there are no such weights")
        assert differs.startswith(f"{other / 'configs' / 'inference.yaml'}: {named}: not as in {runs[0]}. ")
    assert not (tmp_path / "out").exists()


def test_the_file_of_a_training_is_checked_like_its_folder(runs, tmp_path):
    """Its weights fit another bundle's network, whose images were prepared otherwise: the answers were wrong."""
    other = changed(runs[1], tmp_path / "other", lambda config: config.update(spacing=[1.0, 1.0, 1.0]))
    for path in (other / "models" / "model.pt", other / "models"):
        with pytest.raises(InputError, match=r"other/configs/inference\.yaml: spacing: not as in"):
            find_weights(runs[0], path)
        assert find_weights(other, path) == [other / "models" / "model.pt"]
    copy = shutil.copy(other / "models" / "model.pt", tmp_path / "model.pt")  # of which nothing is known
    assert find_weights(runs[0], copy) == [copy]


def test_the_order_of_structures_counts(runs, tmp_path):
    def two(config):
        config["structures"] = {"lesion": 1, "rim": 2}

    def turned(config):
        config["structures"] = {"rim": 2, "lesion": 1}

    one, same, other = (changed(runs[0], tmp_path / f"{i}", how) for i, how in enumerate((two, two, turned)))
    assert find_weights(one, [one, same]) == [folder / "models" / "model.pt" for folder in (one, same)]
    with pytest.raises(InputError, match=r"model\.pt: is given twice, which would pass for two trainings that agree"):
        find_weights(one, [one, same, one / "models" / "model.pt"])
    with pytest.raises(InputError, match="structures: not as in"):
        find_weights(one, [other])


def test_all_weights_of_other_networks_are_refused_before_anything_is_computed(runs, tiny, tmp_path):
    good = runs[0] / "models" / "model.pt"
    for name in ("a.pt", "b.pt"):
        torch.save(dict([*torch.load(good, weights_only=True).items()][1:]), tmp_path / name)
    weights = [tmp_path / "a.pt", good, tmp_path / "b.pt"]
    for command in (predict, evaluate, explain):
        with pytest.raises(InputError) as error:
            command(str(runs[0]), cohort=tiny.table, out=tmp_path / "out", weights=weights)
        lines = str(error.value).splitlines()
        assert [line.partition(": does not fit")[0] for line in lines] == [str(tmp_path / f"{n}.pt") for n in "ab"]
        assert not (tmp_path / "out").exists()


def test_no_member_may_be_mirrored_that_was_not_in_training(runs, tiny, tmp_path):
    mirrored = shutil.copytree(runs[0], tmp_path / "mirrored")
    train = mirrored / "configs" / "train.yaml"
    train.write_text(train.read_text().replace("mirror: false", "mirror: true"))
    with pytest.raises(InputError, match="trained without mirroring"):
        predict(str(mirrored), cohort=tiny.table, out=tmp_path / "out", weights=[mirrored, runs[1]], mirror=True)


@pytest.fixture(scope="module")
def evaluated(runs, tiny, tmp_path_factory) -> tuple[Path, str]:
    """An evaluation of both on fold 0, which trained the second, by the command; and what it warned of."""
    out, said = tmp_path_factory.mktemp("evaluated") / "out", list[str]()
    handler = logging.Handler()
    handler.emit = lambda record: said.append(record.getMessage())  # type: ignore[method-assign]
    logging.getLogger("mtseg").addHandler(handler)
    command = ["evaluate", str(runs[0]), "--cohort", str(tiny.table), "--fold", "0", "--out", str(out)]
    result = CliRunner().invoke(app, [*command, *(part for run in runs for part in ("--weights", str(run)))])
    logging.getLogger("mtseg").removeHandler(handler)
    assert result.exit_code == 0, result.output
    return out, "\n".join(said)


def test_another_table_of_the_same_subjects_flatters_too(runs, tiny, tmp_path):
    """One more column, and nothing was said."""
    table = tiny.with_cells("more.tsv", {("p0", "age"): 40})
    for fold, warned in ((0, True), (1, False)):  # the second network held out fold 1
        page = evaluate(str(runs[1]), cohort=table, fold=fold, out=tmp_path / str(fold))
        assert ("These subjects trained this network" in page.read_text()) == warned


def test_an_evaluation_of_both(evaluated, together, runs):
    out, said = evaluated
    assert "These subjects trained 1 of these 2 networks (fold held out: 1): the scores flatter them." in said
    assert json.loads((out / "run.json").read_text())["weights"] == [str(run / "models" / "model.pt") for run in runs]
    predictions, both = (read_table(folder / "predictions.tsv") for folder in (out, together))
    subjects = ["p0", "p1", "p4", "p5"]
    assert predictions["participant_id"].tolist() == subjects
    expected = both[both["participant_id"].isin(subjects)].reset_index(drop=True)
    assert predictions.equals(expected)
    assert not [*out.glob("*_entropy.nii.gz")]
    table = read_table(out / "selective.tsv")
    assert table.groupby(["task", "metric"]).size().to_dict() == {
        ("outcome", "accuracy"): 7,
        ("outcome", "aurc"): 1,
        ("seg", "aurc"): 1,
        ("seg", "dice_mean"): 7,
    }
    summary = read_table(out / "summary.tsv").set_index("metric")["value"]
    everybody = table[table["coverage"] == 1].set_index("task")["value"]
    assert everybody["seg"] == pytest.approx(summary["dice_mean"], rel=1e-5)
    assert "Selective prediction" in (out / "report.html").read_text()


def test_an_evaluation_of_one_has_an_entropy(trained, alone, tiny, tmp_path):
    out = evaluate(str(trained), cohort=tiny.table, out=tmp_path / "out", fold=0).parent
    predictions, plain = (read_table(folder / "predictions.tsv") for folder in (out, alone[0]))
    assert {*predictions} - {*plain} == {"mask_entropy", "outcome_entropy"}
    expected = plain[plain["participant_id"].isin(predictions["participant_id"])].reset_index(drop=True)
    assert predictions[[*plain]].equals(expected)
    assert {*read_table(out / "selective.tsv")["task"]} == {"seg", "outcome"}


def test_explanations_take_folders_too(runs, tiny, tmp_path):
    out = explain(str(runs[0]), cohort=tiny.table, fold=0, out=tmp_path / "out", weights=runs, pictures=False)
    run = json.loads((out / "run.json").read_text())
    assert [run["weights"], *run["explain"]["ensemble"]] == [str(folder / "models" / "model.pt") for folder in runs]
