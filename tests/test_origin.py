"""What a table was made from goes with it, and does not depend on the order of rows."""

import pyarrow as pa
import pyarrow.parquet as pq

from veneer.origin import digest, origin_of, rows_digest, with_origin

ROWS = pa.table({"id": ["b", "a"], "label": ["x", None], "year": [1, 2]})


def test_rows_have_one_digest_in_any_order():
    assert rows_digest(ROWS) == rows_digest(ROWS.take([1, 0]))
    for other in (
        pa.table({"id": ["b", "a"], "label": ["x", "y"], "year": [1, 2]}),
        pa.table({"id": ["b", "a"], "side": ["x", None], "year": [1, 2]}),
        ROWS.slice(0, 1),
        ROWS.slice(0, 0),
    ):
        assert rows_digest(other) != rows_digest(ROWS)


def test_a_digest_knows_every_part():
    assert digest({"a": 1, "b": 2}, 0) == digest({"b": 2, "a": 1}, 0)
    assert len({digest("a"), digest("a", None), digest(["a"]), digest({"a": 1})}) == 4


def test_the_origin_survives_a_file_and_what_was_there_before(tmp_path):
    table = with_origin(ROWS.replace_schema_metadata({"fingerprint": "f"}), {"rows": "r"})
    pq.write_table(table, tmp_path / "t.parquet")
    schema = pq.read_table(tmp_path / "t.parquet").schema
    assert origin_of(schema) == {"rows": "r"} and schema.metadata[b"fingerprint"] == b"f"
    assert origin_of(ROWS.schema) == {}
