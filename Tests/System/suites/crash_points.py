"""Each named crash point (Sources/CrashPoints) alone: work until the process dies there, start it again, look at everything."""
import contextlib
import os
import pathlib
import re
import shutil
import signal
import sqlite3


from maintenance import fill, lone, opens
from support import KEY, PROJECT, Backend, Caller, alive, controller, header, name, needs_crash_points, own_cluster, policy, sound, until

POINTS = re.findall(r'case \w+ = "([a-z.-]+)"', (PROJECT / "Sources/CrashPoints/CrashPoint.swift").read_text())
AT_THE_CONTROLLER = ("change.before-commit", "change.in-transaction", "change.committed", "publish.before", "publish.blobs-kept", "publish.root-kept")
AT_A_NODE = ("node.blobs-written", "node.swapped", "node.former-written", "node.root-unnamed", "node.root-written", "node.trust-written", "node.before-acknowledgement")
OF_USAGE = ("usage.counted", "usage.sealed", "usage.batch-written", "usage.before-delivery", "usage.committed", "usage.acknowledged", "usage.dropped")
OF_NODES = ("publish.data-key-replaced", "enrol.committed", "node.enrolled")
MIGRATIONS = ("migrate.backed-up", "migrate.before-commit")
# maintenance.py has the others of a directory.
ELSEWHERE = ("init.", "backup.", "restore.", "rekey.", "adopt.")


def test_every_point_is_tried(_):
    tried = {*AT_THE_CONTROLLER, *AT_A_NODE, *OF_USAGE, *OF_NODES, *MIGRATIONS}
    assert len(POINTS) > 30 and len(POINTS) == len(set(POINTS))
    text = (pathlib.Path(__file__).parent / "maintenance.py").read_text()
    left = [point for point in POINTS if point not in tried and not (point.startswith(ELSEWHERE) and f'"{point}"' in text)]
    assert not left and not tried - set(POINTS), (left, tried - set(POINTS))
    passed = "\n".join(file.read_text() for wing in ("control-plane", "data-plane") for file in (PROJECT / wing).rglob("*.swift"))
    cases = dict(re.findall(r'case (\w+) = "([a-z.-]+)"', (PROJECT / "Sources/CrashPoints/CrashPoint.swift").read_text()))
    missing = [case for case in cases if f".{case}" not in passed]
    assert not missing, missing


class World:
    """An API whose answers tell which version served them, and what must be there after each death."""

    def __init__(self, cluster):
        self.cluster, self.backend, self.number = cluster, Backend(), 0
        self.named = name("crash")
        cluster.made(f"/namedValues/{self.named}", {"displayName": self.named, "value": "0"})
        self.api = cluster.shop(name("api"), self.backend)
        self.policy = policy(outbound=header("one", f"{{{{{self.named}}}}}") + header("two", f"{{{{{self.named}}}}}"))
        cluster.made(f"/apis/{self.api}/policies/policy", self.policy)
        self.sid = name("sub")
        self.key = cluster.subscribe(self.sid, f"/apis/{self.api}")
        self.sent = self.seen = 0
        # A node that found no controller for a while, in an earlier test, may be late. What is acknowledged is on its disk.
        newest = cluster.made(f"/namedValues/{self.named}", {"displayName": self.named, "value": "0", "tags": ["ready"]}).revision
        assert until(lambda: self.applied() >= newest, 90, 0.1) is not None, "a node does not follow"

    def applied(self):
        """The version that every node has acknowledged."""
        rows = [row["properties"] for row in self.cluster.get("/gatehouse/nodes").json["value"] if row["properties"]["state"] == "live"]
        return min((max((row["appliedVersion"] or 0 for row in rows if row["label"] == node["name"]), default=0) for node in self.cluster.nodes))

    def change(self):
        """What was answered; None where the answer was lost."""
        self.number += 1
        try:
            answer = self.cluster.put(f"/namedValues/{self.named}", {"displayName": self.named, "value": str(self.number)})
        except OSError:
            return None
        assert answer.status == 200, answer.text
        return answer.revision

    def call(self, node):
        caller = Caller(node["http"])
        self.sent += 1
        try:
            reply = caller.call("GET", f"/{self.api}/things/1", {KEY: self.key})
        except OSError:
            return None
        finally:
            caller.close()
        assert reply.status == 200, reply.raw
        self.seen += 1
        assert reply.fields["one"] == reply.fields["two"], reply.fields
        return int(reply.fields["one"])

    def check(self, answered):
        """All is as it was answered (or one change further), at the controller and at both nodes; and it goes on."""
        cluster = self.cluster
        value = int(cluster.get(f"/namedValues/{self.named}").json["properties"]["value"])
        assert value in ((self.number,) if answered else (self.number - 1, self.number)), (value, self.number, answered)
        sound(cluster.folder / "controller/store.db")
        for node in cluster.nodes:
            assert until(lambda: self.call(node) == value, 90, 0.05) is not None, (node["name"], value)
        status, _, err = controller("audit", "verify", "--directory", cluster.folder / "controller")
        assert status == 0, err
        self.number = value
        assert cluster.put(f"/namedValues/{self.named}", {"displayName": self.named, "value": str(value)}).status == 200

    def counted(self):
        with contextlib.closing(sqlite3.connect(f"file:{self.cluster.folder / 'controller/store.db'}?mode=ro", uri=True, timeout=10)) as store:
            return store.execute("SELECT coalesce(sum(success + blocked + failed + other), 0) FROM usage WHERE subscription = ?", (self.sid,)).fetchone()[0]


def restart(cluster, name, environment, dies=False):
    """Stops a part by kill and starts it with a point armed."""
    command = cluster.command(name)
    os.kill(cluster.pid(name), signal.SIGKILL)
    assert until(lambda: not alive(int(cluster.pid(name))), 10) is not None
    return cluster.start(name, command, environment, dies)


def dead(child):
    return until(lambda: child.poll() is not None, 30) is not None and child.returncode == -signal.SIGKILL


def test_H7_H46_the_controller_dies_at_each_step_of_a_change(cluster):
    needs_crash_points()
    world = World(cluster)
    for point in AT_THE_CONTROLLER:
        # A start has commits of its own, so the change's own is a later pass.
        command = cluster.command("controller")
        for passes in range(1, 8):
            child = restart(cluster, "controller", {"GATEHOUSE_CRASH_AT": f"{point}:{passes}"}, dies=True)
            up = until(lambda: child.poll() is not None or cluster.ready("controller"), 60)
            assert up is not None
            answered = None if child.poll() is not None else world.change()
            until(lambda: child.poll() is not None, 0.7)
            died = child.poll() is not None
            assert not died or child.returncode == -signal.SIGKILL, (point, child.returncode)
            # Started anew in any case: what is still armed would kill it while all is looked at.
            if not died:
                os.kill(child.pid, signal.SIGKILL)
                child.wait()
            cluster.start("controller", command)
            if passes > 1:
                # A node that found no controller several times waits up to a minute; one that starts dials at once.
                for node in cluster.nodes:
                    restart(cluster, node["name"], None)
            if not answered and died and passes == 1:
                sound(cluster.folder / "controller/store.db")
            else:
                world.check(answered)
            if not died:
                break
        assert passes > 1, point
    return f"{len(AT_THE_CONTROLLER)} points"


def test_H7_a_node_dies_at_each_step_of_a_snapshot_and_serves_one_whole_version_without_its_controller(cluster):
    needs_crash_points()
    world = World(cluster)
    node = cluster.nodes[0]
    for point in AT_A_NODE:
        # Armed after what the start itself passes: the heartbeat is the one step that needs no change.
        child = restart(cluster, node["name"], {"GATEHOUSE_CRASH_AT": f"{point}:{2 if point.endswith('acknowledgement') else 1}"}, dies=True)
        assert until(lambda: child.poll() is not None or cluster.ready(node["name"]), 60) is not None
        before = world.number
        answered = world.change()
        assert dead(child), point
        command = cluster.command("controller")
        os.kill(cluster.pid("controller"), signal.SIGKILL)
        cluster.start(node["name"], node_command(cluster, node))
        alone = world.call(node)
        assert alone in (before, world.number), (point, alone, before, world.number)
        if point in ("node.root-written", "node.trust-written", "node.before-acknowledgement"):
            assert alone == world.number or point.endswith("acknowledgement"), (point, alone)
        cluster.start("controller", command)
        world.check(answered)
    return f"{len(AT_A_NODE)} points"


def node_command(cluster, node):
    base = pathlib.Path(os.environ["GATEHOUSE_BINARIES"]) / "gatehouse-gateway"
    document = cluster.document
    return [str(base), "serve", "--directory", str(cluster.folder / node["directory"]), "--controller", document["controller"]["nodeUrl"], "--ca", cluster.ca,
            "--token-file", str(cluster.folder / "gateway.token"), "--name", node["name"], "--http", node["http"].removeprefix("http://"),
            "--https", node["https"].removeprefix("https://"), "--status", node["status"].removeprefix("http://")]


def test_H31_H34_a_death_at_each_step_of_usage_loses_nothing_and_counts_nothing_twice(cluster):
    needs_crash_points()
    world = World(cluster)
    node = cluster.nodes[0]
    for point in OF_USAGE:
        victim = "controller" if point == "usage.committed" else node["name"]
        command = cluster.command("controller") if victim == "controller" else node_command(cluster, node)
        child = restart(cluster, victim, {"GATEHOUSE_CRASH_AT": point}, dies=True)
        assert until(lambda: child.poll() is not None or cluster.ready(victim), 60) is not None
        for _ in range(20):
            if child.poll() is None:
                world.call(node)
        assert dead(child), point
        cluster.start(victim, command)
        world.call(node)
        assert until(lambda: world.counted() >= world.seen, 30, 0.1) is not None, (point, world.counted(), world.seen)
        # What would be counted twice is delivered by now or never.
        assert until(lambda: not list((cluster.folder / node["directory"] / "usage").glob("*.batch")), 30, 0.1) is not None, point
        assert world.seen <= world.counted() <= world.sent, (point, world.seen, world.counted(), world.sent)
    sound(cluster.folder / "controller/store.db")
    return f"{world.seen} seen, {world.counted()} counted, {world.sent} sent"


def test_H22_H23_a_death_while_nodes_come_and_go_leaves_no_hole(_):
    needs_crash_points()
    with own_cluster() as cluster:
        world = World(cluster)
        command = cluster.command("controller")
        node = cluster.nodes[0]
        # A node's first answer is lost at either side: it enrols again, and serves.
        for point, victim in (("enrol.committed", "controller"), ("node.enrolled", node["name"])):
            os.kill(cluster.pid(node["name"]), signal.SIGKILL)
            shutil.rmtree(cluster.folder / node["directory"])
            child = restart(cluster, "controller", {"GATEHOUSE_CRASH_AT": point}) if victim == "controller" else None
            started = cluster.start(node["name"], node_command(cluster, node), {"GATEHOUSE_CRASH_AT": point}, dies=True)
            assert dead(child or started), point
            cluster.start(victim, command if victim == "controller" else node_command(cluster, node))
            assert until(lambda: cluster.ready(node["name"]), 60) is not None, point
            world.check(True)
        # A revocation that was cut between the new data key and the root: the next start makes the root.
        rows = [row for row in cluster.get("/gatehouse/nodes").json["value"] if row["properties"]["state"] != "live"]
        assert rows, "the first enrolments are listed"
        child = restart(cluster, "controller", {"GATEHOUSE_CRASH_AT": "publish.data-key-replaced"})
        with contextlib.suppress(OSError):
            cluster.delete(f"/gatehouse/nodes/{rows[0]['name']}")
        assert dead(child)
        cluster.start("controller", command)
        world.check(True)


def downgraded(path, version):
    """The tables as that version had them."""
    steps = {3: ["DROP INDEX blob_retired", "ALTER TABLE blob DROP COLUMN retired"], 2: ["ALTER TABLE usage_batch DROP COLUMN digest"]}
    with contextlib.closing(sqlite3.connect(path)) as store, store:
        for number in range(3, version - 1, -1):
            for step in steps[number]:
                store.execute(step)
            store.execute("DELETE FROM grdb_migrations WHERE identifier LIKE ?", (f"{number + 1} %",))


def tables(path):
    with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as store:
        return sorted(row[0] for row in store.execute("SELECT identifier FROM grdb_migrations"))


def test_H56_a_migration_that_dies_leaves_the_old_tables_and_a_copy_of_them(_):
    needs_crash_points()
    with lone() as one:
        fill(one.start())
        one.stop()
        database = one.directory / "store.db"
        now = tables(database)
        for version, copy in ((3, "store.db.before-4"), (2, "store.db.before-3")):
            downgraded(database, version)
            old = tables(database)
            for point in MIGRATIONS + ("backup.copied",):
                one.start(environment={"GATEHOUSE_CRASH_AT": point}, dies=True)
                assert one.child.wait(60) == -signal.SIGKILL, point
                assert tables(database) == old, point
            opens(one.start())
            one.stop()
            assert tables(database) == now and tables(one.directory / copy) == old
            sound(database)
