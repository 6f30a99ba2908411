"""Pictures of the collection, results as files, and the report, by their addresses."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import PurePosixPath
from typing import Annotated, Any
from urllib.parse import quote

import fastapi
from fastapi import Path as InPath
from fastapi import Response

from veneer.app.saving import Result, sheet, table
from veneer.app.told import sentence_of
from veneer.app.workspace import Workspace
from veneer.images import png_bytes, to_rgb
from veneer.retrieval.filters import literal

Id = Annotated[str, InPath(pattern=r"^[0-9a-f]{40}$")]

# A picture of an id never changes.
_LASTING = {"cache-control": "private, max-age=604800, immutable"}

_SUFFIXES = {"JPEG": (".jpg", ".jpeg"), "TIFF": (".tif", ".tiff")}


def picture_routes(workspace: Workspace) -> fastapi.APIRouter:
    """Thumbnails, whole pictures and the report of a collection; nothing has a path here."""
    router = fastapi.APIRouter()

    @router.get("/thumbnails/{id_}")
    def thumbnail(id_: Id) -> Response:
        data = _or_404(lambda: workspace.thumbnails([id_]).get(id_))
        return Response(data, media_type="image/webp", headers=_LASTING)

    @router.get("/pictures/{id_}")
    def picture(id_: Id, download: bool = False) -> Response:
        data = _or_404(lambda: workspace.picture(id_))
        name, format_ = _or_404(lambda: _name_and_format(workspace, id_))
        if download:
            return _download(data, name)
        if format_ == "TIFF":  # which browsers do not show
            data, format_ = png_bytes(to_rgb(data)), "PNG"
        return Response(data, media_type=f"image/{format_.lower()}", headers=_LASTING)

    @router.get("/results/{word}.png")
    def as_sheet(word: str) -> Response:
        result = _result(workspace, word)
        ids = result.found.results["id"].to_pylist()
        return _download(sheet(result, workspace.thumbnails(ids)), "contact-sheet.png")

    @router.get("/results/{word}.csv")
    def as_table(word: str) -> Response:
        return _download(table(_result(workspace, word)), "results.csv")

    @router.get("/report")
    def report() -> Response:
        page = _or_404(lambda: workspace.document("report"))
        return Response(page, media_type="text/html")

    return router


def _download(data: bytes, name: str) -> Response:
    headers = {"content-disposition": f"attachment; filename*=UTF-8''{quote(name, safe='')}"}
    return Response(data, media_type="application/octet-stream", headers=headers)


def _result(workspace: Workspace, word: str) -> Result:
    known = workspace.results.get([word])
    if not known:
        raise fastapi.HTTPException(404, "These results are not at hand any more: search again.")
    return known[word]


def _or_404(read: Callable[[], Any]) -> Any:
    try:
        found = read()
    except Exception as error:
        raise fastapi.HTTPException(404, sentence_of(error)) from None
    if found is None:
        raise fastapi.HTTPException(404, "There is no such picture.")
    return found


def _name_and_format(workspace: Workspace, id_: str) -> tuple[str, str] | None:
    """The last part of the image's path, with a suffix that says what it is; and its format."""
    rows = workspace.index().table(["path", "format"], f"id = {literal(id_)}").to_pylist()
    if not rows:
        return None
    name, format_ = PurePosixPath(rows[0]["path"]).name, rows[0]["format"]
    suffixes = _SUFFIXES.get(format_, (f".{format_.lower()}",))
    return name if name.lower().endswith(suffixes) else f"{name}{suffixes[0]}", format_
