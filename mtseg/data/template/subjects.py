"""Who the subjects of the template cohort are: lesions, age, sex and outcome, drawn without rendering an image."""

import math
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

POOR, GOOD = "poor", "good"

CAPSULE_MM = (25.0, -12.0, 10.0)
"""Posterior limb of the internal capsule in MNI space, as (distance from the midline, y, z)."""

MISSING_SHARE = 0.05
"""Share of the subjects without an outcome, and again without a mask: real tables have such holes."""

VOLUME_RANGE_ML = (2.0, 120.0)
SECOND_LESION_PROBABILITY = 0.25


class Territory(NamedTuple):
    """Where strokes happen: MNI centre as (distance from the midline, y, z) in mm, typical volume, and how often."""

    centre_mm: tuple[float, float, float]
    median_ml: float
    probability: float


TERRITORIES = (
    Territory((44, 0, 28), 35, 0.25),  # middle cerebral artery, superior division
    Territory((48, -38, 12), 35, 0.22),  # middle cerebral artery, inferior division
    Territory((27, 0, 8), 18, 0.23),  # lenticulostriate arteries
    Territory((20, -75, 5), 18, 0.14),  # posterior cerebral artery
    Territory((10, 30, 38), 16, 0.08),  # anterior cerebral artery
    Territory((28, -65, -35), 14, 0.08),  # cerebellar arteries
)


@dataclass(frozen=True)
class Lesion:
    """One infarct.

    Attributes:
        centre_mm: MNI coordinates; x < 0 is left.
        volume_ml: Volume in the subject's own space.
    """

    centre_mm: tuple[float, float, float]
    volume_ml: float

    @property
    def capsule_distance_mm(self) -> float:
        """Distance from the lesion's centre to the internal capsule of its own side."""
        x, y, z = self.centre_mm
        return math.dist((abs(x), y, z), CAPSULE_MM)


@dataclass(frozen=True)
class Subject:
    """One row of the table and all that is needed to render its images.

    Attributes:
        name: BIDS label, "sub-001".
        render_seed: Seed of everything random in the images.
        lesions: The main lesion and perhaps a smaller one in the same hemisphere.
        age: Years.
        sex: "F" or "M".
        outcome: "poor", "good", or None where it is missing.
        has_mask: Whether somebody delineated the lesion.
    """

    name: str
    render_seed: int
    lesions: tuple[Lesion, ...]
    age: int
    sex: str
    outcome: str | None
    has_mask: bool = True

    @property
    def volume_ml(self) -> float:
        """Volume of all lesions together."""
        return sum(lesion.volume_ml for lesion in self.lesions)

    @property
    def is_left(self) -> bool:
        """Whether the lesions are in the left hemisphere."""
        return self.lesions[0].centre_mm[0] < 0


def draw_subjects(count: int, *, seed: int) -> list[Subject]:
    """Draw a cohort; the same seed gives the same cohort.

    >>> [s.outcome for s in draw_subjects(3, seed=0)] == [s.outcome for s in draw_subjects(3, seed=0)]
    True
    """
    cohort_seed, *seeds = np.random.SeedSequence(seed).spawn(count + 1)
    subjects = [_draw_subject(f"sub-{i:03d}", np.random.default_rng(s)) for i, s in enumerate(seeds, start=1)]
    missing = round(MISSING_SHARE * count)
    holes = np.random.default_rng(cohort_seed).permutation(count)
    for i in holes[:missing]:
        subjects[i] = replace(subjects[i], outcome=None)
    for i in holes[missing : 2 * missing]:
        subjects[i] = replace(subjects[i], has_mask=False)
    return subjects


def good_outcome_logit(lesion: Lesion, *, volume_ml: float, age: float) -> float:
    """Log odds of a good outcome: worse with volume, near the internal capsule, on the left and with age.

    The coefficients make the classes about equal and the outcome learnable, but not from the volume alone.

    Args:
        lesion: The main lesion, which gives location and side.
        volume_ml: Volume of all lesions.
        age: Years.
    """
    is_left = lesion.centre_mm[0] < 0
    return (
        -2.5 * math.log(volume_ml / 25)
        + 0.12 * (lesion.capsule_distance_mm - 35)
        - 2.5 * (is_left - 0.5)
        - 0.03 * (age - 69)
    )


def _draw_subject(name: str, rng: np.random.Generator) -> Subject:
    sign = rng.choice([-1, 1])
    main = _draw_lesion(rng, sign)
    lesions = [main]
    if rng.random() < SECOND_LESION_PROBABILITY:
        second = _draw_lesion(rng, sign)
        lesions.append(replace(second, volume_ml=rng.uniform(0.1, 0.3) * main.volume_ml))
    age = int(np.clip(rng.normal(69, 12), 30, 95))
    logit = good_outcome_logit(main, volume_ml=sum(lesion.volume_ml for lesion in lesions), age=age)
    return Subject(
        name=name,
        render_seed=int(rng.integers(2**32)),
        lesions=tuple(lesions),
        age=age,
        sex=str(rng.choice(["F", "M"])),
        outcome=GOOD if rng.logistic() < logit else POOR,
    )


def _draw_lesion(rng: np.random.Generator, sign: int) -> Lesion:
    territory = TERRITORIES[rng.choice(len(TERRITORIES), p=[t.probability for t in TERRITORIES])]
    lateral, y, z = rng.normal(territory.centre_mm, 6)
    volume = np.clip(rng.lognormal(np.log(territory.median_ml), 0.8), *VOLUME_RANGE_ML)
    return Lesion(centre_mm=(sign * max(lateral, 2.0), y, z), volume_ml=float(volume))
