"""From a 4D run to channels that a network can learn from."""

from typing import Any

import numpy as np
import torch
from monai.data import MetaTensor
from monai.transforms import Transform
from scipy.signal import detrend

from mtseg.keys import Column, Key


class StandardiseRun(Transform):
    """Take each voxel's mean and linear trend over the run out, divide by its standard deviation, cut the sample out.

    A voxel's raw value says far more about its tissue than about what it is doing; normalised like other images, over
    space, a volume would show anatomy and little else. Over time each voxel becomes its own reference: what is left is
    how far a volume is from this voxel's mean in this run, whatever the coil's sensitivity and the scanner's drift. All
    of the run is used, also for a sample that is a stretch of it: by its own mean, a block of a task would lose how it
    differs from the rest. How strongly a voxel fluctuates is lost; maps such as mALFF say that.

    A voxel that never changes, such as air in a run whose air is 0, becomes 0 throughout. Noise in air that is not 0
    counts as much as the brain.
    """

    def __call__(self, data: dict[str, Any]) -> dict[str, Any]:
        """Record with `image` (volumes of the run, D, H, W) -> the same with the sample's volumes, in SDs."""
        data = dict(data)
        first, volumes = data.pop(Column.FIRST_VOLUME, None) or 0, data.pop(Column.VOLUMES, None)
        image = data[Key.IMAGE]
        courses = image.numpy()
        left = detrend(courses - courses.mean(axis=0), axis=0)
        sd = left.std(axis=0)
        # What rounding leaves of a constant or a straight line is no signal.
        changing = sd > np.finfo(np.float32).eps * np.abs(courses).max(axis=0)
        standardised = np.divide(left, sd, out=np.zeros_like(left), where=changing)
        sample = standardised[first : None if volumes is None else first + volumes]
        data[Key.IMAGE] = MetaTensor(torch.from_numpy(sample.astype(np.float32)), meta=image.meta)
        return data
