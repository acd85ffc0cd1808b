"""A map on the subject's anatomy: a picture for a paper, a page to move through."""

from html import escape
from pathlib import Path
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
import nibabel as nib
import numpy as np
from nilearn import plotting

from mtseg.files import replacing

SHOWN = 0.2
"""Smaller shares of the map's maximum are not drawn."""
_COLOUR, _LINE = "colour: share of the map's maximum, from 0.2", "; line: the mask that the network found"
_PAGE = """<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>{title}</title></head>
<body style="font-family: sans-serif">
<h1 style="font-size: 1.1em">{title}</h1>
<p>{legend}</p>
{view}
</body>
</html>
"""
"""nilearn's own title is written over the slices, and has room for a few letters."""


def draw(
    path: Path, *, anatomy: nib.Nifti1Image, normalised: nib.Nifti1Image, mask: nib.Nifti1Image | None, title: str
) -> None:
    """Write a PNG: planes through the map's maximum, left and right marked, the predicted mask as a line.

    Args:
        path: Of the PNG.
        anatomy: 3D image behind the map.
        normalised: The map as a share of its maximum, 0 to 1.
        mask: The predicted mask, on the map's grid; None where none is predicted.
        title: Above the picture.
    """
    with mpl.rc_context({"font.size": 9}), replacing(path) as temporary:
        common, planes = _common(anatomy, normalised), _planes(normalised)
        if planes != "ortho":  # the place of the one slice, and room for the title
            common["cut_coords"] = [common["cut_coords"]["xyz".index(planes)]]
            common |= {"figure": plt.figure(figsize=(5.4, 5.0), facecolor="black"), "axes": (0, 0, 1, 0.9)}
        display = plotting.plot_stat_map(normalised, **common, display_mode=planes, transparency=0.6, colorbar=True)
        caption = _COLOUR
        if mask is not None and np.asanyarray(mask.dataobj).any():
            caption += _LINE
            found = nib.Nifti1Image((np.asanyarray(mask.dataobj) > 0).astype(np.uint8), mask.affine)
            display.add_contours(found, levels=[0.5], colors="cyan", linewidths=1)
        plain = title.replace("$", r"\$")  # which begins a formula
        display.title(f"{plain}\n{caption}", size=8, y=0.99 if planes == "ortho" else 1.1)
        display.savefig(temporary, dpi=150)
        display.close()


def write_page(path: Path, *, anatomy: nib.Nifti1Image, normalised: nib.Nifti1Image, title: str) -> None:
    """Write an HTML page with everything in it: slices to click through, the map on the anatomy.

    Args:
        path: Of the page.
        anatomy: 3D image behind the map.
        normalised: The map as a share of its maximum, 0 to 1.
        title: Of the page.
    """
    view = plotting.view_img(
        normalised, **_common(anatomy, normalised), symmetric_cmap=False, opacity=0.6, width_view=900
    )
    page = _PAGE.format(title=escape(title), legend=_COLOUR, view=view.get_iframe())
    with replacing(path) as temporary:
        temporary.write_text(page, encoding="utf-8")


def _common(anatomy: nib.Nifti1Image, normalised: nib.Nifti1Image) -> dict[str, Any]:
    """What both pictures share: cuts through the maximum, the scale, an anatomy that a few voxels do not darken.

    Through the corner, where the maximum of an empty map is, nothing would be seen: the middle is shown instead.
    """
    values = np.asanyarray(normalised.dataobj)
    peak = np.unravel_index(values.argmax(), values.shape) if values.any() else np.array(values.shape) // 2
    scan = anatomy.get_fdata(dtype=np.float32)
    bright = np.percentile(scan[scan > scan.min()], 99.5) if scan.max() > scan.min() else scan.max()
    return {
        "bg_img": nib.Nifti1Image(scan.clip(max=bright), anatomy.affine),
        "cut_coords": tuple(nib.affines.apply_affine(normalised.affine, peak)),
        "threshold": min(SHOWN, float(values.max())),  # nilearn warns of one above all values
        "vmin": 0,
        "vmax": 1,
        "cmap": "inferno",
        "black_bg": True,
        "radiological": True,  # as in the report
    }


def _planes(image: nib.Nifti1Image) -> str:
    """Planes that have more than a line to show; a slice stored as a volume, or the one that was used, has one."""
    values = np.asanyarray(nib.as_closest_canonical(image).dataobj)
    shown = values != 0 if values.any() else np.ones(values.shape, dtype=bool)
    flat = [axis for axis in range(3) if shown.any(axis=tuple({0, 1, 2} - {axis})).sum() == 1]
    return "xyz"[flat[0]] if flat else "ortho"
