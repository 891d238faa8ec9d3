"""Starts, looks after and stops a cluster on this machine. ops/quickstart builds and then runs this; Python's own
library is all it needs."""
import argparse
import base64
import datetime
import json
import os
import pathlib
import shlex
import signal
import socket
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent.parent
API_VERSION = "2024-05-01"
START_SECONDS = 60
STOP_SECONDS = 40


class Failure(Exception):
    """Ends the script with a line on stderr that says what to do."""

    def __init__(self, status, message):
        super().__init__(message)
        self.status = status


class Parser(argparse.ArgumentParser):
    def error(self, message):
        print(f"quickstart: {message}; see ./ops/quickstart --help", file=sys.stderr)
        sys.exit(2)


def arguments():
    parser = Parser(
        prog="./ops/quickstart", formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Builds Gatehouse and starts one controller and its nodes on this machine, with a demo to call.",
        epilog="A second start on the same folder keeps everything. Ctrl-C (or --stop) ends all processes.\n"
               "GATEHOUSE_BINARIES=FOLDER takes the executables from there and builds nothing.")
    parser.add_argument("--dir", default=".quickstart", metavar="D", help="folder of the cluster (default %(default)s)")
    parser.add_argument("--nodes", type=int, default=2, metavar="N", help="gateway nodes (default %(default)s)")
    parser.add_argument("--port-base", type=int, default=7400, metavar="P",
                        help="management is P+43, nodes' service P+44, node k: http P+80+10k, https +1, status +2 (default %(default)s)")
    parser.add_argument("--empty", action="store_true", help="without the demo")
    parser.add_argument("--detach", action="store_true", help="return when the cluster is up")
    parser.add_argument("--stop", action="store_true", help="stop the cluster of D")
    parser.add_argument("--check", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if not 1 <= options.nodes <= 50:
        parser.error("--nodes must be from 1 to 50")
    if not 1 <= options.port_base <= 64000:
        parser.error("--port-base must be from 1 to 64000")
    return options


def alive(pid):
    try:
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().rsplit(")", 1)[1].split()[0] not in ("Z", "X")
    except OSError:
        return False


def is_ours(pid):
    """Whether a process of this number is one that a quickstart began: numbers are used again."""
    try:
        words = pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return False
    names = {os.path.basename(word.decode(errors="replace")) for word in words[:2]}
    return alive(pid) and bool(names & {"gatehouse-controller", "gatehouse-gateway", "backend.py"})


def write_private(path, text):
    temporary = path.with_name(path.name + ".new")
    temporary.unlink(missing_ok=True)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    os.replace(temporary, path)


class Management:
    """Management over REST as the owner."""

    def __init__(self, url, service_id, ca, owner):
        self.url, self.service_id, self.owner, self.token = url, service_id, owner, None
        self.context = ssl.create_default_context(cafile=str(ca))
        self.opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=self.context))

    def send(self, method, url, data=None, headers=None):
        request = urllib.request.Request(url, data=data, method=method, headers=headers or {})
        try:
            with self.opener.open(request, timeout=60) as answer:
                return answer.status, answer.read(), answer.headers
        except urllib.error.HTTPError as error:
            return error.code, error.read(), error.headers

    def sign_in(self):
        form = urllib.parse.urlencode({
            "grant_type": "client_credentials", "client_id": self.owner["clientId"], "client_secret": self.owner["clientSecret"],
            "scope": "https://management.azure.com/.default"}).encode()
        status, body, _ = self.send("POST", f"{self.url}/{self.owner['tenantId']}/oauth2/v2.0/token", form,
                                    {"Content-Type": "application/x-www-form-urlencoded"})
        if status != 200:
            raise Failure(1, f"the owner can't sign in ({status}); owner.secret is not the owner's any more")
        self.token = json.loads(body)["access_token"]

    def call(self, method, path, body=None, headers=None, expected=(200, 201, 204)):
        joint = "&" if "?" in path else "?"
        send = {"Authorization": f"Bearer {self.token}", **(headers or {})}
        data = None
        if body is not None:
            data, send["Content-Type"] = json.dumps(body).encode(), "application/json"
        status, text, answered = self.send(method, f"{self.url}{self.service_id}{path}{joint}api-version={API_VERSION}", data, send)
        if expected and status not in expected:
            raise Failure(1, f"{method} {path} answered {status}: {text.decode(errors='replace')[:300]}")
        return status, json.loads(text) if text else None, answered


class Quickstart:
    def __init__(self, options):
        self.options = options
        self.folder = pathlib.Path(options.dir).resolve()
        self.binaries = pathlib.Path(os.environ.get("GATEHOUSE_BINARIES", ".")).resolve()
        self.base = options.port_base
        self.url = f"https://127.0.0.1:{self.base + 43}"
        self.node_url = f"https://127.0.0.1:{self.base + 44}"
        self.demo_port = self.base + 45
        self.processes = {}

    # -- processes
    def start(self, name, command, log):
        with open(self.folder / log, "ab") as output:
            os.chmod(self.folder / log, 0o600)
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True, cwd=self.folder)
        self.processes[name] = process
        return process

    def ended(self, name, log):
        """A process that ended while it should have come up: its status and last line."""
        process = self.processes[name]
        lines = (self.folder / log).read_text(errors="replace").strip().splitlines()
        status = 3 if process.returncode == 3 else 1
        return Failure(status, f"{name} ended: {lines[-1] if lines else f'exit status {process.returncode}'}")

    def wait(self, name, log, what, condition):
        end = time.monotonic() + START_SECONDS
        while not condition():
            if self.processes[name].poll() is not None:
                raise self.ended(name, log)
            if time.monotonic() > end:
                raise Failure(1, f"{what} after {START_SECONDS} s; look into {self.folder / log}")
            time.sleep(0.05)

    def stop_all(self):
        stop([process.pid for process in reversed(list(self.processes.values())) if process.poll() is None], self.processes.values())

    # -- the way up
    def run(self):
        os.umask(0o077)
        self.check_folder()
        self.check_ports()
        try:
            self.bring_up()
        except BaseException:
            self.stop_all()
            raise
        self.say()
        if self.options.detach:
            return
        self.stay()

    def check_folder(self):
        for name in ("gatehouse-controller", "gatehouse-gateway"):
            if not os.access(self.binaries / name, os.X_OK):
                raise Failure(3, f"there is no executable {name} in {self.binaries} (GATEHOUSE_BINARIES)")
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise Failure(3, f"can't make the folder {self.folder} ({error.strerror}); name another with --dir")
        former = self.folder / "cluster.json"
        if former.exists():
            running = [pid for pid in pids(json.loads(former.read_text())) if is_ours(pid)]
            if running:
                raise Failure(3, f"the cluster of {self.folder} is running (port {self.base + 43} or another); stop it with: ./ops/quickstart --dir {shlex.quote(str(self.options.dir))} --stop")
        stop([pid for pid in [self.former_demo()] if pid and is_ours(pid)])

    def former_demo(self):
        try:
            return int((self.folder / "demo.pid").read_text())
        except (OSError, ValueError):
            return None

    def check_ports(self):
        ports = [self.base + 43, self.base + 44] + [p for k in range(1, self.options.nodes + 1) for p in range(self.base + 80 + 10 * k, self.base + 83 + 10 * k)]
        if not self.options.empty:
            ports.append(self.demo_port)
        for port in ports:
            with socket.socket() as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                try:
                    probe.bind(("127.0.0.1", port))
                except OSError:
                    raise Failure(3, f"port {port} is taken; choose other ports with --port-base")

    def bring_up(self):
        controller = str(self.binaries / "gatehouse-controller")
        directory = self.folder / "controller"
        if not (directory / "settings.json").exists():
            made = subprocess.run([controller, "init", "--directory", str(directory)], capture_output=True, text=True)
            if made.returncode != 0:
                raise Failure(made.returncode, made.stderr.strip().splitlines()[-1] if made.stderr.strip() else "init failed")
        owner = json.loads((directory / "owner.json").read_text())
        settings = json.loads((directory / "settings.json").read_text())
        service_id = (f"/subscriptions/{settings['subscriptionId']}/resourceGroups/{settings['resourceGroup']}"
                      f"/providers/Microsoft.ApiManagement/service/{settings['serviceName']}")
        write_private(self.folder / "ca.pem", (directory / "ca.pem").read_text())
        if not (self.folder / "owner.secret").exists():
            write_private(self.folder / "owner.secret", owner["clientSecret"] + "\n")
        owner["clientSecret"] = (self.folder / "owner.secret").read_text().strip()
        self.start("controller", [controller, "serve", "--directory", str(directory), "--management", f"127.0.0.1:{self.base + 43}",
                                  "--nodes", f"127.0.0.1:{self.base + 44}", "--public-url", self.url, "--outbound-allow", "127.0.0.0/8,::1/128"], "controller.log")
        self.management = Management(self.url, service_id, self.folder / "ca.pem", owner)
        self.wait("controller", "controller.log", "the controller does not answer", self.controller_answers)
        self.management.sign_in()
        self.make_token()
        for k in range(1, self.options.nodes + 1):
            self.start_node(k)
        for k in range(1, self.options.nodes + 1):
            self.wait(f"node-{k}", f"node-{k}.log", f"node-{k} is not ready", lambda k=k: self.node_version(k) is not None)
        if not self.options.empty:
            self.load_demo()
        revision = self.management.call("GET", "/gatehouse/snapshots?$top=1")[1]["value"][0]["properties"]["version"]
        for k in range(1, self.options.nodes + 1):
            self.wait(f"node-{k}", f"node-{k}.log", f"node-{k} has not applied version {revision}", lambda k=k: (self.node_version(k) or 0) >= revision)
        self.write_cluster(settings, service_id, owner)

    def controller_answers(self):
        try:
            return self.management.send("GET", f"{self.url}/readyz")[0] == 200
        except OSError:
            return False

    def make_token(self):
        """A token for enrolment, 29 days: made anew at each start."""
        expiry = (datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=29)).strftime("%Y-%m-%dT%H:%M:%SZ")
        token = self.management.call("POST", "/gateways/default/generateToken", {"keyType": "primary", "expiry": expiry})[1]["value"]
        write_private(self.folder / "gateway.token", f"GatewayKey {token}\n")

    def start_node(self, k):
        first = self.base + 80 + 10 * k
        self.start(f"node-{k}", [str(self.binaries / "gatehouse-gateway"), "serve", "--directory", str(self.folder / f"node-{k}"),
                                 "--controller", self.node_url, "--ca", str(self.folder / "ca.pem"), "--token-file", str(self.folder / "gateway.token"),
                                 "--name", f"node-{k}", "--http", f"127.0.0.1:{first}", "--https", f"127.0.0.1:{first + 1}",
                                 "--status", f"127.0.0.1:{first + 2}"], f"node-{k}.log")

    def node_version(self, k):
        try:
            opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
            with opener.open(f"http://127.0.0.1:{self.base + 82 + 10 * k}/readyz", timeout=2) as answer:
                return int(json.loads(answer.read())["version"])
        except (OSError, ValueError, KeyError):
            return None

    def load_demo(self):
        self.start("demo", [sys.executable, str(HERE / "demo" / "backend.py"), str(self.demo_port)], "demo.log")
        (self.folder / "demo.pid").write_text(f"{self.processes['demo'].pid}\n")
        sys.path.insert(0, str(HERE / "demo"))
        import demo
        demo.load(self.management, f"http://127.0.0.1:{self.demo_port}")

    def write_cluster(self, settings, service_id, owner):
        document = {
            "format": 1,
            "controller": {"url": self.url, "nodeUrl": self.node_url, "caFile": "ca.pem", "pid": self.processes["controller"].pid, "directory": "controller"},
            "service": {"id": service_id, "subscriptionId": settings["subscriptionId"], "resourceGroup": settings["resourceGroup"], "name": settings["serviceName"]},
            "token": {"authority": self.url, "tenantId": owner["tenantId"], "clientId": owner["clientId"], "clientSecretFile": "owner.secret",
                      "scope": "https://management.azure.com/.default"},
            "gateway": {"id": "default", "tokenFile": "gateway.token"},
            "nodes": [{"name": f"node-{k}", "http": f"http://127.0.0.1:{self.base + 80 + 10 * k}", "https": f"https://127.0.0.1:{self.base + 81 + 10 * k}",
                       "status": f"http://127.0.0.1:{self.base + 82 + 10 * k}", "pid": self.processes[f"node-{k}"].pid, "directory": f"node-{k}"}
                      for k in range(1, self.options.nodes + 1)]}
        write_private(self.folder / "cluster.json", json.dumps(document, indent=1) + "\n")

    def say(self):
        """Three lines to try. Secrets stay in their files: the call reads its key from one."""
        folder = os.path.relpath(self.folder)
        name = shlex.quote(folder)
        node = f"http://127.0.0.1:{self.base + 90}"
        if self.options.empty:
            call = f"curl -i {node}/status-0123456789abcdef"
        else:
            key = self.management.call("POST", "/subscriptions/demo/listSecrets")[1]["primaryKey"]
            write_private(self.folder / "demo.key", f"Ocp-Apim-Subscription-Key: {key}\n")
            call = f"curl -i -H @{name}/demo.key {node}/bookshop/books"
        python = shlex.quote(str(pathlib.Path(os.path.relpath(HERE / "report"))))
        print(f"A call:      {call}")
        print(f"The report:  {python} --dir {name}")
        print(f"To stop:     ./ops/quickstart --dir {name} --stop" + ("" if self.options.detach else "   (or Ctrl-C here)"), flush=True)

    def stay(self):
        """In front until Ctrl-C or SIGTERM, or until a process ends by itself."""
        def end(*_):
            raise KeyboardInterrupt
        signal.signal(signal.SIGTERM, end)
        signal.signal(signal.SIGHUP, end)
        try:
            while True:
                ended = [name for name, process in self.processes.items() if process.poll() is not None]
                if ended:
                    document = json.loads((self.folder / "cluster.json").read_text())
                    known = {"controller": document["controller"]["pid"], **{n["name"]: n["pid"] for n in document["nodes"]}}
                    for name in ended:
                        # Somebody may have ended it and started another in its place.
                        if alive(known.get(name, 0)) and known.get(name) != self.processes[name].pid:
                            continue
                        if name == "demo" or not self.stopped_by_hand(known):
                            raise Failure(1, f"{name} ended by itself; look into {self.folder}/{name}.log")
                        return
                time.sleep(0.3)
        except KeyboardInterrupt:
            print("\nstopping", file=sys.stderr)
        finally:
            self.stop_all()

    @staticmethod
    def stopped_by_hand(known):
        time.sleep(1)
        return not any(alive(pid) for pid in known.values())


def pids(document):
    return [document["controller"]["pid"], *[node["pid"] for node in document["nodes"]]]


def stop(numbers, children=()):
    """SIGTERM to each of our processes, nodes before the controller; SIGKILL to those that don't end."""
    for pid in numbers:
        try:
            os.kill(pid, signal.SIGTERM)
        except ProcessLookupError:
            pass
    end = time.monotonic() + STOP_SECONDS
    while [pid for pid in numbers if alive(pid)] and time.monotonic() < end:
        for child in children:
            child.poll()
        time.sleep(0.05)
    for pid in numbers:
        if alive(pid):
            os.kill(pid, signal.SIGKILL)


def stop_cluster(options):
    folder = pathlib.Path(options.dir).resolve()
    try:
        document = json.loads((folder / "cluster.json").read_text())
    except OSError:
        raise Failure(1, f"there is no cluster in {folder}; name its folder with --dir")
    numbers = [pid for pid in reversed(pids(document)) if is_ours(pid)]
    try:
        demo = int((folder / "demo.pid").read_text())
        numbers += [demo] if is_ours(demo) else []
    except (OSError, ValueError):
        pass
    stop(numbers)
    print(f"Stopped {len(numbers)} processes." if numbers else "Nothing was running.")


def main():
    options = arguments()
    if options.check:
        return 0
    try:
        if options.stop:
            stop_cluster(options)
        else:
            Quickstart(options).run()
    except Failure as failure:
        print(f"quickstart: {failure}", file=sys.stderr)
        return failure.status
    except KeyboardInterrupt:
        print("quickstart: interrupted", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
