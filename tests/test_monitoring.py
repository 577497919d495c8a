"""Alerts and the dashboard: what they ask for is measured, what they raise is explained, and Prometheus takes it."""

import json
import re
from typing import Final

from concordiad.front.summary import NO_ANSWER
from ctl.standing import STATES
from tests.pages import ROOT, first_column, page, rows, section
from tests.support.promtool import promtool

PLACE: Final = ROOT / "docs" / "monitoring"
ALERTS: Final = (PLACE / "alerts.yml").read_text()
DASHBOARD: Final = json.loads((PLACE / "dashboard.json").read_text())


def asked_for(text: str) -> set[str]:
    """List the measures that a text names, the parts of histograms by their whole."""
    return {re.sub("_bucket$", "", name) for name in re.findall(r"\bconcordia_\w+", text)}


def measures() -> set[str]:
    """List what is measured; a test of the daemon holds this page against it."""
    return {row[0].strip("`") for row in rows(section(page("docs/operation.md"), "### What is measured"))}


def test_alerts_ask_for_what_is_measured() -> None:
    """A rule for a measure that is not there would never raise anything, and nobody would know."""
    assert asked_for(ALERTS) - measures() == set()
    assert set(re.findall(r'state="([\w-]+)"', ALERTS)) <= set(STATES) - {NO_ANSWER}


def test_dashboard_shows_what_is_measured() -> None:
    """Each panel asks for something that is there, and what counts is on one of them."""
    asked = [asked_for(target["expr"]) for panel in DASHBOARD["panels"] for target in panel["targets"]]
    assert all(asked) and set().union(*asked) - measures() == set()
    assert {name for name in measures() if name.startswith("concordia_turn")} <= set().union(*asked)
    places = [(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in DASHBOARD["panels"]]
    assert len(places) == len(set(places))
    assert {panel["datasource"]["uid"] for panel in DASHBOARD["panels"]} == {"${datasource}"}


def test_every_alert_is_explained() -> None:
    """Whoever is woken by one finds on the page what it means and what to do."""
    table = section(page("docs/operation.md"), "### Alerts")
    assert re.findall(r"- alert: (\w+)", ALERTS) == first_column(table)


def test_prometheus_takes_the_rules() -> None:
    """Promtool reads each of them, and has them raise what they should."""
    status, said = promtool("check", "rules", str(PLACE / "alerts.yml"))
    assert status == 0, said
    status, said = promtool("test", "rules", str(PLACE / "alerts.test.yml"))
    assert status == 0, said
