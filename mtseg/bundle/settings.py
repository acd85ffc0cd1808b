"""What a bundle's settings must be, its own as well as changed ones."""

from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from inspect import signature
from typing import Any

from monai.bundle import ConfigParser

from mtseg.bundle.config import KINDS
from mtseg.engine import check_settings
from mtseg.engine.settings import is_number
from mtseg.errors import Problem, ProblemsError
from mtseg.tasks import Structures, heads_from

_KIND_OF = {
    "sequences": list,
    "optional_sequences": list,
    "network_def": dict,
    "loss_weights": dict,
    "mirror": bool,
    "brain_only": bool,
}


def check_training_settings(config: Mapping[str, Any], changes: Mapping[str, Any]) -> None:
    """Refuse what would break a training off in its first steps, or do something else than what is written.

    Args:
        config: Of a bundle.
        changes: Top-level settings.

    Raises:
        ProblemsError: All that is wrong with the changed settings.
    """
    changed = {**dict.fromkeys(_KIND_OF), **config, **changes}
    wrong = {problem.where: problem for problem in wrong_kinds(changed)}
    structures, heads = changed.get("structures"), changed.get("heads")
    problems = [*wrong.values(), *_told(Structures, structures), *_told(heads_from, heads)]
    if structures == heads == {}:
        problems.append(Problem("", "", "there are neither structures nor heads, so nothing to learn", "Name one"))
    parser = ConfigParser({**changed})  # numbers may be expressions
    numbers = {name: parser.get_parsed_content(name, default=None) for name in signature(check_settings).parameters}
    problems += _told(check_settings, **numbers | ({"sequences": []} if "sequences" in wrong else {}))
    if not wrong:
        gone = {*(config.get("sequences") or ())} if "optional_sequences" not in changes else set()
        problems += [*_wrong_optional(changed, gone=gone), *_wrong_weights(changed["loss_weights"])]
        if "_target_" not in changed["network_def"]:
            problems.append(Problem("", "network_def", "has no _target_", "Name the network there"))
    if problems:
        raise ProblemsError(problems)


def wrong_kinds(config: Mapping[str, Any]) -> Iterator[Problem]:
    """Say which settings are of another kind than they must be, of those that there are."""
    for name, kind in _KIND_OF.items():
        value = config.get(name, kind())
        of_names = kind is not list or (isinstance(value, list) and all(isinstance(part, str) for part in value))
        expression = kind is bool and isinstance(value, str) and value.startswith(("$", "@"))
        if not (isinstance(value, kind) and of_names) and not expression:
            yield Problem("", name, f"is {value!r}", f"Give {KINDS[kind]}")


def _told(check: Callable[..., Any], *args: Any, **options: Any) -> Sequence[Problem]:
    try:
        check(*args, **options)
    except ProblemsError as error:
        return error.problems
    return ()


def _wrong_optional(config: Mapping[str, Any], *, gone: Set[str]) -> Iterator[Problem]:
    """Optional sequences that there are not; those that are `gone` will be left out of them."""
    if unknown := [name for name in config["optional_sequences"] if name not in {*config["sequences"]} | gone]:
        what = f"{', '.join(unknown)} is none of {', '.join(config['sequences'])}"
        yield Problem("", "optional_sequences", what, "Correct it")


def _wrong_weights(weights: Mapping[str, Any]) -> Iterator[Problem]:
    """Weights that would break a training in its first step, or turn a loss round."""
    for task, weight in weights.items() if "_target_" not in weights else ():
        if not (is_number(weight) or isinstance(weight, Mapping) or str(weight).startswith(("$", "@"))):
            yield Problem("", "loss_weights", f"{task} is {weight!r}", "Give a number from 0, such as 0.3")
