"""OHIF, as it comes with MONAI Label's server, in headless Chromium."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

CHROMIUM = shutil.which("chromium")
OPTIONS = (
    "--no-sandbox",
    "--disable-gpu",
    "--enable-unsafe-swiftshader",  # OHIF draws with WebGL
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",  # nothing but this machine
)
LABELS = """() => {
    const volume = window.services.segmentationService.getLabelmapVolume('1');
    return Array.from(volume.voxelManager.getCompleteScalarDataArray());
}"""


def needs_chromium() -> pytest.MarkDecorator:
    """Skip where Debian's package chromium is not installed."""
    return pytest.mark.skipif(CHROMIUM is None, reason="needs Debian's chromium")


class Viewer:
    """One study, open in OHIF beside the panel of MONAI Label."""

    def __init__(self, page):
        self.page = page
        self.panel = page.locator(".monaiLabelPanel")

    def run(self) -> None:
        """Click Run of the only model, and wait for its mask."""
        with self.page.expect_response(lambda answer: "/infer/" in answer.url) as answer:
            self.panel.get_by_role("button", name="Run").first.click()
        assert answer.value.status == 200
        self.page.wait_for_function(f"() => ({LABELS})().some(label => label > 0)")
        self.page.wait_for_timeout(3000)  # until it is drawn

    def labels(self) -> np.ndarray:
        """The labels that it shows, the first axis fastest."""
        return np.array(self.page.evaluate(LABELS))

    def picture(self, path: Path) -> Path:
        """Save what a user sees."""
        self.page.screenshot(path=path)
        return path


@contextmanager
def opened(address: str, patient: str, *, profile: Path) -> Iterator[Viewer]:
    """Open a patient's study by clicks.

    Args:
        address: Of MONAI Label's server.
        patient: Name in the list of studies.
        profile: New folder for the browser.
    """
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        browser = driver.chromium.launch_persistent_context(
            profile,
            executable_path=CHROMIUM,
            args=[*OPTIONS],
            headless=True,
            viewport={"width": 1280, "height": 720},
        )
        try:
            page = browser.pages[0]
            page.set_default_timeout(90_000)
            page.goto(f"{address}/ohif/")
            page.get_by_role("button", name="Confirm and Hide").click()
            page.get_by_text(patient, exact=True).first.click()
            page.get_by_role("button", name="MONAI Label").click()
            viewer = Viewer(page)
            page.get_by_text("H", exact=True).first.wait_for()  # head, in a view that is drawn
            viewer.panel.locator("input").first.fill(f"{address}/")
            viewer.panel.get_by_role("button").first.click()
            viewer.panel.get_by_role("button", name="Run").first.wait_for()
            page.wait_for_timeout(3000)  # until it has made its empty segmentation
            yield viewer
        finally:
            browser.close()
