"""A bundle whose sequences may be missing, from training to the table of subsets."""

import logging

import nibabel as nib
import numpy as np
import pytest

from mtseg.bundle import evaluate_subsets, explain, predict
from mtseg.cli import main
from mtseg.errors import InputError, ProblemsError
from mtseg.files import alone_in, read_table

pytestmark = pytest.mark.usefixtures("hidden_figures")

OPTIONAL = ("epochs=2", "optional_sequences=[dwi, adc]", "sequence_dropout=0.3")


@pytest.fixture(scope="module")
def gappy(tiny, tmp_path_factory):
    """A training on subjects of whom two lack DWI and one ADC."""
    cells = {("p2", "dwi"): None, ("p3", "adc"): None, ("p6", "dwi"): None}
    table = tiny.with_cells("gappy.tsv", cells)
    return tiny.train(tmp_path_factory.mktemp("gappy") / "run", *OPTIONAL, cohort=table), table


def test_training_uses_whoever_has_one(gappy, caplog):
    run, _ = gappy
    assert read_table(run / "history.tsv")["loss"].gt(0).all()
    assert "lack" not in (run / "train.log").read_text()


def test_prediction_takes_any_subset_and_absent_columns(gappy, tiny, tmp_path):
    run, table = gappy
    rows = read_table(predict(str(run), cohort=table, out=tmp_path / "a") / "predictions.tsv")
    assert rows["participant_id"].tolist() == [f"p{i}" for i in range(8)]
    assert rows.filter(like="outcome_prob").notna().all(axis=None)
    (table.parent / "dwi_only.tsv").write_text("id\tdwi\np0\tp0_dwi.nii.gz\n")
    assert len(
        read_table(predict(str(run), cohort=table.parent / "dwi_only.tsv", out=tmp_path / "b") / "predictions.tsv")
    )
    for method in ("hirescam", "integrated_gradients"):
        options = {"out": tmp_path / method, "method": method, "pictures": False}
        found = explain(str(run), cohort=table.parent / "dwi_only.tsv", **options)
        assert read_table(found / "explanations.tsv")["score"].notna().all()


def test_subsets_are_compared_on_the_same_subjects(gappy, tmp_path):
    run, table = gappy
    found = read_table(evaluate_subsets(str(run), cohort=table, out=tmp_path / "subsets"))
    assert found["sequences"].drop_duplicates().tolist() == ["dwi+adc", "dwi", "adc"]
    assert {*read_table(tmp_path / "subsets" / "dwi" / "cases.tsv")["sequences"]} == {"dwi"}
    dice = found[found["metric"] == "dice_mean"]
    assert dice["n"].tolist() == [5, 5, 5]


def test_subsets_are_evaluated_by_one_process_and_leave_no_older_table(gappy, tmp_path, monkeypatch):
    run, table = gappy
    with alone_in(tmp_path / "out"), pytest.raises(InputError, match="another process is working in this folder"):
        evaluate_subsets(str(run), cohort=table, out=tmp_path / "out")
    (tmp_path / "out" / "subsets.tsv").write_text("older")
    monkeypatch.setattr("mtseg.bundle.subsets.evaluate", lambda *_, **__: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        evaluate_subsets(str(run), cohort=table, out=tmp_path / "out")
    assert not (tmp_path / "out" / "subsets.tsv").exists()


def test_nothing_is_noted_about_the_tables_of_subsets(gappy, tmp_path, caplog):
    """Each of them had one fold only, and lacked sequences."""
    run, table = gappy
    with caplog.at_level(logging.WARNING, logger="mtseg"):
        evaluate_subsets(str(run), cohort=table, out=tmp_path / "out", fold=0)
        assert not [message for message in caplog.messages if message.startswith("note: ")]
        logging.getLogger("mtseg").warning("note: %s", "told again")
    assert caplog.messages[-1] == "note: told again"


def test_who_is_passed_over_does_not_cost_the_subsets(gappy, tiny, tmp_path, capsys, monkeypatch):
    """The command ended with the first table. Nobody is scored by some of the subsets only."""
    run, _ = gappy
    image = nib.load(tiny.table.with_name("p1_adc.nii.gz"))
    voxels = image.get_fdata()
    voxels[0, 0, 0] = np.nan
    nib.save(nib.Nifti1Image(voxels, image.affine), tmp_path / "p1.nii.gz")
    table = tiny.with_cells("nan.tsv", {("p1", "adc"): str(tmp_path / "p1.nii.gz"), ("p4", "dwi"): None})
    line = [
        "mtseg",
        "evaluate",
        str(run),
        "--cohort",
        str(table),
        "--fold",
        "0",
        "--subsets",
        "--out",
        str(tmp_path / "o"),
    ]
    monkeypatch.setattr("sys.argv", line)
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    assert "1 of 4 subjects could not be used:\np1: " in capsys.readouterr().err
    assert read_table(tmp_path / "o" / "cases.tsv")["participant_id"].tolist() == ["p0", "p4", "p5"]
    found = read_table(tmp_path / "o" / "subsets" / "subsets.tsv")
    assert found.loc[found["metric"] == "dice_mean", "n"].tolist() == [2, 2, 2]


def test_images_that_some_subset_cannot_score_are_named_before_any_is_computed(gappy, tiny, tmp_path):
    image = nib.load(tiny.table.with_name("p1_adc.nii.gz"))
    nib.save(
        nib.Nifti1Image(np.asarray(image.dataobj)[:, :, ::2], image.affine @ np.diag([1, 1, 2, 1])), tmp_path / "a.nii"
    )
    table = tiny.with_cells("grids.tsv", {("p1", "adc"): str(tmp_path / "a.nii")})
    with pytest.raises(ProblemsError, match=r"p1: .*: mask lies on another grid than adc"):
        evaluate_subsets(str(gappy[0]), cohort=table, out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_bundle_that_needs_all_has_no_subsets(tiny, trained, tmp_path):
    with pytest.raises(InputError, match="so there are no subsets"):
        evaluate_subsets(str(trained), cohort=tiny.table, out=tmp_path / "out")
