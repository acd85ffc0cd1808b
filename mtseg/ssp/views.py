"""The eight standard views: which surface point each pixel shows.

A camera at an infinite distance looks at the template. Where it is and what is up say what is on the picture's right,
so nothing can be mirrored.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from mtseg.errors import InputError
from mtseg.ssp.surface import Surface

PICTURE_MM = 192.0
"""Width and height of what a view shows: the brain of MNI152, 180 mm long, with a margin."""

OUTSIDE = -1
SAMPLES_PER_PIXEL = 2.0
"""Along each direction, of the triangles that are drawn, so that none leaves a hole."""

Direction = tuple[int, int, int]
"""One axis of the world: to the right, to the front, up."""


@dataclass(frozen=True)
class View:
    """One of the standard views.

    Attributes:
        name: For people.
        camera: Where the camera is.
        up: What is up on the picture.
        right: The hemisphere that is shown alone: True for the right one, None for both together.
    """

    name: str
    camera: Direction
    up: Direction = (0, 0, 1)
    right: bool | None = None

    @property
    def axes(self) -> np.ndarray:
        """What is to the right on the picture, up, and towards the camera; a row each, (3, 3).

        >>> VIEWS[0].axes[0].tolist(), VIEWS[3].axes[0].tolist()
        ([0, 1, 0], [-1, 0, 0])
        """
        return np.stack([np.cross(self.up, self.camera), self.up, self.camera])

    @property
    def edges(self) -> tuple[str, str]:
        """Letters of the left and the right edge: L(eft), R(ight), A(nterior) or P(osterior).

        >>> [view.edges for view in VIEWS[:4]]
        [('P', 'A'), ('A', 'P'), ('L', 'R'), ('R', 'L')]
        """
        x, y, _ = self.axes[0]
        pair = "LR" if x else "PA"
        return (pair[0], pair[1]) if x + y > 0 else (pair[1], pair[0])


VIEWS = (
    View("right lateral", camera=(1, 0, 0), right=True),
    View("left lateral", camera=(-1, 0, 0), right=False),
    View("superior", camera=(0, 0, 1), up=(0, 1, 0)),
    View("inferior", camera=(0, 0, -1), up=(0, 1, 0)),
    View("anterior", camera=(0, 1, 0)),
    View("posterior", camera=(0, -1, 0)),
    View("right medial", camera=(-1, 0, 0), right=True),
    View("left medial", camera=(1, 0, 0), right=False),
)
"""The standard views, in the order of the pictures."""

FOUR = ("right lateral", "left lateral", "right medial", "left medial")
"""The views that a diagnosis of dementia looks at, two above two."""


@dataclass(frozen=True, eq=False)
class ViewMaps:
    """What each pixel shows.

    Attributes:
        index: Surface point nearest to the pixel among those visible, or -1; int32 (8, H, W), the top row first.
        shade: How much the surface there faces the camera, 0 to 1, for people's pictures; float32 (8, H, W).
    """

    index: np.ndarray
    shade: np.ndarray

    def render(self, values: np.ndarray) -> np.ndarray:
        """Draw values at the surface points, (N,), as pictures, float32 (8, H, W); NaN outside."""
        return np.append(values, np.nan).astype(np.float32)[self.index]  # OUTSIDE takes the last


@lru_cache(maxsize=4)
def view_maps(surface: Surface, *, size: int = 128) -> ViewMaps:
    """Find out what the eight views show, which is the same for every subject (and kept for the next call).

    Args:
        surface: To look at; its middle is the pictures' middle.
        size: Pixels of a picture along each side.

    Raises:
        InputError: The surface is larger than a picture.
    """
    low, high = surface.points.min(axis=0), surface.points.max(axis=0)
    if (high - low).max() > PICTURE_MM:
        raise InputError(f"surface: {(high - low).max():.0f} mm long, but a picture shows {PICTURE_MM:.0f} mm")
    index = np.stack([_visible(surface, view, middle=(low + high) / 2, size=size) for view in VIEWS])
    cameras = np.array([view.camera for view in VIEWS])
    facing = -np.einsum("vhwi,vi->vhw", surface.normals[index], cameras)
    shade = np.where(index == OUTSIDE, 0, facing.clip(0, 1))
    return ViewMaps(index.astype(np.int32), shade.astype(np.float32))


def four_views(pictures: np.ndarray) -> np.ndarray:
    """Put the lateral views above the medial ones, right before left: (8, H, W) to (2 H, 2 W)."""
    names = [view.name for view in VIEWS]
    a, b, c, d = (pictures[names.index(name)] for name in FOUR)
    return np.block([[a, b], [c, d]])


def _visible(surface: Surface, view: View, *, middle: np.ndarray, size: int) -> np.ndarray:
    """Surface point of each pixel (size, size): all triangles are drawn from the farthest to the nearest."""
    faces = surface.faces
    if view.right is not None:
        faces = faces[surface.right[faces[:, 0]] == view.right]
    pixel_mm = PICTURE_MM / size
    seen = (surface.points - middle) @ view.axes.T  # mm to the right, up, towards the camera
    a, b, c = np.moveaxis(seen[faces], 1, 0)
    faces = faces[np.cross(b - a, c - a)[:, 2] > 0]  # those behind, and those seen edge-on, are hidden
    corners = seen[faces]
    longest = np.linalg.norm(corners - np.roll(corners, 1, axis=1), axis=-1).max()
    weights = _barycentric(int(np.ceil(SAMPLES_PER_PIXEL * longest / pixel_mm)))
    samples = np.einsum("sc,fci->fsi", weights, corners).reshape(-1, 3)
    points = faces[:, weights.argmax(axis=1)].ravel()
    order = np.argsort(samples[:, 2], kind="stable")
    column = np.floor(samples[order, 0] / pixel_mm + size / 2).astype(int)
    row = np.floor(size / 2 - samples[order, 1] / pixel_mm).astype(int)
    index = np.full((size, size), OUTSIDE)
    index[row.clip(0, size - 1), column.clip(0, size - 1)] = points[order]  # of several, the last stays
    return index


def _barycentric(steps: int) -> np.ndarray:
    """Weights of a triangle's corners at points spread over it, (samples, 3).

    >>> _barycentric(1).tolist()
    [[0.0, 0.0, 1.0], [0.0, 1.0, 0.0], [1.0, 0.0, 0.0]]
    """
    first, second = np.array([(i, j) for i in range(steps + 1) for j in range(steps + 1 - i)]).T
    return np.stack([first, second, steps - first - second], axis=1) / steps
