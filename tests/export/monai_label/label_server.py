"""A real MONAI Label server on loopback, and images for it."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import requests

DATA = Path(__file__).parents[4] / "shared" / "data"
REAL = DATA / "hippocampus" / "imagesTr" / "hippocampus_001.nii.gz"
"""A real scan of the kind that hippocampus_t1 is for; it may be absent."""

REAL_PATIENT = DATA / "lgg" / "TCGA_CS_4942"
"""Folder of a real patient's sequences; likewise."""


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


def predicted(*arguments: str | Path, out: Path) -> Path:
    """What `mtseg predict` writes, in a process of its own, as a user would run it.

    Not in this one, where after other tests the last digit was seen to differ, and with it a voxel between structures
    that tie.
    """
    command = [Path(sys.executable).with_name("mtseg"), "predict", *arguments, "--out", out]
    subprocess.run([str(word) for word in command], check=True, capture_output=True)
    return out


def free_port() -> int:
    """A port of this machine that nobody listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


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

    def send(self, image: Path, *, name: str) -> str:
        """Send an image of the viewer's own, and give the session's id."""
        with image.open("rb") as file:
            answer = requests.put(f"{self.address}/session/", files={"files": (name, file)}, timeout=60)
        return answer.json()["session_id"]


@contextmanager
def serving(app: Path, studies: Path | str, *, log: Path, conf: dict[str, str] | None = None) -> Iterator[Client]:
    """Start the server on loopback, and stop it."""
    port = free_port()
    options = [word for pair in (conf or {}).items() for word in ("--conf", *pair)]
    command = [sys.executable, "-m", "monailabel.main", "start_server", "--app", str(app), "--studies", str(studies)]
    binaries = str(Path(sys.executable).parent)
    environment = os.environ | {
        "PATH": f"{binaries}{os.pathsep}{os.environ['PATH']}",
        "MONAI_LABEL_DICOMWEB_CACHE_PATH": str(log.parent / "dicom"),
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
