"""A structure in a head: an upright crop round it, looked at several times, slightly moved and turned."""

from dataclasses import dataclass

import nibabel as nib
import numpy as np
from nibabel.affines import apply_affine
from scipy.spatial.transform import Rotation
from scipy.stats import qmc

from mtseg.data.crops import Frame
from mtseg.volumetry.scans.intensities import standardise
from mtseg.volumetry.scans.locate import Located
from mtseg.volumetry.scans.networks import segmenter
from mtseg.volumetry.scans.structures import Structure

LOOKS = 2 * qmc.Sobol(6, scramble=False).random_base2(4)[1:].reshape(-1, 2, 3) - 1
"""Shift along and turn round each axis of the crop each time, -1 to 1: first none, and none on average of 7 or 15."""
SHIFT_VOXELS, TURN_DEGREES = 0.5, 12.0
"""The largest."""
NEAR_MM = 2.0
"""A crop whose middle is further from what it shows is cut once more, round it."""


@dataclass(frozen=True)
class Found:
    """What the network says of one side.

    Attributes:
        frame: The crop's grid in the head.
        image: (X, Y, Z) intensities of the crop.
        looks: (n, K, X, Y, Z) float32 probabilities of its K parts on the frame's grid, once for each look; a
            side of which no parts are told apart has one.
    """

    frame: Frame
    image: np.ndarray
    looks: np.ndarray

    @property
    def probabilities(self) -> np.ndarray:
        """(K, X, Y, Z): their mean over the looks."""
        return self.looks.mean(axis=0)

    @property
    def voxel_mm3(self) -> float:
        """Of the frame."""
        return float(abs(np.linalg.det(self.frame.affine[:3, :3])))


def segment(t1: nib.Nifti1Image, located: Located, structure: Structure) -> dict[str, Found]:
    """Find a structure on both sides.

    Args:
        t1: (X, Y, Z), any orientation.
        located: The head in terms of MNI space.
        structure: What to find.

    Returns:
        By side.
    """
    found = {}
    for sides, centre_mm in structure.crops:
        frame, looks = _look(t1, located, structure, centre_mm)
        image = frame.cut(t1)
        for side, own in zip(sides, np.split(looks, len(sides), axis=1), strict=True):
            found[side] = Found(frame, image, own)
    return found


def _look(
    t1: nib.Nifti1Image, located: Located, structure: Structure, centre_mm: np.ndarray
) -> tuple[Frame, np.ndarray]:
    find = segmenter(structure.bundle)
    voxel_mm = find.spacing[0]

    def frame_at(centre: np.ndarray, turn: np.ndarray) -> Frame:
        return Frame.around(centre, turn=turn, voxel_mm=voxel_mm, shape=structure.crop_shape)

    def answers_in(*frames: Frame) -> np.ndarray:
        return find([standardise(frame.cut(t1), structure.histogram) for frame in frames])[:, 1:]

    centre, turn = located.place(centre_mm), located.turn
    for _ in range(2):
        frame = frame_at(centre, turn)
        seen = _middle(answers_in(frame)[0], frame, structure)
        if seen is None or np.linalg.norm(seen - centre) < NEAR_MM:
            break
        centre = seen
    frame = frame_at(centre, turn)
    shifts, turned = LOOKS[: structure.looks].swapaxes(0, 1)
    turns = Rotation.from_euler("xyz", turned * TURN_DEGREES, degrees=True).as_matrix()
    places = centre + shifts * SHIFT_VOXELS * voxel_mm @ turn.T
    askew = [frame_at(place, turn @ own) for place, own in zip(places, turns, strict=True)]
    looks = [
        [own.back(part, frame.affine, frame.shape) for part in parts]
        for own, parts in zip(askew, answers_in(*askew), strict=True)
    ]
    return frame, np.array(looks, np.float32)


def _middle(probabilities: np.ndarray, frame: Frame, structure: Structure) -> np.ndarray | None:
    """Midpoint between the sides that were found, in the head's world, mm; None where there is nothing."""
    sides = np.split(probabilities, 2 if structure.one_crop else 1)
    voxel_mm3 = np.linalg.det(frame.affine[:3, :3])
    places = [centroid(side.sum(axis=0)) for side in sides if side.sum() * voxel_mm3 > structure.found_mm3]
    return apply_affine(frame.affine, np.mean(places, axis=0)) if places else None


def centroid(probabilities: np.ndarray) -> np.ndarray:
    """Of (X, Y, Z) probabilities, in voxels."""
    sure = np.where(probabilities > 0.1, probabilities, 0)
    total = sure.sum()
    if total == 0:
        return np.full(3, np.nan)
    return (
        np.array([(sure.sum(axis=tuple({0, 1, 2} - {axis})) * np.arange(n)).sum() for axis, n in enumerate(sure.shape)])
        / total
    )
