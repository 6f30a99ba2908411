"""What a table was made from, as digests in its metadata.

Figures that are kept are shown again only where they are of the same rows, the same encoder and the
same settings; whoever reads them compares what stands here with what it would be now.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pyarrow as pa

ORIGIN = b"origin"
"""Key in a table's metadata: a JSON object."""


def digest(*parts: Any) -> str:
    """SHA-1 of parts that JSON can tell."""
    told = json.dumps(parts, sort_keys=True, default=str)
    return hashlib.sha1(told.encode(), usedforsecurity=False).hexdigest()


def rows_digest(rows: pa.Table) -> str:
    """Digest of the rows of a table, in whatever order they come.

    Parameters
    ----------
    rows : Table
        Its first column is unique; all columns can be cast to strings.
    """
    ordered = rows.sort_by(rows.schema.names[0])
    columns = [ordered[name].cast(pa.string()).to_pylist() for name in ordered.schema.names]
    return digest(ordered.schema.names, *columns)


def with_origin(table: pa.Table, origin: dict[str, Any]) -> pa.Table:
    """The table, saying what it was made from."""
    metadata = table.schema.metadata or {}
    return table.replace_schema_metadata({**metadata, ORIGIN: json.dumps(origin, sort_keys=True)})


def origin_of(schema: pa.Schema) -> dict[str, Any]:
    """What a table was made from; an empty dictionary where it does not say so."""
    found = (schema.metadata or {}).get(ORIGIN)
    return json.loads(found) if found else {}
