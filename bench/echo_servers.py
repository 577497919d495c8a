"""
The servers that C1 is compared with, processes of their own: `python echo_servers.py raw|trio|uvloop PATH`.

All listen on a Unix socket and answer each line with a line: `raw` and `trio` with the same bytes, from sockets that
block and from Trio; `uvloop` with a JSON-RPC answer to what it has parsed, from asyncio on uvloop.
"""

import asyncio
import json
import socket
import sys
from importlib import import_module
from typing import Any


def serve_raw(path: str) -> None:
    """Echo to one client after the other."""
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(path)
        listening.listen()
        while True:
            client, _ = listening.accept()
            with client:
                while line := client.recv(65536):
                    client.sendall(line)


async def serve_trio(path: str) -> None:
    """Echo to everybody."""
    trio: Any = import_module("trio")

    async def echo(stream: Any) -> None:
        async with stream:
            while line := await stream.receive_some(65536):
                await stream.send_all(line)

    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(path)
        listening.listen()
        await trio.serve_listeners(echo, [trio.SocketListener(trio.socket.from_stdlib_socket(listening))])


async def serve_uvloop(path: str) -> None:
    """Answer everybody."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            request = json.loads(line)
            reply = {"jsonrpc": "2.0", "id": request["id"], "result": request["params"]}
            writer.write(json.dumps(reply).encode() + b"\n")
            await writer.drain()
        writer.close()

    server = await asyncio.start_unix_server(answer, path)
    await server.serve_forever()


if __name__ == "__main__":
    if sys.argv[1] == "raw":
        serve_raw(sys.argv[2])
    elif sys.argv[1] == "trio":
        import_module("trio").run(serve_trio, sys.argv[2])
    else:
        uvloop: Any = import_module("uvloop")
        uvloop.run(serve_uvloop(sys.argv[2]))
