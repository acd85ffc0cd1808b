"""An experiment from its YAML file to the report, on phantoms; what is broken off, broken, or changed on the way."""

import json
import os
import signal
import threading
import time
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import dask
import distributed  # noqa: F401  # its defaults must be there before `dask.config.set`, which else removes them again
import numpy as np
import pandas as pd
import pytest
import yaml

import mtseg.experiment.jobs as jobs_module
from mtseg.cli import main
from mtseg.errors import InputError, PassedOverError
from mtseg.experiment import run_experiment
from mtseg.experiment.jobs import Job, run_job
from mtseg.experiment.results import _calibrated, _notes, _subsets
from mtseg.files import alone_in, read_table, write_table
from mtseg.statistics import pool_variants
from mtseg.statistics.corrections import holm
from mtseg.tasks import Head, Kind, Structures

pytestmark = pytest.mark.usefixtures("hidden_figures")

TINY = {
    "network_def": {
        "_target_": "mtseg.networks.JointNet",
        "in_channels": 2,
        "mask_classes": 2,
        "heads": {"outcome": 2},
        "channels": [4, 8],
    },
    "patch_size": [12, 12, 12],
    "batch_size": 2,
    "epochs": 2,
    "optional_sequences": ["adc"],
}
VARIANTS = {"joint": {}, "segmentation": {"heads": {}}, "class": {"structures": {}}}


@pytest.fixture(scope="session")
def cohort(phantoms, tmp_path_factory):
    table = phantoms(tmp_path_factory.mktemp("cohort"), "stroke_dwi_adc", subjects=12)
    rows = pd.read_csv(table, sep="\t")
    rows = rows.assign(fold=[i // 2 % 3 for i in range(12)], age=[40 + 7 * i % 11 for i in range(12)])
    rows.to_csv(table, sep="\t", index=False)
    return table


@pytest.fixture
def write_spec(cohort, tmp_path):
    def write(**changes):
        spec = {"bundle": "stroke_dwi_adc", "cohort": str(cohort), "settings": TINY, "variants": VARIANTS} | changes
        (tmp_path / "spec.yaml").write_text(yaml.safe_dump(spec, sort_keys=False))
        return tmp_path / "spec.yaml"

    return write


@pytest.fixture(scope="session")
def whole(cohort, hide_figures, tmp_path_factory):
    """The output folder of an undisturbed experiment."""
    folder = tmp_path_factory.mktemp("experiment")
    spec = {"bundle": "stroke_dwi_adc", "cohort": str(cohort), "settings": TINY, "variants": VARIANTS}
    spec |= {"primary": ["dice_mean", "auc"], "simple_scores": ["age"], "subsets": ["joint"], "folds": [0, 1]}
    (folder / "spec.yaml").write_text(yaml.safe_dump(spec, sort_keys=False))
    with pytest.MonkeyPatch.context() as patch:
        hide_figures(patch)
        run_experiment(folder / "spec.yaml", out=folder / "out")
    return folder / "out"


def test_every_subject_is_scored_once_by_a_network_that_did_not_see_it(whole, cohort):
    cases = read_table(whole / "cases.tsv")
    subjects = pd.read_csv(cohort, sep="\t").set_index("participant_id")["fold"]
    assert cases.groupby("variant").size().to_dict() == {"joint": 8, "segmentation": 8, "class": 8}
    assert (cases["fold"] == cases["participant_id"].map(subjects)).all()
    for path in whole.glob("runs/*/fold*/seed0/run/configs/train.yaml"):
        assert f"fold{yaml.safe_load(path.read_text())['fold']}" in path.parts
    pd.testing.assert_frame_equal(pd.read_parquet(whole / "cases.parquet")[["dice_mean"]], cases[["dice_mean"]])


def test_finished_runs_keep_their_weights_and_no_checkpoints(whole):
    assert len([*whole.glob("runs/*/fold*/seed0/run/models/model.pt")]) == 6
    assert not [*whole.glob("runs/**/checkpoint_*.pt")]


def test_a_task_is_compared_only_where_both_have_it(whole):
    compared = read_table(whole / "comparisons.tsv").groupby("variant")["task"].unique()
    assert {name: [*tasks] for name, tasks in compared.items()} == {"segmentation": ["seg"], "class": ["outcome"]}
    comparisons = read_table(whole / "comparisons.tsv")
    assert (comparisons["n"] == 8).all()
    assert {*comparisons.loc[comparisons["family"] == "primary", "metric"]} == {"dice_mean", "auc"}


def test_subsets_scores_and_calibration_have_their_rows(whole):
    subsets = read_table(whole / "subsets.tsv")
    assert [*subsets["sequences"].unique()] == ["dwi+adc", "dwi"]
    scores = read_table(whole / "simple_scores.tsv")
    assert scores["p_holm"].tolist() == pytest.approx(holm(scores["p"].to_numpy()).tolist(), nan_ok=True)
    assert {*scores.loc[scores["variant"] == "joint", "score"]} >= {"age", "volume_mm3_lesion"}
    assert {*scores.loc[scores["variant"] == "class", "score"]} & {"age", "volume_mm3_lesion"} == {"age"}
    assert {*read_table(whole / "calibration.tsv")["metric"]} == {"brier", "ece"}
    page = (whole / "report.html").read_text()
    for heading in ("Runs", "Segmentation", "Compared with joint", "Calibration", "Network against simple scores"):
        assert f"<h2>{heading}</h2>" in page


def test_subsets_average_the_seeds(write_spec, tmp_path):
    """The report would show one of them instead."""
    variants = {"joint": {"epochs": 1}}
    run_experiment(write_spec(folds=[0], seeds=[0, 1], variants=variants, subsets=["joint"]), out=tmp_path / "out")
    subsets = read_table(tmp_path / "out" / "subsets.tsv")
    assert not subsets.duplicated(["sequences", "task", "metric", "structure_or_class"]).any()
    whole = read_table(tmp_path / "out" / "variants.tsv").query("fold == 'all' and seed == 'all'")
    full = subsets[subsets["sequences"] == "dwi+adc"]
    assert full["value"].tolist() == pytest.approx(whole["value"].tolist(), nan_ok=True)


def test_images_of_a_person_are_averaged(write_spec, cohort, tmp_path):
    """Twelve images of six persons, of whom two are in each fold."""
    rows = pd.read_csv(cohort, sep="\t")
    person = pd.Series([f"person{i % 6}" for i in range(12)], rows["participant_id"])
    table = cohort.with_name("persons.tsv")
    rows.assign(person=person.to_numpy()).to_csv(table, sep="\t", index=False)
    options = {"cohort": str(table), "average_by": "person", "simple_scores": ["age"], "variants": {"joint": {}}}
    run_experiment(write_spec(folds=[0, 1], **options), out=tmp_path / "out")
    images = read_table(tmp_path / "out" / "images.tsv").assign(person=lambda t: t["participant_id"].map(person))
    cases = read_table(tmp_path / "out" / "cases.tsv").set_index("participant_id")
    assert (cases["images"] == 2).all()
    for column in ("dice_mean", "outcome_prob_poor"):
        means = images.groupby("person")[column].mean()
        pd.testing.assert_series_equal(cases[column].sort_index(), means, check_names=False)
    by_image = read_table(tmp_path / "out" / "image_variants.tsv")
    assert by_image["low"].isna().all()
    assert (by_image["n"] == 8).all()
    assert (read_table(tmp_path / "out" / "variants.tsv").query("fold == 'all'")["n"] == 4).all()
    assert "8 images of 4 subjects" in (tmp_path / "out" / "report.html").read_text()


def test_a_second_call_computes_nothing_and_changes_nothing(whole, monkeypatch):
    monkeypatch.setattr(jobs_module, "finish_training", None)
    monkeypatch.setattr(jobs_module, "evaluate", None)
    before = (whole / "variants.tsv").read_bytes()
    run_experiment(whole.parent / "spec.yaml", out=whole)
    assert (whole / "variants.tsv").read_bytes() == before


def test_a_failed_run_is_reported_and_the_others_go_on(write_spec, tmp_path, monkeypatch, capsys):
    spec = write_spec(folds=[0], variants={"joint": {}, "broken": {"learning_rate": 0.5}})
    train = jobs_module.finish_training

    def fails(name, **options):
        if "learning_rate=0.5" in options["settings"]:
            raise RuntimeError("out of memory")
        return train(name, **options)

    monkeypatch.setattr(jobs_module, "finish_training", fails)
    message = r"^1 of 2 runs failed; .*report\.html is of the others.*\nbroken, .*: RuntimeError: out of memory$"
    with pytest.raises(PassedOverError, match=message):
        run_experiment(spec, out=tmp_path / "out")
    runs = read_table(tmp_path / "out" / "runs.tsv").set_index("variant")
    assert runs["status"].to_dict() == {"joint": "finished", "broken": "failed"}
    assert runs.loc["broken", "error"] == "RuntimeError: out of memory"
    assert "out of memory" in (tmp_path / "out" / "report.html").read_text()

    monkeypatch.setattr(jobs_module, "finish_training", train)
    run_experiment(spec, out=tmp_path / "out")
    assert {*read_table(tmp_path / "out" / "runs.tsv")["status"]} == {"finished"}


def test_a_task_without_a_finished_run_does_not_cost_the_report(write_spec, tmp_path, monkeypatch):
    """The reference has both tasks, but of the others only the class is there to be compared."""
    spec = write_spec(folds=[0], primary=["dice_mean"], settings=TINY | {"epochs": 1})
    train = jobs_module.finish_training

    def fails(name, **options):
        return 1 / 0 if "heads={}" in options["settings"] else train(name, **options)

    monkeypatch.setattr(jobs_module, "finish_training", fails)
    with pytest.raises(PassedOverError):
        run_experiment(spec, out=tmp_path / "out")
    assert {*read_table(tmp_path / "out" / "comparisons.tsv")["variant"]} == {"class"}


def test_tables_that_are_no_longer_asked_for_go(write_spec, tmp_path):
    one = {"folds": [0], "settings": TINY | {"epochs": 1}, "variants": {"joint": {}}}
    run_experiment(write_spec(**one, subsets=["joint"], simple_scores=["age"]), out=tmp_path / "out")
    assert (tmp_path / "out" / "subsets.tsv").exists()
    run_experiment(write_spec(**one), out=tmp_path / "out")
    assert not (tmp_path / "out" / "subsets.tsv").exists()


def test_a_sequence_that_nobody_has_is_no_change_of_the_table(write_spec, cohort, tmp_path):
    """The table lacks the column of an optional sequence."""
    table = pd.read_csv(cohort, sep="\t").drop(columns="adc")
    table.to_csv(cohort.parent / "no_adc.tsv", sep="\t", index=False)
    one = {"folds": [0], "settings": TINY | {"epochs": 1}, "variants": {"joint": {}}}
    spec = write_spec(**one, cohort=str(cohort.parent / "no_adc.tsv"))
    for _ in range(2):
        assert run_experiment(spec, out=tmp_path / "out").is_file()


def test_a_second_process_is_kept_out(write_spec, tmp_path):
    with alone_in(tmp_path / "out"), pytest.raises(InputError, match="another process is working in this folder"):
        run_experiment(write_spec(folds=[0]), out=tmp_path / "out")
    job = Job("joint", "", (0,), 0, "stroke_dwi_adc", tmp_path / "cohort.tsv", (), tmp_path / "job")
    with alone_in(job.folder):
        assert "another process" in run_job(job).error


def test_nothing_finished_is_an_error(write_spec, tmp_path, monkeypatch):
    monkeypatch.setattr(jobs_module, "finish_training", lambda *_, **__: 1 / 0)
    with pytest.raises(InputError, match="no run finished"):
        run_experiment(write_spec(folds=[0]), out=tmp_path / "out")


def test_results_of_another_question_do_not_stay(write_spec, tmp_path, monkeypatch):
    one = {"folds": [0], "settings": TINY | {"epochs": 1}}
    run_experiment(write_spec(**one, variants={"joint": {}}), out=tmp_path / "out")
    monkeypatch.setattr(jobs_module, "finish_training", lambda *_, **__: 1 / 0)
    with pytest.raises(InputError, match="no run finished"):
        run_experiment(write_spec(**one, variants={"other": {}}), out=tmp_path / "out")
    left = sorted(path.name for path in (tmp_path / "out").iterdir() if not path.name.startswith("."))
    assert left == ["experiment.yaml", "run.json", "runs", "runs.tsv"]
    runs = read_table(tmp_path / "out" / "runs.tsv")
    assert runs[["variant", "status", "error"]].to_numpy().tolist() == [
        ["other", "failed", "ZeroDivisionError: division by zero"]
    ]


def test_a_changed_variant_is_not_mixed_with_its_old_runs(write_spec, tmp_path):
    one = {"folds": [0], "variants": {"joint": {"epochs": 1}}}
    run_experiment(write_spec(**one), out=tmp_path / "out")
    with pytest.raises(InputError, match=r"joint, without fold 0, seed 0: .*another epochs.*\n.*new name"):
        run_experiment(write_spec(folds=[0], variants={"joint": {"epochs": 3}}), out=tmp_path / "out")


def test_finished_runs_of_an_older_recipe_are_reported(write_spec, tmp_path):
    """A mended recipe would otherwise cost every finished experiment its report."""
    spec, out = write_spec(folds=[0], seeds=[0, 1], variants={"joint": {"epochs": 1}}), tmp_path / "out"
    run_experiment(spec, out=out)
    run = out / "runs" / "joint" / "fold0" / "seed0" / "run"
    config, made = (
        yaml.safe_load((run / "configs" / "train.yaml").read_text()),
        json.loads((run / "run.json").read_text()),
    )
    del config["train"]["scheduler"]
    (run / "configs" / "train.yaml").write_text(yaml.safe_dump(config))
    (run / "run.json").write_text(json.dumps(made | {"versions": {"mtseg": "0.0.9"}, "git_commit": None}))
    run_experiment(spec, out=out)
    assert read_table(out / "runs.tsv")["mtseg"][0] == "0.0.9"
    assert "several versions of mtseg (0.0.9, " in (out / "report.html").read_text()
    (run.parent / "evaluation" / "report.html").unlink()  # now it would go on with another recipe
    with pytest.raises(InputError, match="another train"):
        run_experiment(spec, out=out)


def test_a_killed_worker_costs_only_its_run(write_spec, processes, tmp_path):
    spec = write_spec(folds=[0, 1], variants={"joint": {"epochs": 20}})
    run_experiment(spec, out=tmp_path / "undisturbed")
    killed = []

    def kill_a_worker():
        """Kill the process that has just finished an epoch of fold 1."""
        models = tmp_path / "out" / "runs" / "joint" / "fold1" / "seed0" / "run" / "models"
        while not [*models.glob("checkpoint_*.pt")]:
            time.sleep(0.02)
        for process in Path("/proc").glob("[0-9]*"):
            try:
                opened = [str(link.readlink()) for link in (process / "fd").iterdir()]
            except OSError:
                continue
            if int(process.name) != os.getpid() and any(str(models.parent / "train.log") in name for name in opened):
                os.kill(int(process.name), signal.SIGKILL)
                killed.append(process.name)

    thread = threading.Thread(target=kill_a_worker)
    thread.start()
    with dask.config.set({"distributed.worker.multiprocessing-method": processes.get_start_method()}):
        run_experiment(spec, out=tmp_path / "out", cluster="local:2")
    thread.join(timeout=60)
    assert killed
    assert "resuming after epoch" in (tmp_path / "out/runs/joint/fold1/seed0/run/train.log").read_text()
    for name in ("cases.tsv", "variants.tsv"):
        assert (tmp_path / "out" / name).read_bytes() == (tmp_path / "undisturbed" / name).read_bytes()


def test_settings_are_chosen_without_looking_at_the_scored_fold(write_spec, tmp_path):
    options = {"low": {"loss_weights": {"outcome": 0.1}}, "high": {"loss_weights": {"outcome": 1}}}
    choice = {"task": "seg", "metric": "dice_mean", "options": options}
    spec = write_spec(folds=[0], settings=TINY | {"epochs": 1}, variants={"tuned": {"choose": choice}})
    run_experiment(spec, out=tmp_path / "out")
    out = tmp_path / "out"
    choices = read_table(out / "choices.tsv")
    assert choices["n"].tolist() == [8, 8]  # the subjects of folds 1 and 2
    chosen = choices.loc[choices["chosen"], "option"].item()
    assert choices.loc[choices["chosen"], "value"].item() == choices["value"].max()
    inner = sorted(path.name for path in (out / "choice").glob("tuned-*/*"))
    assert inner == ["folds0+1", "folds0+1", "folds0+2", "folds0+2"]
    assert [path.name for path in (out / "runs").iterdir()] == [f"tuned-{chosen}"]
    assert len(read_table(out / "cases.tsv")) == 4


def test_a_failed_inner_run_is_reported(write_spec, tmp_path, monkeypatch):
    options = {"low": {"learning_rate": 0.001}, "high": {"learning_rate": 0.5}}
    choice = {"task": "seg", "metric": "dice_mean", "options": options}
    spec = write_spec(
        folds=[0], settings=TINY | {"epochs": 1}, variants={"joint": {}, "tuned": {"choose": choice}}, seeds=[0]
    )
    train = jobs_module.finish_training

    def fails(name, **given):
        return 1 / 0 if given["out"].parent.parent.parent.name == "choice" else train(name, **given)

    monkeypatch.setattr(jobs_module, "finish_training", fails)
    with pytest.raises(PassedOverError):
        run_experiment(spec, out=tmp_path / "out")
    runs = read_table(tmp_path / "out" / "runs.tsv")
    assert {*runs.loc[runs["variant"] == "tuned", "folds"]} == {"0+1", "0+2"}
    assert "tuned" in (tmp_path / "out" / "report.html").read_text()


def test_a_fold_is_calibrated_by_the_others():
    """By itself it would get another temperature: one network is mostly right and unsure, the other wrong and sure."""
    sure = np.array([0.99, 0.01] * 20)
    cases = pd.DataFrame({"participant_id": [f"s{k}" for k in range(80)], "fold": np.repeat([0, 1], 40)})
    said, other = np.where(sure > 0.5, ("y",), ("x",)), np.where(sure > 0.5, ("x",), ("y",))
    often, seldom = (np.arange(40) % n == 0 for n in (5, 20))
    cases["o_target"] = [*np.where(seldom, other, said), *np.where(often, other, said)]
    cases["o_prob_y"] = [*np.where(sure > 0.5, 0.6, 0.4), *sure]
    cases["o_prob_x"] = 1 - cases["o_prob_y"]
    cases["o_predicted"] = np.where(cases["o_prob_y"] > 0.5, "y", "x")
    ((_, (target, before, after)),) = _calibrated("joint", cases, [Head("o", Kind.CLASSES, ("x", "y"))])
    first, second = (
        np.abs(after[part] - 0.5).mean() - np.abs(before[part] - 0.5).mean() for part in np.split(np.arange(80), 2)
    )
    assert first < 0 < second  # fold 0 as the sure ones that err need it, fold 1 as the unsure ones that do not
    assert (target == cases["o_target"].eq("y")).all()


def test_several_scans_of_a_person_are_noted_unless_they_are_averaged(tiny):
    table = tiny.with_cells("of_persons.tsv", {(f"p{i}", "group"): f"g{i // 2}" for i in range(8)})
    cases = pd.DataFrame({"participant_id": [f"p{i}" for i in range(6)] * 2})  # of two seeds
    (note,) = _notes(SimpleNamespace(cohort=table, average_by="participant_id"), cases)
    assert note.startswith("6 rows are of 3 groups (column group)") and "`average_by: group`" in note
    persons = pd.DataFrame({"participant_id": ["g0", "g1", "g2"]})
    assert not [*_notes(SimpleNamespace(cohort=table, average_by="group"), persons)]


def test_subsets_of_a_variant_without_a_task_of_the_others(tmp_path, monkeypatch):
    """Its tables have no columns of that task: the report of finished runs was lost."""
    head = Head("outcome", Kind.CLASSES, ("poor", "good"))
    spec = SimpleNamespace(subsets=["seg"], structures=Structures({"lesion": 1, "core": 2}), heads=(head,))
    write_table(pd.DataFrame({"sequences": ["dwi"]}), tmp_path / "subsets" / "subsets.tsv")
    scores = dict.fromkeys(("hd95_mm_lesion", "asd_mm_lesion", "volume_error_mm3_lesion"), 1.0)
    cases = pd.DataFrame({"participant_id": [*"abcd"], "variant": "seg", "fold": [0, 0, 1, 1], "seed": 0, **scores})
    cases["dice_lesion"] = cases["dice_mean"] = [0.5, 0.6, 0.7, 0.8]
    monkeypatch.setattr("mtseg.experiment.results.read_cases", lambda *_, **__: cases)
    summarise = partial(pool_variants, structures=spec.structures, heads=spec.heads)
    found = _subsets(spec, [SimpleNamespace(variant="seg", evaluation=tmp_path)], summarise)
    assert found.query("metric == 'dice_mean'")["value"].tolist() == pytest.approx([0.65])


def test_from_the_command_line(write_spec, tmp_path, monkeypatch, capsys):
    spec = write_spec(folds=[0], variants={"joint": {"epochs": 1}})
    monkeypatch.setattr("sys.argv", ["mtseg", "experiment", str(spec), "--out", str(tmp_path / "out")])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 0
    assert capsys.readouterr().out.strip() == str(tmp_path / "out" / "report.html")
