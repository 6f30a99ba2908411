"""What scripts may ask for, as with ``gradio_client``."""

from __future__ import annotations

from collections.abc import Callable

import gradio as gr

from veneer.app.searching import Asked, answer
from veneer.app.told import sentence_of
from veneer.app.workspace import Workspace


def search_api(workspace: Workspace) -> Callable:
    """The endpoint ``search``."""

    def search(
        text: str, k: int = 12, where: str = "", min_score: float | None = None
    ) -> list[dict]:
        """Search the collection by words.

        Parameters
        ----------
        text : what to look for
        k : results, 200 at most
        where : filter, as in: label = 'banded' and width >= 400
        min_score : smallest cosine

        Returns
        -------
        A dict a result, the best first: rank, score (cosine), id, sha, image_path, label, ...
        """
        try:
            asked = Asked(q=text, k=k, where=where or "", min=min_score)
            rows = answer(workspace, asked).rows()
        except Exception as error:
            raise gr.Error(sentence_of(error), print_exception=False) from None
        # What has a `path` gradio_client takes for a file, and downloads.
        return [{"image_path" if k == "path" else k: v for k, v in each.items()} for each in rows]

    return search
