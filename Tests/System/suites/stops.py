"""How processes stop: a node drains, a second signal cuts, and each ends with the status that it says (must-hold H50)."""
import os
import signal
import threading
import time

from extra_node import ExtraNode, drain
from nodes import open_api
from support import Backend, Caller, name, until


class Slow(threading.Thread):
    """A call that the backend holds; its whole answer when it is joined."""

    def __init__(self, node, api, seconds):
        super().__init__()
        self.connection, self.answer = node.connect(60), None
        self.connection.sendall(f"GET /{api}/things/1 HTTP/1.1\r\nHost: g\r\nX-Wait: {seconds}\r\n\r\n".encode())
        self.start()

    def run(self):
        with self.connection:
            self.answer = drain(self.connection)


def counted(cluster, api):
    window = "timestamp ge datetime'2020-01-01T00:00:00' and timestamp le datetime'2099-01-01T00:00:00'"
    rows = cluster.get("/reports/byApi", query={"$filter": window, "$top": "1000"}).json["value"]
    return next((row["callCountTotal"] for row in rows if row["apiId"] == f"/apis/{api}"), 0)


def test_H50_a_stop_drains_and_keeps_what_was_counted(cluster):
    backend = Backend()
    api = open_api(cluster, backend)
    with ExtraNode(cluster) as node:
        for number in (signal.SIGHUP, signal.SIGPIPE, signal.SIGHUP):
            node.process.send_signal(number)
        idle = Caller(node.url)
        assert idle.call("GET", f"/{api}/things/1").status == 200
        calls = [Slow(node, api, 1.5) for _ in range(20)]
        assert until(lambda: node.metric("gatehouse_connections_open") >= 21, 10) is not None
        assert until(lambda: backend.waiting >= 21, 10) is not None
        assert node.process.poll() is None, "SIGHUP and SIGPIPE are nothing"
        began = time.monotonic()
        node.process.send_signal(signal.SIGTERM)

        def closed():
            try:
                node.connect(2).close()
                return False
            except OSError:
                return True
        assert until(closed, 5) is not None, "the listener is open"
        assert idle.socket.recv(1) == b"", "an idle connection ends at once"
        for call in calls:
            call.join()
            assert call.answer.startswith(b"HTTP/1.1 200 ") and b"\r\nConnection: close\r\n" in call.answer and call.answer.endswith(b"}"), call.answer
        status = node.process.wait(30)
        assert status == 0, f"status {status}: {node.errors.decode()[-300:]}"
        assert time.monotonic() - began < 25
        assert until(lambda: counted(cluster, api) == 21, 15, 0.1) is not None, counted(cluster, api)


def test_H50_a_second_signal_cuts_at_once(cluster):
    backend = Backend()
    api = open_api(cluster, backend)
    with ExtraNode(cluster) as node:
        assert Caller(node.url).call("GET", f"/{api}/things/1").status == 200
        calls = [Slow(node, api, 20) for _ in range(5)]
        assert until(lambda: backend.waiting >= 6, 10) is not None
        node.process.send_signal(signal.SIGTERM)
        assert until(lambda: not node.ready(), 10) is not None
        node.process.send_signal(signal.SIGTERM)
        status = node.process.wait(15)
        assert status == 1, f"status {status}: {node.errors.decode()[-300:]}"
        for call in calls:
            call.join()
            assert not call.answer.endswith(b"}"), call.answer
        assert until(lambda: counted(cluster, api) >= 1, 15, 0.1) is not None
    with ExtraNode(cluster) as node:
        calls = [Slow(node, api, 20)]
        assert until(lambda: backend.waiting >= 7, 10) is not None
        assert node.stop(signal.SIGTERM, signal.SIGTERM) in (0, 1), "two at once: whichever the kernel makes of them"
        calls[0].join()


def test_H50_a_node_ends_as_it_says(cluster):
    """As soon as it is ready, again and again: no stop is lost, and nothing breaks on the way out."""
    node = ExtraNode(cluster)
    try:
        for turn in range(15):
            node.errors = b""
            status = node.start().stop()
            assert status == 0, f"turn {turn}, status {status}: {node.errors.decode()[-2000:]}"
    finally:
        node.__exit__()


def test_H50_a_controller_is_not_ended_by_a_terminal(cluster):
    pid = cluster.pid("controller")
    for number in (signal.SIGHUP, signal.SIGPIPE):
        os.kill(pid, number)
    assert cluster.ready("controller")
    assert cluster.put(f"/groups/{name('after')}", {"displayName": name("after")}).status == 201
