"""Embeddings of a run as a table, for use elsewhere:

python -m rematch.studies.drug_repurposing.export MODEL.safetensors NAMES.parquet OUT.parquet [OUT.csv ...]
"""

from __future__ import annotations

import sys
from pathlib import Path

import pandas as pd
from safetensors.numpy import load_file


def embedding_table(model: Path, names: Path) -> pd.DataFrame:
    """One row per node: id, name, type, and its embedding in columns e0, e1, ..."""
    weights = load_file(model)
    if "embeddings" not in weights:
        raise ValueError(f"{model}: expected a tensor 'embeddings', found {', '.join(sorted(weights))}")
    table = pd.read_parquet(names)
    nodes = table[table.kind == "node"].sort_values("number", ignore_index=True)[["id", "name", "type"]]
    values = weights["embeddings"]
    if len(nodes) != len(values):
        raise ValueError(f"{names}: expected {len(values)} nodes as in {model}, found {len(nodes)}")
    return nodes.join(pd.DataFrame(values, columns=[f"e{i}" for i in range(values.shape[1])]))


def main(model: str, names: str, *outputs: str) -> None:
    """Writes the table to every output, as CSV or Parquet by its ending."""
    table = embedding_table(Path(model), Path(names))
    for path in map(Path, outputs):
        writers = {".csv": table.to_csv, ".parquet": table.to_parquet}
        if path.suffix not in writers:
            raise ValueError(f"{path}: expected an ending of {', '.join(writers)}, found {path.suffix!r}")
        writers[path.suffix](path, index=False)


if __name__ == "__main__":
    main(*sys.argv[1:])
