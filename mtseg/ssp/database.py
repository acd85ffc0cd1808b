"""A group of normal people at the points of a surface, and how far a subject is from them."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from mtseg.errors import InputError
from mtseg.files import replacing
from mtseg.ssp.regions import Reference
from mtseg.ssp.surface import Surface

LEAST_SUBJECTS = 3
"""Of whom a point's mean and SD are taken; elsewhere it has no Z."""

SD_FLOOR = 0.02
"""Least SD, as a share of the median of the points' means: a few subjects agree somewhere by chance."""


@dataclass(frozen=True, eq=False)
class NormalDatabase:
    """Perfusion of normal subjects, normalised to a reference region.

    Attributes:
        subjects: Their ids.
        profiles: Perfusion at the surface points, reference region = 1, NaN where not measured; float32 (S, N).
        reference: What it was divided by, and a patient's has to be divided by too.
        surface: Fingerprint of the surface.
    """

    subjects: tuple[str, ...]
    profiles: np.ndarray
    reference: Reference
    surface: str

    @classmethod
    def of(cls, profiles: Mapping[str, np.ndarray], *, surface: Surface, reference: Reference) -> "NormalDatabase":
        """Collect normal subjects.

        Args:
            profiles: Subject's id to its normalised perfusion, (N,).
            surface: That they were projected to.
            reference: That they were divided by.

        Raises:
            InputError: Fewer than three subjects, or an array of another length.
        """
        if len(profiles) < LEAST_SUBJECTS:
            raise InputError(f"normal database: {len(profiles)} subjects, but {LEAST_SUBJECTS} are the least")
        points = len(surface.points)
        if wrong := [subject for subject, profile in profiles.items() if profile.shape != (points,)]:
            raise InputError(f"{', '.join(wrong)}: not projected to this surface, which has {points} points")
        stacked = np.stack(list(profiles.values())).astype(np.float32)
        return cls(tuple(profiles), stacked, reference, surface.fingerprint)

    def mean_sd_n(self, *, without: str | None = None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Mean, SD (n - 1) and number of subjects of each point, (N,) each; SD has no floor here.

        Args:
            without: A subject to leave out.

        Raises:
            InputError: The subject is not in the database, or fewer than three are left.
        """
        if without is not None and without not in self.subjects:
            raise InputError(f"normal database: has no subject {without} to leave out")
        kept = [subject != without for subject in self.subjects]
        if sum(kept) < LEAST_SUBJECTS:
            raise InputError(f"normal database: without {without} {sum(kept)} subjects, {LEAST_SUBJECTS} are the least")
        profiles = self.profiles[kept].astype(float)
        known = np.isfinite(profiles)
        n = known.sum(axis=0)
        count = np.where(n >= LEAST_SUBJECTS, n, np.nan)
        mean = np.where(known, profiles, 0).sum(axis=0) / count
        squares = np.where(known, profiles - mean, 0) ** 2
        return mean, np.sqrt(squares.sum(axis=0) / (count - 1)), n

    def z(self, profile: np.ndarray, *, without: str | None = None) -> np.ndarray:
        """Z = (normal mean - subject) / normal SD, so reduced perfusion is positive.

        Args:
            profile: Perfusion at the surface points, divided by the same reference region, (N,).
            without: The member of the database that this is, or that a simulated case was made of: compared with
                itself it would look too normal.

        Returns:
            (N,), NaN where the subject or all but two normal subjects are not measured.

        Raises:
            InputError: Another number of points, no such member, or fewer than three are left.
        """
        if profile.shape != self.profiles.shape[1:]:
            raise InputError(
                f"profile: shape {profile.shape}, but the database has {self.profiles.shape[1]} points. "
                "Project the image to the surface that the database was made with"
            )
        mean, sd, _ = self.mean_sd_n(without=without)
        return (mean - profile) / np.maximum(sd, SD_FLOOR * np.nanmedian(mean))

    def leave_one_out(self) -> np.ndarray:
        """Z of each member against the others, (S, N)."""
        return np.stack(
            [self.z(profile, without=name) for name, profile in zip(self.subjects, self.profiles, strict=True)]
        )

    def save(self, path: str | os.PathLike) -> None:
        """Write one .npz file, with mean, SD and n of each point for other programs."""
        mean, sd, n = self.mean_sd_n()
        with replacing(path) as temporary, temporary.open("wb") as file:  # by its path NumPy would change the name
            np.savez_compressed(
                file,
                subjects=np.array(self.subjects),
                profiles=self.profiles,
                reference=self.reference.value,
                surface=self.surface,
                mean=mean,
                sd=sd,
                n=n,
            )

    @classmethod
    def load(cls, path: str | os.PathLike, *, surface: Surface) -> "NormalDatabase":
        """Read what `save` wrote.

        Raises:
            InputError: The file is missing or no database, or was made with another surface.
        """
        try:
            with np.load(Path(path), allow_pickle=False) as file:
                subjects, profiles = tuple(file["subjects"].tolist()), file["profiles"]
                reference, fingerprint = Reference(str(file["reference"])), str(file["surface"])
        except (OSError, KeyError, ValueError, TypeError, BadZipFile) as error:
            raise InputError(f"{path}: no normal database of 3D-SSP ({error})") from error
        if fingerprint != surface.fingerprint:
            raise InputError(f"{path}: made with another surface. Use the one it was made with, or make it anew")
        return cls(subjects, profiles, reference, fingerprint)
