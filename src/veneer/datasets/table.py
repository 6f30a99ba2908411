"""One Arrow table in one file."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
from kedro.io import AbstractDataset
from kedro_datasets._typing import TablePreview

from veneer.atomic import replacing, require
from veneer.streams import Stream

logger = logging.getLogger(__name__)


class TableDataset(AbstractDataset[pa.Table | Stream | tuple, pa.Table]):
    """An Arrow table in a ``.parquet`` or ``.csv`` file, written atomically.

    Parameters
    ----------
    filepath : str
    missing_ok : bool
        Loading a Parquet file that is not there, or damaged, gives an empty table without columns.
    """

    def __init__(self, filepath: str, missing_ok: bool = False, metadata: dict | None = None):
        self._filepath = Path(filepath)
        self._missing_ok = missing_ok
        self.metadata = metadata

    def load(self) -> pa.Table:
        """Read the whole table."""
        if self._missing_ok:
            return self._load_known()
        require(self._exists(), self._filepath)
        if self._filepath.suffix == ".csv":
            return pyarrow.csv.read_csv(self._filepath)
        return pq.read_table(self._filepath)

    def _load_known(self) -> pa.Table:
        try:
            return pq.read_table(self._filepath)
        except FileNotFoundError:
            pass
        except (OSError, pa.ArrowInvalid) as error:
            logger.warning("%s is damaged, and made anew: %s", self._filepath, error)
        return pa.table({})

    def save(self, data: pa.Table | Stream | tuple) -> None:
        """Write the whole table; an empty tuple saves nothing."""
        if isinstance(data, tuple):
            return
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
