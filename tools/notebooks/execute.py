"""Running a notebook's cells and keeping what they printed.

Pictures, widgets and HTML are left out, and so is what went to stderr: what remains is what nbval
compares. One thread and no timestamps, so that the bytes are the same each time. What a run printed
is kept under `_build/notebooks/` for as long as neither its code nor the package changes.
"""

import hashlib
import json
import os
from pathlib import Path
from typing import Any
from unittest.mock import patch

import nbformat
from nbclient import NotebookClient
from nbformat import NotebookNode

import gencourse
from book._ext.execution import key

__all__ = ["UnfitOutput", "run", "without_outputs"]

TIMEOUT = 120  # seconds for one cell
THREADS = {"OMP_NUM_THREADS": "1"}


class UnfitOutput(ValueError):
    """What a cell printed cannot stand in a notebook that everybody gets."""


def run(notebook: NotebookNode, path: Path, kept: Path) -> NotebookNode:
    """Return `notebook`, which is to stand at `path`, with its text outputs.

    `kept` is the folder that remembers earlier runs. Raises `nbclient`'s `CellExecutionError`, and
    `UnfitOutput` when a cell prints a path of this machine.
    """
    notebook = nbformat.from_dict(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    state = key(Path(gencourse.__file__).parent)
    name = hashlib.sha256("\0".join([state, *(cell.source for cell in code)]).encode())
    memory = kept / f"{name.hexdigest()[:32]}.json"
    if memory.is_file():
        outputs = json.loads(memory.read_text(encoding="utf8"))
    else:
        outputs = _execute(notebook, path)
        memory.parent.mkdir(parents=True, exist_ok=True)
        memory.write_text(json.dumps(outputs), encoding="utf8")
    for count, (cell, printed) in enumerate(zip(code, outputs, strict=True), 1):
        cell.outputs = [nbformat.from_dict(output) for output in printed]
        cell.execution_count = count
    return notebook


def without_outputs(notebook: NotebookNode) -> NotebookNode:
    """A copy of `notebook` as it is before it runs."""
    notebook = nbformat.from_dict(notebook)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    return notebook


def _execute(notebook: NotebookNode, path: Path) -> list[list[dict[str, Any]]]:
    fresh = without_outputs(notebook)
    client = NotebookClient(
        fresh,
        kernel_name="python3",
        timeout=TIMEOUT,
        record_timing=False,
        store_widget_state=False,
        extra_arguments=["--log-level=ERROR"],  # the kernel warns of TCP each time it starts
        resources={"metadata": {"path": str(path.parent)}},
    )
    with patch.dict(os.environ, THREADS):
        client.execute()
    outputs = [_text(c.outputs) for c in fresh.cells if c.cell_type == "code"]
    if any(place in json.dumps(outputs) for place in (str(Path.home()) + "/", str(path.parent))):
        raise UnfitOutput(f"{path.name}: a cell prints a path of this machine")
    return outputs


def _text(outputs: list[NotebookNode]) -> list[dict[str, Any]]:
    """The outputs that are text, what was printed in one piece whatever pieces it arrived in."""
    kept: list[dict[str, Any]] = []
    for output in outputs:
        if output.output_type == "stream":
            if output.name != "stdout":
                continue
            if kept and kept[-1]["output_type"] == "stream":
                kept[-1]["text"] += output.text
            else:
                kept.append({"output_type": "stream", "name": "stdout", "text": output.text})
        elif output.output_type == "error":
            error = {"ename": output.ename, "evalue": output.evalue, "traceback": []}
            kept.append({"output_type": "error", **error})
        elif "text/plain" in output.data:
            text = {"text/plain": output.data["text/plain"]}
            kept.append({**output, "data": text, "metadata": {}})
    return kept
