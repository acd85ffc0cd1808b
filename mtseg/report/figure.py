"""Drawing style, and turning a drawing into a picture that lives inside the page."""

import base64
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import get_font_names

REFERENCE, PREDICTION, NEUTRAL = "#56B4E9", "#E69F00", "#0072B2"
"""Colours of Okabe and Ito's palette, which colour-blind readers and grey printers keep apart."""

# For signs that DejaVu lacks, as it does those of Japanese, Chinese and Korean; matplotlib ships none of these.
_FALLBACKS = (
    *("Noto Sans CJK JP", "Noto Sans CJK SC", "Noto Sans JP", "Noto Sans SC", "IPAexGothic", "WenQuanYi Zen Hei"),
    *("Hiragino Sans", "PingFang SC", "Yu Gothic", "Microsoft YaHei", "Malgun Gothic", "Arial Unicode MS"),
)
_STYLE: dict[Any, Any] = {
    "font.size": 10,
    "axes.titlesize": 11,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "legend.frameon": False,
    "figure.constrained_layout.use": True,
    "svg.hashsalt": "mtseg",
}


@dataclass(frozen=True)
class Picture:
    """A picture of the report.

    Attributes:
        source: Data URI.
        caption: What it shows; also read out where it cannot be seen.
        width: In the page, CSS pixels; it shrinks on a narrow screen.
    """

    source: str
    caption: str
    width: int


@contextmanager
def style() -> Iterator[None]:
    """Draw in the report's style without changing that of the caller's session."""
    with mpl.rc_context(_STYLE | {"font.family": _fonts(get_font_names())}):
        yield


def _fonts(installed: Collection[str]) -> list[str]:
    """The fonts to look for a sign in, one after the other; matplotlib would warn of each that is not installed.

    >>> _fonts(["Arial", "IPAexGothic", "DejaVu Sans"])
    ['DejaVu Sans', 'IPAexGothic']
    """
    return ["DejaVu Sans", *(name for name in _FALLBACKS if name in installed)]


def picture(figure: Figure, *, caption: str, raster: bool = False) -> Picture:
    """Turn a drawing into a picture.

    Args:
        figure: What was drawn, sized in inches; 96 CSS pixels each.
        caption: See `Picture`.
        raster: PNG rather than SVG, for scans.
    """
    memory = BytesIO()
    if raster:
        figure.savefig(memory, format="png", dpi=150)
    else:
        figure.savefig(memory, format="svg", metadata={"Date": None})
    kind = "png" if raster else "svg+xml"
    source = f"data:image/{kind};base64,{base64.b64encode(memory.getvalue()).decode()}"
    return Picture(source, caption, round(figure.get_figwidth() * 96))


def equality(axes: Axes, true: np.ndarray, predicted: np.ndarray) -> None:
    """Scatter predicted against true values on equal axes, with the line of perfect agreement."""
    low, high = min(true.min(), predicted.min()), max(true.max(), predicted.max())
    edge = 0.05 * ((high - low) or 1)
    axes.axline((low, low), slope=1, color="0.7", lw=1)
    axes.plot(true, predicted, "o", ms=4.5, color=NEUTRAL, alpha=0.6, mew=0)
    axes.set(xlim=(low - edge, high + edge), ylim=(low - edge, high + edge), aspect="equal")
