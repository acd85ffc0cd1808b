"""A bundle of one slice: what it predicts, scores and shows lies in that slice, whatever the voxel order."""

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
import yaml
from nibabel.orientations import axcodes2ornt, io_orientation, ornt_transform
from typer.testing import CliRunner

from mtseg.bundle import evaluate, explain, predict, train, verify
from mtseg.cli.cohort import app
from mtseg.errors import InputError
from mtseg.files import read_table
from mtseg.metrics import compare_masks
from mtseg.planes import Slice

SMALL = (
    "network_def={_target_: mtseg.networks.JointNet, spatial_dims: 2, in_channels: 3, mask_classes: 2, heads: {}, "
    "channels: [8, 16]}",
    "patch_size=[16, 16]",
    "epochs=30",
    "batch_size=4",
    "learning_rate=0.01",
    "val_interval=30",
)


@pytest.fixture(scope="module")
def table(phantoms, tmp_path_factory):
    """Phantoms, of whom p1 is stored in another voxel order."""
    path = phantoms(tmp_path_factory.mktemp("slices"), "slice_2d")
    for file in path.parent.glob("p1_*.nii.gz"):
        image = nib.load(file)
        turned = image.as_reoriented(ornt_transform(io_orientation(image.affine), axcodes2ornt("PIR")))
        nib.save(nib.Nifti1Image(np.asarray(turned.dataobj), turned.affine), file)
    cohort = pd.read_csv(path, sep="\t")
    cohort.loc[1, "slice_axial"] = 13 - cohort.loc[1, "slice_axial"]
    cohort.assign(slice_sagittal=9).to_csv(path, sep="\t", index=False)
    return path


@pytest.fixture(scope="module")
def run(table, tmp_path_factory):
    return train("slice_2d", cohort=table, out=tmp_path_factory.mktemp("trained") / "run", fold=0, settings=SMALL)


def test_the_mask_is_in_the_slice_of_the_inputs_grid(run, table, tmp_path):
    out = predict(str(run), cohort=table, out=tmp_path / "out", probabilities=True)
    predictions, cohort = read_table(out / "predictions.tsv"), read_table(table)
    assert predictions["slice_axial"].tolist() == cohort["slice_axial"].tolist()
    assert predictions["abnormality_volume_mm3"].gt(0).all()  # it learned something, so there is something to see
    for row in predictions.to_dict("records"):
        mask, source = nib.load(out / row["mask_file"]), nib.load(table.parent / f"{row['participant_id']}_mask.nii.gz")
        np.testing.assert_array_equal(mask.affine, source.affine)
        where = Slice.of(row).within(mask.affine)
        found = np.asarray(mask.dataobj)
        assert found[where].sum() == found.sum() > 0
        probability = nib.load(out / f"{row['participant_id']}_prob.nii.gz").get_fdata()[..., 0]
        assert probability[where].sum() == pytest.approx(probability.sum())
        reference = np.asarray(source.dataobj)
        assert compare_masks(found[where] > 0, reference[where] > 0, spacing=[1] * 3).dice > 0.7


def test_the_evaluation_compares_that_slice_only(run, table, tmp_path):
    report = evaluate(str(run), cohort=table, out=tmp_path / "out", fold=0)
    for case in read_table(report.with_name("cases.tsv")).to_dict("records"):
        masks = [nib.load(folder / f"{case['participant_id']}_mask.nii.gz") for folder in (report.parent, table.parent)]
        flat = [np.asarray(mask.dataobj)[Slice.of(case).within(mask.affine)] > 0 for mask in masks]
        sides = [2.0, 2.0, 2.0] if case["participant_id"] != "p1" else [2.0, 5.0, 2.0]
        agreement = compare_masks(*flat, spacing=sides)
        assert case["dice_abnormality"] == pytest.approx(agreement.dice, rel=1e-6)
        assert case["asd_mm_abnormality"] == pytest.approx(agreement.asd, rel=1e-6)
        assert case["volume_mm3_abnormality"] == flat[0].sum() * 20
        assert case["true_volume_mm3_abnormality"] == flat[1].sum() * 20
    text = report.read_text()
    assert "the column slice_axial of the table" in " ".join(text.split())
    assert "is not shown" not in text


def test_maps_lie_in_the_slice_and_are_compared_there(run, table, tmp_path):
    options = {"head": "seg", "faithfulness": True, "pictures": False}
    out = explain(str(run), cohort=table, fold=0, out=tmp_path / "maps", **options)
    predictions = read_table(out / "predictions.tsv").set_index("participant_id")
    for row in read_table(out / "explanations.tsv").to_dict("records"):
        image = nib.load(out / f"{row['participant_id']}_cam.nii.gz")
        where = Slice.of(predictions.loc[row["participant_id"]]).within(image.affine)
        values = image.get_fdata()
        assert values[where].sum() == pytest.approx(values.sum()) and values.sum() > 0
        reference = np.asarray(nib.load(table.parent / f"{row['participant_id']}_mask.nii.gz").dataobj)
        assert row["mask_share_reference"] == pytest.approx((reference[where] > 0).mean(), rel=1e-6)


def test_regions_are_told_by_the_slice_alone_of_any_format(run, table, tmp_path):
    """The highest 5 % were those of the volume, in which the map is 0 elsewhere; a .mgz could not be drawn."""
    rows = read_table(table)[:2]
    for name in ("t1", "flair", "t1gd"):
        for index, path in rows[name].items():
            image = nib.load(table.parent / path)
            rows.loc[index, name] = f"{index}_{name}.mgz"
            nib.save(nib.MGHImage(image.get_fdata(dtype=np.float32), image.affine), tmp_path / rows.loc[index, name])
    rows.drop(columns="mask").to_csv(tmp_path / "mgz.tsv", sep="\t", index=False)
    nib.save(nib.Nifti1Image(np.ones(image.shape, np.uint8), image.affine), tmp_path / "head.nii.gz")
    (tmp_path / "head.tsv").write_text("index\tname\n1\thead\n")
    options = {"head": "seg", "atlas": str(tmp_path / "head.nii.gz")}
    out = explain(str(run), cohort=tmp_path / "mgz.tsv", out=tmp_path / "out", **options)
    regions = read_table(out / "regions.tsv")
    assert regions["voxels"].tolist() == [20 * 16] * 2
    assert regions["high_voxels"].tolist() == [16] * 2
    assert len([*out.glob("*_cam.png")]) == 2 and not [*out.glob("group_*")]


def test_the_task_of_another_bundle_by_settings(phantoms, tmp_path):
    table = phantoms(tmp_path, "hippocampus_t1")
    pd.read_csv(table, sep="\t").assign(slice_coronal=7).to_csv(table, sep="\t", index=False)
    settings = [
        "plane=coronal",
        "sequences=[t1]",
        "structures={anterior: 1, posterior: 2}",
        "heads={size: {classes: [normal, small]}}",
        "spacing=[1, 1]",
        "mirror=false",
        "patch_size=[16, 16]",
        "epochs=1",
    ]
    run = train("slice_2d", cohort=table, out=tmp_path / "run", fold=0, settings=settings)
    evaluate(str(run), cohort=table, out=tmp_path / "out", fold=0, settings=["simple_scores=[]"])
    assert set(read_table(tmp_path / "out" / "predictions.tsv")["slice_coronal"]) == {7}
    assert set(read_table(tmp_path / "out" / "summary.tsv")["task"]) == {"seg", "size"}
    assert yaml.safe_load((run / "configs" / "inference.yaml").read_text())["plane"] == "coronal"
    assert verify(str(run)).startswith("run: metadata, properties, names and network are in order")


def test_the_check_of_a_table_for_the_bundle_looks_at_the_slices(table):
    bad = pd.read_csv(table, sep="\t").assign(slice_axial=[99, *[8] * 7])
    bad.to_csv(table.with_name("bad.tsv"), sep="\t", index=False)
    for path, found in {table: 0, table.with_name("bad.tsv"): 1}.items():
        lines = CliRunner().invoke(app, ["check", str(path), "--bundle", "slice_2d"]).output.splitlines()
        assert f"problems to mend: {found}" in lines[-1]
        assert any(line.startswith("problem: p0: slice_axial: there is no slice 99") for line in lines) == bool(found)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("plane=sagittal", "a sagittal slice has no left and right to exchange. Set mirror: false"),
        ("plane=oblique", "plane 'oblique': there is no such"),
        ("plane=coronal", "there is no column 'slice_coronal' .which slice.. Run `mtseg cohort slices`"),
    ],
)
def test_planes_that_are_refused_before_anything_is_computed(setting, message, table, tmp_path):
    with pytest.raises(InputError, match=message):
        train("slice_2d", cohort=table, out=tmp_path / "run", fold=0, settings=(*SMALL, setting))
    assert not (tmp_path / "run").exists()
