"""All checks of one subject's map in one call."""

from collections.abc import Callable
from dataclasses import dataclass
from math import ceil

import pandas as pd
import torch
from torch import Tensor, nn

from mtseg.cam.faithfulness import SAMPLES, max_sensitivity, measure_faithfulness, random_attribution
from mtseg.cam.randomisation import STAGES, cascading_randomisation, parameter_groups
from mtseg.cam.subject import SubjectExplainer

CHUNK = 4
"""Changed images that go through the network together."""


@dataclass(frozen=True)
class MapChecks:
    """What the checks of one subject's map found.

    Attributes:
        row: Columns of the table of explanations: each measure, and the same of a random map of the bottleneck's
            resolution.
        curves: Columns fraction, deletion, insertion, deletion_random, insertion_random: the score, step by step.
        cascade: Table of the randomisation, see `cascading_randomisation`.
    """

    row: dict[str, float]
    curves: pd.DataFrame
    cascade: pd.DataFrame


def check_map(explainer: SubjectExplainer, network: nn.Module, image: Tensor, *, seed: int) -> MapChecks:
    """Check the map of the subject that was explained last, that of the first layer.

    Args:
        explainer: Holds the map and its target.
        network: The first member. Weights are randomised in it only, and noise is added for it only.
        image: (C, *spatial), as it went into the network, on any device.
        seed: Of the random map; another one for each subject, so that a mean over subjects is one over random maps.
    """

    def first_layer(one: Tensor, member: nn.Module) -> Tensor:
        return next(iter(explainer.member_maps(one, member, explainer.target).values()))

    def explain(images: Tensor) -> Tensor:
        return torch.cat([first_layer(one, network) for one in images.split(1)])

    def score(images: Tensor) -> Tensor:
        return explainer.scores(images, network)

    image = image.to(explainer.cam.device)
    coarse = [ceil(n / r) for n, r in zip(image.shape[1:], network.reduction, strict=True)]  # type: ignore[arg-type]
    rivals = {"": explainer.cam[0, 0], "_random": random_attribution(image.shape[1:], coarse=coarse, seed=seed)}
    found = {
        suffix: measure_faithfulness(score, image, rival.to(image), chunk=CHUNK) for suffix, rival in rivals.items()
    }
    row = {f"{name}{suffix}": value for suffix, one in found.items() for name, value in one.row().items()}
    curves = {"fraction": found[""].fractions}
    for suffix, one in found.items():
        curves |= {f"deletion{suffix}": one.deletion, f"insertion{suffix}": one.insertion}
    row["max_sensitivity"] = max_sensitivity(explain, image, chunk=CHUNK)
    cascade = cascading_randomisation(network, _only(first_layer, image))
    row["randomised_spearman"] = float(cascade["spearman"].iloc[-1])
    return MapChecks(row, pd.DataFrame(curves), cascade)


def passes(explainer: SubjectExplainer, network: nn.Module, image: Tensor) -> int:
    """Count the images that pass through the network while `check_map`, whose arguments these are, makes maps anew.

    It makes one map to count them.
    """
    counted: list[int] = []
    handle = network.register_forward_hook(lambda _, inputs, __: counted.append(len(inputs[0])))
    try:
        explainer.member_maps(image[None].to(explainer.cam.device), network, explainer.target)
    finally:
        handle.remove()
    return sum(counted) * (2 + SAMPLES + len(parameter_groups(network, limit=STAGES)))


def _only(explain: Callable[[Tensor, nn.Module], Tensor], image: Tensor) -> Callable[[nn.Module], Tensor]:
    return lambda member: explain(image[None], member)[0]
