"""pyogrio with the settings that every use of it needs. It brings pandas, so it is imported where
it is used, not before.
"""

from __future__ import annotations

import os

import pyogrio

# GDAL would write a .aux.xml beside a GeoPackage with metadata when it is merely read, and print
# its warnings from threads
pyogrio.set_gdal_config_options({"GDAL_PAM_ENABLED": False, "CPL_LOG": os.devnull})

__all__ = ["pyogrio"]
