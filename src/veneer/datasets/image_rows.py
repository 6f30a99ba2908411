"""Image rows in Parquet shards."""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path

import pyarrow as pa
import pyarrow.dataset as ds
from kedro.io import AbstractDataset
from kedro_datasets._typing import TablePreview

from veneer.atomic import make_folder, require, write_bytes
from veneer.datasets.shards import open_shards, write_shards
from veneer.schema import KNOWN_IMAGE, READING
from veneer.streams import Stream

MANIFEST = "_manifest.json"


# By default Arrow reads what a scan wants of a whole shard, hundreds of megabytes, and holds it
# until the shard is done.
_FORMAT = ds.ParquetFileFormat(
    default_fragment_scan_options=ds.ParquetFragmentScanOptions(pre_buffer=False)
)


class ImageRowsDataset(AbstractDataset[Stream, ds.Dataset]):
    """A folder of Parquet shards of :func:`veneer.schema.image_schema`.

    Loading gives a lazy ``pyarrow.dataset.Dataset``. Saving takes batches (a stream, driven
    here one batch at a time), writes new shards, and then replaces the manifest that names
    them: up to that moment readers see the old rows, after it the new ones. Rows that come
    without bytes keep those they have (see :func:`veneer.datasets.shards.write_shards`). Each
    shard opens in Hugging Face ``datasets``, DuckDB and pandas.
    """

    def __init__(self, path: str, metadata: dict | None = None):
        self._path = Path(path)
        self.metadata = metadata

    def load(self) -> ds.Dataset:
        """Open the shards that the manifest names."""
        require(self._exists(), self._path, "data_processing")
        names = json.loads((self._path / MANIFEST).read_text())["shards"]
        shards = [self._path / name for name in names]
        for shard in shards:
            require(shard.is_file(), shard, "data_processing")
        return ds.dataset([str(shard) for shard in shards], format=_FORMAT)

    def save(self, data: Stream) -> None:
        """Replace all rows."""
        make_folder(self._path)
        shards = list(write_shards(self._path, data.schema, data))
        manifest = {"shards": [name for name, _ in shards], "rows": sum(n for _, n in shards)}
        write_bytes(self._path / MANIFEST, json.dumps(manifest, indent=1).encode())
        for shard in self._path.glob("part-*.parquet"):
            if shard.name not in manifest["shards"]:
                shard.unlink()

    def preview(self, nrows: int = 20) -> TablePreview:
        """Show the first rows, without the image bytes, which no browser table can hold."""
        rows = self.load()
        rows = rows.head(nrows, columns=[name for name in rows.schema.names if name != "image"])
        return TablePreview(json.loads(rows.to_pandas().to_json(orient="split", date_format="iso")))

    def _exists(self) -> bool:
        return (self._path / MANIFEST).is_file()

    def _describe(self) -> dict:
        return {"path": str(self._path)}


class KnownImagesDataset(AbstractDataset[None, dict[str, pa.Table]]):
    """What is known of the images in a folder of shards, also of those of a run that was killed.

    Loading gives, for each way that files were read (``reading`` in the metadata of a shard), a
    table of schema :data:`veneer.schema.KNOWN_IMAGE`. It cannot be saved to.
    """

    def __init__(self, path: str, metadata: dict | None = None):
        self._path = Path(path)
        self.metadata = metadata

    def load(self) -> dict[str, pa.Table]:
        """Read everything but the bytes; nothing where there are no shards."""
        found = defaultdict(list)
        for shard in open_shards(self._path):
            reading = (shard.schema.metadata or {}).get(READING, b"").decode()
            found[reading].append(shard.facts().select(KNOWN_IMAGE.names).cast(KNOWN_IMAGE))
        return {reading: pa.concat_tables(tables) for reading, tables in found.items()}

    def save(self, data: None) -> None:
        """Refuse: the rows are saved by :class:`ImageRowsDataset`."""
        raise NotImplementedError

    def _describe(self) -> dict:
        return {"path": str(self._path)}
