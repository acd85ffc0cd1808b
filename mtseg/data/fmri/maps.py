"""The maps that can be made of a run, by name."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np

from mtseg.data.fmri.alff import BAND_HZ, alff_falff
from mtseg.data.fmri.cleaning import clean_in_place
from mtseg.data.fmri.connectivity import Region, Sphere, connectivity, seed_voxels
from mtseg.data.fmri.reho import TOUCHING, reho
from mtseg.data.fmri.run import Run
from mtseg.data.fmri.tr import TR_S
from mtseg.errors import Problem, ProblemsError


class FmriMap(StrEnum):
    """Names of maps, in the order in which they are computed."""

    ALFF = "alff"
    MALFF = "malff"
    FALFF = "falff"
    MFALFF = "mfalff"
    REHO = "reho"
    CONNECTIVITY_R = "connectivity_r"
    CONNECTIVITY_Z = "connectivity_z"


AMPLITUDES = (FmriMap.ALFF, FmriMap.MALFF, FmriMap.FALFF, FmriMap.MFALFF)
CONNECTIVITY = (FmriMap.CONNECTIVITY_R, FmriMap.CONNECTIVITY_Z)
NEIGHBOURS = 27


@dataclass(frozen=True)
class MapRecipe:
    """What is to be computed of every run, and what is to be known for it.

    Attributes:
        maps: Names of `FmriMap`.
        band_hz: Lowest and highest frequency of ALFF and fALFF.
        neighbours: Courses that ReHo compares: 7, 19 or 27.
        seeds: For the connectivity maps, by name.
        band_pass_hz: Frequencies to keep for ReHo and connectivity; None filters nothing.
        confounds: Whether confounds are taken out for ReHo and connectivity.
        regressors: Columns of the confounds' tables to use; none means all.
        tr_s: Repetition time of all runs; None takes each header's.

    Raises:
        ProblemsError: A name is wrong, or settings do not belong together.
    """

    maps: tuple[str, ...]
    band_hz: tuple[float, float] = BAND_HZ
    neighbours: int = NEIGHBOURS
    seeds: Mapping[str, Sphere | Region] = field(default_factory=dict)
    band_pass_hz: tuple[float, float] | None = None
    confounds: bool = False
    regressors: tuple[str, ...] = ()
    tr_s: float | None = None

    def __post_init__(self) -> None:
        found = []
        if unknown := [name for name in self.maps if name not in {*FmriMap}]:
            found.append((", ".join(unknown), "there is no such map", f"Choose among {', '.join(FmriMap)}"))
        if not self.maps or len({*self.maps}) < len(self.maps):
            found.append(("maps", "none is named, or one twice", "Name each map once (--map)"))
        for name, band in {"band": self.band_hz, "band-pass": self.band_pass_hz or BAND_HZ}.items():
            if not 0 <= band[0] < band[1] < np.inf:
                found.append((name, f"{band[0]:g} to {band[1]:g} Hz is no band", "Give the lower frequency first"))
        if self.neighbours not in TOUCHING:
            found.append(("neighbours", f"{self.neighbours} is none of 7, 19, 27", "Choose one of them"))
        elif self.neighbours != NEIGHBOURS and FmriMap.REHO not in self.maps:
            found.append(("neighbours", f"goes for {FmriMap.REHO} only", "Leave it out, or ask for this map"))
        if tuple(self.band_hz) != BAND_HZ and not {*AMPLITUDES}.intersection(self.maps):
            remedy = "Leave it out, or say by --band-pass what to keep for reho and connectivity"
            found.append(("band", f"goes for {', '.join(AMPLITUDES)} only", remedy))
        if bool(self.seeds) != any(name in CONNECTIVITY for name in self.maps):
            what = "seeds and connectivity maps belong together"
            found.append(("seed", what, f"Name a seed and --map {' or '.join(CONNECTIVITY)}, or neither"))
        if self.cleans and not {FmriMap.REHO, *CONNECTIVITY}.intersection(self.maps):
            what = "confounds and band-pass go for reho and connectivity only; ALFF would lose what it is a share of"
            found.append(("cleaning", what, "Leave it out, or ask for one of these maps"))
        if self.regressors and not self.confounds:
            found.append(("regressors", "there are no confounds to choose from", "Name the confounds' column too"))
        if len({*self.regressors}) < len(self.regressors):
            found.append(("regressors", "one is named twice", "Name each once (--regressor)"))
        if self.tr_s is not None and not TR_S[0] <= self.tr_s <= TR_S[1]:
            found.append(("tr", f"{self.tr_s:g} s is not between {TR_S[0]:g} and {TR_S[1]:g} s", "Give seconds"))
        if found:
            raise ProblemsError([Problem("", *one) for one in found])

    @property
    def cleans(self) -> bool:
        """Whether anything is taken out of the courses before ReHo and connectivity."""
        return self.confounds or self.band_pass_hz is not None

    @property
    def names(self) -> tuple[str, ...]:
        """Of the columns and files: a connectivity map has one for each seed, `connectivity_z_<seed>`."""
        many = {name: [f"{name}_{seed}" for seed in self.seeds] for name in CONNECTIVITY}
        return tuple(column for name in self.maps for column in many.get(FmriMap(name), [name]))


def compute_maps(run: Run, recipe: MapRecipe, *, confounds: np.ndarray | None = None) -> dict[str, np.ndarray]:
    """Compute maps of a run. Its time courses are overwritten if the recipe cleans them.

    Args:
        run: From `read_run`.
        recipe: What to compute.
        confounds: (volumes, n), if the recipe says so.

    Returns:
        Per name of `recipe.names` (voxels in the mask,) float32; `run.volume` puts them on the grid.

    Raises:
        ProblemsError: See `alff_falff`, `seed_voxels` and `connectivity`.
    """
    maps: dict[str, np.ndarray] = {}
    if any(name in AMPLITUDES for name in recipe.maps):
        alff, falff = alff_falff(run.series, tr_s=run.tr_s, band_hz=recipe.band_hz)
        maps |= {FmriMap.ALFF: alff, FmriMap.FALFF: falff}
        maps |= {FmriMap.MALFF: _relative(alff), FmriMap.MFALFF: _relative(falff)}
    if recipe.cleans:  # after ALFF, which needs all frequencies
        clean_in_place(run.series, tr_s=run.tr_s, confounds=confounds, band_pass_hz=recipe.band_pass_hz)
    if FmriMap.REHO in recipe.maps:
        maps[FmriMap.REHO] = reho(run.series, run.mask, neighbours=recipe.neighbours)
    for name, seed in recipe.seeds.items():
        r, z = connectivity(run.series, seed_voxels(seed, run.mask, run.affine))
        maps |= {f"{FmriMap.CONNECTIVITY_R}_{name}": r, f"{FmriMap.CONNECTIVITY_Z}_{name}": z}
    return {name: maps[name] for name in recipe.names}


def _relative(values: np.ndarray) -> np.ndarray:
    """Divide by the mean inside the mask; 0 if nothing fluctuates at all."""
    mean = values.mean(dtype=float)
    return (values / mean).astype(np.float32) if mean else values
