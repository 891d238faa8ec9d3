"""Point 3: what is refused, byte for byte, on both nodes, over http and https."""
from support import INVALID, KEY, MISSING, NOT_FOUND, Backend, name


def expect(reply, status_line, body, realm=None):
    assert reply.status_line == status_line, reply.status_line
    assert reply.body == body, reply.body
    assert reply.fields["content-type"] == "application/json" and reply.fields["content-length"] == str(len(body)), reply.fields
    wanted = f'AzureApiManagementKey realm="{realm}",name="{KEY}",type="header"' if realm else None
    assert reply.fields.get("www-authenticate") == wanted, reply.fields


def test_no_key_wrong_key_foreign_key_unknown_path_wrong_method(cluster):
    backend = Backend()
    api, other = cluster.shop(name("refuse"), backend), cluster.shop(name("other"), backend)
    foreign = cluster.subscribe(name("foreign"), f"/apis/{other}")
    for scheme in ("http", "https"):
        for _, caller in cluster.callers(scheme):
            realm, target = f"{scheme}://{caller.host}/{api}", f"/{api}/things/1"
            expect(caller.call("GET", target), "HTTP/1.1 401 Access Denied", MISSING, realm)
            expect(caller.call("GET", target, {KEY: ""}), "HTTP/1.1 401 Access Denied", MISSING, realm)
            expect(caller.call("GET", target, {KEY: "wrong"}), "HTTP/1.1 401 Access Denied", INVALID, realm)
            expect(caller.call("GET", f"{target}?subscription-key=wrong"), "HTTP/1.1 401 Access Denied", INVALID, realm)
            expect(caller.call("GET", target, {KEY: foreign}), "HTTP/1.1 401 Access Denied", INVALID, realm)
            for method, path in (("GET", f"/{api}/nothing"), ("PUT", target), ("GET", f"/{name('none')}"), ("GET", f"/{api};rev=9/things/1")):
                expect(caller.call(method, path), "HTTP/1.1 404 Resource Not Found", NOT_FOUND)
    assert backend.count == 0


def test_suspended_and_cancelled_subscriptions(cluster):
    api = cluster.shop(name("states"), Backend())
    sid = name("state")
    key = cluster.subscribe(sid, f"/apis/{api}")
    for state in ("suspended", "cancelled"):
        cluster.rest("PATCH", f"/subscriptions/{sid}", {"properties": {"state": state}}, headers={"Prefer": "wait=10"})
        for _, caller in cluster.callers():
            expect(caller.call("GET", f"/{api}/things/1", {KEY: key}), "HTTP/1.1 401 Access Denied", INVALID, f"http://{caller.host}/{api}")
    cluster.rest("PATCH", f"/subscriptions/{sid}", {"properties": {"state": "active"}}, headers={"Prefer": "wait=10"})
    assert all(caller.call("GET", f"/{api}/things/1", {KEY: key}).status == 200 for _, caller in cluster.callers())
