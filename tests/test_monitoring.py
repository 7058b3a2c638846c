"""The metrics as Prometheus reads them, who may read them, and what the files for Prometheus and Grafana ask for."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from asgi import ask
from conftest import ROOT
from prometheus_client.parser import text_string_to_metric_families

import sidebooks_core as sb
from sidebooks_core.access import Access
from sidebooks_core.errors import RequestError
from sidebooks_core.server import Application, Shelf
from sidebooks_core.server.metrics import CONNECTED, COUNTERS, ENDS, GAUGES, PREFIX, RESPONSES, SESSIONS, WAITS, ServerMetrics
from sidebooks_core.server.ways_in import MetricsToken
from sidebooks_core.statistics import Latency, Statistics

FILES = ROOT / "docs" / "how-to" / "deploy" / "files"
TOKEN = "a-token-of-many-characters"
KNOWN = {f"{PREFIX}{name}_total" for name in (*COUNTERS, RESPONSES, ENDS)}
KNOWN |= {PREFIX + name for name in (*GAUGES, *CONNECTED, SESSIONS)}
KNOWN |= {PREFIX + WAITS + ending for ending in ("", "_sum", "_count")}


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[Application]:
    """A server whose people log in, and whose monitoring has a token."""
    with sb.TileService(sb.Settings(cache_dir=None, workers=1)) as service, Access(tmp_path) as access:
        access.add_person("yamada", "admin", password="long enough for this")
        shelf = Shelf(service)
        application = Application(shelf, access=access, asks_for_accounts=True, ways_in=[MetricsToken(TOKEN)])
        yield application
        application.close()
        shelf.close()


def bearing(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def test_every_metric_is_read_with_its_help(guarded: Application) -> None:
    text = ask(guarded, "/metrics", headers=bearing(TOKEN)).body.decode()
    families = list(text_string_to_metric_families(text))
    assert [one.name for one in families if not one.documentation] == []
    samples = {sample.name for one in families for sample in one.samples}
    assert samples <= KNOWN
    without_meetings = {PREFIX + name for name in CONNECTED} - {f"{PREFIX}listeners"}
    assert KNOWN - without_meetings - {f"{PREFIX}{ENDS}_total", f"{PREFIX}{RESPONSES}_total"} <= samples


def test_each_of_several_processes_has_a_label_of_its_own() -> None:
    numbers = {name: 1 for name in Statistics.__struct_fields__ if name != "latency"}
    found = Statistics(**numbers, latency={"memory": Latency()})
    told = ServerMetrics(
        found=found, responses={200: 3}, sessions=1, ends={"left": 1}, connected={"listeners": 2}, process="4711"
    )
    samples = [sample for one in text_string_to_metric_families(told.text().decode()) for sample in one.samples]
    assert len(samples) > 20
    assert {sample.labels["process"] for sample in samples} == {"4711"}


def test_the_token_opens_the_metrics_and_nothing_else(guarded: Application) -> None:
    assert ask(guarded, "/metrics", headers=bearing(TOKEN)).status == 200
    for path in ("/people", "/audit", "/me", "/metrics/", "//metrics", "/documents/1/original"):
        with_token, without = (ask(guarded, path, headers=headers) for headers in (bearing(TOKEN), {}))
        assert (with_token.status, with_token.body) == (without.status, without.body), path
    assert ask(guarded, "/people", headers=bearing(TOKEN)).status == 401


@pytest.mark.parametrize("told", ["", "Bearer", "Bearer ", f"Bearer {TOKEN}x", f"bearer {TOKEN}", f"Basic {TOKEN}", TOKEN])
def test_another_token_opens_nothing(guarded: Application, told: str) -> None:
    assert ask(guarded, "/metrics", headers={"Authorization": told}).status == 401


@pytest.mark.parametrize(
    "token", ["short", "fifteen-letters", "with a space in it", "line\nbreak-in-a-token", "予算予算予算予算予算予算予算予算"]
)
def test_a_token_that_can_be_guessed_or_not_sent_is_refused(token: str) -> None:
    with pytest.raises(RequestError, match="16 ASCII characters"):
        MetricsToken(token)


def asked_for(expression: str) -> set[str]:
    return set(re.findall(rf"\b{PREFIX}\w+", expression))


def test_the_dashboard_asks_for_metrics_that_there_are() -> None:
    board = json.loads((FILES / "grafana.json").read_text(encoding="utf-8"))
    expressions = [target["expr"] for panel in board["panels"] for target in panel["targets"]]
    asked = set().union(*map(asked_for, expressions))
    assert asked <= KNOWN
    assert len(asked) > 15
    assert [one for one in expressions if not asked_for(one)] == []
    assert asked_for(board["templating"]["list"][1]["query"]["query"]) <= KNOWN
    ids = [panel["id"] for panel in board["panels"]]
    assert len(ids) == len(set(ids))


def test_a_rate_is_taken_of_counters_only() -> None:
    board = (FILES / "grafana.json").read_text(encoding="utf-8")
    alerts = (FILES / "sidebooks-alerts.yml").read_text(encoding="utf-8")
    rated = re.findall(rf"\b(?:rate|increase)\(({PREFIX}\w+)", board + alerts)
    assert rated
    assert [name for name in rated if not name.endswith("_total")] == []


def test_the_alerts_ask_for_metrics_that_there_are() -> None:
    told = yaml.safe_load((FILES / "sidebooks-alerts.yml").read_text(encoding="utf-8"))
    [group] = told["groups"]
    assert len(group["rules"]) >= 5
    for rule in group["rules"]:
        assert asked_for(rule["expr"]) <= KNOWN
        assert asked_for(rule["expr"]) or "up{" in rule["expr"]
        assert rule["annotations"]["summary"]


def test_prometheus_is_told_of_the_alerts() -> None:
    told = yaml.safe_load((FILES / "prometheus.yml").read_text(encoding="utf-8"))
    assert [(FILES / name).is_file() for name in told["rule_files"]] == [True]
