"""How each normal subject is shown: reference regions and display windows drawn, and pictures held out.

The source varies both until there are 369 pictures of 28 subjects, so the pictures of one subject resemble each other.
Held out at random, as published, a picture has siblings among those that are trained on; the other split has none.
"""

from collections.abc import Sequence
from enum import StrEnum
from itertools import product
from typing import NamedTuple

import numpy as np

from mtseg.errors import InputError
from mtseg.ssp import Reference

LOWER = (1.0, 1.5, 2.0)
UPPER = (4.0, 5.0, 6.0, 7.0)
"""Z that a display shows black, and white. The source varies both without saying how; these are chosen here."""

VALIDATION, TRAINING, UNUSED = 0, 1, -1
"""Folds of a picture; UNUSED: of a subject that is held out, but not needed."""


class Window(NamedTuple):
    """Range of Z that is shown.

    Attributes:
        lower: Black here and below.
        upper: White here and above.
    """

    lower: float
    upper: float


Way = tuple[Reference, Window]
"""To show a case: the region that perfusion is divided by, and the Z that are shown."""

WAYS: tuple[Way, ...] = tuple(product(Reference, (Window(*pair) for pair in product(LOWER, UPPER))))


class Display(NamedTuple):
    """One way to show one normal subject, and the patients made of it.

    Attributes:
        base: Number of the subject, from 0.
        reference: Region that perfusion is divided by.
        window: Z that are shown.
    """

    base: int
    reference: Reference
    window: Window


class Split(StrEnum):
    """Which pictures are held out from training."""

    PUBLISHED = "published"
    """Any of them: nearly all have siblings among those that are trained on."""
    DISJOINT = "disjoint"
    """All pictures of some subjects."""


def draw_displays(ways: Sequence[Sequence[Way]], *, count: int, seed: int) -> tuple[Display, ...]:
    """Draw without replacement among all ways to show all subjects, as evenly over the subjects as can be.

    Args:
        ways: To show each subject.
        count: How many to draw.
        seed: Of the draw.

    Returns:
        In the order of the subjects.

    Raises:
        InputError: There are not so many.
    """
    most = sum(map(len, ways))
    if not 1 <= count <= most:
        raise InputError(
            f"pictures per class: {count}, but {len(ways)} normal subjects, each with up to {len(WAYS)} pairs of a "
            f"reference region and a display window, give from 1 to {most}. Ask for fewer, or take more subjects"
        )
    rng = np.random.default_rng([seed, *b"displays"])
    subjects = rng.permutation(len(ways)).tolist()
    order = [rng.permutation(len(one)) for one in ways]
    drawn = [
        Display(base, *ways[base][order[base][turn]])
        for turn in range(len(WAYS))
        for base in subjects
        if turn < len(ways[base])
    ]
    return tuple(sorted(drawn[:count]))


def divide(displays: Sequence[Display], split: Split, *, validation: int, seed: int) -> np.ndarray:
    """Choose the displays to validate on.

    Args:
        displays: Of `draw_displays`.
        split: PUBLISHED draws among all; DISJOINT draws among those of as few subjects as have enough of them.
        validation: How many.
        seed: Of the choice.

    Returns:
        VALIDATION, TRAINING or UNUSED for each, int (D,).

    Raises:
        InputError: None would be left to train on.
    """
    bases = np.array([display.base for display in displays])
    rng = np.random.default_rng([seed, *split.encode()])
    held_out = np.ones(len(bases), dtype=bool)
    if split is Split.DISJOINT:
        held_out = np.isin(bases, _fewest(bases, validation, rng))
    if not 1 <= validation < len(bases) or (split is Split.DISJOINT and held_out.all()):
        raise InputError(
            f"validation pictures per class: {validation} of {len(bases)}, from {len(set(bases.tolist()))} normal "
            f"subjects, leave none to train on in the {split} split, or are none. Ask for at least 1, but fewer"
        )
    folds = np.where(held_out & (split is Split.DISJOINT), UNUSED, TRAINING)
    folds[rng.choice(np.flatnonzero(held_out), validation, replace=False)] = VALIDATION
    return folds


def _fewest(bases: np.ndarray, needed: int, rng: np.random.Generator) -> np.ndarray:
    """Subjects, those with most pictures first and else in random order, until they have as many as needed."""
    subjects, counts = np.unique(bases, return_counts=True)
    order = rng.permutation(len(subjects))
    order = order[np.argsort(-counts[order], kind="stable")]
    enough = np.searchsorted(counts[order].cumsum(), needed) + 1
    return subjects[order[:enough]]
