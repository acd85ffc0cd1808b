"""Real images, where they lie beside the checkout."""

import shutil
import textwrap
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
import torch
from monai.bundle import ConfigParser

from mtseg.bundle import evaluate, find, predict, train
from mtseg.bundle.config import load_config
from mtseg.bundle.locate import root
from mtseg.data import check_cohort, read_cohort, write_cohort
from mtseg.data.sources import add_volume_class, from_decathlon
from mtseg.export import export
from mtseg.files import read_table

DATA = Path(__file__).parents[2] / "shared" / "data"
WEIGHTS = find("hippocampus_t1") / "models" / "model.pt"

pytestmark = [
    pytest.mark.data,
    pytest.mark.skipif(not DATA.is_dir(), reason="the real images (../shared/data) are not here"),
]


def test_the_hippocampus_cohort_has_no_problem(tmp_path):
    table = add_volume_class(from_decathlon(DATA / "hippocampus"), column="size", below_mm3=3000)
    write_cohort(table, tmp_path / "cohort.tsv")
    cohort = read_cohort(tmp_path / "cohort.tsv")
    assert len(cohort) == 193
    assert check_cohort(cohort, deep=True) == []


def test_voxel_order_changes_nothing(tmp_path):
    """PSR (as stored), RAS and LPS copies of one head: the same mask in the world, and the same answers."""
    stored = nib.load(sorted((DATA / "ixi" / "t1").glob("*.nii.gz"))[0])
    assert "".join(nib.aff2axcodes(stored.affine)) == "PSR"
    for order in ("PSR", "RAS", "LPS"):
        change = nib.orientations.ornt_transform(
            nib.io_orientation(stored.affine), nib.orientations.axcodes2ornt(order)
        )
        nib.save(stored.as_reoriented(change), tmp_path / f"{order}.nii.gz")
    network = ConfigParser(load_config(find("ixi_t1") / "configs" / "train.yaml", root=root()))
    torch.manual_seed(0)
    torch.save(network.get_parsed_content("network_def").state_dict(), tmp_path / "random.pt")
    images = sorted(tmp_path.glob("*.nii.gz"))
    out = predict("ixi_t1", images, out=tmp_path / "out", weights=tmp_path / "random.pt")
    masks = [nib.as_closest_canonical(nib.load(out / f"{image.name[:3]}_mask.nii.gz")) for image in images]
    assert len(np.unique(masks[0].dataobj)) > 3  # untrained, but not all one
    for mask in masks[1:]:
        assert np.array_equal(mask.dataobj, masks[0].dataobj)
        assert np.allclose(mask.affine, masks[0].affine, atol=1e-3)
    answers = read_table(out / "predictions.tsv").drop(columns=["participant_id", "mask_file"])
    assert len(answers.drop_duplicates()) == 1 and answers.notna().all(axis=None)


@pytest.mark.skipif(not WEIGHTS.is_file(), reason="no weights are shipped")
def test_the_shipped_weights_work_right_after_install(tmp_path):
    """On three subjects that they were trained on: this shows the path, not how good they are."""
    table = add_volume_class(from_decathlon(DATA / "hippocampus")[:3], column="size", below_mm3=3000)
    write_cohort(table, tmp_path / "cohort.tsv")
    evaluate("hippocampus_t1", cohort=tmp_path / "cohort.tsv", out=tmp_path / "out")
    assert read_table(tmp_path / "out" / "cases.tsv")["dice_mean"].min() > 0.85


@pytest.mark.skipif(not WEIGHTS.is_file(), reason="no weights are shipped")
def test_onnx_runtime_draws_the_same_masks(tmp_path, monkeypatch):
    """In float32, which torch computes in on processors without bfloat16."""
    monkeypatch.setattr(torch.cpu, "get_capabilities", dict)
    images = sorted((DATA / "hippocampus" / "imagesTr").glob("*.nii.gz"))[:2]
    export("hippocampus_t1", to="onnx", out=tmp_path / "exported")
    eager = predict("hippocampus_t1", images, out=tmp_path / "torch")
    other = predict("hippocampus_t1", images, out=tmp_path / "onnx", runtime="onnx", weights=tmp_path / "exported")
    tables = [read_table(out / "predictions.tsv") for out in (eager, other)]
    pd.testing.assert_frame_equal(*tables, rtol=1e-4)
    for file in tables[0]["mask_file"]:
        masks = [np.asarray(nib.load(out / file).dataobj) for out in (eager, other)]
        assert masks[0].any()
        np.testing.assert_array_equal(*masks)


@pytest.mark.skipif(not WEIGHTS.is_file(), reason="no weights are shipped")
def test_the_program_in_the_documentation_needs_no_mtseg_to_draw_the_same(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.cpu, "get_capabilities", dict)
    monkeypatch.chdir(tmp_path)
    shutil.copy(sorted((DATA / "hippocampus" / "imagesTr").glob("*.nii.gz"))[0], "scan.nii.gz")
    export("hippocampus_t1", to="onnx", out="exported")
    predict("hippocampus_t1", ["scan.nii.gz"], out="out")
    page = (root() / "docs" / "how-to" / "export-a-network.md").read_text()
    program = textwrap.dedent(page.partition("```python\n")[2].partition("```")[0])
    assert "mtseg" not in program
    exec(program, found := {})
    mask = nib.as_closest_canonical(nib.load("out/scan_mask.nii.gz"))
    np.testing.assert_array_equal(np.asarray(mask.dataobj), found["mask"])
    answer = read_table("out/predictions.tsv")["size_prob_small"].item()
    assert torch.from_numpy(found["logits"]).softmax(dim=0)[1].item() == pytest.approx(answer, abs=1e-4)


@pytest.mark.parametrize(
    ("bundle", "case", "changes"),
    [
        ("lesion_t1_t2_flair", "ms/sub-ms07", ()),
        # FLAIR lies on a grid of its own, 512 x 512 x 29
        ("stroke_dwi_adc", "stroke/sub-strokecase0009", ("sequences=[dwi, adc, flair]",)),
    ],
)
def test_one_real_patient_from_training_to_report(bundle, case, changes, tmp_path):
    """Too few for a figure: this shows that real sequences, also on different grids, go all the way."""
    images = {path.name.removesuffix(".nii.gz"): str(path) for path in (DATA / case).glob("*.nii.gz")}
    row = {"participant_id": "patient", "outcome": "good", **images}
    write_cohort(pd.DataFrame([row], dtype=object), tmp_path / "cohort.tsv")
    quick = ("epochs=2", "val_interval=2", "batch_size=1", "spacing=[2, 2, 2]", "patch_size=[32, 32, 32]")
    run = train(bundle, cohort=tmp_path / "cohort.tsv", out=tmp_path / "run", settings=(*quick, *changes))
    evaluate(str(run), cohort=tmp_path / "cohort.tsv", out=tmp_path / "evaluation")
    mask = nib.load(tmp_path / "evaluation" / "patient_mask.nii.gz")
    reference = nib.load(images["mask"])
    assert mask.shape == reference.shape and np.allclose(mask.affine, reference.affine, atol=1e-4)
    assert read_table(run / "history.tsv")["loss_seg"].notna().all()
    assert 0 <= read_table(tmp_path / "evaluation" / "cases.tsv")["dice_mean"].item() <= 1
