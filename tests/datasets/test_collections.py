"""A collection written as a Parquet source is read again as it was."""

import pyarrow as pa
import pyarrow.dataset as ds
import pytest
from support import PARQUET, ingest_all, open_folder, write_images

from veneer.datasets.collections import write_collection
from veneer.errors import VeneerError
from veneer.schema import SPLITS
from veneer.sources.options import ParquetOptions
from veneer.sources.parquet import parquet_source

PATTERN = r"(?P<label>[a-z]+)_(?P<{}>\d+)"


def rows_of(folder, attribute):
    options = {"attributes": {attribute: "int"}, "label": "pattern"}
    return ingest_all(open_folder(folder, **options, pattern=PATTERN.format(attribute)))[0]


def sides_of(rows):
    return pa.table([rows["id"], ["train", "validation"] * (len(rows) // 2)], schema=SPLITS)


def test_rows_keep_their_ids_labels_attributes_and_sides(tmp_path):
    rows = rows_of(write_images(tmp_path / "raw", {"moss_1990": 4, "bark_2004": 4}), "year")
    kept = rows["id"].slice(2)
    folder = tmp_path / "kept"
    written = write_collection(folder, ds.dataset(rows), kept, sides_of(rows))
    assert written == 6
    options = ParquetOptions(**PARQUET | {"label": "label", "text": ["text"], "split": "split"})
    source = parquet_source(str(folder), options, attributes={"year": "int"}, max_bytes=10**7)
    again, refused = ingest_all(source)
    assert len(refused) == 0
    columns = ["id", "sha", "image", "label", "text", "width", "attributes"]
    assert again.select(columns).equals(rows.slice(2).select(columns))
    assert source.listing["split"].to_pylist() == ["train", "validation"] * 3


def test_an_attribute_that_would_take_anothers_place_is_refused(tmp_path):
    rows = rows_of(write_images(tmp_path / "raw", {"moss_1990": 2}), "split")
    with pytest.raises(VeneerError, match="attribute 'split'"):
        write_collection(tmp_path / "kept", ds.dataset(rows), rows["id"], sides_of(rows))
    assert not (tmp_path / "kept").exists()
