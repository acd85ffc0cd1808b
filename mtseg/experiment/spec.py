"""What an experiment compares, read from a YAML file."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from os import PathLike
from pathlib import Path
from typing import Any

import pandas as pd
import yaml
from pandas.api.types import is_integer_dtype, is_numeric_dtype

from mtseg.bundle import find
from mtseg.bundle.config import load_config
from mtseg.bundle.locate import root
from mtseg.data import Cohort, read_cohort
from mtseg.errors import InputError, Problem, ProblemsError
from mtseg.evaluation import ambiguous_scores
from mtseg.experiment.variants import (
    Variant,
    can_be_named,
    differ_in_structures,
    read_variant,
    repeated_folders,
    tasks_of_variants,
    why_no_subsets,
    wrong_in_subsets,
)
from mtseg.keys import Column, Task
from mtseg.statistics.measures import measured
from mtseg.statistics.seeds import IMAGES, SEED, SEEDS, VARIANT
from mtseg.tasks import Head, Structures

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
    "average_by": str,
}
_NEEDED = ("bundle", "cohort", "variants")
_WORDS = {str: "a name", dict: "NAME: VALUE pairs", list: "a list, such as [0, 1] or [a, b]"}
_SEEDS = 2**32


@dataclass(frozen=True)
class Spec:
    """An experiment: variants x folds x seeds.

    Attributes:
        bundle: Name, or absolute path of the folder.
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
        average_by: Column of the table that says who is scored once: rows with equal values are images of one person.
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
    average_by: str


def read_spec(path: str | PathLike) -> Spec:
    """Read and check an experiment; see the reference of experiments for the keys.

    Args:
        path: YAML file; the cohort's path in it counts from its folder.

    Raises:
        InputError: It cannot be read, or something in it is wrong: all of that at once.
    """
    path = Path(path)
    given = _read(path)
    if wrong := [*_wrong_keys(given)]:
        raise ProblemsError([_in(path, problem) for problem in wrong])
    folder = find(given["bundle"])
    bundle = load_config(folder / "configs" / "train.yaml", root=root())
    cohort = read_cohort(path.parent / given["cohort"], sequences=())
    known, problems = _folds(cohort)
    variants = []
    for name, about in given["variants"].items():
        try:
            common = given.get("settings", {})
            variants.append(read_variant(str(name), about or {}, common=common, bundle=bundle, cohort=cohort))
        except InputError as error:
            problems.append(Problem("", f"variants: {name}", str(error), "Correct it"))
    problems += _wrong_names(given, cohort, known)
    if len(variants) == len(given["variants"]):  # else the tasks are not known
        problems += _wrong_variants(given, variants, bundle, cohort, known)
        problems += _wrong_persons(given.get("average_by"), cohort, tasks_of_variants(variants, bundle)[1])
    if problems:
        raise ProblemsError([_in(path, problem) for problem in problems])
    structures, heads, _ = tasks_of_variants(variants, bundle)
    return Spec(
        # A worker may run in another folder, and have mtseg's own bundles elsewhere.
        bundle=folder.name if folder.parent == root() / "bundles" else str(folder),
        cohort=cohort.path,
        variants=tuple(variants),
        folds=tuple(given.get("folds", known)),
        known_folds=tuple(known),
        seeds=tuple(given.get("seeds", [0])),
        reference=given.get("reference", variants[0].name),
        primary=tuple(given.get("primary", [])),
        simple_scores=tuple(given.get("simple_scores", [])),
        lower=tuple(given.get("lower_is_positive", [])),
        subsets=tuple(given.get("subsets", [])),
        structures=Structures(structures),
        heads=heads,
        average_by=given.get("average_by", Column.SUBJECT.value),
    )


class _Loader(yaml.SafeLoader):
    """Refuses a name that stands there twice; YAML would silently take the last one."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        names = [self.construct_object(name, deep=True) for name, _ in node.value]
        if twice := [name for name in names if names.count(name) > 1]:
            raise yaml.constructor.ConstructorError(None, None, f"'{twice[0]}' stands there twice", node.start_mark)
        return super().construct_mapping(node, deep=deep)


def _read(path: Path) -> Any:
    try:
        return yaml.load(path.read_text(encoding="utf-8"), Loader=_Loader)
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise InputError(f"{path}: cannot be read ({error})") from error


def _in(path: Path, problem: Problem) -> Problem:
    return replace(problem, where=f"{path}: {problem.where}" if problem.where else str(path))


def _wrong_keys(given: Any) -> Iterator[Problem]:
    """What is not even of the right kind."""
    if not isinstance(given, dict):
        yield Problem("", "", "is no experiment", f"Give it the keys {', '.join(_NEEDED)}")
        return
    for key in _NEEDED:
        if key not in given:
            yield Problem("", "", f"there is no '{key}'", "Add it")
    for key, value in given.items():
        if key not in _KEYS:
            yield Problem("", "", f"'{key}' means nothing here", f"The keys are {', '.join(_KEYS)}")
        elif not isinstance(value, _KEYS[key]) or (key in ("variants", "folds", "seeds") and not value):
            yield Problem("", key, f"is {value!r}", f"Give {_WORDS[_KEYS[key]]}")
        elif isinstance(value, list):
            yield from _wrong_list(key, value)
    variants = given["variants"] if isinstance(given.get("variants"), dict) else {}
    for name, about in variants.items():
        if not can_be_named(name) or not isinstance(about, dict | None):
            remedy = "Name it with letters, digits and . _ + -, and give NAME: VALUE pairs, or {}"
            yield Problem("", f"variants: {name}", "cannot be used", remedy)
    if len({*map(str, variants)}) < len(variants):
        yield Problem("", "variants", "two have the same name", "Rename one")


def _wrong_list(key: str, values: list[Any]) -> Iterator[Problem]:
    numbers = key in ("folds", "seeds")
    if len({*map(str, values)}) < len(values) or {*map(type, values)} - {int if numbers else str}:
        kind = "whole numbers" if numbers else "names, with quotes if they look like numbers"
        yield Problem("", key, f"is {values}", f"Give different {kind}")
    elif key == "seeds" and not all(0 <= seed < _SEEDS for seed in values):
        yield Problem("", key, f"is {values}", f"Give numbers from 0 to {_SEEDS - 1}")


def _folds(cohort: Cohort) -> tuple[list[int], list[Problem]]:
    """The folds of a table, and what is wrong with them."""
    folds = cohort.table.get(Column.FOLD, pd.Series(dtype=int)).dropna()
    if not is_integer_dtype(folds):
        return [], [Problem("", str(cohort.path), "has folds that are no whole numbers", "Run `mtseg cohort split`")]
    known = sorted(map(int, folds.unique()))
    few = [Problem("", str(cohort.path), "has fewer than two folds", "Run `mtseg cohort split`")]
    return known, few if len(known) < 2 else []


def _wrong_names(given: Mapping[str, Any], cohort: Cohort, known: Sequence[int]) -> Iterator[Problem]:
    """What refers to a fold, variant or column that there is not."""
    names = [str(name) for name in given["variants"]]
    numeric = [name for name in cohort.targets if is_numeric_dtype(cohort.table[name])]
    yield from _not_among("folds", given.get("folds", []), known, "fold of the table: run `mtseg cohort split`")
    yield from _not_among("reference", [given.get("reference", names[0])], names, "variant")
    yield from _not_among("subsets", given.get("subsets", []), names, "variant")
    yield from _not_among(
        "average_by", [given.get("average_by", Column.SUBJECT)], [*cohort.table], "column of the table"
    )
    yield from _not_among("simple_scores", given.get("simple_scores", []), numeric, "column of numbers in the table")


def _wrong_persons(by: str | None, cohort: Cohort, heads: Sequence[Head]) -> Iterator[Problem]:
    """Images of one person that cannot be averaged."""
    if by is None or by not in cohort.table:
        return
    if nobodys := int(cohort.table[by].isna().sum()):
        yield Problem("", f"average_by: {by}", f"{nobodys} rows have none", "Fill in whose images they are")
    persons = cohort.table.groupby(by)
    for name in (name for name in (Column.FOLD.value, *(head.name for head in heads)) if name in cohort.table):
        counts = persons[name].nunique()
        several = [*map(str, counts.index[counts > 1])]
        if several:
            what = f"{len(several)} with several values of {name}, such as {several[0]}"
            yield Problem("", f"average_by: {by}", what, "Images of one person have one target, and one fold")


def _wrong_variants(
    given: Mapping[str, Any], variants: Sequence[Variant], bundle: dict[str, Any], cohort: Cohort, known: Sequence[int]
) -> Iterator[Problem]:
    """What each variant allows by itself, but not the experiment."""
    scored = given.get("folds", known)
    structures, heads, unlike = tasks_of_variants(variants, bundle)
    for name in unlike:
        yield Problem("", "variants", f"{name} means different things in them", "Give each its own name")
    for folder in repeated_folders(variants):
        yield Problem("", "variants", f"two have runs in the folder {folder}", "Rename a variant or an option")
    for variant in variants:
        if variant.choice and len(known) == 2:
            remedy = "Divide the table into three at least: one is scored, one chooses, the others train"
            yield Problem("", f"variants: {variant.name}", "choose: the table has two folds only", remedy)
        if variant.choice and variant.choice.task == Task.SEG and differ_in_structures(variant, bundle):
            remedy = "Give all options the same structures, or make them variants"
            yield Problem("", f"variants: {variant.name}", "choose: the options have different structures", remedy)
        if variant.name not in given.get("subsets", []):
            continue
        if why := why_no_subsets(variant, bundle, cohort.table, folds=scored):
            remedy = "Name those that a subject may lack in optional_sequences, or leave it out of subsets"
            yield Problem("", "subsets", f"'{variant.name}' {why}", remedy)
        else:
            yield from wrong_in_subsets(variant, bundle, cohort, folds=scored)
    metrics = list(dict.fromkeys(metric for _, metric in measured(structures=Structures(structures), heads=heads)))
    yield from _not_among("primary", given.get("primary", []), metrics, "metric that variants are compared by")
    columns, ours = given.get("simple_scores", []), (VARIANT, SEED, SEEDS, IMAGES)
    yield from ambiguous_scores(columns, structures=structures, heads=heads, others=ours)
    scores = [*(f"volume_mm3_{name}" for name in structures), *columns]
    yield from _not_among("lower_is_positive", given.get("lower_is_positive", []), scores, "simple score")


def _not_among(key: str, values: Sequence[Any], there: Sequence[Any], what: str) -> Iterator[Problem]:
    for value in values:
        if value not in there:
            yield Problem("", key, f"'{value}' is no {what}", f"There are {', '.join(map(str, there)) or 'none'}")
