"""Cases compared with the normal subjects: each display of one becomes a picture file and a table row."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mtseg.keys import Column
from mtseg.ssp import NormalDatabase, Reference, mni_surface
from mtseg.study.perfusion.cases import DIAGNOSIS, Projected
from mtseg.study.perfusion.composite import composite, grey_values
from mtseg.study.perfusion.displays import WAYS, Way, Window
from mtseg.study.pictures import save_picture

FOLDER = "pictures"
PICTURE = "picture"
"""Column of the pictures' paths."""

BASE_SUBJECT = "base_subject"
"""Column of who is shown, or whom the patient was made of. Not `group`: a table with groups in two folds is refused."""

CASE = "case"
"""Column of what several pictures show: a subject with a pattern."""


@dataclass(frozen=True, eq=False)
class Drawing:
    """Draws cases into a folder.

    Attributes:
        out: The folder of the tables.
        databases: Normal subjects, for each reference region.
        size: Pixels of a picture along each side.
    """

    out: Path
    databases: Mapping[Reference, NormalDatabase]
    size: int

    @classmethod
    def against(cls, normals: Sequence[Projected], *, out: Path, size: int) -> "Drawing":
        """Compare with these normal subjects."""
        surface = mni_surface()
        profiles = {ref: {one.subject: one.profile(ref) for one in normals} for ref in Reference}
        databases = {ref: NormalDatabase.of(profiles[ref], surface=surface, reference=ref) for ref in Reference}
        return cls(out, databases, size)

    def ways(self, cases: Sequence[Projected]) -> list[Way]:
        """Find the ways to show a normal subject and the patients made of it in which none is black all over.

        Then the reference region is unsuitable for the subject, and the source leaves such data out.
        """
        brightest = {
            reference: min(
                np.nanmax(composite(self._z(case, reference, case.subject), size=self.size)) for case in cases
            )
            for reference in Reference
        }
        return [(reference, window) for reference, window in WAYS if window.lower < brightest[reference]]

    def draw(
        self, name: str, case: Projected, reference: Reference, window: Window, *, without: str | None = None
    ) -> dict[str, Any]:
        """Write the picture of one display.

        Args:
            name: Id of the picture.
            case: What to show.
            reference: Region that perfusion is divided by.
            window: Z that are shown.
            without: Normal subject to leave out of the comparison.

        Returns:
            The picture's row of a cohort table.
        """
        pixels = grey_values(self._z(case, reference, without), window, size=self.size)
        path = f"{FOLDER}/{name}.nii.gz"
        save_picture(self.out / path, pixels)
        return {
            Column.SUBJECT.value: name,
            PICTURE: path,
            DIAGNOSIS: case.pattern.value,
            BASE_SUBJECT: case.subject,
            CASE: f"{case.subject} {case.pattern}",
            "reference": reference.value,
            "window_lower": window.lower,
            "window_upper": window.upper,
            "reduction": case.reduction,
            Column.SLICE_AXIAL.value: 0,
        }

    def _z(self, case: Projected, reference: Reference, without: str | None) -> np.ndarray:
        return self.databases[reference].z(case.profile(reference), without=without)
