"""One Arrow table in one file."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
from kedro.io import AbstractDataset
from kedro_datasets._typing import TablePreview

from veneer.datasets.atomic import replacing, require
from veneer.streams import Stream


class TableDataset(AbstractDataset[pa.Table | Stream, pa.Table]):
    """An Arrow table in a ``.parquet`` or ``.csv`` file, written atomically."""

    def __init__(self, filepath: str, metadata: dict | None = None):
        self._filepath = Path(filepath)
        self.metadata = metadata

    def load(self) -> pa.Table:
        """Read the whole table."""
        require(self._exists(), self._filepath)
        if self._filepath.suffix == ".csv":
            return pyarrow.csv.read_csv(self._filepath)
        return pq.read_table(self._filepath)

    def save(self, data: pa.Table | Stream) -> None:
        """Write the whole table."""
        if isinstance(data, Stream):
            data = pa.Table.from_batches(data, schema=data.schema)
        with replacing(self._filepath) as temporary:
            if self._filepath.suffix == ".csv":
                pyarrow.csv.write_csv(data, temporary)
            else:
                pq.write_table(data, temporary)

    def preview(self, nrows: int = 20) -> TablePreview:
        """Show the first rows."""
        frame = self.load().slice(0, nrows).to_pandas()
        return TablePreview(json.loads(frame.to_json(orient="split", date_format="iso")))

    def _exists(self) -> bool:
        return self._filepath.is_file()

    def _describe(self) -> dict:
        return {"filepath": str(self._filepath)}
