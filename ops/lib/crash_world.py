"""What is done to a cluster while its parts are killed, and what must be true of it afterwards.

Each administrator owns its resources and does one thing after the other, so for each resource it is known which value was
answered last and which ones may be there because the answer was lost. Callers count what they sent and what they saw."""
import base64
import collections
import random
import threading
import time

from crash_cluster import KEY, Backend, Connection, Lost, Management, NotSent

GENERATION = "crash-generation"


class Gate:
    """Workers pass it before each step; closing it waits until all stand still."""

    def __init__(self):
        self.condition, self.is_open, self.inside = threading.Condition(), False, 0

    def __enter__(self):
        with self.condition:
            self.condition.wait_for(lambda: self.is_open)
            self.inside += 1

    def __exit__(self, *_):
        with self.condition:
            self.inside -= 1
            self.condition.notify_all()

    def open(self):
        with self.condition:
            self.is_open = True
            self.condition.notify_all()

    def close(self):
        with self.condition:
            self.is_open = False
            self.condition.wait_for(lambda: self.inside == 0)


class Tracked:
    """A resource, the value that was answered last (None: it is not there) and those that may have come after it."""

    def __init__(self, path, read, value=None):
        self.path, self.read, self.settled, self.doubt = path, read, value, []
        self.ever = set()

    def is_certain(self):
        return not self.doubt

    def check(self, management):
        """Why it is not what it must be; else takes what is there. The count of lost answers whose change is there."""
        status, _, body = management.call(*self.read(self.path))
        if status not in (200, 404):
            return f"{self.path}: {status} {body}", 0
        found = self.value_of(body) if status == 200 else None
        if found not in [self.settled, *self.doubt]:
            return f"{self.path}: is {found!r}, was answered {self.settled!r}, in flight {self.doubt!r}", 0
        kept = int(bool(self.doubt) and found != self.settled)
        self.settled, self.doubt = found, []
        return None, kept


def described(path, field="description"):
    tracked = Tracked(path, lambda path: ("GET", path))
    tracked.value_of = lambda body: body["properties"].get(field)
    return tracked


def secret(path):
    tracked = Tracked(path, lambda path: ("POST", f"{path}/listValue"))
    tracked.value_of = lambda body: body["value"]
    return tracked


def keyed(path):
    tracked = Tracked(path, lambda path: ("POST", f"{path}/listSecrets"))
    tracked.value_of = lambda body: body["primaryKey"]
    return tracked


def header_policy(name, value):
    return {"format": "rawxml", "value": f"<policies><inbound><base /></inbound><backend><base /></backend><outbound><base /><set-header name=\"{name}\" exists-action=\"override\"><value>{value}</value></set-header></outbound><on-error><base /></on-error></policies>"}


class World:
    """The resources, the workers and what they learned."""

    def __init__(self, cluster, seed):
        self.cluster, self.random, self.backend, self.salt = cluster, random.Random(seed), Backend(), f"{time.time_ns():x}"[-8:]
        self.gate, self.lock, self.failures = Gate(), threading.Lock(), []
        self.count = collections.Counter()
        self.sent, self.seen = collections.Counter(), collections.Counter()
        self.keys, self.revoked, self.tracked = {}, [], []
        management = Management(cluster)
        management.done("PUT", f"/namedValues/{GENERATION}", {"displayName": GENERATION, "value": "0"})
        management.done("PUT", "/policies/policy", {"format": "rawxml", "value": f"<policies><inbound /><backend><forward-request /></backend><outbound><set-header name=\"gen-global\" exists-action=\"override\"><value>{{{{{GENERATION}}}}}</value></set-header></outbound><on-error /></policies>"})
        self.make_api(management, "load")
        management.done("PUT", "/apis/load/policies/policy", header_policy("gen-api", f"{{{{{GENERATION}}}}}"))
        management.done("PUT", "/products/load", {"displayName": "load", "state": "published"})
        management.done("PUT", "/products/load/apis/load")
        for sid, scope in (("load-product", "/products/load"), ("load-api", "/apis/load"), ("load-all", "/apis"), ("load-more", "/apis/load")):
            management.done("PUT", f"/subscriptions/{sid}", {"displayName": sid, "scope": scope}, {"Prefer": "wait=10"})
            body, _ = management.done("POST", f"/subscriptions/{sid}/listSecrets")
            self.keys[sid] = body["secondaryKey"]
        self.generation = described(f"/namedValues/{GENERATION}", "value")
        self.generation.settled = "0"
        self.tracked.append(self.generation)
        self.administrators = [Administrator(self, management, number) for number in range(3)]
        self.primaries = {sid: keyed(f"/subscriptions/{sid}") for sid in self.keys}
        for tracked in self.primaries.values():
            tracked.settled = management.done("POST", tracked.path + "/listSecrets")[0]["primaryKey"]
            tracked.ever.add(tracked.settled)
        self.tracked += self.primaries.values()
        jobs = [administrator.work for administrator in self.administrators] + [self.move_generation, self.regenerate]
        jobs += [lambda node=node: self.call(node) for node in cluster.nodes for _ in range(2)]
        for job in jobs:
            threading.Thread(target=self.work, args=(job,), daemon=True).start()

    def make_api(self, management, name):
        management.done("PUT", f"/apis/{name}", {"displayName": name, "path": name, "serviceUrl": self.backend.url, "protocols": ["http"], "description": "first"})
        management.done("PUT", f"/apis/{name}/operations/x", {"displayName": "x", "method": "GET", "urlTemplate": "/x"})

    def work(self, job):
        try:
            job()
        except Exception as error:  # a worker that ends must be seen
            self.fail(f"a worker ended: {type(error).__name__} {error}")

    def fail(self, text):
        with self.lock:
            if len(self.failures) < 50:
                self.failures.append(text)

    # -- administrators
    def change(self, management, tracked, value, method, path, properties=None, headers=()):
        """One change of one resource, and what it taught. Gives the answer's fields where it was answered."""
        tracked.doubt.append(value)
        tracked.ever.add(value)
        try:
            status, fields, body = management.call(method, path, None if properties is None else {"properties": properties}, headers)
        except NotSent:
            tracked.doubt.pop()
            time.sleep(0.02)
            return None
        except Lost:
            with self.lock:
                self.count["writes in doubt"] += 1
            return None
        if status >= 300:
            tracked.doubt.pop()
            self.fail(f"{method} {path}: {status} {body}")
            return None
        tracked.settled, tracked.doubt = value, []
        with self.lock:
            self.count["writes answered"] += 1
        return fields

    def move_generation(self):
        management, number = Management(self.cluster), 0
        while True:
            with self.gate:
                number += 1
                self.change(management, self.generation, str(number), "PUT", self.generation.path, {"displayName": GENERATION, "value": str(number)})
            time.sleep(0.03)

    def regenerate(self):
        management, order = Management(self.cluster), random.Random(self.random.random())
        while True:
            with self.gate:
                self.regenerate_one(management, self.primaries[order.choice(list(self.primaries))])
            time.sleep(0.05)

    def regenerate_one(self, management, tracked):
        """What the new key is, only the controller knows: another read tells, now or after the round."""
        if not tracked.is_certain():
            return
        old = tracked.settled
        tracked.doubt = [Anything(old)]
        try:
            status, fields, body = management.call("POST", tracked.path + "/regeneratePrimaryKey", headers={"Prefer": "wait=3"})
            if status != 204:
                tracked.doubt = []
                return self.fail(f"regeneratePrimaryKey: {status} {body}")
            tracked.settled = Anything(old)
            with self.lock:
                self.count["keys regenerated"] += 1
                if fields.get("Gatehouse-Rollout") == f"applied={len(self.cluster.nodes)}/{len(self.cluster.nodes)}":
                    self.revoked.append((old, "/load/x"))
            status, _, body = management.call("POST", tracked.path + "/listSecrets")
            if status == 200 and body["primaryKey"] != old:
                tracked.settled, tracked.doubt = body["primaryKey"], []
                tracked.ever.add(tracked.settled)
        except NotSent:
            if not isinstance(tracked.settled, Anything):
                tracked.doubt = []
            time.sleep(0.02)
        except Lost:
            with self.lock:
                self.count["writes in doubt"] += 1

    # -- callers
    def call(self, node):
        connection, order, newest, life = Connection(node.url), random.Random(self.random.random()), 0, -1
        while True:
            with self.gate:
                if connection.connection is None or life != node.life:
                    newest, life = 0, node.life
                with self.lock:
                    revoked = order.choice(self.revoked[-40:]) if self.revoked and order.random() < 0.2 else None
                if revoked:
                    self.probe(node, connection, *revoked)
                else:
                    newest = self.call_once(node, connection, order.choice(list(self.keys)), newest)
            time.sleep(0.008)

    def call_once(self, node, connection, sid, newest):
        """A call that must be answered by one whole version, and never by an older one on the same connection."""
        with self.lock:
            self.sent[sid] += 1
        try:
            status, fields, body = connection.send("GET", "/load/x", headers={KEY: self.keys[sid]})
        except NotSent:
            with self.lock:
                self.sent[sid] -= 1
            time.sleep(0.01)
            return 0
        except Lost:
            with self.lock:
                self.count["calls cut"] += 1
            return 0
        if status != 200 or body != b"ok":
            self.fail(f"{node.name}: a call was answered {status} {body!r}")
            return newest
        with self.lock:
            self.seen[sid] += 1
            self.count["calls whole"] += 1
        here, there = fields.get("gen-global"), fields.get("gen-api")
        if here is None or here != there:
            self.fail(f"{node.name}: parts of two versions: gen-global {here}, gen-api {there}")
        elif int(here) < newest:
            self.fail(f"{node.name}: went back from generation {newest} to {here}")
        return max(newest, int(here or 0))

    def probe(self, node, connection, key, path):
        try:
            status, _, _ = connection.send("GET", path, headers={KEY: key})
        except (NotSent, Lost):
            return
        with self.lock:
            self.count["revoked keys tried"] += 1
        if status != 401:
            self.fail(f"{node.name}: a revoked key was answered {status} at {path}")


class Anything:
    """Any key but one: what a regenerated key may be."""

    def __init__(self, old):
        self.old = old

    def __eq__(self, other):
        return isinstance(other, str) and other != self.old

    def __repr__(self):
        return "a new key"


class Administrator:
    """Makes, changes and deletes resources of its own."""

    def __init__(self, world, management, number):
        self.world, self.number, self.name, self.counter = world, number, f"w{number}", 0
        self.random = random.Random(world.random.random())
        name = self.name
        world.make_api(management, name)
        self.api, self.other = described(f"/apis/{name}"), described(f"/apis/{name}-other")
        self.api.settled = "first"
        self.plain, self.secret = described(f"/namedValues/{name}-plain", "value"), secret(f"/namedValues/{name}-secret")
        self.product = described(f"/products/{name}")
        self.policy = Tracked(f"/apis/{name}/policies/policy", lambda path: ("GET", path + "?format=rawxml"))
        self.policy.value_of = lambda body: body["properties"]["value"].split("<value>")[1].split("</value>")[0]
        self.subscription = keyed(f"/subscriptions/{name}")
        world.tracked += [self.api, self.other, self.plain, self.secret, self.product, self.policy, self.subscription]

    def work(self):
        management = Management(self.world.cluster)
        acts = [self.patch_api, self.put_api, self.toggle_other, self.put_plain, self.patch_plain, self.put_secret, self.toggle_product, self.patch_product,
                self.put_policy, self.delete_policy, self.put_subscription, self.delete_subscription]
        while True:
            with self.world.gate:
                self.counter += 1
                self.random.choice(acts)(management, f"{self.name}-{self.counter}")
            time.sleep(0.005)

    def api_properties(self, name, value):
        return {"displayName": name, "path": name, "serviceUrl": self.world.backend.url, "protocols": ["http"], "description": value}

    def patch_api(self, management, value):
        self.world.change(management, self.api, value, "PATCH", self.api.path, {"description": value})

    def put_api(self, management, value):
        self.world.change(management, self.api, value, "PUT", self.api.path, self.api_properties(self.name, value))

    def toggle_other(self, management, value):
        if self.other.settled and self.other.is_certain():
            return self.world.change(management, self.other, None, "DELETE", self.other.path)
        return self.world.change(management, self.other, value, "PUT", self.other.path, self.api_properties(f"{self.name}-other", value))

    def put_plain(self, management, value):
        self.world.change(management, self.plain, value, "PUT", self.plain.path, {"displayName": f"{self.name}-plain", "value": value})

    def patch_plain(self, management, value):
        if self.plain.settled and self.plain.is_certain():
            self.world.change(management, self.plain, value, "PATCH", self.plain.path, {"value": value})

    def put_secret(self, management, value):
        if self.secret.settled and self.secret.is_certain() and self.random.random() < 0.3:
            return self.world.change(management, self.secret, None, "DELETE", self.secret.path)
        return self.world.change(management, self.secret, value, "PUT", self.secret.path, {"displayName": f"{self.name}-secret", "value": value, "secret": True})

    def toggle_product(self, management, value):
        if self.product.settled and self.product.is_certain():
            return self.world.change(management, self.product, None, "DELETE", self.product.path)
        return self.world.change(management, self.product, value, "PUT", self.product.path, {"displayName": f"product {self.name}", "description": value})

    def patch_product(self, management, value):
        if self.product.settled and self.product.is_certain():
            self.world.change(management, self.product, value, "PATCH", self.product.path, {"description": value})

    def put_policy(self, management, value):
        self.world.change(management, self.policy, value, "PUT", self.policy.path, header_policy("mark", value))

    def delete_policy(self, management, value):
        if self.random.random() < 0.3:
            self.world.change(management, self.policy, None, "DELETE", self.policy.path)

    def put_subscription(self, management, value):
        """With a key of our own, so that the key before it is known to be revoked."""
        key = base64.b16encode(f"{value}-{self.world.salt}".encode()).decode().lower().ljust(32, "0")
        body = {"displayName": self.name, "scope": self.api.path, "primaryKey": key, "secondaryKey": f"{key}2"}
        self.world.change(management, self.subscription, key, "PUT", self.subscription.path, body)

    def delete_subscription(self, management, value):
        if self.random.random() < 0.5:
            self.world.change(management, self.subscription, None, "DELETE", self.subscription.path)
