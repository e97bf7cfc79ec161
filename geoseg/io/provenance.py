"""What is stored with an output: who made it, how, and of what."""

from __future__ import annotations

import sys
from pathlib import Path

from geoseg import __version__
from geoseg.io.scene_names import redact_url


def provenance(source: Path | str) -> dict[str, str]:
    """What is stored with an output: the version, the command that made it, and of what; no secret
    of an address.
    """
    return {
        "GEOSEG_VERSION": __version__,
        "GEOSEG_COMMAND": " ".join(["geoseg", *map(redact_url, sys.argv[1:])]),
        "GEOSEG_SOURCE": redact_url(str(source)),
    }
