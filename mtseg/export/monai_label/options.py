"""Options that a viewer sends, which may be anything."""

import math
from typing import Any

from mtseg.errors import InputError


def training_settings(*, epochs: Any, rate: Any) -> list[str]:
    """Give the settings of a training; viewers send numbers also as text.

    Raises:
        InputError: They are no such numbers; lists both.

    >>> training_settings(epochs="20", rate=2e-4)
    ['epochs=20', 'learning_rate=0.0002']
    """
    problems = []
    if not (_number(epochs).is_integer() and _number(epochs) >= 1):
        problems.append(f"max_epochs: '{epochs}' is no whole number from 1")
    if not 0 < _number(rate) < math.inf:
        problems.append(f"learning_rate: '{rate}' is no number above 0")
    if problems:
        raise InputError("\n".join(problems))
    return [f"epochs={int(_number(epochs))}", f"learning_rate={_number(rate)}"]


def switched_on(value: Any, *, name: str) -> bool:
    """Read an option that is on or off; viewers send these also as text, of which "false" would count as true.

    Args:
        value: As it was sent.
        name: Of the option.

    Raises:
        InputError: It is neither.

    >>> [switched_on(value, name="pretrained") for value in (True, "false", "True", 0)]
    [True, False, True, False]
    """
    known = {"true": True, "1": True, "false": False, "0": False}
    if (said := str(value).lower()) not in known:
        raise InputError(f"{name}: '{value}' is neither true nor false")
    return known[said]


def _number(text: Any) -> float:
    """Read a number; what is none is not a number."""
    try:
        return float(text)
    except (TypeError, ValueError):
        return math.nan
