"""What stands on pages."""

from __future__ import annotations

import base64
import io
import re

import numpy as np
from matplotlib.image import imread


def pictures(html: str) -> list[np.ndarray]:
    """The PNGs of a page, uint8 (row, col, 3)."""
    found = re.findall(r"data:image/png;base64,([\w+/=]+)", html)
    return [
        np.rint(imread(io.BytesIO(base64.b64decode(text)))[..., :3] * 255).astype("uint8")
        for text in found
    ]
