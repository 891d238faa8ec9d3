"""The controller as a process: what it logs, how it refuses to start, what it fetches by link, and its audit under kills."""
import gzip
import http.server
import json
import os
import pathlib
import random
import signal
import socket
import sqlite3
import subprocess
import tempfile
import threading
import uuid

from support import Cluster, alive, name, until

BINARIES = pathlib.Path(os.environ["GATEHOUSE_BINARIES"])
DOCUMENT = json.dumps({"openapi": "3.0.1", "info": {"title": "T", "version": "1"}, "paths": {"/x": {"get": {"operationId": "x", "responses": {"200": {"description": "x"}}}}}})


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Controller:
    """A controller without nodes, in a folder of its own."""

    def __init__(self, folder, *options, environment=None):
        self.folder, self.place = pathlib.Path(folder), pathlib.Path(folder) / "c"
        if not self.place.exists():
            subprocess.run([BINARIES / "gatehouse-controller", "init", "--directory", self.place], check=True, stdout=subprocess.DEVNULL)
        self.port, self.nodes_port = free_port(), free_port()
        self.options, self.environment = options, {**os.environ, **(environment or {})}
        self.start()
        owner, settings = (json.loads((self.place / f"{what}.json").read_text()) for what in ("owner", "settings"))
        (self.folder / "ca.pem").write_bytes((self.place / "ca.pem").read_bytes())
        (self.folder / "owner.secret").write_text(owner["clientSecret"])
        service = f"/subscriptions/{settings['subscriptionId']}/resourceGroups/{settings['resourceGroup']}/providers/Microsoft.ApiManagement/service/{settings['serviceName']}"
        (self.folder / "cluster.json").write_text(json.dumps({
            "controller": {"url": f"https://127.0.0.1:{self.port}", "pid": self.child.pid}, "nodes": [], "token": {"tenantId": owner["tenantId"], "clientId": owner["clientId"]},
            "service": {"id": service, "resourceGroup": settings["resourceGroup"], "name": settings["serviceName"], "subscriptionId": settings["subscriptionId"]}}))
        self.rest = Cluster(self.folder)
        assert until(lambda: self.rest.ready("controller"), 30) is not None, (self.folder / "log").read_text()

    def start(self):
        self.log = open(self.folder / "log", "ab")
        self.child = subprocess.Popen([BINARIES / "gatehouse-controller", "serve", "--directory", self.place, "--management", f"127.0.0.1:{self.port}", "--nodes", f"127.0.0.1:{self.nodes_port}", *self.options],
                                      stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log, env=self.environment)

    def again(self):
        self.start()
        assert until(lambda: self.rest.ready("controller"), 30) is not None, (self.folder / "log").read_text()

    def stop(self, how=signal.SIGTERM):
        self.child.send_signal(how)
        return self.child.wait(40)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.child.poll() is None:
            self.stop(signal.SIGKILL)


class Web:
    """Answers each path as `answers` says: (status, fields, body)."""

    def __init__(self, answers):
        web = self
        self.seen = []

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                web.seen.append(self.path)
                status, fields, body = answers.get(self.path, (404, {}, b""))
                self.send_response(status)
                for field, value in {"Content-Length": len(body), **fields}.items():
                    self.send_header(field, str(value))
                self.end_headers()
                self.wfile.write(body)

            do_CONNECT = do_GET

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.port = self.server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


def by_link(rest, url):
    return rest.put(f"/apis/{name('link')}", {"path": name("link"), "format": "openapi-link", "value": url})


def test_G61_each_line_of_the_log_is_a_json_object_and_holds_no_secret(cluster):
    hidden = uuid.uuid4().hex
    cluster.made(f"/namedValues/{name('log')}", {"displayName": name("log"), "value": hidden, "secret": True})
    cluster.rest("GET", "/apis/%0A%1B%5B31mred", token="")
    cluster.rest("GET", f"/apis/a?x=%0d%0a{hidden}", headers={"Ocp-Apim-Subscription-Key": hidden, "Cookie": hidden, "User-Agent": "\x1b[31m"})
    by_link(cluster, f"http://127.0.0.1:1/{hidden}")
    lines = (cluster.folder / "controller.log").read_bytes().decode().splitlines()
    assert lines
    for line in lines:
        row = json.loads(line)
        assert {"time", "level", "source", "message"} <= row.keys(), line
        assert not any(ord(letter) < 32 or 0x7F <= ord(letter) < 0xA0 for letter in line), line
    text = "\n".join(lines)
    for secret in (hidden, cluster.secret, cluster.token()):
        assert secret not in text
    return f"{len(lines)} lines"


def test_H51_a_taken_port_costs_one_line_and_changes_nothing(cluster):
    with tempfile.TemporaryDirectory() as folder, socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        place = pathlib.Path(folder, "c")
        subprocess.run([BINARIES / "gatehouse-controller", "init", "--directory", place], check=True, stdout=subprocess.DEVNULL)
        port, free = f"127.0.0.1:{taken.getsockname()[1]}", f"127.0.0.1:{free_port()}"
        before = {file.name: file.read_bytes() for file in place.iterdir() if file.name != "lock"}
        for management, nodes, says in ((port, free, "--management"), (free, port, "--nodes"), ("192.0.2.1:7443", free, "--management")):
            answer = subprocess.run([BINARIES / "gatehouse-controller", "serve", "--directory", place, "--management", management, "--nodes", nodes], capture_output=True, text=True, timeout=60)
            lines = (answer.stdout + answer.stderr).splitlines()
            assert answer.returncode == 3 and len(lines) == 1 and says in lines[0], (answer.returncode, lines)
        assert before == {file.name: file.read_bytes() for file in place.iterdir() if file.name != "lock"}


def test_G54_addresses_that_are_not_public_are_refused_with_one_text(cluster):
    with tempfile.TemporaryDirectory() as folder, Controller(folder) as controller:
        web = Web({"/d": (200, {}, DOCUMENT.encode())})
        revision = controller.rest.made(f"/groups/{name('g')}", {"displayName": name("g")}).revision
        texts = set()
        for url in (f"{web.url}/d", "http://127.0.0.1:1/", f"http://127.1:{web.port}/d", f"http://2130706433:{web.port}/d", f"http://0x7f.1:{web.port}/d", f"http://[::ffff:127.0.0.1]:{web.port}/d", f"http://[64:ff9b::7f00:1]:{web.port}/d",
                    f"http://localhost.:{web.port}/d", "http://169.254.169.254/", "http://168.63.129.16/", "http://100.100.100.200/", "http://10.0.0.1/", "http://[fd00:ec2::254]/", f"http://0.0.0.0:{web.port}/d", "http://224.0.0.1/",
                    f"https://127.0.0.1:{controller.nodes_port}/", f"https://127.0.0.1:{controller.port}/healthz", "http://127.0.0.1:22/", "http://127.0.0.1:25/"):
            answer = by_link(controller.rest, url)
            assert (answer.status, answer.code, answer.targets) == (400, "ValidationError", ["properties.value"]), (url, answer.text)
            texts.add(answer.error["details"][0]["message"])
        assert len(texts) == 1 and "not allowed" in texts.pop()
        for url in ("file:///etc/passwd", "gopher://127.0.0.1/", "ftp://127.0.0.1/", "data:,x", f"http://user:password@127.0.0.1:{web.port}/d", "/etc/passwd"):
            answer = by_link(controller.rest, url)
            assert (answer.status, answer.targets) == (400, ["properties.value"]) and "scheme or URL is not allowed" in answer.text, (url, answer.text)
            assert "password" not in answer.text and "root:" not in answer.text
        assert web.seen == []
        assert controller.rest.made(f"/groups/{name('g')}", {"displayName": name("g")}).revision == revision + 1


def test_G55_G56_what_is_opened_is_fetched_without_proxies_within_its_bounds(cluster):
    page = b"<html><body>not a description</body></html>"
    large = DOCUMENT.encode()[:-1] + b',"x-more":"' + b"a" * (16 << 20) + b'"}'
    proxy = Web({})
    with tempfile.TemporaryDirectory() as folder:
        answers = {"/good": (200, {}, DOCUMENT.encode()), "/page": (200, {"Content-Type": "text/html"}, page), "/none": (204, {}, b""), "/error": (500, {}, DOCUMENT.encode()), "/large": (200, {}, large),
                   "/bomb": (200, {"Content-Encoding": "gzip"}, gzip.compress(large)), "/head": (200, {f"X-{number}": "x" * 1000 for number in range(90)}, DOCUMENT.encode()), "/cut": (200, {"Content-Length": 5000}, b"{"),
                   "/loop": (302, {"Location": "/loop"}, b""), "/file": (302, {"Location": "file:///etc/passwd"}, b""), "/one": (302, {"Location": "/good"}, b"")}
        web = Web(answers)
        variables = {variable: proxy.url for variable in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "all_proxy")}
        with Controller(folder, "--outbound-allow", "127.0.0.1/32", environment=variables) as controller:
            answers["/nodes"] = (302, {"Location": f"https://127.0.0.1:{controller.nodes_port}/"}, b"")
            answers["/inside"] = (302, {"Location": f"http://127.0.0.2:{web.port}/good"}, b"")
            for path in ("/good", "/one"):
                assert by_link(controller.rest, web.url + path).status == 201, path
            revision = controller.rest.made(f"/groups/{name('g')}", {"displayName": name("g")}).revision
            for path in ("/page", "/none", "/error", "/large", "/bomb", "/head", "/cut", "/loop", "/file", "/nodes", "/inside"):
                answer = by_link(controller.rest, web.url + path)
                assert (answer.status, answer.code) == (400, "ValidationError") and "root:" not in answer.text, (path, answer.status, answer.text[:300])
            # A certificate that nobody vouches for: the controller's own, on its management port's twin.
            assert by_link(controller.rest, f"https://127.0.0.1:{controller.port}/healthz").status == 400
            assert proxy.seen == [] and web.seen.count("/loop") == 4
            assert controller.rest.made(f"/groups/{name('g')}", {"displayName": name("g")}).revision == revision + 1


def test_G62_under_kills_each_revision_has_one_row_of_the_audit(cluster):
    random.seed(7)
    with tempfile.TemporaryDirectory() as folder, Controller(folder) as controller:
        rest, stopped, answered = controller.rest, threading.Event(), []

        def write(number):
            count = 0
            while not stopped.is_set():
                count += 1
                try:
                    what = random.choice(("groups", "products", "namedValues"))
                    body = {"displayName": f"w{number}-{count}", **({"value": "v"} if what == "namedValues" else {})}
                    answer = rest.put(f"/{what}/w{number}-{random.randrange(20)}", body) if random.random() < 0.8 else rest.delete(f"/{what}/w{number}-{random.randrange(20)}")
                    if answer.revision and answer.status in (200, 201):
                        answered.append(answer.revision)
                except Exception:
                    pass  # it was killed

        for _ in range(3):
            stopped.clear()
            threads = [threading.Thread(target=write, args=(number,)) for number in range(4)]
            for thread in threads:
                thread.start()
            target = len(answered) + 100
            assert until(lambda: len(answered) >= target, 60) is not None
            controller.stop(signal.SIGKILL)
            stopped.set()
            for thread in threads:
                thread.join()
            controller.again()
        assert controller.stop() == 0
        database = sqlite3.connect(controller.place / "store.db")
        changed = [row[0] for row in database.execute("SELECT DISTINCT revision FROM change ORDER BY revision")]
        audited = database.execute("SELECT revision, principal, application, action, resource, outcome, address, request FROM audit WHERE revision IS NOT NULL ORDER BY revision").fetchall()
        assert changed == [row[0] for row in audited] == list(range(1, len(changed) + 1)), (len(changed), len(audited))
        for revision, principal, application, action, resource, outcome, address, request in audited:
            assert action and resource and outcome == "Succeeded", revision
            assert action.startswith("system:") or principal and application and address == "127.0.0.1" and request, (revision, action)
        assert set(answered) <= set(changed)
        verify = subprocess.run([BINARIES / "gatehouse-controller", "audit", "verify", "--directory", controller.place], capture_output=True)
        assert verify.returncode == 0, verify.stderr
        return f"{len(changed)} revisions, 3 kills"


def test_G62_what_the_cluster_does_by_itself_names_itself(cluster):
    def rows(action):
        return cluster.get("/gatehouse/audit", query={"$filter": f"action eq '{action}'"}).json["value"]
    enrolled = rows("Microsoft.ApiManagement/service/gatehouse/nodes/enrol/action")
    assert len(enrolled) >= len(cluster.nodes) and all("/gatehouse/nodes/" in row["properties"]["resourceId"] and row["properties"]["address"] for row in enrolled), enrolled
    made = rows("system:init")
    assert len(made) == 1 and made[0]["properties"]["revision"] == 1, made


def test_G34_a_cascade_is_done_or_not(cluster):
    with tempfile.TemporaryDirectory() as folder, Controller(folder) as controller:
        rest = controller.rest
        rest.made("/products/p", {"displayName": "p"})
        for number in range(600):
            assert rest.put(f"/subscriptions/s{number}", {"displayName": "s", "scope": "/products/p"}).status == 201
        outcomes = set()
        for attempt in range(6):
            if rest.get("/products/p").status == 404:
                break
            thread = threading.Thread(target=lambda: attempt_delete(rest), daemon=True)
            thread.start()
            thread.join(attempt * 0.02)
            controller.stop(signal.SIGKILL)
            thread.join()
            controller.again()
            left, there = rest.get("/subscriptions", query={"$filter": "productId eq 'p'", "$top": "1"}).json["count"], rest.get("/products/p").status == 200
            assert left == (600 if there else 0), (left, there)
            outcomes.add(there)
        return f"product there after a kill: {sorted(outcomes)}"


def attempt_delete(rest):
    try:
        rest.delete("/products/p", query={"deleteSubscriptions": "true"})
    except Exception:
        pass  # it was killed
