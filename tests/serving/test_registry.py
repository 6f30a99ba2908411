"""Which version is the champion: with a real registry, and models that are only what they said."""

import mlflow
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from veneer.errors import VeneerError
from veneer.serving import registry
from veneer.serving.registry import JUDGED, VALIDATION, judge, promote, rollback

NAME = "veneer-classifier"
LABELS = np.array(["moss", "bark"] * 100)


def judged(wrong=(), first=0, labels=LABELS):
    """What a model said that was wrong on these rows, of rows from ``first`` on."""
    predicted = labels.copy()
    predicted[list(wrong)] = "fern"
    ids = [f"{first + n:04d}" for n in range(len(labels))]
    return pa.table([ids, labels.tolist(), predicted.tolist()], schema=JUDGED)


@pytest.fixture
def client(tmp_path, monkeypatch):
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    before = mlflow.get_tracking_uri(), mlflow.get_registry_uri()
    mlflow.set_tracking_uri(uri)
    mlflow.set_registry_uri(uri)
    client = mlflow.MlflowClient()
    client.create_registered_model(NAME)
    yield client
    mlflow.set_tracking_uri(before[0])
    mlflow.set_registry_uri(before[1])


@pytest.fixture
def add(client, tmp_path):
    """Register a version that said this of its validation rows."""

    def added(rows):
        folder = tmp_path / f"model{len(registry.versions_of(client, NAME))}"
        (folder / "artifacts").mkdir(parents=True)
        pq.write_table(rows, folder / "artifacts" / VALIDATION)
        return str(client.create_model_version(NAME, str(folder)).version)

    return added


def tags(client, version):
    return client.get_model_version(NAME, version).tags


def test_better_by_more_than_the_interval_is_better():
    decision = judge(judged(range(10)), judged(range(40)))
    assert decision.champion
    assert "+0.1500 [" in decision.why
    assert "200 common" in decision.why


@pytest.mark.parametrize("wrong", [range(40), range(39), range(50), range(100, 138)])
def test_equal_hardly_better_and_worse_are_not(wrong):
    assert not judge(judged(wrong), judged(range(40))).champion


def test_only_rows_that_both_have_judged_count():
    new, old = judged(), judged(range(100), first=150)  # 50 in common, of which old has all wrong
    assert "50 common" in judge(new, old).why
    assert judge(new, old).champion
    assert not judge(judged(), judged(range(200), first=200)).champion
    assert "no validation rows" in judge(judged(), judged(first=200)).why


def test_a_label_that_was_put_right_counts_as_it_is_now():
    right = np.where(np.arange(200) < 50, "fern", LABELS)
    # The old one had said fern there all along, when the label was wrong.
    assert not judge(judged(labels=right), judged(range(50))).champion


def test_the_first_is_the_champion_and_the_next_must_beat_it(client, add):
    assert registry.champion_of(client, NAME) is None
    assert promote(client, NAME, add(judged(range(40)))).why == "the first"
    worse = promote(client, NAME, add(judged(range(41))))
    assert not worse.champion
    assert "than version 1" in worse.why
    assert registry.champion_of(client, NAME) == "1"
    better = promote(client, NAME, add(judged()))
    assert better.champion
    assert registry.champion_of(client, NAME) == "3"
    assert tags(client, "3")[registry.WHY] == better.why
    assert tags(client, "3")[registry.PREVIOUS] == "1"
    assert registry.FORCED not in tags(client, "3")
    assert promote(client, NAME, "3").why == "it is the champion already"


def test_force_says_so_in_a_tag(client, add):
    promote(client, NAME, add(judged()))
    decision = promote(client, NAME, add(judged(range(100))), force=True)
    assert decision.champion
    assert registry.champion_of(client, NAME) == "2"
    assert tags(client, "2")[registry.FORCED] == "true"
    assert tags(client, "2")[registry.WHY].startswith("forced, though not better")


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
    with pytest.raises(VeneerError, match="first champion"):
        rollback(client, NAME)
    assert promote(client, NAME, "3", force=True).champion
    assert registry.ROLLED_BACK not in tags(client, "3")
    assert rollback(client, NAME) == ("3", "1")


def test_a_champion_whose_predictions_are_gone_is_not_replaced_without_force(client, add, tmp_path):
    promote(client, NAME, add(judged(range(100))))
    (tmp_path / "model0/artifacts" / VALIDATION).unlink()
    new = add(judged())
    decision = promote(client, NAME, new)
    assert not decision.champion
    assert "cannot be read" in decision.why
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
    with pytest.raises(VeneerError, match="version 1 of veneer-classifier"):
        rollback(client, NAME)
    assert registry.champion_of(client, NAME) == "2"
