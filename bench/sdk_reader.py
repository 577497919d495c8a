"""
The other side of P1 and P2, a process of its own under the interpreter of bench.peers: claude-agent-sdk's own reader.

`python sdk_reader.py transport|client PROGRAM LIMIT` lets the package start PROGRAM, a script that writes the file to
its stdout, as it starts the CLI: over asyncio, its default. `transport` takes the messages from the transport as soon
as they are parsed; `client` goes the way of `ClaudeSDKClient.receive_messages`: the query's routing, its channel, and a
typed object for each message. Prints the wall and CPU seconds and the number of messages.
"""

import asyncio
import json
import sys
import time
from importlib import import_module
from typing import Any

sdk: Any = import_module("claude_agent_sdk")
internal = "claude_agent_sdk._internal"
transports: Any = import_module(f"{internal}.transport.subprocess_cli")
queries: Any = import_module(f"{internal}.query")
parser: Any = import_module(f"{internal}.message_parser")


async def _read(way: str, program: str, limit_bytes: int) -> int:
    options = sdk.ClaudeAgentOptions(cli_path=program, max_buffer_size=limit_bytes)
    transport = transports.SubprocessCLITransport(prompt="", options=options)
    await transport.connect()
    messages = 0
    if way == "transport":
        async for _ in transport.read_messages():
            messages += 1
        await transport.close()
        return messages
    query = queries.Query(transport=transport, is_streaming_mode=True)
    await query.start()
    async for message in query.receive_messages():
        parser.parse_message(message)
        messages += 1
    await query.close()
    return messages


def main() -> None:
    """Read once."""
    cpu, wall = time.process_time(), time.perf_counter()
    messages = asyncio.run(_read(sys.argv[1], sys.argv[2], int(sys.argv[3])))
    figures = {
        "wall_s": time.perf_counter() - wall,
        "cpu_s": time.process_time() - cpu,
        "messages": messages,
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
