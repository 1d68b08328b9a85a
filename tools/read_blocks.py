#!/usr/bin/env python3
"""read_blocks.py DATABASE: opens the database's block files with pyarrow and polars, where they are present."""
import glob
import importlib.util
import os
import sys

files = sorted(path for path in glob.glob(os.path.join(sys.argv[1], "blocks", "**"), recursive=True) if os.path.isfile(path))
present = [name for name in ("pyarrow", "polars") if importlib.util.find_spec(name)]
if not present:
    print("(neither pyarrow nor polars is installed; `make test` puts both into .venv)")
for path in files if present else []:
    name, size = os.path.relpath(path, sys.argv[1]), os.path.getsize(path)
    if "pyarrow" in present:
        import pyarrow.ipc
        with pyarrow.ipc.open_file(path) as reader:
            table = reader.read_all()
            fields = ", ".join(f"{field.name} {field.type}" for field in table.schema)
            print(f"pyarrow  {name}: {size:,} bytes, {table.num_rows:,} rows in {reader.num_record_batches} strips: {fields}")
    if "polars" in present:
        import polars
        frame = polars.read_ipc(path)
        print(f"polars   {name}: {frame.height:,} rows; the first is {frame.row(0)}")
