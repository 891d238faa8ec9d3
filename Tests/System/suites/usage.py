"""Point 4: each report row equals what the client counted; after kill -9 the ledger lies between seen and sent."""
import collections
import os
import random
import threading
import time
import urllib.parse

from support import KEY, Backend, Caller, name, until

WINDOW = "timestamp ge datetime'2020-01-01T00:00:00' and timestamp le datetime'2099-01-01T00:00:00'"
CALLS, KILL_CALLS = (10_000, 2_000)
CLASSES = {200: "Success", 401: "Blocked", 500: "Failed", 404: "Other"}


def report(cluster, by, extra="", **query):
    return cluster.get(f"/reports/{by}", query={"$filter": WINDOW + extra, "$top": "1000", **query}).json["value"]


class World:
    def __init__(self, cluster):
        self.cluster, self.backend = cluster, Backend()
        self.apis = [cluster.shop(name("used"), self.backend) for _ in range(2)]
        self.product, self.user = name("product"), name("user")
        cluster.made(f"/products/{self.product}", {"displayName": self.product})
        cluster.made(f"/products/{self.product}/apis/{self.apis[0]}")
        cluster.made(f"/users/{self.user}", {"email": f"{self.user}@example.test", "firstName": "U", "lastName": "S"})
        self.keys = {}
        for scope, more in ((f"/products/{self.product}", {"ownerId": f"/users/{self.user}"}), (f"/apis/{self.apis[0]}", {}), (f"/apis/{self.apis[1]}", {}), ("/apis", {})):
            sid = name("sub")
            self.keys[sid] = (cluster.subscribe(sid, scope, **more), [self.apis[0]] if "product" in scope else [self.apis[1]] if scope.endswith(self.apis[1]) else [self.apis[0]] if scope.startswith("/apis/") else self.apis)
        self.seen, self.sent, self.wire, self.lock = collections.Counter(), collections.Counter(), collections.Counter(), threading.Lock()

    def load(self, calls, patient=False):
        """Calls over all nodes from 8 threads; each counted before it is sent and when its answer was read whole."""
        left = [calls]

        def work():
            callers = [Caller(node["http"]) for node in self.cluster.nodes]
            while True:
                with self.lock:
                    if not left[0]:
                        return
                    left[0] -= 1
                sid = random.choice(list(self.keys))
                key, apis = self.keys[sid]
                api, want = random.choice(apis), random.choice((200, 200, 200, 200, 404, 500))
                method, target, body = random.choice((("GET", f"/{api}/things/{random.randrange(99)}", None), ("POST", f"/{api}/things", b"x" * random.randrange(300))))
                caller = random.choice(callers)
                bad = random.random() < 0.05
                sort = (("" if bad else sid), api, "op0" if method == "GET" else "op1", CLASSES[401 if bad else want])
                try:
                    if caller.socket is None:
                        caller.connect()
                    with self.lock:
                        self.sent[sort] += 1
                    reply = caller.call(method, target, {KEY: "bad" if bad else key, "X-Want": want}, body)
                except OSError:
                    caller.close()
                    if not patient:
                        raise
                    continue
                assert reply.status == (401 if bad else want), reply.raw
                with self.lock:
                    self.seen[sort] += 1
                    self.wire[api] += len(caller.sent) + len(reply.raw)

        threads = [threading.Thread(target=work) for _ in range(8)]
        for thread in threads:
            thread.start()
        return threads

    def total(self, counter, **only):
        places = ("sid", "api", "operation", "outcome")
        return sum(n for sort, n in counter.items() if all(sort[places.index(k)] == v for k, v in only.items()))

    def reported(self):
        return sum(row["callCountTotal"] for row in report(self.cluster, "byApi") if row["apiId"].removeprefix("/apis/") in self.apis)


def counts(row):
    return {outcome: row[f"callCount{outcome}"] for outcome in ("Success", "Blocked", "Failed", "Other")}


def test_each_row_equals_what_the_client_counted(cluster):
    world = World(cluster)
    for thread in world.load(CALLS):
        thread.join()
    everything = sum(world.seen.values())
    assert everything == CALLS, everything
    took = until(lambda: world.reported() == everything, 6, 0.05)
    assert took is not None, f"{world.reported()} of {everything} are reported"

    def expected(**only):
        return {outcome: world.total(world.seen, outcome=outcome, **only) for outcome in ("Success", "Blocked", "Failed", "Other")}
    rows = {row["subscriptionId"].rsplit("/", 1)[-1]: row for row in report(cluster, "bySubscription")}
    for sid in world.keys:
        assert counts(rows[sid]) == expected(sid=sid), (sid, counts(rows[sid]), expected(sid=sid))
    for row in report(cluster, "byApi"):
        api = row["apiId"].removeprefix("/apis/")
        if api in world.apis:
            assert counts(row) == expected(api=api), (api, counts(row), expected(api=api))
            assert row["bandwidth"] == world.wire[api], (api, row["bandwidth"], world.wire[api])
            assert 0 < row["apiTimeMin"] <= row["apiTimeAvg"] <= row["apiTimeMax"], row
    for row in report(cluster, "byOperation"):
        api, operation = row["apiId"].removeprefix("/apis/"), row["operationId"].rsplit("/", 1)[-1]
        if api in world.apis:
            assert counts(row) == expected(api=api, operation=operation), row
    owned = next(iter(world.keys))
    row = next(row for row in report(cluster, "byProduct") if row["productId"] == f"/products/{world.product}")
    assert counts(row) == expected(sid=owned), row
    row = next(row for row in report(cluster, "byUser") if row["userId"] == f"/users/{world.user}")
    assert counts(row) == expected(sid=owned), row
    total = sum(row["callCountTotal"] for api in world.apis for row in report(cluster, "byTime", f" and apiId eq '/apis/{api}'", interval="PT15M"))
    assert total == everything, total
    assert report(cluster, "byApi") == report(cluster, "byApi")
    return f"{everything} calls, reported {took:.1f} s after the last"


def killed(cluster, name):
    world = World(cluster)
    threads = world.load(KILL_CALLS, patient=True)
    assert until(lambda: sum(world.seen.values()) > KILL_CALLS // 4, 60) is not None
    start = cluster.kill(name)
    start()
    for thread in threads:
        thread.join()
    assert until(lambda: world.reported() >= sum(world.seen.values()), 30, 0.1) is not None, (world.reported(), sum(world.seen.values()))
    rows = {row["subscriptionId"].rsplit("/", 1)[-1]: row for row in report(cluster, "bySubscription")}
    for sid in world.keys:
        low, high = (world.total(counter, sid=sid, outcome="Success") for counter in (world.seen, world.sent))
        assert low <= rows[sid]["callCountSuccess"] <= high, (sid, low, rows[sid]["callCountSuccess"], high)
    for row in report(cluster, "byApi"):
        api = row["apiId"].removeprefix("/apis/")
        if api in world.apis:
            low, high = (world.total(counter, api=api) for counter in (world.seen, world.sent))
            assert low <= row["callCountTotal"] <= high, (api, low, row["callCountTotal"], high)
    return f"clients saw {sum(world.seen.values())}, reported {world.reported()}, sent {sum(world.sent.values())}"


def test_a_node_killed_in_the_middle(cluster):
    return killed(cluster, cluster.nodes[1]["name"])


def test_the_controller_killed_in_the_middle(cluster):
    return killed(cluster, "controller")
