"""What an experiment compares, read from a YAML file."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

import yaml

from mtseg.bundle import find
from mtseg.bundle.changes import change_training
from mtseg.bundle.config import load_config, parse_settings
from mtseg.bundle.locate import root
from mtseg.data import read_cohort
from mtseg.errors import InputError, Problem, ProblemsError
from mtseg.keys import Column
from mtseg.tasks import Head, Structures, heads_from

_KEYS = {
    "bundle": str,
    "cohort": str,
    "variants": dict,
    "folds": list,
    "seeds": list,
    "settings": dict,
    "reference": str,
    "primary": list,
    "simple_scores": list,
    "lower_is_positive": list,
    "subsets": list,
}
_NEEDED = ("bundle", "cohort", "variants")
_OURS = ("cohort", "output", "fold", "seed", "resume")
"""Settings that the experiment gives to each run itself."""


@dataclass(frozen=True)
class Choice:
    """What a variant tunes: one of several changes of settings, chosen inside the training folds.

    Attributes:
        task: "seg" or a head.
        metric: As in the summary, such as dice_mean or auc; its mean over structures or classes decides.
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


@dataclass(frozen=True)
class Spec:
    """An experiment: variants x folds x seeds.

    Attributes:
        bundle: Name or folder.
        cohort: Table with folds.
        variants: At least one, in the order of the report.
        folds: Each held out in turn.
        known_folds: All that the table has.
        seeds: Trainings that differ by chance only; averaged.
        reference: Name of the variant that the others are compared with.
        primary: Metrics chosen before looking.
        simple_scores: Numeric columns of the cohort to set beside the network.
        lower: Simple scores of which a low value speaks for the positive class.
        subsets: Names of the variants that are also evaluated with fewer sequences.
        structures: Of all variants.
        heads: Of all variants.
    """

    bundle: str
    cohort: Path
    variants: tuple[Variant, ...]
    folds: tuple[int, ...]
    known_folds: tuple[int, ...]
    seeds: tuple[int, ...]
    reference: str
    primary: tuple[str, ...]
    simple_scores: tuple[str, ...]
    lower: tuple[str, ...]
    subsets: tuple[str, ...]
    structures: Structures
    heads: tuple[Head, ...]


def read_spec(path: str | PathLike) -> Spec:
    """Read and check an experiment; see the reference of experiments for the keys.

    Args:
        path: YAML file; the cohort's path in it counts from its folder.

    Raises:
        InputError: It cannot be read, or something in it is wrong: all of that at once.
    """
    path = Path(path)
    try:
        given = yaml.safe_load(path.read_text())
    except (OSError, yaml.YAMLError) as error:
        raise InputError(f"{path}: cannot be read ({error})") from error
    if problems := [*_wrong_keys(given, path)]:
        raise ProblemsError(problems)
    bundle = load_config(find(given["bundle"]) / "configs" / "train.yaml", root=root())
    cohort = read_cohort(path.parent / given["cohort"], sequences=())
    known = sorted(int(fold) for fold in cohort.table.get(Column.FOLD, [None]).dropna().unique())  # type: ignore[union-attr]
    problems, variants = [], []
    for name, about in given["variants"].items():
        try:
            variants.append(_variant(str(name), about or {}, given.get("settings", {}), bundle))
        except InputError as error:
            problems.append(Problem("", f"{path}: variants: {name}", str(error), "Correct it"))
    names = [str(name) for name in given["variants"]]
    spec: dict[str, tuple[Sequence[Any], Sequence[Any], str]] = {
        "folds": (given.get("folds", known), known, "fold of the table: run `mtseg cohort split`"),
        "reference": ([given.get("reference", names[0])], names, "variant"),
        "subsets": (given.get("subsets", []), names, "variant"),
        "simple_scores": (given.get("simple_scores", []), cohort.targets, "column of the table to predict with"),
    }
    for key, (values, there, what) in spec.items():
        problems += [
            Problem(
                "", f"{path}: {key}", f"'{value}' is no {what}", f"There are {', '.join(map(str, there)) or 'none'}"
            )
            for value in values
            if value not in there
        ]
    if len(known) < 2:
        problems.append(Problem("", str(cohort.path), "has fewer than two folds", "Run `mtseg cohort split`"))
    if problems:
        raise ProblemsError(problems)
    structures, heads = _tasks(variants, bundle)
    return Spec(
        bundle=given["bundle"],
        cohort=cohort.path,
        variants=tuple(variants),
        folds=tuple(spec["folds"][0]),
        known_folds=tuple(known),
        seeds=tuple(given.get("seeds", [0])),
        reference=spec["reference"][0][0],
        primary=tuple(given.get("primary", [])),
        simple_scores=tuple(spec["simple_scores"][0]),
        lower=tuple(given.get("lower_is_positive", [])),
        subsets=tuple(spec["subsets"][0]),
        structures=structures,
        heads=heads,
    )


def settings_of(settings: Mapping[str, Any]) -> tuple[str, ...]:
    """Spell settings as the command line does: NAME=VALUE."""
    return tuple(f"{name}={json.dumps(value)}" for name, value in settings.items())


def _wrong_keys(given: Any, path: Path) -> Iterator[Problem]:
    if not isinstance(given, dict):
        yield Problem("", str(path), "is no experiment", f"Give it the keys {', '.join(_NEEDED)}")
        return
    for key in _NEEDED:
        if key not in given:
            yield Problem("", str(path), f"there is no '{key}'", "Add it")
    for key, value in given.items():
        if key not in _KEYS:
            yield Problem("", str(path), f"'{key}' means nothing here", f"The keys are {', '.join(_KEYS)}")
        elif not isinstance(value, _KEYS[key]) or (key in ("variants", "folds", "seeds") and not value):
            yield Problem("", f"{path}: {key}", f"is {value!r}", f"Give a {_KEYS[key].__name__} with something in it")
    for key in ("folds", "seeds"):
        listed = given.get(key, [])
        if isinstance(listed, list) and (len({*map(str, listed)}) < len(listed) or {*map(type, listed)} - {int}):
            yield Problem("", f"{path}: {key}", f"is {listed}", "Give different whole numbers")
    for name, about in given["variants"].items() if isinstance(given.get("variants"), dict) else ():
        if not re.fullmatch(r"[\w.+-]+", str(name)) or not isinstance(about, dict | None):
            remedy = "Name it with letters, digits and . _ + -, and give NAME: VALUE pairs, or {}"
            yield Problem("", f"{path}: variants: {name}", "cannot be used", remedy)


def _variant(name: str, about: Mapping[str, Any], common: Mapping[str, Any], bundle: dict[str, Any]) -> Variant:
    settings = {**common, **about}
    choice = settings.pop("choose", None)
    if choice is None:
        _check_settings(settings, bundle)
        return Variant(name, settings)
    if not isinstance(choice, dict) or {*choice} != {"task", "metric", "options"} or len(choice["options"]) < 2:
        raise InputError("choose: needs task, metric and options, two at least")
    options = {str(option): {**settings, **changes} for option, changes in choice["options"].items()}
    for changed in options.values():
        _check_settings(changed, bundle)
    return Variant(name, settings, Choice(choice["task"], choice["metric"], options))


def _check_settings(settings: Mapping[str, Any], bundle: dict[str, Any]) -> None:
    if ours := [name for name in settings if name in _OURS]:
        raise InputError(f"{', '.join(ours)}: the experiment sets this itself")
    change_training(bundle, parse_settings(settings_of(settings), bundle))


def _tasks(variants: list[Variant], bundle: Mapping[str, Any]) -> tuple[Structures, tuple[Head, ...]]:
    """All structures and heads that any variant has."""
    structures: dict[str, Any] = {}
    heads: dict[str, Any] = {}
    for variant in variants:
        for settings in variant.choice.options.values() if variant.choice else [variant.settings]:
            structures |= settings.get("structures", bundle["structures"])
            heads |= settings.get("heads", bundle["heads"])
    return Structures(structures), heads_from(heads)
