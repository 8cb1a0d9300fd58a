"""How much a phone trusts its depth, by range and grazing angle: 0, 1 or 2, as ARKit's confidence.

Apple does not say how ARKit computes it. Range and angle are what returned light depends on
(`agents/noise/depth.py`); the thresholds are ours.
"""

import numpy as np
from jaxtyping import Float32, UInt8, UInt16

from agents.noise.depth import incidence

SURE_MM, FARTHEST_MM = 3000, 5000
"""Depths up to which it is sure, and from which on it is not [mm]."""
SURE_ANGLE, GRAZING_ANGLE = np.radians(60.0), np.radians(80.0)
"""The same of the angle between ray and normal [radians]."""


def confidence(
    measured: UInt16[np.ndarray, "h w"], true: UInt16[np.ndarray, "h w"], lens: Float32[np.ndarray, "4"]
) -> UInt8[np.ndarray, "h w"]:
    """Confidence in measured depth; angles are those of the true depth, both [mm]."""
    angle = incidence(true, lens)
    sure = (measured <= SURE_MM) & (angle <= SURE_ANGLE)
    lost = (measured == 0) | (measured > FARTHEST_MM) | (angle > GRAZING_ANGLE)
    return np.where(lost, 0, np.where(sure, 2, 1)).astype(np.uint8)
