"""Run the notebooks of docs/notebooks and store their outputs: python docs/generate_notebooks.py

The outputs are committed, as few and small as they are, so that GitHub and the site show them. What
changes from run to run (execution counts, times, ids) is left out.
"""

from __future__ import annotations

import base64
import json
import sys
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parent / "notebooks"


def executed(path: Path) -> dict[str, Any]:
    """The notebook at ``path`` after all its cells ran, in its folder. Raises where one fails."""
    import nbformat
    from nbclient import NotebookClient

    notebook = nbformat.read(path, as_version=4)
    where = {"metadata": {"path": str(FOLDER)}}
    NotebookClient(notebook, timeout=600, kernel_name="python3", resources=where).execute()
    return json.loads(nbformat.writes(notebook))


def tidy(notebook: dict[str, Any]) -> str:
    """The text of a notebook without what every run changes, and without logs."""
    from generate_pictures import with_palette

    for cell in notebook["cells"]:
        cell["metadata"] = {}
        if cell["cell_type"] == "code":
            cell["execution_count"] = None
            shown = [o for o in cell["outputs"] if o.get("name") != "stderr"]
            for output in shown:
                output.pop("execution_count", None)
                output["metadata"] = {} if "data" in output else output.get("metadata")
                if output["metadata"] is None:
                    del output["metadata"]
                if output["output_type"] == "execute_result":
                    output["execution_count"] = None
                if "image/png" in (data := output.get("data", {})):
                    png = with_palette(base64.b64decode(data["image/png"]))
                    output["data"] = {"image/png": base64.b64encode(png).decode("ascii")}
            cell["outputs"] = shown
    notebook["metadata"] = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    return json.dumps(notebook, indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    for path in [Path(name) for name in sys.argv[1:]] or sorted(FOLDER.glob("*.ipynb")):
        path.write_text(tidy(executed(path)), "utf-8")
