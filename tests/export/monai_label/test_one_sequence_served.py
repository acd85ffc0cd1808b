"""The shipped hippocampus_t1 on a real server, asked as viewers ask."""

import json
import time
from concurrent.futures import ThreadPoolExecutor

import nibabel as nib
import numpy as np
import pytest
from label_server import REAL, Client, predicted, serving, turned

from mtseg.files import read_table

pytestmark = pytest.mark.serve

MODEL = "hippocampus_t1"


@pytest.fixture(scope="module")
def studies(phantoms, tmp_path_factory):
    """Phantoms and, where there is one, a real scan, all stored otherwise than they were; and a damaged file."""
    folder, sources = tmp_path_factory.mktemp("studies"), tmp_path_factory.mktemp("sources")
    phantoms(sources, MODEL, edge=24, subjects=3)
    for k in range(3):
        turned(sources / f"p{k}_t1.nii.gz", folder / f"p{k}.nii.gz")
    if REAL.is_file():
        turned(REAL, folder / "real.nii.gz")
    (folder / "damaged.nii.gz").write_bytes((folder / "p0.nii.gz").read_bytes()[:4000])
    return folder


@pytest.fixture(scope="module")
def server(hippocampus_app, studies, tmp_path_factory):
    with serving(hippocampus_app, studies, log=tmp_path_factory.mktemp("log") / "server.log") as client:
        yield client


def infer(server: Client, image: str, *, output: str, **params):
    return server.post(f"infer/{MODEL}", form={"params": json.dumps(params)}, image=image, output=output)


def test_info_says_what_viewers_ask_for(server):
    info = server.get("info/").json()
    about = info["models"][MODEL]
    assert about["type"] == "segmentation"
    assert about["labels"] == {"anterior": 1, "posterior": 2}
    assert about["config"] == {"cam": ["none", "size", "anterior", "posterior"]}
    assert info["trainers"][MODEL]["config"] == {"max_epochs": 20, "learning_rate": 0.0002, "pretrained": True}
    assert [*info["strategies"]] == ["uncertainty", "random", "first"]
    assert {*info["scoring"]} == {"dice", "uncertainty"}


@pytest.mark.parametrize(
    "image",
    [
        "p0",
        pytest.param(
            "real",
            marks=[
                pytest.mark.data,
                pytest.mark.skipif(not REAL.is_file(), reason="the real images (../shared/data) are not here"),
            ],
        ),
    ],
)
def test_mask_and_classes_are_those_of_mtseg_predict(server, studies, image, tmp_path):
    out = predicted(MODEL, studies / f"{image}.nii.gz", out=tmp_path / "out")
    expected = nib.load(out / f"{image}_mask.nii.gz")
    row = read_table(out / "predictions.tsv").iloc[0]

    (tmp_path / "mask.nii.gz").write_bytes(infer(server, image, output="image").content)
    mask = nib.load(tmp_path / "mask.nii.gz")
    said = infer(server, image, output="json").json()

    different = np.asarray(mask.dataobj) != np.asarray(expected.dataobj)
    assert different.sum() == 0
    assert {*np.unique(mask.dataobj)} == {0, 1, 2}
    assert np.array_equal(mask.affine, expected.affine)
    assert nib.aff2axcodes(mask.affine) != ("R", "A", "S")
    size = {"normal": row["size_prob_normal"], "small": row["size_prob_small"]}
    assert said["heads"]["size"]["probabilities"] == pytest.approx(size, abs=1e-4)
    assert said["heads"]["size"]["predicted"] == row["size_predicted"]
    assert said["volumes_mm3"] == {name: row[f"{name}_volume_mm3"] for name in ("anterior", "posterior")}


def test_a_viewer_gets_its_own_format(server, tmp_path):
    import itk

    (tmp_path / "mask.nii.gz").write_bytes(infer(server, "p1", output="image").content)
    asked = {"result_extension": ".nrrd", "result_dtype": "uint8", "result_compress": False}
    (tmp_path / "mask.nrrd").write_bytes(infer(server, "p1", output="image", **asked).content)
    theirs, ours = (itk.imread(str(tmp_path / name)) for name in ("mask.nrrd", "mask.nii.gz"))
    assert np.array_equal(itk.array_from_image(theirs), itk.array_from_image(ours))
    assert np.allclose(itk.array_from_matrix(theirs.GetDirection()), itk.array_from_matrix(ours.GetDirection()))
    assert np.allclose(theirs.GetOrigin(), ours.GetOrigin(), atol=1e-4)


def test_a_map_is_kept_beside_the_image(server, studies, tmp_path):
    said = infer(server, "p2", output="json", cam="size").json()["cam"]
    assert said["head"] == "size"
    assert said["answer"] in ("normal", "small")
    assert 0 <= said["score"] <= 1
    found = server.get("datastore/label", label=said["label"], tag=said["tag"])
    (tmp_path / "cam.nii.gz").write_bytes(found.content)
    cam, image = nib.load(tmp_path / "cam.nii.gz"), nib.load(studies / "p2.nii.gz")
    assert cam.shape == image.shape
    assert np.allclose(cam.affine, image.affine, atol=1e-5)
    assert cam.get_fdata().max() == pytest.approx(1)
    assert (studies / "labels" / "cam" / "p2.nii.gz").is_file()


def test_a_damaged_image_gives_a_clear_error_and_the_server_lives_on(server):
    answer = infer(server, "damaged", output="json")
    assert answer.status_code == 422
    assert "damaged" in answer.json()["detail"]
    assert "Copy it again" in answer.json()["detail"]
    assert infer(server, "p0", output="json").ok
    wrong = infer(server, "p0", output="json", cam="age")
    assert wrong.status_code == 422
    assert "Choose one of size, anterior, posterior" in wrong.json()["detail"]


@pytest.mark.parametrize(
    ("image", "params", "message"),
    [
        ("nobody", {}, "nobody: there is no such image"),
        ("p0", {"result_extension": ".foo"}, "result_extension .foo, result_dtype uint8: cannot be written"),
    ],
)
def test_what_there_is_not_is_said(server, image, params, message):
    answer = infer(server, image, output="image", **params)
    assert answer.status_code == 422
    assert message in answer.json()["detail"]


@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("infer/nothing", {"image": "p0", "output": "json"}),
        ("activelearning/nothing", {}),
        ("scoring/nothing", {"run_sync": True}),
        ("train/nothing", {"run_sync": True}),
    ],
)
def test_a_model_strategy_or_score_that_there_is_not_is_said(server, path, query):
    answer = server.post(path, **query)
    assert answer.status_code == 422
    assert "'nothing' available" in answer.json()["detail"]


def test_a_scan_that_is_not_in_the_folder_can_be_sent(server, studies):
    session = server.send(studies / "p1.nii.gz", name="mine.nii.gz")
    answer = server.post(f"infer/{MODEL}", session_id=session, output="json").json()
    assert answer["subject"] == "mine"
    assert answer["heads"] == infer(server, "p1", output="json").json()["heads"]
    with_map = {"params": json.dumps({"cam": "size"})}
    refused = server.post(f"infer/{MODEL}", form=with_map, session_id=session, output="json")
    assert refused.status_code == 422
    assert "put the image into the folder of studies" in refused.json()["detail"]


def test_fifty_requests_from_eight_clients(server):
    expected = {image: infer(server, image, output="json").json() for image in ("p0", "p1", "p2")}
    images = [f"p{k % 3}" for k in range(50)]
    started = time.perf_counter()
    with ThreadPoolExecutor(8) as clients:
        answers = [*clients.map(lambda image: infer(server, image, output="json"), images)]
    failures = [answer.text for answer in answers if not answer.ok]
    assert failures == []
    assert [answer.json() for answer in answers] == [expected[image] for image in images]
    print(f"50 requests, 8 clients, 0 failures, {time.perf_counter() - started:.1f} s")  # noqa: T201
