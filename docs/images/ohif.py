"""Make ohif.png: .venv-serve/bin/python docs/images/ohif.py hippocampus_001.nii.gz

Needs Debian's orthanc, orthanc-dicomweb and chromium. The image is case 1 of Task04 of the Medical Segmentation
Decathlon, CC BY-SA 4.0.
"""

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

sys.path.insert(0, str(Path(__file__).parents[2] / "tests" / "export" / "monai_label"))

import dicom_server
import ohif
from label_server import serving

from mtseg.export import export

if __name__ == "__main__":
    with TemporaryDirectory() as temporary:
        folder = Path(temporary)
        export("hippocampus_t1", to="monai-label", out=folder / "app")
        with dicom_server.orthanc(folder) as address:
            dicom_server.send(address, Path(sys.argv[1]), name="ann")
            with (
                serving(folder / "app", f"{address}/dicom-web", log=folder / "server.log") as client,
                ohif.opened(client.address, "ann", profile=folder / "profile") as viewer,
            ):
                viewer.run()
                viewer.page.wait_for_timeout(6000)  # until the messages are gone
                viewer.picture(Path(__file__).with_suffix(".png"))
