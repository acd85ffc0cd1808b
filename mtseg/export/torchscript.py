"""TorchScript: a network that torch runs without mtseg, also from C++."""

import warnings
from keyword import iskeyword
from pathlib import Path

import torch
from monai.data import save_net_with_metadata

from mtseg.export.publish import publish
from mtseg.export.trained import Trained
from mtseg.keys import File


def export_torchscript(folder: Path, *, out: Path, weights: Path) -> str:
    """Write `model.ts`: called with an image it returns the network's dictionary of tasks; float32.

    The facts lie in it as `metadata.json`, where `monai.data.load_net_with_metadata` looks.

    Args:
        folder: The bundle.
        out: Output folder.
        weights: State dict.

    Returns:
        What to tell the user.

    Raises:
        InputError: See `mtseg.export.publish.publish`.
    """
    written = publish(
        folder, File.TORCHSCRIPT, out=out, weights=weights, write=_write, read=torch.jit.load, takes=_takes
    )
    return f'{written}\nhow to use it: torch.jit.load("{out / File.TORCHSCRIPT}")(image) gives logits by task'


def _takes(name: str) -> bool:
    """Whether the code in the file can be read back, which has the name in it as a variable and between quotes."""
    return name.isascii() and name.isprintable() and not iskeyword(name) and not {*name} & {*'"\\'}


def _write(trained: Trained, path: Path) -> None:
    with torch.no_grad(), warnings.catch_warnings():
        # That sizes checked in Python are not checked again, which is meant; and that torch.export is newer.
        warnings.simplefilter("ignore")
        traced = torch.jit.trace(trained.network, (trained.example(),), strict=False, check_trace=False)
        save_net_with_metadata(traced, str(path), meta_values=trained.facts)
