"""Footprints with what is known of each: what a table holds, without the library that a table
needs.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import shapely
from pyproj import CRS

from geoseg.core.transformation import between
from geoseg.errors import UnsuitableError

# Columns of every layer of footprints we write, with their Arrow types
FOOTPRINTS: Mapping[str, str] = {
    "id": "int64",
    "scene": "string",
    "class": "string",
    "confidence": "double",
    "area_m2": "double",
    "perimeter_m": "double",
    "edge": "bool",
    "vertices": "int32",
}


def size_columns(crs: CRS | None) -> tuple[str, str]:
    """Names of the columns of area and perimeter: metres, or pixels without a CRS."""
    return ("area_px", "perimeter_px") if crs is None else ("area_m2", "perimeter_m")


def footprint_columns(crs: CRS | None) -> Mapping[str, str]:
    """``FOOTPRINTS`` as a layer in ``crs`` has them."""
    names = dict(zip(("area_m2", "perimeter_m"), size_columns(crs), strict=True))
    return {names.get(name, name): kind for name, kind in FOOTPRINTS.items()}


# Columns beside them where outlines were straightened
REGULARIZED: Mapping[str, str] = {"regularized": "bool", "regularized_iou": "double"}


@dataclass(frozen=True)
class Layer:
    """``geometry`` (n,) of shapely polygons, multipolygons or None, in ``crs`` (None: not known),
    and ``columns`` (n,) by name.

    With ``pixels`` coordinates are those of an image's pixels, x right and y down from its upper
    left.
    """

    geometry: np.ndarray
    crs: CRS | None = None
    columns: Mapping[str, np.ndarray] = field(default_factory=dict)
    pixels: bool = False

    @classmethod
    def joined(cls, layers: Sequence[Layer], crs: CRS | None) -> Layer:
        """Those of all ``layers``, which are in ``crs`` and have the same columns, one after the
        other.
        """
        # an empty one first, since nothing cannot be concatenated
        geometry = np.concatenate([np.empty(0, object), *(layer.geometry for layer in layers)])
        names = layers[0].columns if layers else ()
        return cls(
            geometry,
            crs,
            {name: np.concatenate([layer.columns[name] for layer in layers]) for name in names},
        )

    def __len__(self) -> int:
        return len(self.geometry)

    @property
    def bounds(self) -> tuple[float, float, float, float]:
        """(left, bottom, right, top) of all together, NaN where there is nothing."""
        left, bottom, right, top = (
            shapely.total_bounds(self.geometry).tolist() if len(self) else [math.nan] * 4
        )
        return left, bottom, right, top

    def take(self, chosen: np.ndarray) -> Layer:
        """Those that a mask bool (n,) or indices choose."""
        columns = {name: values[chosen] for name, values in self.columns.items()}
        return replace(self, geometry=self.geometry[chosen], columns=columns)

    def to_crs(self, crs: CRS | None, name: object = None) -> Layer:
        """The same in ``crs``; what has no place there gets coordinates that are not finite.

        ``name`` is the file that errors are about. Raises UnsuitableError where one of the two CRSs
        is not known, or nothing leads from one to the other.
        """
        if self.crs is None or crs is None:
            raise UnsuitableError(
                "footprints with and without a CRS do not go together", "assign one with `crs`"
            )
        to = between(self.crs, crs, name)
        return replace(
            self,
            geometry=shapely.transform(self.geometry, to.transform, interleaved=False),
            crs=crs,
        )
