"""What can be wrong with the runs of a cohort, found in headers, masks and tables before any run is read."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np

from mtseg.data.checks.header import SERIES
from mtseg.data.checks.scan import UNREADABLE, Scan, not_converted
from mtseg.data.fmri.alff import band_bins
from mtseg.data.fmri.cleaning import FILTERED, read_confounds
from mtseg.data.fmri.connectivity import Region, seed_voxels
from mtseg.data.fmri.maps import AMPLITUDES, MapRecipe
from mtseg.data.fmri.mask import read_brain_mask
from mtseg.data.fmri.problems import noting, refusal
from mtseg.data.fmri.tr import repetition_time
from mtseg.errors import Problem

LEAST_VOLUMES = 3
"""Of two numbers any pair of courses correlates by 1 or -1."""


@dataclass(frozen=True)
class RunFiles:
    """Paths of what belongs to one run.

    Attributes:
        subject: The subject's id.
        bold: 4D image.
        brain_mask: 3D image, or None to compute it.
        confounds: Table with a row per volume, or None.
    """

    subject: str
    bold: str
    brain_mask: str | None = None
    confounds: str | None = None


def check_runs(runs: Iterable[RunFiles], recipe: MapRecipe) -> list[Problem]:
    """List what is wrong with runs, their masks and confounds, and with the recipe's seeds.

    Runs that cannot be opened or are not 4D are left to `mtseg.data.check_cohort`.
    """
    problems: list[Problem] = []
    for seed in recipe.seeds.values():
        if isinstance(seed, Region):
            with noting(problems, Scan("", "seed", seed.labels)):
                seed.read()
    seeds_sound = not problems
    for run in runs:
        if Path(run.bold).is_dir():
            problems.append(not_converted(Scan(run.subject, SERIES, run.bold)))
            continue
        try:
            image = nib.load(run.bold)
        except UNREADABLE:
            continue
        if len(image.shape) == 4:
            _check_run(problems, run, image, recipe, with_seeds=seeds_sound)
    return problems


def _check_run(
    problems: list[Problem], run: RunFiles, image: nib.Nifti1Image, recipe: MapRecipe, *, with_seeds: bool
) -> None:
    volumes = image.shape[3]
    bold = Scan(run.subject, SERIES, run.bold)
    if volumes < LEAST_VOLUMES:
        problems.append(bold.problem(f"has {volumes} volumes, too few to fluctuate", "Give the whole run"))
    room = volumes  # for confounds, if its frequencies cannot be told
    with noting(problems, bold):
        tr_s = repetition_time(image, given_s=recipe.tr_s)
        for name, band in {"band": recipe.band_hz, "band-pass": recipe.band_pass_hz}.items():
            if band and (name == "band-pass" or any(one in AMPLITUDES for one in recipe.maps)):
                with noting(problems, bold):
                    bins = band_bins(volumes, tr_s=tr_s, band_hz=band)
                    if name == "band-pass":
                        room = 2 * (bins.stop - bins.start)  # a sine and a cosine of each frequency
    if recipe.band_pass_hz and volumes <= FILTERED:
        what = f"has {volumes} volumes, a band-pass needs more than {FILTERED}"
        problems.append(bold.problem(what, "Leave out --band-pass, or this run"))
    mask = np.ones(image.shape[:3], bool)  # if it is still to be computed
    if run.brain_mask:
        before = len(problems)
        with noting(problems, Scan(run.subject, "brain mask", run.brain_mask)):
            mask = read_brain_mask(run.brain_mask, like=image)
        with_seeds = with_seeds and len(problems) == before
    if run.confounds:
        with noting(problems, Scan(run.subject, "confounds", run.confounds)):
            columns = read_confounds(run.confounds, volumes=volumes, regressors=recipe.regressors).shape[1]
            if recipe.band_pass_hz and columns >= room:
                low, high = recipe.band_pass_hz
                what = f"has {columns} confounds, but from {low:g} to {high:g} Hz the run has room for {room - 1} only"
                raise refusal(run.confounds, what, "Name fewer columns (--regressor), or widen --band-pass")
    for seed in recipe.seeds.values() if with_seeds else ():
        with noting(problems, bold):
            seed_voxels(seed, mask, image.affine)
