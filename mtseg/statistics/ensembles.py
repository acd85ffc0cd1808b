"""What the members of an ensemble say together, and how far they disagree."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from mtseg.errors import InputError

_TOLERANCE = 1e-3
"""How far the sum of a subject's probabilities may be from 1."""


@dataclass(frozen=True)
class EnsembleUncertainty:
    """An ensemble's answer and its uncertainty.

    Attributes:
        mean: Averaged probabilities, (N, K).
        entropy: Of the averaged probabilities, (N,), nats: 0 (certain) to log K. All uncertainty together.
        mutual_information: The part of it that comes from the members' disagreement, (N,), nats; NaN for one member.
        sd: Standard deviation of the members' probabilities, (N, K); NaN for one member.
    """

    mean: np.ndarray
    entropy: np.ndarray
    mutual_information: np.ndarray
    sd: np.ndarray


def average_members(members: Iterable[Mapping[str, Tensor]]) -> dict[str, Tensor]:
    """Average what the members of an ensemble say, one after the other: whole volumes are never stacked.

    Args:
        members: Of each, the names of its answers and the answers, probabilities or numbers.

    >>> average_members([{"age": torch.tensor([50.0])}, {"age": torch.tensor([56.0])}])
    {'age': tensor([53.])}
    """
    count, total = 0, dict[str, Tensor]()
    for answers in members:
        count += 1
        total = {name: total[name] + answer if name in total else answer for name, answer in answers.items()}
    return {name: answer / count for name, answer in total.items()}


def entropy(probabilities: Tensor, *, dim: int) -> Tensor:
    """Entropy over the classes, nats."""
    return torch.special.entr(probabilities).sum(dim=dim)


def mutual_information(whole: Tensor, own: Tensor) -> Tensor:
    """The part of an ensemble's uncertainty that comes from its members' disagreement, nats.

    Args:
        whole: Entropy of the averaged probabilities.
        own: Average of the members' own entropies.
    """
    return (whole - own).clamp(min=0)  # rounding can leave a hair below 0 where all agree


def ensemble_uncertainty(member_probabilities: np.ndarray) -> EnsembleUncertainty:
    """Average the members of an ensemble and take its uncertainty apart.

    Args:
        member_probabilities: (M, N, K): M members, N subjects or voxels (any number of axes), K classes. A label is
            two classes: 1 - p and p.

    Raises:
        InputError: There are fewer than three axes or no members, or the probabilities of a subject do not sum to 1.

    References:
        Lakshminarayanan, Pritzel & Blundell, Simple and scalable predictive uncertainty estimation using deep
        ensembles, NeurIPS 2017. Depeweg et al., Decomposition of uncertainty in Bayesian deep learning, ICML 2018.

    >>> agree, differ = [[0.5, 0.5], [0.5, 0.5]], [[1.0, 0.0], [0.0, 1.0]]
    >>> found = ensemble_uncertainty(np.transpose([agree, differ], (1, 0, 2)))
    >>> found.entropy.round(2), found.mutual_information.round(2)
    (array([0.69, 0.69]), array([0.  , 0.69]))
    """
    p = np.ascontiguousarray(member_probabilities, dtype=float)
    if p.ndim < 3 or not len(p):
        raise InputError(f"an ensemble is members x subjects x classes, not of shape {p.shape}")
    if (np.abs(p.sum(axis=-1) - 1) > _TOLERANCE).any():
        raise InputError("the probabilities of every subject must sum to 1: apply softmax first")
    found = average_members({"mean": member, "own": entropy(member, dim=-1)} for member in torch.from_numpy(p))
    whole, mean = entropy(found["mean"], dim=-1), found["mean"].numpy()
    if len(p) == 1:
        return EnsembleUncertainty(mean, whole.numpy(), np.full(whole.shape, np.nan), np.full_like(mean, np.nan))
    disagreement = mutual_information(whole, found["own"]).numpy()
    return EnsembleUncertainty(mean, whole.numpy(), disagreement, p.std(axis=0, ddof=1))
