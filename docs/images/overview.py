"""Draws overview.png from the tutorial's files: python docs/images/overview.py STUDY RESULTS SUBJECT."""

import sys
from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt
import nibabel as nib
import numpy as np
import pandas as pd
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

BLUE, ORANGE, GREY, PALE = "#0072b2", "#d55e00", "#555555", "#eef3f7"
HERE = Path(__file__).parent


def draw(study: Path, results: Path, subject: str) -> None:
    """Draw one generated subject's way from the table to the report."""
    mpl.rcParams |= {"font.family": "DejaVu Sans", "font.size": 9}
    figure = plt.figure(figsize=(12, 4.3))
    page = figure.add_axes((0, 0, 1, 1))
    page.set(xlim=(0, 12), ylim=(0, 4.3))
    page.axis("off")
    for x, title in ((0.2, "Table and scans"), (4.05, "One network"), (8.35, "Answers")):
        page.text(x, 4.0, title, size=13, weight="bold", va="center")

    _table(page, study)
    scans = {name: _slice(study / subject / f"{subject}_{name}.nii.gz") for name in ("dwi", "adc")}
    level = _level(results / f"{subject}_mask.nii.gz")
    for k, (name, volume) in enumerate(scans.items()):
        _picture(figure, (0.25 + 1.6 * k, 0.42, 1.5, 1.8), volume[:, :, level])
        page.text(1.0 + 1.6 * k, 0.25, name.upper(), ha="center", va="center", color=GREY)

    _network(page)

    mask = np.asarray(nib.load(results / f"{subject}_mask.nii.gz").dataobj)
    axes = _picture(figure, (8.4, 1.75, 1.65, 1.98), scans["dwi"][:, :, level])
    axes.contour(mask[:, :, level].T[:, ::-1] > 0, levels=[0.5], colors=[ORANGE], linewidths=1.6)
    page.text(10.15, 3.45, "where", size=11, weight="bold", color=ORANGE)
    page.text(10.15, 3.32, "mask in the scan's own\ngrid, volume in mm³", va="top")

    row = pd.read_csv(results / "predictions.tsv", sep="\t").set_index("participant_id").loc[subject]
    good = row["outcome_prob_good"]
    page.barh([1.35], [1.6], height=0.2, left=8.4, color="#d8d8d8")
    page.barh([1.35], [1.6 * good], height=0.2, left=8.4, color=BLUE)
    page.text(8.4, 1.08, f"good {good:.2f}", va="center", color=BLUE)
    page.text(10.0, 1.08, f"poor {1 - good:.2f}", va="center", ha="right", color=GREY)
    page.text(10.15, 1.36, "what", size=11, weight="bold", color=BLUE, va="center")
    page.text(10.15, 1.21, "a probability per class,\none answer per subject", va="top")

    page.add_patch(FancyBboxPatch((8.45, 0.2), 3.3, 0.52, boxstyle="round,pad=0.04", fc=PALE, ec="#9db4c5"))
    page.text(10.1, 0.59, "report.html", ha="center", va="center", weight="bold")
    page.text(10.1, 0.34, "Dice, distances, volumes, AUC with 95 % intervals", ha="center", va="center", size=8)
    for ends in (((3.5, 2.15), (3.95, 2.15)), ((7.85, 2.75), (8.3, 2.75)), ((6.95, 1.11), (8.3, 1.11))):
        page.add_patch(FancyArrowPatch(*ends, arrowstyle="-|>", mutation_scale=14, lw=1.4, color=GREY))
    figure.savefig(HERE / "overview.png", dpi=150, facecolor="white")


def _table(page: plt.Axes, study: Path) -> None:
    table = pd.read_csv(study / "participants.tsv", sep="\t", keep_default_na=False)
    rows = table.drop_duplicates("outcome").reset_index()
    page.add_patch(FancyBboxPatch((0.25, 2.5), 3.1, 1.2, boxstyle="round,pad=0.05", fc=PALE, ec="#9db4c5"))
    columns = {"participant_id": 0.3, "dwi": 1.25, "adc": 1.75, "mask": 2.25, "outcome": 2.75}
    for name, x in columns.items():
        page.text(x, 3.6, name, size=8, weight="bold", va="center")
        for k, cell in enumerate(rows[name]):
            shown = "….nii" if str(cell).endswith(".nii.gz") else cell
            page.text(x, 3.3 - 0.28 * k, shown, size=8, va="center", family="DejaVu Sans Mono")


def _network(page: plt.Axes) -> None:
    """Encoder down, bottleneck, decoder up, a head below."""
    heights, width = (2.1, 1.55, 1.05), 0.3
    left = [4.1 + 0.48 * k for k in range(3)]
    right = [7.45 - 0.48 * k for k in range(3)]
    for k, height in enumerate(heights):
        for x in (left[k], right[k]):
            page.add_patch(plt.Rectangle((x, 2.75 - height / 2), width, height, fc="#b9d3e6", ec=BLUE, lw=1))
        y = 2.75 + height / 2 - 0.12
        page.annotate(
            "",
            (right[k], y),
            (left[k] + width, y),
            arrowprops={"arrowstyle": "->", "color": "#8a8a8a", "ls": (0, (4, 3)), "lw": 1},
        )
    page.add_patch(plt.Rectangle((5.5, 2.48), 0.86, 0.46, fc=BLUE, ec=BLUE))
    page.text(5.93, 2.71, "bottleneck", ha="center", va="center", size=8, color="white")
    page.text(4.4, 1.5, "encoder", ha="center", color=GREY)
    page.text(7.46, 1.5, "decoder", ha="center", color=GREY)
    page.text(5.93, 3.8, "skip connections", ha="center", va="center", size=8, color="#8a8a8a")
    page.add_patch(FancyArrowPatch((5.93, 2.46), (5.93, 1.38), arrowstyle="-|>", mutation_scale=12, lw=1.4, color=BLUE))
    page.add_patch(FancyBboxPatch((5.0, 0.9), 1.86, 0.42, boxstyle="round,pad=0.05", fc=BLUE, ec=BLUE))
    page.text(5.93, 1.11, "head: pool, linear", ha="center", va="center", color="white")
    page.text(5.93, 0.46, "both tasks are trained together;\na missing mask or class adds nothing to the loss",
              ha="center", va="center", size=8, color=GREY)  # fmt: skip


def _slice(path: Path) -> np.ndarray:
    return np.asarray(nib.as_closest_canonical(nib.load(path)).dataobj, dtype=float)


def _level(path: Path) -> int:
    """Axial slice with the largest part of the mask."""
    return int((np.asarray(nib.load(path).dataobj) > 0).sum(axis=(0, 1)).argmax())


def _picture(figure: plt.Figure, box: tuple[float, ...], plane: np.ndarray) -> plt.Axes:
    """Radiological view: the subject's right is on the left."""
    x, y, width, height = box
    axes = figure.add_axes((x / 12, y / 4.3, width / 12, height / 4.3))
    top = np.percentile(plane[plane > 0], 99.7)
    axes.imshow(plane.T[:, ::-1], cmap="gray", origin="lower", vmin=0, vmax=top, interpolation="bilinear")
    axes.axis("off")
    return axes


if __name__ == "__main__":
    draw(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3])
