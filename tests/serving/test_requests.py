"""What a row may be, and what is told of one that is something else."""

import base64

import numpy as np
import pandas as pd
import pytest

from veneer.errors import VeneerError
from veneer.serving.requests import MOST_CHARACTERS, complaint, read_rows
from veneer.sources.memory import Sent

DATA = bytes(range(256))
ENCODED = base64.b64encode(DATA).decode()
LIMIT = 1000


def read(**columns):
    return read_rows(
        pd.DataFrame({k: pd.Series(v, dtype=object) for k, v in columns.items()}), LIMIT
    )


def why(value, column="image"):
    (row,) = read(**{column: [value]})
    assert row.data is None
    assert row.text is None
    return row.refused.detail


@pytest.mark.parametrize(
    "image",
    [
        DATA,
        bytearray(DATA),
        memoryview(DATA),
        np.bytes_(DATA),
        ENCODED,
        f"data:image/jpeg;base64,{ENCODED}",
        f"DATA:image/jpeg;BASE64,{ENCODED}",
        base64.encodebytes(DATA).decode(),  # with a line break every 76 characters
    ],
)
def test_an_image_is_bytes_or_base64(image):
    assert read(image=[image]) == [Sent(data=DATA)]


@pytest.mark.parametrize("missing", [None, np.nan, np.float32("nan"), pd.NA, pd.NaT])
def test_what_is_missing_is_missing_however_pandas_says_it(missing):
    assert read(image=[missing], text=["moss"]) == [Sent(text="moss")]
    assert read(image=[DATA], text=[missing]) == [Sent(data=DATA)]


def test_a_blank_text_is_none():
    assert read(text=["", " \n", "moss"]) == [Sent(), Sent(), Sent(text="moss")]


def test_rows_keep_their_order_and_other_columns_are_nothing():
    found = read(text=["a", None, "c"], image=[None, ENCODED, None], id=[1, 2, 3])
    assert found == [Sent(text="a"), Sent(data=DATA), Sent(text="c")]


@pytest.mark.parametrize("wrong", [5, 1.5, True, (1, 2), {"bytes": DATA}, np.arange(3)])
def test_what_is_of_another_type_is_told_by_its_name(wrong):
    assert type(wrong).__name__ in why(wrong)
    assert type(wrong).__name__ in why(wrong, "text")


@pytest.mark.parametrize("broken", ["no base64!", ENCODED[:-1], ENCODED + "=", "é", "a" * 5])
def test_broken_base64_is_no_image(broken):
    assert "no base64" in why(broken)


@pytest.mark.parametrize("size", [LIMIT + 1, 100 * LIMIT])
def test_what_is_too_large_is_refused(size):
    large = b"\0" * size
    assert f"{LIMIT:,}" in why(large)
    assert f"{LIMIT:,}" in why(base64.b64encode(large).decode())
    assert read(image=[b"\0" * LIMIT])[0].refused is None


def test_a_text_without_end_is_refused():
    assert f"{MOST_CHARACTERS:,}" in why("x" * (MOST_CHARACTERS + 1), "text")
    assert read(text=["x" * MOST_CHARACTERS])[0].refused is None


@pytest.mark.parametrize("frame", [pd.DataFrame(), pd.DataFrame({"picture": [ENCODED]})])
def test_a_request_without_either_column_is_an_error(frame):
    with pytest.raises(VeneerError, match="'image' or a 'text'"):
        read_rows(frame, LIMIT)


def test_columns_in_one_row_are_columns():
    """As MLflow hands on {"inputs": {"image": [...], "text": [...]}}."""
    assert read(image=[[ENCODED, None]], text=[[None, "moss"]]) == [Sent(DATA), Sent(text="moss")]
    assert read(text=[["moss", "bark"]]) == [Sent(text="moss"), Sent(text="bark")]
    with pytest.raises(VeneerError, match="2 values in 'image' and 1 in 'text'"):
        read(image=[[ENCODED, ENCODED]], text=[["moss"]])


def test_no_rows_are_no_rows():
    assert read(image=[]) == []


def test_a_complaint_names_the_first_rows():
    found = complaint({n: f"why {n}" for n in range(2, 10)}, [Sent()] * 12)
    assert found.startswith("8 of 12 rows")
    assert "row 2: why 2; " in found
    assert "row 6: why 6; and 3 more" in found
    assert "row 7" not in found
