"""Versions of a registered model, and which of them is the champion.

The alias ``champion`` is what is served. It goes to a new version only when that is better than the
one that has it: right on more of the validation rows that both have never been fitted to, by more
than the 95 % interval of the difference (:func:`veneer.statistics.paired_test`). Every version has
what it said of its validation rows with it, so neither is run again for this.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime

import mlflow
import pyarrow as pa
import pyarrow.parquet as pq
from mlflow import MlflowClient
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException

from veneer.errors import VeneerError
from veneer.statistics import paired_test

CHAMPION = "champion"
VALIDATION = "validation.parquet"
"""Name of the artifact with what a version said of its validation rows: schema :data:`JUDGED`."""

JUDGED = pa.schema([("id", pa.string()), ("label", pa.string()), ("predicted", pa.string())])

# Tags of a version.
DIGEST = "digest"
PREVIOUS, SINCE, WHY = "champion_before", "champion_since", "champion_why"
FORCED, ROLLED_BACK = "champion_forced", "champion_rolled_back"


@dataclass(frozen=True)
class Decision:
    """Whether a version is the champion now, and why or why not, in words."""

    champion: bool
    why: str


def judge(new: pa.Table, old: pa.Table) -> Decision:
    """Whether one version is better than another.

    Parameters
    ----------
    new, old : Table of schema :data:`JUDGED`
        Rows that only one of them has are left out, as the other may have been fitted to them.
        Labels are those of ``new``: somebody may have put wrong ones right.
    """
    both = new.join(old.select(["id", "predicted"]), "id", join_type="inner", right_suffix="_old")
    if not len(both):
        return Decision(False, "there are no validation rows that both have judged")
    columns = (both[name].to_numpy() for name in ("label", "predicted", "predicted_old"))
    found = paired_test(*columns)
    low, high = found["difference_interval_95"]
    figures = f"{found['difference']:+.4f} [{low:+.4f}, {high:+.4f}] in accuracy on {len(both)}"
    better = low > 0
    verdict = "better" if better else "not better by more than the interval"
    return Decision(better, f"{verdict}: {figures} common validation rows")


def versions_of(client: MlflowClient, name: str) -> list[ModelVersion]:
    """All versions of a model, the newest first; none where there is no such model."""
    found = client.search_model_versions(f"name = '{name}'")
    return sorted(found, key=lambda version: -int(version.version))


def with_digest(client: MlflowClient, name: str, digest: str) -> ModelVersion | None:
    """The newest version of the same content."""
    same = (each for each in versions_of(client, name) if each.tags.get(DIGEST) == digest)
    return next(same, None)


def champion_of(client: MlflowClient, name: str) -> str | None:
    """Number of the version that is the champion."""
    try:
        number = client.get_registered_model(name).aliases.get(CHAMPION)
    except MlflowException:
        return None
    return None if number is None else str(number)


def promote(client: MlflowClient, name: str, version: str, *, force: bool = False) -> Decision:
    """Make a version the champion, if it is better than the one that is.

    Parameters
    ----------
    client : MlflowClient
    name, version : str
    force : bool
        Whether or not it is; a tag of the version says so.

    Raises
    ------
    VeneerError
        When there is no such version.
    """
    chosen = _require(client, name, version)
    version = str(chosen.version)
    current = champion_of(client, name)
    if current == version:
        return Decision(True, "it is the champion already")
    decision = _decide(client, name, chosen, current)
    if not decision.champion and not force:
        return decision
    tags = {SINCE: _now(), WHY: decision.why, PREVIOUS: current, FORCED: None, ROLLED_BACK: None}
    if not decision.champion:
        tags |= {WHY: f"forced, though {decision.why}", FORCED: "true"}
    # The alias last: whoever sees it finds the tags there.
    for key, value in tags.items():
        if value is not None:
            client.set_model_version_tag(name, version, key, value)
        elif key in chosen.tags:
            client.delete_model_version_tag(name, version, key)
    client.set_registered_model_alias(name, CHAMPION, version)
    return Decision(True, tags[WHY])


def rollback(client: MlflowClient, name: str) -> tuple[str, str]:
    """Make the version the champion that was it before.

    The one that is left is not made champion again by a run, unless it is forced.

    Returns
    -------
    left, champion : str
        Numbers of versions.

    Raises
    ------
    VeneerError
        When there is no champion, none before it, or that one is gone.
    """
    current = champion_of(client, name)
    if current is None:
        raise VeneerError(
            f"Rolling back {name}: it has no champion. Make a version it with kedro models promote."
        )
    before = _require(client, name, current).tags.get(PREVIOUS)
    if before is None:
        raise VeneerError(
            f"Rolling back {name}: version {current} is the first champion. Choose another version "
            "with kedro models promote --force."
        )
    _require(client, name, before)
    client.set_model_version_tag(name, current, ROLLED_BACK, _now())
    client.set_registered_model_alias(name, CHAMPION, before)
    return current, before


def _decide(client: MlflowClient, name: str, chosen: ModelVersion, current: str | None) -> Decision:
    if ROLLED_BACK in chosen.tags:
        return Decision(False, f"it was rolled back on {chosen.tags[ROLLED_BACK]}")
    if current is None:
        return Decision(True, "the first")
    try:
        old = _judged(client, name, current)
    except (MlflowException, OSError) as error:
        return Decision(False, f"what version {current} said of its rows cannot be read: {error}")
    decision = judge(_judged(client, name, str(chosen.version)), old)
    return Decision(decision.champion, f"{decision.why}, than version {current}")


def _judged(client: MlflowClient, name: str, version: str) -> pa.Table:
    with tempfile.TemporaryDirectory() as folder:
        file = mlflow.artifacts.download_artifacts(
            f"{client.get_model_version_download_uri(name, version)}/artifacts/{VALIDATION}",
            dst_path=folder,
        )
        return pq.read_table(file, memory_map=False)


def _require(client: MlflowClient, name: str, version: str) -> ModelVersion:
    there = versions_of(client, name)
    for each in there:
        if str(each.version) == str(version):
            return each
    numbers = ", ".join(str(each.version) for each in there)
    found = f"it has {numbers}" if there else "there is no such model in the registry"
    raise VeneerError(
        f"Looking for version {version} of {name}: {found}. Register one with kedro run "
        "--pipelines registration."
    )


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
