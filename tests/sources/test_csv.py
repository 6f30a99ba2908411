"""Product catalogues: which rows are kept, what is known of them, and their pictures."""

import csv
import io
import os
from datetime import UTC, datetime, timedelta

import pyarrow.parquet as pq
import pytest
from support import encode, noise_image
from web import Server

from veneer.errors import VeneerError
from veneer.images import inspect_image
from veneer.refusals import RefusedError
from veneer.sources.csv import csv_source
from veneer.sources.options import CSVOptions, DownloadOptions
from veneer.sources.source import listing_schema
from veneer.sources.urls import place

OPTIONS = {
    "separator": ",",
    "encoding": "utf-8",
    "url": "image",
    "url_separator": "|",
    "url_replace": [],
    "label": "category",
    "label_separator": "|",
    "text": ["name", "about"],
    "top_categories": None,
    "most_per_category": None,
}
DOWNLOAD = DownloadOptions(
    connections=8,
    connections_per_host=6,
    attempts=2,
    backoff=0.01,
    timeout=20,
    time_limit=60,
    retry_failed=False,
)
COLUMNS = ("image", "category", "name", "about")


@pytest.fixture
def server():
    with Server({f"/{n}.png": encode(noise_image(n)) for n in range(20)}) as server:
        yield server


@pytest.fixture
def catalogue(tmp_path):
    """Write a file and open it as a source."""

    def open_(content, attributes=None, **options):
        file = tmp_path / "products.csv"
        if not isinstance(content, bytes):
            content = table(*content).encode()
        file.write_bytes(content)
        return csv_source(
            file,
            CSVOptions(**OPTIONS | options),
            DOWNLOAD,
            cache=tmp_path / "cache",
            attributes=attributes or {},
            max_bytes=10**6,
            max_pixels=10**6,
        )

    return open_


def table(header, *rows):
    text = io.StringIO()
    csv.writer(text).writerows([header, *rows])
    return text.getvalue()


def column(source, name):
    return source.listing[name].to_pylist()


def test_all_that_is_known_of_a_product_is_listed(server, catalogue, tmp_path):
    one, two, page = (server.url(path) for path in ("/1.png", "/2.png", "/page"))
    server.routes["/page"] = b"<html>"
    content = (
        "\ufeffprice,image,category,name,about,stock,code\r\n"
        f'9.50,{page} | {one},"Toys | Games | Chess","Board, ""large""","Line 1\nLine 2",7,007\r\n'
        f",|{two}| ,  ,NA, , ,null\r\n"
        "\r\n"
        f"1e2,{page},Lamps,Lamp,,-3,\r\n"
    )
    attributes = {"price": "double", "stock": "int", "code": "string"}
    source = catalogue(content.encode(), attributes)
    assert source.listing.schema == listing_schema(attributes)
    assert source.name == str(tmp_path / "products.csv")
    rows = source.listing.to_pylist()
    assert [row["path"] for row in rows] == [one, two, page]
    assert [row["label"] for row in rows] == ["Toys", None, "Lamps"]
    assert [row["text"] for row in rows] == ['Board, "large" || Line 1\nLine 2', "NA", "Lamp"]
    assert [row["attributes"] for row in rows] == [
        {"price": 9.5, "stock": 7, "code": "007"},
        {"price": None, "stock": None, "code": "null"},
        {"price": 100.0, "stock": -3, "code": None},
    ]
    assert [row["split"] for row in rows] == [None] * 3
    assert [row["created"] for row in rows] == [None] * 3
    for row in rows[:2]:
        path = place(tmp_path / "cache", row["path"])
        assert row["location"] == os.fsencode(path)
        assert row["size"] == path.stat().st_size
        since = row["modified"] - datetime(1970, 1, 1, tzinfo=UTC)
        assert since // timedelta(microseconds=1) == path.stat().st_mtime_ns // 1000
        assert (row["reason"], row["detail"]) == (None, None)
    assert rows[2]["reason"] == "download_failed"
    assert rows[2]["detail"].startswith(f"{page}: not_an_image: ")
    assert (rows[2]["size"], rows[2]["modified"]) == (None, None)
    locations = [row["location"] for row in rows[:2]]
    assert [read() for read in source.reads(locations[::-1])] == [
        server.routes["/2.png"],
        server.routes["/1.png"],
    ]


def test_without_columns_of_choice_only_the_addresses_count(server, catalogue):
    rows = [(server.url("/1.png"), "a | b", "", ""), (server.url("/2.png"), "a", "", "")]
    source = catalogue((COLUMNS, *rows), label=None, text=[])
    assert source.listing.schema == listing_schema()
    assert column(source, "label") == column(source, "text") == [None, None]
    source = catalogue((COLUMNS, *rows), label_separator=None, text=[])
    assert column(source, "label") == ["a | b", "a"]


def test_paths_are_unique(server, catalogue):
    one = server.url("/1.png")
    missing = server.url("/missing")
    urls = [one, one, f"{one}#2", one, f"{one}#2", missing, missing]
    source = catalogue((COLUMNS, *((url, "a", "x", "") for url in urls)))
    assert column(source, "path") == [
        one,
        f"{one}#2",
        f"{one}#2#2",
        f"{one}#3",
        f"{one}#2#3",
        missing,
        f"{missing}#2",
    ]
    locations = column(source, "location")
    assert locations[0] == locations[1] == locations[3] != locations[2]
    assert [path for path, _ in server.requests].count("/missing") == 1


def test_a_cached_file_that_is_gone_is_refused(server, catalogue):
    urls = [server.url("/1.png"), server.url("/2.png")]
    source = catalogue((COLUMNS, *((url, "a", "x", "") for url in urls)))
    locations = column(source, "location")
    gone, there = source.reads(locations)
    os.remove(locations[0])
    with pytest.raises(RefusedError) as refused:
        gone()
    assert refused.value.reason == "unreadable"
    assert there() == server.routes["/2.png"]


def test_rows_without_address_or_text_are_left_out_and_counted(server, catalogue, caplog):
    url = server.url("/1.png")
    rows = [
        (url, "a", "one", ""),
        (" | |", "a", "two", ""),
        (url, "a", " ", ""),
        ("", "a", "", ""),
        (url, "", "", "five"),
        (url, "b", "", ""),
    ]
    with caplog.at_level("INFO", logger="veneer"):
        source = catalogue((COLUMNS, *rows))
    assert column(source, "text") == ["one", "five"]
    (line,) = [each for each in caplog.messages if "products.csv" in each]
    assert "2 of 6 rows" in line
    assert "2 for no address, 2 for no text, 0 for no label" in line


def test_the_largest_categories_are_kept_and_of_each_the_first_rows(server, catalogue):
    labels = "c a b c d a d b c - a d a c".replace("-", "").split(" ")
    urls = [server.url(f"/{n}.png") for n in range(len(labels))]
    rows = [
        (url, f"{label} | x{n}", f"name {n}", "")
        for n, (url, label) in enumerate(zip(urls, labels, strict=True))
    ]

    def kept(**options):
        source = catalogue((COLUMNS, *rows), **options)
        assert column(source, "path") == [urls[n] for n in numbers(source)]
        return numbers(source)

    def numbers(source):
        return [int(text.split()[1]) for text in column(source, "text")]

    # a and c have four rows, d three, b two; row 9 has no label.
    assert kept(top_categories=1) == [1, 5, 10, 12]
    assert kept(top_categories=3) == [0, 1, 3, 4, 5, 6, 8, 10, 11, 12, 13]
    assert kept(top_categories=2, most_per_category=3) == [0, 1, 3, 5, 8, 10]
    assert kept(most_per_category=1) == [0, 1, 2, 4, 9]
    assert kept(top_categories=99) == [n for n in range(14) if n != 9]
    assert kept() == list(range(14))


def test_only_rows_that_are_kept_are_fetched(server, catalogue):
    rows = [(server.url(f"/{n}.png"), "a" if n < 15 else "b", "x", "") for n in range(20)]
    catalogue((COLUMNS, *rows), top_categories=1, most_per_category=2)
    assert sorted(path for path, _ in server.requests) == ["/0.png", "/1.png"]


def test_a_second_run_makes_no_request_and_lists_the_same(server, catalogue):
    rows = [(server.url(f"/{n}.png"), "a", "x", "") for n in range(15, 25)]
    first = catalogue((COLUMNS, *rows))
    assert column(first, "reason") == [None] * 5 + ["download_failed"] * 5
    server.requests.clear()
    again = catalogue((COLUMNS, *rows))
    assert again.listing.equals(first.listing)
    assert again.signature == first.signature
    assert server.requests == []


@pytest.mark.parametrize(
    ("options", "attributes", "parameter", "name", "close"),
    [
        ({"url": "Images"}, {}, "source.csv.url", "Images", "image"),
        ({"label": "categories"}, {}, "source.csv.label", "categories", "category"),
        ({"text": ["name", "abuot"]}, {}, "source.csv.text", "abuot", "about"),
        ({}, {"nmae": "string"}, "source.attributes", "nmae", "name"),
        ({"url": "zzz"}, {}, "source.csv.url", "zzz", None),
    ],
)
def test_a_missing_column_is_named(catalogue, options, attributes, parameter, name, close):
    with pytest.raises(VeneerError) as error:
        catalogue((COLUMNS, ("http://127.0.0.1:9/a", "a", "b", "c")), attributes, **options)
    message = str(error.value)
    assert "products.csv" in message
    assert f"no column {name!r}" in message
    assert f"set {parameter}" in message
    assert "There are image, category, name, about" in message
    assert (f"Did you mean {close!r}?" in message) == (close is not None)


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        *(("int", "7.5"), ("int", "seven"), ("int", "1_000"), ("int", str(2**63))),
        *(("double", "9,50"), ("double", "€ 9"), ("double", "1_0.5")),
    ],
)
def test_a_cell_of_another_type_is_named(catalogue, kind, value):
    header = (*COLUMNS, "price")
    rows = [("http://127.0.0.1:9/a", "a", "x", "", price) for price in ("1", "", value)]
    with pytest.raises(VeneerError) as error:
        catalogue((header, *rows), {"price": kind})
    for words in ("products.csv", "row 3", "'price'", repr(value), repr(kind)):
        assert words in str(error.value)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "empty"),
        (b"image,name\nhttp://x/a,one,two\nhttp://x/b,one,two\n", "more cells than its header"),
        (b"image,name\nhttp://x/a,one,\nhttp://x/b,one,\n", "more cells than its header"),
        (b"image,name\nhttp://x/a,1,2,3\nhttp://x/b,one\n", "more cells than its header"),
        (b"image,name\nhttp://x/a,one\nhttp://x/b,one,two\n", "line 3"),
        (b'image,name\nhttp://x/a,"one\nhttp://x/b,two\n', "EOF inside string"),
        ("image,name\nhttp://x/a,é\n".encode("latin-1"), "not UTF-8"),
        ("image,name\nhttp://x/a,b\n".encode("utf-16"), "not UTF-8"),
        (b"image,name\n", "none of its 0 rows"),
        (b"image,name\n,one\nhttp://x/a,\n", "none of its 2 rows .* 1 for no address, 1 for no"),
    ],
)
def test_a_file_that_cannot_be_used_is_an_error(catalogue, content, words):
    with pytest.raises(VeneerError, match=rf"Reading .*products\.csv: .*{words}"):
        catalogue(content, label=None, text=["name"])


def test_a_catalogue_of_pages_in_another_encoding(catalogue, server):
    pages = server.url("/html")
    text = f"AUTHOR;TITLE;URL\nDürer; Melencolia, I;{pages}/3.htm\nManet;Bar;{pages}/4.htm\n"
    source = catalogue(
        text.encode("latin-1"),
        {"AUTHOR": "string"},
        separator=";",
        encoding="latin-1",
        url="URL",
        url_replace=[("/html/", "/"), (".htm", ".png")],
        label=None,
        text=["TITLE"],
    )
    rows = source.listing.to_pylist()
    assert [row["path"] for row in rows] == [server.url("/3.png"), server.url("/4.png")]
    assert [row["attributes"]["AUTHOR"] for row in rows] == ["Dürer", "Manet"]
    assert [row["text"] for row in rows] == ["Melencolia, I", "Bar"]
    assert not any(row["reason"] for row in rows)


def test_an_encoding_that_there_is_not():
    with pytest.raises(ValueError, match="Python knows no such encoding"):
        CSVOptions(**OPTIONS | {"encoding": "utf-9"})


def test_a_file_that_is_not_there_is_an_error(tmp_path):
    with pytest.raises(VeneerError, match=r"missing\.csv: it cannot be opened \(No such file"):
        csv_source(
            tmp_path / "missing.csv",
            CSVOptions(**OPTIONS),
            DOWNLOAD,
            cache=tmp_path / "cache",
            attributes={},
            max_bytes=1,
            max_pixels=1,
        )


@pytest.mark.parametrize("limit", ["top_categories", "most_per_category"])
def test_categories_need_a_label(catalogue, limit):
    with pytest.raises(VeneerError, match=r"source\.csv\.label"):
        catalogue((COLUMNS, ("http://x/a", "a", "b", "c")), label=None, **{limit: 1})


def test_rows_are_numbered_through_the_chunks(server, catalogue, monkeypatch):
    from veneer.sources import csv as module

    monkeypatch.setattr(module, "_CHUNK_ROWS", 3)
    rows = [(server.url(f"/{n}.png"), "a", f"name {n}", "", str(n)) for n in range(10)]
    header = (*COLUMNS, "n")
    source = catalogue((header, *rows), {"n": "int"})
    assert [row["n"] for row in column(source, "attributes")] == list(range(10))
    rows[7] = (*rows[7][:4], "x")
    with pytest.raises(VeneerError, match="row 8 "):
        catalogue((header, *rows), {"n": "int"})


def test_real_products(shared, tmp_path):
    """Some hundred real pictures with real names, on two hosts, one of which loses some."""
    columns = ["id", "subCategory", "articleType", "productDisplayName", "image"]
    parquet = pq.ParquetFile(shared / "data/fashion/fashion-product-images-small.parquet")
    products = next(parquet.iter_batches(400, columns=columns)).to_pylist()
    lost = {product["id"] for product in products[::10]}
    routes = {
        f"/{product['id']}.jpg": product["image"]["bytes"]
        for product in products
        if product["id"] not in lost
    }
    with Server(routes, keep_alive=True) as server:

        def addresses(number, product):
            url = server.url(f"/{product['id']}.jpg")
            return url if number % 2 else url.replace("127.0.0.1", "localhost")

        file = tmp_path / "products.csv"
        with open(file, "w", newline="", encoding="utf-8-sig") as lines:
            writer = csv.writer(lines)
            writer.writerow(["id", "Image", "Category", "Product Name"])
            for number, product in enumerate(products):
                category = f"{product['subCategory']} | {product['articleType']}"
                name = product["productDisplayName"]
                writer.writerow([product["id"], addresses(number, product), category, name])
        source = csv_source(
            file,
            CSVOptions(
                **OPTIONS
                | {
                    "url": "Image",
                    "label": "Category",
                    "text": ["Product Name"],
                    "top_categories": 3,
                    "most_per_category": 60,
                }
            ),
            DOWNLOAD,
            cache=tmp_path / "cache",
            attributes={"id": "int"},
            max_bytes=10**6,
            max_pixels=10**6,
        )
        asked = len(server.requests)
    rows = source.listing.to_pylist()
    by_id = {int(product["id"]): product for product in products}
    assert len({row["label"] for row in rows}) == 3
    assert 100 < len(rows) == asked <= 180
    expected = {int(number) for number in lost}
    assert {row["attributes"]["id"] for row in rows if row["reason"]} == expected & {
        row["attributes"]["id"] for row in rows
    }
    for row in rows:
        product = by_id[row["attributes"]["id"]]
        assert row["label"] == product["subCategory"]
        assert row["text"] == product["productDisplayName"].strip()
        if row["reason"] is None:
            (read,) = source.reads([row["location"]])
            assert read() == product["image"]["bytes"]
            assert inspect_image(read()).format == "JPEG"
