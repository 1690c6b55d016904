"""The comparison with other libraries, without the others: our own adapter and the raw limit go the whole way, from the
process to the page. What the peers' own adapters do is seen by `./dev bench --peers`, which installs them.
"""

from __future__ import annotations

import dataclasses
import json
from xml.etree import ElementTree

import pytest

from benchmarks.peers import command, environments, figures, kills, plot, rounds, table
from benchmarks.peers.driven import Failed, started
from benchmarks.peers.environments import ROOT
from benchmarks.peers.roster import ENTRANTS, Entrant

EXTENT = rounds.Extent(rounds=2, seconds=0.1, warm_up=8, sizing=(40, 200), kills=2)
OURS = [one for one in ENTRANTS if one.name in ("raw-sqlite", "raw-postgres", "interlock-sqlite")]
SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def run():
    return command.compare(OURS, EXTENT, seed=7, say=lambda what: None)


def row(run, name):
    return next(one for one in run["rows"] if one["name"] == name)


@pytest.mark.xdist_group("peers")
def test_every_load_of_every_round_is_measured(run):
    for one in run["rows"]:
        assert not one["failed"]
        assert set(one["loads"]) == set(rounds.LOADS)
        for taken in one["loads"].values():
            for name in ("cpu_ms", "per_s", "p50_ms", "p99_ms", "writes"):
                middle, low, high = taken[name]
                assert 0 < low <= middle <= high
        slow = one["loads"]["slow"]["p50_ms"][1]
        assert slow > rounds.ADVISOR_S * 1000  # the advisor's time is in it


@pytest.mark.xdist_group("peers")
def test_write_transactions_are_counted_by_the_database(run):
    """The raw limit makes three for each case that is alone, and shares them among cases in flight."""
    loads = row(run, "raw-sqlite")["loads"]
    assert loads["one"]["writes"] == [3.0, 3.0, 3.0]
    assert loads["many"]["writes"][2] < 2.0
    loads = row(run, "raw-postgres")["loads"]
    assert 3.0 <= loads["one"]["writes"][0] < 4.0  # the server's own housekeeping writes now and then
    assert row(run, "interlock-sqlite")["loads"]["one"]["writes"][1] >= 2.0


@pytest.mark.xdist_group("peers")
def test_the_servers_cpu_is_counted_where_there_is_a_server(run):
    assert row(run, "raw-sqlite")["loads"]["one"]["server_ms"] == [0.0, 0.0, 0.0]
    # Its clock ticks a hundred times a second, so a single load of a tenth of a second may show nothing.
    assert sum(one["server_ms"][2] for one in row(run, "raw-postgres")["loads"].values()) > 0
    assert row(run, "raw-postgres")["transactions_per_case"] > 0


@pytest.mark.xdist_group("peers")
def test_the_limit_inserts_as_many_bytes_as_interlock_leaves_behind(run):
    ours, limit = row(run, "interlock-sqlite")["bytes_per_case"], row(run, "raw-sqlite")["bytes_per_case"]
    assert ours > 500
    assert 0.7 * ours < limit < 2.0 * ours  # pages are filled more or less well


@pytest.mark.xdist_group("peers")
def test_kills_lose_nothing_and_repeat_nothing(run):
    judged = row(run, "interlock-sqlite")["kills"]
    assert judged["kills"] == 2
    assert judged["accepted"] >= kills.LAST
    assert (judged["lost"], judged["repeated"], judged["left"]) == (0, 0, 0)
    assert row(run, "raw-sqlite")["kills"] is None


@pytest.mark.xdist_group("peers")
def test_the_run_becomes_json_tables_and_a_plot(run, tmp_path):
    run = json.loads(json.dumps(run))
    text = table.as_text(run)
    for name in ("raw inserts (the limit), SQLite", "raw inserts (the limit), PostgreSQL", "interlock, SQLite"):
        assert name in text
    assert f"PostgreSQL {run['setting']['postgresql']}" in text
    page = tmp_path / "peers.md"
    page.write_text(f"before\n{table.BEGIN}\nold\n{table.END}\nafter\n")
    table.into_page(page, run)
    table.into_page(page, run)  # a second run takes the first one's place
    written = page.read_text()
    assert written.startswith("before\n") and written.endswith("\nafter\n")
    assert "old" not in written and written.count("**Killed at random moments.**") == 1
    drawn = ElementTree.fromstring(plot.as_svg(run))
    assert len([one for one in drawn.iter(f"{SVG}rect") if one.get("class") == "bar"]) == 3


def test_a_peer_that_does_not_start_says_why(tmp_path):
    nobody = dataclasses.replace(OURS[0], adapter="nobody")
    with (
        pytest.raises(Failed, match=r"No module named.*nobody"),
        started(nobody, str(tmp_path / "x.db"), tmp_path / "books"),
    ):
        pass


def test_the_books_decide_what_was_lost_and_what_was_repeated():
    judged = kills.judge(3, {0, 1, 2, 3}, {3}, ["c0", "c1", "c1", "c1"])
    assert judged == kills.Judged(kills=3, accepted=4, lost=1, repeated=2, left=1)


def taken(ms: float) -> rounds.Taken:
    return rounds.Taken(cases=10, client_ms=ms, server_ms=ms, per_s=1000 / ms, p50_ms=ms, p99_ms=ms, writes=1.0)


def made_up(**cpu: list[float]) -> figures.Data:
    entrants = [Entrant(adapter, "PostgreSQL") for adapter in cpu]
    measured = [
        rounds.Measured(1000.0, 2.5, {"many": [taken(one) for one in cpu[entrant.adapter]]}) for entrant in entrants
    ]
    measured[-1].failed = "It fell over.\nof this"
    names = ("taken_at", "commit", "machine", "disk", "python", "sqlite", "postgresql")
    setting: figures.Data = dict.fromkeys(names, "?")
    setting |= {"load_before": 0.1, "seed": 1, "extent": dataclasses.asdict(rounds.QUICK)}
    rows = [figures.row(entrant, one, None) for entrant, one in zip(entrants, measured, strict=True)]
    return {"setting": setting, "load_after": 0.2, "rows": rows}


def test_medians_stand_beside_the_lowest_and_the_highest_round():
    run = made_up(interlock=[0.4, 0.2, 0.3], dbos=[3.0, 2.4, 9.0], langgraph=[2.1])
    cells = table.tables(run)[0][2]
    assert cells[0][:4] == ["interlock, PostgreSQL", "0.60 (0.40–0.80)", "0.30", "1.0"]
    assert cells[1][:4] == ["DBOS, PostgreSQL", "6.00 (4.80–18.00)", "3.00", "10.0"]
    assert cells[1][5:] == ["1,000", "1.00", "2.50"]
    assert figures.comparisons(run["rows"])["PostgreSQL"]["engine_over_interlock"] == pytest.approx(7.0)
    assert any("7.0 times interlock's CPU" in note for note in table.notes(run))
    assert any("It fell over. ... of this" in note for note in table.notes(run))


def test_a_page_without_its_markers_is_left_as_it_is(tmp_path):
    page = tmp_path / "peers.md"
    page.write_text("no markers")
    with pytest.raises(ValueError, match="must have the lines"):
        table.into_page(page, made_up(interlock=[1.0]))
    assert page.read_text() == "no markers"


def test_every_peer_is_pinned_described_and_has_a_place_in_the_page():
    page = (ROOT / "docs" / "peers.md").read_text()
    assert page.count(table.BEGIN) == 1 and page.count(table.END) == 1
    for one in ENTRANTS:
        assert one.title.split()[0].lower() in page.lower()
        adapter = ROOT / "benchmarks" / "peers" / "adapters" / f"on_{one.adapter}.py"
        assert "does not do at all" in adapter.read_text() or one.adapter == "raw"
        if one.environment:
            assert environments.versions(one.environment, one.packages)
