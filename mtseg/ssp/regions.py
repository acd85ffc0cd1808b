"""Regions of an atlas: where they are in an image, and those that activity is divided by."""

import re
from collections.abc import Collection
from enum import StrEnum
from typing import Protocol

import nibabel as nib
import numpy as np

from mtseg.errors import InputError
from mtseg.ssp.volume import read_volume

PONS_CENTRE_MM = (0.0, -27.0, -32.0)
PONS_RADIUS_MM = 8.0
"""A ball that lies within the pons of MNI152; AAL has no brain stem."""


class Regions(Protocol):
    """What is needed of an atlas; `mtseg.cam.read_atlas` makes one."""

    @property
    def names(self) -> tuple[str, ...]:
        """Of the regions; the label of the first is 1."""

    def on_grid(self, image: nib.Nifti1Image) -> np.ndarray:
        """Label of every voxel of an image, 0 outside."""


class Reference(StrEnum):
    """Regions whose mean perfusion is taken as 1."""

    GLB = "GLB"
    THL = "THL"
    PNS = "PNS"
    CBL = "CBL"

    @property
    def in_words(self) -> str:
        """What the letters mean."""
        return {"GLB": "whole brain", "THL": "thalamus", "PNS": "pons", "CBL": "cerebellum"}[self]


_NAMED = {
    Reference.GLB: re.compile(""),
    Reference.THL: re.compile(r"(?<!hypo)(?<!sub)thal", re.IGNORECASE),
    Reference.PNS: re.compile(r"(^|[^a-z])pons([^a-z]|$)", re.IGNORECASE),
    Reference.CBL: re.compile(r"cerebell?um|vermis", re.IGNORECASE),
}
"""What occurs in the names of a reference's regions: in AAL, in AAL3 and in FreeSurfer's tables."""


def reference_mean(image: nib.Nifti1Image, reference: Reference, *, atlas: Regions) -> float:
    """Mean of an image in a reference region, in the image's unit; NaN voxels do not count.

    Args:
        image: In the atlas' space, any grid and orientation.
        reference: GLB (whole brain): all regions of the atlas. THL (thalamus), CBL (cerebellum with vermis): the
            regions named so. PNS (pons): the region named so, or a ball of 8 mm about MNI (0, -27, -32).
        atlas: The regions.

    Raises:
        InputError: The atlas has no such region, or the image has no activity there.
    """
    volume = read_volume(image)
    names = [name for name in atlas.names if _NAMED[reference].search(name)]
    if names:
        inside = region_mask(image, names, atlas=atlas)
    elif reference is Reference.PNS:
        inside = np.linalg.norm(volume.world - PONS_CENTRE_MM, axis=-1) <= PONS_RADIUS_MM
    else:
        raise InputError(f"atlas: no region is named as {reference.in_words}. Take another reference region or atlas")
    values = volume.values[inside]
    mean = float(np.nanmean(values)) if np.isfinite(values).any() else 0.0
    if not mean > 0:
        raise InputError(
            f"{volume.name}: no activity in the reference region {reference} ({reference.in_words}): mean {mean:g}. "
            "Is the image in the atlas' space, and does it reach that far?"
        )
    return mean


def region_mask(image: nib.Nifti1Image, names: Collection[str], *, atlas: Regions) -> np.ndarray:
    """Voxels of an image in canonical order, (X, Y, Z), that lie in any of some regions.

    Raises:
        InputError: The atlas lacks one of the regions, or the image shares no voxel with the atlas.
    """
    if missing := sorted(set(names) - set(atlas.names)):
        raise InputError(f"atlas: has no region named {', '.join(missing)}. Use the atlas that these names are from")
    labels = atlas.on_grid(read_volume(image).image)
    return np.isin(labels, [label for label, name in enumerate(atlas.names, start=1) if name in names])
