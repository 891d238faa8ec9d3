"""The n-th write fails, n counting up until the work is done: the controller's commit, a node's snapshot, a usage batch; and a
disk that stays full. The usual run takes a part of the n, `--long` all of them. faults.c makes the writes fail."""
import contextlib
import errno
import mmap
import os
import pathlib
import shutil
import signal
import struct
import subprocess
import tempfile

from crash_points import World, node_command, restart
from maintenance import Lone
from support import controller, sound, until

LONG = bool(os.environ.get("GATEHOUSE_LONG"))
MOST = 400


class Faults:
    """Steers faults.c in the processes that were started with `environment`."""
    work = None

    def __init__(self, folder):
        if Faults.work is None:
            Faults.work = pathlib.Path(tempfile.mkdtemp(prefix="gatehouse-faults-"))
            source = pathlib.Path(__file__).resolve().parents[1] / "faults.c"
            compiler = shutil.which("cc") or shutil.which("clang")
            subprocess.run([compiler, "-shared", "-fPIC", "-O2", "-o", Faults.work / "faults.so", source, "-ldl"], check=True)
        file = tempfile.NamedTemporaryFile(dir=Faults.work, delete=False)
        file.write(b"\0" * 4096)
        file.flush()
        self.map = mmap.mmap(file.fileno(), 4096)
        self.environment = {"LD_PRELOAD": str(Faults.work / "faults.so"), "GATEHOUSE_FAULT_FOLDER": str(folder), "GATEHOUSE_FAULT_CONTROL": file.name}

    def arm(self, number, error, lasting=False):
        self.map[8:32] = struct.pack("<qqq", error, int(lasting), 0)
        self.map[0:8] = struct.pack("<q", number)

    def disarm(self):
        self.map[0:8] = struct.pack("<q", 0)

    @property
    def failed(self):
        return struct.unpack("<q", self.map[24:32])[0]


def numbers(dense):
    """1, 2, 3, … up to where the work is done; without --long the gaps grow."""
    number = 1
    while number < MOST:
        yield number
        number += 1 if LONG or number < dense else max(1, number // 3)
    raise AssertionError("the work is never done")


def each_failing_commit(cluster, error):
    world = World(cluster)
    faults = Faults(cluster.folder / "controller")
    restart(cluster, "controller", faults.environment)
    refused = set()
    count = 0
    for number in numbers(3):
        count += 1
        former = cluster.get(f"/namedValues/{world.named}").json["properties"]["value"]
        world.number += 1
        path, body = f"/namedValues/{world.named}", {"displayName": world.named, "value": str(world.number)}
        faults.arm(number, error)
        answer = cluster.put(path, body)
        reads = cluster.get(path)
        if answer.status == 200:
            # The fault may meet what follows: the blobs and the root.
            assert all(until(lambda: world.call(node) == world.number, 90, 0.05) is not None for node in cluster.nodes), number
        hit = faults.failed
        faults.disarm()
        assert reads.status == 200 and reads.json["properties"]["value"] == (str(world.number) if answer.status == 200 else former), (number, reads.text)
        if answer.status != 200:
            refused.add(answer.status)
            assert (answer.status, answer.code) in ((507, "InsufficientStorage"), (503, "ServiceUnavailable")), (number, answer.status, answer.text)
            assert cluster.put(path, body).status == 200, number
        sound(cluster.folder / "controller/store.db")
        if answer.status == 200 and not hit:
            break
    assert refused and count > 2, (refused, count)
    if error == errno.ENOSPC:
        assert 507 in refused, refused
    world.check(True)
    os.kill(cluster.pid("controller"), signal.SIGKILL)
    cluster.start("controller", cluster_command(cluster))
    world.check(True)
    return f"{count} of the writes to {number}, answered {sorted(refused)}"


def cluster_command(cluster):
    port, nodes = cluster.document["controller"]["url"].removeprefix("https://"), cluster.document["controller"]["nodeUrl"].removeprefix("https://")
    return [str(pathlib.Path(os.environ["GATEHOUSE_BINARIES"]) / "gatehouse-controller"), "serve", "--directory", str(cluster.folder / "controller"), "--management", port,
            "--nodes", nodes, "--public-url", cluster.url, "--outbound-allow", "127.0.0.0/8,::1/128"]


def test_H44_each_write_of_a_commit_that_finds_the_disk_full_is_refused_whole(cluster):
    return each_failing_commit(cluster, errno.ENOSPC)


def test_H44_each_write_of_a_commit_that_the_disk_fails_is_refused_whole(cluster):
    return each_failing_commit(cluster, errno.EIO)


def lasting(cluster, error, status):
    """A controller whose disk takes nothing: reads, tokens and calls go on, usage waits at the nodes."""
    world = World(cluster)
    faults = Faults(cluster.folder / "controller")
    restart(cluster, "controller", faults.environment)
    for node in cluster.nodes:
        assert until(lambda: world.call(node) == 0, 90, 0.1) is not None
    faults.arm(1, error, lasting=True)
    try:
        for _ in range(3):
            refused = cluster.put(f"/namedValues/{world.named}", {"displayName": world.named, "value": "9"})
            assert refused.status in status, refused.text
        assert cluster.delete(f"/apis/{world.api}").status in status
        assert cluster.get(f"/apis/{world.api}").status == 200
        assert cluster.request_token(cluster.client, cluster.secret).status_code == 200
        for _ in range(10):
            for node in cluster.nodes:
                assert world.call(node) == 0
        waiting = cluster.folder / cluster.nodes[0]["directory"] / "usage"
        assert until(lambda: list(waiting.glob("*.batch")), 20, 0.1) is not None, "no batch waits"
    finally:
        faults.disarm()
    assert world.change() is not None
    world.check(True)
    assert until(lambda: world.counted() == world.seen == world.sent, 60, 0.1) is not None, (world.counted(), world.seen, world.sent)
    restart(cluster, "controller", None)


def test_H44_a_database_without_room_answers_507_and_keeps(cluster):
    lasting(cluster, errno.ENOSPC, (507,))


def test_H44_a_database_that_was_made_read_only_answers_503_and_keeps(cluster):
    lasting(cluster, errno.EROFS, (503,))


def test_H43_each_write_of_a_snapshot_at_a_node_may_fail_and_one_whole_version_is_on_its_disk(cluster):
    world = World(cluster)
    node = cluster.nodes[0]
    faults = Faults(cluster.folder / node["directory"] / "snapshot")
    count = 0
    for number in numbers(2):
        count += 1
        restart(cluster, node["name"], faults.environment)
        assert until(lambda: world.call(node) == world.number, 90, 0.05) is not None
        faults.arm(number, errno.ENOSPC if number % 2 else errno.EIO)
        assert world.change() is not None
        # In memory, whatever the disk says.
        assert until(lambda: world.call(node) == world.number, 30, 0.02) is not None, number
        hit = until(lambda: faults.failed, 0.3) is not None
        faults.disarm()
        os.kill(cluster.pid("controller"), signal.SIGSTOP)
        try:
            restart(cluster, node["name"], None)
            assert world.call(node) in (world.number - 1, world.number), number
        finally:
            os.kill(cluster.pid("controller"), signal.SIGCONT)
        assert until(lambda: world.call(node) == world.number, 90, 0.05) is not None, number
        if not hit:
            break
    return f"{count} of the writes to {number}"


def is_persisted(cluster, node):
    row = next(row for row in cluster.get("/gatehouse/nodes").json["value"] if row["properties"]["label"] == node["name"] and row["properties"]["state"] == "live")
    return not any("notPersisted" in warning for warning in row["properties"]["warnings"])


def test_H43_a_node_whose_disk_is_full_serves_what_is_new_and_writes_it_when_there_is_room(cluster):
    world = World(cluster)
    node = cluster.nodes[0]
    faults = Faults(cluster.folder / node["directory"])
    restart(cluster, node["name"], faults.environment)
    assert until(lambda: world.call(node) == 0, 90, 0.05) is not None
    faults.arm(1, errno.ENOSPC, lasting=True)
    try:
        for _ in range(3):
            assert world.change() is not None
            assert until(lambda: world.call(node) == world.number, 30, 0.02) is not None
        assert until(lambda: not is_persisted(cluster, node), 10, 0.1) is not None, "nobody says so"
        assert until(lambda: world.counted() == world.seen == world.sent, 30, 0.1) is not None, (world.counted(), world.seen, world.sent)
    finally:
        faults.disarm()
    # Without another change: it is written by itself, and serves after a kill without the controller.
    assert until(lambda: is_persisted(cluster, node), 30, 0.1) is not None, "it is never written"
    os.kill(cluster.pid("controller"), signal.SIGSTOP)
    try:
        restart(cluster, node["name"], None)
        assert world.call(node) == world.number
    finally:
        os.kill(cluster.pid("controller"), signal.SIGCONT)
    assert until(lambda: world.counted() == world.seen, 30, 0.1) is not None


def test_H36_H43_each_write_of_a_usage_batch_may_fail_and_nothing_is_lost_or_doubled(cluster):
    world = World(cluster)
    node = cluster.nodes[0]
    faults = Faults(cluster.folder / node["directory"] / "usage")
    restart(cluster, node["name"], faults.environment)
    count = 0
    for number in numbers(4):
        count += 1
        faults.arm(number, errno.ENOSPC if number % 2 else errno.EIO)
        for _ in range(3):
            assert world.call(node) is not None
        assert until(lambda: world.counted() == world.seen == world.sent, 30, 0.05) is not None, (number, world.counted(), world.seen, world.sent)
        hit = faults.failed
        faults.disarm()
        if not hit:
            break
    # And a kill while the disk is full: what was counted is in the mapped segment.
    faults.arm(1, errno.ENOSPC, lasting=True)
    for _ in range(5):
        assert world.call(node) is not None
    os.kill(cluster.pid(node["name"]), signal.SIGKILL)
    faults.disarm()
    cluster.start(node["name"], node_command(cluster, node))
    assert until(lambda: world.counted() == world.seen == world.sent, 30, 0.05) is not None, (world.counted(), world.seen, world.sent)
    return f"{count} of the writes to {number}"


def test_H43_H44_a_file_system_that_is_really_full(_):
    if not LONG:
        return "only with --long"
    with tempfile.TemporaryDirectory(prefix="gatehouse-small-") as place:
        if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=12m,mode=700", "tmpfs", place], capture_output=True).returncode != 0:
            return "skipped: this user may not mount a tmpfs"
        one = Lone(place)
        try:
            assert controller("init", "--directory", one.directory)[0] == 0
            cluster = one.start()
            assert cluster.put("/groups/before", {"displayName": "before"}).status == 201
            with open(pathlib.Path(place) / "filler", "wb") as filler, contextlib.suppress(OSError):
                while True:
                    filler.write(b"x" * 65536)
                    filler.flush()
            with open(pathlib.Path(place) / "filler", "ab", buffering=0) as filler, contextlib.suppress(OSError):
                while True:
                    filler.write(b"x")
            found = [cluster.put(f"/groups/full{number}", {"displayName": f"full{number}", "description": "d" * 900}).status for number in range(200)]
            assert 507 in found and set(found) <= {201, 507}, set(found)
            assert cluster.get("/groups/before").status == 200
            (pathlib.Path(place) / "filler").unlink()
            assert cluster.put("/groups/after", {"displayName": "after"}).status == 201
            sound(one.directory / "store.db")
            for number, status in enumerate(found):
                assert cluster.get(f"/groups/full{number}").status == (200 if status == 201 else 404)
        finally:
            one.stop(signal.SIGKILL)
            one.log.close()
            subprocess.run(["umount", "--lazy", place], check=False)
