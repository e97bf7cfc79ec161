"""Windows of scenes to learn from: pixels straight from the scene, labels burned as they are read,
no chips on disk.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from rasterio.windows import Window

from geoseg.chips import assign
from geoseg.chips.cut import CutChip, Source
from geoseg.chips.examples import ChipFiles, Example, ResampledExample
from geoseg.core.bands import check_same_bands, percentile_stretch, to_uint8
from geoseg.core.encoding import VOID
from geoseg.core.grid import Grid
from geoseg.core.layer import Layer
from geoseg.core.tiling import Tile, outlines, tiles
from geoseg.errors import SettingError, UnsuitableError, UsageError
from geoseg.geometry.burn import Burner
from geoseg.io.chip_index import INDEX, ChipIndex, ChipInfo, read_index
from geoseg.io.raster.sampling import sampled_strips
from geoseg.io.raster.scene import open_scene
from geoseg.io.scene_names import scene_name
from geoseg.labels import scene_labels
from geoseg.report import Remarks
from geoseg.specs import ChipSpec, Stretch
from geoseg.specs.vectors import VectorFiles

# What `geoseg tile` stretches by, so that windows and chips of a scene look alike
PERCENTILES = 2.0, 98.0
SAME_GSD = 0.02  # resolutions that differ by less are one


@dataclass(frozen=True)
class SplitOutlines:
    """The outlines of chips, and the split of each: str (n,)."""

    layer: Layer
    splits: np.ndarray


@dataclass(frozen=True)
class ExampleSet:
    """Examples of one origin by split, with what they share; ``name`` is what errors call them.
    ``outlines`` are those of all of them, or of the windows of the first scene.
    """

    name: str
    info: ChipInfo
    splits: dict[str, list[Example]]
    outlines: SplitOutlines

    def weighted(self, total: float) -> ExampleSet:
        """With ``total`` shared by the examples to train on."""
        train = [
            replace(example, weight=total / len(self.splits["train"]))
            for example in self.splits["train"]
        ]
        return replace(self, splits=self.splits | {"train": train})

    def resampled(self, gsd: float) -> ExampleSet:
        """With all examples at ``gsd`` metres; as it is within 2% of that, or without a GSD."""
        if not self.info.gsd or abs(self.info.gsd / gsd - 1) <= SAME_GSD:
            return self
        zoom = self.info.gsd / gsd
        splits: dict[str, list[Example]] = {
            split: [ResampledExample(example, zoom, example.weight) for example in examples]
            for split, examples in self.splits.items()
        }
        return replace(self, info=replace(self.info, gsd=gsd), splits=splits)


def scenes_among(data: Sequence[str], labelled: bool) -> list[str]:
    """Which of ``data`` are scenes; the others are folders of chips. Raises UsageError where scenes
    have no labels, or labels no scenes.
    """
    # Without labels what is no file counts as chips, whose error then names the index
    scenes = [
        str(path)
        for path in data
        if not (Path(path).is_dir() or Path(path).name == INDEX)
        and (labelled or Path(path).is_file())
    ]
    if scenes and not labelled:
        raise UsageError(
            f"{scenes[0]}: is not a folder of chips, and a scene needs `labels`",
            "cut chips with `geoseg tile`",
        )
    if labelled and not scenes:
        raise UsageError("`labels` applies to scenes", "chips have their masks")
    return scenes


def index_outlines(index: ChipIndex) -> SplitOutlines:
    """Where the chips of an index lie."""
    table = index.table
    layer = Layer(table.geometry.to_numpy(), table.crs)
    return SplitOutlines(layer, table["split"].to_numpy().astype(str))


def chips_of(index: ChipIndex) -> ExampleSet:
    """The chips of an index. Raises UnsuitableError where some have no mask."""
    # chips without labels have no split either: that they lack masks is the thing to know
    if index.table["mask"].isna().any():
        raise UnsuitableError(
            f"{index.folder}: some chips have no mask", "cut them by `geoseg tile` with labels"
        )
    splits: dict[str, list[Example]] = {}
    for split in ("train", "val", "test"):
        table = index.split(split)
        pairs = zip(table["image"], table["mask"], strict=True)
        splits[split] = [
            ChipFiles(index.folder / image, index.folder / mask, bands=index.info.bands)
            for image, mask in pairs
        ]
    return ExampleSet(str(index.folder), index.info, splits, index_outlines(index))


def example_sets(
    data: Sequence[str],
    labels: Path | VectorFiles | None,
    spec: ChipSpec,
    weights: Sequence[float] | None,
    remarks: Remarks,
) -> list[ExampleSet]:
    """Each chip index of ``data``, then all scenes together, cut with ``spec``, where there are
    ``labels``; ``weights`` are those of ``data``, in its order.

    Raises SettingError for another number of weights.
    """
    if weights and len(weights) != len(data):
        raise SettingError("data_weights", f"must be {len(data)} numbers, one per data set")
    scenes = scenes_among(data, bool(labels))
    sets = [chips_of(read_index(path)) for path in data if str(path) not in scenes]
    shares = [
        weight for path, weight in zip(data, weights or (), strict=False) if str(path) not in scenes
    ]
    if labels and scenes:
        sets.append(windows_of(scenes, labels, spec, remarks))
        # All scenes together are one set: chips that weigh 1 and scenes that weigh 2 and 3 are sets
        # of 1 and 5
        shares.append(sum(weights or ()) - sum(shares))
    if not weights:
        return sets
    return [each.weighted(share) for each, share in zip(sets, shares, strict=True)]


@dataclass(frozen=True)
class LabelledScene:
    """A scene and what its pixels are: footprints ready to be burned, or a mask raster."""

    path: str
    grid: Grid
    gsd: float | None
    bands: tuple[int, ...] | None
    stretch: Stretch | None
    burner: Burner | None
    mask: Path | VectorFiles

    def classes(self, window: Window) -> np.ndarray:
        if self.burner is not None:
            return self.burner.burn(self.grid.window(window))
        # opened for each window: workers are processes, and open files do not go to them
        with scene_labels.open_labels(self.mask, self.grid, Remarks()) as read:
            return read(window)


@dataclass(frozen=True)
class SceneWindow:
    """An :class:`~geoseg.chips.examples.Example` that is a window of a scene."""

    scene: LabelledScene
    tile: Tile
    weight: float = 1.0

    @property
    def name(self) -> str:
        return f"{self.scene.path} {self.tile.id}"

    def read(self) -> tuple[np.ndarray, np.ndarray]:
        with open_scene(self.scene.path, gsd=self.scene.gsd, expand=True) as scene:
            chip = scene.read(self.tile.window, self.scene.bands)
        image = to_uint8(chip.image, self.scene.stretch) if self.scene.stretch else chip.image
        return image, np.where(chip.valid, self.labels(), np.uint8(VOID))

    def missing(self) -> None:
        return None

    def labels(self) -> np.ndarray:
        return self.scene.classes(self.tile.window)


def windows_of(
    scenes: Sequence[str], truth: Path | VectorFiles, spec: ChipSpec, remarks: Remarks
) -> ExampleSet:
    """The windows of ``scenes`` that `geoseg tile` would cut with ``spec``, in the same splits.

    Scenes of another type than uint8 are stretched from their 2nd to 98th percentile, all of them
    alike. Raises UnsuitableError for scenes that differ in bands or dtype, and for labels that do
    not meet them.
    """
    sources: list[Source] = []
    cuts: list[CutChip] = []
    for number, path in enumerate(scenes):
        with open_scene(path, gsd=spec.gsd, expand=True) as scene:
            remarks += scene.warnings
            # numbered, since scenes of two folders may have one name
            name = f"{number} {scene_name(path)}"
            source = Source(
                path,
                name,
                scene_labels.find(truth, path),
                scene.grid,
                scene.bands,
                scene.dtype,
                spec.format,
            )
            # A window without data teaches nothing; looking at validity alone reads no pixels
            found = tiles(scene.grid.shape, spec.tiling, spec.edge)
            cuts += [
                CutChip(source, tile, 1.0)
                for tile in found
                if scene.read_validity(tile.window).any()
            ]
        sources.append(source)
    first = sources[0]
    bands = len(spec.bands or ())
    check_same_bands(
        [(str(source.path), bands or source.bands, source.dtype) for source in sources]
    )
    named = {scene_labels.classes(source.labels) for source in sources if source.labels}
    if len(named) > 1:
        raise UnsuitableError(f"{truth}: the masks of the scenes name different classes")
    gsds = [source.grid.gsd for source in sources if source.grid.gsd]
    if gsds and max(gsds) > (1 + SAME_GSD) * min(gsds):
        remarks.append(
            f"the scenes have {min(gsds):.3g} to {max(gsds):.3g} m a pixel; gsd makes them alike"
        )
    # One stretch for all: of each its own would make the same roof bright in one, dark in another
    stretch = None if first.dtype == "uint8" else _stretch(sources, spec)
    ready = {source.name: _labelled(source, spec, stretch, remarks) for source in sources}
    chips, _ = assign.assign_chips(cuts, spec)
    splits: dict[str, list[Example]] = {"train": [], "val": [], "test": []}
    for cut, split in chips:
        assert split is not None  # there are labels
        splits[split].append(SceneWindow(ready[cut.source.name], cut.tile))
    names, multilabel = named.pop()
    info = ChipInfo(
        bands or first.bands,
        first.dtype,
        first.grid.gsd,
        names,
        stretch,
        source_bands=spec.bands,
        multilabel=multilabel,
    )
    return ExampleSet(str(first.path), info, splits, _window_outlines(chips, first))


def _window_outlines(chips: Sequence[tuple[CutChip, str | None]], source: Source) -> SplitOutlines:
    """Where the windows of one scene lie."""
    own = [(cut.tile.window, split) for cut, split in chips if cut.source is source]
    geometry = outlines([window for window, _ in own], source.grid.transform)
    return SplitOutlines(
        Layer(geometry, source.grid.crs), np.array([split for _, split in own], str)
    )


def _labelled(
    source: Source, spec: ChipSpec, stretch: Stretch | None, remarks: Remarks
) -> LabelledScene:
    assert source.labels is not None
    burner = None
    if isinstance(source.labels, VectorFiles):
        with open_scene(source.path) as scene:
            burner = scene_labels.burner(
                source.labels, source.grid, remarks, scene=source.path, own=scene.grid
            )
    else:
        with scene_labels.open_labels(source.labels, source.grid, remarks):
            pass  # raises where the two do not meet
    return LabelledScene(
        source.path, source.grid, spec.gsd, spec.bands, stretch, burner, source.labels
    )


def _stretch(sources: Sequence[Source], spec: ChipSpec) -> Stretch | None:
    """One stretch over all of the scenes."""
    return percentile_stretch(_sampled(sources, spec), *PERCENTILES)


def _sampled(sources: Sequence[Source], spec: ChipSpec) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    for source in sources:
        with open_scene(source.path, gsd=spec.gsd, expand=True) as scene:
            yield from sampled_strips(scene, spec.bands)
