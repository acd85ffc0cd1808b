"""What a network is asked: the structures of its mask and the heads on its bottleneck."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
import pandas as pd

from mtseg.errors import InputError


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


def _as_float(name: str) -> float:
    try:
        return float(name)
    except ValueError:
        return math.nan


def _name(cell: Any) -> str:
    """Spell a cell as its class: 1, 1.0 and "1" are one class, whatever pandas made of the column."""
    whole = isinstance(cell, (bool, np.bool_, int, float, np.number)) and float(cell).is_integer()
    return str(int(cell)) if whole else str(cell)


_DEFINED_BY = ({"classes"}, {"labels"}, {"mean", "sd"})


def heads_from(definitions: Mapping[str, Mapping[str, Any]]) -> tuple[Head, ...]:
    """Build heads from a bundle's configuration.

    >>> heads_from({"sex": {"classes": ["F", "M"]}, "age": {"mean": 50, "sd": 16}})[1].kind
    <Kind.NUMBER: 'number'>
    >>> heads_from({"findings": {"labels": ["bleed", "oedema"]}})[0].outputs
    2
    """
    for name, definition in definitions.items():
        if not isinstance(definition, Mapping) or not any(kind <= {*definition} for kind in _DEFINED_BY):
            raise InputError(f"heads: {name}: give `classes: [...]`, `labels: [...]`, or `mean` and `sd` of a number")
        if any(isinstance(c, bool) for c in [*definition.get("classes", ()), *definition.get("labels", ())]):
            raise InputError(f"heads: {name}: YAML reads yes, no, true and false as booleans. Put quotes round them")
        for kind, fewest in (("classes", 2), ("labels", 1)):
            names = definition.get(kind, ["a", "b"])
            if not isinstance(names, list | tuple) or len({*map(str, names)}) < len(names) or len(names) < fewest:
                raise InputError(f"heads: {name}: {kind} must be a list of {fewest} or more different names")
        if "sd" in definition and not float(definition["sd"]) > 0:
            raise InputError(f"heads: {name}: sd is {definition['sd']}, but must be above 0")
    heads = []
    for name, definition in definitions.items():
        if "classes" in definition:
            heads.append(Head(name, Kind.CLASSES, tuple(str(c) for c in definition["classes"])))
        elif "labels" in definition:
            heads.append(Head(name, Kind.LABELS, tuple(str(c) for c in definition["labels"])))
        else:
            heads.append(Head(name, Kind.NUMBER, mean=float(definition["mean"]), sd=float(definition["sd"])))
    return tuple(heads)


@dataclass(frozen=True)
class Structures:
    """Names of the mask's structures and the values that stand for them in the files.

    Args:
        values: Structure name to the value, or the values (merged), that it has in mask files. The network's class
            index is the position in this mapping, from 1; 0 is background and every value not listed here.

    >>> s = Structures({"hippocampus_left": 48, "hippocampus_right": [47], "lesion": [1, 2]})
    >>> s.names, s.count, s.swapped()
    (('hippocampus_left', 'hippocampus_right', 'lesion'), 4, (0, 2, 1, 3))
    """

    values: Mapping[str, int | Sequence[int]]

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
        return (values,) if isinstance(values, int) else tuple(values)

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
            InputError: A structure of one side lacks its twin: mirrored, it would be taught as the wrong side.
        """
        spelt = [re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower() for name in self.names]  # leftHipp, HippL
        index = {name: k for k, name in enumerate(spelt, start=1)}
        twins = {name: _SIDE.sub(lambda side: _OTHER_SIDE[side[0]], name) for name in index}
        alone = [name for name, twin in twins.items() if twin not in index]
        if alone:
            raise InputError(f"{', '.join(alone)}: the other side is no structure. Add it, or set mirror: false")
        return (0, *(index[twin] for twin in twins.values()))


_OTHER_SIDE = {"left": "right", "right": "left", "lh": "rh", "rh": "lh", "l": "r", "r": "l"}
_OTHER_SIDE |= {"sin": "dex", "dex": "sin", "sinister": "dexter", "dexter": "sinister"}
_SIDE = re.compile(rf"(?<![a-z0-9])({'|'.join(_OTHER_SIDE)})(?![a-z0-9])")
