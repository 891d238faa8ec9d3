"""A gateway node beside the cluster's own, with options of its own."""
import resource
import shutil
import signal
import socket
import subprocess
import threading

import requests

from support import BINARIES, name, until


class ExtraNode:
    """A node beside the cluster's own, with options of its own; `with` ends it."""

    def __init__(self, cluster, *options, descriptors=None, folder=None):
        self.cluster, self.label = cluster, name("extra")
        self.folder = folder or cluster.folder / self.label
        ports = []
        for _ in range(3):
            # The kernel's choice; held until all three are known, so that they differ.
            probe = socket.socket()
            probe.bind(("127.0.0.1", 0))
            ports.append(probe)
        self.port, self.secure, status = (probe.getsockname()[1] for probe in ports)
        for probe in ports:
            probe.close()
        self.url, self.status = f"http://127.0.0.1:{self.port}", f"http://127.0.0.1:{status}"
        self.command = [str(BINARIES / "gatehouse-gateway"), "serve", "--directory", str(self.folder), "--controller", cluster.document["controller"]["nodeUrl"], "--ca", cluster.ca,
                        "--token-file", str(cluster.folder / "gateway.token"), "--name", self.label, "--http", f"127.0.0.1:{self.port}", "--https", f"127.0.0.1:{self.secure}",
                        "--status", f"127.0.0.1:{status}", "--access-log", "off", *map(str, options)]
        self.descriptors, self.process, self.errors = descriptors, None, b""

    def limit(self):
        if self.descriptors:
            resource.setrlimit(resource.RLIMIT_NOFILE, (self.descriptors, self.descriptors))

    def start(self, waits=True):
        self.process = subprocess.Popen(self.command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, preexec_fn=self.limit)
        threading.Thread(target=self.read, args=(self.process,), daemon=True).start()
        if waits:
            assert until(self.ready, 30, 0.05) is not None, f"not ready: {self.errors.decode()}"
        return self

    def read(self, process):
        for line in process.stderr:
            self.errors += line

    def ready(self):
        try:
            return self.cluster.new_session().get(f"{self.status}/readyz", timeout=2).status_code == 200
        except requests.RequestException:
            return False

    def metric(self, text):
        lines = self.cluster.new_session().get(f"{self.status}/metrics", timeout=5).text.splitlines()
        return float(next(line.rsplit(" ", 1)[1] for line in lines if line.startswith(text)))

    def connect(self, timeout=20):
        return socket.create_connection(("127.0.0.1", self.port), timeout=timeout)

    def stop(self, *signals, seconds=60):
        for number in signals or (signal.SIGTERM,):
            self.process.send_signal(number)
        return self.process.wait(seconds)

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(20)
        shutil.rmtree(self.folder, ignore_errors=True)


def drain(connection):
    """Everything up to the end of the connection; what came before a reset counts."""
    whole = b""
    try:
        while piece := connection.recv(65536):
            whole += piece
    except ConnectionResetError:
        pass
    return whole
