"""Which structures are measured in a head, and what is known of each."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from mtseg.data.synthetic_heads import CROP_SHAPE
from mtseg.volumetry.scans.intensities import Histogram

SIDES = ("left", "right")


@dataclass(frozen=True)
class Structure:
    """A structure that there is on either side.

    Attributes:
        name: As in the names of files.
        bundle: The network that finds it.
        parts: What the network tells apart within one side, in its order; empty: nothing.
        centres_mm: Middle of the left and of the right one in MNI space.
        one_crop: Whether the network sees both sides in one crop and tells them apart, or each in its own.
        crop_shape: Voxels of the network's crop.
        looks: How often a crop is looked at.
        histogram: Of the crops that the network was trained on, if they were scanned alike; None: they were not.
        threshold: Probability from which a place belongs to it, where no profile says otherwise.
        found_mm3: A side with less, in probabilities, is not there.
        plausible_mm3: Smallest and largest volume on the left and on the right.
        coarse_mm: Longest edge of a voxel from which a scan is coarse.
        sign: 1 where it is brighter than the brighter half of what surrounds it, -1 where it is darker.
        picture_mm: What the picture shows, from edge to edge.
        caution: What must be known of the weights.
    """

    name: str
    bundle: str
    parts: tuple[str, ...]
    centres_mm: tuple[tuple[float, float, float], tuple[float, float, float]]
    one_crop: bool
    crop_shape: tuple[int, int, int]
    looks: int
    histogram: Histogram | None
    threshold: float
    found_mm3: float
    plausible_mm3: tuple[tuple[float, float], tuple[float, float]]
    coarse_mm: float
    sign: int
    picture_mm: float
    caution: str

    @property
    def crops(self) -> Iterator[tuple[tuple[str, ...], np.ndarray]]:
        """Sides in each crop, and where in MNI space its middle lies, mm."""
        if self.one_crop:
            yield SIDES, np.mean(self.centres_mm, axis=0)
        else:
            yield from (((side,), np.array(centre)) for side, centre in zip(SIDES, self.centres_mm, strict=True))

    @property
    def labels(self) -> list[str]:
        """Names of the values 1, 2, ... in a mask."""
        return ["_".join(filter(None, (self.name, side, part))) for side in SIDES for part in self.parts or ("",)]


RESEARCH = "Research only; not a medical device."

HABENULA = Structure(
    name="habenula",
    bundle="habenula_t1",
    parts=(),
    centres_mm=((-3.0, -23.7, 2.7), (3.0, -23.7, 2.7)),
    one_crop=True,
    crop_shape=CROP_SHAPE,
    looks=15,
    histogram=None,
    threshold=0.45,  # masks of training people in the anatomy of a training head overlap best there
    found_mm3=2.0,  # the smallest of 1,001 young adults has 4.6 mm³
    # 0.5th and 99.5th percentile of the volumes of 1,001 healthy adults aged 22 to 37 (HCP S1200 derivative of Kim and
    # Xu, means 16.7 and 17.7, standard deviations 3.4 and 3.7).
    plausible_mm3=((8.00, 25.33), (7.58, 26.00)),
    coarse_mm=1.3,  # it is about 3 mm thick
    sign=1,  # the thalamus beside it is darker
    picture_mm=26.0,
    caution="The shipped weights were trained on synthetic heads only. They are not validated on hand-drawn labels. "
    + RESEARCH,
)

_DECATHLON = (-2.02, -1.72, -1.38, -1.11, -0.93, -0.77, -0.63, -0.49, -0.33, -0.15, 0.03,
              0.22, 0.41, 0.57, 0.72, 0.86, 1.0, 1.12, 1.25, 1.41, 1.69)  # fmt: skip

HIPPOCAMPUS = Structure(
    name="hippocampus",
    bundle="hippocampus_t1",
    parts=("anterior", "posterior"),
    centres_mm=((-25.3, -22.0, -11.4), (28.9, -21.0, -11.6)),  # of AAL's regions
    one_crop=False,
    crop_shape=(40, 56, 48),  # as large as the largest crops of its training, most have 35 x 50 x 36
    looks=7,  # it is larger, and its network slower
    histogram=Histogram(values=_DECATHLON, shape=(35, 50, 36)),
    threshold=0.5,
    found_mm3=500.0,
    # 0.5th and 99.5th percentile of the 193 drawn ones that the network was trained on, of either group, widened by a
    # fifth: they are of adults of one centre.
    plausible_mm3=((1930.0, 5260.0), (1930.0, 5260.0)),
    coarse_mm=1.6,
    sign=-1,  # white matter is brighter
    picture_mm=100.0,
    caution="The shipped weights were trained on drawn crops of 193 hippocampi of one centre. On whole heads they were "
    "compared with automatic labels only. " + RESEARCH,
)
