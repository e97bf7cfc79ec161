"""Vector files to read, and what of each is taken."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

_LAYER = "|layername="


@dataclass(frozen=True)
class VectorFiles:
    """One or more vector files that are read as one; of each its ``layer``, and the features for
    which the SQL condition ``where`` holds. ``setting`` names what chooses the layer, None where
    nothing does.
    """

    paths: tuple[Path, ...]
    layer: str | None = None
    where: str | None = None
    setting: str | None = "layer"

    @classmethod
    def of(
        cls,
        files: Path | str | Sequence[Path | str] | VectorFiles,
        layer: str | None = None,
        where: str | None = None,
        setting: str | None = "layer",
    ) -> VectorFiles:
        """``files`` as such, with ``layer`` and ``where`` where they are given. A single file may
        name its layer as QGIS does: ``parcels.gpkg|layername=field``.
        """
        if not isinstance(files, VectorFiles):
            named = [files] if isinstance(files, Path | str) else list(files)
            if len(named) == 1:
                path, _, own = str(named[0]).partition(_LAYER)
                named, layer = [path], layer or own or None
            files = cls(tuple(Path(path) for path in named), setting=setting)
        return replace(files, layer=layer or files.layer, where=where or files.where)

    def everywhere(self) -> VectorFiles:
        """The same with paths that processes in other folders find."""
        return replace(self, paths=tuple(path.absolute() for path in self.paths))

    def settings(self, name: str) -> dict[str, str | list[str] | None]:
        """As settings ``name``, ``name``_layer and ``name``_where, None for those not given."""
        paths = [str(path) for path in self.paths]
        return {
            name: paths if len(paths) > 1 else paths[0],
            f"{name}_layer": self.layer,
            f"{name}_where": self.where,
        }

    def __str__(self) -> str:
        first, *others = self.paths
        return f"{first} and {len(others)} more" if others else str(first)
