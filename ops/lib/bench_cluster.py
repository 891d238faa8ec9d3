"""How a cluster behaves with 5,000 APIs and 100,000 subscriptions: how soon a change is served at every node and what it
sends there, writes a second, lists, reports, memory, cold starts, and 200 nodes on one controller.

Everything is loaded over REST by 8 writers; two nodes are under load while changes are measured, and no call may fail.
A change is timed from the answer of its write to the first call that is served by it, at each node."""
import argparse
import concurrent.futures
import hashlib
import itertools
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

import bench_cluster_report as report
from bench_cluster_rest import Caller, Cluster, Failure, Load, bytes_received, memory, processor_seconds, readiness, spread

OPERATIONS = 10
WRITERS = 8


def key_of(text):
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def document(name, backend, operations=OPERATIONS):
    """An API as its owner describes it."""
    paths = {}
    for number in range(operations):
        method = ("get", "post", "put", "delete", "get")[number % 5]
        paths.setdefault(f"/things{number // 2}/{{id}}", {})[method] = {
            "operationId": f"operation-{number}", "summary": f"Operation {number} of {name}", "description": "What the operation does, in a sentence of usual length for such things.",
            "parameters": [{"name": "id", "in": "path", "required": True, "description": "Which thing.", "schema": {"type": "string"}}],
            "responses": {"200": {"description": "The thing.", "content": {"application/json": {"schema": {"type": "object"}}}}, "404": {"description": "There is no such thing."}}}
    return {"openapi": "3.0.3", "info": {"title": name, "version": "1", "description": f"The API {name} of the bench."}, "servers": [{"url": backend}], "paths": paths}


def policy(value):
    return {"format": "rawxml", "value": f'<policies><inbound><base /></inbound><backend><base /></backend><outbound><base /><set-header name="X-Bench" exists-action="override"><value>{value}</value></set-header></outbound><on-error><base /></on-error></policies>'}


class Bench:
    def __init__(self, options, folder, backend):
        self.options, self.folder, self.backend = options, folder, backend
        self.cluster = Cluster(folder)
        self.counts = {name: max(least, round(whole * options.scale)) for name, whole, least in (
            ("apis", 5000, 20), ("products", 500, 5), ("namedValues", 1000, 10), ("policies", 500, 5), ("subscriptions", 100_000, 100))}
        self.loads, self.results = [], {"counts": self.counts, "cores": os.cpu_count(), "load": {}}

    # -- loading
    def api(self, name):
        return {"displayName": name, "path": name, "protocols": ["http", "https"], "format": "openapi+json", "value": json.dumps(document(name, self.backend)), "serviceUrl": self.backend}

    def load(self):
        put, counts = self.cluster.put, self.counts
        steps = {
            "apis": lambda n: put(f"/apis/api-{n}", self.api(f"api-{n}")),
            "products": lambda n: (put(f"/products/product-{n}", {"displayName": f"Product {n}", "subscriptionRequired": True, "state": "published"}),
                                   [put(f"/products/product-{n}/apis/api-{a}", {}) for a in range(n * 10 % counts["apis"], min(n * 10 % counts["apis"] + 10, counts["apis"]))]),
            "namedValues": lambda n: put(f"/namedValues/value-{n}", {"displayName": f"value-{n}", "value": f"the value {n}", "secret": n % 10 == 0}),
            "policies": lambda n: put(f"/apis/api-{n}/policies/policy", policy(f"{{{{value-{n % counts['namedValues']}}}}}")),
            "subscriptions": lambda n: put(f"/subscriptions/subscription-{n}", {
                "displayName": f"Subscription {n}", "scope": f"/products/product-{n % counts['products']}" if n % 4 else f"/apis/api-{n % counts['apis']}",
                "primaryKey": key_of(f"p{n}"), "secondaryKey": key_of(f"s{n}"), "state": "active"})}
        with concurrent.futures.ThreadPoolExecutor(WRITERS) as pool:
            for name, step in steps.items():
                start = time.monotonic()
                list(pool.map(step, range(counts[name])))
                seconds = time.monotonic() - start
                self.results["load"][name] = {"count": counts[name], "seconds": seconds, "perSecond": counts[name] / seconds}
                self.say(f"{counts[name]} {name} in {seconds:.1f} s")
                self.cluster.sign_in()
        self.settle()

    def say(self, text):
        print(f"== {text}", file=sys.stderr, flush=True)

    def revision(self):
        return self.cluster.made("GET", "/gatehouse/snapshots?$top=1")[0]["value"][0]["properties"]["version"]

    def settle(self, seconds=300):
        """Until every node has all that was written so far."""
        written = int(self.cluster.put("/groups/settle", {"displayName": f"settle {time.monotonic_ns()}"})[1]["Gatehouse-Revision"])
        start = time.monotonic()
        while time.monotonic() < start + seconds:
            if all(readiness(node)["version"] >= written for node in self.cluster.nodes):
                self.say(f"settled in {time.monotonic() - start:.1f} s")
                return
            time.sleep(0.2)
        raise Failure("the nodes do not come to the newest version")

    # -- changes
    def start_load(self):
        paths = [(f"/api-{n}/things0/1", key_of(f"p{n * 4}")) for n in range(0, self.counts["apis"], max(1, self.counts["apis"] // 50))
                 if n * 4 < self.counts["subscriptions"] and n * 4 % self.counts["apis"] == n]
        paths = paths or [("/api-0/things0/1", key_of("p0"))]
        self.loads = [Load(node, paths, self.options.calls) for node in self.cluster.nodes]
        for load in self.loads:
            load.start()

    def changes(self):
        """The four kinds of change, each `--times`."""
        self.cluster.put("/apis/bench-change", self.api("bench-change"))
        self.cluster.put("/subscriptions/bench-change", {"displayName": "bench", "scope": "/apis", "primaryKey": key_of("bench-0"), "secondaryKey": key_of("bench-s")})
        time.sleep(1)
        self.settle()
        # Names of this run alone, where the cluster has seen another.
        tag = f"{time.time_ns() % 10**9:x}"
        key, path = key_of("bench-s"), "/bench-change/things0/1"
        size = len(json.dumps(document(f"bench-new-{tag}-000", self.backend)))
        kinds = {
            "policy": lambda n: (lambda: self.cluster.put("/apis/bench-change/policies/policy", policy(f"v{tag}-{n}")), lambda caller: caller.get(path, key).getheader("X-Bench") == f"v{tag}-{n}"),
            "subscription": lambda n: (lambda: self.cluster.put(f"/subscriptions/bench-new-{tag}-{n}", {"displayName": f"new {n}", "scope": "/apis", "primaryKey": key_of(f"new-p{tag}-{n}"), "secondaryKey": key_of(f"new-s{tag}-{n}")}),
                                       lambda caller: caller.get(path, key_of(f"new-p{tag}-{n}")).status == 200),
            "regenerated key": self.regenerated,
            "api": lambda n: (lambda: self.cluster.put(f"/apis/bench-new-{tag}-{n}", self.api(f"bench-new-{tag}-{n}")), lambda caller: caller.get(f"/bench-new-{tag}-{n}/things0/1", key).status == 200)}
        self.results["changes"] = {}
        callers = [Caller(node["http"]) for node in self.cluster.nodes]
        with concurrent.futures.ThreadPoolExecutor(len(callers)) as pool:
            for name, kind in kinds.items():
                commits, seconds, sent = [], [], []
                for number in range(self.options.times):
                    before = [bytes_received(node) for node in self.cluster.nodes]
                    write, is_there = kind(number)
                    start = time.monotonic()
                    write()
                    answered = time.monotonic()
                    served = list(pool.map(lambda caller: self.until(caller, is_there), callers))
                    commits.append(answered - start)
                    seconds.append(max(served) - answered)
                    sent.append(max(after - former for after, former in zip([bytes_received(node) for node in self.cluster.nodes], before)))
                self.results["changes"][name] = {"write": spread(commits, 1000), "served": spread(seconds, 1000), "bytes": spread(sent), **({"document": size} if name == "api" else {})}
                self.say(f"{name}: {json.dumps(self.results['changes'][name])}")

    def regenerated(self, number):
        former = self.cluster.made("POST", "/subscriptions/bench-change/listSecrets", {})[0]["primaryKey"]
        return (lambda: self.cluster.made("POST", "/subscriptions/bench-change/regeneratePrimaryKey", {}),
                lambda caller: caller.get("/bench-change/things0/1", former).status == 401)

    def until(self, caller, is_there):
        end = time.monotonic() + 30
        while not is_there(caller):
            if time.monotonic() > end:
                raise Failure("a change is not served after 30 s")
        return time.monotonic()

    # -- writes, lists, reports
    def writes(self):
        self.results["writes"] = {}
        for writers in (1, 8, 64):
            end = time.monotonic() + self.options.seconds
            numbers, done = itertools.count(), []

            def write(_):
                while time.monotonic() < end:
                    start = time.monotonic()
                    self.cluster.put(f"/namedValues/write-{next(numbers) % 500}", {"displayName": f"write-{time.monotonic_ns()}", "value": "v"})
                    done.append(time.monotonic() - start)
            with concurrent.futures.ThreadPoolExecutor(writers) as pool:
                list(pool.map(write, range(writers)))
            self.results["writes"][writers] = {"perSecond": len(done) / self.options.seconds, **spread(done, 1000)}
            self.say(f"{writers} writers: {self.results['writes'][writers]}")
        self.settle()

    def reads(self):
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 3600))
        window = f"timestamp ge datetime'2020-01-01T00:00:00' and timestamp le datetime'{now[:-1]}'".replace(" ", "%20")
        asked = {
            "list of APIs, first 100": "/apis?$top=100", "list of subscriptions, first 100": "/subscriptions?$top=100",
            "list of subscriptions, behind 50,000": f"/subscriptions?$top=100&$skip={self.counts['subscriptions'] // 2}",
            "APIs whose name contains": "/apis?$filter=contains(name,%27-77%27)&$top=100", "APIs with one name": "/apis?$filter=name%20eq%20%27api-7%27",
            "subscriptions whose name starts with": "/subscriptions?$filter=startswith(name,%27subscription-77%27)&$top=100",
            "one API": "/apis/api-7", "one subscription": "/subscriptions/subscription-7",
            "report by API": f"/reports/byApi?$filter={window}", "report by subscription": f"/reports/bySubscription?$filter={window}&$top=100",
            "report by operation": f"/reports/byOperation?$filter={window}&$top=100"}
        self.results["reads"] = {}
        for name, path in asked.items():
            times = []
            for _ in range(self.options.reads):
                start = time.monotonic()
                self.cluster.made("GET", path)
                times.append(time.monotonic() - start)
            self.results["reads"][name] = spread(times, 1000)
            self.say(f"{name}: {self.results['reads'][name]}")

    def take_memory(self):
        parts = {"controller": self.cluster.document["controller"]["pid"], **{node["name"]: node["pid"] for node in self.cluster.nodes}}
        self.results["memory"] = {name: {**memory(pid), "cpuSeconds": processor_seconds(pid)} for name, pid in parts.items()}
        self.results["database"] = sum(file.stat().st_size for file in (self.folder / "controller").glob("*.db*"))

    # -- cold starts
    def cold_starts(self):
        """The last node from its disk, and a new one that has nothing."""
        node = self.cluster.nodes[-1]
        command = [part.decode() for part in pathlib.Path(f"/proc/{node['pid']}/cmdline").read_bytes().split(b"\0")[:-1]]
        self.loads[-1].is_paused = True
        os.kill(node["pid"], signal.SIGTERM)
        while pathlib.Path(f"/proc/{node['pid']}/exe").exists():
            time.sleep(0.05)
        time.sleep(0.5)
        self.results["coldStart"] = {"disk": self.cold_start(command, node)}
        self.loads[-1].is_paused = False
        fresh = [word.replace(f"/{node['name']}", "/node-fresh") if word.endswith(f"/{node['name']}") else word for word in command]
        ports = dict(zip(("http", "https", "status"), range(self.options.port_base + 300, self.options.port_base + 303)))
        for name, port in ports.items():
            fresh[fresh.index(f"--{name}") + 1] = f"127.0.0.1:{port}"
        fresh[fresh.index("--name") + 1] = "node-fresh"
        new = {"http": f"http://127.0.0.1:{ports['http']}", "status": f"http://127.0.0.1:{ports['status']}", "name": "node-fresh"}
        self.results["coldStart"]["controller"] = self.cold_start(fresh, new)
        os.kill(new["pid"], signal.SIGTERM)

    def cold_start(self, command, node):
        revision, start = self.revision(), time.monotonic()
        with open(self.folder / f"{node['name']}.log", "ab") as log:
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, cwd=self.folder)
        threading.Thread(target=process.wait, daemon=True).start()
        node["pid"] = process.pid
        while not readiness(node).get("ready") or readiness(node)["version"] < revision:
            if process.poll() is not None or time.monotonic() - start > 300:
                raise Failure(f"{node['name']} does not come up; look into {node['name']}.log")
            time.sleep(0.02)
        ready = time.monotonic() - start
        status = Caller(node["http"]).get("/bench-change/things0/1", key_of("bench-s")).status
        if status != 200:
            raise Failure(f"the first call of {node['name']} answered {status}")
        return {"seconds": ready, "cpuSeconds": processor_seconds(process.pid), **memory(process.pid)}

    # -- many nodes
    def agents(self):
        if not self.options.agents:
            return
        token = (self.folder / "gateway.token").read_text().strip().removeprefix("GatewayKey ")
        settings = {"agents": self.options.agents, "nodeUrl": self.cluster.document["controller"]["nodeUrl"], "ca": str(self.folder / "ca.pem"), "token": token}
        script = pathlib.Path(__file__).with_name("bench_cluster_agents.py")
        process = subprocess.Popen([sys.executable, str(script), json.dumps(settings)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        start = time.monotonic()
        try:
            answer = json.loads(process.stdout.readline())
            self.say(f"{answer['enrolled']} agents in {time.monotonic() - start:.1f} s, failures {answer['failures']}")
            before, seconds, all_of_them = processor_seconds(self.cluster.document["controller"]["pid"]), [], []
            for number in range(self.options.agent_times):
                headers = self.cluster.put("/apis/bench-change/policies/policy", policy(f"a{time.time_ns()}"))[1]
                answered = time.time()
                process.stdin.write(f"version {headers['Gatehouse-Revision']}\n")
                process.stdin.flush()
                times = json.loads(process.stdout.readline())["times"]
                if not times or None in times:
                    raise Failure("a simulated node did not hear of a change")
                seconds.append(max(times) - answered)
                all_of_them += [one - answered for one in times]
            spent = processor_seconds(self.cluster.document["controller"]["pid"]) - before
            process.stdin.write("end\n")
            process.stdin.flush()
            totals = json.loads(process.stdout.readline())
        finally:
            process.terminate()
            process.wait(30)
        self.results["agents"] = {"agents": self.options.agents, "last": spread(seconds, 1000), "each": spread(all_of_them, 1000), "controllerCpuSeconds": spent, **totals}
        if totals["failures"]:
            raise Failure(f"simulated nodes failed: {totals['failures'][:3]}")

    def run(self):
        if self.options.loaded:
            self.settle()
        else:
            self.load()
        self.start_load()
        for step in (self.changes, self.writes, self.reads, self.take_memory, self.agents, self.cold_starts):
            step()
            self.cluster.sign_in()
        for load in self.loads:
            load.goes_on = False
        for load in self.loads:
            load.join(30)
        self.results["calls"] = {"made": sum(load.calls for load in self.loads), "failed": [failure for load in self.loads for failure in load.failures],
                                 "latency": spread([one for load in self.loads for one in load.seconds], 1000)}


def start_backend(folder, port):
    (folder / "nginx.conf").write_text(f"daemon off; worker_processes 1; pid {folder}/nginx.pid; error_log {folder}/error.log; events {{ worker_connections 1024; }}\n"
                                       f"http {{ access_log off; keepalive_requests 1000000; server {{ listen 127.0.0.1:{port}; default_type text/plain; return 200 ok; }} }}\n")
    return subprocess.Popen(["nginx", "-c", str(folder / "nginx.conf"), "-p", str(folder)])


def main():
    parser = argparse.ArgumentParser(prog="./ops/bench cluster", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=pathlib.Path, required=True, help=argparse.SUPPRESS)
    parser.add_argument("--scale", type=float, default=1.0, help="part of the whole load")
    parser.add_argument("--times", type=int, default=200, help="changes of each kind")
    parser.add_argument("--calls", type=int, default=50, help="calls a second at each node meanwhile")
    parser.add_argument("--seconds", type=int, default=5, help="of each measurement of writes")
    parser.add_argument("--reads", type=int, default=30, help="of each list and report")
    parser.add_argument("--agents", type=int, default=200, help="simulated nodes; 0 leaves them out")
    parser.add_argument("--agent-times", type=int, default=30, help="changes that simulated nodes hear of")
    parser.add_argument("--port-base", type=int, default=17400)
    parser.add_argument("--page", metavar="BUILD", help="write docs/bench/cluster.md, saying that the executables are BUILD")
    parser.add_argument("--dir", type=pathlib.Path, help="keep the cluster here")
    parser.add_argument("--loaded", action="store_true", help="the cluster of --dir was loaded by an earlier run")
    options = parser.parse_args()
    folder = options.dir or pathlib.Path(tempfile.mkdtemp(prefix="gatehouse-bench-"))
    quickstart = [str(options.root / "ops" / "quickstart"), "--dir", str(folder / "cluster")]
    (folder / "backend").mkdir(parents=True, exist_ok=True)
    backend = start_backend(folder / "backend", options.port_base + 310)
    bench = None
    try:
        subprocess.run(quickstart + ["--empty", "--detach", "--port-base", str(options.port_base)], check=True, stdout=subprocess.DEVNULL)
        bench = Bench(options, folder / "cluster", f"http://127.0.0.1:{options.port_base + 310}")
        bench.run()
        output = options.root / ".bench"
        output.mkdir(exist_ok=True)
        (output / "cluster.json").write_text(json.dumps(bench.results, indent=1) + "\n")
        print(report.table(bench.results))
        if options.page:
            command = " ".join(["./ops/bench cluster", *(word for word in (f"--scale {options.scale:g}" if options.scale != 1 else "", f"--times {options.times}" if options.times != 200 else "", "--loaded" if options.loaded else "") if word)])
            (options.root / "docs" / "bench" / "cluster.md").write_text(report.page(bench.results, command, options.page))
    finally:
        if bench:
            for node in bench.cluster.nodes:  # a node that was started again is not in the file
                try:
                    os.kill(node["pid"], signal.SIGTERM)
                except ProcessLookupError:
                    pass
        subprocess.run(quickstart + ["--stop"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        backend.terminate()
        backend.wait(10)
        if not options.dir:
            shutil.rmtree(folder, ignore_errors=True)
    if bench.results["calls"]["failed"]:
        raise Failure(f"{len(bench.results['calls']['failed'])} calls failed: {bench.results['calls']['failed'][:3]}")


if __name__ == "__main__":
    try:
        main()
    except (Failure, subprocess.CalledProcessError) as failure:
        print(f"bench: {failure}", file=sys.stderr)
        sys.exit(1)
