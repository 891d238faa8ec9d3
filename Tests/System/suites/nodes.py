"""Nodes as processes: who may speak at which port, the PROXY protocol, settings, descriptors, a controller that is away."""
import json
import os
import socket
import ssl
import struct
import subprocess
import threading
import time

import requests

from extra_node import ExtraNode, drain
from support import BINARIES, Backend, Caller, header, name, policy, until

REQUEST = b"GET /%s/things/1 HTTP/1.1\r\nHost: g\r\nConnection: close\r\n\r\n"


def open_api(cluster, backend, text=""):
    """An API without keys, so that raw bytes need none."""
    api = cluster.shop(name("nodes"), backend)
    cluster.rest("PATCH", f"/apis/{api}", {"properties": {"subscriptionRequired": False}}, headers={"Prefer": "wait=10"})
    if text:
        answer = cluster.put(f"/apis/{api}/policies/policy", policy(text), headers={"Prefer": "wait=10"})
        assert answer.status in (200, 201), answer.text
    return api


def exchange(node, data, pieces=None):
    with node.connect() as connection:
        try:
            for piece in pieces or [data]:
                connection.sendall(piece)
        except (BrokenPipeError, ConnectionResetError):
            pass
        return drain(connection)


def test_B27_the_proxy_protocol_is_read_where_it_is_switched_on(cluster):
    backend = Backend()
    api = open_api(cluster, backend, '<ip-filter action="allow"><address>203.0.113.7</address></ip-filter>').encode()
    request = REQUEST % api
    one = b"PROXY TCP4 203.0.113.7 192.0.2.1 5 6\r\n"
    two = b"\r\n\r\n\0\r\nQUIT\n\x21\x11" + struct.pack("!H4s4sHH", 12, bytes([203, 0, 113, 7]), bytes([192, 0, 2, 1]), 5, 6)
    with ExtraNode(cluster, "--proxy-protocol", "--trusted-proxies", "127.0.0.1") as node:
        for head in (one, two):
            answer = exchange(node, head + request)
            assert answer.startswith(b"HTTP/1.1 200 "), answer
            assert json.loads(answer.split(b"\r\n\r\n", 1)[1])["fields"]["x-forwarded-for"] == "203.0.113.7", answer
            split = exchange(node, b"", [bytes([byte]) for byte in head + request])
            assert split.startswith(b"HTTP/1.1 200 "), split
        # The balancer for itself: its own address, which the policy does not let in.
        for head in (b"PROXY UNKNOWN x\r\n", b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0"):
            assert exchange(node, head + request).startswith(b"HTTP/1.1 403 "), head
        count = backend.count
        for head in (b"", b"PROXY TCP4 203.0.113.07 192.0.2.1 5 6\r\n", two[:12] + b"\x11" + two[13:]):
            assert exchange(node, head + request) == b"", head
        assert backend.count == count and node.metric("gatehouse_proxy_headers_refused_total") == 3
        # TLS begins behind the header.
        with socket.create_connection(("127.0.0.1", node.secure), timeout=20) as plain:
            plain.sendall(one)
            with ssl.create_default_context(cafile=cluster.ca).wrap_socket(plain, server_hostname="127.0.0.1") as secure:
                secure.sendall(request)
                assert drain(secure).startswith(b"HTTP/1.1 200 ")
    with ExtraNode(cluster, "--proxy-protocol", "--trusted-proxies", "192.0.2.0/24") as node:
        assert exchange(node, one + request) == b"", "a stranger is not listened to"
    assert exchange_at(cluster, one + request).startswith(b"HTTP/1.1 400 "), "off: a header is no request"


def exchange_at(cluster, data):
    host, port = cluster.nodes[0]["http"].removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=20) as connection:
        connection.sendall(data)
        return drain(connection)


def refused(*options, **environment):
    done = subprocess.run([str(BINARIES / "gatehouse-gateway"), "serve", "--directory", "/nonexistent/x", "--controller", "https://127.0.0.1:1", "--ca", "/nonexistent/ca",
                           "--token-file", "/nonexistent/t", *options], capture_output=True, text=True, timeout=30)
    assert done.stderr.count("\n") == 1, done.stderr
    return done.returncode, done.stderr


def test_wrong_options_of_a_node_are_refused_in_one_line(cluster):
    status, text = refused("--proxy-protocol")
    assert status == 2 and "--trusted-proxies" in text, text
    for proxies in ("10.0.0.0/33", "010.0.0.1", "10.1", "0x0a.0.0.1", "fe80::1%eth0", "name", "10.0.0.0/-1", "10.0.0.0/8/8", "::1/129", "10.0.0.0/+8"):
        status, text = refused("--trusted-proxies", proxies)
        assert status == 2 and "--trusted-proxies" in text, (proxies, text)
    settings = cluster.folder / "settings.yaml"
    for content, said in (("idleMiliseconds: 1\n", "idleMilliseconds"), ("requestFields: many\n", "requestFields"), ("requestFields: 0\n", "1 to"), ("- a\n", "line 1"), ("a:\n  b: 1\n", "line")):
        settings.write_text(content)
        status, text = refused("--settings", str(settings))
        assert status == 2 and said in text, text
    status, text = refused("--settings", "/nonexistent/settings")
    assert status == 2 and "/nonexistent/settings" in text, text


def test_settings_are_in_force_and_said_at_the_start(cluster):
    backend = Backend()
    api = open_api(cluster, backend).encode()
    settings = cluster.folder / "settings.yaml"
    settings.write_text("---\n# Limits of this node\nrequestFields: 5\nmethodBytes: 8\nheadMilliseconds: 300 # short\nidentityFields: [X-Mine]\nforwardedValues: 2\n")
    with ExtraNode(cluster, "--settings", settings, "--trusted-proxies", "127.0.0.1,192.0.2.0/24") as node:
        said = node.errors.decode()
        for part in ("requestFields=5", "methodBytes=8", "headMilliseconds=300", "idleMilliseconds=60000", "identityFields=X-Mine", "forwardedValues=2"):
            assert part in said, said
        fields = [b"F%d: 1\r\n" % number for number in range(5)]
        call = b"GET /%s/things/1 HTTP/1.1\r\nHost: g\r\n%sConnection: close\r\n\r\n"
        assert exchange(node, call % (api, b"".join(fields[:3]))).startswith(b"HTTP/1.1 200 ")
        assert exchange(node, call % (api, b"".join(fields[:4]))).startswith(b"HTTP/1.1 431 ")
        assert exchange(node, b"ABCDEFGHI / HTTP/1.1\r\nHost: g\r\n\r\n").startswith(b"HTTP/1.1 501 ")
        assert exchange(node, b"GET / HT").startswith(b"HTTP/1.1 408 ")


def test_H25_certificates_do_one_job(cluster):
    node = cluster.folder / cluster.nodes[0]["directory"]
    identity = json.loads((node / "identity.json").read_text())
    certificate = node / "certificate.test.pem"
    listener = node / "listener.test.pem"
    certificate.write_text(identity["certificate"])
    listener.write_text(identity["listenerCertificate"])
    key, url = str(node / "node.key"), cluster.document["controller"]["nodeUrl"]
    try:
        with requests.Session() as session:
            session.trust_env, session.verify = False, cluster.ca
            good = session.post(f"{url}/node/v1/blobs", json={"hashes": []}, cert=(str(certificate), key), timeout=10)
            assert good.status_code == 200, good.text
            # A node's certificate is no token of the management port, and an owner's token none of the node port.
            plain = session.get(f"{cluster.url}{cluster.service}/apis?api-version=2024-05-01", cert=(str(certificate), key), timeout=10)
            assert plain.status_code == 401, plain.text
            named = session.get(f"{cluster.url}{cluster.service}/apis?api-version=2024-05-01", headers={"X-Client-Cert": identity["certificate"].replace("\n", " ")}, timeout=10)
            assert named.status_code == 401, named.text
            for path in ("usage", "blobs", "acknowledgements", "snapshots", "certificates", "roots"):
                answer = session.request("GET" if path == "snapshots" else "POST", f"{url}/node/v1/{path}", json={}, headers={"Authorization": f"Bearer {cluster.token()}"}, timeout=10)
                assert answer.status_code == 401, (path, answer.status_code)
            # The certificate of the node's listener is of the same CA, but no client's.
            try:
                other = session.post(f"{url}/node/v1/blobs", json={"hashes": []}, cert=(str(listener), key), timeout=10)
                raise AssertionError(f"a listener's certificate was taken: {other.status_code}")
            except requests.exceptions.RequestException:
                pass
        host, port = url.removeprefix("https://").split(":")
        for version in (ssl.TLSVersion.TLSv1_1, ssl.TLSVersion.TLSv1_2):
            context = ssl.create_default_context(cafile=cluster.ca)
            context.set_ciphers("ALL:@SECLEVEL=0")
            context.minimum_version = context.maximum_version = version
            try:
                with socket.create_connection((host, int(port)), timeout=10) as plain, context.wrap_socket(plain, server_hostname=host):
                    raise AssertionError(f"{version} was taken")
            except (ssl.SSLError, ConnectionError):
                pass
    finally:
        certificate.unlink()
        listener.unlink()


def test_H40_late_usage_of_deleted_things_is_counted(cluster):
    """Batches of a node that come after what they count for is gone."""
    node = cluster.folder / cluster.nodes[0]["directory"]
    identity = json.loads((node / "identity.json").read_text())
    certificate = node / "certificate.test.pem"
    certificate.write_text(identity["certificate"])
    backend = Backend()
    api, product = cluster.shop(name("gone"), backend), name("gone")
    cluster.made(f"/products/{product}", {"displayName": product})
    cluster.made(f"/products/{product}/apis/{api}")
    sid = name("gone")
    cluster.subscribe(sid, f"/products/{product}")
    for path in (f"/subscriptions/{sid}", f"/products/{product}?deleteSubscriptions=true", f"/apis/{api}"):
        answer = cluster.delete(path, headers={"Prefer": "wait=10"})
        assert answer.status in (200, 202, 204), (path, answer.text)
    bucket = int(time.time()) // 900 * 900 - 7 * 86400
    counters = {**{field: 0 for field in ("success", "blocked", "failed", "other", "bytesIn", "bytesOut", "cacheHits", "cacheMisses", "serviceCalls", "serviceTimeSum", "serviceTimeMax")},
                "success": 5, "apiTimeSum": 50, "apiTimeMin": 10, "apiTimeMax": 10, "serviceTimeMin": 2**64 - 1}
    batch = {"id": {"node": identity["node"], "epoch": int.from_bytes(os.urandom(6), "big") + 1, "sequence": 1},
             "records": [{"key": {"api": api, "operation": "op0", "product": product, "subscription": sid, "user": "", "bucket": bucket}, "counters": counters}]}
    try:
        for isNew in (True, False):
            answer = requests.post(f"{cluster.document['controller']['nodeUrl']}/node/v1/usage", json=batch, cert=(str(certificate), str(node / "node.key")), verify=cluster.ca, timeout=10)
            assert answer.status_code == 200 and answer.json()["isNew"] is isNew, answer.text
    finally:
        certificate.unlink()
    window = "timestamp ge datetime'2020-01-01T00:00:00' and timestamp le datetime'2099-01-01T00:00:00'"

    def row(by, column, value):
        rows = cluster.get(f"/reports/{by}", query={"$filter": window, "$top": "1000"}).json["value"]
        return next((row for row in rows if str(row.get(column, "")).rsplit("/", 1)[-1] == value), None)

    for by, column, value in (("byApi", "apiId", api), ("byProduct", "productId", product), ("bySubscription", "subscriptionId", sid)):
        found = row(by, column, value)
        assert found and found["callCountSuccess"] == 5, (by, found)
        assert found["name"] == value, (by, found["name"], "the id is the name of what is gone")


def test_H52_descriptors_run_out_softly(cluster):
    backend = Backend()
    api = open_api(cluster, backend)
    few = ExtraNode(cluster, descriptors=64).start(waits=False)
    with_few = few.process.wait(20)
    few.__exit__()
    assert with_few == 3 and b"ulimit -n 128" in few.errors and few.errors.count(b"\n") == 1, few.errors
    with ExtraNode(cluster, "--loops", 2, descriptors=256) as node:
        assert b"256 descriptors" in node.errors, node.errors
        held = []
        for _ in range(1000):
            try:
                held.append(node.connect(5))
            except OSError:
                break
        # All places are taken by connections that say nothing: the node goes on, and takes callers when they are gone.
        used = len(os.listdir(f"/proc/{node.process.pid}/fd"))
        assert used <= 256 - 16, used
        ticks = sum(map(int, open(f"/proc/{node.process.pid}/stat").read().rsplit(")", 1)[1].split()[11:13]))
        time_of_a_second = time.monotonic() + 1
        until(lambda: time.monotonic() > time_of_a_second, 2, 0.2)
        spent = sum(map(int, open(f"/proc/{node.process.pid}/stat").read().rsplit(")", 1)[1].split()[11:13])) - ticks
        assert spent < 50, f"{spent} ticks in a second: it spins"
        change = cluster.put(f"/groups/{name('more')}", {"displayName": name("more")}, headers={"Prefer": "wait=15"})
        applied, live = change.headers["Gatehouse-Rollout"].removeprefix("applied=").split("/")
        assert applied == live and int(live) >= 3, "its stream lives"
        for connection in held:
            connection.close()
        caller = Caller(node.url)

        def served():
            try:
                return caller.call("GET", f"/{api}/things/1").status == 200
            except OSError:
                caller.close()
                return False
        assert until(served, 20, 0.1) is not None
        return f"{len(held)} connections held, {used} descriptors used, {spent} ticks a second"


def test_H54_what_a_missing_controller_costs(cluster):
    backend = Backend()
    api = open_api(cluster, backend)
    revive = cluster.kill("controller")
    new = ExtraNode(cluster)
    try:
        state = {}

        def told():
            state.update(cluster.new_session().get(cluster.nodes[0]["status"] + "/readyz", timeout=2).json())
            return state["controllerReachable"] is False
        assert until(told, 30, 0.1) is not None, state
        assert state["ready"] is True and state["version"] > 0 and state["lastContact"], state
        for node, caller in cluster.callers():
            reply = caller.call("GET", f"/{api}/things/1")
            assert reply.status == 200, node
        new.start(waits=False)
        # It can't enrol: nothing of it listens, so nobody takes it for ready.
        assert until(lambda: b"enrolment" in new.errors, 15) is not None, new.errors
        assert not new.ready() and new.process.poll() is None
    finally:
        revive()
    try:
        assert until(new.ready, 60, 0.1) is not None, new.errors
        for node in cluster.nodes:
            assert until(lambda: cluster.new_session().get(node["status"] + "/readyz", timeout=2).json()["controllerReachable"], 60, 0.1) is not None
    finally:
        new.__exit__()


def test_H11_swaps_fail_no_call(cluster):
    """Versions follow each other as fast as they can be written, while callers never pause."""
    backend = Backend()
    api = open_api(cluster, backend)
    stop, calls, faults, lock = threading.Event(), [0], [], threading.Lock()

    def set_version(number):
        text = policy(header("X-Req", number, "override"), header("X-Res", number, "override"))
        answer = cluster.put(f"/apis/{api}/policies/policy", text, headers={"Prefer": "wait=10"} if number == 0 else None)
        assert answer.status in (200, 201), answer.text

    def work(url):
        caller, opened = Caller(url), 0
        while not stop.is_set():
            try:
                if caller.socket is None:
                    opened += 1
                    caller.connect()
                reply = caller.call("GET", f"/{api}/things/1")
                sent = json.loads(reply.body)["fields"].get("x-req")
                if reply.status != 200 or sent is None or sent != reply.fields.get("x-res"):
                    raise ValueError(f"{reply.status} {sent} {reply.fields.get('x-res')}")
                with lock:
                    calls[0] += 1
            except (OSError, ValueError, KeyError) as failure:
                with lock:
                    faults.append(repr(failure))
                caller.close()
        if opened > 1:
            faults.append("a connection did not stay open")

    set_version(0)
    threads = [threading.Thread(target=work, args=(node["http"],)) for node in cluster.nodes for _ in range(2)]
    for thread in threads:
        thread.start()
    began = time.monotonic()
    for number in range(1, 151):
        set_version(number)
        if number % 10 == 0:
            cluster.put(f"/backends/{name('b')}", {"url": backend.url, "protocol": "http"})
            cluster.put(f"/subscriptions/{name('s')}", {"displayName": name("s"), "scope": "/apis"})
    took = time.monotonic() - began
    stop.set()
    for thread in threads:
        thread.join()
    assert not faults, faults[:5]
    assert calls[0] > 100, calls
    return f"{calls[0]} calls over 180 versions in {took:.0f} s"
