"""Random changes of a whole batch at once, on the device that trains.

MONAI and TorchIO change one subject at a time in worker processes; with two cores those compete with the network.
One `grid_sample` for the whole batch costs a few per cent of a training step and runs on a GPU unchanged. All random
numbers come from torch's global generator of that device, so a seed fixes them.
"""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

_INTERPOLATION = {2: "bilinear", 3: "trilinear"}


def _uniform(shape: Sequence[int], limit: float, like: Tensor) -> Tensor:
    return torch.empty(tuple(shape), device=like.device).uniform_(-limit, limit)


class SpatialAugment:
    """Rotate, scale, shift, bend and mirror image and mask alike, with one interpolation.

    Args:
        spacing: Voxel size in mm, so that a rotation is one on anisotropic voxels too.
        rotate: Largest angle in each plane, in degrees.
        scale: Largest enlargement or reduction, as a fraction.
        shift: Largest shift along each axis, in mm.
        bend: Largest displacement of a smooth random deformation (control points 16 voxels apart), in mm.
        mirror: Exchange left and right in half of the samples. The first spatial axis must run from left to right
            (orientation RAS or LPS); the classes of left and right structures are exchanged with it.
        swapped: Class index of each class's mirror image, see `Structures.swapped`.
    """

    def __init__(
        self,
        *,
        spacing: Sequence[float],
        rotate: float = 15.0,
        scale: float = 0.15,
        shift: float = 3.0,
        bend: float = 2.0,
        mirror: bool = False,
        swapped: Sequence[int] = (),
    ):
        self.spacing = tuple(spacing)
        self.rotate = rotate
        self.scale = scale
        self.shift = shift
        self.bend = bend
        self.mirror = mirror
        self.swapped = tuple(swapped)

    def __call__(self, image: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Change (B, C, ...) and (B, 1, ...); the mask keeps its values (nearest neighbour)."""
        size = image.shape[2:]
        half_extent = torch.tensor(size, device=image.device) * torch.tensor(self.spacing, device=image.device) / 2
        mirrored = self._mirrored(image)
        theta = self._affine(image, mirrored, half_extent)
        # torch counts coordinates from the last axis to the first
        grid = F.affine_grid(theta.flip(1), list(image.shape), align_corners=False)
        grid = grid + self._bending(image, half_extent)
        image = F.grid_sample(image, grid, mode="bilinear", padding_mode="border", align_corners=False)
        mask = F.grid_sample(mask, grid, mode="nearest", padding_mode="zeros", align_corners=False)
        return image, self._exchange_sides(mask, mirrored)

    def _mirrored(self, image: Tensor) -> Tensor:
        return torch.rand(len(image), device=image.device) < (0.5 if self.mirror else 0.0)

    def _affine(self, image: Tensor, mirrored: Tensor, half_extent: Tensor) -> Tensor:
        """(B, n, n + 1) matrices in array-axis order of rows and torch's order of columns."""
        batch, axes = len(image), image.ndim - 2
        angles = _uniform((batch, axes, axes), self.rotate, image).deg2rad().triu(1)
        matrix = torch.linalg.matrix_exp(angles - angles.mT)
        matrix = matrix * (1 + _uniform((batch, 1, 1), self.scale, image))
        matrix[:, :, 0] *= torch.where(mirrored, -1.0, 1.0)[:, None]
        # from millimetres round the centre to torch's -1..1
        matrix = matrix * half_extent[None, None, :] / half_extent[None, :, None]
        shift = _uniform((batch, axes), self.shift, image) / half_extent
        return torch.cat([matrix.flip(2), shift[:, :, None]], dim=2)

    def _bending(self, image: Tensor, half_extent: Tensor) -> Tensor:
        """(B, ..., n) displacement in torch's coordinates, smooth because its control points are far apart."""
        axes = image.ndim - 2
        points = [max(4, n // 16 + 2) for n in image.shape[2:]]
        field = _uniform((len(image), axes, *points), self.bend, image)
        field = F.interpolate(field, image.shape[2:], mode=_INTERPOLATION[axes], align_corners=True)
        return (field.movedim(1, -1) / half_extent).flip(-1)

    def _exchange_sides(self, mask: Tensor, mirrored: Tensor) -> Tensor:
        if self.swapped and mirrored.any():
            table = torch.tensor(self.swapped, device=mask.device, dtype=mask.dtype)
            twins = mask[mirrored]
            mask[mirrored] = torch.where(twins < 0, twins, table[twins.clamp(min=0).long()])
        return mask


class IntensityAugment:
    """Bias field, blur or sharpening, contrast, brightness, gamma and noise, each in about half of the samples.

    Expects images of mean 0 and standard deviation 1.

    Args:
        bias: Largest logarithm of the smooth multiplicative field.
        blur: Largest mix with the neighbourhood's mean (negative: sharpening).
        contrast: Largest relative change of the standard deviation.
        brightness: Largest shift of the mean, in standard deviations.
        gamma: Largest logarithm of the exponent.
        noise: Largest standard deviation of Gaussian noise.
        together: Change all channels of a sample alike, as they are volumes of one run; else each sequence on its own.
    """

    def __init__(
        self,
        *,
        bias: float = 0.3,
        blur: float = 0.7,
        contrast: float = 0.3,
        brightness: float = 0.3,
        gamma: float = 0.3,
        noise: float = 0.2,
        together: bool = False,
    ):
        self.bias = bias
        self.blur = blur
        self.contrast = contrast
        self.brightness = brightness
        self.gamma = gamma
        self.noise = noise
        self.together = together

    def __call__(self, image: Tensor) -> Tensor:
        """(B, C, ...) -> the same shape."""
        axes = tuple(range(1 if self.together else 2, image.ndim))
        low, high = image.amin(axes, keepdim=True), image.amax(axes, keepdim=True)
        span = (high - low).clamp(min=1e-6)
        image = ((image - low) / span) ** self._strength(image, self.gamma).exp() * span + low
        image = image + self._strength(image, self.blur) * (self._neighbourhood(image) - image)
        image = image * (self._field(image) + self._strength(image, self.contrast))
        image = image + self._strength(image, self.brightness)
        return image + self._strength(image, self.noise) * torch.randn_like(image)

    def _strength(self, image: Tensor, limit: float) -> Tensor:
        """(B, C or 1, 1, ...): 0 for about half, uniform in ±limit for the others."""
        shape = (*self._changed(image), *[1] * (image.ndim - 2))
        return _uniform(shape, limit, image) * (torch.rand(shape, device=image.device) < 0.5)

    def _changed(self, image: Tensor) -> tuple[int, int]:
        """How many samples, and how many of the channels of each, are changed on their own."""
        return len(image), 1 if self.together else image.shape[1]

    def _neighbourhood(self, image: Tensor) -> Tensor:
        average = F.avg_pool2d if image.ndim == 4 else F.avg_pool3d
        return average(image, 3, stride=1, padding=1, count_include_pad=False)

    def _field(self, image: Tensor) -> Tensor:
        axes = image.ndim - 2
        coarse = torch.randn((*self._changed(image), *[4] * axes), device=image.device) * self._strength(
            image, self.bias
        )
        return F.interpolate(coarse / 2, image.shape[2:], mode=_INTERPOLATION[axes], align_corners=True).exp()
