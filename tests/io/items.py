"""STAC items as catalogues hand them out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

TIFF = "image/tiff; application=geotiff; profile=cloud-optimized"


def item(path: Path, **assets: Any) -> Path:
    """An item as catalogues hand out; ``assets`` are addresses, or whole JSON objects."""
    about = {
        name: asset if isinstance(asset, dict) else {"href": asset, "type": TIFF}
        for name, asset in assets.items()
    }
    content = {
        "type": "Feature",
        "stac_version": "1.0.0",
        "id": "flight-7",
        "geometry": None,
        "properties": {"datetime": "2026-05-04T10:00:00Z"},
        "links": [{"rel": "self", "href": "https://example.org/flight-7.json"}],
        "assets": about,
    }
    path.write_text(json.dumps(content))
    return path
