"""What was found in one modality."""

from dataclasses import dataclass

import pandas as pd

from mtseg.study.motor_learning.maps import Maps
from mtseg.study.motor_learning.volumes import Volumes

MODALITY = "modality"


@dataclass(frozen=True, eq=False)
class Findings:
    """What was found in one modality.

    Attributes:
        volumes: Its volumes.
        slices: Table of its slices.
        accuracy: See `mtseg.study.motor_learning.accuracy.accuracy_table`.
        maps: None where none were made.
        peaks: Of the mean maps: class, then as `mtseg.cam.peaks.peak_table`; None where there are none.
        persons: See `mtseg.study.motor_learning.regions.of_persons`; None without regions.
        runs: See `mtseg.study.motor_learning.regions.of_runs`; None without regions or repeats.
    """

    volumes: Volumes
    slices: pd.DataFrame
    accuracy: pd.DataFrame
    maps: Maps | None
    peaks: pd.DataFrame | None
    persons: pd.DataFrame | None
    runs: pd.DataFrame | None

    @property
    def name(self) -> str:
        """Of the modality."""
        return self.volumes.name
