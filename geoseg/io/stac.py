"""STAC items: which file an asset of one is, and whether that file may be read.

An item is JSON from anywhere, so the files that it names are not what the user typed. One on disk
may name files beside it or below, one from https files on its own host.
"""

from __future__ import annotations

import functools
import json
import urllib.request
from collections.abc import Iterable
from http.client import HTTPException
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.error import HTTPError, URLError
from urllib.parse import SplitResult, urlsplit

from geoseg.errors import InputError, ResourceError, SafetyError, UnsuitableError, UsageError
from geoseg.io.safety import first_bytes, lies_below

if TYPE_CHECKING:
    from pystac import Asset

LARGEST = 2**24  # bytes of an item; most have some thousand
TIMEOUT = 60  # seconds
_JSON = (".json", ".geojson")
_IMAGES = (".tif", ".tiff", ".jp2", ".png", ".jpg", ".jpeg", ".vrt")
_NO_SCENE = {"thumbnail", "overview", "metadata"}


def split_asset(name: str) -> tuple[str, str | None] | None:
    """``area/item.json#visual`` -> the item and its asset, None where no asset is named; None for
    what is no item. Raises InputError for a malformed address.

    A file that exists under the whole name is meant itself. Of an address without ``#`` only one
    that ends in ``.json`` is an item.
    """
    if name.startswith(("https://", "http://")):
        item, mark, asset = name.partition("#")
        return (item, asset or None) if mark or _parts_of(item).path.endswith(_JSON) else None
    if "://" in name:
        return (name, None) if name.startswith("s3://") and name.endswith(_JSON) else None
    if Path(name).exists():
        is_json = Path(name).is_file() and first_bytes(Path(name), 64).lstrip()[:1] == b"{"
        return (name, None) if is_json else None
    item, _, asset = name.rpartition("#")
    return (item, asset or None) if item and Path(item).is_file() else None


def asset_file(name: str) -> str:
    """The path or address of the asset that ``name`` means; ``name`` itself where it is no item.

    Without a name the only asset of imagery is taken. Raises InputError (no item, no such asset),
    UnsuitableError (several), SafetyError (a file elsewhere), ResourceError (no pystac).
    """
    parts = split_asset(name)
    if parts is None:
        return name
    item, wanted = parts
    assets = _assets(item)
    if wanted is None:
        wanted = _only_image(item, assets)
    elif wanted not in assets:
        raise InputError(f"{item}: has no asset {wanted}", f"it has {_listed(assets)}")
    return _allowed(item, wanted, assets[wanted].href)


def _parts_of(address: str) -> SplitResult:
    """Raises InputError where ``address`` is malformed."""
    try:
        return urlsplit(address)
    except ValueError as error:
        raise InputError(f"{address}: is no address: {error}") from error


def _assets(item: str) -> dict[str, Asset]:
    content = _fetched(item) if "://" in item else first_bytes(Path(item), LARGEST)
    try:
        import pystac
        from pystac.errors import STACTypeError  # which is no STACError
    except ImportError as error:
        raise ResourceError(f"{item}: STAC needs pystac", "pip install 'geoseg[stac]'") from error
    # of malformed items pystac raises what Python does
    python = (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)
    try:
        assets = pystac.Item.from_dict(json.loads(content)).assets
    except (pystac.STACError, STACTypeError, *python) as error:
        raise InputError(f"{item}: is no STAC item: {error}") from error
    for name, asset in assets.items():
        if not _is_well_formed(asset):
            raise InputError(f"{item}: is no STAC item: its asset {name} is malformed")
        _parts_of(asset.href)
    return assets


def _is_well_formed(asset: Asset) -> bool:
    """Whether what is read of an asset has its type: pystac takes any JSON for it."""
    roles = [] if asset.roles is None else asset.roles
    typed = isinstance(asset.href, str) and isinstance(asset.media_type, str | None)
    return typed and isinstance(roles, list) and all(isinstance(role, str) for role in roles)


def _only_image(item: str, assets: dict[str, Asset]) -> str:
    names = [name for name, asset in assets.items() if _is_image(asset)]
    if not names:
        raise UnsuitableError(f"{item}: has no asset of imagery", f"it has {_listed(assets)}")
    if len(names) > 1:
        raise UnsuitableError(
            f"{item}: has several assets of imagery: {_listed(names)}",
            f"name one: {item}#{names[0]}",
        )
    return names[0]


def _is_image(asset: Asset) -> bool:
    if not _NO_SCENE.isdisjoint(asset.roles or ()):
        return False
    if asset.media_type:
        return asset.media_type.startswith("image/")
    return urlsplit(asset.href).path.lower().endswith(_IMAGES)


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names) or "none"


def _allowed(item: str, asset: str, href: str) -> str:
    from pystac.utils import make_absolute_href

    # What the item area/item.json may name, and what not:
    #
    #     ./visual.tif, ./tiles/a.tif      read
    #     ../other.tif, https://...        refused, with the name to type instead
    found = make_absolute_href(href, item if "://" in item else str(Path(item).absolute()))
    if "://" in item:
        own = urlsplit(found)
        # other host or other scheme: the user named neither
        allowed = own.scheme == "https" and own.netloc == urlsplit(item).netloc
    else:
        allowed = "://" not in found and lies_below(Path(item), found)
    if not allowed:
        raise SafetyError(
            f"{item}: its asset {asset} lies elsewhere, at {found}",
            f"to read that, name it as the scene: {found}",
        )
    return found


class _SameHost(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, request: Any, *arguments: Any) -> Any:
        target = urlsplit(arguments[-1])
        if (target.scheme, target.netloc) != ("https", urlsplit(request.full_url).netloc):
            raise SafetyError(
                f"{request.full_url}: leads to another host, {arguments[-1]}",
                "name that address if you want it",
            )
        return super().redirect_request(request, *arguments)


@functools.lru_cache(maxsize=64)
def _fetched(address: str) -> bytes:
    """An item from https, once a process: scenes are opened again and again."""
    scheme = address.partition("://")[0]
    if scheme == "http":
        raise SafetyError(f"{address}: plain http is refused", "use https")
    if scheme != "https":
        raise UsageError(
            f"{address}: STAC items are read from disk or over https", "name the scene itself"
        )
    try:
        with urllib.request.build_opener(_SameHost).open(address, timeout=TIMEOUT) as answer:
            content: bytes = answer.read(LARGEST + 1)
    except HTTPError as error:
        raise InputError(f"{address}: cannot be read: HTTP response code: {error.code}") from error
    except (URLError, OSError, ValueError, HTTPException) as error:
        reason = getattr(error, "reason", error)
        raise InputError(f"{address}: cannot be read: {reason}") from error
    if len(content) > LARGEST:
        raise InputError(f"{address}: is too large for a STAC item")
    return content
