"""The variants of an experiment: what each changes, what each answers, and what is wrong with them."""

import json
import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
import yaml
from monai.bundle import ConfigParser

from mtseg.bundle.changes import change_training
from mtseg.bundle.config import parse_settings
from mtseg.bundle.subsets import check_subsets, complete_subjects
from mtseg.data import Cohort
from mtseg.errors import InputError, Problem, ProblemsError, input_error_in
from mtseg.keys import Column
from mtseg.statistics.measures import measured
from mtseg.tasks import Head, Structures, heads_from, refuse_sides

_OURS = ("cohort", "output", "fold", "seed", "resume")
"""Settings that the experiment gives to each run itself."""

_NAME = re.compile(r"(?!\.+$)[\w.+-]+")
"""What can be a folder's name."""


@dataclass(frozen=True)
class Choice:
    """What a variant tunes: one of several changes of settings, chosen inside the training folds.

    Attributes:
        task: "seg" or a head.
        metric: As in the comparisons, such as dice_mean or auc; its mean over structures or classes decides.
        options: Name to settings.
    """

    task: str
    metric: str
    options: Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class Variant:
    """One of the networks that are compared.

    Attributes:
        name: In the experiment's own words; names a folder.
        settings: Changes of the bundle's top-level settings.
        choice: What is tuned; None: nothing.
    """

    name: str
    settings: Mapping[str, Any]
    choice: Choice | None = None

    @property
    def folders(self) -> list[str]:
        """Names of the folders of its runs."""
        return [f"{self.name}-{option}" for option in self.choice.options] if self.choice else [self.name]

    def configurations(self, bundle: dict[str, Any]) -> list[dict[str, Any]]:
        """Of a training with each of its options, or of the only one."""
        every = self.choice.options.values() if self.choice else [self.settings]
        return [change_training(bundle, parse_settings(settings_of(settings), bundle)) for settings in every]


def settings_of(settings: Mapping[str, Any]) -> tuple[str, ...]:
    """Spell settings as the command line does: NAME=VALUE.

    >>> settings_of({"learning_rate": 0.00005, "heads": {"sex": {"classes": ["女", "男"]}}})
    ('learning_rate=5.0e-05', 'heads={sex: {classes: [女, 男]}}')
    """
    return tuple(f"{name}={_spell(value)}" for name, value in settings.items())


def _spell(value: Any) -> str:
    """As YAML reads it back, in one line; JSON's 5e-05 would be a text to YAML."""
    plain = json.loads(json.dumps(value, default=str))
    text = yaml.safe_dump(plain, default_flow_style=True, sort_keys=False, allow_unicode=True, width=math.inf)
    return text.removesuffix("...\n").strip()


def can_be_named(name: Any) -> bool:
    """Whether a variant or an option can have this name."""
    return bool(_NAME.fullmatch(str(name)))


def read_variant(
    name: str, about: Mapping[str, Any], *, common: Mapping[str, Any], bundle: dict[str, Any], cohort: Cohort
) -> Variant:
    """Read and check one variant.

    Args:
        name: Of the variant.
        about: Its own changes, and perhaps `choose`.
        common: Changes for all variants.
        bundle: Configuration of the bundle's training.
        cohort: The table.

    Raises:
        InputError: A setting does not exist or cannot be so, or the choice is not understood.
    """
    settings = {**common, **about}
    weights = common.get("loss_weights")
    if isinstance(about.get("heads"), dict) and isinstance(weights, dict) and "loss_weights" not in about:
        gone = common.get("heads", {}).keys() - about["heads"].keys()
        settings["loss_weights"] = {task: weight for task, weight in weights.items() if task not in gone}
    choice = settings.pop("choose", None)
    if choice is None:
        variant = Variant(name, settings)
    elif (
        not isinstance(choice, dict)
        or {*choice} != {"task", "metric", "options"}
        or not _are_options(choice["options"])
    ):
        raise InputError("choose: needs task, metric and options, two at least, each NAME: {changes of settings}")
    else:
        options = {str(option): {**settings, **(changes or {})} for option, changes in choice["options"].items()}
        variant = Variant(name, settings, Choice(choice["task"], choice["metric"], options))
    if ours := [name for name in _names_of_settings(variant) if name in _OURS]:
        raise InputError(f"{', '.join(ours)}: the experiment sets this itself")
    for config in variant.configurations(bundle):
        _check(config, variant.choice, cohort)
    return variant


def tasks_of_variants(
    variants: Sequence[Variant], bundle: dict[str, Any]
) -> tuple[dict[str, Any], tuple[Head, ...], list[str]]:
    """All structures (name to values) and heads that any variant has, and the names that mean several things."""
    structures: dict[str, Any] = {}
    heads: dict[str, Head] = {}
    unlike = []
    for variant in variants:
        for config in variant.configurations(bundle):
            for name, values in config["structures"].items():
                unlike += [name] * (structures.setdefault(name, values) != values)
            for head in heads_from(config["heads"]):
                known = heads.setdefault(head.name, head)
                unlike += [head.name] * ((known.kind, known.classes) != (head.kind, head.classes))
    return structures, tuple(heads.values()), list(dict.fromkeys(unlike))


def repeated_folders(variants: Sequence[Variant]) -> list[str]:
    """Folders that would belong to the runs of two variants."""
    counts = Counter(folder for variant in variants for folder in variant.folders)
    return [folder for folder, count in counts.items() if count > 1]


def differ_in_structures(variant: Variant, bundle: dict[str, Any]) -> bool:
    """Whether the masks of its options cannot be compared: a mean over other structures is another measure."""
    first, *others = (config["structures"] for config in variant.configurations(bundle))
    return any(structures != first for structures in others)


def why_no_subsets(variant: Variant, bundle: dict[str, Any], table: pd.DataFrame, *, folds: Sequence[int]) -> str:
    """Say why a variant cannot be evaluated with fewer sequences in these folds of a table; "" if it can."""
    inputs = [(config["sequences"], config["optional_sequences"]) for config in variant.configurations(bundle)]
    if any(len(sequences) < 2 or not optional for sequences, optional in inputs):
        return "needs all of its sequences"
    if any(other != inputs[0] for other in inputs):
        return "has options with different sequences"
    complete = table.reindex(columns=[*inputs[0][0], Column.FOLD]).dropna()[Column.FOLD]
    lacking = [str(fold) for fold in folds if not complete.eq(fold).any()]
    return f"would compare subsets on nobody in fold {', '.join(lacking)}: no subject has all sequences" * bool(lacking)


def wrong_in_subsets(
    variant: Variant, bundle: dict[str, Any], cohort: Cohort, *, folds: Sequence[int]
) -> Iterator[Problem]:
    """Images of these folds that some subset of the sequences could not be scored on: else told after a training."""
    config = variant.configurations(bundle)[0]
    for fold in folds:
        try:
            check_subsets(complete_subjects(cohort.path, config, fold=fold), config)
        except ProblemsError as error:
            yield from error.problems


def _are_options(options: Any) -> bool:
    """Whether these are at least two options to choose from."""
    return (
        isinstance(options, dict)
        and len({*map(str, options)}) == len(options) > 1
        and all(can_be_named(name) and isinstance(changes, dict | None) for name, changes in options.items())
    )


def _names_of_settings(variant: Variant) -> Iterator[str]:
    options = variant.choice.options.values() if variant.choice else ()
    yield from dict.fromkeys(name for settings in (variant.settings, *options) for name in settings)


def _check(config: Mapping[str, Any], choice: Choice | None, cohort: Cohort) -> None:
    """Refuse what would stop the runs only when their turn comes, hours later."""
    structures, heads = Structures(config["structures"]), heads_from(config["heads"])
    absent = {*config["sequences"]} - {*config["optional_sequences"]} - {*cohort.table}
    if absent:
        raise InputError(f"sequences: there is no column {', '.join(sorted(absent))} in {cohort.path}")
    known = measured(structures=structures, heads=heads)
    if choice is not None and (choice.task, choice.metric) not in known:
        there = ", ".join(f"{metric} of {task}" for task, metric in known)
        raise InputError(f"choose: there is no {choice.metric} of {choice.task}. There are {there}")
    _check_parts(config, heads)


def _check_parts(config: Mapping[str, Any], heads: Sequence[Head]) -> None:
    """Build what refuses settings when a training begins: weights of no task, odd sizes, sides that are mirrored."""
    parser = ConfigParser({**config})
    try:
        for part in ("loss", "augment::space"):
            parser.get_parsed_content(part)
        parser.get_parsed_content("network_def").check_size(config["patch_size"])
    except Exception as error:  # MONAI wraps what it is about
        raise input_error_in(error) or InputError(f"cannot be built ({error.__cause__ or error})") from error
    if config["mirror"]:
        refuse_sides(heads)
