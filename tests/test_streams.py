"""Streams of record batches."""

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest
from support import ingest_all, open_folder, write_images

from veneer.streams import columns_of, drawn_images, find_image, parted, regrouped

SCHEMA = pa.schema([("number", pa.int64()), ("reason", pa.string())], metadata={"made": "by hand"})


def batch(numbers, reasons=None):
    reasons = [None] * len(numbers) if reasons is None else reasons
    return pa.RecordBatch.from_pydict({"number": numbers, "reason": reasons}, schema=SCHEMA)


@pytest.mark.parametrize("rows", [1, 2, 3, 7, 10, 11, 100])
@pytest.mark.parametrize("sizes", [[], [0, 0], [1], [10], [3, 0, 4, 1, 2], [1] * 10, [25], [7, 7]])
def test_regrouped_batches_have_the_same_rows(sizes, rows):
    starts = [sum(sizes[:index]) for index in range(len(sizes))]
    batches = [batch(range(a, a + n)) for a, n in zip(starts, sizes, strict=True)]
    found = list(regrouped(iter(batches), rows))
    assert [n for each in found for n in each["number"].to_pylist()] == list(range(sum(sizes)))
    assert all(each.num_rows == rows for each in found[:-1])
    assert all(0 < each.num_rows <= rows for each in found)
    assert all(each.schema.equals(SCHEMA, check_metadata=True) for each in found)


def test_regrouping_waits_for_no_more_than_it_needs():
    read = []

    def batches():
        for number in range(6):
            read.append(number)
            yield batch([number])

    stream = regrouped(batches(), 2)
    assert next(stream)["number"].to_pylist() == [0, 1]
    assert read == [0, 1]


def accepted_and_refused(batches):
    def tenfold(rows):
        columns = [pc.multiply(rows["number"], 10), rows["reason"]]
        return pa.RecordBatch.from_arrays(columns, schema=SCHEMA)

    reasons = pa.schema([("reason", pa.string())])
    return parted(
        iter(batches), (SCHEMA, tenfold), (reasons, lambda rows: columns_of(rows, reasons))
    )


def test_rows_are_parted_by_their_reason():
    accepted, refused = accepted_and_refused(
        [
            batch([1, 2, 3], [None, "damaged", None]),
            batch([4], ["empty"]),
            batch([5, 6]),
            batch([7, 8], ["truncated", None]),
        ]
    )
    good = list(accepted)
    assert [each["number"].to_pylist() for each in good] == [[10, 30], [50, 60], [80]]
    bad = [each["reason"].to_pylist() for each in refused]
    assert bad == [["damaged"], ["empty"], ["truncated"]]
    assert (accepted.schema, refused.schema.names) == (SCHEMA, ["reason"])


def test_refused_rows_are_not_read_first():
    accepted, refused = accepted_and_refused([batch([1, 2], [None, "damaged"]), batch([3])])
    with pytest.raises(RuntimeError, match="read before the accepted"):
        list(refused)
    begun = iter(accepted)
    next(begun)
    with pytest.raises(RuntimeError, match="read before the accepted"):
        list(refused)
    assert len(list(begun)) == 1
    assert [each["reason"].to_pylist() for each in refused] == [["damaged"]]


def test_one_image_is_found_by_its_id(tmp_path):
    rows, _ = ingest_all(open_folder(write_images(tmp_path / "raw", {"a": 3, "b": 2})))
    pq.write_table(rows.slice(0, 3), tmp_path / "0.parquet", row_group_size=2)
    pq.write_table(rows.slice(3), tmp_path / "1.parquet", row_group_size=2)
    dataset = ds.dataset([str(tmp_path / "0.parquet"), str(tmp_path / "1.parquet")])
    for row in rows.to_pylist():
        assert find_image(dataset, row["id"]) == row["image"]["bytes"]
    assert find_image(dataset, "0" * 40) is None


def test_drawn_images_are_different_ones_and_the_same_each_time(tmp_path):
    shas = [f"s{n % 30:02}" for n in range(40)]
    table = pa.table({"sha": shas, "image": [f"i{sha}" for sha in shas]})
    pq.write_table(table, tmp_path / "a.parquet", row_group_size=7)
    rows = ds.dataset(tmp_path / "a.parquet")
    for count, found in ((10, 10), (30, 30), (100, 30)):
        drawn = drawn_images(rows, count, 0)
        assert len(drawn) == len(set(drawn["sha"].to_pylist())) == found
        assert drawn.equals(drawn_images(rows, count, 0))
        assert drawn["image"].to_pylist() == [f"i{sha}" for sha in drawn["sha"].to_pylist()]
    assert not drawn_images(rows, 10, 0).equals(drawn_images(rows, 10, 1))
