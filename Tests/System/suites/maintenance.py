"""A controller's directory: backup under load, restore, rekey, copies that are adopted, starts that can't be."""
import contextlib
import json
import os
import pathlib
import shutil
import signal
import sqlite3
import subprocess
import tempfile
import threading
import time

from ports import free_base
from support import BINARIES, Cluster, alive, controller, needs_crash_points, own_cluster, sound, until

MARKER = "marker-of-a-secret-value"


class Lone:
    """A controller without nodes."""

    def __init__(self, folder):
        self.folder, self.child = pathlib.Path(folder), None
        self.directory, self.base = self.folder / "controller", free_base()

    def start(self, *more, environment=None, dies=False):
        self.log = open(self.folder / "log", "ab")
        self.child = subprocess.Popen([str(BINARIES / "gatehouse-controller"), "serve", "--directory", str(self.directory), "--management", f"127.0.0.1:{self.base + 43}",
                                       "--nodes", f"127.0.0.1:{self.base + 44}", *more], stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log, env={**os.environ, **(environment or {})})
        if dies:
            return None
        settings, owner = (json.loads((self.directory / file).read_text()) for file in ("settings.json", "owner.json"))
        service = f"/subscriptions/{settings['subscriptionId']}/resourceGroups/{settings['resourceGroup']}/providers/Microsoft.ApiManagement/service/{settings['serviceName']}"
        (self.folder / "ca.pem").write_text((self.directory / "ca.pem").read_text())
        (self.folder / "owner.secret").write_text(owner["clientSecret"])
        url = f"https://127.0.0.1:{self.base + 43}"
        (self.folder / "cluster.json").write_text(json.dumps({"controller": {"url": url, "pid": self.child.pid}, "service": {"id": service, "resourceGroup": "gatehouse", "name": "local"},
                                                              "token": {"tenantId": owner["tenantId"], "clientId": owner["clientId"]}, "nodes": []}))
        cluster = Cluster(self.folder)
        assert until(lambda: cluster.ready("controller") or self.child.poll() is not None, 60) is not None and self.child.poll() is None, (self.folder / "log").read_text()[-500:]
        return cluster

    def stop(self, how=signal.SIGTERM):
        if self.child and self.child.poll() is None:
            self.child.send_signal(how)
            self.child.wait(45)

    def refusal(self, *more):
        """What a start that can't be says: one line, status 3."""
        status, out, err = controller("serve", "--directory", self.directory, "--management", f"127.0.0.1:{self.base + 43}", "--nodes", f"127.0.0.1:{self.base + 44}", *more)
        assert status == 3 and out == "" and len(err.strip().splitlines()) == 1, (status, out, err)
        return err


@contextlib.contextmanager
def lone():
    folder = tempfile.mkdtemp(prefix="gatehouse-lone-")
    one = Lone(folder)
    try:
        assert controller("init", "--directory", one.directory)[0] == 0
        yield one
    finally:
        one.stop(signal.SIGKILL)
        shutil.rmtree(folder, ignore_errors=True)


def fill(cluster, count=5):
    for number in range(count):
        assert cluster.put(f"/namedValues/v{number}", {"displayName": f"v{number}", "value": f"{MARKER}-{number}", "secret": True}).status == 201


def opens(cluster, count=5):
    for number in range(count):
        assert cluster.post(f"/namedValues/v{number}/listValue").json["value"] == f"{MARKER}-{number}"


def tree(folder):
    """Every file; of the database what is in it, for opening one makes a journal."""
    def content(file):
        if file.name == "store.db":
            with contextlib.closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as store:
                return "\n".join(store.iterdump())
        return file.read_bytes() if file.is_file() else b""
    return {str(file.relative_to(folder)): content(file) for file in sorted(pathlib.Path(folder).rglob("*")) if file.name not in ("lock", "store.db-wal", "store.db-shm")}


def test_H47_a_backup_under_load_is_whole_and_starts(_):
    with lone() as one:
        cluster = one.start()
        answered, going = [], threading.Event()
        going.set()

        def write(number):
            mine = Cluster(one.folder)
            count = 0
            while going.is_set():
                count += 1
                path = f"/groups/g{number}-{count}"
                began = time.monotonic()
                made = mine.put(path, {"displayName": path})
                assert made.status == 201, made.text
                answered.append((made.revision, path, time.monotonic() - began))

        threads = [threading.Thread(target=write, args=(number,)) for number in range(3)]
        for thread in threads:
            thread.start()
        assert until(lambda: len(answered) > 30, 60) is not None
        first = max(revision for revision, _, _ in list(answered))
        status, out, err = controller("backup", "--directory", one.directory, "--to", one.folder / "copy.db")
        assert status == 0 and "holds no key" in out, err
        last = cluster.put("/groups/after", {"displayName": "after"}).revision
        going.clear()
        for thread in threads:
            thread.join()
        sound(one.folder / "copy.db")
        with contextlib.closing(sqlite3.connect(one.folder / "copy.db")) as copy:
            revision = copy.execute("SELECT max(revision) FROM change").fetchone()[0]
            paths = {row[0] for row in copy.execute("SELECT path FROM resource WHERE kind = 'groups'")}
        assert first <= revision < last, (first, revision, last)
        assert all((path in paths) == (made <= revision) for made, path, _ in answered)
        key = (one.directory / "kek").read_text().strip().split(":")[1]
        assert key.encode() not in (one.folder / "copy.db").read_bytes()
        assert not list(one.folder.glob("copy.db?*")) and oct((one.folder / "copy.db").stat().st_mode)[-3:] == "600"
        assert controller("backup", "--directory", one.directory, "--to", one.folder / "copy.db")[0] == 1
        one.stop()
        before = (one.directory / "settings.json").read_bytes()
        status, out, err = controller("restore", "--directory", one.directory, "--from", one.folder / "copy.db")
        assert status == 0 and str(revision) in out, (out, err)
        assert (one.directory / "settings.json").read_bytes() == before
        cluster = one.start()
        assert cluster.get("/groups/after").status == 404 and all(cluster.get(path).status == 200 for made, path, _ in answered if made <= revision)
        return f"revision {revision} of {last}, {len(answered)} writes"


def test_H47_restore_is_refused_while_it_serves_and_for_what_is_no_copy(_):
    with lone() as one, lone() as other:
        one.start()
        copy = one.folder / "copy.db"
        assert controller("backup", "--directory", one.directory, "--to", copy)[0] == 0
        status, _, err = controller("restore", "--directory", one.directory, "--from", copy)
        assert status == 3 and str(one.child.pid) in err, err
        one.stop()
        (one.folder / "junk").write_bytes(b"no database" * 1000)
        sqlite3.connect(one.folder / "foreign.db").execute("CREATE TABLE t (x)").connection.close()
        before = tree(one.directory)
        for junk in ("junk", "foreign.db", "missing"):
            status, _, err = controller("restore", "--directory", one.directory, "--from", one.folder / junk)
            assert status == 1 and len(err.strip().splitlines()) == 1, (junk, err)
        # A copy that the key here does not open is told before anything is replaced.
        status, _, err = controller("restore", "--directory", other.directory, "--from", copy)
        assert status == 3 and "key-encryption key" in err, err
        assert tree(one.directory) == before
        one.start()


def test_H47_a_restore_killed_at_each_step_leaves_one_or_the_other(_):
    needs_crash_points()
    with lone() as one:
        cluster = one.start()
        copy = one.folder / "copy.db"
        assert controller("backup", "--directory", one.directory, "--to", copy)[0] == 0
        for point, is_restored in (("restore.copied", False), ("backup.copied", False), ("restore.before-rename", False), ("restore.renamed", True)):
            assert cluster.put("/groups/later", {"displayName": "later"}).status in (200, 201)
            one.stop(signal.SIGKILL)
            assert controller("restore", "--directory", one.directory, "--from", copy, environment={"GATEHOUSE_CRASH_AT": point})[0] == -signal.SIGKILL, point
            cluster = one.start()
            assert cluster.get("/groups/later").status == (404 if is_restored else 200), point
            sound(one.directory / "store.db")


def test_H47_a_backup_killed_leaves_no_file_of_that_name(_):
    needs_crash_points()
    with lone() as one:
        copy = one.folder / "copy.db"
        assert controller("backup", "--directory", one.directory, "--to", copy, environment={"GATEHOUSE_CRASH_AT": "backup.copied"})[0] == -signal.SIGKILL
        assert not copy.exists()
        assert controller("backup", "--directory", one.directory, "--to", copy)[0] == 0


def test_H48_one_directory_has_one_controller(_):
    with lone() as one:
        one.start()
        err = one.refusal()
        assert str(one.child.pid) in err, err
        one.stop(signal.SIGKILL)
        one.start()
        one.stop()
        # A number that a living foreign process has is nobody's lock; and nobody is signalled.
        bystander = subprocess.Popen(["sleep", "60"])
        (one.directory / "lock").write_text(f"{bystander.pid}\n")
        one.start()
        assert alive(bystander.pid)
        bystander.kill()
        bystander.wait()


def ledger(one):
    with contextlib.closing(sqlite3.connect(f"file:{one.directory / 'store.db'}?mode=ro", uri=True)) as connection:
        return connection.execute("SELECT value FROM setting WHERE name = 'ledger.incarnation'").fetchone()


def test_H48_a_copy_starts_only_when_adopted_and_counts_into_another_ledger(_):
    needs_crash_points()
    with lone() as one, lone() as copy:
        fill(one.start())
        shutil.rmtree(copy.directory)
        one.stop()
        shutil.copytree(one.directory, copy.directory)
        os.chmod(copy.directory, 0o700)
        before = tree(copy.directory)
        assert "--adopt" in copy.refusal()
        assert tree(copy.directory) == before
        for point in ("adopt.before", "adopt.committed"):
            copy.start("--adopt", environment={"GATEHOUSE_CRASH_AT": point}, dies=True)
            assert copy.child.wait(60) == -signal.SIGKILL, point
            if point == "adopt.before":
                assert "--adopt" in copy.refusal()
        cluster = copy.start()
        opens(cluster)
        assert ledger(copy) and ledger(copy) != ledger(one)
        assert [row for row in cluster.get("/gatehouse/audit").json["value"] if row["properties"]["action"] == "system:adopt"]
        # The original goes on, and adopting what is at home changes nothing.
        was = ledger(one)
        opens(one.start("--adopt"))
        assert ledger(one) == was
        copy.stop()
        copy.start()
        # Moved within its file system it is the same directory.
        copy.stop()
        moved = copy.folder / "moved"
        copy.directory.rename(moved)
        copy.directory = moved
        copy.start()


def test_G58_rekey_seals_every_secret_anew_and_a_kill_at_each_step_leaves_a_directory_that_starts(_):
    needs_crash_points()
    with lone() as one:
        cluster = one.start()
        fill(cluster)
        key = cluster.put("/subscriptions/s", {"displayName": "s", "scope": "/apis"}).json["properties"]["primaryKey"]
        status, _, err = controller("rekey", "--directory", one.directory)
        assert status == 3 and str(one.child.pid) in err, err
        one.stop()
        former = (one.directory / "kek").read_text()
        for point, lines in (("change.in-transaction", 2), ("rekey.key-written", 2), ("rekey.sealed", 2), ("rekey.key-dropped", 1)):
            assert controller("rekey", "--directory", one.directory, environment={"GATEHOUSE_CRASH_AT": point})[0] == -signal.SIGKILL, point
            assert len((one.directory / "kek").read_text().splitlines()) == lines, point
            opens(one.start())
            assert cluster.put(f"/namedValues/{point.replace('.', '-')}", {"displayName": point.replace(".", "-"), "value": MARKER, "secret": True}).status == 201
            one.stop()
        status, out, err = controller("rekey", "--directory", one.directory)
        assert status == 0, err
        now = (one.directory / "kek").read_text()
        assert now != former and len(now.splitlines()) == 1 and former.split(":")[0] not in now
        with contextlib.closing(sqlite3.connect(one.directory / "store.db")) as store:
            assert {row[0] for row in store.execute("SELECT DISTINCT key_id FROM secret")} == {now.split(":")[0]}
        cluster = one.start()
        opens(cluster)
        assert cluster.post("/subscriptions/s/listSecrets").json["primaryKey"] == key
        sound(one.directory / "store.db")
        assert controller("audit", "verify", "--directory", one.directory)[0] == 0
        one.stop()
        (one.directory / "kek").write_text(former)
        assert "key-encryption key" in one.refusal()


def test_G63_audit_verify_finds_a_row_that_was_changed_or_taken_out(_):
    with lone() as one:
        fill(one.start())
        assert controller("audit", "verify", "--directory", one.directory)[:2] == (0, "The audit is whole.\n")
        one.stop()
        whole = (one.directory / "store.db").read_bytes()
        for change in ("UPDATE audit SET resource = 'x' WHERE sequence = 3", "DELETE FROM audit WHERE sequence = 3", "UPDATE audit SET outcome = 'Failed' WHERE sequence = 3", "UPDATE audit SET time = time + 1 WHERE sequence = 3"):
            with contextlib.closing(sqlite3.connect(one.directory / "store.db")) as store, store:
                store.execute(change)
            status, _, err = controller("audit", "verify", "--directory", one.directory)
            assert status == 1 and "row 3" in err, (change, err)
            # A stop leaves the file whole by itself, with nothing in a journal.
            for suffix in ("-wal", "-shm"):
                (one.directory / f"store.db{suffix}").unlink(missing_ok=True)
            (one.directory / "store.db").write_bytes(whole)
        assert controller("audit", "verify", "--directory", one.directory)[0] == 0


def test_H51_a_start_that_cannot_be_says_why_in_one_line_and_changes_nothing(_):
    with lone() as one, lone() as other:
        directory = one.directory

        def unchanged(words, *more):
            before = tree(directory)
            err = one.refusal(*more)
            assert all(word in err for word in words), err
            assert tree(directory) == before

        for file in ("ca.pem", "ca.key", "kek", "store.db"):
            (directory / file).rename(directory / "away")
            unchanged([file, "missing"])
            (directory / "away").rename(directory / file)
        for file in ("kek", "ca.key"):
            os.chmod(directory / file, 0o644)
            unchanged([file, "chmod 600"])
            os.chmod(directory / file, 0o600)
        os.chmod(directory, 0o755)
        unchanged(["chmod 700"])
        os.chmod(directory, 0o700)
        key = (directory / "kek").read_bytes()
        (directory / "kek").write_bytes((other.directory / "kek").read_bytes())
        unchanged(["key-encryption key is the wrong one"])
        (directory / "kek").write_bytes(key)
        import socket
        for offset, option in ((43, "--management"), (44, "--nodes")):
            with socket.socket() as taken:
                taken.bind(("127.0.0.1", one.base + offset))
                taken.listen()
                unchanged([str(one.base + offset), "taken", option])
        one.directory = one.folder / "nowhere"
        assert "init" in one.refusal() and not one.directory.exists()
        one.directory = directory
        status, _, err = controller("serve", "--directory", directory, "--no-such-option")
        assert status == 2 and len(err.strip().splitlines()) == 1, err
        assert controller("init", "--directory", directory)[0] == 1
        one.start()


def test_H51_an_init_killed_half_way_begins_again(_):
    needs_crash_points()
    with lone() as one:
        shutil.rmtree(one.directory)
        assert controller("init", "--directory", one.directory, environment={"GATEHOUSE_CRASH_AT": "init.before-settings"})[0] == -signal.SIGKILL
        assert "init" in one.refusal()
        assert controller("init", "--directory", one.directory)[0] == 0
        assert one.start().get("/apis").status == 200


def test_H56_a_database_of_a_newer_program_is_refused_and_stays_as_it_is(_):
    with lone() as one:
        with contextlib.closing(sqlite3.connect(one.directory / "store.db")) as store, store:
            newest = max(int(row[0].split()[0]) for row in store.execute("SELECT identifier FROM grdb_migrations"))
            store.execute("INSERT INTO grdb_migrations VALUES ('77 tables of tomorrow')")
        digest = (one.directory / "store.db").read_bytes()
        err = one.refusal()
        assert "77" in err and str(newest) in err and "backup" in err, err
        (one.directory / f"store.db.before-{newest + 1}").write_bytes(b"")
        assert f"store.db.before-{newest + 1}" in one.refusal()
        assert (one.directory / "store.db").read_bytes() == digest
        # Its backup is that of the newer program too.
        assert controller("backup", "--directory", one.directory, "--to", one.folder / "copy.db")[0] == 0
        assert controller("restore", "--directory", one.directory, "--from", one.folder / "copy.db")[0] == 1


def test_H49_an_adopted_copy_beside_its_original_cannot_lead_the_node_apart(_):
    with own_cluster() as cluster, lone() as copy:
        node, document = cluster.nodes[0], cluster.document
        command = cluster.command("controller")
        # The stop lets the database be copied whole.
        os.kill(cluster.pid("controller"), signal.SIGTERM)
        assert until(lambda: not alive(cluster.pid("controller")), 45) is not None
        shutil.rmtree(copy.directory)
        shutil.copytree(cluster.folder / "controller", copy.directory)
        os.chmod(copy.directory, 0o700)
        cluster.start("controller", command)
        other = copy.start("--adopt")
        here = cluster.made("/groups/here", {"displayName": "here"})
        there = other.put("/groups/there", {"displayName": "there"})
        assert here.revision == there.revision, "the versions fork"

        def follow(port):
            gateway = cluster.command(node["name"])
            gateway[gateway.index("--controller") + 1] = f"https://127.0.0.1:{port}"
            os.kill(cluster.pid(node["name"]), signal.SIGKILL)
            assert until(lambda: not alive(cluster.pid(node["name"])), 10) is not None
            cluster.start(node["name"], gateway)

        def version():
            return cluster.session.get(node["status"] + "/readyz", timeout=5).json()["version"]

        # The node may still wait to dial its controller again.
        assert until(lambda: version() == here.revision, 45, 0.1) is not None
        follow(copy.base + 44)
        assert until(lambda: any("fork" in warning.lower() for row in other.get("/gatehouse/nodes").json["value"] for warning in row["properties"]["warnings"]), 30, 0.1) is not None, \
            other.get("/gatehouse/nodes").text
        assert version() == here.revision
        follow(int(document["controller"]["nodeUrl"].rsplit(":", 1)[1]))
        assert cluster.made("/groups/later", {"displayName": "later"}).headers["Gatehouse-Rollout"] == "applied=1/1"
        assert cluster.get("/groups/there").status == 404 and other.get("/groups/later").status == 404
