"""Parquet files with images in them."""

import io

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support import PARQUET, encode, ingest_all, noise_image, reasons

from veneer.errors import VeneerError
from veneer.sources.options import ParquetOptions
from veneer.sources.parquet import _Images, parquet_source


def open_parquet(root, attributes=None, max_bytes=10**7, **options):
    return parquet_source(
        str(root),
        ParquetOptions(**PARQUET | options),
        attributes=attributes or {},
        max_bytes=max_bytes,
    )


def pictures(count: int) -> list[bytes]:
    return [encode(noise_image(index)) for index in range(count)]


@pytest.fixture
def file(tmp_path):
    """Two hundred rows in row groups of 70, Hugging Face's struct."""
    images = [{"bytes": data, "path": f"{i:03d}.png"} for i, data in enumerate(pictures(200))]
    images[3]["bytes"] = None
    images[4]["bytes"] = b"no image"
    images[5]["path"] = None
    images[6]["path"] = "000.png"
    table = pa.table(
        {
            "image": images,
            "kind": pa.array([["shirt", "shoe"][i % 2] for i in range(200)]).dictionary_encode(),
            "name": [" a shirt " if i % 2 else "" for i in range(200)],
            "maker": [None if i % 3 else "acme" for i in range(200)],
            "price": [i / 2 if i else float("nan") for i in range(200)],
            "side": [["train", "val", "test", "odd"][i % 4] for i in range(200)],
        }
    )
    pq.write_table(table, tmp_path / "p.parquet", row_group_size=70)
    return tmp_path / "p.parquet"


def test_rows_keep_their_order_bytes_and_names(file):
    images, quarantine = ingest_all(open_parquet(file))
    assert reasons(quarantine) == {"003.png": "no_image", "004.png": "not_an_image"}
    rows = images.to_pylist()
    wanted = [p for i, p in enumerate(pictures(200)) if i not in (3, 4)]
    assert [row["image"]["bytes"] for row in rows] == wanted
    assert [row["image"]["path"] for row in rows][:5] == [
        "000.png",
        "001.png",
        "002.png",
        "p.parquet/5",  # a row without a path
        "000.png#2",  # a path that another row has
    ]
    assert len({row["id"] for row in rows}) == 198


def test_columns_become_label_text_split_and_attributes(file):
    source = open_parquet(
        file,
        {"price": "double", "side": "string"},
        label="kind",
        text=["name", "maker"],
        split="side",
    )
    images, _ = ingest_all(source)
    rows = images.to_pylist()
    assert [row["label"] for row in rows[:3]] == ["shirt", "shoe", "shirt"]
    assert [row["text"] for row in rows[:4]] == ["acme", "a shirt", None, "a shirt"]
    assert [row["attributes"] for row in rows[:3]] == [
        {"price": None, "side": "train"},
        {"price": 0.5, "side": "val"},
        {"price": 1.0, "side": "test"},
    ]
    assert source.listing["split"].to_pylist()[:4] == ["train", "validation", "test", None]


def test_class_numbers_of_hugging_face_get_their_names(tmp_path):
    datasets = pytest.importorskip("datasets")
    features = datasets.Features(
        {"image": datasets.Image(), "label": datasets.ClassLabel(names=["moss", "no"])}
    )
    rows = {"image": [noise_image(1), noise_image(2)], "label": [1, 0]}
    datasets.Dataset.from_dict(rows, features=features).to_parquet(tmp_path / "h.parquet")
    images, _ = ingest_all(open_parquet(tmp_path / "h.parquet", label="label"))
    assert images["label"].to_pylist() == ["no", "moss"]


def test_a_binary_column_and_a_column_of_paths(tmp_path):
    table = pa.table({"content": pictures(3), "file": ["a/1.png", "b/2.png", "a/3.png"]})
    pq.write_table(table, tmp_path / "b.parquet")
    images, _ = ingest_all(open_parquet(tmp_path / "b.parquet", image="content", path="file"))
    assert images["folder"].to_pylist() == ["a", "b", "a"]
    large = table.set_column(0, "content", table["content"].cast(pa.large_binary()))
    pq.write_table(large, tmp_path / "b.parquet")
    again, _ = ingest_all(open_parquet(tmp_path / "b.parquet", image="content", path="file"))
    assert again["id"].equals(images["id"])


def test_a_folder_of_parquet_files(tmp_path):
    for name, chosen in (("x/1.parquet", slice(0, 2)), ("x/2.parquet", slice(2, 3))):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        pq.write_table(pa.table({"image": pictures(3)[chosen]}), tmp_path / name)
    (tmp_path / "readme.md").write_text("no table")
    images, _ = ingest_all(open_parquet(tmp_path))
    paths = [row["path"] for row in images["image"].to_pylist()]
    assert paths == ["x/1.parquet/0", "x/1.parquet/1", "x/2.parquet/0"]


def test_images_that_are_too_large_are_refused(file):
    _, quarantine = ingest_all(open_parquet(file, max_bytes=100))
    assert set(reasons(quarantine).values()) == {"too_many_bytes", "no_image", "not_an_image"}


def test_another_file_has_another_signature(file, tmp_path):
    before = open_parquet(file).signature
    pq.write_table(pq.read_table(file).slice(0, 100), file)
    assert open_parquet(file).signature != before


@pytest.mark.parametrize(
    ("options", "attributes", "sentence"),
    [
        ({"image": "picture"}, {}, "no column 'picture', which source.parquet.image names"),
        ({"label": "kin"}, {}, "'kin', which source.parquet.label names. Did you mean 'kind'"),
        ({"text": ["title"]}, {}, "'title', which source.parquet.text names. There are image, kin"),
        ({}, {"cost": "int"}, "'cost', which source.attributes names"),
        ({"image": "name"}, {}, "is of the type string; image bytes are a binary column"),
        ({}, {"name": "int"}, "'name', which source.attributes names, cannot be read as int64"),
    ],
)
def test_columns_that_cannot_be_used_are_told(file, options, attributes, sentence):
    with pytest.raises(VeneerError, match=sentence):
        open_parquet(file, attributes, **options)


def test_files_that_cannot_be_read_are_told(tmp_path):
    (tmp_path / "x.parquet").write_bytes(b"PAR1 but no more")
    with pytest.raises(VeneerError, match=r"Reading .*/x.parquet: this is no readable Parquet"):
        open_parquet(tmp_path)
    with pytest.raises(VeneerError, match="does not exist"):
        open_parquet(tmp_path / "nowhere")
    (tmp_path / "x.parquet").unlink()
    with pytest.raises(VeneerError, match=r"holds no \*.parquet file"):
        open_parquet(tmp_path)


def test_rows_are_read_forwards_a_few_at_a_time(file):
    """A row group is never held as a whole, nor read twice."""
    source = open_parquet(file)
    reads = source.reads(source.listing["location"].to_pylist()[60:80])
    assert [read() for read in reads] == pictures(200)[60:80]
    (first,) = source.reads([source.listing["location"][0].as_py()])  # backwards works too
    assert first() == pictures(1)[0]


def write_table(path, metadata=None, rows=2, **columns):
    """A file of pictures with these columns besides."""
    table = pa.table({"image": pictures(rows)} | columns)
    pq.write_table(table.replace_schema_metadata(metadata), path)
    return path


NO_TEXT = {
    "list": pa.array([["a"], ["b"]]),
    "struct": pa.array([{"a": 1}, {"a": 2}]),
    "bytes": pa.array([b"\xff\xfe", b"a"], pa.binary()),
    # Parquet readers do not check that a string column holds UTF-8.
    "broken": pa.array([b"\xff\xfe", b"a"], pa.binary()).view(pa.string()),
}


@pytest.mark.parametrize("column", [*NO_TEXT, "image"])
@pytest.mark.parametrize("parameter", ["label", "path", "split", "text", "attributes"])
def test_columns_that_are_no_text_are_told(tmp_path, column, parameter):
    file = write_table(tmp_path / "p.parquet", **NO_TEXT)
    options = {parameter: [column] if parameter == "text" else column}
    with pytest.raises(VeneerError, match=f"Reading {file}: the column '{column}', which source"):
        if parameter == "attributes":
            open_parquet(file, {column: "string"})
        else:
            open_parquet(file, **options)


@pytest.mark.parametrize("options", [{"label": "kind"}, {"image": "kind"}])
def test_a_column_that_is_there_twice_is_told(tmp_path, options):
    columns = [pa.array(pictures(1)), pa.array(["a"]), pa.array(["b"])]
    pq.write_table(pa.Table.from_arrays(columns, ["image", "kind", "kind"]), tmp_path / "p.parquet")
    with pytest.raises(VeneerError, match="it has 2 columns 'kind'"):
        open_parquet(tmp_path / "p.parquet", **options)
    assert len(open_parquet(tmp_path / "p.parquet").listing) == 1


CLASS_LABEL = '{"info": {"features": {"kind": {"names": %s, "_type": "ClassLabel"}}}}'


@pytest.mark.parametrize(
    ("huggingface", "kinds", "labels"),
    [
        (CLASS_LABEL % '["moss", "sand"]', [1, -1], ["sand", None]),
        (CLASS_LABEL % '["moss", "sand"]', ["sand", "1"], ["sand", "1"]),
        (CLASS_LABEL % "2", [1, 0], ["1", "0"]),
        ("no JSON", [1, 0], ["1", "0"]),
        ('{"info": null}', [1, 0], ["1", "0"]),
        ("[]", [1, 0], ["1", "0"]),
        ("[" * 100_000, [1, 0], ["1", "0"]),
    ],
)
def test_metadata_that_does_not_fit_is_ignored(tmp_path, huggingface, kinds, labels):
    file = write_table(tmp_path / "p.parquet", {"huggingface": huggingface}, kind=kinds)
    assert open_parquet(file, label="kind").listing["label"].to_pylist() == labels


def test_paths_in_the_struct_may_be_numbers_but_no_lists(tmp_path):
    for number, path in enumerate([7, [7]]):
        image = [{"bytes": pictures(1)[0], "path": path}]
        pq.write_table(pa.table({"image": image}), tmp_path / f"{number}.parquet")
    assert open_parquet(tmp_path / "0.parquet").listing["path"].to_pylist() == ["7"]
    with pytest.raises(VeneerError, match=r"column 'image\.path', which source"):
        open_parquet(tmp_path / "1.parquet")


def damage(file, group, column):
    """Overwrite the pages of a column in one row group."""
    chunk = pq.ParquetFile(file).metadata.row_group(group).column(column)
    start = chunk.dictionary_page_offset or chunk.data_page_offset
    with open(file, "r+b") as opened:
        opened.seek(start)
        opened.write(b"\xff" * min(chunk.total_compressed_size, 1000))


def test_a_damaged_column_of_labels_is_told(file):
    damage(file, 0, 2)
    with pytest.raises(VeneerError, match=f"Reading {file}: the columns kind, .* are damaged"):
        open_parquet(file, label="kind")


def test_rows_of_a_damaged_page_are_refused_and_the_others_read(file):
    damage(file, 1, 0)
    images, quarantine = ingest_all(open_parquet(file))
    refused = {path for path, reason in reasons(quarantine).items() if reason == "unreadable"}
    assert refused == {f"{row:03d}.png" for row in range(70, 140)}
    assert len(images) == 200 - 70 - 2
    assert "the Parquet file is damaged here" in quarantine["detail"].to_pylist()[-1]


@pytest.mark.parametrize("struct", [True, False])
def test_a_file_without_rows_lists_nothing(tmp_path, struct):
    image = pa.struct({"bytes": pa.binary(), "path": pa.string()}) if struct else pa.binary()
    schema = pa.schema({"image": image, "kind": pa.string()})
    pq.write_table(schema.empty_table(), tmp_path / "a.parquet")
    columns = {"label": "kind", "split": "kind", "text": ["kind", "kind"]}
    source = open_parquet(tmp_path / "a.parquet", {"kind": "int"}, **columns)
    assert len(source.listing) == 0
    images, _ = ingest_all(source)
    assert len(images) == 0


def test_what_cannot_be_listed_is_refused(tmp_path):
    write_table(tmp_path / "a.parquet", kind=["x", "y"])
    (tmp_path / "b.parquet").symlink_to("/nowhere")
    write_table(tmp_path / "c.PARQUET", rows=1, kind=["z"])
    (tmp_path / "d").symlink_to(tmp_path)
    source = open_parquet(tmp_path, {"kind": "string"}, label="kind")
    images, quarantine = ingest_all(source)
    assert images["label"].to_pylist() == ["x", "y", "z"]
    assert reasons(quarantine) == {"b.parquet": "unreadable", "d": "symlink_loop"}
    assert quarantine["detail"].to_pylist()[0] == "a broken link"


def test_missing_numbers_are_null(tmp_path):
    nan = float("nan")
    columns = {"whole": [1.0, nan], "text": [b"", b" 2 "], "half": [nan, 1.5], "word": ["nan", ""]}
    file = write_table(tmp_path / "p.parquet", **columns)
    attributes = {"whole": "int", "text": "int", "half": "string", "word": "double"}
    source = open_parquet(file, attributes, label="half")
    assert source.listing["attributes"].to_pylist() == [
        {"whole": 1, "text": None, "half": None, "word": None},
        {"whole": None, "text": 2, "half": "1.5", "word": None},
    ]
    assert source.listing["label"].to_pylist() == [None, "1.5"]
    with pytest.raises(VeneerError, match=r"'half', .* cannot be read as int64"):
        open_parquet(file, {"half": "int"})


def test_sides_have_several_names(tmp_path):
    names = {"train": [" Train", "training"], "test": ["TEST\n", "testing"]}
    names["validation"] = ["eval", "val", "dev", "valid", "validate", "Validation"]
    sides = [(name, side) for side, several in names.items() for name in several]
    sides.append(("odd", None))
    columns = {"side": [name for name, _ in sides]}
    file = write_table(tmp_path / "p.parquet", rows=len(sides), **columns)
    listing = open_parquet(file, split="side").listing
    assert listing["split"].to_pylist() == [side for _, side in sides]


def test_large_images_are_read_fewer_at_a_time(tmp_path, monkeypatch):
    contents = [bytes([row]) * 10**6 for row in range(40)] + [b"small"] * 200
    table = pa.table({"image": contents})
    pq.write_table(table, tmp_path / "p.parquet", row_group_size=40, use_dictionary=False)
    sizes = []
    read_pieces = _Images._read_pieces

    def spy(images):
        for count, piece in read_pieces(images):
            sizes.append(count)
            yield count, piece

    monkeypatch.setattr(_Images, "_read_pieces", spy)
    source = open_parquet(tmp_path / "p.parquet")
    reads = source.reads(source.listing["location"].to_pylist())
    assert [read() for read in reads] == contents
    assert sizes == [16, 16, 8] + [40] * 5


def test_all_of_fashion(shared):
    path = shared / "data/fashion/fashion-product-images-small.parquet"
    attributes = {"masterCategory": "string", "baseColour": "string"}
    source = open_parquet(path, attributes, label="subCategory", text=["productDisplayName"])
    assert len(source.listing) == 44_072
    assert source.listing["label"].null_count == 0
    assert len(source.listing["label"].unique()) == 45
    first = source.listing.slice(0, 1).to_pylist()[0]
    assert first["path"] == "10000.jpg"
    assert first["text"] == "Palm Tree Girls Sp Jace Sko White Skirts"
    assert first["attributes"] == {"masterCategory": "Apparel", "baseColour": "White"}
    (read,) = source.reads([source.listing["location"][0].as_py()])
    assert io.BytesIO(read()).read(2) == b"\xff\xd8"
