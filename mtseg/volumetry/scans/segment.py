"""Both habenulae in a head: an upright crop round them, looked at several times, slightly moved and turned."""

from dataclasses import dataclass

import nibabel as nib
import numpy as np
from nibabel.affines import apply_affine
from scipy.spatial.transform import Rotation

from mtseg.data.crops import Frame
from mtseg.data.synthetic_heads import CENTRE_MM, CROP_EDGE
from mtseg.volumetry.scans.locate import Located
from mtseg.volumetry.scans.networks import segmenter

BUNDLE = "habenula_t1"
SIDES = ("left", "right")
"""Order of the network's structures."""
LOOKS = (((0.0, 0.0, 0.0), 0.0), ((0.35, -0.35, 0.35), 4.0), ((-0.35, 0.35, 0.0), -4.0), ((0.0, -0.35, -0.35), 8.0))
"""Shift, mm, and turn round each axis, degrees, of the crop each time; each is also looked at in the mirror."""
NEAR_MM = 2.0
"""A crop whose middle is further from the habenulae is cut once more, round them."""
FOUND_MM3 = 2.0
"""Less, in probabilities, is no habenula; the smallest of 1,001 young adults has 4.6 mm³."""


@dataclass(frozen=True)
class Found:
    """What the network says.

    Attributes:
        frame: The crop's grid in the head.
        image: (edge, edge, edge) intensities of the crop.
        looks: (n, 2, edge, edge, edge) float32 probabilities of left and right, on the frame's grid, once for each of
            `LOOKS`.
    """

    frame: Frame
    image: np.ndarray
    looks: np.ndarray

    @property
    def probabilities(self) -> np.ndarray:
        """(2, edge, edge, edge): their mean over the looks."""
        return self.looks.mean(axis=0)

    @property
    def voxel_mm3(self) -> float:
        """Of the frame."""
        return float(abs(np.linalg.det(self.frame.affine[:3, :3])))


def segment(t1: nib.Nifti1Image, located: Located) -> Found:
    """Find both habenulae.

    Args:
        t1: (X, Y, Z), any orientation.
        located: The head in terms of MNI space.
    """
    find = segmenter(BUNDLE)
    voxel_mm = find.spacing[0]

    def frame_at(centre: np.ndarray, turn: np.ndarray) -> Frame:
        return Frame.around(centre, turn=turn, voxel_mm=voxel_mm, edge=CROP_EDGE)

    centre, turn = located.place(CENTRE_MM), located.turn
    for _ in range(2):
        frame = frame_at(centre, turn)
        seen = _middle(find(frame.cut(t1))[1:], frame)
        if seen is None or np.linalg.norm(seen - centre) < NEAR_MM:
            break
        centre = seen
    frame = frame_at(centre, turn)
    looks = []
    for shift, degrees in LOOKS:
        own = turn @ Rotation.from_euler("xyz", [degrees] * 3, degrees=True).as_matrix()
        askew = frame_at(centre + turn @ shift, own)
        answers = find(askew.cut(t1), mirror=True)[1:]
        looks.append([askew.back(answer, frame.affine, frame.shape) for answer in answers])
    return Found(frame, frame.cut(t1), np.array(looks, np.float32))


def _middle(probabilities: np.ndarray, frame: Frame) -> np.ndarray | None:
    """Midpoint between what was found, in the head's world, mm; None where there is nothing."""
    places = [centroid(side) for side in probabilities if side.sum() * np.linalg.det(frame.affine[:3, :3]) > FOUND_MM3]
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
