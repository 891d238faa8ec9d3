"""What must hold after each kill. Each check gives the faults that it found."""
import hashlib
import json
import sqlite3
import subprocess
import urllib.parse

from crash_cluster import KEY, Connection, Lost, Management, NotSent, until

LEDGER_SECONDS = 20
WINDOW = "timestamp ge datetime'2020-01-01T00:00:00' and timestamp le datetime'2099-01-01T00:00:00'"


class Checks:
    def __init__(self, cluster, world):
        self.cluster, self.world, self.management = cluster, world, Management(cluster)
        self.audited, self.audit_hash = 0, ""
        self.kept = self.undone = 0

    def database(self):
        return sqlite3.connect(f"file:{self.cluster.database}?mode=ro", uri=True, timeout=10)

    def all(self):
        """All workers stand still and all parts are up."""
        self.management.connection.close()
        with self.database() as database:
            faults = self.integrity(database) + self.audit(database) + self.revisions(database)
        database.close()
        faults += self.nodes_follow()
        return faults or self.resources() + self.served() + self.keys() + self.ledger()

    def integrity(self, database):
        rows = [row[0] for row in database.execute("PRAGMA integrity_check")]
        return [] if rows == ["ok"] else [f"integrity_check: {rows[:3]}"]

    def revisions(self, database):
        """One revision a commit, none twice, none skipped; every row of a resource has one that was made."""
        low, high, count = database.execute("SELECT min(revision), max(revision), count(DISTINCT revision) FROM change").fetchone()
        self.newest = high
        beyond = database.execute("SELECT count(*) FROM resource WHERE revision > ?", (high,)).fetchone()[0]
        half = database.execute("SELECT count(*) FROM resource WHERE NOT EXISTS (SELECT 1 FROM change WHERE change.revision = resource.revision)").fetchone()[0]
        return [f"revisions {low} to {high}: {count}, {beyond} resources beyond, {half} of no change"] if high - low + 1 != count or beyond or half else []

    def audit(self, database):
        """The chain of the rows since the last time; a second reading of what `audit verify` reads."""
        columns = "sequence, time, revision, principal, application, address, request, action, resource, outcome, count, hash"
        for row in database.execute(f"SELECT {columns} FROM audit WHERE sequence > ? ORDER BY sequence", (self.audited,)):
            texts = [self.audit_hash, str(row[0]), swift_double(row[1]), "-" if row[2] is None else str(row[2]), *row[3:10], str(row[10])]
            digest = hashlib.sha256("".join(f"{len(text.encode())}:{text}" for text in texts).encode()).hexdigest()
            if row[0] != self.audited + 1 or digest != row[11]:
                return [f"audit: row {self.audited + 1} is broken"]
            self.audited, self.audit_hash = row[0], digest
        return []

    def nodes_follow(self):
        return [f"{node.name} is at version {node.version()}, not {self.newest}; its log ends {node.end_of_log()}"
                for node in self.cluster.nodes if not until(lambda node=node: node.version() >= self.newest, 30)]

    def resources(self):
        """Each has the value that was answered last, or one that was in flight after it."""
        faults = []
        for tracked in self.world.tracked:
            doubtful = bool(tracked.doubt)
            fault, kept = tracked.check(self.management)
            faults += [fault] if fault else []
            self.kept += kept
            self.undone += int(doubtful and not kept)
            if isinstance(tracked.settled, str):
                tracked.ever.add(tracked.settled)
        return faults

    def call(self, node, path, key):
        connection = Connection(node.url)
        try:
            return connection.send("GET", path, headers={KEY: key})[:2]
        except (NotSent, Lost) as error:
            return 0, {"error": str(error)}
        finally:
            connection.close()

    def served(self):
        """Both nodes serve what the controller has: the generation, each API's policy."""
        faults = []
        for node in self.cluster.nodes:
            for path, field, tracked in [("/load/x", "gen-global", self.world.generation)] + [(f"/{a.name}/x", "mark", a.policy) for a in self.world.administrators]:
                self.world.sent["load-all"] += 1
                status, fields = self.call(node, path, self.world.keys["load-all"])
                self.world.seen["load-all"] += 1 if status == 200 else 0
                if status != 200 or fields.get(field) != tracked.settled:
                    faults.append(f"{node.name}: {path} is {status} with {field} {fields.get(field)}, the controller has {tracked.settled}")
        return faults

    def keys(self):
        """The present keys open at both nodes; the former ones do not, now and from now on."""
        faults = []
        owners = [(tracked, "/load/x" if sid != "load-all" else "/w0/x", sid) for sid, tracked in self.world.primaries.items()]
        owners += [(a.subscription, f"/{a.name}/x", a.name) for a in self.world.administrators]
        for tracked, path, sid in owners:
            gone = tracked.ever - {tracked.settled, None}
            tracked.ever = {tracked.settled}
            self.world.revoked += [(key, path) for key in gone]
            for node in self.cluster.nodes:
                if tracked.settled:
                    self.world.sent[sid] += 1
                    status, _ = self.call(node, path, tracked.settled)
                    self.world.seen[sid] += 1 if status == 200 else 0
                    if status != 200:
                        faults.append(f"{node.name}: the present key of {sid} is answered {status}")
                for key in gone:
                    status, _ = self.call(node, path, key)
                    if status != 401:
                        faults.append(f"{node.name}: a former key of {sid} is answered {status}")
        return faults

    def counted(self):
        database = self.database()
        rows = database.execute("SELECT subscription, sum(success + blocked + failed + other) FROM usage WHERE subscription != '' GROUP BY subscription").fetchall()
        database.close()
        return {name.rsplit("/", 1)[-1]: count for name, count in rows}

    def ledger(self):
        """At least what callers saw whole, at most what they sent."""
        seen, sent = dict(self.world.seen), dict(self.world.sent)
        until(lambda: all(self.counted().get(sid, 0) >= count for sid, count in seen.items()), LEDGER_SECONDS, 0.1)
        counted = self.counted()
        return [f"ledger: {sid} has {counted.get(sid, 0)} calls, callers saw {seen.get(sid, 0)} and sent {sent.get(sid, 0)}"
                for sid in set(seen) | set(counted) if not seen.get(sid, 0) <= counted.get(sid, 0) <= sent.get(sid, 0)]

    def at_the_end(self):
        """By the controller's own commands: the audit and the report."""
        faults = []
        done = subprocess.run([str(self.cluster.binaries / "gatehouse-controller"), "audit", "verify", "--directory", str(self.cluster.folder / "controller")], capture_output=True, text=True)
        if done.returncode != 0:
            faults.append(f"audit verify: {done.stderr.strip()}")
        _, _, body = self.management.call("GET", f"/reports/bySubscription?$top=1000&$filter={urllib.parse.quote(WINDOW)}")
        counted = self.counted()
        for row in body["value"]:
            sid = row["subscriptionId"].rsplit("/", 1)[-1]
            if sid in counted and row["callCountTotal"] != counted[sid]:
                faults.append(f"the report has {row['callCountTotal']} calls of {sid}, the ledger {counted[sid]}: {json.dumps(row)}")
        return faults


def swift_double(value):
    """A double as Swift writes it; below 2^53 both write the shortest text that reads back."""
    return repr(float(value))
