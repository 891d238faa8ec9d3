"""CPU time of the gateway process a call, beside nginx: plain proxying, and with 10,000 subscription keys.

The method (design.md section 9): each gateway has one thread on core 0, wrk and the backend are on core 1; CPU time from
/proc/PID/stat divided by calls; contenders take turns over the rounds; medians and ratios of one run. The node gets its
snapshot from a real controller, which is stopped before anything is measured."""
import argparse
import concurrent.futures
import json
import os
import pathlib
import re
import shutil
import signal
import ssl
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request

API_VERSION = "2024-05-01"
CONNECTIONS = 64
BODY = "x" * 1024


class Failure(Exception):
    pass


def key_of(number):
    return f"{number * 2654435761 % 2**32:08x}{number:08x}{'bench'.encode().hex():0<16}"[:32]


class Arm:
    """Just enough of the management API."""

    def __init__(self, folder):
        cluster = json.loads((folder / "cluster.json").read_text())
        self.cluster = cluster
        self.context = ssl.create_default_context(cafile=folder / cluster["controller"]["caFile"])
        token = cluster["token"]
        form = urllib.parse.urlencode({
            "grant_type": "client_credentials", "client_id": token["clientId"], "scope": token["scope"],
            "client_secret": (folder / token["clientSecretFile"]).read_text().strip()}).encode()
        url = f"{token['authority']}/{token['tenantId']}/oauth2/v2.0/token"
        with urllib.request.urlopen(urllib.request.Request(url, form), context=self.context) as answer:
            self.token = json.load(answer)["access_token"]

    def put(self, path, properties, wait=False):
        url = f"{self.cluster['controller']['url']}{self.cluster['service']['id']}{path}?api-version={API_VERSION}"
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        if wait:
            headers["Prefer"] = "wait=30"
        request = urllib.request.Request(url, json.dumps({"properties": properties}).encode(), headers, method="PUT")
        try:
            with urllib.request.urlopen(request, context=self.context, timeout=60) as answer:
                return answer.status
        except urllib.error.HTTPError as error:
            raise Failure(f"PUT {path}: {error.code} {error.read()[:300]}") from error


def cpu_ticks(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return int(fields[11]), int(fields[12])


def run_wrk(port, seconds, script, path):
    command = ["taskset", "-c", "1", "wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "-s", str(script), f"http://127.0.0.1:{port}{path}"]
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    found = re.search(r"RESULT (\d+) (\d+) (\d+) (\d+)", output)
    if not found:
        raise Failure(f"wrk said: {output}")
    calls, errors, size, microseconds = map(int, found.groups())
    if errors or calls == 0 or size < calls * len(BODY):
        raise Failure(f"{errors} errors and {size} bytes in {calls} calls at port {port}: a fast error can't win")
    return calls, microseconds


DONE = """
done = function(summary, latency, requests)
    local errors = summary.errors
    io.write(string.format("RESULT %d %d %d %d\\n", summary.requests,
        errors.connect + errors.read + errors.write + errors.status + errors.timeout, summary.bytes, summary.duration))
end
"""


def write_scripts(folder, keys):
    plain = folder / "plain.lua"
    plain.write_text(DONE)
    keyed = folder / "keyed.lua"
    listed = ",".join(f'"{key}"' for key in keys)
    keyed.write_text(
        "local keys = {" + listed + "}\nlocal at = 0\nrequest = function()\n    at = at % #keys + 1\n"
        '    return wrk.format("GET", nil, {["Ocp-Apim-Subscription-Key"] = keys[at]})\nend\n' + DONE)
    return plain, keyed


def nginx(folder, name, core, text):
    home = folder / name
    home.mkdir()
    (home / "nginx.conf").write_text(
        f"daemon off; master_process on; worker_processes 1; pid {home}/nginx.pid; error_log {home}/error.log;\n"
        "events { worker_connections 4096; }\n"
        f"http {{ access_log off; client_body_temp_path {home}/a; proxy_temp_path {home}/b; fastcgi_temp_path {home}/c;\n"
        f"uwsgi_temp_path {home}/d; scgi_temp_path {home}/e; keepalive_requests 100000000; {text} }}\n")
    process = subprocess.Popen(["taskset", "-c", str(core), "nginx", "-c", str(home / "nginx.conf"), "-p", str(home)])
    return process


def worker_of(process):
    for _ in range(200):
        children = pathlib.Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        if children:
            return int(children[0])
        time.sleep(0.05)
    raise Failure("nginx has no worker")


def free_ports(count):
    import socket
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def wait_for(url, seconds=60):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            with urllib.request.urlopen(url, timeout=2) as answer:
                return answer.read()
        except (urllib.error.URLError, OSError):
            time.sleep(0.05)
    raise Failure(f"{url} does not answer")


def load(arm, backend_port, keys):
    for name, required in (("bench-plain", False), ("bench-keyed", True)):
        arm.put(f"/apis/{name}", {"displayName": name, "path": name, "protocols": ["http", "https"], "serviceUrl": f"http://127.0.0.1:{backend_port}", "subscriptionRequired": required})
        arm.put(f"/apis/{name}/operations/all", {"displayName": "all", "method": "GET", "urlTemplate": "/*"})
    print(f"== {len(keys)} subscriptions", file=sys.stderr)

    def subscribe(number):
        arm.put(f"/subscriptions/bench-{number}", {"displayName": f"bench {number}", "scope": "/apis/bench-keyed", "primaryKey": keys[number], "secondaryKey": keys[number][::-1], "state": "active"})
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        list(pool.map(subscribe, range(len(keys))))


def start_gateway(arm, folder, binaries, ports):
    cluster = arm.cluster
    command = ["taskset", "-c", "0", str(binaries / "gatehouse-gateway"), "serve", "--directory", str(folder / "bench-node"), "--controller", cluster["controller"]["nodeUrl"],
               "--ca", str(folder / cluster["controller"]["caFile"]), "--token-file", str(folder / cluster["gateway"]["tokenFile"]), "--name", "bench", "--loops", "1",
               "--http", f"127.0.0.1:{ports[0]}", "--https", f"127.0.0.1:{ports[1]}", "--status", f"127.0.0.1:{ports[2]}", "--access-log", "off"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_for(f"http://127.0.0.1:{ports[2]}/readyz")
    return process


def measure(contenders, options, scripts):
    results = {}
    ticks = os.sysconf("SC_CLK_TCK")
    for case in ("plain", "keys"):
        rows = {name: [] for name in contenders}
        users = {name: [] for name in contenders}
        rates = {name: [] for name in contenders}
        for number in range(-1, options.rounds):
            for name, contender in contenders.items():
                port, path = contender[case]
                before = cpu_ticks(contender["pid"])
                calls, microseconds = run_wrk(port, options.seconds if number >= 0 else 1, scripts[case], path)
                user, system = (after - start for after, start in zip(cpu_ticks(contender["pid"]), before))
                if number >= 0:  # the first round only warms up
                    rows[name].append((user + system) / ticks * 1e6 / calls)
                    users[name].append(user / ticks * 1e6 / calls)
                    rates[name].append(calls * 1e6 / microseconds)
        results[case] = {name: {"cpuMicroseconds": statistics.median(values), "userMicroseconds": statistics.median(users[name]), "range": [min(values), max(values)], "callsPerSecond": statistics.median(rates[name])} for name, values in rows.items()}
        for name in contenders:
            results[case][name]["toNginx"] = results[case][name]["cpuMicroseconds"] / results[case]["nginx"]["cpuMicroseconds"]
    return results


def table(results):
    print(f"{'':8}{'gateway':12}{'CPU us/call':>12}{'user':>8}{'range':>16}{'to nginx':>10}{'calls/s':>10}")
    for case, rows in results.items():
        for name, row in rows.items():
            spread = f"{row['range'][0]:.1f}-{row['range'][1]:.1f}"
            print(f"{case:8}{name:12}{row['cpuMicroseconds']:12.1f}{row['userMicroseconds']:8.1f}{spread:>16}{row['toNginx']:10.2f}{row['callsPerSecond']:10.0f}")


def main():
    parser = argparse.ArgumentParser(prog="./ops/bench gateway", description=__doc__)
    parser.add_argument("--root", type=pathlib.Path, required=True, help=argparse.SUPPRESS)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=3)
    parser.add_argument("--keys", type=int, default=10_000)
    parser.add_argument("--port-base", type=int, default=17400, help="of the cluster that makes the snapshot")
    options = parser.parse_args()
    if os.cpu_count() < 2:
        raise Failure("two cores are needed: one for the gateway, one for load and backend")
    binaries = pathlib.Path(os.environ["GATEHOUSE_BINARIES"])
    folder = pathlib.Path(tempfile.mkdtemp(prefix="gatehouse-bench-"))
    processes = []
    quickstart = [str(options.root / "ops" / "quickstart"), "--dir", str(folder / "cluster")]
    try:
        ports = free_ports(7)
        keys = [key_of(number) for number in range(options.keys)]
        plain, keyed = write_scripts(folder, keys)
        processes.append(nginx(folder, "backend", 1, f'server {{ listen 127.0.0.1:{ports[0]}; default_type text/plain; return 200 "{BODY}"; }}'))
        (folder / "keys.map").write_text("".join(f'"{key}" 1;\n' for key in keys))
        proxy = "proxy_http_version 1.1; proxy_set_header Connection \"\"; proxy_pass http://backend;"
        gate = nginx(folder, "gate", 0, (
            f"upstream backend {{ server 127.0.0.1:{ports[0]}; keepalive 128; keepalive_requests 100000000; }} map_hash_max_size 65536; map_hash_bucket_size 128;\n"
            f"map $http_ocp_apim_subscription_key $known {{ default 0; include {folder}/keys.map; }}\n"
            f"server {{ listen 127.0.0.1:{ports[1]}; location /bench-plain/ {{ {proxy} }} location /bench-keyed/ {{ if ($known = 0) {{ return 401; }} {proxy} }} }}"))
        processes.append(gate)
        subprocess.run(quickstart + ["--nodes", "1", "--empty", "--detach", "--port-base", str(options.port_base)], check=True, stdout=subprocess.DEVNULL)
        arm = Arm(folder / "cluster")
        load(arm, ports[0], keys)
        node = start_gateway(arm, folder / "cluster", binaries, ports[2:5])
        processes.append(node)
        last = f"http://127.0.0.1:{ports[2]}/bench-keyed/a"
        request = urllib.request.Request(last, headers={"Ocp-Apim-Subscription-Key": keys[-1]})
        for _ in range(200):
            try:
                urllib.request.urlopen(request, timeout=2).read()
                break
            except urllib.error.HTTPError:
                time.sleep(0.1)
        subprocess.run(quickstart + ["--stop"], check=True, stdout=subprocess.DEVNULL)
        contenders = {
            "nginx": {"pid": worker_of(gate), "plain": (ports[1], "/bench-plain/a"), "keys": (ports[1], "/bench-keyed/a")},
            "gatehouse": {"pid": node.pid, "plain": (ports[2], "/bench-plain/a"), "keys": (ports[2], "/bench-keyed/a")},
        }
        results = measure(contenders, options, {"plain": plain, "keys": keyed})
        table(results)
        output = options.root / ".bench"
        output.mkdir(exist_ok=True)
        (output / "gateway.json").write_text(json.dumps({"rounds": options.rounds, "seconds": options.seconds, "keys": options.keys, "connections": CONNECTIONS, "results": results}, indent=1) + "\n")
    finally:
        for process in processes:
            process.send_signal(signal.SIGTERM)
        subprocess.run(quickstart + ["--stop"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for process in processes:
            try:
                process.wait(40)
            except subprocess.TimeoutExpired:
                process.kill()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    try:
        main()
    except (Failure, subprocess.CalledProcessError) as failure:
        print(f"bench: {failure}", file=sys.stderr)
        sys.exit(1)
