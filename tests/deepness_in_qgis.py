"""What QGIS Deepness' own processor finds; run by the Python that QGIS uses, not by the tests'.

python3 deepness_in_qgis.py FOLDER_OF_PLUGINS SCENE MODEL MASK.npy

The settings are those that its panel reads from the model's metadata. Classes in the written mask
are numbered as in the model.
"""

from __future__ import annotations

import dataclasses
import sys

import numpy as np

sys.path.insert(0, sys.argv[1])
from deepness.common.channels_mapping import ChannelsMapping, ImageChannelStandaloneBand
from deepness.common.processing_overlap import ProcessingOverlap, ProcessingOverlapOptions
from deepness.common.processing_parameters.map_processing_parameters import (
    ModelOutputFormat,
    ProcessedAreaType,
)
from deepness.common.processing_parameters.segmentation_parameters import SegmentationParameters
from deepness.processing.map_processor.map_processor_segmentation import MapProcessorSegmentation
from deepness.processing.models.segmentor import Segmentor
from qgis.core import QgsApplication, QgsRasterLayer

scene, model_file, output = sys.argv[2:]
application = QgsApplication([], False)
application.initQgis()
layer = QgsRasterLayer(scene, "scene", "gdal")
model = Segmentor(model_file)
model.check_loaded_model_outputs()
assert model.get_metadata_model_type() == "Segmentor"

channels = ChannelsMapping()
channels.set_number_of_model_inputs(model.get_number_of_channels())
channels.set_image_channels(
    [ImageChannelStandaloneBand(band, str(band)) for band in range(1, layer.bandCount() + 1)]
)
settings = {
    "resolution_cm_per_px": model.get_metadata_resolution(),
    "processed_area_type": ProcessedAreaType.ENTIRE_LAYER,
    "tile_size_px": model.get_metadata_tile_size(),
    "batch_size": 1,
    "local_cache": False,
    "input_layer_id": layer.id(),
    "mask_layer_id": None,
    "processing_overlap": ProcessingOverlap(
        ProcessingOverlapOptions.OVERLAP_IN_PERCENT, model.get_metadata_tiles_overlap()
    ),
    "input_channels_mapping": channels,
    "postprocessing_dilate_erode_size": model.get_metadata_segmentation_small_segment(),
    "model": model,
    "pixel_classification__probability_threshold": model.get_metadata_segmentation_threshold(),
}
# fields that came and went with its versions: which classes become layers
wanted = {field.name for field in dataclasses.fields(SegmentationParameters)}
for name in wanted - set(settings):
    settings[name] = ModelOutputFormat.ALL_CLASSES_AS_SEPARATE_LAYERS if "__" not in name else 1
parameters = SegmentationParameters(**{name: settings[name] for name in wanted})
processor = MapProcessorSegmentation(
    rlayer=layer, vlayer_mask=None, map_canvas=None, params=parameters
)
processor._run()
mask = processor.get_result_img()
# one image of classes counted from 1, or since 0.7 an image for each output, counted from 0
np.save(output, mask - 1 if mask.ndim == 2 else mask[0])
