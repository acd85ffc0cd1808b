"""Does the network's score depend on the voxels that a map calls important? For one image."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from math import nan

import numpy as np
import torch
from captum.metrics import sensitivity_max
from scipy import ndimage
from scipy.integrate import trapezoid
from scipy.sparse.linalg import LinearOperator, cg
from torch import Tensor

from mtseg.errors import InputError
from mtseg.networks.resize import resize

ROAD_FRACTIONS = (0.1, 0.3, 0.5, 0.7, 0.9)
"""Shares of the voxels that ROAD removes."""
SEED = 0
"""Of everything random here, so that the same map gives the same numbers."""

_BLUR = 1 / 8
"""Standard deviation of the blur, as a share of the image's length along each axis."""
_NOISE = 0.01
"""Standard deviation of the noise on voxels that ROAD fills in, in standard deviations of the channel."""
_RADIUS = 0.1
"""Largest change of a voxel by `max_sensitivity`, in standard deviations of the channel."""
SAMPLES = 10
"""Changed images that `max_sensitivity` looks at."""

Score = Callable[[Tensor], Tensor]
"""Images (B, C, *spatial) -> the probability or logit that is explained (B,)."""


@dataclass(frozen=True)
class Faithfulness:
    """Scores of an image while voxels are changed in the order of a map.

    Attributes:
        fractions: Shares of the voxels changed, 0 to 1, (N + 1,).
        deletion: Scores (N + 1,) while the most important voxels are blurred first; a good map's fall early.
        insertion: Scores (N + 1,) while the most important voxels of a blurred image are restored first; a good
            map's rise early.
        most_first: Scores (R,) after the most important `ROAD_FRACTIONS` of the voxels were filled in from the rest.
        least_first: The same for the least important ones.
    """

    fractions: np.ndarray
    deletion: np.ndarray
    insertion: np.ndarray
    most_first: np.ndarray
    least_first: np.ndarray

    def row(self) -> dict[str, float]:
        """Numbers for a table.

        Returns:
            deletion_auc: Area under the deletion curve, in the score's unit; low is good.
            insertion_auc: Area under the insertion curve; high is good.
            road: Mean of least_first - most_first; high is good, and 0 is a map that knows nothing.
        """
        return {
            "deletion_auc": float(trapezoid(self.deletion, self.fractions)),
            "insertion_auc": float(trapezoid(self.insertion, self.fractions)),
            "road": float(np.mean(self.least_first - self.most_first)),
        }


def measure_faithfulness(
    score: Score, image: Tensor, attribution: Tensor, *, steps: int = 20, chunk: int = 8
) -> Faithfulness:
    """Change an image in the order of a map and watch the score.

    What the numbers are worth shows beside those of `random_attribution` on the same image: blurring or filling in
    makes images unlike any in training, to which a network may answer anything.

    Args:
        score: See `Score`.
        image: (C, *spatial), any number of spatial axes.
        attribution: (*spatial), 0 and above, high = important. Equal values are ordered at random.
        steps: N, number of steps of the deletion and insertion curves.
        chunk: Images scored together.

    Raises:
        InputError: The map is not on the image's grid, or has a negative or non-finite value; or `score` does not
            return one number per image.

    References:
        Petsiuk et al., RISE, BMVC 2018: deletion and insertion; here both blur.
        Rong et al., A consistent and efficient evaluation strategy for attribution methods, ICML 2022: ROAD.
    """
    if attribution.shape != image.shape[1:]:
        shapes = f"{tuple(attribution.shape)} and the image {tuple(image.shape[1:])}"
        raise InputError(f"the map has shape {shapes}: resample the map to the image")
    if not (attribution.isfinite().all() and (attribution >= 0).all()):
        raise InputError("the map has a negative or non-finite value: clip it at 0, and look for NaN in the weights")
    rank = torch.from_numpy(importance_rank(attribution)).to(image.device)
    voxels, column = rank.numel(), (-1, *[1] * rank.ndim)
    counts = torch.linspace(0, voxels, steps + 1, dtype=torch.float64).round().long()
    changed = rank < counts.view(column).to(rank)  # (N + 1, *spatial)
    blurred = blur(image)
    most = torch.tensor([int(voxels * fraction) for fraction in ROAD_FRACTIONS]).view(column).to(rank)
    removed = torch.cat([rank < most, rank >= voxels - most])  # (2 R, *spatial)
    road = _scores(score, _filled_in(image, removed, chunk=chunk))
    return Faithfulness(
        fractions=counts.numpy() / voxels,
        deletion=_scores(score, (torch.where(c[:, None], blurred, image) for c in changed.split(chunk))),
        insertion=_scores(score, (torch.where(c[:, None], image, blurred) for c in changed.split(chunk))),
        most_first=road[: len(most)],
        least_first=road[len(most) :],
    )


def importance_rank(attribution: Tensor) -> np.ndarray:
    """Place of each voxel when they are ordered from the most to the least important.

    Equal values are ordered at random: in the order of memory, the large areas where a map is 0 would be removed
    from one side of the image to the other.

    Args:
        attribution: (*spatial).

    Returns:
        The same shape; 0 is the most important.

    >>> importance_rank(torch.tensor([[0.5, 0.1], [0.3, 0.9]]))
    array([[1, 3],
           [2, 0]])
    """
    values = attribution.detach().double().cpu().numpy().ravel()
    rank = np.empty(values.size, dtype=np.int64)
    rank[np.lexsort((np.random.default_rng(SEED).random(values.size), -values))] = np.arange(values.size)
    return rank.reshape(attribution.shape)


def blur(image: Tensor) -> Tensor:
    """Smooth (C, *spatial) until little more than its rough brightness is left."""
    sigma = (0, *(_BLUR * size for size in image.shape[1:]))
    smooth = ndimage.gaussian_filter(image.detach().float().cpu().numpy(), sigma, mode="nearest")
    return torch.from_numpy(smooth).to(image)


def impute(image: np.ndarray, removed: np.ndarray) -> np.ndarray:
    """Fill in voxels so that each is the weighted mean of its neighbours, removed ones among them.

    Neighbours are all voxels of the image that touch at a side, at an edge (half the weight of a side) or, in 3D, at a
    corner (a quarter). In 2D these are the paper's weights, 1/6 and 1/12.

    Args:
        image: (C, *spatial). A channel of NaN, a missing sequence, stays one.
        removed: Boolean, (*spatial).

    Returns:
        (C, *spatial), float64.

    Raises:
        InputError: No voxel is left.

    References:
        Rong et al., ICML 2022, without the noise.

    >>> impute(np.array([[2.0, 0, 0, 8, 0]]), np.array([False, True, True, False, True])).round(3)
    array([[2., 4., 6., 8., 8.]])
    """
    if removed.all():
        raise InputError("every voxel is removed, so that there is nothing to fill in from: keep at least one")
    filled = image.astype(np.float64)
    if not removed.any():
        return filled
    weight = _neighbours(np.ones(removed.shape))
    volume = np.zeros(removed.shape)

    def equations(values: np.ndarray) -> np.ndarray:
        volume[removed] = values
        return (weight * volume - _neighbours(volume))[removed]

    # Symmetric and positive definite: conjugate gradients need the equations only, not a matrix with 26 entries a row.
    system = LinearOperator((removed.sum(),) * 2, matvec=equations, dtype=np.float64)
    for channel in filled:
        if not np.isfinite(channel).all():
            continue
        # Centred, so that the accuracy does not depend on where the channel's 0 is.
        mean = channel[~removed].mean()
        known = _neighbours(np.where(removed, 0, channel - mean))[removed]
        channel[removed] = mean + cg(system, known, rtol=1e-6)[0]
    return filled


def random_attribution(shape: Sequence[int], *, coarse: Sequence[int], seed: int) -> Tensor:
    """Uniform noise as smooth as a class activation map: a map that knows nothing, and that another must beat.

    Args:
        shape: The image's grid, (*spatial).
        coarse: The layer's grid.
        seed: Another one gives another map.

    Returns:
        (*shape), 0 to 1.
    """
    noise = torch.rand(1, 1, *coarse, generator=torch.Generator().manual_seed(seed))
    return resize(noise, shape)[0, 0]


def max_sensitivity(explain: Callable[[Tensor], Tensor], image: Tensor, *, chunk: int = 8) -> float:
    """How much a map changes at most when noise too faint to matter is added to the image.

    Args:
        explain: Images (B, C, *spatial) -> maps (B, *spatial), always of the same class.
        image: (C, *spatial).
        chunk: Images explained together.

    Returns:
        Largest Euclidean distance of maps over some noisy images, divided by the norm of the image's own map; low is
        good. NaN if that map is empty.

    References:
        Yeh et al., On the (in)fidelity and sensitivity of explanations, NeurIPS 2019; captum.
    """
    generator = torch.Generator().manual_seed(SEED)
    spread = _channel_sd(image)
    reference = explain(image[None]).detach().contiguous()
    if not reference.any():
        return nan

    def perturbed(images: Tensor) -> Tensor:
        noise = 2 * torch.rand(images.shape, generator=generator) - 1
        return images + _RADIUS * spread * noise.to(images)

    def explained(images: Tensor | tuple[Tensor, ...]) -> Tensor | tuple[Tensor, ...]:
        if isinstance(images, tuple):  # captum asks so for the map of the image as it is, and wants a tuple back
            return (reference,)
        with torch.enable_grad():  # captum switches gradients off, which many methods need
            return explain(images).detach().contiguous()

    return sensitivity_max(
        explained,
        image[None],
        perturb_func=perturbed,
        n_perturb_samples=SAMPLES,
        max_examples_per_batch=min(chunk, SAMPLES),
    ).item()


def _scores(score: Score, batches: Iterable[Tensor]) -> np.ndarray:
    found = []
    with torch.no_grad():
        for images in batches:
            scores = score(images)
            if scores.shape != images.shape[:1]:
                returned = f"{tuple(scores.shape)} for {len(images)} images"
                raise InputError(f"the score has shape {returned}: it must return one number per image")
            found.append(scores.double().cpu())
    return torch.cat(found).numpy()


def _filled_in(image: Tensor, removed: Tensor, *, chunk: int) -> Iterator[Tensor]:
    """(chunk, C, *spatial): the image with some sets of voxels (M, *spatial) filled in, and faint noise on them."""
    voxels = image.detach().double().cpu()
    # The noise keeps the network from reading in the unnatural smoothness which voxels were removed.
    noise = torch.randn(image.shape, generator=torch.Generator().manual_seed(SEED)) * _NOISE * _channel_sd(voxels)
    for masks in removed.cpu().split(chunk):
        filled = torch.stack([torch.from_numpy(impute(voxels.numpy(), mask.numpy())) for mask in masks])
        yield (filled + masks[:, None] * noise).to(image)


def _channel_sd(image: Tensor) -> Tensor:
    return image.std(dim=tuple(range(1, image.ndim)), correction=0, keepdim=True)


def _neighbours(volume: np.ndarray) -> np.ndarray:
    """Weighted sum over each voxel's neighbours, none outside the image: a binomial filter without its centre."""
    total = volume
    for axis in range(volume.ndim):
        total = ndimage.correlate1d(total, [1.0, 2.0, 1.0], axis=axis, mode="constant")
    return total - 2**volume.ndim * volume
