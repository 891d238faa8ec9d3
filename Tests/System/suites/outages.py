"""Points 5 and 6: revoked keys, a controller that is down, a third node."""
import pathlib
import shutil
import signal
import subprocess
import time

import requests

from support import INVALID, KEY, Backend, Caller, name, until


def test_a_regenerated_key_is_refused_at_both_nodes_within_a_second(cluster):
    api = cluster.shop(name("keys"), Backend())
    sid = name("keys")
    old = cluster.subscribe(sid, f"/apis/{api}")
    assert cluster.post(f"/subscriptions/{sid}/regeneratePrimaryKey").status == 204
    for node, caller in cluster.callers():
        seconds = until(lambda: caller.call("GET", f"/{api}/things/1", {KEY: old}).body == INVALID, 1)
        assert seconds is not None, node
        assert caller.call("GET", f"/{api}/things/1", {KEY: cluster.key(sid)}).status == 200


def test_H13_many_changes_a_minute_hold_no_node_up(cluster):
    """More than the requests for blobs that a node has a minute; each change must be applied, one by one."""
    api, slowest = cluster.shop(name("busy"), Backend()), 0.0
    for turn in range(230):
        began = time.monotonic()
        answer = cluster.put(f"/apis/{api}/operations/many", {"displayName": f"many {turn}", "method": "GET", "urlTemplate": f"/many-{turn}"}, headers={"Prefer": "wait=10"})
        slowest = max(slowest, time.monotonic() - began)
        assert answer.headers["Gatehouse-Rollout"] == "applied=2/2", f"change {turn}: {answer.headers['Gatehouse-Rollout']}"
    for node, caller in cluster.callers():
        assert caller.call("GET", f"/{api}/many-229").status == 401, node
        assert caller.call("GET", f"/{api}/many-228").status == 404, node
    return f"slowest {slowest * 1000:.0f} ms"


def test_nodes_serve_without_their_controller_also_after_their_own_restart(cluster):
    api = cluster.shop(name("alone"), Backend())
    key = cluster.subscribe(name("alone"), f"/apis/{api}")
    revive = cluster.kill("controller")
    try:
        for node in [node["name"] for node in cluster.nodes]:
            cluster.kill(node)()
        for node, caller in cluster.callers():
            assert caller.call("GET", f"/{api}/things/1", {KEY: key}).status == 200, node
            assert caller.call("GET", f"/{api}/things/1", {KEY: "wrong"}).body == INVALID, node
    finally:
        revive()
    # Nodes have not all dialled again yet: a write waits for them all the same.
    waited = cluster.put(f"/groups/{name('early')}", {"displayName": name("early")}, headers={"Prefer": "wait=30"})
    assert waited.headers["Gatehouse-Rollout"] == "applied=2/2", waited.headers
    new = cluster.put(f"/subscriptions/{name('after')}", {"displayName": "after", "scope": "/apis"}).json["properties"]["primaryKey"]
    for node, caller in cluster.callers():
        assert until(lambda: caller.call("GET", f"/{api}/things/1", {KEY: new}).status == 200, 30) is not None, f"{node} has no change after the controller came back"


def test_a_third_node_joins_serves_and_is_revoked(cluster):
    api = cluster.shop(name("third"), Backend())
    key = cluster.subscribe(name("third"), f"/apis/{api}")
    command = pathlib.Path(f"/proc/{cluster.pid(cluster.nodes[0]['name'])}/cmdline").read_bytes().split(b"\0")[0].decode()
    base = int(cluster.nodes[-1]["http"].rsplit(":", 1)[1]) + 10
    label, folder = name("node"), cluster.folder / "third"
    status = f"http://127.0.0.1:{base + 2}/readyz"
    child = subprocess.Popen([command, "serve", "--directory", folder, "--controller", cluster.document["controller"]["nodeUrl"], "--ca", cluster.ca,
                              "--token-file", cluster.folder / "gateway.token", "--name", label, "--http", f"127.0.0.1:{base}", "--https", f"127.0.0.1:{base + 1}",
                              "--status", f"127.0.0.1:{base + 2}"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def ready():
        try:
            return cluster.new_session().get(status, timeout=2).status_code == 200
        except requests.RequestException:
            return False
    try:
        assert until(ready, 20, 0.05) is not None, "it is not ready"
        assert Caller(f"http://127.0.0.1:{base}").call("GET", f"/{api}/things/1", {KEY: key}).status == 200
        row = next(row for row in cluster.get("/gatehouse/nodes").json["value"] if row["properties"]["label"] == label)
        assert row["properties"]["state"] == "live" and row["properties"]["gateway"] == "default", row
        gone = cluster.delete(f"/gatehouse/nodes/{row['name']}", headers={"Prefer": "wait=10"})
        assert gone.status == 200 and gone.headers["Gatehouse-Rollout"] == "applied=2/2" and int(gone.headers["Gatehouse-Revision"]) > 0, gone.headers
        assert until(lambda: child.poll() is not None, 20, 0.05) is not None, "a revoked node goes on"
    finally:
        if child.poll() is None:
            child.send_signal(signal.SIGTERM)
            child.wait(40)
        shutil.rmtree(folder, ignore_errors=True)
