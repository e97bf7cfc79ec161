"""What a scene, a probability raster, footprints, a chip index or a model is; and whether a model
fits a scene.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pyproj import CRS
from rasterio.windows import Window

from geoseg.errors import UnsuitableError
from geoseg.inference.session import LoadedModel
from geoseg.io.chip_index import INDEX, read_index
from geoseg.io.formats import kind_of
from geoseg.io.raster.scene import Scene, open_scene
from geoseg.io.vector.read import LAYER, describe_layers, read_features
from geoseg.labels.interpret import interpret
from geoseg.models.modelfile import fingerprint
from geoseg.models.store import as_typed, model_path, read_spec
from geoseg.report import Remarks, Report, Run
from geoseg.specs import PredictSpec, SceneSpec

SAMPLES = 8  # windows a side that are looked at for data
SAMPLE_SIZE = 64


@dataclass(frozen=True)
class Fit:
    """Whether a model fits a scene; ``why`` not, or what ``predict`` would say, and the ``tiles``
    it would compute.
    """

    model: str
    fits: bool
    why: tuple[str, ...]
    tiles: int | None = None


@dataclass(frozen=True, kw_only=True)
class InfoReport(Report):
    """``kind`` is raster, vector, model or chips; ``about`` holds what there is to say of that
    kind.
    """

    kind: str
    about: dict[str, Any]
    fit: Fit | None = None


def run(path: str, *, model: Path | None = None, layer: str | None = None) -> InfoReport:
    """Describe ``path``, or a bundled model by its word; with ``model`` also whether that model
    fits it. Of a vector file of several layers they are listed, and ``layer`` or that called
    "footprints" is described.

    Raises InputError (missing, unreadable) and ModelError (a model that is malformed).
    """
    accompany = Run()
    typed = path
    if "://" not in path:  # a Path would make one slash of two
        path = str(model_path(path))
    kind = kind_of(path)
    if kind == "vector" and _is_index(path):
        kind = "chips"
    scene = kind == "raster"
    if model and not scene:
        accompany.remarks.append(
            f"{path}: is not a raster, so {as_typed(model)} was not checked against it"
        )
    # functions, of which one is called: only that reads the file
    describe: dict[str, Callable[[str], dict[str, Any]]] = {
        "raster": lambda raster: _raster(raster, accompany.remarks),
        "vector": lambda path: _vector(path, layer, accompany.remarks),
        "model": _model,
        "chips": _chips,
    }
    return InfoReport(
        command="info",
        inputs=(typed,),
        kind=kind,
        about=describe[kind](path),
        fit=_fit(path, model) if model and scene else None,
        warnings=accompany.remarks.unique(),
        seconds=accompany.seconds,
    )


def _is_index(path: str) -> bool:
    return Path(path).name == INDEX


def _raster(path: str, remarks: Remarks) -> dict[str, Any]:
    """``valid_fraction`` and ``values`` are those of a sample of windows spread evenly; ``bounds``
    (left, bottom, right, top).
    """
    with open_scene(path, placed=False, spec=SceneSpec(force=True)) as scene:
        grid = scene.grid
        remarks += scene.warnings
        points = scene.control_points
        # the end of a file that is cut off or says that it has more rows than it holds
        scene.read(Window(0, grid.height - 1, grid.width, 1), scene.indexes[:1])
        return {
            "format": scene.driver,
            "height": grid.height,
            "width": grid.width,
            "bands": scene.bands,
            "dtype": scene.dtype,
            "nodata": scene.nodata,
            "valid_fraction": _valid_fraction(scene),
            "crs": crs_name(grid.crs),
            "gsd": scene.gsd,
            "bounds": grid.bounds,
            "values": _values(scene),
            "ground_control_points": points and points.count,
            "ground_control_crs": points and crs_name(points.crs),
            "colours": scene.colours,
            "tags": {
                name: text for name, text in scene.tags.items() if name.lower().startswith("geoseg")
            },
        }


def _values(scene: Scene) -> dict[str, Any] | None:
    """What the values mean as far as a sample of windows shows; None for imagery."""
    windows = _samples(scene)
    try:
        meaning = interpret(scene, windows=windows)
        for window in windows:
            meaning.check(scene.read(window, meaning.bands).image)
    except UnsuitableError:
        return None
    return {"kind": meaning.kind} | ({"names": dict(meaning.names)} if meaning.names else {})


def _valid_fraction(scene: Scene) -> float:
    return float(np.mean([scene.read_validity(window).mean() for window in _samples(scene)]))


def _samples(scene: Scene) -> list[Window]:
    """Small windows spread evenly over the scene."""
    height, width = scene.grid.shape
    size = min(SAMPLE_SIZE, height, width)
    rows = np.unique(np.linspace(0, height - size, SAMPLES).astype(int))
    cols = np.unique(np.linspace(0, width - size, SAMPLES).astype(int))
    return [Window(int(col), int(row), size, size) for row in rows for col in cols]


def _vector(path: str, wanted: str | None, remarks: Remarks) -> dict[str, Any]:
    """``layers`` where there are several; ``tags`` are the provenance that geoseg wrote."""
    layers = describe_layers(path)
    listed = [
        {
            **{name: each[name] for name in ("layer", "features", "geometry")},
            "crs": crs_name(each["crs"]),
        }
        for each in layers
    ]
    several = {"layers": listed} if len(layers) > 1 else {}
    default = wanted or (LAYER if LAYER in [each["layer"] for each in layers] else None)
    if several and default is None:
        return several
    table = read_features(path, default, remarks=remarks)
    kinds = Counter(each.geom_type for each in table.geometry if each is not None)
    described = [each for each in layers if len(layers) == 1 or each["layer"] == default]
    tags = {
        name: text
        for each in described
        for name, text in each["metadata"].items()
        if name.lower().startswith("geoseg")
    }
    return several | {
        **({"layer": default} if several else {}),
        "features": len(table),
        "geometries": dict(kinds),
        "columns": list(table.columns),
        "crs": crs_name(table.crs),
        "bounds": table.bounds,
        **({"tags": tags} if tags else {}),
    }


def _chips(path: str) -> dict[str, Any]:
    index = read_index(path)
    return {
        "chips": len(index.table),
        "scenes": int(index.table["scene"].nunique()),
        "splits": {
            str(name): int(count) for name, count in index.table["split"].value_counts().items()
        },
        "with_mask": int(index.table["mask"].notna().sum()),
        "crs": crs_name(index.table.crs),
        **asdict(index.info),
    }


def _model(path: str) -> dict[str, Any]:
    return {"sha256": fingerprint(path), **asdict(read_spec(Path(path)))}


def _fit(path: str, model: Path) -> Fit:
    try:
        with LoadedModel(model, PredictSpec()).open(path, None) as job:
            grid = job.scene.grid
            resampled = grid.shape != job.scene.source.shape
            warnings: list[str] = []
            if resampled:
                warnings.append(f"{path}: is read at {grid.gsd:.3g} m a pixel, the model's")
            if grid.crs is None:
                warnings.append(f"{path}: has no CRS (`extract` wants `crs` or `pixel_coords`)")
            return Fit(as_typed(model), True, (*warnings, *job.plan.warnings), job.plan.tiles)
    except UnsuitableError as error:
        return Fit(as_typed(model), False, (str(error),))


def crs_name(crs: Any) -> str | None:
    """``EPSG:32637`` where the CRS has a code, else its name."""
    if crs is None:
        return None
    known = CRS.from_user_input(crs)
    authority = known.to_authority(min_confidence=100)
    return ":".join(authority) if authority else known.name
