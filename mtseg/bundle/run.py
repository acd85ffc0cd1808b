"""Running a bundle: train, predict, evaluate."""

import json
import logging
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from os import PathLike
from pathlib import Path
from typing import Any

import yaml
from monai.bundle import ConfigWorkflow

from mtseg.bundle.changes import change_evaluation, change_metadata, change_training
from mtseg.bundle.config import check_strings, load_config, misnamed_in, parse_settings
from mtseg.bundle.exported import check_exports, file_of, with_onnx
from mtseg.bundle.guards import (
    COPIED,
    check_mirror,
    check_new_training,
    check_output,
    check_unchanged,
    refusable,
)
from mtseg.bundle.inputs import table_of
from mtseg.bundle.locate import find, root
from mtseg.bundle.members import EVALUATION, PREDICTION, add_uncertainty, prediction_config, strangers
from mtseg.bundle.settings import check_device, wrong_kinds
from mtseg.engine import find_checkpoint
from mtseg.errors import InputError, ProblemsError, input_error_in
from mtseg.files import replacing
from mtseg.keys import SCORES, File
from mtseg.memory import reuse_memory
from mtseg.provenance import command_in

Path_ = str | PathLike

logger = logging.getLogger("mtseg")

CLEAR = {
    "evaluate": {"_target_": "mtseg.evaluation.remove_scores", "folder": "@output"},
    "explain": {"_target_": "mtseg.cam.remove_maps", "folder": "@output"},
}
"""First step of a prediction, by the command whose results it finds; here and not in the recipe, of which a training's
own folder may hold an older copy."""

REQUIRE_ALL = "$@dataset.require_all()"
"""Last step of every prediction, which an older copy lacks; there the stream itself told of those it passed over."""

MODEL = (
    "sequences",
    "optional_sequences",
    "structures",
    "heads",
    "architecture",
    "network_def",
    "normalise",
    "prepare",
    "spacing",
    "brain_only",
    "tile_size",
    "clip",
    "largest_voxel_mm",
    "plane",
)
"""Settings that prediction must share with the training, where it has them."""

CROPS = "largest_image_mm"
"""The same of a network for crops; it changes what is noted, and no answer, so others' may differ."""


def train(
    name: str,
    *,
    cohort: Path_,
    out: Path_,
    fold: int | None = None,
    seed: int = 0,
    resume: bool = False,
    settings: Sequence[str] = (),
) -> Path:
    """Train a bundle's network on a cohort.

    The output folder becomes a bundle: its configurations are complete (nothing included from elsewhere), and
    `models/model.pt` holds the weights, so it can be predicted with, resumed and exported wherever it is moved to.

    Args:
        name: Bundle name or folder.
        cohort: Cohort table.
        out: Output folder.
        fold: Fold to hold out; None trains on everybody.
        seed: Fixes all that is random.
        resume: Go on from the last complete epoch in `out`; everything else must be as it was.
        settings: "NAME=VALUE" changes of the bundle's top-level settings.

    Returns:
        The output folder.

    Raises:
        InputError: The folder holds another training or files that would be overwritten, or `resume` is set and it
            holds no training like this one; or another process is working in it.
    """
    folder, out = find(name), Path(out).absolute()
    config = training_config(name, cohort=cohort, out=out, fold=fold, seed=seed, settings=settings) | {"resume": resume}
    prediction_config(folder, scored=True)  # refuses now what would be found when all is trained
    with refusable(out):
        if find_checkpoint(out / "models", resume=resume):
            check_unchanged(config, out)
        else:
            check_new_training(out)
        copy_bundle(folder, out, train=config)
        with _log_file(out / File.LOG):
            _run(out / "configs" / "train.yaml", kind="train")
    return out


def finish_training(name: str, *, out: Path_, **options: Any) -> Path:
    """Train as `train` does what is missing: nothing if it is finished, else from the last complete epoch on."""
    models = Path(out) / "models"
    if not (models / File.WEIGHTS).is_file():
        train(name, out=out, resume=any(models.glob("checkpoint_*.pt")), **options)
    return Path(out)


def training_config(
    name: str, *, cohort: Path_, out: Path_, fold: int | None, seed: int, settings: Sequence[str]
) -> dict[str, Any]:
    """Give the complete configuration of a training; see `train` for the arguments."""
    config = load_config(find(name) / "configs" / "train.yaml", root=root())
    run = {"cohort": str(Path(cohort).absolute()), "output": str(Path(out).absolute()), "fold": fold, "seed": seed}
    return change_training(config, parse_settings(settings, config) | run)


def predict(
    name: str,
    inputs: Sequence[Path_] = (),
    *,
    out: Path_,
    cohort: Path_ | None = None,
    weights: Path_ | Sequence[Path_] = (),
    mirror: bool = False,
    probabilities: bool = False,
    runtime: str = "torch",
) -> Path:
    """Predict masks and answers for image files or a cohort.

    Args:
        name: Bundle name or folder (a training's output folder is one).
        inputs: NIfTI files or DICOM series folders, one per subject; for bundles with one sequence.
        out: Output folder.
        cohort: Cohort table, instead of `inputs`.
        weights: State dicts, or output folders of trainings, to use instead of the bundle's own; several are averaged.
        mirror: Average with the prediction on the mirrored image.
        probabilities: Also write probability images.
        runtime: "torch", or "onnx": the weights are networks, or folders of them, that `mtseg bundle export` wrote.

    Returns:
        The output folder, see the output reference. Scores and maps of an earlier evaluation or explanation in it are
        removed.

    Raises:
        InputError: Something cannot be used; a `PassedOverError` if the others' results are written.
    """
    folder, out, file = find(name), Path(out).absolute(), file_of(runtime)
    config = prediction_config(folder)
    paths = find_weights(folder, weights, file=file)
    check_output(out, folder)
    check_mirror(folder, mirror, weights=paths)
    if file is File.ONNX:
        check_exports(folder, paths, same=MODEL, mirror=mirror)
        config = with_onnx(config)
    with refusable(out):
        cohort = table_of(inputs, cohort, sequences=config["sequences"], folder=out)
        config |= {"cohort": cohort, "mirror": mirror, "probabilities": probabilities}
        if len(paths) > 1:
            config = add_uncertainty(config)
        infer(folder, PREDICTION, config, out=out, weights=paths)
    return out


def evaluate(
    name: str,
    *,
    cohort: Path_,
    out: Path_,
    fold: int | None = None,
    weights: Path_ | Sequence[Path_] = (),
    mirror: bool = False,
    settings: Sequence[str] = (),
) -> Path:
    """Predict a cohort (or one fold of it) and score the result against its masks and targets.

    Args:
        name: Bundle name or folder (a training's output folder is one).
        cohort: Cohort table with masks and targets; missing ones are counted, not scored.
        out: Output folder.
        fold: Score this fold's subjects only.
        weights: State dicts, or output folders of trainings, to use instead of the bundle's own; several are averaged.
        mirror: Average with the prediction on the mirrored image.
        settings: "NAME=VALUE" changes of the bundle's top-level settings.

    Returns:
        The HTML report. Scores and maps of an earlier evaluation or explanation are removed before the first new
        prediction is written.

    Raises:
        InputError: See `predict`.
    """
    folder = find(name)
    paths = find_weights(folder, weights)
    config = prediction_config(folder, scored=True)
    changes = parse_settings(settings, config)
    if problems := [*wrong_kinds(changes)]:
        raise ProblemsError(problems)
    taken = config["sequences"]
    if len(changes.get("sequences", taken)) != len(taken):
        raise InputError(f"--set sequences: the network takes {', '.join(taken)}. Name a column for each")
    mirror = mirror or bool(changes.get("mirror"))
    changes |= {"cohort": cohort, "fold": fold, "mirror": mirror}
    out = Path(out).absolute()
    check_output(out, folder, also=SCORES)
    check_mirror(folder, mirror, weights=paths)
    with refusable(out):
        infer(folder, EVALUATION, add_uncertainty(config | changes), out=out, weights=paths)
    return out / File.REPORT


def find_weights(folder: Path, weights: Path_ | Sequence[Path_], *, file: File = File.WEIGHTS) -> list[Path]:
    """Give the files of the weights to use: those named, or the bundle's own.

    Args:
        folder: The bundle.
        weights: Files, or folders in which, or in whose `models`, there is one.
        file: Its name.

    Raises:
        InputError: There are none, or the training in whose folder they lie had other settings than the bundle; lists
            all of them.
    """
    named = [weights] if isinstance(weights, (str, PathLike)) else weights
    given = [Path(path).absolute() for path in named] or [folder]
    paths = [_in_folder(path, file) if path.is_dir() else path for path in given]
    runs = {run for path in paths for run in path.parents[:2] if run != folder and (run / PREDICTION).is_file()}
    absent = [path for path in paths if not path.is_file()]
    before = "Train the bundle" if file is File.WEIGHTS else "Export it (mtseg bundle export NAME --to onnx)"
    problems = [f"{path}: there are no such weights. {before} first, or give --weights" for path in absent]
    twice = [path for path in dict.fromkeys(paths) if paths.count(path) > 1]
    problems += [
        f"{path}: is given twice, which would pass for two trainings that agree. Give it once" for path in twice
    ]
    if file is not File.ONNX:
        exported = [path for path in paths if path.suffix == Path(File.ONNX).suffix]
        problems += [f"{path}: is an exported network: --runtime onnx computes it" for path in exported]
    problems += strangers(folder, {run / PREDICTION: prediction_config(run) for run in sorted(runs)}, same=MODEL)
    if problems:
        raise InputError("\n".join(problems))
    return paths


def _in_folder(folder: Path, file: File) -> Path:
    return folder / file if (folder / file).is_file() else folder / "models" / file


def infer(folder: Path, file: str, config: Mapping[str, Any], *, out: Path, weights: Sequence[Path]) -> None:
    """Write a complete configuration into the output folder and run it; first, scores and maps there go."""
    clear = [CLEAR[command]] if (command := command_in(out)) in CLEAR else []  # else they may be anybody's
    config = dict(config) | {
        "cohort": str(Path(config["cohort"]).absolute()),
        "output": str(out),
        "weights": [str(path) for path in weights] if len(weights) > 1 else str(weights[0]),
        "bundle_root": str(folder),
        "run": clear + [step for step in config["run"] if step != REQUIRE_ALL] + [REQUIRE_ALL],
    }
    path = out / file
    _write_yaml(config, path)
    shutil.copyfile(folder / "configs" / "metadata.json", path.parent / "metadata.json")
    _run(path, kind="infer")


def copy_bundle(folder: Path, out: Path, *, train: Mapping[str, Any]) -> None:
    """Write a bundle's files into the output folder, with complete configurations."""
    inference = load_config(folder / "configs" / "inference.yaml", root=root())
    evaluate = load_config(folder / "configs" / "evaluate.yaml", root=root())
    _write_yaml(train, out / "configs" / "train.yaml")
    _write_yaml(
        inference | {key: train[key] for key in (*MODEL, CROPS) if key in inference} | {"bundle_root": str(out)},
        out / "configs" / "inference.yaml",
    )
    gone = inference["structures"].keys() - train["structures"].keys()
    _write_yaml(change_evaluation(evaluate, gone=gone), out / "configs" / "evaluate.yaml")
    metadata = json.loads((folder / "configs" / "metadata.json").read_text())
    with replacing(out / "configs" / "metadata.json") as temporary:
        temporary.write_text(json.dumps(change_metadata(metadata, train), indent=2))
    for name in COPIED:
        (out / name).parent.mkdir(exist_ok=True)
        if (folder / name).absolute() != (out / name).absolute():
            shutil.copyfile(folder / name, out / name)


@contextmanager
def _log_file(path: Path) -> Iterator[None]:
    """Also write mtseg's messages, as plain lines, to a file; a resumed training appends."""
    handler = logging.FileHandler(path)
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
    logger.setLevel(logging.INFO)
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        handler.close()


def _write_yaml(config: Mapping[str, Any], path: Path) -> None:
    check_strings(config)
    with replacing(path) as temporary:
        temporary.write_text(yaml.safe_dump(dict(config), sort_keys=False, width=120))


def _run(file: Path, *, kind: str) -> None:
    # It warns that there is no logging.conf, which is meant.
    logging.getLogger("monai.bundle.workflows").setLevel(logging.ERROR)
    reuse_memory()
    workflow = ConfigWorkflow(
        config_file=str(file), meta_file=str(file.parent / "metadata.json"), logging_file=False, workflow_type=kind
    )
    try:
        check_device(workflow.parser.config)
        workflow.initialize()
        workflow.run()
        workflow.finalize()
    except Exception as error:
        wrong_input = input_error_in(error)
        if wrong_input is None and (what := misnamed_in(error)):
            wrong_input = InputError(f"{file.stem}: {what}. Correct the setting")
        if wrong_input is None:
            raise
        raise wrong_input from None
