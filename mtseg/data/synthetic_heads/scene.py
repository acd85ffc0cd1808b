"""A random head round the habenulae, as a function of place: what is there, and whether it is habenula."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.ndimage import map_coordinates, zoom
from scipy.spatial.transform import Rotation

from mtseg.data.synthetic_heads.anatomy import CENTRE_MM, SIDE_MM, Anatomy
from mtseg.data.synthetic_heads.shapes import Habenulae, Shape

_MIDLINE_MM = 2.5
"""How far from the midline a wider ventricle has pushed everything aside."""
_REACH_MM = 9.0
"""No part of a habenula is further from its centroid."""
_FIELD_MM = 40.0
"""Edge of the cube in which elastic deformations vary."""


@dataclass(frozen=True)
class Variety:
    """How much scenes differ; angles in degrees, lengths in mm, ± where not said otherwise.

    Attributes:
        tilt: Of the head against its scan.
        size: Smallest and largest size of a head as a share of the template, along each axis.
        wider: Least and greatest widening of the third ventricle.
        bend: Of elastic deformations, with control points 13 and 6 mm apart.
        turn: Of a habenula against its place.
        growth: Smallest and largest enlargement of a habenula along each axis.
        bare: Largest part of a habenula that stands out into the ventricle.
    """

    tilt: float = 8.0
    size: tuple[float, float] = (0.82, 1.05)
    wider: tuple[float, float] = (-1.0, 2.0)
    bend: tuple[float, float] = (1.5, 0.6)
    turn: float = 12.0
    growth: tuple[float, float] = (0.85, 1.35)
    bare: float = 0.35


@dataclass(frozen=True)
class Deformation:
    """From a head's own space, its origin between the habenulae, to MNI space."""

    matrix: np.ndarray
    wider: float
    field: np.ndarray

    def __call__(self, points: np.ndarray, beyond: np.ndarray | None = None) -> np.ndarray:
        """(N, 3) mm -> (N, 3) mm; what `beyond` gives may be that of points close by."""
        return CENTRE_MM + points @ self.matrix.T + (self.beyond(points) if beyond is None else beyond)

    def beyond(self, points: np.ndarray) -> np.ndarray:
        """What the affine leaves out, (N, 3) mm: a wider ventricle, and an elastic deformation."""
        last = np.array(self.field.shape[1:])[:, None] - 1
        places = (points.T / _FIELD_MM + 0.5) * last
        moved = np.stack([map_coordinates(along, places, order=1, mode="nearest") for along in self.field], axis=1)
        moved[:, 0] -= self.wider * np.tanh(points[:, 0] / _MIDLINE_MM)
        return moved

    def where(self, target: np.ndarray) -> np.ndarray:
        """The place (3,) that comes to a target in MNI space, by iteration."""
        place = np.zeros(3)
        for _ in range(12):
            offset = self.beyond(place[None])[0]
            place = 0.5 * place + 0.5 * np.linalg.solve(self.matrix, target - CENTRE_MM - offset)
        return place


@dataclass(frozen=True)
class Placed:
    """A habenula in the head's space: its shape, where, how turned and enlarged."""

    shape: Shape
    place: np.ndarray
    turn: np.ndarray
    growth: np.ndarray

    @property
    def volume_mm3(self) -> float:
        """Of the enlarged shape."""
        return float(self.shape.volume_mm3 * np.prod(self.growth))

    def at(self, points: np.ndarray) -> np.ndarray:
        """Membership (N,), 0 to 1."""
        membership = np.zeros(len(points), np.float32)
        near = np.abs(points - self.place).max(axis=1) < _REACH_MM
        membership[near] = self.shape.at((points[near] - self.place) @ self.turn / self.growth)
        return membership


@dataclass(frozen=True)
class Scene:
    """What is where; see `make_scene`."""

    anatomy: Anatomy
    deformation: Deformation
    habenulae: tuple[Placed, Placed]
    beside: tuple["Blob", ...]

    def tissue(self, points: np.ndarray, beyond: np.ndarray | None = None) -> np.ndarray:
        """Tissue (N,) of the anatomy, see `Anatomy` and `Deformation`."""
        return self.anatomy.at(self.deformation(points, beyond))

    def membership(self, points: np.ndarray) -> np.ndarray:
        """(2, N): right and left habenula, 0 to 1."""
        return np.stack([placed.at(points) for placed in self.habenulae])


@dataclass(frozen=True)
class Blob:
    """Something else that is there: an ellipsoid, or a tube, of any brightness.

    Attributes:
        place: Centre.
        turn: (3, 3) rotation.
        radii: Half axes, mm.
        brightness: In terms of a scan's thalamus.
    """

    place: np.ndarray
    turn: np.ndarray
    radii: np.ndarray
    brightness: float

    def at(self, points: np.ndarray) -> np.ndarray:
        """Membership (N,), 0 to 1, with a border of some tenths of a millimetre."""
        distance = np.linalg.norm((points - self.place) @ self.turn / self.radii, axis=1)
        return np.clip((1 - distance) * self.radii.min() / 0.4 + 0.5, 0, 1)


def make_scene(anatomy: Anatomy, habenulae: Habenulae, rng: np.random.Generator, variety: Variety) -> Scene:
    """Deform an anatomy at random and put both habenulae where they belong, at the wall of the third ventricle."""
    size = rng.uniform(*variety.size) * rng.uniform(0.95, 1.05, 3)
    matrix = _turn(rng, variety.tilt) / size
    slow, fast = (rng.uniform(-bend, bend, (3, n, n, n)) for bend, n in zip(variety.bend, (4, 8), strict=True))
    deformation = Deformation(matrix, rng.uniform(*variety.wider), fast + zoom(slow, (1, 2, 2, 2), order=1))
    turn, growth = _turn(rng, variety.turn), rng.uniform(*variety.growth) * rng.uniform(0.95, 1.05, 3)
    bare = rng.uniform(0, variety.bare)
    placed = []
    for shape, target in zip(habenulae.shapes, SIDE_MM, strict=True):
        own = turn @ _turn(rng, variety.turn / 3)
        upright = Placed(shape, deformation.where(target + rng.normal(0, 0.4, 3)), own, growth)
        placed.append(_at_the_wall(upright, lambda points: anatomy.at(deformation(points)), bare, rng))
    return Scene(anatomy, deformation, (placed[0], placed[1]), _beside(placed, rng))


def _at_the_wall(
    placed: Placed, tissue: Callable[[np.ndarray], np.ndarray], bare: float, rng: np.random.Generator
) -> Placed:
    """Move a habenula to the middle and back until as much of it as wanted stands out into the fluid."""
    cloud = rng.uniform(-4, 4, (1500, 3)) + placed.place
    cloud = cloud[placed.at(cloud) > 0.5]
    direction = np.array([-np.sign(placed.place[0] or 1), -0.4, 0.1])
    best, least = placed.place, np.inf
    for step in np.arange(-2, 3.01, 0.25):
        outside = float(np.mean(tissue(cloud + step * direction) < 0.5))
        if abs(outside - bare) < least - 1e-3:
            best, least = placed.place + step * direction, abs(outside - bare)
    return Placed(placed.shape, best, placed.turn, placed.growth)


def _beside(placed: Sequence[Placed], rng: np.random.Generator) -> tuple[Blob, ...]:
    """The pineal gland, stalks of white matter in front of the habenulae, vessels."""
    blobs = []
    middle = (placed[0].place + placed[1].place) / 2
    if rng.random() < 0.6:
        place = middle + np.array([rng.normal(0, 0.7), rng.uniform(-9, -5), rng.uniform(-4, 2)])
        blobs.append(Blob(place, _turn(rng, 30), rng.uniform(1.5, 3.5, 3), rng.uniform(0.4, 1.4)))
    if rng.random() < 0.6:
        brightness = rng.uniform(1.0, 1.4)
        for one in placed:
            length = rng.uniform(2, 6)
            along = np.array([rng.normal(0, 0.15), 1.0, rng.uniform(0.1, 0.8)])
            turn = _turn_to(along)
            place = one.place + (length + rng.uniform(0.5, 2.0)) * turn[:, 0] + [0, 0, rng.uniform(0, 1.5)]
            radius = rng.uniform(0.3, 0.7)
            blobs.append(Blob(place, turn, np.array([length, radius, radius]), brightness))
    for _ in range(rng.integers(0, 4)):
        place = middle + rng.uniform(-12, 12, 3)
        radius = rng.uniform(0.4, 1.2)
        dark = rng.random() < 0.5
        brightness = rng.uniform(0.1, 0.6) if dark else rng.uniform(1.1, 1.7)
        blobs.append(Blob(place, _turn(rng, 180), np.array([rng.uniform(3, 12), radius, radius]), brightness))
    return tuple(blobs)


def _turn(rng: np.random.Generator, degrees: float) -> np.ndarray:
    return Rotation.from_euler("xyz", rng.uniform(-degrees, degrees, 3), degrees=True).as_matrix()


def _turn_to(direction: np.ndarray) -> np.ndarray:
    """A rotation whose first column is the direction."""
    first = direction / np.linalg.norm(direction)
    second = np.cross([0.0, 0.0, 1.0], first)
    second /= np.linalg.norm(second)
    return np.column_stack([first, second, np.cross(first, second)])
