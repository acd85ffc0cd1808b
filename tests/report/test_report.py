"""The report is complete, stands alone and survives what is missing."""

import base64
import re
from io import BytesIO
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from matplotlib.image import imread

from mtseg.metrics import case_table
from mtseg.planes import Plane, Slice
from mtseg.report import text, write_report
from mtseg.report.figure import style
from mtseg.report.slices import case_picture
from mtseg.report.tables import selective_of, simple_scores_of
from mtseg.report.text import spell
from mtseg.statistics import selective_table, simple_scores_table, summary_table
from mtseg.tasks import Structures, heads_from

STRUCTURES = Structures({"lesion": 4})
HEADS = heads_from(
    {
        "outcome": {"classes": ["poor", "good"]},
        "findings": {"labels": ["bleed", "oedema"]},
        "age": {"mean": 50, "sd": 9},
    }
)
SHAPE = (30, 36, 24)
AFFINE = np.array([[2.0, 0, 0, -30], [0, 2.0, 0, -36], [0, 0, 3.0, -36], [0, 0, 0, 1]])


def save(data: np.ndarray, path: Path, *, axes: str = "RAS") -> str:
    """Save an array whose axes run right, front, up, stored along other axes."""
    image = nib.Nifti1Image(data, AFFINE)
    turn = nib.orientations.ornt_transform(nib.io_orientation(AFFINE), nib.orientations.axcodes2ornt(axes))
    nib.save(image.as_reoriented(turn), path)
    return str(path)


def lesion(*, start: int) -> np.ndarray:
    data = np.zeros(SHAPE, dtype=np.int16)
    data[start : start + 6, 10:18, 8:14] = 4
    return data


@pytest.fixture(scope="module")
def study(tmp_path_factory) -> dict:
    """Six subjects: one without a reference mask, one without a scan, one without an outcome."""
    folder = tmp_path_factory.mktemp("study")
    rng = np.random.default_rng(0)
    records, predictions, images, masks = [], [], {}, {}
    for i in range(6):
        subject = f"sub-{i}"
        outcome, age = ("poor", "good")[i % 2], 40.0 + 5 * i
        probability = 0.3 + 0.1 * i if i % 2 else 0.45
        mask = save(lesion(start=18), folder / f"{subject}_reference.nii") if i != 1 else None
        masks[subject] = save(lesion(start=18 - i % 4), folder / f"{subject}.nii")
        images[subject] = save(rng.random(SHAPE).astype(np.float32), folder / f"{subject}_scan.nii")
        records.append(
            {
                "subject": subject,
                "mask": mask,
                "outcome": outcome if i != 2 else None,
                "findings": ";".join(["bleed", "oedema"][: i % 3]) or ";",
                "age": age,
            }
        )
        predictions.append(
            {
                "participant_id": subject,
                "mask_file": f"{subject}.nii",
                "lesion_volume_mm3": 3456.0,
                "outcome_predicted": ("poor", "good")[probability > 0.5],
                "outcome_prob_poor": 1 - probability,
                "outcome_prob_good": probability,
                "findings_prob_bleed": rng.random(),
                "findings_prob_oedema": rng.random(),
                "age_predicted": age + rng.normal(0, 4),
            }
        )
    (folder / "sub-0_scan.nii").unlink()
    tasks = {"structures": STRUCTURES, "heads": HEADS}
    cases = case_table(pd.DataFrame(predictions), records, folder=folder, **tasks)
    return {
        "cases": cases,
        "summary": summary_table(cases, resamples=200, **tasks),
        "simple_scores": simple_scores_table(cases, **tasks),
        "history": pd.DataFrame({"epoch": [1, 2, 3], "loss": [3.0, 2.0, 1.0], "val_dice": [np.nan, 0.5, 0.7]}),
        "images": images,
        "references": {str(record["subject"]): record["mask"] for record in records},
        "masks": masks,
        "run": {"versions": {"mtseg": "0.1.0"}, "seed": 17, "data_fingerprint": "c0ffee"},
        **tasks,
    }


@pytest.fixture(scope="module")
def page(study, tmp_path_factory) -> str:
    path = tmp_path_factory.mktemp("report") / "report.html"
    write_report(path, title="Stroke <held out>", **study)
    return path.read_text(encoding="utf-8")


def test_needs_nothing_but_itself(page):
    assert "http" not in page
    assert "<script" not in page
    assert all(source.startswith("data:image/") for source in re.findall(r'src="([^"]*)"', page))


def test_says_the_numbers_and_what_made_them(page, study):
    for row in study["summary"].dropna(subset="value").to_dict("records"):
        assert f"<td>{spell(row['value'])}" in page
    assert "Stroke &lt;held out&gt;" in page
    assert re.search(r"Dice 0\.\d+ \(95 % CI: no interval\) over 5 subjects; outcome AUC", page)
    assert re.search(r"age mean absolute error \d\.\d+ \(95 % CI: \d\.\d+ to \d\.\d+\) over 6 subjects", page)
    assert all(part in page for part in ("c0ffee", "17", "mtseg 0.1.0", "not a medical device", "n/a"))
    assert all(subject in page for subject in study["cases"]["participant_id"])


def test_a_p_of_few_subjects_is_not_called_delongs(page):
    assert "p (DeLong)" not in page and "by exchanging the scores within subjects" in page
    assert all("by exchanging the" in words for words in (text.COMPARISONS, text.MODELS))


def test_few_subjects_are_noted(page, study, tmp_path):
    """Intervals of a handful of subjects, which miss three times as often as they say, stood there like any other."""
    assert "Of fewer than 6 subjects there is no interval" in page
    assert "Intervals of means over fewer than 20 subjects are too narrow" in page
    lone = study["summary"].query("task == 'age'").assign(n=20)
    write_report(tmp_path / "r.html", title="More", **{**study, "summary": lone, "heads": ()})
    assert "there is no interval" not in (tmp_path / "r.html").read_text(encoding="utf-8")


def test_simple_scores_show_p_before_and_after_holm(study):
    table = simple_scores_of(study["simple_scores"].assign(p=0.02, p_holm=0.04))
    places = [table.columns.index(name) for name in ("p", "p (Holm)")]
    assert [[row[place].text for place in places] for row in table.rows] == [["0.020", "0.040"]] * len(table.rows)
    assert all("p (Holm) is corrected for the number of rows" in words for words in (text.SIMPLE_SCORES, text.MODELS))


def test_a_missing_scan_leaves_a_note(page):
    assert "sub-0 (best case) is not shown" in page
    assert "Worst case: sub-3" in page


def test_empty_references_are_told(study, page, tmp_path):
    """The worst case showed no outline of a reference, and nobody learnt how many such masks there were."""
    assert "reference mask is empty" not in page and "lacks a structure" not in page
    cases = study["cases"]
    cases = cases.assign(true_volume_mm3_lesion=cases["true_volume_mm3_lesion"].where(cases.index != 3, 0))
    write_report(tmp_path / "r.html", title="Empty", **{**study, "cases": cases})
    page = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert re.search(r"Worst case: sub-3\. Dice: lesion [.\d]+\. Its reference mask is empty\.", page)
    assert "if it was not found, else 0): lesion in 1." in page


@pytest.mark.parametrize("without", ["references", "images"])
def test_nothing_to_show_or_score_breaks_nothing(study, tmp_path, without):
    empty = {c: np.nan for c in study["cases"] if c.startswith(("dice", "hd95", "asd", "true", "volume_error"))}
    targets = {c: None for c in study["cases"] if c.endswith("_target")}
    cases = study["cases"].assign(**empty, **targets)
    summary = summary_table(cases, structures=STRUCTURES, heads=HEADS, resamples=50)
    bare = {**study, "cases": cases, "summary": summary, without: {}, "history": None, "simple_scores": None}
    write_report(tmp_path / "r.html", title="Empty", **bare)
    page = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert "Dice n/a (no subject could be scored)" in page
    assert "No case can be shown." in page


def draw(folder: Path, *, axes: str) -> np.ndarray:
    scan = np.full(SHAPE, 0.2, dtype=np.float32)
    # Bright on the subject's right.
    scan[20:] = 1
    path = save(scan, folder / "scan.nii", axes=axes)
    masks = [save(lesion(start=18 - i), folder / f"{i}.nii", axes=axes) for i in range(2)]
    picture = case_picture(path, reference=masks[0], predicted=masks[1], structures=STRUCTURES, caption="")
    return imread(BytesIO(base64.b64decode(picture.source.split(",")[1])), format="png")[..., :3]


@pytest.mark.parametrize("size", [(50, 52, 33), (50, 58, 33), (15, 15, 60), (25, 50, 1)])
def test_no_title_is_cut_off(tmp_path, size):
    mask = np.zeros(size, np.int16)
    mask[2:-2, 2:-2, size[2] // 4 : size[2] // 2 + 1] = 4
    path = save(mask, tmp_path / "mask.nii")
    with style():
        picture = case_picture(path, reference=path, predicted=path, structures=STRUCTURES, caption="")
    pixels = imread(BytesIO(base64.b64decode(picture.source.split(",")[1])), format="png")
    assert (pixels[:3] == 1).all()


def test_left_and_right_come_from_the_affine(tmp_path):
    picture = draw(tmp_path, axes="RAS")
    for axes in ("LPS", "LAS", "SAR"):
        assert np.array_equal(picture, draw(tmp_path, axes=axes))


def test_the_subjects_right_is_on_the_left(tmp_path):
    picture = draw(tmp_path, axes="RAS").mean(axis=2)
    axial = picture[:, : int(0.37 * picture.shape[1])]
    # Columns that are mostly black: the panel's left frame, and the dark side of the subject.
    columns = np.flatnonzero((axial < 0.5).mean(axis=0) > 0.5)
    assert columns.mean() > (columns[0] + columns[-1]) / 2


@pytest.mark.parametrize("axes", ["RAS", "IPL"])
def test_one_slice_is_drawn_as_a_volume_of_it(tmp_path, axes):
    rng = np.random.default_rng(0)
    scan, mask = rng.random(SHAPE, dtype=np.float32), lesion(start=18)
    part = np.s_[:, 11:12]
    whole = [save(array, tmp_path / f"{k}.nii", axes=axes) for k, array in enumerate((scan, mask))]
    flat = [save(array[part], tmp_path / f"{k}_flat.nii") for k, array in enumerate((scan, mask))]
    index = 11 if axes == "RAS" else SHAPE[1] - 1 - 11
    only = Slice(Plane.CORONAL, index)
    with style():
        drawn, expected = (
            case_picture(paths[0], reference=paths[1], predicted=paths[1], structures=STRUCTURES, caption="", only=one)
            for paths, one in ((whole, only), (flat, None))
        )
    assert drawn.source == expected.source


def test_a_scan_may_be_a_dicom_series(tmp_path, save_series):
    """Such subjects had no pictures, since the folder was opened as a file."""
    scan, mask = (
        (np.random.default_rng(0).random(SHAPE) * 900).astype(np.uint16),
        save(lesion(start=18), tmp_path / "m.nii"),
    )
    save_series(tmp_path / "series", scan, AFFINE)
    paths = str(tmp_path / "series"), save(scan.astype(np.float32), tmp_path / "scan.nii")
    with style():
        series, file = (
            case_picture(path, reference=mask, predicted=mask, structures=STRUCTURES, caption="") for path in paths
        )
    assert series.source == file.source


def test_more_subjects_than_the_share_are_counted():
    heads = HEADS[:1]
    cases = pd.DataFrame({"outcome_target": ["poor", "good"] * 10, "outcome_predicted": "poor"})
    cases["outcome_prob_poor"] = [*np.linspace(0.9, 0.8, 12), *[0.6] * 8]
    cases["outcome_prob_good"] = 1 - cases["outcome_prob_poor"]
    table = selective_of(selective_table(cases, heads=heads))
    counts = {
        name: cell.small[1:] for name, cell in zip(table.columns, table.rows[0], strict=True) if name.endswith("%")
    }
    assert counts == {"100%": [], "95%": ["n = 20"], "90%": ["n = 20"], "80%": ["n = 20"], "70%": ["n = 20"]} | {
        "60%": [],
        "50%": [],
    }
    assert "equally certain" in text.SELECTIVE
