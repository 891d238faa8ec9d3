"""What `ops/bench cluster` talks with: the management API over connections that stay open, nodes, and /proc."""
import http.client
import json
import os
import pathlib
import re
import ssl
import statistics
import threading
import time
import urllib.parse
import urllib.request

API_VERSION = "2024-05-01"
KEY = "Ocp-Apim-Subscription-Key"


class Failure(Exception):
    pass


class Cluster:
    """A cluster as cluster.json tells of it, spoken to as its owner. One connection a thread."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.document = json.loads((self.folder / "cluster.json").read_text())
        controller = urllib.parse.urlsplit(self.document["controller"]["url"])
        self.address, self.service = (controller.hostname, controller.port), self.document["service"]["id"]
        self.context = ssl.create_default_context(cafile=self.folder / "ca.pem")
        self.local = threading.local()
        self.sign_in()

    def sign_in(self):
        token = self.document["token"]
        form = urllib.parse.urlencode({
            "grant_type": "client_credentials", "client_id": token["clientId"], "scope": token["scope"],
            "client_secret": (self.folder / token["clientSecretFile"]).read_text().strip()}).encode()
        url = f"{token['authority']}/{token['tenantId']}/oauth2/v2.0/token"
        with urllib.request.urlopen(urllib.request.Request(url, form), context=self.context) as answer:
            self.token = json.load(answer)["access_token"]

    def send(self, method, path, body=None, again=True):
        """Status, JSON and headers; `path` is below the service."""
        connection = getattr(self.local, "connection", None)
        if connection is None:
            connection = self.local.connection = http.client.HTTPSConnection(*self.address, context=self.context, timeout=120)
        headers = {"Authorization": f"Bearer {self.token}"}
        if body is not None:
            headers["Content-Type"] = "application/json"
        if method in ("PATCH", "DELETE"):
            headers["If-Match"] = "*"
        joint = "&" if "?" in path else "?"
        try:
            connection.request(method, f"{self.service}{path}{joint}api-version={API_VERSION}", json.dumps(body) if body is not None else None, headers)
            answer = connection.getresponse()
            text = answer.read()
        except (OSError, http.client.HTTPException):
            self.local.connection = None
            if again and method in ("GET", "PUT"):
                return self.send(method, path, body, again=False)
            raise
        return answer.status, json.loads(text) if text else None, answer.headers

    def made(self, method, path, body=None):
        status, document, headers = self.send(method, path, body)
        if status not in (200, 201, 202, 204):
            raise Failure(f"{method} {path}: {status} {str(document)[:300]}")
        return document, headers

    def put(self, path, properties):
        return self.made("PUT", path, {"properties": properties})

    @property
    def nodes(self):
        return self.document["nodes"]


class Caller:
    """A connection to a node's http listener that stays open."""

    def __init__(self, url):
        parts = urllib.parse.urlsplit(url)
        self.address, self.connection = (parts.hostname, parts.port), None

    def get(self, path, key=None):
        for attempt in range(2):
            if self.connection is None:
                self.connection = http.client.HTTPConnection(*self.address, timeout=30)
            try:
                self.connection.request("GET", path, headers={KEY: key} if key else {})
                answer = self.connection.getresponse()
                answer.read()
                return answer
            except (OSError, http.client.HTTPException):
                self.connection = None
                if attempt:
                    raise


def fetch(url):
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(url, timeout=10) as answer:
        return answer.read().decode()


def bytes_received(node):
    return int(re.search(r"^gatehouse_controller_bytes_received_total (\d+)", fetch(node["status"] + "/metrics"), re.M).group(1))


def readiness(node):
    try:
        return json.loads(fetch(node["status"] + "/readyz"))
    except (OSError, ValueError):
        return {"version": 0, "ready": False}


def memory(pid):
    """Resident now and at most, in MB."""
    text = pathlib.Path(f"/proc/{pid}/status").read_text()
    return {name: round(int(re.search(rf"^{field}:\s+(\d+)", text, re.M).group(1)) / 1024, 1) for name, field in (("now", "VmRSS"), ("peak", "VmHWM"))}


def processor_seconds(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def spread(values, scale=1.0):
    """Median, 99th percentile and greatest of a list."""
    ordered = sorted(values)
    return {"median": statistics.median(ordered) * scale, "p99": ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))] * scale, "max": ordered[-1] * scale, "times": len(ordered)}


class Load(threading.Thread):
    """Calls of all kinds of APIs at one node, so many a second; whatever is not 200 is kept."""

    def __init__(self, node, paths, per_second):
        super().__init__(daemon=True)
        self.node, self.paths, self.pause = node, paths, 1 / per_second
        self.calls, self.failures, self.goes_on, self.is_paused = 0, [], True, False
        self.seconds = []

    def run(self):
        caller, number, due = Caller(self.node["http"]), 0, time.monotonic()
        while self.goes_on:
            due = max(due + self.pause, time.monotonic() - 1)
            time.sleep(max(0, due - time.monotonic()))
            if self.is_paused:
                continue
            path, key = self.paths[number % len(self.paths)]
            number += 1
            start = time.monotonic()
            try:
                status = caller.get(path, key).status
            except (OSError, http.client.HTTPException) as error:
                status = repr(error)
            if self.is_paused:
                continue
            self.seconds.append(time.monotonic() - start)
            self.calls += 1
            if status != 200:
                self.failures.append(f"{self.node['name']} {path}: {status}")
