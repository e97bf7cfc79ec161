"""What the processes of :mod:`geoseg.web.jobs` have imported when they start: they are forked from
one that imports this. OpenVINO comes without its telemetry, as everywhere in geoseg.
"""

from geoseg.inference.runtimes import import_openvino
from geoseg.reports import map_view
from geoseg.tools import evaluate, info, polygonize, predict, preview, rasterize
from geoseg.web import steps

__all__ = ["evaluate", "info", "map_view", "polygonize", "predict", "preview", "rasterize", "steps"]
import_openvino()
