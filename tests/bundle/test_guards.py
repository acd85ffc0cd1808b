"""What must not be lost or overwritten, and what must not pass without a word."""

import logging
import re
import shutil

import pytest
import yaml

from mtseg.bundle import evaluate, explain, predict
from mtseg.errors import InputError
from mtseg.export import export


def test_masks_of_others_are_not_overwritten(tiny, trained):
    before = {path: path.read_bytes() for path in tiny.table.parent.glob("*_mask.nii.gz")}
    assert before
    with pytest.raises(InputError, match="holds masks or maps that could be overwritten"):
        predict(str(trained), cohort=tiny.table, out=tiny.table.parent)
    assert {path: path.read_bytes() for path in before} == before


def test_a_prediction_may_be_repeated_but_not_into_the_bundle(tiny, trained, tmp_path):
    for _ in range(2):
        predict(str(trained), cohort=tiny.table, out=tmp_path / "out")
    (tmp_path / "file").touch()
    for out in (trained, tmp_path / "file"):
        with pytest.raises(InputError, match=re.escape(f"{out}: is no folder for predictions")):
            predict(str(trained), cohort=tiny.table, out=out)


def test_a_training_of_another_is_not_written_into(tiny, trained, tmp_path):
    other = shutil.copytree(trained, tmp_path / "other")
    before = {path: path.read_bytes() for path in other.rglob("*") if path.is_file()}
    with pytest.raises(InputError, match="is no folder for predictions"):
        predict(str(trained), cohort=tiny.table, out=other)
    assert {path: path.read_bytes() for path in other.rglob("*") if path.is_file()} == before


def test_what_is_refused_leaves_an_earlier_result_as_it_was(tiny, trained, tmp_path):
    out = explain(str(trained), cohort=tiny.table, fold=0, out=tmp_path / "out", pictures=False)
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    with pytest.raises(InputError, match="there is no such"):
        explain(str(trained), cohort=tiny.table, out=out, head="nope")
    with pytest.raises(InputError, match="fold"):
        evaluate(str(trained), cohort=tiny.table, out=out, fold=7)
    assert {path: path.read_bytes() for path in out.rglob("*") if path.is_file()} == before


def test_a_folder_that_cannot_be_written_is_named_before_anything_is_computed(tiny, trained, tmp_path):
    (tmp_path / "file").touch()
    out = tmp_path / "file" / "out"
    for call in (predict, export):
        options = {"cohort": tiny.table} if call is predict else {"to": "torchscript"}
        with pytest.raises(InputError, match=re.escape(f"{out}: cannot be written (Not a directory). Choose another")):
            call(str(trained), out=out, **options)


def test_mirroring_needs_a_mirrored_training(tiny, trained, tmp_path):
    with pytest.raises(InputError, match="trained without mirroring"):
        predict(str(trained), cohort=tiny.table, out=tmp_path / "out", mirror=True)


@pytest.mark.parametrize(("fold", "warned"), [(0, False), (1, True), (None, True)])
def test_scores_on_training_subjects_are_called_so(fold, warned, tiny, trained, tmp_path, caplog):
    with caplog.at_level(logging.WARNING, logger="mtseg"):
        evaluate(str(trained), cohort=tiny.table, out=tmp_path / "out", fold=fold)
    said = "These subjects trained this network (fold held out: 0)"
    assert (said in caplog.text) == (said in (tmp_path / "out" / "report.html").read_text()) == warned


def test_prediction_prepares_images_as_training_did(tiny, tmp_path):
    run = tiny.train(tmp_path / "run", "epochs=1", "prepare=[]")
    assert yaml.safe_load((run / "configs" / "inference.yaml").read_text())["prepare"] == []
