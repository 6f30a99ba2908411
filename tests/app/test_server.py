"""What may be asked for, by whom, and from where."""

from __future__ import annotations

import asyncio
import http.client
import json
import socket
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
import safehttpx
from gradio import processing_utils
from gradio.utils import get_upload_folder
from gradio_client import Client
from gradio_client.exceptions import AppError
from serving import serving
from web import Server

from veneer.app.server import _listen
from veneer.errors import VeneerError

NOBODY = "0" * 40


def ask(address: str, path: str, **headers: str) -> tuple[int, bytes]:
    """Ask for a path as it is written: other clients would tidy it up."""
    connection = http.client.HTTPConnection(urlsplit(address).netloc)
    connection.putrequest("GET", path, skip_host="Host" in headers)
    for name, value in headers.items():
        connection.putheader(name, value)
    connection.endheaders()
    answer = connection.getresponse()
    return answer.status, answer.read()


@pytest.mark.parametrize(
    "path",
    [
        "/thumbnails/../conf/base/catalog.yml",
        "/thumbnails/..%2f..%2fconf%2fbase%2fcatalog.yml",
        "/thumbnails/%2e%2e/%2e%2e/etc/passwd",
        f"/thumbnails/{NOBODY}",
        f"/thumbnails/{NOBODY}/../../etc/passwd",
        f"/thumbnails/{NOBODY[:-1]}'",
        "/pictures/../../../../etc/passwd",
        "/pictures/..%2f..%2f..%2fetc%2fpasswd",
        "/pictures/%00",
        f"/pictures/{NOBODY}",
        f"/pictures/{NOBODY}%0a",
        "/pictures/' OR 1=1 --".replace(" ", "%20"),
        "/veneer/../server.py",
        "/veneer/..%2fserver.py",
        "/veneer/%2e%2e/server.py",
        "/veneer/....//server.py",
        "/veneer//etc/passwd",
        "/static/../../../../../../etc/passwd",
        "/assets/..%2f..%2f..%2f..%2f..%2fetc%2fpasswd",
        "/gradio_api/file=/etc/passwd",
        "/gradio_api/file=../../../etc/passwd",
        "/gradio_api/file=pyproject.toml",
        "/gradio_api/file=conf/base/catalog.yml",
        "/gradio_api/file=file:///etc/passwd",
        "/gradio_api/file=%2fetc%2fpasswd",
        "/report/../../etc/passwd",
        "/report/etc/passwd",
    ],
)
def test_only_pictures_of_the_collection_are_served(address, path):
    status, body = ask(address, path)
    assert status in (400, 403, 404, 422)
    assert b"root:" not in body and b"_collection" not in body and b"import" not in body


@pytest.mark.parametrize(
    "path",
    [
        "/gradio_api/file=http://127.0.0.1:1/x.png",
        "/gradio_api/file=https://example.com/x.png",
        "/gradio_api/file=HTTP://example.com/x.png",
        "/gradio_api/file=%68ttp://example.com/x.png",
        "/gradio_api/proxy=https://example.com/x.png",
        "/gradio_api/vibe-code/",
        "/gradio_api/runs",
        "/gradio_api/dev/reload",
        "/gradio_api/openapi.json",
        "/monitoring",
        "/docs",
        "/openapi.json",
    ],
)
def test_what_else_gradio_answers_is_not_there(address, path):
    assert ask(address, path)[0] == 404


def test_pictures_come_as_they_are(address, workspace):
    row = workspace.index().table(["id", "path", "label"]).slice(5, 1).to_pylist()[0]
    folder = workspace.project.catalog["raw_images"]._describe()["path"]
    data = (Path(folder) / row["path"]).read_bytes()
    picture = httpx.get(f"{address}/pictures/{row['id']}")
    assert (picture.content, picture.headers["content-type"]) == (data, "image/jpeg")
    download = httpx.get(f"{address}/pictures/{row['id']}?download=true")
    assert download.content == data
    assert row["path"].rpartition("/")[2] in download.headers["content-disposition"]
    small = httpx.get(f"{address}/thumbnails/{row['id']}")
    assert small.headers["content-type"] == "image/webp"
    assert small.content == workspace.index().thumbnails([row["id"]])[row["id"]]
    assert b"Confusion matrix" in httpx.get(f"{address}/report").content


def test_a_page_can_load_nothing_from_elsewhere(address):
    page = httpx.get(address)
    assert "default-src 'self'" in page.headers["content-security-policy"]
    assert page.headers["x-content-type-options"] == "nosniff"


def test_on_loopback_no_other_name_is_answered_to(address):
    port = urlsplit(address).port
    assert ask(address, "/", Host=f"localhost:{port}")[0] == 200
    for name in ("evil.example", "127.0.0.1.evil.example", "localhost.evil.example:80", ""):
        assert ask(address, "/", Host=name)[0] == 421, name


def test_login_guards_everything(workspace, caplog):
    id_ = workspace.index().table(["id"])["id"][0].as_py()
    with serving(workspace, ana="correct horse") as address:
        for path in ("config", f"thumbnails/{id_}", f"pictures/{id_}", "report", "gradio_api/info"):
            assert httpx.get(f"{address}/{path}").status_code == 401, path
        with httpx.Client(base_url=address) as session:
            page = session.get("/").text
            assert workspace.collection not in page
            wrong = {"username": "ana", "password": "battery staple"}
            assert session.post("/login", data=wrong).status_code == 400
            assert session.get(f"/pictures/{id_}").status_code == 401
            assert "A login as 'ana' failed" in caplog.text
            right = {"username": "ana", "password": "correct horse"}
            answer = session.post("/login", data=right)
            assert answer.status_code == 200
            cookies = answer.headers.get_list("set-cookie")
            assert cookies and all("samesite=lax" in each.lower() for each in cookies)
            for path in (f"/thumbnails/{id_}", f"/pictures/{id_}", "/report", "/config"):
                assert session.get(path).status_code == 200, path
        client = Client(address, auth=("ana", "correct horse"), verbose=False)
        assert len(client.predict("stripes", 2, api_name="/search")) == 2


def test_gradio_fetches_no_address_itself(address, workspace, monkeypatch):
    looked_up = []

    async def look_up(host: str) -> str:
        looked_up.append(host)
        return "127.0.0.1"  # as if it were public

    monkeypatch.setattr(safehttpx, "async_validate_url", look_up)
    config = httpx.get(f"{address}/config").json()
    event = next(each for each in config["dependencies"] if len(each["inputs"]) > 20)
    kinds = {each["id"]: each["type"] for each in config["components"]}
    with Server({"/x.png": b"x"}) as server:
        file = {"path": server.url("/x.png"), "meta": {"_type": "gradio.FileData"}}
        data = [file if kinds[each] == "image" else None for each in event["inputs"]]
        assert outcome(address, event["id"], data)["success"] is False
        assert server.requests == [] and looked_up == []
    with pytest.raises(ValueError, match="not fetched"):
        asyncio.run(processing_utils.async_ssrf_protected_download("http://example.com/x", "/tmp"))


def outcome(address: str, event: int, data: list) -> dict:
    """What comes of an event of the page."""
    body = {"data": data, "fn_index": event, "session_hash": f"s{event}"}
    answer = httpx.post(f"{address}/gradio_api/queue/join", json=body, timeout=60)
    if answer.status_code != 200:
        return {"success": False, "output": answer.text}
    url = f"{address}/gradio_api/queue/data?session_hash=s{event}"
    with httpx.stream("GET", url, timeout=60) as stream:
        for line in stream.iter_lines():
            message = json.loads(line[5:]) if line.startswith("data:") else {"msg": None}
            if message["msg"] == "process_completed":
                return message
    raise AssertionError("the stream ended early")


def test_no_event_reads_a_file_that_was_not_uploaded(address, tmp_path):
    secret = tmp_path / "secret.png"
    secret.write_bytes(b"the secret of " + secret.name.encode())
    config = httpx.get(f"{address}/config").json()
    events = [each for each in config["dependencies"] if each["inputs"]]
    assert len(events) > 8
    for event in events:
        for meta in ({}, {"meta": {"_type": "gradio.FileData"}}):
            for file in ({"path": str(secret), **meta}, [{"path": str(secret), **meta}]):
                told = outcome(address, event["id"], [file] * len(event["inputs"]))
                assert not (meta and told["success"]), event
                assert "the secret" not in json.dumps(told)
    copies = [each for each in Path(get_upload_folder()).rglob("*secret*") if each.is_file()]
    assert copies == []


def test_pages_of_others_may_not_ask(address):
    body = {"component_id": 1, "fn_name": "decide", "session_hash": "s", "data": {}}
    for foreign in (
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": address.replace("127.0.0.1", "localhost")},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ):
        for path in ("component_server", "queue/join", "upload", "run/predict"):
            answer = httpx.post(f"{address}/gradio_api/{path}", headers=foreign, json=body)
            assert answer.status_code == 403, (foreign, path)
    assert httpx.get(f"{address}/config", headers={"Origin": "http://evil.example"}).is_error
    own = httpx.get(f"{address}/config", headers={"Origin": address})
    assert own.status_code == 200
    assert not [name for name in own.headers if name.startswith("access-control-")]


def test_other_names_are_known_if_told(workspace):
    with serving(workspace, names=("textures.example",)) as address:
        assert ask(address, "/", Host="Textures.example:8443")[0] == 200
        assert ask(address, "/", Host="localhost")[0] == 200
        assert ask(address, "/", Host="other.example")[0] == 421


def test_uploads_have_a_limit(address, workspace, monkeypatch):
    limit = workspace.parameters.source.max_bytes
    head = {"files": ("x.png", b"\x89PNG", "image/png")}
    assert httpx.post(f"{address}/gradio_api/upload", files=head).status_code == 200
    small = workspace.parameters.source.model_copy(update={"max_bytes": 1000})
    monkeypatch.setattr(
        workspace, "parameters", workspace.parameters.model_copy(update={"source": small})
    )
    assert limit > 10**6
    with serving(workspace) as other:
        large = {"files": ("x.png", b"\0" * 5000, "image/png")}
        assert httpx.post(f"{other}/gradio_api/upload", files=large).status_code == 413


def test_fifty_search_at_once(address):
    words = ["stripes", "a web", "honeycomb", "knitted wool", "marble"] * 10
    # One each, as people have them: what several threads ask one client for gets lost at times.
    clients = [Client(address, verbose=False) for _ in words]
    with ThreadPoolExecutor(50) as threads:
        found = list(
            threads.map(
                lambda client, each: client.predict(each, 8, api_name="/search"), clients, words
            )
        )
    assert all(len(each) == 8 for each in found)
    for number, each in enumerate(found):
        assert each == found[number % 5]


def test_scripts_are_told_what_is_wrong(address):
    client = Client(address, verbose=False)
    (result,) = client.predict("red stripes", 1, "label = 'striped'", api_name="/search")
    assert result["label"] == "striped" and result["image_path"].startswith("striped/")
    for arguments, words in (
        (("", 3), "the words are empty|say what for"),
        (("x", 201), "1 to 200"),
        (("x", 3, "labl = 'a'"), "Did you mean label"),
    ):
        with pytest.raises(AppError, match=words):
            client.predict(*arguments, api_name="/search")


def test_a_port_in_use_is_told():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(VeneerError, match=f"port {port}.*Another program listens there"):
            _listen("127.0.0.1", port)
    with pytest.raises(VeneerError, match="Check --host"):
        _listen("no.such.host.invalid", 0)
