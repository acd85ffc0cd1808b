"""Exported apps to test."""

from collections.abc import Callable
from pathlib import Path

import pytest

from mtseg.bundle import train
from mtseg.export import export

GLIOMA = (
    "sequences=[t1,flair]",
    "network_def={_target_: mtseg.networks.JointNet, in_channels: 2, mask_classes: 2, "
    "heads: {grade_code: 2, coc_cluster: 3, death: 2}, channels: [4, 8], strides: [1, 2]}",
    "patch_size=[16, 16, 12]",
    "epochs=20",
    "learning_rate=0.01",
)
"""Settings with which glioma_t1_flair_t1gd learns two sequences of phantoms within seconds."""


@pytest.fixture(scope="session")
def glioma(phantoms: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A training on two sequences of phantoms; its cohort.tsv is beside it."""
    folder = tmp_path_factory.mktemp("glioma")
    cohort = phantoms(folder, "glioma_t1_flair_t1gd", edge=20)
    return train("glioma_t1_flair_t1gd", cohort=cohort, out=folder / "run", settings=GLIOMA)


@pytest.fixture(scope="session")
def glioma_app(glioma: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """That training as an app; tests that change it copy it."""
    out = tmp_path_factory.mktemp("apps") / "glioma"
    export(str(glioma), to="monai-label", out=out)
    return out


@pytest.fixture(scope="session")
def hippocampus_app(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shipped hippocampus_t1 as an app; likewise."""
    out = tmp_path_factory.mktemp("apps") / "hippocampus"
    export("hippocampus_t1", to="monai-label", out=out)
    return out
