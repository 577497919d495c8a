"""What a house answers where an agent's program gives no answer in time."""

from pathlib import Path

import pytest
from attrs import evolve

from concordiad.agent import find
from concordiad.config.tables import Room
from concordiad.core.codes import CONFLICT
from concordiad.errors import RoomError
from tests.front.inside import HOST, open_house


async def test_a_program_that_says_nothing_costs_the_new_room_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reload and a new room are refused with the cause; the rooms that are there go on."""
    async with open_house(tmp_path, "main", in_memory=True) as inside:
        # Nobody answers within no time.
        monkeypatch.setattr(find, "PROBE_S", 0.0)
        wanted = evolve(inside.house.config, rooms={"other": Room(str(tmp_path), "claude")})
        with pytest.raises(RoomError, match="gave no answer within 0 s"):
            await inside.house.reload(wanted)
        refusal = await inside.refusal(HOST, "room.create", name="lab", workdir=str(tmp_path))
        assert refusal is not None and refusal[0] is CONFLICT
        assert "gave no answer within 0 s" in refusal[1]
        await inside.until(await inside.submit(HOST, "hello"), "answered")
        assert list(inside.house.rooms) == ["main"]
