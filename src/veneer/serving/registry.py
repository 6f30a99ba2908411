"""Versions of a registered model, and which of them is the champion.

The alias ``champion`` is what is served. It goes to another version only when that is better than
the one that has it: right on more of the validation rows that both have judged, by more than the
95 % interval of the difference, and by McNemar's exact test; see
:func:`veneer.statistics.paired_test`.

What a version says of the validation rows of a collection is an artifact of the run that registered
it; the tag ``judged`` names that run for each collection. So neither version is run again to be
compared, and a version can be judged on one collection after the other.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import mlflow
import pyarrow as pa
import pyarrow.parquet as pq
from mlflow import MlflowClient
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException

from veneer.errors import VeneerError
from veneer.statistics import paired_test

CHAMPION = "champion"
SIGNIFICANT = 0.05

JUDGED = pa.schema([("id", pa.string()), ("label", pa.string()), ("predicted", pa.string())])
"""What a version said of its validation rows."""

# Tags of a version.
DIGEST, JUDGED_IN, VERDICT = "digest", "judged", "verdict"
FORCED, ROLLED_BACK = "champion_forced", "champion_rolled_back"
# Tag of a model: the versions that were its champions, a JSON list, the present one last.
HISTORY = "champions"


@dataclass(frozen=True)
class Decision:
    """Whether a version is the champion now, and why or why not, in words."""

    champion: bool
    why: str


def judge(new: pa.Table, old: pa.Table, labels: pa.Table) -> Decision:
    """Whether one version is better than another.

    Parameters
    ----------
    new, old : Table of schema :data:`JUDGED`
        Rows that only one of them has are left out, as the other may have been fitted to them.
    labels : Table of schema :data:`JUDGED`
        The later of the two: somebody may have put labels right since the other.
    """
    said = old.select(["id", "predicted"]).rename_columns(["id", "predicted_old"])
    truth = labels.select(["id", "label"]).rename_columns(["id", "truth"])
    both = new.join(said, "id", join_type="inner").join(truth, "id", join_type="inner")
    if not len(both):
        return Decision(False, "there are no validation rows that both have judged")
    columns = (both[name].to_numpy() for name in ("truth", "predicted", "predicted_old"))
    found = paired_test(*columns)
    low, high = found["difference_interval_95"]
    better = low > 0 and found["p_value"] < SIGNIFICANT
    verdict = "better" if better else "not better by more than the interval"
    figures = f"{found['difference']:+.4f} [{low:+.4f}, {high:+.4f}], p {found['p_value']:.2g}"
    return Decision(better, f"{verdict}: {figures}, in accuracy on {len(both)} common rows")


def keep_judgement(
    client: MlflowClient, name: str, version: str, collection: str, judged: pa.Table
) -> None:
    """Write down, in the active run, what a version says of a collection's validation rows."""
    run = mlflow.active_run().info.run_id
    with tempfile.TemporaryDirectory() as folder:
        pq.write_table(judged.cast(JUDGED), Path(folder) / _file(name))
        client.log_artifact(run, str(Path(folder) / _file(name)))
    known = _judged_in(_require(client, name, version))
    client.set_model_version_tag(name, version, JUDGED_IN, json.dumps(known | {collection: run}))


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
    history = _history(client, name)
    decision = _decide(client, name, chosen, current, history)
    forced = force and not decision.champion
    if forced:
        decision = Decision(True, f"forced, though {decision.why}")
    _tag(client, name, chosen, {VERDICT: decision.why})
    if decision.champion:
        _tag(client, name, chosen, {FORCED: "true" if forced else None, ROLLED_BACK: None})
        _crown(client, name, version, [*history, version])
    return decision


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
        When there is no champion, or none before it that is still there.
    """
    current = champion_of(client, name)
    if current is None:
        raise VeneerError(
            f"Rolling back {name}: it has no champion. Choose a version with kedro models promote."
        )
    there = {str(each.version): each for each in versions_of(client, name)}
    history = [each for each in _history(client, name) if each in there]
    while history and history[-1] == current:
        history.pop()
    if not history:
        raise VeneerError(
            f"Rolling back {name}: before version {current} there was no champion that is still "
            "there. Choose another version with kedro models promote --force."
        )
    before = history[-1]
    _tag(client, name, there[current], {ROLLED_BACK: _now()})
    why = f"rolled back to, from version {current}"
    _tag(client, name, there[before], {VERDICT: why, ROLLED_BACK: None})
    _crown(client, name, before, history)
    return current, before


def _decide(
    client: MlflowClient,
    name: str,
    chosen: ModelVersion,
    current: str | None,
    history: list[str],
) -> Decision:
    if ROLLED_BACK in chosen.tags:
        return Decision(False, f"it was rolled back on {chosen.tags[ROLLED_BACK]}")
    if current is None and not history:
        return Decision(True, "the first")
    if current is None:
        return Decision(False, "the champion is gone, and there is nothing to compare with")
    decision = _compare(client, name, chosen, _require(client, name, current))
    return Decision(decision.champion, f"{decision.why}, with version {current}")


def _compare(client: MlflowClient, name: str, new: ModelVersion, old: ModelVersion) -> Decision:
    """On all collections that both have judged."""
    runs_new, runs_old = _judged_in(new), _judged_in(old)
    tables: list[tuple[pa.Table, pa.Table, pa.Table]] = []
    for collection in sorted(set(runs_new) & set(runs_old)):
        runs = runs_new[collection], runs_old[collection]
        try:
            said = [_judgement(client, name, run) for run in runs]
            begun = [client.get_run(run).info.start_time for run in runs]
        except (MlflowException, OSError, pa.ArrowException) as error:
            reason = str(error).strip().splitlines()[0]
            why = f"what was said of the rows of {collection} cannot be read ({reason})"
            return Decision(False, why)
        tables.append((*said, said[0] if begun[0] >= begun[1] else said[1]))
    if not tables:
        return Decision(False, "there are no validation rows that both have judged")
    return judge(*(pa.concat_tables(each) for each in zip(*tables, strict=True)))


def _crown(client: MlflowClient, name: str, version: str, history: list[str]) -> None:
    # The alias last: whoever sees it finds the tags there.
    client.set_registered_model_tag(name, HISTORY, json.dumps(history))
    client.set_registered_model_alias(name, CHAMPION, version)


def _tag(
    client: MlflowClient, name: str, version: ModelVersion, tags: Mapping[str, str | None]
) -> None:
    """Set tags of a version; None takes one away."""
    for key, value in tags.items():
        if value is not None:
            client.set_model_version_tag(name, str(version.version), key, value)
        elif key in version.tags:
            client.delete_model_version_tag(name, str(version.version), key)


def _history(client: MlflowClient, name: str) -> list[str]:
    return json.loads(client.get_registered_model(name).tags.get(HISTORY, "[]"))


def _judged_in(version: ModelVersion) -> dict[str, str]:
    """The run in which it judged each collection."""
    return json.loads(version.tags.get(JUDGED_IN, "{}"))


def _judgement(client: MlflowClient, name: str, run: str) -> pa.Table:
    with tempfile.TemporaryDirectory() as folder:
        return pq.read_table(client.download_artifacts(run, _file(name), folder), memory_map=False)


def _file(name: str) -> str:
    return f"judged_by_{name}.parquet"


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
