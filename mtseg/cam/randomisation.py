"""Does a map depend on what the network has learnt?"""

from collections.abc import Callable, Sequence
from copy import deepcopy
from math import nan
from typing import Any

import pandas as pd
import torch
from scipy.stats import spearmanr
from torch import Tensor, nn

SEED = 0
"""Of the random weights."""
STAGES = 20
"""The most of a cascade, see `parameter_groups`."""


def cascading_randomisation(
    network: nn.Module, explain: Callable[[nn.Module], Tensor], *, limit: int = STAGES
) -> pd.DataFrame:
    """Randomise a network from its output to its input and compare its map with the original one after each stage.

    Each parameter is replaced by normal noise of its own mean and standard deviation; stages add up. The map of a
    method that explains the network loses all likeness; one that stays shows the image (edges, say) instead.
    What is constant, such as biases that are all 0, stays as it is, and so do running statistics.

    A stage is one module of `parameter_groups`, the last one first. That is from output to input where modules were
    registered in the order in which they run, as in nearly all networks. A part that the explained answer does not
    depend on, such as the decoder for a head on the bottleneck, changes nothing.

    Args:
        network: Stays untouched: a copy is randomised.
        explain: Maps a network to its map (*spatial) of always the same image and class, not the class it predicts.
        limit: See `parameter_groups`.

    Returns:
        One row per stage: stage (from 1), module, spearman (rank correlation with the original map over voxels; NaN
        where a map is constant or not finite).

    References:
        Adebayo et al., Sanity checks for saliency maps, NeurIPS 2018.
    """
    copy = deepcopy(network)
    parameters = dict(copy.named_parameters())
    generator = torch.Generator().manual_seed(SEED)
    original = explain(copy)
    rows: list[dict[str, Any]] = []
    for module, names in reversed(parameter_groups(network, limit=limit).items()):
        with torch.no_grad():
            for name in names:
                _randomise(parameters[name], generator)
        rows.append({"stage": len(rows) + 1, "module": module, "spearman": _rank_correlation(original, explain(copy))})
    return pd.DataFrame(rows)


def parameter_groups(network: nn.Module, *, limit: int) -> dict[str, Sequence[str]]:
    """Names of a network's parameters by the module that they belong to, in the order of registration.

    Modules are taken as deep in the network as gives no more than `limit` of them, all at one depth: "layer1.0", say,
    instead of "layer1" or "layer1.0.conv1". If even the top level has more than `limit`, it is taken nevertheless.

    Args:
        network: Any torch model.
        limit: Most modules wanted.

    >>> block = nn.Sequential(nn.Linear(2, 2), nn.ReLU(), nn.Linear(2, 2))
    >>> network = nn.Sequential(block, nn.Linear(2, 1))
    >>> parameter_groups(network, limit=2)
    {'0': ['0.0.weight', '0.0.bias', '0.2.weight', '0.2.bias'], '1': ['1.weight', '1.bias']}
    >>> list(parameter_groups(network, limit=3))
    ['0.0', '0.2', '1']
    """
    names = [name for name, _ in network.named_parameters()]
    groups = _groups(names, depth=1)
    for depth in range(2, 1 + max((name.count(".") for name in names), default=0)):
        finer = _groups(names, depth=depth)
        if len(finer) > limit:
            break
        groups = finer
    return groups


def _groups(names: Sequence[str], *, depth: int) -> dict[str, Sequence[str]]:
    groups: dict[str, list[str]] = {}
    for name in names:
        module = name.rpartition(".")[0] or name  # a parameter of the network itself stands for itself
        groups.setdefault(".".join(module.split(".")[:depth]), []).append(name)
    return dict(groups)


def _randomise(parameter: nn.Parameter, generator: torch.Generator) -> None:
    # Drawn on the CPU, so that every device gets the same numbers.
    noise = torch.randn(parameter.shape, generator=generator).to(parameter)
    parameter.copy_(parameter.mean() + parameter.std(correction=0) * noise)


def _rank_correlation(original: Tensor, randomised: Tensor) -> float:
    a, b = (m.detach().double().flatten().cpu().numpy() for m in (original, randomised))
    if a.min() == a.max() or b.min() == b.max():
        return nan
    return float(spearmanr(a, b).statistic)
