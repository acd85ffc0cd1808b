"""What is refused before a bundle runs, so that nothing is lost or wasted."""

import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from errno import EACCES
from pathlib import Path
from typing import Any

import yaml

from mtseg.bundle.config import load_config
from mtseg.bundle.locate import root
from mtseg.data import Cohort, read_cohort
from mtseg.errors import InputError
from mtseg.files import alone_in
from mtseg.keys import File
from mtseg.provenance import check_command, command_in

MAY_DIFFER = ("cohort", "output", "resume")
"""Settings that may change between a training and its continuation: where things lie now."""

NOT_MIRRORED = "--mirror: this network was trained without mirroring (mirror: false), so it cannot be used"

RECIPE = (
    "device",
    "tasks",
    "data",
    "prepare",
    "loss",
    "augment",
    "train",
    "validate",
    "initialize",
    "run",
)
"""Settings that a bundle takes from the shared recipe, which may have been mended since a training was finished."""


COPIED = ("LICENSE", "docs/README.md")
"""Files of a bundle that go with its training."""


@contextmanager
def refusable(out: Path) -> Iterator[None]:
    """Have a folder alone, and leave it as it was when the input is refused before computing starts.

    Computing starts where `run.json` is written.

    Raises:
        InputError: Nothing can be written there, or another process is working there.
    """
    new = not out.exists()
    try:
        out.mkdir(parents=True, exist_ok=True)
        if not os.access(out, os.W_OK):
            raise PermissionError(EACCES, os.strerror(EACCES))
    except OSError as error:
        raise InputError(f"{out}: cannot be written ({error.strerror}). Choose another folder for --out") from None
    with alone_in(out):
        before = _about(out)
        try:
            yield
        except InputError:
            if new and not (out / File.RUN).exists():
                shutil.rmtree(out, ignore_errors=True)
            elif (now := _about(out)).get(out / File.RUN) == before.get(out / File.RUN):
                for path in now.keys() - before.keys():
                    path.unlink()
                for path, content in before.items() - now.items():
                    path.write_bytes(content)
            raise


def _about(out: Path) -> dict[Path, bytes]:
    """The files that say what the others in a folder are."""
    paths = [*out.glob("configs/*"), *map(out.joinpath, (*COPIED, File.LOG, File.INPUTS, File.RUN))]
    return {path: path.read_bytes() for path in paths if path.is_file()}


def check_new_training(out: Path) -> None:
    """Refuse to train where a trained network is, or files that are not those of a training in this folder.

    Raises:
        InputError: Names one of them, or the command whose results there are.
    """
    weights, config = out / "models" / File.WEIGHTS, out / "configs" / "train.yaml"
    if weights.is_file():
        raise InputError(f"{weights}: a trained network is there already. Choose another folder for --out")
    check_command(out, "train")
    begun = config.is_file() and load_config(config, root=root()).get("output") == str(out)
    names = (*COPIED, File.HISTORY, File.TRAINED_ON, File.LOG)
    files = [] if begun or command_in(out) else [*out.glob("configs/*"), *map(out.joinpath, names)]
    if others := [file for file in files if file.is_file()]:
        raise InputError(f"{others[0]}: a training would overwrite this. Choose another folder for --out")


def check_output(out: Path, folder: Path, *, also: Sequence[str] = ()) -> None:
    """Refuse to write predictions into a bundle or a training, among other results, or over what somebody else made.

    Args:
        out: Where they would go.
        folder: The bundle.
        also: Patterns of further files that the command writes or removes.

    Raises:
        InputError: Names a file that would be lost, or the command whose results there are.
    """
    if out == folder or (out / "configs" / "train.yaml").is_file() or (out.exists() and not out.is_dir()):
        raise InputError(f"{out}: is no folder for predictions. Choose another for --out")
    if command_in(out) in ("predict", "evaluate", "explain"):
        return
    check_command(out, "predict")
    maps = ("*_mask.nii.gz", "*_prob.nii.gz", "*_entropy.nii.gz", "*_disagreement.nii.gz", "*_cam*")
    if other := next((file for pattern in (*maps, File.PREDICTIONS, *also) for file in out.glob(str(pattern))), None):
        raise InputError(f"{other}: could be overwritten. Choose another folder for --out")


def check_mirror(folder: Path, mirror: bool, *, weights: Sequence[Path]) -> None:
    """Refuse to mirror at prediction what was not mirrored in training, see `mirrored`."""
    if mirror and not mirrored(folder, weights=weights):
        raise InputError(NOT_MIRRORED)


def mirrored(folder: Path, *, weights: Sequence[Path]) -> bool:
    """Whether training mirrored images, that of the bundle and, where a file of weights lies in one, its own."""
    files = {run / "configs" / "train.yaml" for run in (folder, *(path.parent.parent for path in weights))}
    return all(load_config(file, root=root()).get("mirror") for file in files if file.is_file())


def check_unchanged(config: Mapping[str, Any], out: Path, *, finished: bool = False) -> None:
    """Compare with the settings (MONAI's own command leaves none) and the subjects that the training began with.

    Table, images and training may have been moved together.

    Args:
        config: The settings now.
        out: Folder of the training.
        finished: Nothing will be added to it, so the recipe may be another one.

    Raises:
        InputError: Something else has changed.
    """
    may_differ = (*MAY_DIFFER, *(RECIPE if finished else ()))
    before = out / "configs" / "train.yaml"
    old = yaml.safe_load(before.read_text()) if before.is_file() else config
    changed = [key for key in {**config, **old} if key not in may_differ and config.get(key) != old.get(key)]
    if changed:
        raise InputError(
            f"{before}: the training began with another {', '.join(changed)}. Resume with the options it began with"
        )
    optional = config.get("optional_sequences", ())
    cohort = read_cohort(config["cohort"], sequences=config["sequences"], optional=optional)
    same = {cohort.fingerprint(), _moved(cohort, Path(old["cohort"])).fingerprint()}
    if json.loads((out / File.RUN).read_text())["data"] not in same:
        raise InputError(f"{config['cohort']}: the table has changed since the training in {out} began. Restore it")


def _moved(cohort: Cohort, path: Path) -> Cohort:
    """Give the table as it is where it lies elsewhere, and all files with it but those that share only the root."""
    here, table = cohort.path.parent, cohort.table.copy()

    def moved(cell: Any) -> Any:
        if not isinstance(cell, str) or not Path(cell).is_absolute() or os.path.commonpath([cell, here]) == here.anchor:
            return cell
        return os.path.normpath(path.parent / os.path.relpath(cell, here))

    for name in table.select_dtypes(object):
        table[name] = [moved(cell) for cell in table[name]]
    return replace(cohort, path=path, table=table)
