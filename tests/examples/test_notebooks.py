"""The notebooks run from their first cell to their last, on a tiny table, and keep no outputs."""

import json
import os
from pathlib import Path

import pytest

nbformat = pytest.importorskip("nbformat", reason="notebooks are read by nbformat")
nbclient = pytest.importorskip("nbclient", reason="notebooks are run by nbclient")
pytest.importorskip("ipykernel", reason="notebooks are run by ipykernel")
pytest.importorskip("espeakng_loader", reason="the voices need espeakng-loader")
pytest.importorskip("captum", reason="what counts inside an input is told by Captum")

NOTEBOOKS = sorted((Path(__file__).parents[2] / "examples" / "notebooks").glob("*.ipynb"))
TINY = "ROWS = (40, 10, 30)\nEPOCHS = 1"


def test_both_were_found():
    assert [path.stem for path in NOTEBOOKS] == ["first-steps", "why"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_it_keeps_no_outputs(path):
    cells = json.loads(path.read_text())["cells"]
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    assert len(code) > 5
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in code)


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_it_runs(path, tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setenv("SENSORIUM_CACHE", os.environ.get("SENSORIUM_CACHE", str(tmp_path / "cache")))
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    parameters = [cell for cell in notebook.cells if "parameters" in cell.metadata.get("tags", [])]
    assert len(parameters) == 1
    parameters[0].source = TINY
    nbclient.NotebookClient(notebook, timeout=280, kernel_name="python3").execute()
    code = [cell for cell in notebook.cells if cell.cell_type == "code" and cell is not parameters[0]]
    assert all(cell.execution_count for cell in code)
    shown = [output for cell in code for output in cell.outputs if output.output_type == "execute_result"]
    assert len(shown) >= 4
