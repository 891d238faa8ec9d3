"""A cluster whose processes are killed and started again: management over REST, calls to nodes, a backend."""
import http.client
import http.server
import json
import os
import pathlib
import signal
import socket
import ssl
import subprocess
import threading
import time
import urllib.parse

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
API_VERSION = "2024-05-01"
KEY = "Ocp-Apim-Subscription-Key"


def until(condition, seconds, every=0.02):
    """Whether the condition came to hold in time."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(every)
    return True


class Lost(Exception):
    """The connection ended before the whole answer was there: nobody knows what became of the request."""


class NotSent(Exception):
    """Nobody listens: the request did not leave."""


class Backend:
    """Answers each request with 200 and "ok"."""

    def __init__(self):
        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_GET(self):
                self.send_response(200)
                self.send_header("Content-Length", "2")
                self.end_headers()
                self.wfile.write(b"ok")

            def log_message(self, *_):
                pass

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 256

            def handle_error(self, *_):
                """A gateway that was killed has left a call."""

        server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{server.server_address[1]}"
        threading.Thread(target=server.serve_forever, daemon=True).start()


class Connection:
    """One connection that is made again where it ended. Not shared between threads."""

    def __init__(self, url, context=None):
        self.parts, self.context, self.connection = urllib.parse.urlsplit(url), context, None

    def send(self, method, target, body=None, headers=()):
        """Status, fields and body; NotSent or Lost."""
        if self.connection is None:
            if self.context:
                self.connection = http.client.HTTPSConnection(self.parts.hostname, self.parts.port, timeout=60, context=self.context)
            else:
                self.connection = http.client.HTTPConnection(self.parts.hostname, self.parts.port, timeout=60)
            try:
                self.connection.connect()
                self.connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            except OSError as error:
                self.close()
                raise NotSent(str(error)) from error
        try:
            self.connection.request(method, target, body, dict(headers))
            answer = self.connection.getresponse()
            return answer.status, answer.headers, answer.read()
        except (OSError, http.client.HTTPException) as error:
            self.close()
            raise Lost(str(error)) from error

    def close(self):
        if self.connection:
            self.connection.close()
        self.connection = None


class Management:
    """Management over REST as the owner; one for each thread."""

    def __init__(self, cluster):
        self.cluster, self.connection, self.token, self.signed_in = cluster, Connection(cluster.url, cluster.context), None, 0

    def sign_in(self):
        form = urllib.parse.urlencode({"grant_type": "client_credentials", "client_id": self.cluster.client, "client_secret": self.cluster.secret,
                                       "scope": "https://management.azure.com/.default"})
        status, _, body = self.connection.send("POST", f"/{self.cluster.tenant}/oauth2/v2.0/token", form, {"Content-Type": "application/x-www-form-urlencoded"})
        if status != 200:
            raise Lost(f"the owner can't sign in: {status}")
        self.token, self.signed_in = json.loads(body)["access_token"], time.monotonic()

    def call(self, method, path, body=None, headers=()):
        """Status, fields and what the body says; NotSent or Lost."""
        try:
            if not self.token or time.monotonic() - self.signed_in > 1800:
                self.sign_in()
        except Lost as error:
            raise NotSent(str(error)) from error
        send = {"Authorization": f"Bearer {self.token}", **dict(headers)}
        if method in ("PATCH", "DELETE"):
            send["If-Match"] = "*"
        data = None
        if body is not None:
            data, send["Content-Type"] = json.dumps(body), "application/json"
        elif method == "POST":
            send["Content-Length"] = "0"
        status, fields, text = self.connection.send(method, f"{self.cluster.service}{path}{'&' if '?' in path else '?'}api-version={API_VERSION}", data, send)
        try:
            return status, fields, json.loads(text) if text else None
        except ValueError:
            return status, fields, None

    def done(self, method, path, properties=None, headers=()):
        """A call that must succeed, as often as it takes."""
        while True:
            try:
                status, fields, body = self.call(method, path, None if properties is None else {"properties": properties}, headers)
            except (NotSent, Lost):
                time.sleep(0.05)
                continue
            if status >= 300:
                raise AssertionError(f"{method} {path}: {status} {body}")
            return body, fields


class Part:
    """A process of the cluster."""

    def __init__(self, name, pid, ready_url, context, log):
        self.name, self.pid, self.ready_url, self.context, self.log, self.child, self.life = name, pid, ready_url, context, log, None, 0
        self.command = [word.decode() for word in pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[:-1]]

    def is_alive(self):
        if self.child:
            return self.child.poll() is None
        try:
            return pathlib.Path(f"/proc/{self.pid}/stat").read_text().rsplit(")", 1)[1].split()[0] not in "ZX"
        except OSError:
            return False

    def kill(self):
        os.kill(self.pid, signal.SIGKILL)
        if not until(lambda: not self.is_alive(), 10, 0.001):
            raise AssertionError(f"{self.name} survives SIGKILL")

    def start(self, environment=None):
        with open(self.log, "ab") as log:
            self.child = subprocess.Popen(self.command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=log, start_new_session=True,
                                          env={**os.environ, **(environment or {})})
        self.pid = self.child.pid
        self.life += 1

    def state(self):
        """What /readyz says; None where nobody answers or it is not ready."""
        connection = Connection(self.ready_url, self.context)
        try:
            status, _, body = connection.send("GET", "/readyz")
            return body if status == 200 else None
        except (NotSent, Lost):
            return None
        finally:
            connection.close()

    def version(self):
        try:
            return int(json.loads(self.state() or b"{}")["version"])
        except (ValueError, KeyError):
            return -1

    def end_of_log(self):
        return pathlib.Path(self.log).read_text(errors="replace").strip().splitlines()[-5:]


class Cluster:
    """One controller and two nodes in a folder of their own, started by ops/quickstart."""

    def __init__(self, folder, binaries, base):
        self.folder = pathlib.Path(folder)
        self.quickstart = [str(ROOT / "ops/quickstart"), "--dir", str(folder), "--port-base", str(base)]
        subprocess.run([*self.quickstart, "--empty", "--detach"], check=True, stdout=subprocess.DEVNULL, env={**os.environ, "GATEHOUSE_BINARIES": str(binaries)})
        document = json.loads((self.folder / "cluster.json").read_text())
        self.url, self.service = document["controller"]["url"], document["service"]["id"]
        self.tenant, self.client = document["token"]["tenantId"], document["token"]["clientId"]
        self.secret = (self.folder / "owner.secret").read_text().strip()
        self.context = ssl.create_default_context(cafile=str(self.folder / "ca.pem"))
        self.database = self.folder / "controller" / "store.db"
        self.controller = Part("controller", document["controller"]["pid"], self.url, self.context, self.folder / "controller.log")
        self.nodes = [Part(node["name"], node["pid"], node["status"], None, self.folder / f"{node['name']}.log") for node in document["nodes"]]
        for part, node in zip(self.nodes, document["nodes"]):
            part.url = node["http"]
        self.parts = {part.name: part for part in (self.controller, *self.nodes)}
        self.binaries = pathlib.Path(binaries)

    def stop(self):
        for part in reversed(list(self.parts.values())):
            if part.is_alive():
                part.kill()
