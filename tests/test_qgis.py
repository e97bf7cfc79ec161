"""The QGIS plugin in QGIS: installed from its zip, run by `qgis_process` without a display."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import geopandas as gpd
import pytest
import shapely

import geoseg
from geoseg.tools import qgis
from tests.scenes import buildings, grid, write_scene

# Debian's script around it passes an option that 3.22 does not know
QGIS = shutil.which("qgis_process.bin") or shutil.which("qgis_process")
SYSTEM = "/usr/bin/python3"  # of the QGIS that Debian installs
STYLE = """
import sys
from qgis.core import QgsApplication, QgsVectorLayer
application = QgsApplication([], False)
application.initQgis()
layer = QgsVectorLayer(sys.argv[1], "found", "ogr")  # kept: its renderer ends with it
print(layer.renderer().type())
"""


def test_the_zip_holds_one_plugin(tmp_path: Path) -> None:
    report = qgis.run(tmp_path / "geoseg-qgis.zip")
    assert report.outputs == (str(tmp_path / "geoseg-qgis.zip"),)
    with zipfile.ZipFile(tmp_path / "geoseg-qgis.zip") as archive:
        names = ["geoseg_qgis/metadata.txt", "geoseg_qgis/__init__.py"]
        assert archive.namelist() == names
        assert "version=VERSION" not in archive.read(names[0]).decode()
        compile(archive.read(names[1]), names[1], "exec")


@pytest.mark.slow
@pytest.mark.skipif(QGIS is None, reason="needs QGIS: apt-get install qgis")
def test_processing_runs_extract(tmp_path: Path, model: Path) -> None:
    plugins = tmp_path / ".local/share/QGIS/QGIS3/profiles/default/python/plugins"
    plugins.mkdir(parents=True)
    qgis.run(tmp_path / "geoseg-qgis.zip")
    shutil.unpack_archive(tmp_path / "geoseg-qgis.zip", plugins)
    command = tmp_path / "geoseg"
    paths = os.pathsep.join(filter(None, sys.path))
    command.write_text(f'#!/bin/sh\nPYTHONPATH="{paths}" exec "{sys.executable}" -m geoseg "$@"\n')
    command.chmod(0o755)

    def run(*arguments: str, program: str = QGIS or "") -> subprocess.CompletedProcess[str]:
        environment = {
            "HOME": str(tmp_path),
            "PATH": "/usr/bin:/bin",
            "QT_QPA_PLATFORM": "offscreen",
            "GEOSEG": str(command),
        }
        return subprocess.run(
            [program, *arguments], env=environment, capture_output=True, text=True, timeout=300
        )

    assert "geoseg_qgis" in run("plugins", "enable", "geoseg_qgis").stdout
    mask = buildings(150, 260)
    scene = write_scene(tmp_path / "a scene; of roofs.tif", mask)
    corner = grid(*mask.shape).transform
    left, top = corner * (20, 10)
    right, bottom = corner * (220, 130)
    area = gpd.GeoDataFrame(geometry=[shapely.box(left, bottom, right, top)], crs=32633)
    area.to_file(tmp_path / "area.gpkg")
    output = tmp_path / "found.gpkg"
    parts = [f"--INPUT={scene}", f"--MODEL={model}", f"--AOI={tmp_path / 'area.gpkg'}"]
    done = run("run", "geoseg:extract", *parts, "--MIN_AREA=12", f"--OUTPUT={output}")
    assert done.returncode == 0, done.stdout + done.stderr
    found = gpd.read_file(output)
    options = {"model": model, "aoi": tmp_path / "area.gpkg", "min_area": 12}
    geoseg.extract(scene, tmp_path / "ours.gpkg", **options)
    ours = gpd.read_file(tmp_path / "ours.gpkg")
    assert len(found) == len(ours) > 5
    assert sorted(found.geometry.to_wkb()) == sorted(ours.geometry.to_wkb())
    assert "graduatedSymbol" in run("-c", STYLE, str(output), program=SYSTEM).stdout
    (tmp_path / "none.tif").write_bytes(scene.read_bytes()[:3000])
    failed = run("run", "geoseg:extract", f"--INPUT={tmp_path / 'none.tif'}", f"--OUTPUT={output}")
    assert failed.returncode != 0 and "none.tif" in failed.stdout + failed.stderr
