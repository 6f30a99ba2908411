"""The served models. MLflow loads them from code: nothing is pickled.

Both take rows and answer each of them, in order; see :mod:`veneer.serving.requests` for what a
row may be. A row that cannot be answered is an error that names it, or, where ``errors`` is
``skip``, an empty answer.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from mlflow.exceptions import MlflowException
from mlflow.pyfunc import PythonModel

from veneer.errors import VeneerError
from veneer.serving.bundle import Bundle, embed_rows, open_bundle, predict_rows
from veneer.serving.requests import complaint, read_rows
from veneer.serving.signatures import BUNDLE
from veneer.sources.memory import Sent


class _Served(PythonModel):
    """What the models have in common."""

    bundle: Bundle

    def load_context(self, context: Any) -> None:
        """Open what the model carries, and make it ready."""
        self.bundle = open_bundle(Path(context.artifacts[BUNDLE]))


class EncoderModel(_Served):
    """Rows with an ``image`` or a ``text`` to vectors of length 1, float32 [n, D].

    With ``errors="skip"`` a row that cannot be embedded is a vector of zeros.
    """

    def predict(self, context, model_input, params=None) -> np.ndarray:
        """Embed rows."""
        skip, rows = _skips(params), _rows(model_input, self.bundle)
        vectors, refused = embed_rows(self.bundle, rows)
        _tell_of({} if skip else refused, rows)
        return vectors


class ClassifierModel(_Served):
    """Rows with an ``image``, and a ``text`` where the head sees texts, to what they show.

    Columns: ``label`` (null where the head is unsure), its calibrated ``confidence``, ``unsure``,
    the five likeliest classes as ``top``, and ``error``, which is null but with ``errors="skip"``;
    such a row is unsure, and has no likely classes.
    """

    def predict(self, context, model_input, params=None) -> pd.DataFrame:
        """Predict the class of rows."""
        skip, rows = _skips(params), _rows(model_input, self.bundle)
        found, refused = predict_rows(self.bundle, rows)
        _tell_of({} if skip else refused, rows)
        for number, row in enumerate(found):
            row["error"] = refused.get(number)
            if number in refused:  # lists and booleans of Spark know no null
                row |= {"unsure": True, "top": []}
        names = ["label", "confidence", "unsure", "top", "error"]
        # Of objects: else pandas would make NaN of what is not there, which JSON does not know.
        return pd.DataFrame(found, columns=names, dtype=object)


def _rows(frame: Any, bundle: Bundle) -> list[Sent]:
    try:
        return read_rows(frame, bundle.card.max_bytes)
    except VeneerError as error:
        raise MlflowException.invalid_parameter_value(str(error)) from None


def _skips(params: Mapping[str, Any] | None) -> bool:
    wanted = (params or {}).get("errors", "raise")
    if wanted not in ("raise", "skip"):
        raise MlflowException.invalid_parameter_value(
            f"The parameter 'errors' is {wanted!r}: it is 'raise' or 'skip'."
        )
    return wanted == "skip"


def _tell_of(refused: Mapping[int, str], rows: list[Sent]) -> None:
    if refused:
        raise MlflowException.invalid_parameter_value(complaint(refused, rows))
