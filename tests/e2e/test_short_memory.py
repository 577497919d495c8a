"""The kernel has no memory for another connection: who is there is served, and who comes is once there is some."""

import socket
from pathlib import Path

from tests.support.daemon import Site
from tests.support.injection import failing
from tests.support.patience import PATIENCE_S

SHORT = """
from concordiad.core.lines import LineSplitter
feed = LineSplitter.feed
def short(splitter, chunk):
    if b"more than there is" in chunk:
        raise MemoryError
    return feed(splitter, chunk)
LineSplitter.feed = short
"""
"""What Python runs at the start of the daemon, whose memory is too short for one request from then on."""


def test_want_of_memory_at_accept_harms_nobody_who_is_there(site: Site) -> None:
    """Of hosts and guests: nobody new is let in meanwhile, the log says why, and nobody was turned away."""
    site.configure({"guests": {"listen": "127.0.0.1:0"}})
    with site.running() as daemon:
        port = int(daemon.wait_for_log("door_opened").partition("127.0.0.1:")[2].partition('"')[0])
        bystander = daemon.follow()
        bystander.finished(bystander.submit("[[text:up]]")["id"])
        with failing(daemon.process.pid, "accept4", "ENOMEM"):
            host = daemon.connect()
            number = host.request("daemon.status")
            guest = socket.create_connection(("127.0.0.1", port), PATIENCE_S)
            guest.sendall(b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n\r\n" % port)
            for listener in ("control socket", "door"):
                assert "short of memory" in daemon.wait_for_log(f'"listener": "{listener}"')
            for _ in range(2):
                assert bystander.call("daemon.status")["daemon"]["pid"] == daemon.process.pid
                assert bystander.finished(bystander.submit("[[text:as ever]]")["id"])["answer"] == "as ever"
        assert host.receive()["id"] == number
        with guest:
            assert guest.recv(4096).startswith(b"HTTP/1.1 200 ")


def test_want_of_memory_for_a_request_ends_that_connection_alone(site: Site, tmp_path: Path) -> None:
    """Everybody else is served, and the log says what it was."""
    (tmp_path / "sitecustomize.py").write_text(SHORT)
    site.environment["PYTHONPATH"] = str(tmp_path)
    with site.running() as daemon:
        bystander = daemon.follow()
        with daemon.connect() as host:
            host.request("prompt.submit", text="more than there is")
            assert host.read_to_end() == []
        assert '"MemoryError"' in daemon.wait_for_log("connection_failed")
        assert bystander.finished(bystander.submit("[[text:as ever]]")["id"])["answer"] == "as ever"
