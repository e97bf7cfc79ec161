"""What this installation has and what it lacks; survives packages that are absent or broken."""

from __future__ import annotations

import importlib
import os
import platform
from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata
from types import ModuleType
from typing import Any

from geoseg.io.packages import how_to_install, import_name, requirements
from geoseg.report import Progress, Report, Run, no_progress

# What the packages of an extra are for
PURPOSES = {
    "": "geoseg",
    "train": "training",
    "export": "export",
    "onnx": "the onnx runtime",
    "web": "the web page",
}
# runtime -> (import name, devices it sees)
RUNTIMES: dict[str, tuple[str, Callable[[ModuleType], list[str]]]] = {
    "openvino": (
        "openvino",
        lambda openvino: [str(device).lower() for device in openvino.Core().available_devices],
    ),
    "onnx": (
        "onnxruntime",
        lambda onnx: [
            name.removesuffix("ExecutionProvider").lower()
            for name in onnx.get_available_providers()
        ],
    ),
    "torch": ("torch", lambda torch: ["cpu", *_cuda(torch)]),
}
RASTER_DRIVERS = ("GTiff", "COG", "PNG", "JPEG", "JP2OpenJPEG", "VRT")
VECTOR_DRIVERS = ("GPKG", "GeoJSON", "FlatGeobuf", "ESRI Shapefile")


@dataclass(frozen=True, kw_only=True)
class DoctorReport(Report):
    """``packages``: versions, None where absent; ``runtimes``: the devices that each sees;
    ``missing``: one line each.
    """

    python: str
    platform: str
    cpus: int
    packages: dict[str, str | None]
    libraries: dict[str, str]
    runtimes: dict[str, list[str]]
    missing: tuple[str, ...]


def run(*, progress: Progress = no_progress) -> DoctorReport:
    """Import every package geoseg can use and ask the runtimes for their devices."""
    accompany = Run(progress)
    packages: dict[str, str | None] = {}
    missing: list[str] = []
    required = packages_used()
    advance = accompany.progress("import", len(required))
    modules: dict[str, ModuleType] = {}
    for distribution, extra in required.items():
        name = import_name(distribution)
        module, problem = _import(name)
        packages[distribution] = _version(distribution) if module else None
        if module:
            modules[name] = module
        else:
            install = how_to_install(name) or "pip install geoseg"
            purpose = PURPOSES.get(extra, extra)
            missing.append(f"{distribution}, for {purpose}: {problem} ({install})")
        advance(1)
    libraries, absent = _libraries(modules)
    return DoctorReport(
        command="doctor",
        seconds=accompany.seconds,
        python=platform.python_version(),
        platform=platform.platform(),
        cpus=len(os.sched_getaffinity(0))
        if hasattr(os, "sched_getaffinity")
        else os.cpu_count() or 1,
        packages=packages,
        libraries=libraries,
        runtimes={
            name: _devices(modules.get(package), ask) for name, (package, ask) in RUNTIMES.items()
        },
        missing=(*missing, *absent),
    )


def packages_used() -> dict[str, str]:
    """Distributions that geoseg imports, with the extra that brings each."""
    return {name: extra for name, extra in requirements().items() if extra not in ("dev", "docs")}


def _import(name: str) -> tuple[ModuleType | None, str]:
    try:
        if name == "openvino":
            from geoseg.models.openvinofile import stub_telemetry

            stub_telemetry()
        return importlib.import_module(name), ""
    except ModuleNotFoundError as error:
        return None, "not installed" if error.name == name else f"needs {error.name}"
    # RuntimeError: torchvision beside a torch of another build
    except (ImportError, OSError, RuntimeError) as error:
        return None, f"broken: {str(error).splitlines()[0] if str(error) else type(error).__name__}"


def _version(distribution: str) -> str:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return "unknown"


def _devices(module: ModuleType | None, ask: Callable[[ModuleType], list[str]]) -> list[str]:
    """Devices a runtime sees; none where it is absent or fails."""
    try:
        return ask(module) if module else []
    except (RuntimeError, OSError, AttributeError):
        return []


def _cuda(torch: Any) -> list[str]:
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    return [f"cuda:{i} {torch.cuda.get_device_name(i)}" for i in range(count)]


def _libraries(modules: dict[str, ModuleType]) -> tuple[dict[str, str], list[str]]:
    """Versions of the C libraries, and the GDAL drivers that are not there."""
    found: dict[str, str] = {}
    absent: list[str] = []
    if rasterio := modules.get("rasterio"):
        found["GDAL (rasters)"] = rasterio.__gdal_version__
        with rasterio.Env() as env:
            drivers = env.drivers()
        absent += [
            f"GDAL's {name} driver, for rasters" for name in RASTER_DRIVERS if name not in drivers
        ]
    if pyogrio := modules.get("pyogrio"):
        found["GDAL (vectors)"] = ".".join(map(str, pyogrio.__gdal_version__))
        absent += [
            f"GDAL's {name} driver, for vectors"
            for name in VECTOR_DRIVERS
            if name not in pyogrio.list_drivers()
        ]
    if pyproj := modules.get("pyproj"):
        found["PROJ"] = pyproj.proj_version_str
    if shapely := modules.get("shapely"):
        found["GEOS"] = shapely.geos_version_string
    return found, absent
