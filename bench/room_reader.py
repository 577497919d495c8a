"""
Somebody who follows one room to the end of its next turn: `python -m bench.room_reader SOCKET ROOM`.

Says `ready` once it follows. Checks that the numbers have no gap, that each block's deltas are its text, and that all
texts are a count without a gap (bench.busy_agent); prints how many of each came.
"""

import json
import sys
from collections import Counter
from pathlib import Path

from tests.support.control_client import ControlClient


def main() -> None:
    """Follow, and print what came."""
    room = sys.argv[2]
    with ControlClient(Path(sys.argv[1])) as client:
        seq = client.call("events.subscribe", room=room)["cursor"]["seq"]
        print("ready", flush=True)
        counts: Counter[str] = Counter()
        pieces: dict[int, str] = {}
        said = ""
        while True:
            event = client.receive()["params"]
            counts[event["type"]] += 1
            if "seq" in event:
                counts["gaps"] += event["seq"] != seq + 1
                seq = event["seq"]
            if event["type"] == "agent.delta":
                have = pieces.get(event["block"], "")
                counts["lost deltas"] += event["offset"] != len(have)
                pieces[event["block"]] = have + event["text"]
            elif event["type"] == "agent.text":
                counts["wrong texts"] += pieces.pop(event["block"], None) != event["text"]
                said += event["text"]
            elif event["type"] == "turn.finished":
                break
    numbers = said.split()
    counts["numbers"] = len(numbers)
    counts["wrong numbers"] = sum(number != str(place) for place, number in enumerate(numbers))
    print(json.dumps(counts))


if __name__ == "__main__":
    main()
