"""From one CRS into another."""

from __future__ import annotations

from pyproj import CRS, Transformer
from pyproj.exceptions import ProjError

from geoseg.errors import UnsuitableError

LONLAT = CRS.from_epsg(4326)


def between(source: CRS | None, target: CRS | None, name: object = None) -> Transformer:
    """What takes x and y of ``source``, in this order on any CRS, to those of ``target``.

    ``name`` is the file that errors are about. Raises UnsuitableError where nothing does, as from
    the CRS of a building site.
    """
    assert source is not None and target is not None  # callers have looked
    try:
        return Transformer.from_crs(source, target, always_xy=True)
    except ProjError as error:
        about = "" if name is None else f"{name}: "
        raise UnsuitableError(
            f"{about}no transformation is known from the CRS {source.name} to {target.name}",
            "use files of one CRS, or a format that keeps the CRS, such as GeoPackage",
        ) from error
