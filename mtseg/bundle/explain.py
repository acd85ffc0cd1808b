"""Explaining a bundle's answers."""

from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import Any

from mtseg.bundle.config import load_config
from mtseg.bundle.guards import check_mirror, check_output, refusable
from mtseg.bundle.inputs import table_of
from mtseg.bundle.locate import find, root
from mtseg.bundle.members import prediction_config
from mtseg.bundle.run import Path_, find_weights, infer
from mtseg.errors import InputError


def explain(
    name: str,
    inputs: Sequence[Path_] = (),
    *,
    out: Path_,
    cohort: Path_ | None = None,
    fold: int | None = None,
    weights: Sequence[Path_] = (),
    mirror: bool = False,
    **options: Any,
) -> Path:
    """Predict subjects and show where the answers came from.

    Args:
        name: Bundle name or folder (a training's output folder is one).
        inputs: Image files or DICOM series folders, one per subject; for bundles with one sequence.
        out: Output folder.
        cohort: Cohort table, instead of `inputs`; its masks are compared with the maps.
        fold: Explain this fold's subjects only.
        weights: As in `mtseg.bundle.predict`; of several the maps are averaged too.
        mirror: Average with the map of the mirrored image.
        **options: What is explained and how: the settings under `explain` in `bundles/recipe/explain.yaml`.

    Returns:
        The output folder, see the output reference.

    Raises:
        InputError: See `mtseg.bundle.predict`; an option names something that there is not; or the bundle takes clips.
    """
    from mtseg.cam.write import OURS  # it imports what draws, which takes seconds

    folder, out = find(name), Path(out).absolute()
    recipe = load_config(root() / "bundles" / "recipe" / "explain.yaml", root=root())
    config = prediction_config(folder) | recipe
    first, *others = find_weights(folder, weights)
    offered = {*recipe["explain"]} - {"ensemble"}
    if unknown := sorted(options.keys() - offered):
        raise InputError(f"{', '.join(unknown)}: no such option. There are: {', '.join(sorted(offered))}")
    options = {option: str(value) if isinstance(value, PathLike) else value for option, value in options.items()}
    check_output(out, folder, also=OURS)
    check_mirror(folder, mirror, weights=[first, *others])
    if config.get("clip") is not None:
        raise InputError(
            f"{name}: answers about 4D runs (clip: {config['clip']}) have no maps. Train on maps of the runs"
        )
    with refusable(out):
        cohort = table_of(inputs, cohort, sequences=config["sequences"], folder=out)
        explained = recipe["explain"] | options | {"ensemble": [str(path) for path in others]}
        config |= {"cohort": cohort, "fold": fold, "mirror": mirror, "explain": explained}
        infer(folder, "configs/explain.yaml", config, out=out, weights=[first])
    return out
