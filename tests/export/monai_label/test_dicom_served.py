"""Hippocampus_t1 on the images of a DICOM server: the mask, and DICOM segmentations."""

import json
import shutil
from pathlib import Path

import dicom_server
import nibabel as nib
import numpy as np
import ohif
import pydicom
import pytest
from label_server import REAL, predicted, serving
from PIL import Image

from mtseg.files import read_table

pytestmark = pytest.mark.serve

MODEL = "hippocampus_t1"
NAMES = ("anterior", "posterior")


@pytest.fixture(scope="module")
def source(phantoms, tmp_path_factory):
    """A real crop where there is one, else a phantom."""
    if REAL.is_file():
        return REAL
    return phantoms(tmp_path_factory.mktemp("sources"), MODEL, edge=24, subjects=1).parent / "p0_t1.nii.gz"


@pytest.fixture(scope="module")
def served(hippocampus_app, source, tmp_path_factory):
    """The server, and the UID of the series that it has."""
    folder = tmp_path_factory.mktemp("dicom")
    with dicom_server.orthanc(folder) as address:
        series = dicom_server.send(address, source, name="ann")
        app = shutil.copytree(hippocampus_app, folder / "app")  # for it is trained
        with serving(app, f"{address}/dicom-web", log=folder / "server.log") as client:
            yield client, series


@dicom_server.needs_orthanc()
def test_mask_and_classes_are_those_of_mtseg_predict(served, source, tmp_path):
    server, series = served
    (tmp_path / "image.nii.gz").write_bytes(server.get("datastore/image", image=series).content)
    out = predicted(MODEL, tmp_path / "image.nii.gz", source, out=tmp_path / "out")
    expected = np.asarray(nib.load(out / "image_mask.nii.gz").dataobj)
    (tmp_path / "mask.nii.gz").write_bytes(server.post(f"infer/{MODEL}", image=series, output="image").content)
    mask = np.asarray(nib.load(tmp_path / "mask.nii.gz").dataobj)
    assert (mask != expected).sum() == 0
    assert {*np.unique(mask)} == {0, 1, 2}

    said = server.post(f"infer/{MODEL}", image=series, output="json").json()
    row = read_table(out / "predictions.tsv").iloc[1]
    # DICOM holds the intensities as whole numbers.
    assert said["heads"]["size"]["probabilities"]["small"] == pytest.approx(row["size_prob_small"], abs=0.01)
    for name in NAMES:
        assert said["volumes_mm3"][name] == pytest.approx(row[f"{name}_volume_mm3"], rel=0.02)


@dicom_server.needs_orthanc()
def test_a_dicom_segmentation_is_valid_and_holds_the_mask(served, tmp_path):
    highdicom = pytest.importorskip("highdicom")
    server, series = served
    (tmp_path / "mask.nii.gz").write_bytes(server.post(f"infer/{MODEL}", image=series, output="image").content)
    mask = nib.load(tmp_path / "mask.nii.gz")
    wanted = {"label_info": [{"name": name, "model_name": MODEL} for name in NAMES]}
    answer = server.post(f"infer/{MODEL}", form={"params": json.dumps(wanted)}, image=series, output="dicom_seg")
    assert answer.headers["content-type"] == "application/dicom"
    (tmp_path / "seg.dcm").write_bytes(answer.content)

    plain = pydicom.dcmread(tmp_path / "seg.dcm")
    assert plain.SOPClassUID == pydicom.uid.SegmentationStorage
    assert plain.ReferencedSeriesSequence[0].SeriesInstanceUID == series
    seg = highdicom.seg.segread(tmp_path / "seg.dcm")
    assert [seg.get_segment_description(k).segment_label for k in (1, 2)] == [*NAMES]
    voxels = np.asarray(mask.dataobj)
    for k in (1, 2):
        # Each frame lies where the mask has the same slice.
        frames = [
            (
                float(about.PlanePositionSequence[0].ImagePositionPatient[2]),
                int(seg.pixel_array[n].sum()),
            )
            for n, about in enumerate(seg.PerFrameFunctionalGroupsSequence)
            if about.SegmentIdentificationSequence[0].ReferencedSegmentNumber == k
        ]
        heights = {round(float((mask.affine @ (0, 0, z, 1))[2]), 2): z for z in range(voxels.shape[2])}
        counted = {heights[round(height, 2)]: count for height, count in frames if count}
        expected = {z: int(n) for z, n in enumerate((voxels == k).sum(axis=(0, 1))) if n}
        assert counted == expected


@dicom_server.needs_orthanc()
def test_the_next_series_to_draw(served):
    server, series = served
    chosen = server.post("activelearning/uncertainty", json={}).json()
    assert chosen["id"] == series
    assert 0 < chosen["uncertainty"]["mean"] < 1


@dicom_server.needs_orthanc()
@ohif.needs_chromium()
def test_in_ohif_the_segmentation_appears_where_the_network_put_it(served, tmp_path):
    server, series = served
    with ohif.opened(server.address, "ann", profile=tmp_path / "profile") as viewer:
        plain = coloured(viewer.picture(tmp_path / "before.png"))
        viewer.run()
        drawn = coloured(viewer.picture(tmp_path / "after.png"))
        labels = viewer.labels()
    (tmp_path / "mask.nii.gz").write_bytes(server.post(f"infer/{MODEL}", image=series, output="image").content)
    mask = np.asarray(nib.load(tmp_path / "mask.nii.gz").dataobj)
    assert np.array_equal(labels, mask.ravel(order="F"))
    assert drawn - plain > 0.01, "of the picture are in a segment's colour"


def coloured(picture: Path) -> float:
    """Share of a picture of the views that is neither black nor grey."""
    pixels = np.asarray(Image.open(picture).convert("RGB"), dtype=int)[100:-60, 290:990]
    return float((np.ptp(pixels, axis=-1) > 8).mean())


@dicom_server.needs_orthanc()
def test_a_mask_that_was_drawn_becomes_a_dicom_segmentation_and_teaches(served, tmp_path):
    server, series = served
    (tmp_path / "mask.nii.gz").write_bytes(server.post(f"infer/{MODEL}", image=series, output="image").content)
    named = {"label_info": [{"name": name, "idx": k} for k, name in enumerate(NAMES, start=1)]}
    assert server.submit(series, tmp_path / "mask.nii.gz", json.dumps(named)).ok
    trained = server.post(f"train/{MODEL}", json={"max_epochs": 1}, run_sync=True)
    assert trained.ok, trained.text
    assert trained.json()["subjects"] == [series]
    scores = server.post("scoring/dice", run_sync=True).json()[series]
    assert scores["mean"] > 0.9, "it was taught its own mask"


@dicom_server.needs_orthanc()
def test_of_several_sequences_one_series_is_asked_for_and_the_table_names_the_other(glioma, glioma_app, tmp_path):
    with dicom_server.orthanc(tmp_path) as address:
        study = pydicom.uid.generate_uid()
        t1, flair = (
            dicom_server.send(address, glioma.parent / f"p0_{name}.nii.gz", name="p0", study=study, description=name)
            for name in ("t1", "flair")
        )
        table = tmp_path / "table.tsv"
        table.write_text(f"participant_id\tt1\tflair\tdeath\np0\t{t1}\t{flair}\t1\n")
        conf, log = {"cohort": str(table)}, tmp_path / "server.log"
        with serving(glioma_app, f"{address}/dicom-web", log=log, conf=conf) as server:
            said = server.post("infer/run", image=flair, output="json").json()
            (tmp_path / "mask.nii.gz").write_bytes(server.post("infer/run", image=flair, output="image").content)
            for name, series in (("t1", t1), ("flair", flair)):
                (tmp_path / f"p0_{name}.nii.gz").write_bytes(server.get("datastore/image", image=series).content)
            assert server.post("activelearning/first", json={}).json()["id"] in (t1, flair)
    (tmp_path / "files.tsv").write_text("participant_id\tt1\tflair\np0\tp0_t1.nii.gz\tp0_flair.nii.gz\n")
    out = predicted(glioma, "--cohort", tmp_path / "files.tsv", out=tmp_path / "out")
    expected = np.asarray(nib.load(out / "p0_mask.nii.gz").dataobj)
    assert (np.asarray(nib.load(tmp_path / "mask.nii.gz").dataobj) != expected).sum() == 0
    assert said["subject"] == "p0"
    row = read_table(out / "predictions.tsv").iloc[0]
    assert said["heads"]["death"]["probabilities"]["1"] == pytest.approx(row["death_prob_1"], abs=1e-4)
