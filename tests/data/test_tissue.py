"""Tissue maps of a phantom made of the template, whose tissues and place are known, and of a real head."""

import json
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from nibabel.affines import apply_affine, from_matvec
from nibabel.processing import resample_from_to
from nilearn import datasets
from scipy.spatial.transform import Rotation
from typer.testing import CliRunner

from mtseg.cli import app
from mtseg.data import check_cohort, read_cohort
from mtseg.data.tissue import MNI_AFFINE, MNI_SHAPE, find_brain, segment
from mtseg.data.tissue.classify import classify
from mtseg.data.tissue.register import template
from mtseg.errors import ProblemsError

DATA = Path(__file__).parents[3] / "shared" / "data" / "ixi"
GREY = [23, 30, 31, 32, 36, 37, 47, 48, *range(55, 61), 75, 76, *range(100, 208)]
WHITE = [44, 45, *range(81, 96)]
LEFT_MM = np.array([-26, -30, 32])
"""Centre of what is grey in the phantom's left white matter."""

ROTATION = Rotation.from_euler("xyz", [12, -5, 8], degrees=True).as_matrix()
TURN = from_matvec(ROTATION @ np.diag([0.93, 0.9, 0.96]), [6, -14, 20])
"""From the template's world to the phantom's, mm."""


def dice(a, b):
    return 2 * np.count_nonzero(a & b) / (np.count_nonzero(a) + np.count_nonzero(b))


def ball(shape, affine, centre_mm, radius_mm):
    indices = np.stack(np.indices(shape), axis=-1)
    return np.linalg.norm(apply_affine(affine, indices) - centre_mm, axis=-1) < radius_mm


def reordered(image, order):
    change = nib.orientations.ornt_transform(nib.io_orientation(image.affine), nib.orientations.axcodes2ornt(order))
    return image.as_reoriented(change)


def phantom():
    """The template, smaller and turned, in a bias field, with noise, and with grey in its left white matter."""
    t1 = datasets.load_mni152_template(resolution=2)
    voxels = 400 * t1.get_fdata(dtype=np.float32)
    grey = np.median(voxels[template(2).gm.get_fdata() > 0.9])
    voxels[ball(voxels.shape, t1.affine, LEFT_MM, 10)] = grey
    moved = nib.Nifti1Image(voxels, TURN @ t1.affine)
    grid = np.diag([3.0, 3, 3, 1])
    grid[:3, 3] = -90, -120, -75
    small = resample_from_to(moved, ((62, 70, 62), grid), order=1).get_fdata(dtype=np.float32)
    x, y, _ = np.indices(small.shape) / 62 - 0.5
    noisy = small * np.exp(0.5 * x + 0.6 * y * y) + np.random.default_rng(0).normal(0, 4, small.shape)
    image = nib.Nifti1Image(np.where(small > 40, noisy, 0).astype(np.float32), grid)
    image.set_qform(grid, 1)
    return image


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """The output folder of the command, for a phantom that is not stored in RAS and a subject without a T1."""
    folder = tmp_path_factory.mktemp("study")
    nib.save(reordered(phantom(), "PSR"), folder / "a.nii.gz")
    table = pd.DataFrame({"participant_id": [*"ab"], "t1": ["a.nii.gz", "n/a"], "code": ["007", "x"]})
    table.to_csv(folder / "table.csv", index=False)
    arguments = ["cohort", "tissue-maps", folder / "table.csv", "--column", "t1", "--map", "gm", "--map", "wm"]
    with pytest.MonkeyPatch.context() as patch:  # the network has its own tests
        patch.setattr("mtseg.data.tissue.cohort.find_brain", lambda t1: t1.get_fdata() > 0)
        run = CliRunner().invoke(app, [*map(str, arguments), "--out", str(folder / "maps")], catch_exceptions=False)
    assert run.output == f"{folder}/maps/cohort.tsv\n"
    return folder / "maps"


def read(folder, name):
    return nib.load(folder / f"{name}.nii.gz").get_fdata(dtype=np.float32)


def test_the_command_writes_maps_and_a_table(written):
    assert sorted(path.name for path in written.iterdir()) == [
        "a_gm.nii.gz", "a_wm.nii.gz", "cohort.tsv", "run.json",
    ]  # fmt: skip
    lines = [line.split("\t") for line in (written / "cohort.tsv").read_text().splitlines()]
    assert lines == [
        ["participant_id", "t1", "code", "gm", "wm"],
        ["a", "../a.nii.gz", "007", "a_gm.nii.gz", "a_wm.nii.gz"],
        ["b", "n/a", "x", "n/a", "n/a"],
    ]
    cohort = read_cohort(written / "cohort.tsv", sequences=["gm", "wm"])
    with_maps = replace(cohort, table=cohort.table[:1])
    assert not [problem for problem in check_cohort(with_maps, deep=True, images_only=True) if problem.fatal]
    facts = json.loads((written / "run.json").read_text())
    assert (facts["command"], facts["column"], facts["maps"]) == ("cohort tissue-maps", "t1", ["gm", "wm"])
    image = nib.load(written / "a_gm.nii.gz")
    assert (image.shape, image.get_data_dtype()) == (MNI_SHAPE, np.float32)
    np.testing.assert_array_equal(image.affine, MNI_AFFINE)
    assert (int(image.header["sform_code"]), int(image.header["qform_code"])) == (4, 4)


def test_the_grid_is_that_of_spm():
    first, last = apply_affine(MNI_AFFINE, [[0, 0, 0], np.array(MNI_SHAPE) - 1])
    assert (first.tolist(), last.tolist()) == ([-90, -126, -72], [90, 90, 108])


def test_the_maps_are_those_of_the_template(written):
    like = nib.Nifti1Image(np.zeros(MNI_SHAPE), MNI_AFFINE)
    changed = ball(MNI_SHAPE, MNI_AFFINE, LEFT_MM, 15)
    for name, least in (("gm", 0.87), ("wm", 0.88)):
        expected = resample_from_to(getattr(template(2), name), like, order=1).get_fdata() > 0.5
        found = read(written, f"a_{name}")
        assert found.min() >= 0 and found.max() <= 1
        assert dice((found > 0.5) & ~changed, expected & ~changed) > least


def test_a_change_on_the_left_is_found_on_the_left(written):
    left, right = (ball(MNI_SHAPE, MNI_AFFINE, LEFT_MM * (side, 1, 1), 6) for side in (1, -1))
    gm, wm = read(written, "a_gm"), read(written, "a_wm")
    assert gm[left].mean() > 0.7 and wm[right].mean() > 0.85
    assert gm[right].mean() < 0.15 and wm[left].mean() < 0.25


def test_the_order_of_the_voxels_changes_nothing(monkeypatch):
    """Neither in what is registered nor in what is classified, so in nothing that comes of it."""
    registered, found = [], []
    monkeypatch.setattr("mtseg.data.tissue.maps.align", lambda brain: registered.append(brain) or TURN)
    for order in ("RAS", "PSR", "LPI"):
        stored = reordered(phantom(), order)
        found.append(segment(stored, stored.get_fdata() > 0))
    for brain, tissues in zip(registered, found, strict=True):
        pairs = ((brain, registered[0]), (tissues.gm, found[0].gm), (tissues.wm, found[0].wm))
        for image, first in pairs:
            np.testing.assert_array_equal(image.get_fdata(), first.get_fdata())
            np.testing.assert_allclose(image.affine, first.affine, atol=1e-6)


def test_classes_of_a_known_mixture():
    """Fluid, grey and white matter under a bias field, with an atlas that is right in half of the places only."""
    random = np.random.default_rng(0)
    shape = (30, 30, 30)
    brain = np.ones(shape, bool)
    brain[:2] = False
    tissue = random.integers(0, 3, shape)
    x, y, z = np.indices(shape) / 15 - 1
    t1 = np.array([50, 100, 140])[tissue] * np.exp(0.4 * x - 0.3 * y * z + random.normal(0, 0.05, shape))
    priors = np.where(random.random(shape) < 0.5, np.stack([tissue == 1, tissue == 2]), 1 / 3)
    found = classify(t1, brain, priors, spacing_mm=(4, 4, 4))
    assert not found[:, ~brain].any()
    np.testing.assert_allclose(found.sum(axis=0)[brain], 1, atol=1e-5)
    assert (found.argmax(axis=0) == tissue)[brain].mean() > 0.99
    with pytest.raises(ProblemsError, match=r"is no T1: .*\(--column\)"):  # inverted, as in a T2
        classify(300 - t1, brain, priors, spacing_mm=(4, 4, 4))
    with pytest.raises(ProblemsError, match="is 0 or less in half of the brain"):
        classify(t1 - t1.max(), brain, priors, spacing_mm=(4, 4, 4))


@pytest.mark.parametrize("darkest", [-32768, -400])
def test_a_t1_without_its_offset_is_told(darkest):
    """A brain without any voxel above 0 had stopped the whole cohort in the registration."""
    voxels = darkest + np.random.default_rng(0).integers(0, 300, (12, 12, 12)).astype(np.float32)
    with pytest.raises(ProblemsError, match="is 0 or less in half of the brain"):
        segment(nib.Nifti1Image(voxels, np.diag([4.0, 4, 4, 1])), np.ones(voxels.shape, bool))


def test_the_brain_of_the_template_is_found():
    t1, mask = datasets.load_mni152_template(resolution=3), datasets.load_mni152_brain_mask(resolution=3)
    assert dice(find_brain(reordered(t1, "PSR")), reordered(mask, "PSR").get_fdata() > 0) > 0.95


def test_no_brain_is_told():
    with pytest.raises(ProblemsError, match=r"no brain was found\. Check in a viewer"):
        find_brain(nib.Nifti1Image(np.zeros((30, 30, 30), np.float32), np.eye(4)))


@pytest.mark.data
@pytest.mark.skipif(not DATA.is_dir(), reason="the real images (../shared/data) are not here")
def test_a_real_head():
    """Against an atlas segmentation, of the cerebrum: where that has the brain stem or the cerebellum, none counts."""
    t1 = nib.load(DATA / "t1" / "IXI128-HH-1470.nii.gz")
    labels = nib.load(DATA / "seg" / "IXI128-HH-1470.nii.gz")
    tissues = segment(t1, find_brain(t1))
    labels = resample_from_to(labels, tissues.gm, order=0).get_fdata().astype(int)
    counts = ~np.isin(labels, [11, 35, 38, 39, 40, 41, 61, 62, 71, 72, 73])
    for image, values, least in ((tissues.gm, GREY, 0.77), (tissues.wm, WHITE, 0.84)):
        assert dice((image.get_fdata() > 0.5) & counts, np.isin(labels, values)) > least
