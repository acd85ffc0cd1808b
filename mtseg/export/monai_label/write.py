"""Writing an app for MONAI Label's server, and making sure that it answers as the bundle does."""

import shutil
from pathlib import Path
from shlex import quote
from tempfile import TemporaryDirectory
from typing import Any

import nibabel as nib
import numpy as np
from nibabel.affines import from_matvec
from nibabel.eulerangles import euler2mat
from scipy import ndimage

from mtseg.bundle import describe, predict
from mtseg.bundle.config import load_config
from mtseg.bundle.locate import Description, root
from mtseg.bundle.run import copy_bundle, training_config
from mtseg.errors import InputError, Problem, ProblemsError
from mtseg.export.monai_label.served import Answer, ServedModel
from mtseg.files import read_table, replacing
from mtseg.keys import File
from mtseg.provenance import write_run

TOLERANCE = 1e-4
"""How far a probability may be from the prediction's; they are written with seven digits."""

MAIN = '''"""The app that MONAI Label's server looks for; see README.md."""

from mtseg.export.monai_label.server import JointApp

__all__ = ["JointApp"]
'''

COMMAND = "python -m monailabel.main start_server --app {app} --studies STUDIES --host 127.0.0.1 --port 8000"

README = """# {name} for MONAI Label

    {command}

APP is this folder. The environment needs MONAI Label 0.8.5 and mtseg: `make venv-serve` in a clone of mtseg makes one.
STUDIES is a folder of images, or the address of a DICOMweb server.

Beside images, a table of the subjects (as for `mtseg train`) may be in the folder as `participants.tsv`: it says which
images belong together, and holds the classes to train on. A table elsewhere: `--conf cohort TABLE`.

Masks are numbered {labels}.

This is research software, no medical device.
"""


def export_monai_label(folder: Path, *, out: Path, weights: Path) -> str:
    """Write an app that MONAI Label's server runs: inference, training, active learning, scoring.

    It holds the bundle, complete and with its weights; the code is mtseg's, which the server needs beside MONAI Label.
    Structures are renumbered from 1 in the bundle's order, because viewers number segments so.

    Args:
        folder: The bundle.
        out: Output folder; there must be nothing.
        weights: State dict.

    Returns:
        How it was checked, and the command that serves it.

    Raises:
        ProblemsError: The bundle does not answer about volumes with a mask.
        InputError: There is something at `out`; or the app does not answer as the bundle does: nothing is left then.
    """
    about = describe(str(folder))
    if problems := _unservable(folder.name, about):
        raise ProblemsError(problems)
    if out.exists() and any(out.iterdir()):
        raise InputError(f"{out}: is there already. Choose another folder for --out")
    name = folder.name
    numbers = {structure: k for k, structure in enumerate(about.structures.names, start=1)}
    with replacing(out) as temporary:
        served = temporary / "model" / name
        config = training_config(
            str(folder),
            cohort="participants.tsv",
            out="training",
            fold=None,
            seed=0,
            settings=[f"structures={numbers}"],
        )
        copy_bundle(folder, served, train=continuing(config))
        (served / "models").mkdir()
        shutil.copyfile(weights, served / "models" / File.WEIGHTS)
        (temporary / "main.py").write_text(MAIN)
        labels = ", ".join(f"{k} {structure}" for structure, k in numbers.items())
        (temporary / "README.md").write_text(README.format(name=name, command=COMMAND.format(app="APP"), labels=labels))
        compared = _check(folder, served, weights=weights)
        write_run(temporary, command="export", bundle=folder, weights=weights, **compared)
        _moved(served, to=out / "model" / name)
    command = COMMAND.format(app=quote(str(out)))
    return (
        f"Checked on a phantom: the app differs from mtseg predict in {compared['voxels_different']} of "
        f"{compared['voxels_compared']} voxels ({compared['voxels_in_structures']} of them in structures), and in "
        f"probabilities and numbers by {compared['largest_difference']:.2g} at most\n"
        f"Serve it, in the environment that `make venv-serve` makes:\n  {command}"
    )


def continuing(config: dict[str, Any]) -> dict[str, Any]:
    """Let a training begin with given weights: its setting `start_weights`, a state dict or null."""
    load = {
        "_target_": "mtseg.inference.load_weights",
        "_disabled_": "$@start_weights is None",
        "network": "@network_def",
        "path": "@start_weights",
    }
    *before, start = config["initialize"]
    moved = {"cohort": "participants.tsv", "output": "training"}
    return config | moved | {"start_weights": None, "initialize": [*before, load, start]}


def _moved(served: Path, *, to: Path) -> None:
    """Say in the configurations where the bundle will be."""
    for file in (served / "configs").glob("*.yaml"):
        file.write_text(file.read_text().replace(str(served), str(to)))


def _unservable(name: str, about: Description) -> list[Problem]:
    problems = []
    if not about.structures.names:
        problems.append(Problem("", name, "draws no mask", "MONAI Label is for masks; use mtseg predict"))
    for setting, what in (("plane", "one slice of a subject"), ("clip", "4D runs")):
        if about.reading.get(setting) is not None:
            problems.append(Problem("", name, f"answers about {what} ({setting})", "Use mtseg predict"))
    return problems


def _check(folder: Path, served: Path, *, weights: Path) -> dict[str, Any]:
    """Compare the app's answer about a phantom with the bundle's own; give what was found."""
    with TemporaryDirectory() as temporary:
        images = _phantom(served, Path(temporary))
        model = ServedModel(served)
        table = model.table_of([model.find(images[0])], folder=Path(temporary))
        out = predict(str(folder), cohort=table, out=Path(temporary) / "bundle", weights=weights)
        row = read_table(out / File.PREDICTIONS).iloc[0].to_dict()
        mask = _classes(describe(str(folder)), out / row["mask_file"])
        with model.answer(images[0]) as answer:
            voxels = int((np.asarray(nib.load(answer.mask).dataobj) != mask).sum())
            gap = max((abs(row[name] - value) for name, value in _numbers(answer).items()), default=0.0)
    if voxels or not gap <= TOLERANCE:
        raise InputError(
            f"{folder}: the app answers otherwise than mtseg predict: {voxels} voxels of {mask.size}, probabilities by "
            f"up to {gap:.2g}. Nothing was written; this is an error in mtseg, please report it"
        )
    return {
        "voxels_compared": mask.size,
        "voxels_in_structures": int((mask > 0).sum()),
        "voxels_different": voxels,
        "largest_difference": gap,
    }


def _classes(about: Description, mask: Path) -> np.ndarray:
    """Number a predicted mask's structures from 1, as the app does."""
    return about.structures.classes(np.asarray(nib.load(mask).dataobj))


def _numbers(answer: Answer) -> dict[str, float]:
    """Probabilities and numbers of the heads by their columns in `predictions.tsv`."""
    found: dict[str, float] = {}
    for head, said in answer.result["heads"].items():
        found |= {f"{head}_prob_{name}": p for name, p in said.get("probabilities", {}).items()}
        if isinstance(said.get("predicted"), float):
            found[f"{head}_predicted"] = said["predicted"]
    return found


def _phantom(served: Path, folder: Path) -> list[Path]:
    """Write one image a sequence, of blobs, on a turned and oblique grid."""
    config = load_config(served / "configs" / "train.yaml", root=root())
    rng = np.random.default_rng(0)
    affine = from_matvec(euler2mat(0.1, 0.2, 0.0) @ np.diag([-1.0, -1.0, 1.0]) @ np.diag(config["spacing"]), [5, -7, 9])
    blobs = ndimage.gaussian_filter(rng.normal(size=config["patch_size"]), 3)
    blobs = 100 * np.clip(blobs / blobs.std(), 0, None)  # half of it is air, where brains have some
    images = []
    for sequence in config["sequences"]:
        voxels = np.where(blobs > 0, blobs + rng.normal(50, 5, size=blobs.shape), 0).astype(np.int16)
        images.append(folder / f"phantom_{sequence}.nii.gz")
        nib.save(nib.Nifti1Image(voxels, affine), images[-1])
    return images
