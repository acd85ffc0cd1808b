"""Print how well structures are measured whose truth is known, and whether a head's place and scale matter.

python scripts/evaluate_volumes.py synthetic MASKS VOLUMES --head T1    synthetic scans, shapes of people held out
python scripts/evaluate_volumes.py robustness T1                        one real head, moved, cut and scaled
python scripts/evaluate_volumes.py labelled NAME TABLE --values L R     heads with masks (columns t1, mask) of habenula
                                                                         or hippocampus, such as a template's own
"""

import argparse
from collections.abc import Iterator
from itertools import permutations, product
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
from nibabel.affines import apply_affine, from_matvec, voxel_sizes
from nilearn.image import resample_img
from scipy.spatial.transform import Rotation

from mtseg.data import read_cohort
from mtseg.data.synthetic_heads import (
    CENTRE_MM,
    Variety,
    anatomy_of,
    make_scene,
    people_in,
    random_contrast,
    read_shapes,
    scan,
    shares,
)
from mtseg.data.synthetic_heads.cohort import as_mask
from mtseg.images import read_image
from mtseg.metrics.overlap import compare_masks
from mtseg.statistics.bootstrap import estimate
from mtseg.statistics.repeatability import repeatability
from mtseg.statistics.summary import RESAMPLES
from mtseg.volumetry.scans.inputs import read_scan
from mtseg.volumetry.scans.locate import Located, locate
from mtseg.volumetry.scans.measure import native_masks, volumes
from mtseg.volumetry.scans.segment import segment
from mtseg.volumetry.scans.structures import HABENULA, HIPPOCAMPUS, SIDES
from mtseg.volumetry.scans.training import HELD_OUT_EVERY

STRUCTURES = {structure.name: structure for structure in (HABENULA, HIPPOCAMPUS)}
VOXELS_MM = (0.7, 1.0, 1.2)
SCANNED_MM = 38.0
CLEAR = 3.0
"""Difference between habenula and thalamus, in standard deviations of noise and texture, from which it is well seen."""
AS_THEY_ARE = Variety(growth=(1.0, 1.0))
"""Habenulae as large as they were published."""


def main() -> None:
    """Run one evaluation."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    synthetic = commands.add_parser("synthetic")
    synthetic.add_argument("masks")
    synthetic.add_argument("volumes")
    synthetic.add_argument("--head", type=Path, required=True, help="anatomy that was not trained on")
    synthetic.add_argument("--people", type=int, default=150)
    synthetic.set_defaults(run=evaluate_synthetic)
    robustness = commands.add_parser("robustness")
    robustness.add_argument("head", type=Path)
    robustness.add_argument("--brain", type=Path, help="mask of the brain on the head's grid, to cut it out")
    kinds = ("brain", "neck", "orientations", "intensity", "rotations", "voxels")
    robustness.add_argument("--only", choices=kinds, help="one kind of guises")
    robustness.set_defaults(run=evaluate_robustness)
    labelled = commands.add_parser("labelled")
    labelled.add_argument("name", choices=STRUCTURES)
    labelled.add_argument("table", help="cohort table with the columns t1 and mask")
    labelled.add_argument("--values", type=int, nargs=2, required=True, help="of left and right in the masks")
    labelled.set_defaults(run=evaluate_labelled)
    arguments = parser.parse_args()
    arguments.run(arguments)


def evaluate_synthetic(arguments: argparse.Namespace) -> None:
    """Dice, distance, bias and ICC by voxel size; every person once at each."""
    people = people_in(arguments.masks)[::HELD_OUT_EVERY][: arguments.people]
    everybody = read_shapes(arguments.masks, arguments.volumes, subjects=people)
    head = read_scan(arguments.head)
    anatomy = anatomy_of(head, np.linalg.inv(locate(head).from_mni))
    rows = []
    for (number, person), voxel_mm in product(enumerate(everybody), VOXELS_MM):
        rng = np.random.default_rng([2024, number, round(10 * voxel_mm)])
        scene = make_scene(anatomy, person, rng, AS_THEY_ARE)
        turn = Rotation.from_euler("xyz", rng.uniform(-10, 10, 3), degrees=True).as_matrix()
        edge = round(SCANNED_MM / voxel_mm)
        affine = from_matvec(turn * voxel_mm, turn @ np.full(3, -voxel_mm * (edge - 1) / 2))
        grid = {"affine": affine, "shape": (edge,) * 3}
        contrast = random_contrast(rng)
        t1 = nib.Nifti1Image(scan(scene, contrast, rng=rng, **grid), affine)
        clear = (contrast.white - 1) * contrast.habenula / np.hypot(contrast.noise, contrast.texture) >= CLEAR
        share = shares(scene, **grid)[::-1]  # left, right
        place = from_matvec(np.eye(3), rng.normal(0, 1.5, 3) - CENTRE_MM)  # as well as an affine finds it
        found = segment(t1, Located(place, alike=1.0, icv_mm3=1.0), HABENULA)
        mask, _ = native_masks(found, t1, threshold=HABENULA.threshold)
        options = {"native_mm3": voxel_mm**3, "threshold": HABENULA.threshold}
        measured = volumes(found, mask, structure=HABENULA, **options)
        truth = as_mask(share[::-1])
        for index, side in enumerate(SIDES):
            row = {"voxel_mm": voxel_mm, "clear": clear, "side": side, "true_mm3": share[index].sum() * voxel_mm**3}
            row |= {name.removeprefix(f"{side}_"): value for name, value in measured.items() if name.startswith(side)}
            row["swapped"] = bool(((mask == 2 - index) & (truth == index + 1)).any())
            agreement = compare_masks(mask == index + 1, truth == index + 1, spacing=[voxel_mm] * 3)
            rows.append(row | {"dice": agreement.dice, "distance_mm": agreement.asd})
    table = pd.DataFrame(rows)
    for voxel_mm, part in table.groupby("voxel_mm"):
        _print_synthetic(f"{voxel_mm} mm, all contrasts", part)
        _print_synthetic(f"{voxel_mm} mm, contrast to noise of {CLEAR:g} and more", part[part["clear"]])


def _print_synthetic(title: str, part: pd.DataFrame) -> None:
    print(
        f"{title}, {len(part) // 2} people: Dice {part['dice'].mean():.3f} (SD {part['dice'].std():.3f}, "
        f"5th percentile {part['dice'].quantile(0.05):.3f}), surface distance {part['distance_mm'].mean():.2f} mm, "
        f"not found {np.mean(part['mm3'] < 1):.3f}, left taken for right {part['swapped'].mean():.3f}"
    )
    for name in ("mm3", "mm3_probability", "mm3_hard"):
        pairs = part[["true_mm3", name]].to_numpy(float)
        bias, found = pairs[:, 1] - pairs[:, 0], repeatability(pairs)
        print(
            f"    {name:16} true {pairs[:, 0].mean():.1f}, bias {bias.mean():+.2f} (SD {bias.std(ddof=1):.2f}), "
            f"ICC(2,1) {found['icc_2_1']:.3f} ({found['icc_2_1_low']:.3f} to {found['icc_2_1_high']:.3f}), "
            f"ICC(3,1) {found['icc_3_1']:.3f}"
        )


def evaluate_robustness(arguments: argparse.Namespace) -> None:
    """Volumes of one head in many guises, against those of the head as it is."""
    head = read_scan(arguments.head)
    reference = _measure(head, np.eye(4))
    print(f"as it is: left {reference['left']:.2f}, right {reference['right']:.2f} mm3")
    rows = []
    brain = arguments.brain and read_image(arguments.brain)
    for kind, name, image, moved in _guises(head, brain):
        if arguments.only not in (None, kind):
            continue
        row = {"kind": kind, "name": name}
        try:
            row |= _measure(image, moved)
        except ValueError as error:
            print(f"{kind} {name}: {error}")
        rows.append(row)
        change = {side: row.get(side, np.nan) / reference[side] - 1 for side in (*SIDES, "total")}
        rows[-1] |= {f"{side}_change": value for side, value in change.items()}
        print(f"{kind} {name}: " + ", ".join(f"{side} {value:+.1%}" for side, value in change.items()), flush=True)
    for kind, part in pd.DataFrame(rows).groupby("kind", sort=False):
        worst = part[[f"{side}_change" for side in (*SIDES, "total")]].abs().max()
        swapped = int((part["left_x"] > part["right_x"]).sum())
        print(
            f"{kind}, {len(part)}: largest change left {worst['left_change']:.1%}, right {worst['right_change']:.1%}, "
            f"total {worst['total_change']:.1%}; sides swapped {swapped}; failed {int(part['total'].isna().sum())}"
        )


def _guises(
    head: nib.Nifti1Image, brain: nib.Nifti1Image | None
) -> Iterator[tuple[str, str, nib.Nifti1Image, np.ndarray]]:
    """Kind, name, image, and the affine by which the head was moved in the world."""
    voxels, still = head.get_fdata(dtype=np.float32), np.eye(4)
    if brain is not None:
        yield "brain", "only", nib.Nifti1Image(voxels * (brain.get_fdata() > 0), head.affine), still
    below = round(80 / voxel_sizes(head.affine)[2])
    longer = nib.as_closest_canonical(head)
    neck = np.pad(longer.get_fdata(dtype=np.float32), ((0, 0), (0, 0), (below, 0)), mode="edge")
    yield "neck", "80 mm", nib.Nifti1Image(neck, longer.affine @ from_matvec(np.eye(3), [0, 0, -below])), still
    for order, flips in product(permutations(range(3)), product((1, -1), repeat=3)):
        stored = head.as_reoriented(np.column_stack([order, flips]))
        yield "orientations", "".join(nib.aff2axcodes(stored.affine)), stored, still
    for factor in (0.01, 100):
        yield "intensity", f"x {factor}", nib.Nifti1Image(voxels * factor, head.affine), still
    for axis, degrees in product("xyz", (-15, 15)):
        turn = from_matvec(Rotation.from_euler(axis, degrees, degrees=True).as_matrix(), [0, 0, 0])
        turned = nib.Nifti1Image(voxels, turn @ head.affine)
        yield "rotations", f"{axis} {degrees}", _resampled(turned, 0.9), turn
    for voxel_mm in (0.7, 0.8, 1.0, 1.2, 1.5):
        yield "voxels", f"{voxel_mm} mm", _resampled(head, voxel_mm), still


def _resampled(image: nib.Nifti1Image, voxel_mm: float) -> nib.Nifti1Image:
    return resample_img(image, target_affine=np.eye(3) * voxel_mm, force_resample=True, copy_header=True)


def _measure(image: nib.Nifti1Image, moved: np.ndarray) -> dict[str, float]:
    found = segment(image, locate(image), HABENULA)
    threshold, native_mm3 = HABENULA.threshold, float(voxel_sizes(image.affine).prod())
    mask, _ = native_masks(found, image, threshold=threshold)
    row = volumes(found, mask, structure=HABENULA, native_mm3=native_mm3, threshold=threshold)
    measured = {side: row[f"{side}_mm3"] for side in (*SIDES, "total")}
    for value, side in enumerate(SIDES, start=1):
        places = apply_affine(np.linalg.inv(moved) @ image.affine, np.argwhere(mask == value))
        measured |= {f"{side}_{axis}": float(mm) for axis, mm in zip("xyz", places.mean(axis=0), strict=True)}
    return measured


def evaluate_labelled(arguments: argparse.Namespace) -> None:
    """Overlap with masks, distance of the centres, and volumes against theirs."""
    structure = STRUCTURES[arguments.name]
    rows = []
    for record in read_cohort(arguments.table, sequences=("t1",)).table.to_dict("records"):
        head, labels = read_scan(Path(record["t1"])), read_image(record["mask"])
        found = segment(head, locate(head), structure)
        mask, _ = native_masks(found, head, threshold=structure.threshold)
        spacing = voxel_sizes(head.affine)
        options = {"native_mm3": float(spacing.prod()), "threshold": structure.threshold}
        measured = volumes(found, mask, structure=structure, **options)
        sided = 1 + (mask > len(structure.labels) // 2)
        for index, (side, value) in enumerate(zip(SIDES, arguments.values, strict=True), start=1):
            ours, theirs = (mask > 0) & (sided == index), labels.get_fdata().round() == value
            places = [apply_affine(head.affine, np.argwhere(one)).mean(axis=0) for one in (ours, theirs)]
            row = {"subject": record["participant_id"], "side": side, "mm3": measured[f"{side}_mm3"]}
            row |= {"true_mm3": theirs.sum() * spacing.prod(), "apart_mm": float(np.linalg.norm(places[0] - places[1]))}
            rows.append(row | {"dice": compare_masks(ours, theirs, spacing=spacing).dice})
            print(*(f"{value:.3f}" if isinstance(value, float) else value for value in rows[-1].values()), flush=True)
    for side, part in pd.DataFrame(rows).groupby("side"):
        if len(part) < 3:  # nothing to average
            continue
        dice, bias = part["dice"].to_numpy(), (part["mm3"] / part["true_mm3"] - 1).to_numpy()
        mean = estimate(lambda i, dice=dice: dice[i].mean(axis=-1), [np.arange(len(dice))], resamples=RESAMPLES)
        icc = repeatability(part[["true_mm3", "mm3"]].to_numpy(float))
        print(
            f"{side}, {len(part)}: Dice {mean.value:.3f} ({mean.low:.3f} to {mean.high:.3f}, least {dice.min():.3f}), "
            f"centres {part['apart_mm'].median():.1f} mm apart, volume {bias.mean():+.1%} (SD {bias.std():.1%}), "
            f"ICC(2,1) {icc['icc_2_1']:.2f}, ICC(3,1) {icc['icc_3_1']:.2f} "
            f"({icc['icc_3_1_low']:.2f} to {icc['icc_3_1_high']:.2f})"
        )


if __name__ == "__main__":
    main()
