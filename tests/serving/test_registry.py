"""Which version is the champion: with a real registry, and models that are only what they said."""

import json
import os

import mlflow
import numpy as np
import pyarrow as pa
import pytest

from veneer.errors import VeneerError
from veneer.serving import registry
from veneer.serving.registry import JUDGED, judge, promote, rollback

NAME = "veneer-classifier"
LABELS = np.array(["moss", "bark"] * 100)


def judged(wrong=(), first=0, labels=LABELS):
    """What a model said that was wrong on these rows, of rows from ``first`` on."""
    predicted = labels.copy()
    predicted[list(wrong)] = "fern"
    ids = [f"{first + n:04d}" for n in range(len(labels))]
    return pa.table([ids, labels.tolist(), predicted.tolist()], schema=JUDGED)


@pytest.fixture
def client(tmp_path):
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    before = mlflow.get_tracking_uri(), mlflow.get_registry_uri()
    # MLflow writes the addresses into the environment, where later sessions would find them.
    names = ("MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI")
    environment = {name: os.environ[name] for name in names if name in os.environ}
    mlflow.set_tracking_uri(uri)
    mlflow.set_registry_uri(uri)
    client = mlflow.MlflowClient()
    client.create_registered_model(NAME)
    client.create_experiment("some", artifact_location=(tmp_path / "artifacts").as_uri())
    yield client
    mlflow.set_tracking_uri(before[0])
    mlflow.set_registry_uri(before[1])
    for name in names:
        os.environ.pop(name, None)
    os.environ.update(environment)


@pytest.fixture
def say(client):
    """Have a version judge rows, in a run of its own; gives the run's id."""

    def said(version, rows, collection="moss"):
        experiment = client.get_experiment_by_name("some").experiment_id
        with mlflow.start_run(experiment_id=experiment) as run:
            registry.keep_judgement(client, NAME, version, collection, rows)
        return run.info.run_id

    return said


@pytest.fixture
def add(client, tmp_path, say):
    """Register a version that said this of its validation rows."""

    def added(rows, collection="moss"):
        version = str(client.create_model_version(NAME, str(tmp_path)).version)
        say(version, rows, collection)
        return version

    return added


def tags(client, version):
    return client.get_model_version(NAME, version).tags


def judged_by(new, old):
    return judge(new, old, new)


def test_better_by_more_than_the_interval_is_better():
    decision = judged_by(judged(range(10)), judged(range(40)))
    assert decision.champion
    assert "+0.1500 [" in decision.why
    assert "200 common" in decision.why


@pytest.mark.parametrize("wrong", [range(40), range(39), range(50), range(100, 138)])
def test_equal_hardly_better_and_worse_are_not(wrong):
    assert not judged_by(judged(wrong), judged(range(40))).champion


def test_only_rows_that_both_have_judged_count():
    new, old = judged(), judged(range(100), first=150)  # 50 in common, of which old has all wrong
    assert "50 common" in judged_by(new, old).why
    assert judged_by(new, old).champion
    assert not judged_by(judged(), judged(range(200), first=200)).champion
    assert "no validation rows" in judged_by(judged(), judged(first=200)).why


@pytest.mark.parametrize("few", [1, 2, 3, 4, 5])
def test_a_handful_of_rows_prove_nothing(few):
    decision = judged_by(judged(), judged(range(200), first=200 - few))
    assert f"on {few} common rows" in decision.why
    assert not decision.champion


def test_labels_are_those_of_the_later_judgement(client, add, say):
    """Whichever of the two is to be promoted: else each would win by its own labels."""
    right = np.where(np.arange(200) < 50, "fern", LABELS)
    old = add(judged(range(50)))  # says fern there, as is right, when the labels were wrong
    new = add(judged(labels=right, wrong=range(60, 100)))
    promote(client, NAME, new)
    assert "+0.2000 [" in promote(client, NAME, old).why  # of 40 that the new one has wrong
    assert registry.champion_of(client, NAME) == old
    assert not promote(client, NAME, new).champion


def test_a_version_is_judged_on_one_collection_after_the_other(client, add, say):
    first = add(judged(range(20)), "moss")
    promote(client, NAME, first)
    second = add(judged(first=1000), "bark")
    assert "no validation rows" in promote(client, NAME, second).why
    say(first, judged(range(100), first=1000), "bark")
    better = promote(client, NAME, second)
    assert better.champion
    assert "on 200 common rows" in better.why


def test_the_first_is_the_champion_and_the_next_must_beat_it(client, add):
    assert registry.champion_of(client, NAME) is None
    assert promote(client, NAME, add(judged(range(40)))).why == "the first"
    worse = promote(client, NAME, add(judged(range(41))))
    assert not worse.champion
    assert "with version 1" in worse.why
    assert registry.champion_of(client, NAME) == "1"
    better = promote(client, NAME, add(judged()))
    assert better.champion
    assert registry.champion_of(client, NAME) == "3"
    assert tags(client, "3")[registry.VERDICT] == better.why
    assert tags(client, "2")[registry.VERDICT] == worse.why
    assert registry.FORCED not in tags(client, "3")
    assert promote(client, NAME, "3").why == "it is the champion already"


def test_force_says_so_in_a_tag(client, add):
    promote(client, NAME, add(judged()))
    decision = promote(client, NAME, add(judged(range(100))), force=True)
    assert decision.champion
    assert registry.champion_of(client, NAME) == "2"
    assert tags(client, "2")[registry.FORCED] == "true"
    assert tags(client, "2")[registry.VERDICT].startswith("forced, though not better")


def test_force_is_not_told_of_where_it_was_not_needed(client, add):
    promote(client, NAME, add(judged(range(100))))
    promote(client, NAME, add(judged()), force=True)
    assert registry.FORCED not in tags(client, "2")


def test_rollback_goes_back_step_by_step_and_a_run_does_not_undo_it(client, add):
    for wrong in (100, 50, 0):
        promote(client, NAME, add(judged(range(wrong))))
    assert rollback(client, NAME) == ("3", "2")
    again = promote(client, NAME, "3")
    assert not again.champion
    assert "rolled back" in again.why
    assert rollback(client, NAME) == ("2", "1")
    assert registry.champion_of(client, NAME) == "1"
    with pytest.raises(VeneerError, match="no champion that is still there"):
        rollback(client, NAME)
    assert promote(client, NAME, "3", force=True).champion
    assert registry.ROLLED_BACK not in tags(client, "3")
    assert rollback(client, NAME) == ("3", "1")
    assert tags(client, "1")[registry.VERDICT] == "rolled back to, from version 3"


def test_rollback_comes_to_an_end(client, add):
    for wrong in (100, 50, 0):
        promote(client, NAME, add(judged(range(wrong))))
    promote(client, NAME, "1", force=True)
    assert [rollback(client, NAME) for _ in range(3)] == [("1", "3"), ("3", "2"), ("2", "1")]
    assert registry.ROLLED_BACK not in tags(client, "1")
    with pytest.raises(VeneerError, match="still there"):
        rollback(client, NAME)


def test_rollback_passes_over_what_was_deleted(client, add):
    for wrong in (100, 50, 0):
        promote(client, NAME, add(judged(range(wrong))))
    client.delete_model_version(NAME, "2")
    assert rollback(client, NAME) == ("3", "1")


def test_where_the_champion_is_gone_nothing_is_it_unasked(client, add):
    promote(client, NAME, add(judged()))
    client.delete_model_version(NAME, "1")
    worse = add(judged(range(100)))
    assert "the champion is gone" in promote(client, NAME, worse).why
    assert registry.champion_of(client, NAME) is None
    assert promote(client, NAME, worse, force=True).champion


@pytest.mark.parametrize("of", ["1", "2"])
@pytest.mark.parametrize("content", [None, b"no Parquet"])
def test_what_cannot_be_read_is_not_compared(client, add, tmp_path, of, content):
    promote(client, NAME, add(judged(range(100))))
    new = add(judged())
    run = json.loads(tags(client, of)[registry.JUDGED_IN])["moss"]
    (file,) = (tmp_path / "artifacts" / run).rglob("*.parquet")
    file.unlink() if content is None else file.write_bytes(content)
    decision = promote(client, NAME, new)
    assert not decision.champion
    assert "cannot be read" in decision.why
    assert "\n" not in decision.why
    assert promote(client, NAME, new, force=True).champion


def test_what_is_not_there_is_told(client, add):
    with pytest.raises(VeneerError, match="no such model"):
        promote(client, "nothing", "1")
    add(judged())
    add(judged())
    with pytest.raises(VeneerError, match="it has 2, 1"):
        promote(client, NAME, "7")
    with pytest.raises(VeneerError, match="no champion"):
        rollback(client, NAME)
    promote(client, NAME, "1", force=True)
    promote(client, NAME, "2", force=True)
    client.delete_model_version(NAME, "1")
    with pytest.raises(VeneerError, match="before version 2 there was no champion"):
        rollback(client, NAME)
    assert registry.champion_of(client, NAME) == "2"
