"""Trained bundles to export, and a running server."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import requests

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
    """The shipped hippocampus_t1 as an app."""
    out = tmp_path_factory.mktemp("apps") / "hippocampus"
    export("hippocampus_t1", to="monai-label", out=out)
    return out


def turned(source: Path, out: Path, *, axes: tuple[int, ...] = (2, 0, 1), volumes: bool = False) -> Path:
    """Store an image otherwise: axes exchanged and turned round, the grid oblique."""
    image = nib.load(source)
    order = [*axes, 3] if volumes else list(axes)
    voxels = np.flip(np.asarray(image.dataobj).transpose(order), axis=(0, 1))
    turn = nib.affines.from_matvec(nib.eulerangles.euler2mat(0.1, 0.15, 0.05))
    exchange, flip = np.eye(4)[[*axes, 3]].T, np.diag([-1.0, -1.0, 1.0, 1.0])
    flip[:2, 3] = np.array(voxels.shape[:2]) - 1
    nib.save(nib.Nifti1Image(voxels, turn @ image.affine @ exchange @ flip), out)
    return out


class Client:
    """A running server, as a viewer talks to it."""

    def __init__(self, address: str, log: Path):
        self.address = address
        self.log = log

    def get(self, path: str, **query: Any) -> requests.Response:
        return requests.get(f"{self.address}/{path}", params=query, timeout=120)

    def post(self, path: str, *, form: dict[str, str] | None = None, json: Any = None, **query: Any):
        return requests.post(f"{self.address}/{path}", params=query, data=form, json=json, timeout=120)

    def submit(self, image: str, mask: Path, params: str = "{}") -> requests.Response:
        with mask.open("rb") as file:
            return requests.put(
                f"{self.address}/datastore/label",
                params={"image": image},
                data={"params": params},
                files={"label": (mask.name, file)},
                timeout=120,
            )


@contextmanager
def serving(app: Path, studies: Path | str, *, log: Path, conf: dict[str, str] | None = None) -> Iterator[Client]:
    """Start the server on loopback, and stop it."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = [word for pair in (conf or {}).items() for word in ("--conf", *pair)]
    command = [sys.executable, "-m", "monailabel.main", "start_server", "--app", str(app), "--studies", str(studies)]
    binaries = str(Path(sys.executable).parent)
    environment = os.environ | {
        "PATH": f"{binaries}{os.pathsep}{os.environ['PATH']}",
        "MONAI_LABEL_AUTO_UPDATE_SCORING": "false",  # else it scores in processes of its own, which outlive a test
    }
    with log.open("w") as output:
        server = subprocess.Popen(
            [*command, "--host", "127.0.0.1", "--port", str(port), *options],
            stdout=output,
            stderr=subprocess.STDOUT,
            env=environment,
            start_new_session=True,
        )
        client = Client(f"http://127.0.0.1:{port}", log)
        try:
            _wait(client, server)
            yield client
        finally:
            os.killpg(server.pid, signal.SIGTERM)
            try:
                server.wait(timeout=20)
            except subprocess.TimeoutExpired:
                os.killpg(server.pid, signal.SIGKILL)


def _wait(client: Client, server: subprocess.Popen, *, seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end and server.poll() is None:
        try:
            if client.get("info/").ok:
                return
        except requests.ConnectionError:
            time.sleep(0.5)
    pytest.fail(f"the server does not start: {client.log.read_text()[-3000:]}")
