"""Image rows in Parquet shards."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
from kedro.io import AbstractDataset
from kedro_datasets._typing import TablePreview

from veneer.datasets.atomic import replacing, require, write_bytes
from veneer.schema import IMAGE

SHARD_BYTES = 256 * 2**20
MANIFEST = "_manifest.json"


class ImageRowsDataset(AbstractDataset[Iterable[pa.RecordBatch], ds.Dataset]):
    """A folder of Parquet shards of schema :data:`veneer.schema.IMAGE`.

    Loading gives a lazy ``pyarrow.dataset.Dataset``. Saving takes batches (an iterable, driven
    here one batch at a time), writes new shards, and then replaces the manifest that names
    them: up to that moment readers see the old rows, after it the new ones. Each shard opens in
    Hugging Face ``datasets``, DuckDB and pandas.
    """

    def __init__(self, path: str, metadata: dict | None = None):
        self._path = Path(path)
        self.metadata = metadata

    def load(self) -> ds.Dataset:
        """Open the shards that the manifest names."""
        require(self._exists(), self._path, "data_processing")
        shards = json.loads((self._path / MANIFEST).read_text())["shards"]
        return ds.dataset([str(self._path / name) for name in shards], schema=IMAGE)

    def save(self, data: Iterable[pa.RecordBatch]) -> None:
        """Replace all rows."""
        shards = list(self._write_shards(data))
        manifest = {"shards": [name for name, _ in shards], "rows": sum(n for _, n in shards)}
        write_bytes(self._path / MANIFEST, json.dumps(manifest, indent=1).encode())
        for shard in self._path.glob("part-*.parquet"):
            if shard.name not in manifest["shards"]:
                shard.unlink()

    def preview(self, nrows: int = 20) -> TablePreview:
        """Show the first rows, without the image bytes, which no browser table can hold."""
        rows = self.load().head(nrows, columns=[n for n in IMAGE.names if n != "image"])
        return TablePreview(json.loads(rows.to_pandas().to_json(orient="split", date_format="iso")))

    def _write_shards(self, batches: Iterable[pa.RecordBatch]) -> Iterator[tuple[str, int]]:
        """Write shards, yield their names and row counts; at least one, be it empty."""
        waiting, size, number = [], 0, 0
        for batch in batches:
            waiting.append(batch)
            size += batch.nbytes
            if size >= SHARD_BYTES:
                yield self._write_shard(waiting, number)
                waiting, size, number = [], 0, number + 1
        if waiting or number == 0:
            yield self._write_shard(waiting, number)

    def _write_shard(self, batches: list[pa.RecordBatch], number: int) -> tuple[str, int]:
        table = pa.Table.from_batches(batches, schema=IMAGE)
        # Named by content: new shards never overwrite those that the old manifest names.
        digest = hashlib.sha1("\n".join(table["id"].to_pylist()).encode(), usedforsecurity=False)
        name = f"part-{number:05d}-{digest.hexdigest()[:12]}.parquet"
        with replacing(self._path / name) as temporary:
            # Images are compressed already. Small row groups let a reader take a few at a time.
            pq.write_table(
                table, temporary, compression={"image.bytes": "NONE"}, row_group_size=256
            )
        return name, table.num_rows

    def _exists(self) -> bool:
        return (self._path / MANIFEST).is_file()

    def _describe(self) -> dict:
        return {"path": str(self._path)}
