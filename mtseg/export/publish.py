"""Writing an exported network so that one that exists is known to answer as the network does."""

import json
from collections.abc import Callable
from pathlib import Path

from mtseg.bundle.members import prediction_config
from mtseg.errors import InputError
from mtseg.export.agreement import Answer, agreement
from mtseg.export.trained import Trained, load_trained
from mtseg.files import replacing
from mtseg.keys import File
from mtseg.provenance import write_run


def publish(
    folder: Path,
    file: File,
    *,
    out: Path,
    weights: Path,
    write: Callable[[Trained, Path], None],
    read: Callable[[Path], Answer],
    takes: Callable[[str], bool],
) -> str:
    """Write a network, read it back, compare, and only then let it be seen.

    Args:
        folder: The bundle.
        file: Name of the file; another export in the folder is refused, an older one of this name replaced.
        out: Output folder.
        weights: State dict.
        write: Writes the network and its facts to a path.
        read: Reads it back, ready to answer.
        takes: Whether the file can hold a head of this name.

    Returns:
        What was written and how far its answers are from the network's.

    Raises:
        InputError: The folder holds results, the weights do not fit, a head has a wrong name, or the answers differ.
    """
    run = out / File.RUN
    if run.is_file() and json.loads(run.read_text()).get("file") != file:
        raise InputError(f"{out}: holds results of mtseg. Choose another folder for --out")
    if wrong := [name for name in prediction_config(folder)["heads"] if not takes(name)]:
        raise InputError(
            f"{folder}: {file} cannot hold a head called {', '.join(wrong)}. Choose another export for --to, or rename "
            "the column and train anew"
        )
    trained = load_trained(folder, weights=weights)
    path = out / file
    with replacing(path) as temporary:
        write(trained, temporary)
        found = agreement(read(temporary), trained)
        if found.wrong:
            listed = ", ".join(f"{name} by {found.differences[name]:.2g}" for name in found.wrong)
            raise InputError(
                f"{path}: does not answer as the network does; numbers differ: {listed}. Nothing was kept. This is an "
                "error of mtseg or of the versions of its packages: please report it"
            )
    write_run(
        out,
        command="export",
        file=file.value,
        bundle=folder,
        weights=weights,
        weights_sha256=trained.facts["weights_sha256"],
        images_compared=found.images,
        largest_differences=found.differences,
        accepted_differences=found.accepted,
    )
    listed = ", ".join(f"{name} {value:.1e}" for name, value in found.differences.items())
    return (
        f"{path}: {path.stat().st_size / 1e6:.1f} MB\n"
        f"compared with the network on {found.images} random images; largest differences (of logits): {listed}"
    )
