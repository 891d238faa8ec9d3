"""What the suites share: the cluster as cluster.json tells of it, management over REST and by Azure's SDK, a raw HTTP
caller, a backend that counts, and polling."""
import contextlib
import http.server
import json
import os
import pathlib
import shutil
import signal
import socket
import sqlite3
import ssl
import subprocess
import tempfile
import threading
import time
import urllib.parse
import uuid

import requests
from ports import free_base

PROJECT = pathlib.Path(__file__).resolve().parents[2]
BINARIES = pathlib.Path(os.environ["GATEHOUSE_BINARIES"])



class Skipped(Exception):
    """What a test needs is not here; its text says what."""


def needs_crash_points():
    """Named crash points are in debug executables alone (Sources/CrashPoints)."""
    for name in ("gatehouse-controller", "gatehouse-gateway"):
        if b"GATEHOUSE_CRASH_AT" not in (BINARIES / name).read_bytes():
            raise Skipped(f"{name} has no crash points: it is no debug build")


VERSION = "2024-05-01"
KEY = "Ocp-Apim-Subscription-Key"
MISSING = b'{ "statusCode": 401, "message": "Access denied due to missing subscription key. Make sure to include subscription key when making requests to an API." }'
INVALID = b'{ "statusCode": 401, "message": "Access denied due to invalid subscription key. Make sure to provide a valid key for an active subscription." }'
NOT_FOUND = b'{ "statusCode": 404, "message": "Resource not found" }'


def until(condition, seconds, every=0.01):
    """Seconds until the condition held; None if it never did."""
    start = time.monotonic()
    while True:
        if condition():
            return time.monotonic() - start
        if time.monotonic() - start > seconds:
            return None
        time.sleep(every)


def alive(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] not in "ZX"
    except OSError:
        return False


class Reply:
    def __init__(self, raw):
        head, _, self.body = raw.partition(b"\r\n\r\n")
        lines = head.split(b"\r\n")
        self.status_line = lines[0].decode()
        self.status = int(lines[0].split()[1]) if lines[0] else 0
        self.fields = {name.decode().lower(): value.strip().decode() for name, _, value in (line.partition(b":") for line in lines[1:])}
        self.raw = raw


class Caller:
    """A connection that sends exactly what it is told and reads one answer."""

    def __init__(self, url, ca=None):
        parts = urllib.parse.urlsplit(url)
        self.address, self.host = (parts.hostname, parts.port), parts.netloc
        self.context = ssl.create_default_context(cafile=ca) if parts.scheme == "https" else None
        self.socket = None

    def connect(self):
        self.socket = socket.create_connection(self.address, timeout=20)
        if self.context:
            self.socket = self.context.wrap_socket(self.socket, server_hostname=self.address[0])

    def call(self, method, target, fields=(), body=None):
        lines = [f"{method} {target} HTTP/1.1", f"Host: {self.host}", *(f"{n}: {v}" for n, v in dict(fields).items())]
        if body is not None:
            lines.append(f"Content-Length: {len(body)}")
        self.sent = "\r\n".join(lines).encode() + b"\r\n\r\n" + (body or b"")
        if self.socket is None:
            self.connect()
        self.socket.sendall(self.sent)
        raw = b""
        while b"\r\n\r\n" not in raw:
            piece = self.socket.recv(65536)
            if not piece:
                raise ConnectionError("closed before a head")
            raw += piece
        reply = Reply(raw)
        length = int(reply.fields.get("content-length", 0)) if method != "HEAD" else 0
        while len(reply.body) < length:
            piece = self.socket.recv(65536)
            if not piece:
                raise ConnectionError("closed inside a body")
            reply.body += piece
            reply.raw += piece
        if reply.fields.get("connection", "").lower() == "close":
            self.close()
        return reply

    def close(self):
        if self.socket:
            self.socket.close()
        self.socket = None


class Backend:
    """Echoes method, target and fields as JSON, with the status that X-Want asks for."""

    def __init__(self, fields=()):
        backend, self.fields = self, fields

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self):
                sent = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                with backend.lock:
                    backend.waiting += 1
                time.sleep(float(self.headers.get("X-Wait", 0)))
                body = json.dumps({"method": self.command, "target": self.path, "fields": {n.lower(): v for n, v in self.headers.items()}, "body": sent.decode()}).encode()
                with backend.lock:
                    backend.count += 1
                self.send_response(int(self.headers.get("X-Want", 200)))
                self.send_header("Content-Length", str(len(body)))
                for field, value in backend.fields:
                    self.send_header(field, value)
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(body)

            do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = do_OPTIONS = answer

            def log_message(self, *_):
                pass

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 256

        # `waiting`: requests that came in whole, answered or not.
        self.lock, self.count, self.waiting = threading.Lock(), 0, 0
        self.server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


class Answer:
    def __init__(self, response):
        self.status, self.text, self.headers = response.status_code, response.text, response.headers
        try:
            self.json = response.json()
        except ValueError:
            self.json = None
        error = self.json.get("error") if isinstance(self.json, dict) else None
        self.error = error if isinstance(error, dict) else {}
        self.code = self.error.get("code")
        self.targets = [detail.get("target") for detail in self.error.get("details") or []]
        self.etag = self.headers.get("ETag")
        revision = self.headers.get("Gatehouse-Revision", "")
        self.revision = int(revision) if revision.isdigit() else None


class Cluster:
    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.ca = str(self.folder / "ca.pem")
        self.secret = (self.folder / "owner.secret").read_text().strip()
        self.session = self.new_session()
        self.read()
        self._tokens = {}

    def new_session(self):
        session = requests.Session()
        session.trust_env, session.verify = False, self.ca
        return session

    def read(self):
        document = json.loads((self.folder / "cluster.json").read_text())
        self.document, self.url, self.service = document, document["controller"]["url"], document["service"]["id"]
        self.tenant, self.client = document["token"]["tenantId"], document["token"]["clientId"]
        self.nodes = document["nodes"]
        self.where = (document["service"]["resourceGroup"], document["service"]["name"])
        return document

    # -- tokens and SDK
    def request_token(self, client, secret, scope="https://management.azure.com/.default"):
        return self.new_session().post(f"{self.url}/{self.tenant}/oauth2/v2.0/token", timeout=10, data={
            "grant_type": "client_credentials", "client_id": client, "client_secret": secret, "scope": scope})

    def token(self, client=None, secret=None):
        key = (client or self.client, secret or self.secret)
        if key not in self._tokens:
            answer = self.request_token(*key)
            assert answer.status_code == 200, answer.text
            self._tokens[key] = answer.json()["access_token"]
        return self._tokens[key]

    def credential(self):
        from azure.identity import ClientSecretCredential
        return ClientSecretCredential(self.tenant, self.client, self.secret, authority=self.url, disable_instance_discovery=True, connection_verify=self.ca, use_env_settings=False)

    def sdk(self):
        from azure.mgmt.apimanagement import ApiManagementClient
        return ApiManagementClient(self.credential(), self.document["service"]["subscriptionId"], base_url=self.url, connection_verify=self.ca,
                                   credential_scopes=["https://management.azure.com/.default"], retry_total=0, use_env_settings=False)

    # -- REST
    def rest(self, method, path, body=None, headers=None, token=None, version=VERSION, data=None, query=None):
        """path below the service; "~" before it: below the root."""
        url = self.url + path[1:] if path.startswith("~") else path if path.startswith("https:") else self.url + self.service + path
        send = {"Authorization": f"Bearer {self.token() if token is None else token}", **(headers or {})}
        if token == "":
            send.pop("Authorization")
        if method in ("PATCH", "DELETE"):
            send.setdefault("If-Match", "*")
        if body is not None:
            data, send["Content-Type"] = json.dumps(body), send.get("Content-Type", "application/json")
        parameters = {**({"api-version": version} if version and "api-version=" not in url else {}), **(query or {})}
        return Answer(self.session.request(method, url, data=data, params=parameters, timeout=60, headers={n: v for n, v in send.items() if v is not None}))

    def put(self, path, properties=None, **more):
        return self.rest("PUT", path, {"properties": properties} if properties is not None else {}, **more)

    def get(self, path, **more):
        return self.rest("GET", path, **more)

    def post(self, path, body=None, **more):
        return self.rest("POST", path, body, **more)

    def delete(self, path, **more):
        return self.rest("DELETE", path, **more)

    def made(self, path, properties=None, **more):
        answer = self.put(path, properties, **{"headers": {"Prefer": "wait=10"}, **more})
        assert answer.status in (200, 201), f"PUT {path}: {answer.status} {answer.text[:300]}"
        return answer

    def key(self, subscription):
        return self.post(f"/subscriptions/{subscription}/listSecrets").json["primaryKey"]

    def subscribe(self, name, scope, **more):
        self.made(f"/subscriptions/{name}", {"displayName": name, "scope": scope, **more})
        return self.key(name)

    def shop(self, name, backend, operations=(("GET", "/things/{id}"), ("POST", "/things"))):
        """An API with operations, for suites that need one."""
        self.made(f"/apis/{name}", {"displayName": name, "path": name, "serviceUrl": backend.url, "protocols": ["http", "https"]})
        for number, (method, template) in enumerate(operations):
            names = [part.split("}")[0] for part in template.split("{")[1:]]
            self.made(f"/apis/{name}/operations/op{number}", {"displayName": f"{method} {template}", "method": method, "urlTemplate": template,
                                                              "templateParameters": [{"name": n, "type": "string"} for n in names]})
        return name

    def callers(self, scheme="http"):
        return [(node["name"], Caller(node[scheme], self.ca)) for node in self.nodes]

    # -- processes
    def pid(self, name):
        document = self.read()
        return document["controller"]["pid"] if name == "controller" else next(n["pid"] for n in document["nodes"] if n["name"] == name)

    def kill(self, name):
        """kill -9; gives what starts it again."""
        command = self.command(name)
        pid = self.pid(name)
        os.kill(pid, signal.SIGKILL)
        assert until(lambda: not alive(pid), 10) is not None
        return lambda: self.start(name, command)

    def command(self, name):
        pid = self.pid(name)
        return [part.decode() for part in pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[:-1]]

    def start(self, name, command, environment=None, dies=False):
        """Starts a process again; where it is told to die (a crash point), gives its number and does not wait."""
        with open(self.folder / f"{name}.again.log", "ab") as log:
            child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, env={**os.environ, **(environment or {})})
        threading.Thread(target=child.wait, daemon=True).start()
        document = self.read()
        entry = document["controller"] if name == "controller" else next(n for n in document["nodes"] if n["name"] == name)
        entry["pid"] = child.pid
        (self.folder / "cluster.json").write_text(json.dumps(document))
        if not dies:
            assert until(lambda: self.ready(name) or not alive(child.pid), 60) is not None and alive(child.pid), f"{name} is not ready"
        return child

    def ready(self, name):
        try:
            url = f"{self.url}/readyz" if name == "controller" else next(n["status"] for n in self.nodes if n["name"] == name) + "/readyz"
            return self.new_session().get(url, timeout=2).status_code == 200
        except requests.RequestException:
            return False


@contextlib.contextmanager
def own_cluster(nodes=1):
    """A cluster for one test, which goes with it."""
    work = pathlib.Path(tempfile.mkdtemp(prefix="gatehouse-own-"))
    quickstart = [str(PROJECT / "ops/quickstart"), "--dir", str(work / "c"), "--port-base", str(free_base())]
    try:
        subprocess.run([*quickstart, "--empty", "--nodes", str(nodes), "--detach"], check=True, stdout=subprocess.DEVNULL)
        yield Cluster(work / "c")
    finally:
        subprocess.run([*quickstart, "--stop"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        shutil.rmtree(work, ignore_errors=True)


def sound(database):
    """integrity_check and the revisions: one for each commit."""
    with contextlib.closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True, timeout=10)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        low, high, count = connection.execute("SELECT min(revision), max(revision), count(DISTINCT revision) FROM change").fetchone()
        assert high - low + 1 == count, (low, high, count)
        assert connection.execute("SELECT count(*) FROM resource WHERE revision NOT IN (SELECT revision FROM change)").fetchone() == (0,)


def controller(*arguments, environment=None):
    """Runs gatehouse-controller; gives status, output and errors."""
    done = subprocess.run([str(BINARIES / "gatehouse-controller"), *map(str, arguments)], capture_output=True, text=True, stdin=subprocess.DEVNULL, env={**os.environ, **(environment or {})}, timeout=60)
    return done.returncode, done.stdout, done.stderr


def name(text):
    return f"{text}-{uuid.uuid4().hex[:6]}"


def policy(inbound="", outbound="", base="<base />"):
    return {"format": "rawxml", "value": f"<policies><inbound>{base}{inbound}</inbound><backend>{'<base />' if base else '<forward-request />'}</backend><outbound>{base}{outbound}</outbound><on-error>{base}</on-error></policies>"}


def header(field, value, action="append"):
    return f'<set-header name="{field}" exists-action="{action}"><value>{value}</value></set-header>'
