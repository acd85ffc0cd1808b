"""The ball's surface, made once."""

import numpy as np
import pytest
from ball_phantom import RADIUS, ball, image_of

from mtseg.ssp import Surface, surface_from_mask


@pytest.fixture(scope="session")
def sphere() -> Surface:
    return surface_from_mask(image_of(ball))


@pytest.fixture(scope="session")
def outer(sphere) -> np.ndarray:
    """Points on the ball's surface, away from the cut between its halves."""
    return (np.abs(np.linalg.norm(sphere.points, axis=1) - RADIUS) < 4) & (np.abs(sphere.points[:, 0]) > 8)
