"""Embeddings leave as Parquet and CSV with ids; a study without them, or a failed run, says so in one line."""

import json
import sys
from pathlib import Path
from types import ModuleType

import pandas as pd
import pytest
import torch
from safetensors.torch import save_file

from rematch import export


@pytest.fixture
def run(tmp_path, monkeypatch):
    """A finished run of a study whose model is a table of two vectors."""
    save_file({"table": torch.tensor([[1.0, 2.0], [3.0, 4.0]])}, tmp_path / "model.safetensors")
    (tmp_path / "manifest.json").write_text(json.dumps({"status": "ok"}))
    pd.DataFrame({"name": ["a", "b"]}).to_parquet(tmp_path / "names.parquet")
    module = ModuleType("rematch.studies.made_up.evaluate")
    module.embeddings = lambda settings, weights, train, test, names: pd.DataFrame(
        {"id": names.index, "name": names["name"], "dim_0": weights["table"][:, 0], "dim_1": weights["table"][:, 1]}
    )
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setattr(export, "build", lambda package, settings: None)
    monkeypatch.setattr(export.prepared, "read", lambda path: {})

    def export_it():
        files = [str(tmp_path / name) for name in ("model.safetensors", "manifest.json")]
        outputs = [str(tmp_path / name) for name in ("embeddings.parquet", "embeddings.csv")]
        export.export_embeddings("made_up", {}, *files, ["none", "none", str(tmp_path / "names.parquet")], outputs)
        return outputs

    return export_it, module, tmp_path


def test_both_files_hold_ids_names_and_dimensions(run):
    parquet, text = run[0]()
    assert pd.read_parquet(parquet).to_dict("list")["dim_1"] == [2.0, 4.0]
    assert Path(text).read_text() == "id,name,dim_0,dim_1\n0,a,1.0,2.0\n1,b,3.0,4.0\n"


def test_what_cannot_be_exported_is_one_line(run):
    export_it, module, folder = run
    module.embeddings = lambda *all: pd.DataFrame({"id": [1, 1]})
    with pytest.raises(ValueError, match="made_up: embeddings: expected a column `id` without repeats"):
        export_it()
    (folder / "manifest.json").write_text(json.dumps({"status": "failed: loss is nan"}))
    with pytest.raises(ValueError, match="no embeddings to export: the training failed: loss is nan"):
        export_it()
    del module.embeddings
    with pytest.raises(ValueError, match=r"made_up: no embeddings to export: evaluate\.py defines no function"):
        export_it()
