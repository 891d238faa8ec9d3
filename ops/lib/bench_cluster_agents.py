"""Many node agents in one process, for `ops/bench cluster`: each enrols with a certificate request of its own, holds the
stream over mutual TLS, checks the signature of every root and the hash of every blob it takes, acknowledges, and delivers
usage. They take the blobs that the root names and what the stream tells of changes, not the whole trees: that is what a
running node does at a change. Lines on stdin: `version N` answers with the seconds since 1970 at which each agent had a
root of N or newer; `end` ends. Needs the package cryptography."""
import asyncio
import base64
import hashlib
import json
import secrets
import ssl
import sys
import tempfile
import time
import urllib.parse

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, x25519
from cryptography.x509.name import _ASN1Type

SEALING_KEY = x509.ObjectIdentifier("2.25.4708914306121871.1")
ENROLMENTS_EACH_ADDRESS = 8


class Agent:
    def __init__(self, number, settings):
        self.number, self.settings = number, settings
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.seen = []  # (version, time)
        self.failures, self.bytes, self.roots, self.updates, self.batches = [], 0, 0, 0, 0
        # One address may enrol ten nodes a minute.
        self.source = f"127.0.2.{1 + number // ENROLMENTS_EACH_ADDRESS}"

    async def connect(self, context):
        parts = urllib.parse.urlsplit(self.settings["nodeUrl"])
        return await asyncio.open_connection(parts.hostname, parts.port, ssl=context, server_hostname=parts.hostname, local_addr=(self.source, 0), limit=16 << 20)

    async def post(self, path, message, token=None):
        reader, writer = self.pair if self.pair else await self.connect(self.context)
        self.pair = None
        body = json.dumps(message).encode()
        fields = f"Authorization: GatewayKey {token}\r\n" if token else ""
        writer.write(f"POST /node/v1/{path} HTTP/1.1\r\nHost: localhost\r\n{fields}Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
        status, headers = await self.head(reader)
        text = await reader.readexactly(int(headers.get("content-length", 0)))
        self.pair = (reader, writer)
        if status not in (200, 201, 204):
            raise RuntimeError(f"{path}: {status} {text[:200]}")
        return json.loads(text) if text else None, len(text)

    async def head(self, reader):
        lines = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        return int(lines[0].split()[1]), {n.lower(): v.strip() for n, _, v in (line.partition(":") for line in lines[1:] if line)}

    async def enrol(self):
        self.pair, self.context = None, ssl.create_default_context(cafile=self.settings["ca"])
        sealing = x25519.X25519PrivateKey.generate().public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
        request = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([])).add_attribute(SEALING_KEY, sealing, _tag=_ASN1Type.OctetString).sign(self.key, hashes.SHA256())
        answer, _ = await self.post("enrol", {"name": f"simulated-{self.number}", "hostNames": [], "software": "bench", "certificateRequest": request.public_bytes(serialization.Encoding.PEM).decode()}, self.settings["token"])
        self.node, self.verifier = answer["node"], ed25519.Ed25519PublicKey.from_public_bytes(base64.b64decode(answer["snapshotKey"]))
        self.pair[1].close()
        self.pair, self.context = None, ssl.create_default_context(cafile=self.settings["ca"])
        with tempfile.NamedTemporaryFile() as file:
            file.write(answer["certificate"].encode() + b"\n" + self.key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
            file.flush()
            self.context.load_cert_chain(file.name)

    async def follow(self):
        reader, writer = await self.connect(self.context)
        writer.write(b"GET /node/v1/snapshots?after=0 HTTP/1.1\r\nHost: localhost\r\n\r\n")
        status, _ = await self.head(reader)
        if status != 200:
            raise RuntimeError(f"snapshots: {status}")
        text = b""
        while True:
            size = int(await reader.readline(), 16)
            if size == 0:
                raise RuntimeError("the stream ended")
            text += (await reader.readexactly(size + 2))[:-2]
            self.bytes += size
            while b"\n\n" in text:
                event, _, text = text.partition(b"\n\n")
                lines = dict(line.split(b": ", 1) for line in event.split(b"\n") if b": " in line)
                if lines.get(b"event") == b"snapshot":
                    await self.take(json.loads(lines[b"data"]))

    async def take(self, event):
        root = base64.b64decode(event["root"])
        self.verifier.verify(base64.b64decode(event["signature"]), root)
        root = json.loads(root)
        self.roots += 1
        update = event.get("update")
        if update:
            self.updates += 1
            for name, blob in update["blobs"].items():
                assert hashlib.sha256(base64.b64decode(blob)).hexdigest() == name
        else:
            wanted = {blob["sha256"] for blob in [*root["blobs"].values(), *root["trees"].values()]}
            answer, size = await self.post("blobs", {"hashes": sorted(wanted)})
            self.bytes += size
            # A root that was replaced twice meanwhile gives none of its blobs; the next one comes.
            for name, blob in answer["blobs"].items():
                assert hashlib.sha256(base64.b64decode(blob)).hexdigest() == name
        self.seen.append((root["version"], time.time()))
        await self.acknowledge()

    async def acknowledge(self):
        async with self.lock:
            await self.post("acknowledgements", {"appliedVersion": self.seen[-1][0] if self.seen else 0, "software": "bench", "isStopping": False, "warnings": []})

    async def count(self):
        epoch = secrets.randbits(52)
        while True:
            await asyncio.sleep(10)
            self.batches += 1
            counters = {name: 0 for name in ("blocked", "failed", "other", "cacheHits", "cacheMisses", "serviceCalls", "serviceTimeSum", "serviceTimeMax")}
            counters |= {"success": 1, "bytesIn": 100, "bytesOut": 200, "apiTimeSum": 5, "apiTimeMin": 5, "apiTimeMax": 5, "serviceTimeMin": 2**64 - 1}
            key = {"api": "simulated", "operation": "", "product": "", "subscription": "", "user": "", "bucket": int(time.time()) // 900 * 900}
            async with self.lock:
                answer, _ = await self.post("usage", {"id": {"node": self.node, "epoch": epoch, "sequence": self.batches}, "records": [{"key": key, "counters": counters}]})
            assert answer["isNew"]
            await self.acknowledge()

    async def run(self, started):
        self.lock = asyncio.Lock()
        try:
            await self.enrol()
            started.release()
            await asyncio.gather(self.follow(), self.count())
        except Exception as error:  # noqa: BLE001: whatever it is, the bench must hear of it
            self.failures.append(repr(error))
            started.release()


async def main():
    settings = json.loads(sys.argv[1])
    agents = [Agent(number, settings) for number in range(settings["agents"])]
    started = asyncio.Semaphore(0)
    tasks = [asyncio.create_task(agent.run(started)) for agent in agents]
    for _ in agents:
        await started.acquire()
    say = lambda value: print(json.dumps(value), flush=True)  # noqa: E731
    while not all(agent.seen or agent.failures for agent in agents):
        await asyncio.sleep(0.05)
    say({"enrolled": sum(bool(agent.seen) for agent in agents), "failures": [f for a in agents for f in a.failures][:5]})
    loop = asyncio.get_running_loop()
    while True:
        words = (await loop.run_in_executor(None, sys.stdin.readline)).split()
        if not words or words[0] == "end":
            break
        wanted, end, times = int(words[1]), time.time() + 30, []
        while time.time() < end:
            times = [next((t for v, t in agent.seen if v >= wanted), None) for agent in agents if not agent.failures]
            if None not in times:
                break
            await asyncio.sleep(0.01)
        say({"times": times})
    say({"failures": [f for a in agents for f in a.failures], "roots": sum(a.roots for a in agents), "updates": sum(a.updates for a in agents),
         "bytes": sum(a.bytes for a in agents), "batches": sum(a.batches for a in agents)})
    for task in tasks:
        task.cancel()


if __name__ == "__main__":
    asyncio.run(main())
