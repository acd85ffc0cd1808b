"""The repetition time of a run: what the header says, and whether that can be."""

import json
import math
from pathlib import Path
from typing import Any

import nibabel as nib
from nibabel.nifti1 import unit_codes

from mtseg.data.fmri.problems import refusal

TR_S = (0.1, 20.0)
SECONDS = {"sec": 1.0, "msec": 1e-3, "usec": 1e-6}
UNIT_OF_TIME = 0b111000
"""Those bits of `xyzt_units` that say it."""
SAME_TR = 1e-3
"""Sidecars are rounded: up to this relative difference two repetition times are the same."""

REMEDY = "Give the repetition time in seconds (--tr), or correct the file"


def repetition_time(image: nib.Nifti1Image, *, given_s: float | None = None) -> float:
    """Find the repetition time of a 4D image, in seconds.

    The header's `pixdim[4]` is read in the unit of its `xyzt_units`. A BIDS sidecar beside the file (its name with
    .json) must agree with it, and stands in for a header that does not say.

    Args:
        image: As loaded from a file.
        given_s: Overrides header and sidecar.

    Raises:
        ProblemsError: The image is no NIfTI, nobody says the time or its unit, header and sidecar disagree, or the time
            is not between 0.1 and 20 s.
    """
    where = image.get_filename() or ""
    if given_s is not None:
        return _plausible(given_s, where, source="the given repetition time")
    if not isinstance(image, nib.Nifti1Pair):
        raise refusal(where, "is no NIfTI file, so its repetition time is not read", REMEDY)
    noted = _sidecar(Path(where)) if where else None
    value, code = float(image.header["pixdim"][4]), int(image.header["xyzt_units"]) & UNIT_OF_TIME
    unit = unit_codes.label.get(code, f"{code}, which there is not")
    if not value or unit not in SECONDS:
        if noted is not None:
            return _plausible(noted, where, source="its sidecar's RepetitionTime")
        what = f"gives a repetition time of {value:g} without a unit of time" if value else "has no repetition time"
        raise refusal(where, f"{what} (pixdim[4] = {value:g}, time unit {unit})", REMEDY)
    tr_s = _plausible(value * SECONDS[unit], where, source="its header's repetition time")
    if noted is not None and not math.isclose(tr_s, noted, rel_tol=SAME_TR):
        what = f"has two repetition times: {tr_s:.6g} s by its header, {noted:.6g} s by its sidecar"
        raise refusal(where, what, "Find out which is right and give it (--tr), or correct the other one")
    return tr_s


def _plausible(tr_s: float, where: str, *, source: str) -> float:
    low, high = TR_S
    if not low <= tr_s <= high:
        what = f"cannot have been taken like this: {source} is {tr_s:.6g} s, not between {low:g} and {high:g} s"
        raise refusal(where, what, "Check the unit. " + REMEDY)
    return tr_s


def _sidecar(path: Path) -> float | None:
    """RepetitionTime in the JSON file of the same name; None if there is no such file or entry."""
    sidecar = path.with_name(path.name.removesuffix(".gz").removesuffix(".nii") + ".json")
    try:
        noted: Any = json.loads(sidecar.read_text(encoding="utf-8")).get("RepetitionTime")
        return None if noted is None else float(noted)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise refusal(str(sidecar), f"its RepetitionTime cannot be read ({error})", "Correct it") from None
