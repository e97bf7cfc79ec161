"""The pixels of one roof."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass
class Patch:
    """The pixels of one roof: local coordinates ``u, v`` (m), the planes' rise ``z`` (m) and
    downhill direction.
    """

    mask: np.ndarray
    u: np.ndarray
    v: np.ndarray
    z: np.ndarray
    face_u: np.ndarray
    face_v: np.ndarray
    gsd: float
