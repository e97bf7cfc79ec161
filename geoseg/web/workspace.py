"""One visitor's files: a folder with a random name, which goes when the visitor does."""

from __future__ import annotations

import os
import re
import secrets
import shutil
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any
from unicodedata import normalize

from geoseg.errors import InputError, SafetyError
from geoseg.io.drafts import abandoned
from geoseg.io.formats import vector_format
from geoseg.io.safety import first_bytes, picture_driver

# The four drivers that open a scene, and the three formats of footprints
RASTERS = {"GTiff": ".tif", "PNG": ".png", "JPEG": ".jpg", "JP2OpenJPEG": ".jp2"}
VECTORS = {"gpkg": ".gpkg", "geojson": ".geojson", "flatgeobuf": ".fgb"}
_NO_SCENE = ("is no image that this page reads", "upload a GeoTIFF, PNG, JPEG or JPEG 2000")
_NO_TRUTH = (
    "is neither a mask nor a layer of footprints that this page reads",
    "upload a GeoTIFF or PNG, or a GeoPackage, GeoJSON or FlatGeobuf",
)
# How folders of results begin, which Gradio hands out
HANDED_OUT = "out-"
_HEAD = 4096
_NAME_LENGTH = 60


@dataclass(frozen=True)
class Storage:
    """Folders of the server under ``root``: what Gradio receives and hands out in ``uploads``, the
    visitors' in ``work``, which no address leads to.
    """

    root: Path

    @property
    def uploads(self) -> Path:
        return self.root / "uploads"

    @property
    def work(self) -> Path:
        return self.root / "work"

    def used(self) -> int:
        """Bytes of all files."""
        total = 0
        for folder, _, names in os.walk(self.root):
            for name in names:
                with suppress(FileNotFoundError):  # files come and go
                    total += Path(folder, name).lstat().st_size
        return total


@contextmanager
def storage() -> Iterator[Storage]:
    """Folders that only the server's own user can read, removed at the end."""
    with tempfile.TemporaryDirectory(prefix="geoseg-serve-", ignore_cleanup_errors=True) as root:
        made = Storage(Path(root).resolve())
        made.uploads.mkdir()
        made.work.mkdir()
        yield made


@dataclass
class Workspace:
    """What one visitor has uploaded and made; file names are relative to ``folder``.

    ``key`` is another for each scene, ``map`` what the map shows of it. Who works on it holds the
    ``lock``: a visitor may use a control before the one before it has done its work.
    """

    storage: Storage
    folder: Path
    scene: str | None = None
    key: str = ""
    truth: str | None = None
    about: dict[str, Any] = field(default_factory=dict)
    model: dict[str, Any] = field(default_factory=dict)
    scores: dict[str, Any] = field(default_factory=dict)
    map: dict[str, Any] = field(default_factory=dict)
    outputs: dict[str, str] = field(default_factory=dict)
    found: bool = False
    lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    @classmethod
    def create(cls, store: Storage) -> Workspace:
        folder = store.work / secrets.token_hex(16)
        folder.mkdir(mode=0o700)
        return cls(store, folder)

    @property
    def _handed_out(self) -> Path:
        return self.storage.uploads / f"{HANDED_OUT}{self.folder.name}"

    @property
    def placed(self) -> bool:
        """Whether the scene has a CRS."""
        return bool(self.about.get("crs"))

    @property
    def min_area(self) -> float:
        """The model's minimum area in the unit of the control."""
        return float(self.model.get("min_area", 0.0))

    def area(self, value: float) -> str:
        """What the control's ``value`` is for `polygonize`: square metres, or pixels."""
        # not `g`: a million would be 1e+06, which is no area
        return f"{Decimal(str(value)):f}{'' if self.placed else 'px'}"

    @property
    def stem(self) -> str:
        return Path(self.scene or "").stem

    @property
    def probability(self) -> str:
        return f"probability/{self.stem}.tif"

    def new_outputs(self) -> dict[str, str]:
        """Files to hand out, by their format, where Gradio serves them as they are: in a new folder
        each time, as browsers keep what they fetched. Those before them go.
        """
        shutil.rmtree(self._handed_out, ignore_errors=True)
        folder = self._handed_out / secrets.token_hex(8)
        folder.mkdir(mode=0o700, parents=True)
        names = {
            "gpkg": f"{self.stem}_footprints.gpkg",
            "geojson": f"{self.stem}_footprints.geojson",
            "mask": f"{self.stem}_mask.tif",
            "picture": f"{self.stem}.png",
        }
        self.outputs = {format: str(folder / name) for format, name in names.items()}
        return self.outputs

    def take_scene(self, path: str) -> None:
        """Make an uploaded file the scene; what there was goes. Raises as :meth:`_claimed` does."""
        with self._claimed(path) as upload:
            name = file_name(upload, _raster_suffix(upload))
            self.forget_scene()
            for part in (".", "truth", "probability"):
                (self.folder / part).mkdir(mode=0o700, exist_ok=True)
            shutil.move(upload, self.folder / name)
        self.scene = name
        self.key = secrets.token_hex(8)

    def forget_scene(self) -> None:
        """Delete the scene and all that was made of it."""
        self.remove()
        self.scene = None
        self.truth = None
        self.about = {}
        self.map = {}
        self.scores = {}
        self.outputs = {}
        self.found = False

    def take_truth(self, path: str) -> None:
        """Make an uploaded raster or vector file the truth. Raises as :meth:`_claimed` does."""
        with self._claimed(path) as upload:
            suffix = VECTORS.get(vector_format(first_bytes(upload, _HEAD)) or "")
            name = file_name(upload, suffix or _raster_suffix(upload, *_NO_TRUTH))
            self.forget_truth()
            shutil.move(upload, self.folder / "truth" / name)
        self.truth = f"truth/{name}"

    def take_sample(self, scene: Path, truth: Path | None) -> None:
        """Make a copy of one of geoseg's own samples the scene."""
        self.take_scene(self._uploaded(scene))
        if truth:
            self.take_truth(self._uploaded(truth))

    def forget_truth(self) -> None:
        self.truth = None
        self.scores = {}
        self.map |= {"truth": None, "truthMask": None}
        for old in (self.folder / "truth").glob("*"):
            old.unlink()

    def forget_drafts(self) -> None:
        """Delete what a step that was ended has left unfinished."""
        for path in (self.folder / self.probability, *map(Path, self.outputs.values())):
            for draft in abandoned(path):
                draft.unlink(missing_ok=True)

    def remove(self) -> None:
        """Delete the visitor's files."""
        shutil.rmtree(self.folder, ignore_errors=True)
        shutil.rmtree(self._handed_out, ignore_errors=True)

    def _uploaded(self, path: Path) -> str:
        """A copy of ``path`` where uploads lie."""
        folder = self.storage.uploads / secrets.token_hex(16)
        folder.mkdir(mode=0o700)
        return str(shutil.copy(path, folder / path.name))

    @contextmanager
    def _claimed(self, path: str) -> Iterator[Path]:
        """The uploaded file ``path``, which the block moves away before anybody else claims it.
        Whether it was taken or refused, nothing of the upload stays.

        Raises SafetyError for any other path, whoever asks for it.
        """
        uploads = self.storage.uploads
        upload = Path(path)
        inside = upload.resolve().is_relative_to(uploads)
        if not inside or upload.is_symlink() or not upload.is_file():
            raise SafetyError("this is no file that was uploaded here", "choose it again")
        upload = upload.resolve()
        folder = upload.relative_to(uploads).parts[0]
        if folder.startswith(HANDED_OUT):
            raise SafetyError("this is a result of the page", "choose another file")
        try:
            yield upload
        finally:
            upload.unlink(missing_ok=True)
            shutil.rmtree(uploads / folder, ignore_errors=True)


def _raster_suffix(upload: Path, reason: str = _NO_SCENE[0], hint: str = _NO_SCENE[1]) -> str:
    """By the first bytes: what a file is called does not matter. Raises InputError with ``reason``
    and ``hint`` where it is no raster.
    """
    name = file_name(upload, upload.suffix[:8])
    head = first_bytes(upload, _HEAD)
    if driver := picture_driver(head):
        return RASTERS[driver]
    if b"<VRTDataset" in head:
        raise SafetyError(f"{name}: is a VRT, which names other files", "upload the image itself")
    raise InputError(f"{name}: {reason}", hint)


def file_name(upload: Path, suffix: str) -> str:
    """A plain name for an uploaded file: letters, digits, hyphens and underscores of its own, and
    accented letters without the accents.
    """
    stem = normalize("NFKD", upload.stem).encode("ascii", "ignore").decode()
    stem = re.sub("[^A-Za-z0-9-]+", "_", stem)[:_NAME_LENGTH].strip("_-")
    return f"{stem or 'scene'}{suffix}"
