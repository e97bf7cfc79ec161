"""pyogrio with the settings that every use of it needs. It brings pandas, so it is imported where
it is used, not before.
"""

from __future__ import annotations

import os
from pathlib import Path

import pyogrio

from geoseg.io.provenance import time_now

pyogrio.set_gdal_config_options(
    {
        # else reading a GeoPackage whose dataset has metadata leaves a .aux.xml beside it
        "GDAL_PAM_ENABLED": False,
        # else GDAL prints its warnings from threads
        "CPL_LOG": os.devnull,
        # else the links of a GML file name other files and hosts to be read
        "GML_SKIP_RESOLVE_ELEMS": "ALL",
    }
)

if "SOURCE_DATE_EPOCH" in os.environ:  # GDAL knows its own variable alone
    pyogrio.set_gdal_config_options({"OGR_CURRENT_DATE": time_now()})
# The wheel brings a GDAL of its own, which needs no network: formats that name hosts, as a GeoJSON
# may for its CRS, find a proxy where nobody answers. Elsewhere rasterio shares it.
if list(Path(pyogrio.__file__).parents[1].glob("pyogrio.libs/*gdal*")):
    pyogrio.set_gdal_config_options(
        {"GDAL_HTTP_PROXY": "127.0.0.1:9", "GDAL_HTTPS_PROXY": "127.0.0.1:9"}
    )

__all__ = ["pyogrio"]
