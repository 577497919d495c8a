"""Ids by the letter of RFC 9562, and times by that of RFC 3339."""

import uuid
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from concordiad.core.model import ID_RANDOM_BYTES, ID_TICKS_PER_MS, make_id, rfc3339
from tests.core.steadily import steadily

TICKS = st.integers(0, (1 << 60) - 1)
RANDOM = st.binary(min_size=ID_RANDOM_BYTES, max_size=ID_RANDOM_BYTES)


def test_id_is_that_of_the_rfc() -> None:
    """The example of RFC 9562, appendix A.6, comes out of its own fields."""
    ticks = 0x017F22E279B0 * ID_TICKS_PER_MS + 0xCC3
    assert make_id(ticks, (0x18C4DC0C0C07398F).to_bytes(8)) == "017f22e2-79b0-7cc3-98c4-dc0c0c07398f"


@steadily
@given(TICKS, RANDOM)
def test_id_is_a_uuid_of_version_7(ticks: int, random: bytes) -> None:
    """Every id has the version, the variant, the time, its fraction and 62 random bits where the RFC has them."""
    identity = uuid.UUID(make_id(ticks, random))
    assert (identity.version, identity.variant) == (7, uuid.RFC_4122)
    assert identity.int >> 80 == ticks // ID_TICKS_PER_MS
    assert identity.int >> 64 & 0xFFF == ticks % ID_TICKS_PER_MS
    assert identity.int & (1 << 62) - 1 == int.from_bytes(random) & (1 << 62) - 1


@steadily
@given(TICKS, RANDOM)
def test_id_is_written_as_uuids_are(ticks: int, random: bytes) -> None:
    """An id is 36 characters in lower case, so that two spellings of one id cannot be."""
    assert make_id(ticks, random) == str(uuid.UUID(make_id(ticks, random)))


@steadily
@given(st.tuples(TICKS, RANDOM), st.tuples(TICKS, RANDOM))
def test_ids_sort_by_time(one: tuple[int, bytes], other: tuple[int, bytes]) -> None:
    """As text, ids sort by their time, whatever their random bits are."""
    earlier, later = sorted([one, other])
    if earlier[0] < later[0]:
        assert make_id(*earlier) < make_id(*later)


@pytest.mark.parametrize(
    ("unix_s", "text"),
    [
        (0.0, "1970-01-01T00:00:00.000Z"),
        (1_700_000_000.25, "2023-11-14T22:13:20.250Z"),
        (1_700_000_000.0009, "2023-11-14T22:13:20.000Z"),
    ],
)
def test_time_is_rfc3339(unix_s: float, text: str) -> None:
    """A time is written in UTC with milliseconds, never rounded into the future."""
    assert rfc3339(unix_s) == text


@steadily
@given(st.floats(0, 4e9))
def test_time_can_be_read_again(unix_s: float) -> None:
    """Reading a time gives it back to the millisecond."""
    read = datetime.fromisoformat(rfc3339(unix_s))
    assert read.tzinfo == UTC
    assert -1e-5 <= unix_s - read.timestamp() < 0.00101
