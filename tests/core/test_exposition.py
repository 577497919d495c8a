"""Measures as Prometheus reads them."""

import math

import pytest

from concordiad.core.exposition import Family, write
from concordiad.core.figures import Histogram, TurnFigures
from concordiad.core.model import Origin, Outcome, Turn


def test_a_histogram_counts_up_to_each_bound() -> None:
    """A value on a bound belongs to it, one beyond all of them only to the last; what is not known does not count."""
    seen = Histogram((0.5, 1.0))
    for value in (0.1, 0.5, 0.75, 7.0, None):
        seen.note(value)
    assert write([Family("wait_seconds", "histogram", "How long.", [({"room": "a"}, seen)])]).splitlines() == [
        "# HELP wait_seconds How long.",
        "# TYPE wait_seconds histogram",
        'wait_seconds_bucket{room="a",le="0.5"} 2',
        'wait_seconds_bucket{room="a",le="1"} 3',
        'wait_seconds_bucket{room="a",le="+Inf"} 4',
        'wait_seconds_sum{room="a"} 8.35',
        'wait_seconds_count{room="a"} 4',
    ]


def test_what_would_break_a_line_is_escaped() -> None:
    """A label's value may be anything."""
    text = write([Family("x", "gauge", "back\\slash\nline", [({"a": 'q"\\\n'}, math.pi)])])
    assert text == '# HELP x back\\\\slash\\nline\n# TYPE x gauge\nx{a="q\\"\\\\\\n"} 3.141592653589793\n'


def test_a_family_without_samples_is_left_out() -> None:
    """Without rooms there is nothing to say of them."""
    assert write([Family("x", "gauge", "None.", [])]) == ""


@pytest.mark.parametrize("outcome", Outcome)
def test_a_turn_is_counted_once(outcome: Outcome) -> None:
    """Under its outcome, with all its figures."""
    figures = TurnFigures()
    turn = Turn("t", "main", Origin.PROMPTS, (), "x", 0.0, "i", outcome=outcome, duration_s=3.0, input_tokens=5)
    figures.count(turn, 0.25, 2)
    assert figures.outcomes == {each: int(each is outcome) for each in Outcome}
    assert (figures.durations.sum, figures.queued.sum, figures.input_tokens, figures.api_retries) == (3.0, 0.25, 5, 2)
    assert (sum(figures.first_outputs.counts), figures.cost_usd) == (0, 0.0)


def test_quantiles_are_estimated_between_bounds() -> None:
    """Evenly within the bounds that a value fell between; what is beyond all of them is at least the last one."""
    seen = Histogram((1.0, 2.0, 4.0))
    assert seen.quantile(0.5) is None
    for value in (0.5, 1.5, 1.5, 3.0):
        seen.note(value)
    assert (seen.quantile(0.25), seen.quantile(0.5), seen.quantile(0.75), seen.quantile(1)) == (1.0, 1.5, 2.0, 4.0)
    for _ in range(96):
        seen.note(100.0)
    assert seen.quantile(0.5) == 4.0
