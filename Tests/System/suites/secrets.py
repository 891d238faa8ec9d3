"""Keys and secrets at the nodes: what is gone is dead at every node, and nothing that is read shows what is secret."""
import concurrent.futures
import urllib.parse
import uuid

from roles import person
from support import KEY, Backend, header, name, policy

READER = "acdd72a7-3385-48ef-bd42-f606fba81ae7"
VERSIONS = ("2021-08-01", "2021-12-01-preview", "2022-04-01-preview", "2022-08-01", "2022-09-01-preview", "2023-03-01-preview", "2023-05-01-preview", "2023-09-01-preview", "2024-05-01", "2024-06-01-preview")
WAIT = {"Prefer": "wait=10"}


def statuses(cluster, target, key):
    return {node: caller.call("GET", target, {KEY: key}).status for node, caller in cluster.callers()}


def everywhere(cluster, target, key, status):
    found = statuses(cluster, target, key)
    assert set(found.values()) == {status}, (target, status, found)


def test_G36_what_is_made_anew_under_an_old_id_has_nothing_of_the_old(cluster):
    backend = Backend()
    api, sid, product, value = cluster.shop(name("anew"), backend), name("anew"), name("anew"), name("anew")
    cluster.made(f"/products/{product}", {"displayName": product, "state": "published"})
    cluster.made(f"/products/{product}/apis/{api}")
    cluster.made(f"/products/{product}/policies/policy", policy(inbound='<quota calls="1" renewal-period="604800" />'))
    target = f"/{api}/things/1"
    first = cluster.subscribe(sid, f"/products/{product}")
    everywhere(cluster, target, first, 200)
    everywhere(cluster, target, first, 403)  # used up at both
    assert cluster.delete(f"/subscriptions/{sid}", headers=WAIT).status == 200
    everywhere(cluster, target, first, 401)
    second = cluster.subscribe(sid, f"/products/{product}")
    assert second != first
    everywhere(cluster, target, first, 401)
    everywhere(cluster, target, second, 200)
    # The same for an API and a named value.
    cluster.made(f"/namedValues/{value}", {"displayName": value, "value": "old", "secret": True})
    cluster.made(f"/apis/{api}/policies/policy", policy(outbound=header("X-Old", f"{{{{{value}}}}}")))
    key = cluster.subscribe(name("anew"), f"/apis/{api}")
    for _, caller in cluster.callers():
        assert caller.call("GET", target, {KEY: key}).fields.get("x-old") == "old"
    assert cluster.delete(f"/apis/{api}", headers=WAIT).status in (200, 202)
    everywhere(cluster, target, key, 404)
    assert cluster.delete(f"/namedValues/{value}", headers=WAIT).status == 200
    assert cluster.shop(api, backend) == api
    cluster.made(f"/namedValues/{value}", {"displayName": value, "value": "new"})
    everywhere(cluster, target, key, 401)
    third = cluster.subscribe(name("anew"), f"/apis/{api}")
    for _, caller in cluster.callers():
        reply = caller.call("GET", target, {KEY: third})
        assert reply.status == 200 and "x-old" not in reply.fields, reply.fields


def test_G37_of_many_regenerations_one_key_is_left_at_every_node(cluster):
    api, sid = cluster.shop(name("keys"), Backend()), name("keys")
    target = f"/{api}/things/1"
    seen = {cluster.subscribe(sid, f"/apis/{api}")}
    second = cluster.post(f"/subscriptions/{sid}/listSecrets").json["secondaryKey"]
    stale = cluster.get(f"/subscriptions/{sid}").etag
    with concurrent.futures.ThreadPoolExecutor(20) as pool:
        def regenerate(_):
            status = cluster.post(f"/subscriptions/{sid}/regeneratePrimaryKey").status
            seen.add(cluster.key(sid))
            return status
        assert set(pool.map(regenerate, range(100))) == {204}
    assert cluster.rest("PUT", f"/subscriptions/{sid}", {"properties": {"displayName": sid, "scope": f"/apis/{api}"}}, headers={"If-Match": stale}).status == 412
    last = cluster.key(sid)
    cluster.rest("PATCH", f"/subscriptions/{sid}", {"properties": {"stateComment": "done"}}, headers=WAIT)
    everywhere(cluster, target, last, 200)
    everywhere(cluster, target, second, 200)
    for key in seen - {last}:
        everywhere(cluster, target, key, 401)
    assert len(seen) > 20 and all(len(key) == 32 and int(key, 16) >= 0 for key in seen)
    return f"{len(seen)} keys seen"


def test_G21_nothing_that_is_read_shows_a_secret_under_any_version(cluster):
    hidden = {what: uuid.uuid4().hex for what in ("primary", "secondary", "value", "header", "query", "parameter", "proxy", "password")}
    sid, value, backend, user, api = (name("g21") for _ in range(5))
    before = cluster.made(f"/groups/{name('g21')}", {"displayName": name("g21")}).revision
    cluster.made(f"/subscriptions/{sid}", {"displayName": sid, "scope": "/apis", "primaryKey": hidden["primary"], "secondaryKey": hidden["secondary"]})
    cluster.made(f"/namedValues/{value}", {"displayName": value, "value": hidden["value"], "secret": True})
    cluster.made(f"/backends/{backend}", {"url": "http://127.0.0.1:9", "protocol": "http", "credentials": {"header": {"x-key": [hidden["header"]]}, "query": {"code": [hidden["query"]]}, "authorization": {"scheme": "Bearer", "parameter": hidden["parameter"]}},
                                          "proxy": {"url": "http://127.0.0.1:9", "username": "u", "password": hidden["proxy"]}})
    cluster.made(f"/users/{user}", {"firstName": "f", "lastName": "l", "email": f"{user}@e.test", "password": hidden["password"]})
    cluster.made(f"/apis/{api}", {"displayName": api, "path": api})
    last = cluster.made(f"/apis/{api}/policies/policy", policy(header("X-Secret", f"{{{{{value}}}}}"))).revision
    reader = person(cluster, "g21", READER)
    long = cluster.rest("PUT", f"/namedValues/{value}", {"properties": {"displayName": value, "secret": True, "tags": ["t"]}})
    links = [urllib.parse.urlsplit(long.headers[field]) for field in ("Azure-AsyncOperation", "Location")]
    keys = cluster.post("/gateways/default/listKeys").json
    secrets = {*hidden.values(), *keys.values(), cluster.secret}
    paths = ["", "/subscriptions", f"/subscriptions/{sid}", "/namedValues", f"/namedValues/{value}", "/backends", f"/backends/{backend}", "/users", f"/users/{user}", f"/users/{user}/subscriptions", "/certificates", "/gateways", "/gateways/default",
             "/policies", "/policies/policy?format=rawxml", f"/apis/{api}/policies/policy?format=rawxml", f"/apis/{api}?export=true&format=openapi%2Bjson-link", f"/gatehouse/exports/{api}?format=openapi%2Bjson-link", "/policyFragments",
             "/gatehouse/nodes", "/gatehouse/snapshots", f"/gatehouse/snapshots/{last}", f"/gatehouse/snapshots/compare?from={before}&to={last}", f"/gatehouse/rollout/{last}", "/gatehouse/audit?$top=1000", "/gatehouse/principals"]
    looked = 0
    for version in VERSIONS:
        for path in paths:
            answer = cluster.get(path, token=reader["token"], version=version)
            looked += 1
            assert answer.status == 200 or "snapshots/" in path and answer.status == 404, (path, version, answer.status, answer.text[:200])
            for secret in secrets:
                assert secret not in answer.text and not any(secret in field for field in answer.headers.values()), (path, version)
    for link in links:
        answer = cluster.get("~" + link.path + "?" + link.query, token=reader["token"])
        assert answer.status == 200 and not any(secret in answer.text for secret in secrets), link.path
    assert not any(secret in cluster.get("~/metrics", token=reader["token"]).text for secret in secrets)
    assert f"{{{{{value}}}}}" in cluster.get(f"/apis/{api}/policies/policy?format=rawxml", token=reader["token"]).text
    return f"{looked} answers"


def test_G60_a_rename_reaches_the_nodes_as_one_step(cluster):
    api, value = cluster.shop(name("rename"), Backend()), name("rename")
    cluster.made(f"/namedValues/{value}", {"displayName": value, "value": "same"})
    cluster.made(f"/apis/{api}/policies/policy", policy(outbound=header("X-Value", f"{{{{{value}}}}}")))
    key, stop, wrong = cluster.subscribe(name("rename"), f"/apis/{api}"), [], []

    def call(caller):
        while not stop:
            reply = caller.call("GET", f"/{api}/things/1", {KEY: key})
            if reply.status != 200 or reply.fields.get("x-value") != "same":
                wrong.append((reply.status, reply.fields))

    def write(number):
        while not stop:
            # Refused where the name is not that of the moment.
            cluster.put(f"/apis/{api}/operations/op{number}/policies/policy", policy(header("X-In", f"{{{{{value}-{len(stop)}}}}}")))

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        work = [pool.submit(call, caller) for _, caller in cluster.callers()] + [pool.submit(write, number) for number in range(2)]
        for number in range(15):
            answer = cluster.rest("PUT", f"/namedValues/{value}", {"properties": {"displayName": f"{value}-{number}", "value": "same"}}, headers=WAIT)
            assert answer.status == 200, answer.text
        stop.append(True)
        for one in work:
            one.result()
    assert not wrong, wrong[:3]
    assert f"{{{{{value}-14}}}}" in cluster.get(f"/apis/{api}/policies/policy").text
    assert all(not node["properties"]["refusedVersion"] for node in cluster.get("/gatehouse/nodes").json["value"])
