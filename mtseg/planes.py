"""Single slices of a volume: which axis of its grid they lie across, and cutting one out."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import nibabel as nib
import numpy as np

from mtseg.errors import InputError
from mtseg.keys import Column


class Plane(StrEnum):
    """Planes of slices, in the order of the axes that they lie across: to the right, to the front, up."""

    SAGITTAL = "sagittal"
    CORONAL = "coronal"
    AXIAL = "axial"

    @classmethod
    def _missing_(cls, value: object) -> None:
        raise InputError(f"plane '{value}': there is no such. Choose one of {', '.join(cls)}")

    @property
    def across(self) -> int:
        """The axis that a slice lies across, in an image whose axes run to the right, to the front and up."""
        return list(Plane).index(self)

    @property
    def column(self) -> str:
        """Column that says which slice of this plane."""
        return Column[f"SLICE_{self.name}"].value

    def axis(self, affine: np.ndarray) -> tuple[int, bool]:
        """The axis of a stored image nearest to the plane's normal, and whether it runs to the left, back or down.

        >>> Plane.CORONAL.axis(np.diag([2, 2, 5, 1])), Plane.SAGITTAL.axis(np.diag([-1, 1, 1, 1]))
        ((1, False), (0, True))
        """
        orientation = nib.io_orientation(affine)
        axis = int(np.flatnonzero(orientation[:, 0] == self.across)[0])
        return axis, bool(orientation[axis, 1] < 0)


SLICES = tuple(plane.column for plane in Plane)
"""Columns that say which slice of a subject's image is used."""


@dataclass(frozen=True)
class Slice:
    """One slice of a volume.

    Attributes:
        plane: How it lies.
        index: From 0, along the axis of the volume's own grid that runs closest to the plane's normal.
    """

    plane: Plane
    index: int

    @classmethod
    def of(cls, row: Mapping[Any, Any]) -> "Slice | None":
        """The slice that a record or a table's row names, if it names one.

        >>> Slice.of({"participant_id": "a", "slice_axial": 7}), Slice.of({"participant_id": "b"})
        (Slice(plane=<Plane.AXIAL: 'axial'>, index=7), None)
        """
        return next((cls(plane, int(row[plane.column])) for plane in Plane if plane.column in row), None)

    def within(self, affine: np.ndarray) -> tuple[slice, ...]:
        """Where it lies in a volume (X, Y, Z), which becomes a volume of one slice.

        >>> np.zeros((9, 10, 11))[Slice(Plane.AXIAL, 7).within(np.eye(4))].shape
        (9, 10, 1)
        """
        axis, _ = self.plane.axis(affine)
        return tuple(slice(self.index, self.index + 1) if a == axis else slice(None) for a in range(3))
