"""The page: headings, tables and pictures as one HTML file."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from mtseg.files import replacing
from mtseg.report.figure import Picture
from mtseg.report.tables import Table
from mtseg.report.text import readable


@dataclass
class Section:
    """A heading with what stands under it."""

    title: str
    lead: str = ""
    table: Table | None = None
    pictures: list[Picture] = field(default_factory=list)


def write_page(
    path: str | os.PathLike,
    *,
    title: str,
    result: str,
    n: int,
    sections: Sequence[Section],
    notes: Sequence[str],
    run: Mapping[str, Any],
    unit: str = "subjects",
) -> None:
    """Write one HTML file that needs nothing else: no network, no scripts, no files beside it.

    Args:
        path: Of the HTML file.
        title: Of the page.
        result: The main result in a sentence.
        n: How many there are of `unit`.
        sections: In their order.
        notes: What the reader must know before reading a number.
        run: What made these numbers (versions, seed, data fingerprint), printed as it is.
        unit: What was counted.
    """
    environment = Environment(
        loader=PackageLoader("mtseg", "report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    page = environment.get_template("report.html.j2").render(
        title=title,
        date=date.today().isoformat(),
        result=result,
        n=n,
        unit=unit,
        sections=sections,
        notes=notes,
        run={readable(str(key)): value for key, value in run.items()},
    )
    with replacing(path) as temporary:
        temporary.write_text(page, encoding="utf-8")
