import pytest

from ctl.quantities import cost, count, duration, parse_duration, plural, relative, since, tokens


@pytest.mark.parametrize(
    ("text", "seconds"), [("90", 90), ("90s", 90), ("5m", 300), ("2h", 7200), ("1d", 86400), ("1.5h", 5400)]
)
def test_durations_are_read(text: str, seconds: float) -> None:
    """Every form of the help is understood."""
    assert seconds == parse_duration(text)


@pytest.mark.parametrize("text", ["", "m", "5x", "-5m", "0", "5 m 3", "1e3", "inf", "\u0665m"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    """The message says what would be right."""
    with pytest.raises(ValueError, match="write 90, 90s, 5m, 2h or 1d"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, ""),
        (0.04, "0.0s"),
        (3.21, "3.2s"),
        (59.96, "1m 00s"),
        (64, "1m 04s"),
        (3599.7, "1h 00m"),
        (7500, "2h 05m"),
        (273_600, "3d 04h"),
    ],
)
def test_durations_are_shown(seconds: float | None, text: str) -> None:
    """Two units at most, and never sixty of the smaller one."""
    assert text == duration(seconds)


@pytest.mark.parametrize(
    ("now", "text"),
    [
        *[(0.5, "just now"), (12, "12s ago"), (59.7, "1m ago"), (240, "4m ago"), (5400, "2h ago"), (7300, "2h ago")],
        *[(-1.2, "in 1s"), (-250, "in 4m"), (-599.6, "in 10m"), (-3599, "in 1h"), (-86399, "in 1d")],
    ],
)
def test_times_are_shown_against_now(now: float, text: str) -> None:
    """An age in one unit, to the nearest, and what is still to come."""
    assert text == relative("1970-01-01T00:00:00.000Z", now)


@pytest.mark.parametrize(("now", "text"), [(240, "4m ago"), (-86399, "just now")])
def test_what_was_is_not_to_come(now: float, text: str) -> None:
    """Also where a clock was set back."""
    assert text == since("1970-01-01T00:00:00.000Z", now)


@pytest.mark.parametrize(("dollars", "text"), [(None, ""), (0.0123, "$0.0123"), (12.345, "$12.35"), (0, "$0.0000")])
def test_money_is_shown(dollars: float | None, text: str) -> None:
    """Cents of cents matter below ten dollars."""
    assert text == cost(dollars)


@pytest.mark.parametrize(("number", "text"), [(999, "999"), (1234, "1.2k"), (9960, "10k"), (5_600_000, "5.6M")])
def test_large_numbers_are_shortened(number: int, text: str) -> None:
    """Three digits or so."""
    assert text == count(number)


def test_tokens_are_read_and_written() -> None:
    """Both, or nothing."""
    assert (tokens(1234, 56), tokens(None, None)) == ("1.2k/56", "")


def test_nouns_follow_their_number() -> None:
    """One prompt waits, two prompts wait."""
    assert ", ".join(plural(n, "prompt waits", "prompts wait") for n in (1, 2)) == "1 prompt waits, 2 prompts wait"
