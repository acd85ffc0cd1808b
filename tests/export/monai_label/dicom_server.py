"""An Orthanc on loopback, and DICOM series made of NIfTI images."""

import json
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import nibabel as nib
import numpy as np
import pydicom
import pytest
import requests
from label_server import free_port
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage, generate_uid

PLUGIN = Path("/usr/share/orthanc/plugins/libOrthancDicomWeb.so")
LPS = np.diag([-1.0, -1.0, 1.0, 1.0])
"""NIfTI's world coordinates to DICOM's."""


def needs_orthanc() -> pytest.MarkDecorator:
    """Skip where Debian's packages orthanc and orthanc-dicomweb are not installed."""
    absent = shutil.which("Orthanc") is None or not PLUGIN.is_file()
    return pytest.mark.skipif(absent, reason="needs Debian's orthanc and orthanc-dicomweb")


@contextmanager
def orthanc(folder: Path) -> Iterator[str]:
    """Start Orthanc, empty, and stop it; gives its address."""
    port = free_port()
    config = {
        "HttpPort": port,
        "RemoteAccessAllowed": False,
        "AuthenticationEnabled": False,
        "DicomServerEnabled": False,
        "StorageDirectory": str(folder / "storage"),
        "IndexDirectory": str(folder / "storage"),
        "Plugins": [str(PLUGIN)],
        "DicomWeb": {"Enable": True, "Root": "/dicom-web/"},
    }
    (folder / "orthanc.json").write_text(json.dumps(config))
    with (folder / "orthanc.log").open("w") as log:
        server = subprocess.Popen(["Orthanc", str(folder / "orthanc.json")], stdout=log, stderr=subprocess.STDOUT)
        address = f"http://127.0.0.1:{port}"
        try:
            for _ in range(120):
                try:
                    requests.get(f"{address}/system", timeout=10).raise_for_status()
                    break
                except requests.ConnectionError:
                    time.sleep(0.5)
            yield address
        finally:
            server.terminate()
            server.wait(timeout=20)


def send(address: str, source: Path, *, name: str, study: str | None = None, description: str = "t1") -> str:
    """Store an image as an axial MR series, in a new study or one that is there; gives the series' UID.

    The image's axes must run along those of the patient, in any order and direction.
    """
    image = nib.as_closest_canonical(nib.load(source))
    voxels = np.asarray(image.dataobj, dtype=np.float64)
    voxels = np.rint(4000 * (voxels - voxels.min()) / np.ptp(voxels)).astype(np.uint16)
    voxels, affine = voxels[::-1, ::-1], LPS @ image.affine @ _turned(image.shape)  # from right to left, front to back
    common = {
        "PatientID": name,
        "PatientName": name,
        "StudyInstanceUID": study or generate_uid(),
        "SeriesInstanceUID": generate_uid(),
        "FrameOfReferenceUID": generate_uid(),
        "StudyDate": "20260101",
        "StudyTime": "120000",
        "Modality": "MR",
        "SeriesDescription": description,
    }
    for k in range(voxels.shape[2]):
        answer = requests.post(f"{address}/instances", data=_slice(voxels, affine, k, common), timeout=30)
        answer.raise_for_status()
    return common["SeriesInstanceUID"]


def _turned(shape: tuple[int, ...]) -> np.ndarray:
    turned = np.diag([-1.0, -1.0, 1.0, 1.0])
    turned[:2, 3] = np.array(shape[:2]) - 1
    return turned


def _slice(voxels: np.ndarray, affine: np.ndarray, k: int, common: dict[str, str]) -> bytes:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = MRImageStorage, generate_uid()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    one = FileDataset(None, {}, file_meta=meta, preamble=b"\0" * 128)
    one.is_little_endian, one.is_implicit_VR = True, False
    one.SOPClassUID, one.SOPInstanceUID = MRImageStorage, meta.MediaStorageSOPInstanceUID
    for keyword, value in common.items():
        setattr(one, keyword, value)
    one.SeriesNumber, one.InstanceNumber, one.StudyID, one.AccessionNumber = 1, k + 1, "1", "1"
    one.PatientBirthDate, one.PatientSex, one.ReferringPhysicianName, one.Manufacturer = "", "O", "", "phantom"
    one.ScanningSequence, one.SequenceVariant, one.ScanOptions, one.MRAcquisitionType = "RM", "NONE", "", "3D"
    one.EchoTime, one.RepetitionTime, one.EchoTrainLength = "3", "2000", "1"
    spacing = nib.affines.voxel_sizes(affine)
    columns, rows = affine[:3, 0] / spacing[0], affine[:3, 1] / spacing[1]
    one.ImageOrientationPatient = [f"{value:.8f}" for value in (*columns, *rows)]
    one.ImagePositionPatient = [f"{value:.5f}" for value in affine[:3, :3] @ (0, 0, k) + affine[:3, 3]]
    one.PixelSpacing = [f"{spacing[1]:.6f}", f"{spacing[0]:.6f}"]
    one.SliceThickness = f"{spacing[2]:.6f}"
    one.SamplesPerPixel, one.PhotometricInterpretation, one.PixelRepresentation = 1, "MONOCHROME2", 0
    one.BitsAllocated, one.BitsStored, one.HighBit = 16, 12, 11
    one.WindowCenter, one.WindowWidth = "2000", "4000"
    one.Columns, one.Rows = voxels.shape[:2]
    one.PixelData = voxels[:, :, k].T.tobytes()
    buffer = pydicom.filebase.DicomBytesIO()
    pydicom.dcmwrite(buffer, one, write_like_original=False)
    return buffer.getvalue()
