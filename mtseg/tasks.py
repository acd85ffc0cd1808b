"""What a network is asked: the structures of its mask and the heads on its bottleneck."""

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
import pandas as pd

from mtseg.errors import InputError, Problem, ProblemsError
from mtseg.keys import MISSING_CELLS


class Kind(StrEnum):
    """What a head predicts."""

    CLASSES = "classes"
    """One of several classes: softmax over the logits."""
    LABELS = "labels"
    """Any number of labels at once: a sigmoid per logit; the cell holds names separated by ';'."""
    NUMBER = "number"
    """A real number (regression)."""


@dataclass(frozen=True)
class Head:
    """One question about the whole subject, answered from the bottleneck.

    Args:
        name: Column of the cohort table that holds the target, and key of the network's output.
        kind: See `Kind`.
        classes: The classes or labels as the table spells them; empty for a number. With two classes the second
            is the positive one.
        mean: Number only: centre of the scale on which the network learns, in the column's unit.
        sd: Number only: spread of that scale, in the column's unit.
    """

    name: str
    kind: Kind
    classes: tuple[str, ...] = ()
    mean: float = 0.0
    sd: float = 1.0

    @property
    def outputs(self) -> int:
        """Number of logits (1 for a number)."""
        return len(self.classes) or 1

    def encode(self, cell: Any) -> np.ndarray:
        """Turn a table cell into the target vector (float32); a missing cell is all NaN.

        Returns:
            Shape (1,) with the class index or the standardised number, or (labels,) of 0 and 1.

        Raises:
            InputError: The cell is not one of the head's classes, or no number.

        >>> Head("sex", Kind.CLASSES, ("F", "M")).encode("M")
        array([1.], dtype=float32)
        >>> Head("findings", Kind.LABELS, ("bleed", "oedema")).encode("oedema")
        array([0., 1.], dtype=float32)
        >>> Head("age", Kind.NUMBER, mean=50, sd=10).encode("60")
        array([1.], dtype=float32)
        """
        width = self.outputs if self.kind is Kind.LABELS else 1
        if cell is None or pd.isna(cell):
            return np.full(width, np.nan, dtype=np.float32)
        if self.kind is Kind.NUMBER:
            return np.array([(self._number(cell) - self.mean) / self.sd], dtype=np.float32)
        name = self._spelt(cell)
        given = [part.strip() for part in name.split(";")] if self.kind is Kind.LABELS else [name]
        nothing = {""} if self.kind is Kind.LABELS else set()
        unknown = [part for part in given if part not in {*self.classes, *nothing}]
        if unknown:
            raise InputError(f"{self.name}: '{unknown[0]}' is none of {', '.join(self.classes)}")
        if self.kind is Kind.LABELS:
            return np.array([name in given for name in self.classes], dtype=np.float32)
        return np.array([self.classes.index(given[0])], dtype=np.float32)

    def class_indices(self, cell: Any) -> tuple[int, ...]:
        """Positions in `classes` of what a present cell holds; none for a number.

        >>> Head("findings", Kind.LABELS, ("bleed", "oedema")).class_indices("oedema")
        (1,)
        """
        if self.kind is Kind.NUMBER:
            return ()
        encoded = self.encode(cell)
        return tuple(map(int, np.flatnonzero(encoded) if self.kind is Kind.LABELS else encoded))

    def _spelt(self, cell: Any) -> str:
        """Spell a cell as its class: of a column of numbers 1.1 is the class "1.10", and 0 the class "0.0"."""
        name = _name(cell)
        if name in self.classes or isinstance(cell, str):
            return name
        alike = [one for one in self.classes if _as_float(one) == float(cell)]
        return alike[0] if len(alike) == 1 else name

    def _number(self, cell: Any) -> float:
        try:
            number = float(cell)
        except ValueError:
            number = math.nan
        if not math.isfinite(number):
            raise InputError(f"{self.name}: '{cell}' is not a number")
        return number


def _as_float(value: Any) -> float:
    """Read a number; NaN if it is none, as true and false are none."""
    try:
        return math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError):
        return math.nan


def _name(cell: Any) -> str:
    """Spell a cell as its class: 1, 1.0 and "1" are one class, whatever pandas made of the column."""
    whole = isinstance(cell, (bool, np.bool_, int, float, np.number)) and float(cell).is_integer()
    return str(int(cell)) if whole else str(cell)


_DEFINED_BY = ({"classes"}, {"labels"}, {"mean", "sd"})


def heads_from(definitions: Mapping[str, Mapping[str, Any]]) -> tuple[Head, ...]:
    """Build heads from a bundle's configuration.

    Raises:
        ProblemsError: Something in it is wrong; names all of it.

    >>> heads_from({"sex": {"classes": ["F", "M"]}, "age": {"mean": 50, "sd": 16}})[1].kind
    <Kind.NUMBER: 'number'>
    >>> heads_from({"findings": {"labels": ["bleed", "oedema"]}})[0].outputs
    2
    """
    if not isinstance(definitions, Mapping):
        what, remedy = f"is {definitions!r}", "Write NAME: {...} pairs, such as {sex: {classes: [F, M]}}, or {}"
        raise ProblemsError([Problem("", "heads", what, remedy)])
    if problems := [
        Problem("", f"heads: {name}", *said)
        for name, definition in definitions.items()
        for said in _wrong_definition(name, definition)
    ]:
        raise ProblemsError(problems)
    return tuple(_head(name, definition) for name, definition in definitions.items())


def _head(name: str, definition: Mapping[str, Any]) -> Head:
    for kind in (Kind.CLASSES, Kind.LABELS):
        if kind in definition:
            return Head(name, kind, tuple(map(str, definition[kind])))
    return Head(name, Kind.NUMBER, mean=float(definition["mean"]), sd=float(definition["sd"]))


def _wrong_definition(name: Any, definition: Any) -> Iterator[tuple[str, str]]:
    """What is wrong with a head, and what to do about it."""
    if not isinstance(name, str) or not name.strip():
        yield f"{name!r} is no name of a column", "Put quotes round the column's name"
    if not isinstance(definition, Mapping) or {*definition} not in _DEFINED_BY:
        yield "give `classes: [...]`, `labels: [...]`, or `mean` and `sd` of a number", "Nothing else is known here"
        return
    for kind, fewest in ((Kind.CLASSES, 2), (Kind.LABELS, 1)):
        names = definition.get(kind, ["a", "b"])
        if not isinstance(names, list | tuple) or len({*map(str, names)}) < len(names) or len(names) < fewest:
            yield f"{kind} is {names!r}", f"Give a list of {fewest} or more different names"
        elif any(isinstance(one, bool) for one in names):
            yield f"YAML reads yes, no, true and false in {kind} as booleans", "Put quotes round them"
        elif missing := {*map(str, names)}.intersection(MISSING_CELLS):
            yield f"{kind}: '{missing.pop()}' means that a cell is missing", "Rename it, in the table too"
    if not math.isfinite(_as_float(definition.get("mean", 0))):
        yield f"mean is {definition['mean']!r}", "Give a number in the column's unit"
    if not 0 < _as_float(definition.get("sd", 1)) < math.inf:
        yield f"sd is {definition['sd']!r}", "Give a number above 0, in the column's unit"


@dataclass(frozen=True)
class Structures:
    """Names of the mask's structures and the values that stand for them in the files.

    Args:
        values: Structure name to the value, or the values (merged), that it has in mask files. The network's class
            index is the position in this mapping, from 1; 0 is background and every value not listed here.

    Raises:
        ProblemsError: A value is no whole number from 1, a structure has none, or two share one: all of that at once.

    >>> s = Structures({"hippocampus_left": 48, "hippocampus_right": [47], "lesion": [1, 2]})
    >>> s.names, s.count, s.swapped()
    (('hippocampus_left', 'hippocampus_right', 'lesion'), 4, (0, 2, 1, 3))
    """

    values: Mapping[str, int | Sequence[int]]

    def __post_init__(self) -> None:
        if not isinstance(self.values, Mapping):
            what, remedy = f"is {self.values!r}", "Write NAME: VALUE pairs, such as {lesion: 1}, or {}"
            raise ProblemsError([Problem("", "structures", what, remedy)])
        if problems := [*self._wrong_values(), *self._shared_values()]:
            raise ProblemsError(problems)

    @property
    def names(self) -> tuple[str, ...]:
        """Structure names in the order of the network's classes, without background."""
        return tuple(self.values)

    @property
    def count(self) -> int:
        """Number of mask classes, background included."""
        return len(self.values) + 1

    def file_values(self, name: str) -> tuple[int, ...]:
        """Values of a structure in mask files; the first is the one that mtseg writes."""
        values = self.values[name]
        return tuple(values) if isinstance(values, Sequence) else (values,)

    def _wrong_values(self) -> Iterator[Problem]:
        for name in self.names:
            if not isinstance(name, str):
                yield Problem("", f"structures: {name}", "the name is no text", "Put quotes round it")
            if not (values := self.file_values(name)):
                yield Problem("", f"structures: {name}", "has no value", "List those that it has in mask files")
            # A boolean is an int to Python, but nobody means 1 by it.
            if wrong := [value for value in values if type(value) is not int or value < 1]:
                what = f"{', '.join(map(repr, wrong))} cannot stand for a structure"
                remedy = "Give whole numbers from 1, without quotes; the background, 0, is not listed"
                yield Problem("", f"structures: {name}", what, remedy)

    def _shared_values(self) -> Iterator[Problem]:
        owners: dict[int, list[str]] = {}
        for name in self.names:
            for value in {value for value in self.file_values(name) if isinstance(value, int)}:
                owners.setdefault(value, []).append(str(name))
        for value, names in owners.items():
            if len(names) > 1:
                what = f"value {value} is given to {' and '.join(names)}, but a voxel belongs to one structure"
                remedy = "List the parts that do not overlap; a whole is the sum of its parts' masks"
                yield Problem("", "structures", what, remedy)

    def classes(self, values: np.ndarray) -> np.ndarray:
        """Class index of every voxel of a mask file; what belongs to no structure is background.

        >>> Structures({"left": 48, "right": [47, 2]}).classes(np.array([48, 2, 7]))
        array([1, 2, 0], dtype=uint8)
        """
        found = np.zeros(values.shape, dtype=np.uint8)
        for index, name in enumerate(self.names, start=1):
            found[np.isin(values, self.file_values(name))] = index
        return found

    def swapped(self) -> tuple[int, ...]:
        """Class index of each class's mirror image: x_left <-> x_right, lh.x <-> rh.x, x-L <-> x-R, x_sin <-> x_dex;
        all else is its own.

        Raises:
            InputError: A structure of one side lacks its twin, or names may or may not be those of two sides: mirrored,
                a structure would be taught as the wrong side's.
        """
        spelt = [_apart(name) for name in self.names]
        twins = [_other_side(name) for name in spelt]
        if alone := [name for name, twin in zip(self.names, twins, strict=True) if twin not in spelt]:
            raise InputError(f"{', '.join(alone)}: the other side is no structure. Add it, or set mirror: false")
        if doubtful := " and ".join(_doubtful(self.names)):
            raise InputError(
                f"{doubtful}: may be left and right of one structure. Name them x_left and x_right if they are, or "
                "differently if they are not, or set mirror: false"
            )
        own = enumerate(zip(spelt, twins, strict=True), start=1)
        return (0, *(k if twin == name else spelt.index(twin) + 1 for k, (name, twin) in own))


def refuse_sides(heads: Sequence[Head]) -> None:
    """Refuse heads whose answer is a side: a mirrored sample would teach the wrong one.

    To be called where samples are mirrored, in a training or a prediction.

    Raises:
        ProblemsError: The names of heads, classes or labels say left or right; names all of them.

    >>> refuse_sides([Head("outcome", Kind.CLASSES, ("poor", "good"))])
    >>> refuse_sides([Head("side", Kind.CLASSES, ("0", "1"))])
    Traceback (most recent call last):
    mtseg.errors.ProblemsError: heads: side: asks for a side, ...
    """
    about = {*_sided([head.name for head in heads])}
    problems = [
        Problem("", f"heads: {head.name}", f"asks for a side{of}, which mirrored samples show wrongly", remedy)
        for head in heads
        for sided, remedy in [(_sided(head.classes), "Set mirror: false, or rename what is about no side")]
        for of in [f" ({', '.join(sided)})" if sided else ""]
        if sided or head.name in about
    ]
    if problems:
        raise ProblemsError(problems)


_OTHER_SIDE = {"left": "right", "links": "rechts", "gauche": "droite", "sinister": "dexter"}
_WORDS = "|".join([*_OTHER_SIDE, *_OTHER_SIDE.values(), "(side|laterality)$"])
_OTHER_SIDE |= {"sin": "dex", "lh": "rh", "lt": "rt", "l": "r"}
_OTHER_SIDE |= {right: left for left, right in _OTHER_SIDE.items()}
_SIDE = re.compile(rf"(?<![a-z0-9])(left|right|({'|'.join(_OTHER_SIDE)})(?![a-z0-9]))")
_ASKED_SIDE = re.compile(rf"(?<![a-z0-9])(left|right|({_WORDS})(?![a-z0-9]))")


def _apart(name: str) -> str:
    """Put a side apart from the rest of a name: leftHipp, HippL, LHipp and CA1L have it at a capital."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=^[LR])(?=[A-Z][a-z])|(?<=\d)(?=[LR]$)", "_", name).lower()


def _other_side(name: str) -> str:
    return _SIDE.sub(lambda side: _OTHER_SIDE[side[0]], name)


def _doubtful(names: Sequence[str]) -> list[str]:
    """The first two names that are one side's, or that would be two sides' if a side could stand within a word."""
    apart: dict[str, str] = {}
    lower = {name.lower(): name for name in names}
    for name in names:
        if _other_side(_apart(name)) != _apart(name):
            if (same := apart.setdefault(_apart(name), name)) != name:
                return [same, name]
            continue
        low = name.lower()
        for side, other in _OTHER_SIDE.items():
            for found in re.finditer(side, low):
                if twin := lower.get(low[: found.start()] + other + low[found.end() :]):
                    return [name, twin]
    return []


def _sided(names: Sequence[str]) -> list[str]:
    """Those of the names that say a side; short signs, such as R, do so only where the other one is, too."""
    apart = {name: _apart(name) for name in names}
    others = {_other_side(one) for one in apart.values() if _other_side(one) != one}
    return [name for name, one in apart.items() if one in others or _ASKED_SIDE.search(one)]
