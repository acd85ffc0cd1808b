"""Where a bundle's trained network can be taken."""

from collections.abc import Sequence
from pathlib import Path
from pkgutil import resolve_name

from mtseg.bundle import find
from mtseg.bundle.guards import refusable
from mtseg.bundle.run import Path_, find_weights
from mtseg.errors import InputError

TARGETS = {
    "monai-label": "mtseg.export.monai_label:export_monai_label",
    "torchscript": "mtseg.export.torchscript:export_torchscript",
    "onnx": "mtseg.export.onnx:export_onnx",
}
"""The function that makes each export. It is imported when it is asked for: each needs packages that others do not.

It is called with the bundle's folder, and the keywords `out`, the output folder, and `weights`, the file with the state
dict. It gives back what to tell the user, and leaves nothing behind that does not answer as the network does.
"""


def export(name: str, *, to: str, out: Path_, weights: Path_ | Sequence[Path_] = ()) -> str:
    """Write a bundle's trained network in a form that another program takes.

    Args:
        name: Bundle name or folder (a training's output folder is one).
        to: One of `TARGETS`.
        out: Output folder.
        weights: State dict, or output folder of a training, to use instead of the bundle's own.

    Returns:
        Lines for the user: what was written, how it was checked, and how it is used.

    Raises:
        InputError: There is no such target, there are no weights or several, or the export does not answer as the
            network does; nothing is left behind then.
    """
    if to not in TARGETS:
        raise InputError(f"--to {to}: there is no such export. Choose {', '.join(TARGETS)}")
    folder, out = find(name), Path(out).absolute()
    if out.exists() and not out.is_dir():
        raise InputError(f"{out}: is no folder. Choose another for --out")
    first, *others = find_weights(folder, weights)
    if others:
        raise InputError(f"--weights: {len(others) + 1} were given, but an export holds one network. Name one")
    with refusable(out):
        return resolve_name(TARGETS[to])(folder, out=out, weights=first)
