"""The three state tables: complete, closed, and obeyed."""

from enum import StrEnum
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from concordiad.core.model import Outcome, PromptState, TurnState
from concordiad.core.turns import (
    PROMPT_TABLE,
    TURN_TABLE,
    WRITER_TABLE,
    PromptMove,
    TurnMove,
    WriterInput,
    WriterState,
    move_prompt,
    move_turn,
    move_writer,
)
from concordiad.errors import LocalProtocolError
from tests.core.steadily import steadily
from tests.core.things import make_prompt, make_turn

LASTING = (PromptState.ANSWERED, PromptState.FAILED, PromptState.CANCELLED, PromptState.EXPIRED, PromptState.UNCERTAIN)
TURN_MOVES: list[TurnMove | Outcome] = [*TurnMove, *Outcome]


def reachable(table: dict[tuple[StrEnum, StrEnum], StrEnum], first: StrEnum) -> set[StrEnum]:
    """Return the states that a table leads to."""
    found, open_ends = {first}, [first]
    while open_ends:
        here = open_ends.pop()
        following = {to for (origin, _), to in table.items() if origin is here} - found
        found |= following
        open_ends.extend(following)
    return found


@pytest.mark.parametrize("state", LASTING)
def test_ended_prompt_never_moves(state: PromptState) -> None:
    """No row of the table begins in a state that is an end."""
    assert [row for row in PROMPT_TABLE if row[0] is state] == []


@pytest.mark.parametrize("state", [TurnState.FINISHED, TurnState.RETURNED])
def test_ended_turn_never_moves(state: TurnState) -> None:
    """No row of the table begins in a state that is an end."""
    assert [row for row in TURN_TABLE if row[0] is state] == []


@pytest.mark.parametrize(
    ("table", "first", "states"),
    [
        (PROMPT_TABLE, PromptState.WAITING, PromptState),
        (TURN_TABLE, TurnState.RUNNING, TurnState),
        (WRITER_TABLE, WriterState.DOWN, WriterState),
    ],
    ids=["prompt", "turn", "writer"],
)
def test_every_state_can_be_reached(
    table: dict[tuple[StrEnum, StrEnum], StrEnum], first: StrEnum, states: type[StrEnum]
) -> None:
    """A table leads from its first state to each of the others."""
    assert reachable(table, first) == set(states)


@pytest.mark.parametrize(
    ("outcome", "state"),
    [
        (Outcome.COMPLETED, PromptState.ANSWERED),
        (Outcome.FAILED, PromptState.FAILED),
        (Outcome.TIMED_OUT, PromptState.FAILED),
        (Outcome.INTERRUPTED, PromptState.CANCELLED),
        (Outcome.UNCERTAIN, PromptState.UNCERTAIN),
    ],
)
def test_outcome_becomes_prompts_state(outcome: Outcome, state: PromptState) -> None:
    """A turn's outcome becomes its prompts' state as the interface says."""
    running = replace(make_prompt(), state=PromptState.RUNNING)
    assert move_prompt(running, outcome, "t1").state is state


@pytest.mark.parametrize("outcome", Outcome)
def test_every_outcome_ends_a_turn(outcome: Outcome) -> None:
    """There is no outcome that a running turn or a running prompt could not have."""
    finished = move_turn(make_turn(), outcome)
    assert (finished.state, finished.outcome) == (TurnState.FINISHED, outcome)
    assert (PromptState.RUNNING, outcome) in PROMPT_TABLE


def test_returned_turn_has_no_outcome() -> None:
    """A turn that never began is neither a success nor a failure, and its prompt waits again without a turn."""
    assert move_turn(make_turn(), TurnMove.RETURNED).outcome is None
    running = move_prompt(make_prompt(), PromptMove.HANDED_OVER, "t1")
    assert running.turn == "t1"
    assert move_prompt(running, PromptMove.RETURNED) == make_prompt()


def next_move(data: st.DataObject, table: dict[tuple[StrEnum, StrEnum], StrEnum], state: StrEnum) -> StrEnum:
    """Draw a move: mostly one that the state allows, so that a walk gets around, else any at all."""
    allowed = [move for origin, move in table if origin is state]
    every = sorted({move for _, move in table})
    is_any = not allowed or data.draw(st.sampled_from([True, False, False, False]))
    return data.draw(st.sampled_from(every if is_any else allowed))


@steadily
@given(st.data())
def test_prompt_walks_by_its_table(data: st.DataObject) -> None:
    """Whatever happens to a prompt, it does what its table says, and what is not there raises."""
    prompt = make_prompt()
    for _ in range(12):
        move: Any = next_move(data, PROMPT_TABLE, prompt.state)  # type: ignore[arg-type]  # dict is invariant
        following = PROMPT_TABLE.get((prompt.state, move))
        if following is None:
            with pytest.raises(LocalProtocolError, match=f"p1 is {prompt.state}, it cannot be {move}"):
                move_prompt(prompt, move)
        else:
            prompt = move_prompt(prompt, move, "t1")
            assert (prompt.state, prompt.turn) == (following, "t1")


@steadily
@given(st.lists(st.sampled_from(TURN_MOVES), max_size=4))
def test_turn_walks_by_its_table(moves: list[TurnMove | Outcome]) -> None:
    """A turn ends once; whatever comes after that raises."""
    turn = make_turn()
    for number, move in enumerate(moves):
        if number:
            with pytest.raises(LocalProtocolError, match=f"t1 is {turn.state}, it cannot be {move}"):
                move_turn(turn, move)
        else:
            turn = move_turn(turn, move)


def test_turn_is_handed_over_only_when_idle() -> None:
    """The only state in which the writer gives the agent a line is the one in which the agent waits for one."""
    assert {state for state, move in WRITER_TABLE if move is WriterInput.HANDED_OVER} == {WriterState.IDLE}


@pytest.mark.parametrize("state", WriterState)
def test_agent_can_go_at_any_time(state: WriterState) -> None:
    """The end of the process is possible in every state, and it is always the same state after it."""
    assert move_writer(state, WriterInput.GONE) is WriterState.DOWN


@pytest.mark.parametrize("state", [state for state in WriterState if state is not WriterState.DOWN])
def test_writer_is_never_stuck(state: WriterState) -> None:
    """From every state in which there is an agent, the writer can get idle again without the agent's end."""
    alive = {row: to for row, to in WRITER_TABLE.items() if row[1] is not WriterInput.GONE}
    assert WriterState.IDLE in reachable(alive, state)  # type: ignore[arg-type]  # dict is invariant in its keys


@steadily
@given(st.data())
def test_writer_walks_by_its_table(data: st.DataObject) -> None:
    """Whatever comes in whatever order, the writer does what its table says, and what cannot come raises."""
    state = WriterState.DOWN
    for _ in range(40):
        move: Any = next_move(data, WRITER_TABLE, state)  # type: ignore[arg-type]  # dict is invariant
        following = WRITER_TABLE.get((state, move))
        if following is None:
            with pytest.raises(LocalProtocolError, match=f"the writer is {state}, {move} cannot come then"):
                move_writer(state, move)
        else:
            state = move_writer(state, move)
            assert state is following


def test_agent_never_holds_two_lines_of_ours() -> None:
    """On every way through the table, a line is with the agent exactly while the writer is busy."""
    seen, open_ends = set[tuple[WriterState, int]](), {(WriterState.DOWN, 0)}
    while open_ends:
        state, held = open_ends.pop()
        assert held == (state is WriterState.BUSY)
        seen.add((state, held))
        for (origin, move), following in WRITER_TABLE.items():
            if origin is state:
                is_over = move in (WriterInput.RESULT, WriterInput.GONE)
                reached = (following, 0 if is_over else held + (move is WriterInput.HANDED_OVER))
                open_ends |= {reached} - seen
    assert {state for state, _ in seen} == set(WriterState)
