"""QGIS plugin: `geoseg extract` in the Processing toolbox.

It imports nothing of geoseg, which lives in a Python of its own, and runs its command. So QGIS
needs no packages, and geoseg none of QGIS's.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

from qgis.core import (
    QgsApplication,
    QgsProcessing,
    QgsProcessingAlgorithm,
    QgsProcessingContext,
    QgsProcessingException,
    QgsProcessingFeedback,
    QgsProcessingParameterBoolean,
    QgsProcessingParameterDefinition,
    QgsProcessingParameterExtent,
    QgsProcessingParameterFeatureSource,
    QgsProcessingParameterFile,
    QgsProcessingParameterNumber,
    QgsProcessingParameterRasterLayer,
    QgsProcessingParameterVectorDestination,
    QgsProcessingProvider,
    QgsRasterLayer,
    QgsSettings,
    QgsVectorFileWriter,
)

COMMAND = "GEOSEG"  # environment variable with the path of the command
SETTING = "geoseg/command"  # where the one that was used last is kept
# what QGIS sets for its own Python and its own GDAL, and geoseg's must not see
QGIS_ONLY = ("PYTHONHOME", "PYTHONPATH", "GDAL_DATA", "GDAL_DRIVER_PATH", "PROJ_LIB", "PROJ_DATA")


def classFactory(_: Any) -> Plugin:
    return Plugin()


class Plugin:
    """Adds the provider to QGIS, and takes it away."""

    def __init__(self) -> None:
        self.provider: Provider | None = None

    def initProcessing(self) -> None:
        self.provider = Provider()
        QgsApplication.processingRegistry().addProvider(self.provider)

    def initGui(self) -> None:
        self.initProcessing()

    def unload(self) -> None:
        QgsApplication.processingRegistry().removeProvider(self.provider)


class Provider(QgsProcessingProvider):
    def id(self) -> str:
        return "geoseg"

    def name(self) -> str:
        return "geoseg"

    def loadAlgorithms(self) -> None:
        self.addAlgorithm(Extract())


class Extract(QgsProcessingAlgorithm):
    """``geoseg:extract``: a raster layer in, a layer of footprints out."""

    def name(self) -> str:
        return "extract"

    def displayName(self) -> str:
        return "Extract building footprints"

    def shortHelpString(self) -> str:
        return (
            "Finds buildings in a raster layer with the model that comes with geoseg, or another, "
            "and writes their footprints. Of an empty threshold or area that of the model is taken."
        )

    def createInstance(self) -> Extract:
        return Extract()

    def initAlgorithm(self, configuration: Any = None) -> None:
        real = QgsProcessingParameterNumber.Double
        parameters = (
            QgsProcessingParameterRasterLayer("INPUT", "Imagery"),
            QgsProcessingParameterFile("MODEL", "Model (empty: the bundled one)", optional=True),
            QgsProcessingParameterExtent("EXTENT", "Part to read (empty: all)", optional=True),
            QgsProcessingParameterFeatureSource(
                "AOI", "Area of interest", [QgsProcessing.TypeVectorPolygon], optional=True
            ),
            QgsProcessingParameterNumber(
                "THRESHOLD", "Minimum probability", real, optional=True, minValue=0, maxValue=1
            ),
            QgsProcessingParameterNumber(
                "MIN_AREA", "Minimum area in square metres", real, optional=True, minValue=0
            ),
            QgsProcessingParameterBoolean("RAW", "Traced pixels as they are", False),
            self._command(),
            QgsProcessingParameterVectorDestination(
                "OUTPUT", "Footprints", QgsProcessing.TypeVectorPolygon
            ),
        )
        for parameter in parameters:
            self.addParameter(parameter)

    @staticmethod
    def _command() -> QgsProcessingParameterFile:
        found = QgsSettings().value(SETTING) or os.environ.get(COMMAND) or shutil.which("geoseg")
        parameter = QgsProcessingParameterFile(
            "COMMAND", "The command geoseg", defaultValue=found, optional=True
        )
        advanced = QgsProcessingParameterDefinition.FlagAdvanced
        parameter.setFlags(parameter.flags() | advanced)
        return parameter

    def processAlgorithm(
        self,
        parameters: dict[str, Any],
        context: QgsProcessingContext,
        feedback: QgsProcessingFeedback,
    ) -> dict[str, Any]:
        command = self.parameterAsFile(parameters, "COMMAND", context)
        if not command or not Path(command).is_file():
            raise QgsProcessingException(
                f"{command or 'geoseg'}: is no command (pip install geoseg in a Python of its own, "
                f"then name its command geoseg here or in the variable {COMMAND})"
            )
        output = self.parameterAsOutputLayer(parameters, "OUTPUT", context)
        arguments = [command, *self._arguments(parameters, context, output)]
        feedback.pushInfo(" ".join(arguments))
        report = run(arguments, feedback)
        QgsSettings().setValue(SETTING, command)
        for warning in report["warnings"]:
            feedback.pushWarning(warning)
        feedback.pushInfo(f"{report['footprints']} footprints, {report['area_m2']} m2")
        return {"OUTPUT": output}

    def _arguments(
        self, parameters: dict[str, Any], context: QgsProcessingContext, output: str
    ) -> list[str]:
        """What follows the command; a list, for no shell may read names of files."""
        layer = self.parameterAsRasterLayer(parameters, "INPUT", context)
        made = ["extract", source_of(layer), "-o", output, "--overwrite", "--json"]
        if model := self.parameterAsFile(parameters, "MODEL", context):
            made += ["-m", model]
        for name in ("THRESHOLD", "MIN_AREA"):
            if parameters.get(name) is not None:
                value = self.parameterAsDouble(parameters, name, context)
                made += [f"--{name.lower().replace('_', '-')}", repr(value)]
        if self.parameterAsBool(parameters, "RAW", context):
            made.append("--raw")
        if parameters.get("EXTENT"):
            part = self.parameterAsExtent(parameters, "EXTENT", context, layer.crs())
            edges = (part.xMinimum(), part.yMinimum(), part.xMaximum(), part.yMaximum())
            made += ["--bounds", ",".join(map(repr, edges))]
        if parameters.get("AOI"):
            # QGIS's layers may be of any kind, in memory too
            area = self.parameterAsCompatibleSourceLayerPath(
                parameters, "AOI", context, QgsVectorFileWriter.supportedFormatExtensions()
            )
            made += ["--aoi", area.partition("|")[0]]
        return made


def source_of(layer: QgsRasterLayer) -> str:
    """The file or address of a layer as one types it."""
    if layer is None or layer.providerType() != "gdal":
        raise QgsProcessingException("the imagery is no file that GDAL reads; save it as a GeoTIFF")
    source: str = layer.source().partition("|")[0]
    return source.removeprefix("/vsicurl/").replace("/vsis3/", "s3://", 1)


def run(arguments: list[str], feedback: QgsProcessingFeedback) -> dict[str, Any]:
    """Run the command and return its report; it ends when the user cancels."""
    environment = {name: value for name, value in os.environ.items() if name not in QGIS_ONLY}
    process = subprocess.Popen(
        arguments, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    while True:
        try:
            result, log = process.communicate(timeout=0.5)
            break
        except subprocess.TimeoutExpired:
            if feedback.isCanceled():
                process.terminate()
    if feedback.isCanceled():
        raise QgsProcessingException("cancelled")
    try:
        report = dict(json.loads(result.splitlines()[-1]))
    except (ValueError, IndexError) as error:
        raise QgsProcessingException(log.strip() or "geoseg gave no report") from error
    if "error" in report:
        hint = report["error"]["hint"]
        raise QgsProcessingException(report["error"]["message"] + (f" ({hint})" if hint else ""))
    return report
