"""
Connect to the control socket again and again, until standard input has ended, and count who answers and who refuses.

Arguments: the socket. It says `answered in turn N` once an answer came after the Nth line on standard input, and at the
end one JSON object. It runs in a machine, and so has nothing but Python.
"""

import json
import os
import select
import socket
import sys
from typing import Any

REQUEST = b'{"jsonrpc":"2.0","id":1,"method":"daemon.status"}\n'
ROUNDS = 3


def knock(path: str) -> tuple[str, Any]:
    """Connect and ask once; tells what came of it, and what was answered."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as stream:
        stream.settimeout(120)
        try:
            stream.connect(path)
        except OSError as error:
            return "refused", str(error)
        try:
            stream.sendall(REQUEST)
            line = stream.makefile("rb").readline()
        except OSError as error:
            return "dropped", str(error)
    answer = json.loads(line) if line.endswith(b"\n") else {}
    return ("answered", answer["result"]["daemon"]["pid"]) if "result" in answer else ("dropped", line.decode())


def main() -> None:
    """Knock until the last restart is over and one more answer has come."""
    counts = {"answered": 0, "dropped": 0, "refused": 0}
    pids = set()
    heard = said = 0
    while True:
        outcome, what = knock(sys.argv[1])
        counts[outcome] += 1
        if outcome == "answered":
            pids.add(what)
            if said == heard and said < ROUNDS:
                print(f"answered in turn {said}", flush=True)
                said += 1
            elif said == heard:
                break
        while heard < ROUNDS and select.select([0], [], [], 0)[0]:
            heard += os.read(0, 100).count(b"\n")
    print(json.dumps({**counts, "pids": len(pids)}))


main()
