"""A target by the names that a bundle gives its heads, classes and structures."""

from collections.abc import Mapping, Sequence

from mtseg.cam.targets import HeadTarget, MaskTarget, Scale, Target
from mtseg.errors import InputError
from mtseg.keys import Task
from mtseg.tasks import Head, Kind, Structures


def target_named(
    *,
    structures: Structures,
    heads: Sequence[Head],
    head: str | None = None,
    answer: str | int | None = None,
    against: str | int | None = None,
    probability: bool = False,
    where: str | None = None,
    swapped: Sequence[int] = (),
) -> Target:
    """Find a target.

    Args:
        structures: The mask's structures.
        heads: The network's heads.
        head: Name of a head, or "seg" for the mask; None: the first head, or the mask where there is none.
        answer: Class, label or structure, where it is a number as one or as a string; None: the predicted class, or
            the only structure.
        against: Class to subtract.
        probability: Explain the probability instead of the logit.
        where: Mask only: voxels "predicted" as the structure (as without it), or "all".
        swapped: Class index of each mask class's mirror image, see `Structures.swapped`.

    Raises:
        InputError: A name that there is not, with those that there are; or an option that says nothing here.

    >>> outcome = Head("outcome", Kind.CLASSES, ("poor", "good"))
    >>> target_named(structures=Structures({"lesion": 1}), heads=[outcome], answer="good").index
    1
    """
    names = [one.name for one in heads] + [Task.SEG.value] * bool(structures.names)
    head = names[0] if head is None else head
    answer, against = (None if name is None else str(name) for name in (answer, against))
    _check("--head", head, names)
    if head == Task.SEG:
        _only({"--against": against, "--probability": probability}, "are for heads")
        if answer is None and len(structures.names) > 1:
            raise InputError(f"--class: say which structure of {', '.join(structures.names)}")
        where = "predicted" if where is None else where
        _check("--where", where, ["predicted", "all"])
        index = 1 + _index("--class", structures.names[0] if answer is None else answer, structures.names)
        return MaskTarget(index, where=where, twin=swapped[index] if swapped else None)
    _only({"--where": where}, "is for --head seg")
    asked = next(one for one in heads if one.name == head)
    if asked.kind is Kind.NUMBER:
        _only({"--class": answer, "--against": against, "--probability": probability}, f"are not for {head}, a number")
        return HeadTarget(head, 0)
    if against is not None and answer in (None, against):
        raise InputError("--against: say with --class, another class, against what")
    scale = {Kind.CLASSES: Scale.SOFTMAX, Kind.LABELS: Scale.SIGMOID}[asked.kind] if probability else Scale.LOGIT
    chosen = None if answer is None else _index("--class", answer, asked.classes)
    other = None if against is None else _index("--against", against, asked.classes)
    return HeadTarget(head, chosen, other, scale)


def _index(option: str, name: str, names: Sequence[str]) -> int:
    _check(option, name, names)
    return names.index(name)


def _only(options: Mapping[str, str | bool | None], why: str) -> None:
    """Refuse options that would be ignored."""
    if given := [name for name, value in options.items() if value not in (None, False)]:
        raise InputError(f"{', '.join(given)}: {why}. Leave it out")


def _check(option: str, name: str, names: Sequence[str]) -> None:
    if name not in names:
        raise InputError(f"{option} {name}: there is no such. Choose one of {', '.join(names)}")
