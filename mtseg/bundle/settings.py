"""What a bundle's settings must be, its own as well as changed ones."""

from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from dataclasses import replace
from inspect import signature
from pathlib import Path
from typing import Any

import torch
from monai.bundle import ConfigParser

from mtseg.bundle.config import KINDS
from mtseg.engine import check_settings
from mtseg.engine.settings import is_count, is_number
from mtseg.errors import Problem, ProblemsError
from mtseg.keys import Column
from mtseg.tasks import Structures, heads_from

_KIND_OF = {
    "sequences": list,
    "optional_sequences": list,
    "network_def": dict,
    "loss_weights": dict,
    "mirror": bool,
    "brain_only": bool,
}

_OF_PREDICTIONS = {"simple_scores": list, "lower_is_positive": list, "probabilities": bool}
"""The same, of those that no training has."""


def check_training_settings(config: Mapping[str, Any], changes: Mapping[str, Any]) -> None:
    """Refuse what would break a training off in its first steps, or do something else than what is written.

    Args:
        config: Of a bundle.
        changes: Top-level settings.

    Raises:
        ProblemsError: All that is wrong with the changed settings.
    """
    changed = {**dict.fromkeys([*_KIND_OF, "structures", "heads"]), **config, **changes}
    problems = [*wrong_kinds(changed)]
    wrong = {problem.where for problem in problems}
    if changed["structures"] == changed["heads"] == {}:
        problems.append(Problem("", "", "there are neither structures nor heads, so nothing to learn", "Name one"))
    parser = ConfigParser({**changed})  # numbers may be expressions
    numbers = {name: parser.get_parsed_content(name, default=None) for name in signature(check_settings).parameters}
    found = _told(check_settings, **numbers | ({"sequences": []} if "sequences" in wrong else {}))
    problems += [problem for problem in found if problem.where not in wrong]
    if wrong.isdisjoint(_KIND_OF):
        gone = {*(config.get("sequences") or ())} if "optional_sequences" not in changes else set()
        problems += [*_wrong_sequences(changed), *_wrong_optional(changed, gone=gone)]
        problems += _wrong_weights(changed["loss_weights"])
        if "_target_" not in changed["network_def"]:
            problems.append(Problem("", "network_def", "has no _target_", "Name the network there"))
    if problems:
        raise ProblemsError(problems)


def check_kinds(config: Mapping[str, Any], *, file: Path) -> None:
    """Refuse settings of another kind than they must be.

    Raises:
        ProblemsError: All of them; names the file.
    """
    if problems := [replace(problem, where=f"{file}: {problem.where}") for problem in wrong_kinds(config)]:
        raise ProblemsError(problems)


def wrong_kinds(config: Mapping[str, Any]) -> Iterator[Problem]:
    """Say which settings are of another kind than they must be, of those that there are."""
    yield from _told(Structures, config.get("structures", {}))
    yield from _told(heads_from, config.get("heads", {}))
    for name, fits, remedy in (
        ("tile_size", lambda size: isinstance(size, list) and all(map(is_count, size)), "Give voxels along each axis"),
        ("largest_voxel_mm", _is_length, "Give a size in mm above 0"),
        ("largest_image_mm", _is_length, "Give a size in mm above 0"),
    ):
        value = config.get(name)
        if not (value is None or _is_expression(value) or fits(value)):
            yield Problem("", name, f"is {value!r}", f"{remedy}, or null")
    if config.get("plane", "axial") is None:
        yield Problem("", "plane", "is None", "Name it: sagittal, coronal or axial")
    for name, kind in (_KIND_OF | _OF_PREDICTIONS).items():
        value = config.get(name, kind())
        of_names = kind is not list or (isinstance(value, list) and all(isinstance(part, str) for part in value))
        if not (isinstance(value, kind) and of_names) and not (kind is bool and _is_expression(value)):
            yield Problem("", name, f"is {value!r}", f"Give {KINDS[kind]}")


def check_device(config: Mapping[str, Any]) -> None:
    """Refuse a device that cannot be used; to be asked where it would compute, which need not be where it is planned.

    Raises:
        ProblemsError: Names those that there are.
    """
    try:
        torch.ones(1, device=torch.device(ConfigParser({**config}).get_parsed_content("device"))).item()
    except (RuntimeError, TypeError, AssertionError, ImportError) as error:
        there = ["cpu", *(str(torch.device(number)) for number in range(torch.accelerator.device_count()))]
        what = f"{config.get('device')} cannot be used on this machine"
        raise ProblemsError([Problem("", "device", what, f"Use {' or '.join(there)}")]) from error


def _is_length(value: Any) -> bool:
    return is_number(value) and value > 0


def _is_expression(value: Any) -> bool:
    return str(value).startswith(("$", "@"))


def _told(check: Callable[..., Any], *args: Any, **options: Any) -> Sequence[Problem]:
    try:
        check(*args, **options)
    except ProblemsError as error:
        return error.problems
    return ()


def _wrong_sequences(config: Mapping[str, Any]) -> Iterator[Problem]:
    """Those that are there twice, and columns that are no images, or, as the mask, the answer."""
    if reserved := {*Column}.intersection(config["sequences"]):
        yield Problem("", "sequences", f"{', '.join(reserved)}: is no sequence", "Name columns of images to learn from")
    for name in ("sequences", "optional_sequences"):
        if len({*config[name]}) < len(config[name]):
            yield Problem("", name, f"is {config[name]!r}", "Name each once")


def _wrong_optional(config: Mapping[str, Any], *, gone: Set[str]) -> Iterator[Problem]:
    """Optional sequences that there are not; those that are `gone` will be left out of them."""
    if unknown := [name for name in config["optional_sequences"] if name not in {*config["sequences"]} | gone]:
        what = f"{', '.join(unknown)} is none of {', '.join(config['sequences'])}"
        yield Problem("", "optional_sequences", what, "Correct it")


def _wrong_weights(weights: Mapping[str, Any]) -> Iterator[Problem]:
    """Weights that would break a training in its first step, or turn a loss round."""
    for task, weight in weights.items() if "_target_" not in weights else ():
        if not (is_number(weight) or isinstance(weight, Mapping) or _is_expression(weight)):
            yield Problem("", "loss_weights", f"{task} is {weight!r}", "Give a number from 0, such as 0.3")
