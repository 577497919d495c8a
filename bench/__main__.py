"""Measure Concordia against its peers, everything in one run, and print one table: `make bench`."""

import argparse
from collections.abc import Callable, Sequence
from typing import Final

from bench.a1_joins import measure_joins
from bench.c1_control_round_trip import measure_control_round_trip
from bench.c2_submit import measure_submit
from bench.d1_near_duplicates import measure_near_duplicates
from bench.d2_held_loop import measure_held_loop
from bench.e1_whole_way import measure_whole_way
from bench.f5_stopped_guest import measure_stopped_guest
from bench.f_fan_out import measure_bursts, measure_fan_out, measure_latency, measure_one_guest
from bench.g1_thousand_guests import measure_thousand_guests
from bench.i1_idle import measure_idle
from bench.j1_group_commit import measure_group_commit
from bench.j2_journal_latency import measure_journal_latency
from bench.machine import describe_machine
from bench.p1_pump import measure_pump
from bench.p2_long_lines import measure_long_lines
from bench.r10_rooms import measure_rooms
from bench.table import Row, render_json, render_text
from bench.w1_warm_room import measure_warm_room

BENCHMARKS: Final[dict[str, Callable[[], Sequence[Row]]]] = {
    "W1": measure_warm_room,
    "J1": measure_group_commit,
    "J2": measure_journal_latency,
    "P1": measure_pump,
    "P2": measure_long_lines,
    "C1": measure_control_round_trip,
    "C2": measure_submit,
    "D1": measure_near_duplicates,
    "D2": measure_held_loop,
    "R10": measure_rooms,
    "F1": measure_fan_out,
    "F2": measure_bursts,
    "F3": measure_latency,
    "F4": measure_one_guest,
    "F5": measure_stopped_guest,
    "E1": measure_whole_way,
    "I1": measure_idle,
    "A1": measure_joins,
    "G1": measure_thousand_guests,
}


def main() -> None:
    """Run what was asked for."""
    parser = argparse.ArgumentParser(prog="python -m bench", description="Measure Concordia against its peers.")
    parser.add_argument("ids", nargs="*", metavar="ID", help=f"what to run (default: {' '.join(BENCHMARKS)})")
    parser.add_argument("--json", action="store_true", help="print JSON instead of text")
    arguments = parser.parse_args()
    unknown = sorted(set(arguments.ids) - BENCHMARKS.keys())
    if unknown:
        parser.error(f"there is no benchmark {unknown[0]!r}: choose from {' '.join(BENCHMARKS)}")
    machine = describe_machine()
    rows = [row for name in arguments.ids or BENCHMARKS for row in BENCHMARKS[name]()]
    print((render_json if arguments.json else render_text)(machine, rows))


if __name__ == "__main__":
    main()
