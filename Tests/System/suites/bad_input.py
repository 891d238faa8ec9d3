"""Point 7: bad input over all kinds: the right status, the field named, nothing changed."""
import json

from support import name, policy

JSON = {"Content-Type": "application/json"}
STRICT = {"Prefer": "handling=strict"}


def cases(have, new):
    """(what, method, path, properties or bytes, status, code, target or None, headers)"""
    rows = []

    def bad(path, good, *faults, headers=None):
        for what, spoil, target in faults:
            properties = {k: v for k, v in {**good, **spoil}.items() if v != "-"}
            rows.append((f"{path}: {what}", "PUT", f"{path}/{new}", properties, 400, "ValidationError", target, headers))
    long = "a" * 401
    bad("/apis", {"displayName": new, "path": new}, ("no path", {"path": "-"}, "properties.path"), ("path a number", {"path": 5}, "properties.path"), ("path too long", {"path": long}, "properties.path"),
        ("path of another", {"path": have}, "path"), ("path of another in capitals", {"path": have.upper()}, "path"), ("empty name", {"displayName": ""}, "properties.displayName"),
        ("protocol", {"protocols": ["gopher"]}, "properties.protocols[0]"), ("protocols a text", {"protocols": "https"}, "properties.protocols"), ("type", {"type": "pigeon"}, "properties.type"),
        ("a flag that is a text", {"subscriptionRequired": "yes"}, "properties.subscriptionRequired"), ("serviceUrl", {"serviceUrl": "not a url"}, "properties.serviceUrl"),
        ("format", {"format": "yamlish", "value": "x"}, "properties.format"), ("no value", {"format": "openapi"}, "properties.value"), ("bad JSON", {"format": "openapi+json", "value": "{"}, "representation"),
        ("bad YAML", {"format": "openapi", "value": "openapi: 3.0.1\ninfo: [x\n"}, "representation"), ("no OpenAPI", {"format": "openapi+json", "value": "{\"a\":1}"}, "representation"),
        ("Swagger said, OpenAPI sent", {"format": "swagger-json", "value": json.dumps({"openapi": "3.0.1", "info": {"title": "x", "version": "1"}, "paths": {}})}, "representation"),
        ("link to a file", {"format": "openapi-link", "value": "file:///etc/passwd"}, "properties.value"), ("link that nobody serves", {"format": "openapi-link", "value": "http://127.0.0.1:1/x"}, "properties.value"))
    bad("/apis", {"displayName": new, "path": new}, ("unknown under strict", {"colour": "red"}, "properties.colour"), headers=STRICT)
    bad(f"/apis/{have}/operations", {"displayName": "O", "method": "GET", "urlTemplate": "/o"}, ("no method", {"method": "-"}, "properties.method"), ("TRACE", {"method": "TRACE"}, "properties.method"),
        ("no template", {"urlTemplate": "-"}, "properties.urlTemplate"), ("parameter not defined", {"urlTemplate": "/o/{id}"}, ""), ("template of another", {"urlTemplate": "/things"}, None),
        ("response without status", {"responses": [{}]}, "properties.responses[0].statusCode"), ("braces", {"urlTemplate": "/{a"}, "properties.urlTemplate"))
    rows.append(("template of another", "PUT", f"/apis/{have}/operations/{new}", {"displayName": "O", "method": "POST", "urlTemplate": "/THINGS"}, 400, "ValidationError", "properties.urlTemplate", None))
    rows[:] = [row for row in rows if row[6] is not None]
    bad("/products", {"displayName": new}, ("no name", {"displayName": "-"}, "properties.displayName"), ("limit 0", {"subscriptionsLimit": 0}, "properties.subscriptionsLimit"), ("state", {"state": "secret"}, "properties.state"),
        ("approval on an open one", {"subscriptionRequired": False, "approvalRequired": True}, "properties.approvalRequired"), ("name of another", {"displayName": have}, "name"))
    bad("/users", {"email": f"{new}@e.test", "firstName": "A", "lastName": "B"}, ("no email", {"email": "-"}, "properties.email"), ("email of another", {"email": f"{have}@e.test"}, "properties.email"),
        ("last name empty", {"lastName": ""}, "properties.lastName"), ("state", {"state": "asleep"}, "properties.state"))
    bad("/groups", {"displayName": new}, ("no name", {"displayName": "-"}, "properties.displayName"), ("an object", {"displayName": {}}, "properties.displayName"), ("type system", {"type": "system"}, "properties.type"),
        ("too long", {"displayName": "a" * 301}, "properties.displayName"))
    bad("/subscriptions", {"displayName": new, "scope": "/apis"}, ("no scope", {"scope": "-"}, "properties.scope"), ("scope of none", {"scope": f"/products/{new}"}, "properties.scope"), ("scope of no kind", {"scope": "/teapots/x"}, "properties.scope"),
        ("owner of none", {"ownerId": f"/users/{new}"}, "properties.ownerId"), ("state", {"state": "maybe"}, "properties.state"), ("equal keys", {"primaryKey": "same", "secondaryKey": "same"}, "properties.primaryKey"),
        ("key too long", {"primaryKey": "k" * 257}, "properties.primaryKey"), ("empty key", {"primaryKey": ""}, "properties.primaryKey"))
    bad("/namedValues", {"displayName": new, "value": "v"}, ("no value", {"value": "-"}, "properties.value"), ("blank", {"value": "  "}, "properties.value"), ("blanks in the name", {"displayName": "a b"}, "properties.displayName"),
        ("name of another", {"displayName": have}, "name"), ("too long", {"value": "a" * 4097}, "properties.value"))
    bad("/backends", {"url": "http://127.0.0.1:9", "protocol": "http"}, ("no url", {"url": "-"}, "properties.url"), ("url", {"url": "nowhere"}, "properties.url"), ("protocol", {"protocol": "smtp"}, "properties.protocol"),
        ("certificate of none", {"credentials": {"certificateIds": [f"/certificates/{new}"]}}, "credentials"), ("named value of none", {"credentials": {"header": {"x": ["{{no-such}}"]}}}, "credentials"))
    bad("/certificates", {"data": "AAAA", "password": "x"}, ("no data", {"data": "-"}, "properties.data"), ("no PFX", {}, "data"), ("no base64", {"data": "***"}, "data"))
    bad("/gateways", {"locationData": {"name": "x"}}, ("no place", {"locationData": "-"}, "properties.locationData"), ("place without name", {"locationData": {}}, "properties.locationData.name"))
    bad("/policyFragments", {"value": "<fragment><set-method>GET</set-method></fragment>", "format": "rawxml"}, ("no value", {"value": "-"}, "properties.value"), ("base", {"value": "<fragment><base /></fragment>"}, "base"), ("format", {"format": "json"}, "properties.format"))
    at = f"/apis/{have}/policies/policy"
    for what, text, target in (("unknown element", policy("<nothing />"), "nothing"), ("not closed", {"format": "rawxml", "value": "<policies><inbound></policies>"}, "representation"), ("attribute", policy('<set-method x="1">GET</set-method>'), "set-method"),
                               ("value out of bounds", policy('<rate-limit calls="0" renewal-period="60" />'), "rate-limit"), ("named value of none", policy('<set-header name="{{none}}"><value>x</value></set-header>'), "set-header"),
                               ("fragment of none", policy('<include-fragment fragment-id="none" />'), "include-fragment"), ("expression", policy('<set-method>@("GET")</set-method>'), "set-method"), ("DTD", {"format": "xml", "value": "<!DOCTYPE x><policies />"}, "representation"),
                               ("wrong section", {"format": "rawxml", "value": "<policies><outbound><ip-filter action=\"allow\"><address>10.0.0.1</address></ip-filter></outbound></policies>"}, "ip-filter"), ("format", {"format": "json", "value": "x"}, "properties.format")):
        rows.append((f"policy: {what}", "PUT", at, text, 400, "ValidationError", target, None))
    for what, identifier in (("star", "a*b"), ("tags", "%3Cb%3E"), ("ampersand", "a%26b"), ("line end", "a%0D%0Ab"), ("direction", "a%E2%80%AEb"), ("257 letters", "a" * 257), ("slash", "a%2Fb"), ("climbs", "..%2Fx"), ("no UTF-8", "a%FFb"), ("NUL", "a%00b")):
        rows.append((f"id: {what}", "PUT", f"/apis/{new}{identifier}", {"displayName": "x", "path": f"{new}id"}, 400, "ValidationError", "id", None))
    group = f"/groups/{new}"
    for what, data in (("no JSON", b"{"), ("twice the same", b'{"properties":{"displayName":"a","displayName":"b"}}'), ("NaN", b'{"properties":{"x":NaN}}'), ("a list", b"[]"), ("no UTF-8", b'{"properties":{"displayName":"\xff"}}'), ("deep", b'{"a":' + b"[" * 70 + b"]" * 70 + b"}")):
        rows.append((f"body: {what}", "PUT", group, data, 400, "MalformedBody", None, JSON))
    rows.append(("body: a text", "PUT", group, b"x", 415, "UnsupportedMediaType", None, {"Content-Type": "text/plain"}))
    rows.append(("body: too large", "PUT", group, b'{"a":"' + b"a" * (4 << 20) + b'"}', 413, "RequestTooLarge", None, JSON))
    for method, path, status, code, headers in (("PATCH", f"/groups/{have}", 412, "PreconditionFailed", {"If-Match": '"stale"'}), ("DELETE", f"/groups/{have}", 412, "PreconditionFailed", {"If-Match": '"stale"'}), ("PATCH", f"/groups/{have}", 400, "MissingIfMatch", {"If-Match": None}),
                                                ("PATCH", f"/groups/{new}", 404, "ResourceNotFound", None), ("PUT", f"/groups/{new}", 412, "PreconditionFailed", {"If-Match": '"x"'}), ("PUT", f"/groups/{have}", 412, "PreconditionFailed", {"If-None-Match": "*"}),
                                                ("POST", f"/groups/{have}", 405, "MethodNotAllowed", None), ("DELETE", "/groups/developers", 405, "MethodNotAllowed", None)):
        rows.append((f"{method} {path} {headers}", method, path, {"displayName": have} if method != "DELETE" else None, status, code, None, headers))
    return rows


def test_each_is_refused_with_its_field_named_and_nothing_changes(cluster):
    have, new = name("have"), name("bad")
    cluster.made(f"/apis/{have}", {"displayName": have, "path": have})
    cluster.made(f"/apis/{have}/operations/things", {"displayName": "T", "method": "POST", "urlTemplate": "/things"})
    cluster.made(f"/products/{have}", {"displayName": have})
    cluster.made(f"/users/{have}", {"email": f"{have}@e.test", "firstName": "A", "lastName": "B"})
    cluster.made(f"/namedValues/{have}", {"displayName": have, "value": "v"})
    before = cluster.made(f"/groups/{have}", {"displayName": have}).revision
    rows, wrong = cases(have, new), []
    for what, method, path, given, status, code, target, headers in rows:
        if isinstance(given, bytes):
            answer = cluster.rest(method, path, data=given, headers=headers)
        else:
            answer = cluster.rest(method, path, {"properties": given} if given is not None else None, headers=headers)
        if (answer.status, answer.code) != (status, code) or target is not None and target not in answer.targets:
            wrong.append(f"{what}: expected {status} {code} {target}, got {answer.status} {answer.code} {answer.targets}")
    for query in ({"$top": "0"}, {"$top": "x"}, {"$skip": "-1"}, {"$filter": "colour eq 1"}, {"$filter": "name eq 'x"}, {"$orderby": "email"}):
        answer = cluster.get("/groups", query=query)
        if (answer.status, answer.code) != (400, "InvalidQueryParameter"):
            wrong.append(f"{query}: {answer.status} {answer.code}")
    assert not wrong, "\n".join(wrong)
    after = cluster.made(f"/groups/{have}", {"displayName": have, "description": "after"}).revision
    assert after == before + 1, f"something was changed: revision {before}, then {after}"
    assert len(rows) >= 80, len(rows)
    return f"{len(rows) + 6} cases"
