"""Where a map is highest.

nilearn's table of clusters would do for a thresholded statistical map. It lists at most four peaks of a cluster, keeps
no distance between clusters and moves a plateau's peak to its centre of mass; an attention map is one smooth hill after
another with no threshold to part them.
"""

import nibabel as nib
import numpy as np
import pandas as pd
from nibabel.affines import apply_affine
from scipy import ndimage
from skimage.morphology import local_maxima

from mtseg.cam.atlas import NUDGE, Atlas, canonical

_REACH_MM = 10.0
"""A maximum further than this from every region belongs to none."""


def peak_table(
    image: nib.Nifti1Image, *, atlas: Atlas | None = None, count: int = 10, distance_mm: float = 8.0
) -> pd.DataFrame:
    """List the highest maxima of a map, mostly a mean over subjects in MNI space.

    A maximum is a voxel, or a plateau of equal ones, whose 26 neighbours are all lower; of a plateau the voxel nearest
    its middle is given. Of two maxima nearer than `distance_mm` only the higher is listed.

    Args:
        image: The map; NaN: not known. One slice is enough.
        atlas: Names the places.
        count: List no more than these.
        distance_mm: Least distance between two in the list.

    Returns:
        Columns peak (1 is the highest), x_mm, y_mm, z_mm (world: MNI where the map is), value, and with an atlas
        region (at the maximum or the nearest within 10 mm; missing if there is none) and region_distance_mm (0 inside).
        Empty for a constant map.

    Raises:
        InputError: The image is not 3D.
    """
    image = canonical(image)
    values = np.asarray(image.dataobj, dtype=float)
    voxels = _apart(_maxima(values), image.affine, count=count, distance_mm=distance_mm)
    places = apply_affine(image.affine, voxels)
    table = pd.DataFrame(places.round(3), columns=["x_mm", "y_mm", "z_mm"])
    table.insert(0, "peak", range(1, len(table) + 1))
    table["value"] = values[tuple(voxels.T)]
    if atlas is not None:
        named = [nearest_region(place, atlas) for place in places]
        table["region"] = [name for name, _ in named]
        table["region_distance_mm"] = [distance for _, distance in named]
    return table


def nearest_region(place: np.ndarray, atlas: Atlas) -> tuple[str | None, float]:
    """Find the region at a place, or the nearest one within 10 mm.

    Args:
        place: World coordinates, mm (3,).
        atlas: The regions.

    Returns:
        Its name, or None; and the distance to its nearest voxel's centre, mm: 0 if the place is in the region.
    """
    voxel = np.floor(apply_affine(np.linalg.inv(atlas.affine), place) + 0.5 + NUDGE).astype(int)
    within = (voxel >= 0).all() and (voxel < atlas.labels.shape).all()
    if within and (label := atlas.labels[tuple(voxel)]):
        return atlas.names[label - 1], 0.0
    inside = np.argwhere(atlas.labels)
    # Rounded, so that of two voxels equally far the same one is taken however the last digits fall.
    distances = np.linalg.norm(apply_affine(atlas.affine, inside) - place, axis=1).round(3)
    nearest = int(distances.argmin())
    if distances[nearest] > _REACH_MM:
        return None, float("nan")
    return atlas.names[atlas.labels[tuple(inside[nearest])] - 1], float(distances[nearest])


def _maxima(values: np.ndarray) -> np.ndarray:
    """Voxels (n, 3) of the local maxima, highest first."""
    known = np.isfinite(values)
    if not known.any():
        return np.empty((0, 3), dtype=int)
    lowest = values[known].min()
    values = np.where(known, values, lowest)
    # The border is a neighbour like any other that is lower: maxima at the edge of a slice or of the image count.
    tops = local_maxima(values, connectivity=values.ndim).astype(bool) & (values > lowest)
    plateau, plateaus = ndimage.label(tops, structure=np.ones((3,) * values.ndim))
    if not plateaus:
        return np.empty((0, 3), dtype=int)
    voxels = np.argwhere(tops)
    of = plateau[tops] - 1
    middle = np.array(ndimage.center_of_mass(tops, plateau, range(1, plateaus + 1)))
    off = np.linalg.norm(voxels - middle[of], axis=1).round(6)
    order = np.lexsort((off, -values[tops]))
    _, first = np.unique(of[order], return_index=True)
    return voxels[order[np.sort(first)]]


def _apart(voxels: np.ndarray, affine: np.ndarray, *, count: int, distance_mm: float) -> np.ndarray:
    """Take from the top, leaving out what is too near to one taken."""
    taken: list[int] = []
    places = apply_affine(affine, voxels)
    left = np.arange(len(voxels))
    while len(left) and len(taken) < count:
        taken.append(int(left[0]))
        left = left[np.linalg.norm(places[left] - places[left[0]], axis=1) >= distance_mm]
    return voxels[np.array(taken, dtype=int)]
