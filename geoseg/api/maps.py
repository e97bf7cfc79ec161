"""What a map in a browser shows of a scene: map_view."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from geoseg.reports.map_view import MapView


def map_view(scene: str | Path, *, size: int = 1600) -> MapView:
    """Open the frame that a map of the web draws a scene in.

    Parameters
    ----------
    scene
        Scene with or without a CRS.
    size
        Longest side of the pictures in pixels.

    Returns
    -------
    MapView
        Its ``scene()``, ``probability(path)`` and ``mask(path)`` are the bytes of WebP pictures,
        warped to EPSG:3857; ``outlines(path)`` are footprints in their pixels.

    Raises
    ------
    GeosegError
        As opening the scene does; UnsuitableError where it has no place in EPSG:3857.

    Examples
    --------
    >>> Path("scene.webp").write_bytes(map_view("scene.tif").scene())
    """
    from geoseg.reports import map_view as maps

    return maps.map_view(str(scene), size)
