"""Where bundles are, and what each is about."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mtseg
from mtseg.bundle.config import load_config
from mtseg.bundle.settings import check_kinds
from mtseg.errors import InputError
from mtseg.keys import File
from mtseg.tasks import Head, Structures, heads_from

READING = ("clip", "largest_voxel_mm", "largest_image_mm", "plane")
"""Settings that `mtseg.data.read_cohort` takes."""


@dataclass(frozen=True)
class Description:
    """What a bundle needs and answers.

    Attributes:
        sequences: Image columns, in the order of the network's channels.
        optional: Those of them that a subject may lack.
        structures: The mask's structures.
        heads: The network's heads.
        reading: Further arguments of `mtseg.data.read_cohort`.
        has_weights: Whether trained weights lie in the bundle.
    """

    sequences: tuple[str, ...]
    optional: tuple[str, ...]
    structures: Structures
    heads: tuple[Head, ...]
    reading: dict[str, Any]
    has_weights: bool


def root() -> Path:
    """The folder that holds `bundles`: the checkout, or the installed package."""
    package = Path(mtseg.__file__).parent
    return package.parent if (package.parent / "bundles" / "recipe").is_dir() else package


def names() -> list[str]:
    """Names of the bundles that come with mtseg."""
    return sorted(path.parent.parent.name for path in (root() / "bundles").glob("*/configs/metadata.json"))


def find(name: str) -> Path:
    """Give a bundle's folder by its name, or check the folder that was given.

    Raises:
        InputError: There is no such bundle, with a list of those there are; or a folder is called like one of them.
    """
    folders = [Path(name).absolute(), root() / "bundles" / name]
    found = [folder for folder in dict.fromkeys(folders) if (folder / "configs" / "metadata.json").is_file()]
    if not found:
        raise InputError(f"{name}: no such bundle. Name a bundle's folder, or one of {', '.join(names())}")
    if len(found) > 1 and Path(name).name == str(name):
        raise InputError(f"{name}: is a bundle of mtseg and a folder here. Write ./{name} for the folder, or rename it")
    return found[0]


def describe(name: str) -> Description:
    """Say what a bundle needs and answers.

    Raises:
        InputError: There is no such bundle, or its settings are of another kind than they must be.
    """
    folder = find(name)
    file = folder / "configs" / "train.yaml"
    config = load_config(file, root=root())
    check_kinds(config, file=file)
    return Description(
        sequences=tuple(config["sequences"]),
        optional=tuple(config.get("optional_sequences", ())),
        structures=Structures(config["structures"]),
        heads=heads_from(config["heads"]),
        reading={name: config[name] for name in READING if name in config},
        has_weights=(folder / "models" / File.WEIGHTS).is_file(),
    )
