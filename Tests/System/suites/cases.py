"""Cases that people reported of other gateways, as far as they reach what is built: each with the whole kind it belongs to."""
import json
import threading
import time

from support import INVALID, KEY, MISSING, NOT_FOUND, Backend, Caller, header, name, policy, until

WINDOW = "timestamp ge datetime'%s' and timestamp le datetime'2099-01-01T00:00:00'"


def callers(cluster):
    return [caller for _, caller in cluster.callers()]


def saw(reply):
    return json.loads(reply.body)


def put_policy(cluster, path, text):
    answer = cluster.put(f"{path}/policies/policy", text if isinstance(text, dict) else {"format": "rawxml", "value": text}, headers={"Prefer": "wait=10"})
    assert answer.status in (200, 201), answer.text
    return answer


def set_api(cluster, api, **properties):
    answer = cluster.rest("PATCH", f"/apis/{api}", {"properties": properties}, headers={"Prefer": "wait=10"})
    assert answer.status == 200, answer.text


def test_case_K01_a_wrong_key_on_an_api_that_needs_none(cluster):
    backend = Backend()
    opened, closed = cluster.shop(name("open"), backend), cluster.shop(name("closed"), backend)
    set_api(cluster, opened, subscriptionRequired=False)
    k2 = cluster.subscribe(name("closed"), f"/apis/{closed}")
    own = cluster.subscribe(name("open"), f"/apis/{opened}")
    every, master = cluster.subscribe(name("all"), "/apis"), cluster.key("master")
    suspended = name("idle")
    idle = cluster.subscribe(suspended, f"/apis/{opened}")
    cluster.rest("PATCH", f"/subscriptions/{suspended}", {"properties": {"state": "suspended"}}, headers={"Prefer": "wait=10"})
    for caller in callers(cluster):
        count = backend.count
        for key in ("not-a-key", k2, idle, f"{own}x", own[:-1]):
            for target, fields in ((f"/{opened}/things/1", {KEY: key}), (f"/{opened}/things/1?subscription-key={key}", {})):
                reply = caller.call("GET", target, fields)
                assert reply.status == 401 and reply.body == INVALID, (key, target, reply.raw)
        assert backend.count == count
        for key in (None, "", own, every, master):
            reply = caller.call("GET", f"/{opened}/things/1", {} if key is None else {KEY: key})
            assert reply.status == 200 and KEY.lower() not in saw(reply)["fields"], (key, reply.raw)
        # Beside it nothing is opened: the closed one wants its own.
        assert caller.call("GET", f"/{closed}/things/1").body == MISSING
        assert caller.call("GET", f"/{closed}/things/1", {KEY: own}).body == INVALID


def test_case_K04_a_renamed_key_header(cluster):
    backend = Backend()
    api = cluster.shop(name("parcels"), backend)
    names = {"header": "x-api-key", "query": "subscription-key"}
    set_api(cluster, api, subscriptionKeyParameterNames=names)
    key = cluster.subscribe(name("parcels"), f"/apis/{api}")
    target = f"/{api}/things/1"
    for scheme in ("http", "https"):
        for _, caller in cluster.callers(scheme):
            for fields, query in (({"x-api-key": key}, ""), ({"X-API-KEY": key}, ""), ({}, f"?subscription-key={key}"), ({"x-api-key": ""}, f"?subscription-key={key}")):
                reply = caller.call("GET", target + query, fields)
                assert reply.status == 200, (fields, query, reply.raw)
                assert key not in reply.body.decode(), "the key reaches no backend"
            realm = f'AzureApiManagementKey realm="{scheme}://{caller.host}/{api}",name="x-api-key",type="header"'
            for fields, query, body in (({KEY: key}, "", MISSING), ({}, f"?x-api-key={key}", MISSING), ({}, f"?Subscription-Key={key}", MISSING), ({"x-api-key": "wrong"}, f"?subscription-key={key}", INVALID),
                                        ({"x_api_key": key}, "", MISSING), ({}, "", MISSING)):
                reply = caller.call("GET", target + query, fields)
                assert reply.status == 401 and reply.body == body and reply.fields["www-authenticate"] == realm, (fields, query, reply.raw)
    # Both renamed, and back again: each change counts from the next call on.
    set_api(cluster, api, subscriptionKeyParameterNames={"header": "x-token", "query": "token"})
    for caller in callers(cluster):
        assert caller.call("GET", target, {"x-token": key}).status == 200 and caller.call("GET", f"{target}?token={key}&a=1").status == 200
        assert caller.call("GET", target, {"x-api-key": key}).body == MISSING and caller.call("GET", f"{target}?subscription-key={key}").body == MISSING
    set_api(cluster, api, subscriptionKeyParameterNames=None)
    for caller in callers(cluster):
        assert caller.call("GET", target, {KEY: key}).status == 200 and caller.call("GET", target, {"x-token": key}).body == MISSING


def test_case_H01_an_encoded_slash_is_one_segment(cluster):
    backend = Backend()
    api = cluster.shop(name("pulp"), backend, (("POST", "/{href}/sync/"), ("GET", "/{href}/sync/{part}")))
    set_api(cluster, api, subscriptionRequired=False)
    for caller in callers(cluster):
        for target, expected in (("/rpm%2Frepo%2F018c/sync/", "/rpm%2Frepo%2F018c/sync/"), ("/rpm%2frepo/sync", "/rpm%2frepo/sync"), ("/rpm%5Crepo/sync/", "/rpm%5Crepo/sync/"), ("/a%252Fb/sync/", "/a%252Fb/sync/")):
            reply = caller.call("POST", f"/{api}{target}", body=b"")
            assert reply.status == 200 and saw(reply)["target"] == expected, (target, reply.raw)
        for target in ("/rpm/repo/018c/sync/", "/rpm%2Frepo%2F018c%2Fsync/", "/rpm%2Frepo"):
            reply = caller.call("POST", f"/{api}{target}", body=b"")
            assert reply.status == 404 and reply.body == NOT_FOUND, (target, reply.raw)
        reply = caller.call("GET", f"/{api}/a%2Fb/sync/c%2Fd")
        assert reply.status == 200 and saw(reply)["target"] == "/a%2Fb/sync/c%2Fd", reply.raw
        # A separator that hides a dot segment is no separator and no value.
        assert caller.call("POST", f"/{api}/..%2Fx/sync/", body=b"").status == 400


def interim(node, head, body, seconds=5):
    """What comes before the body is sent, and everything after."""
    caller = Caller(node["http"])
    caller.connect()
    connection = caller.socket
    connection.sendall(head)
    connection.settimeout(seconds)
    first = b""
    while b"\r\n\r\n" not in first:
        first += connection.recv(65536)
    if first.startswith(b"HTTP/1.1 100 "):
        connection.sendall(body)
    whole = first
    while True:
        piece = connection.recv(65536)
        if not piece:
            connection.close()
            return first, whole
        whole += piece


def test_case_H03_expect_100_continue(cluster):
    backend = Backend()
    opened, guarded = cluster.shop(name("upload"), backend), cluster.shop(name("guarded"), backend)
    set_api(cluster, opened, subscriptionRequired=False)
    set_api(cluster, guarded, subscriptionRequired=False)
    put_policy(cluster, f"/apis/{guarded}", policy('<return-response><set-status code="401" reason="No" /></return-response>'))
    body = b"x" * 2000
    head = "POST /%s/things HTTP/1.1\r\nHost: g\r\nContent-Length: 2000\r\nExpect: %s\r\nConnection: close\r\n\r\n"
    for node in cluster.nodes:
        first, whole = interim(node, (head % (opened, "100-continue")).encode(), body)
        assert first.startswith(b"HTTP/1.1 100 Continue\r\n\r\n"), first
        answer = whole.split(b"\r\n\r\n", 1)[1]
        assert answer.startswith(b"HTTP/1.1 200 ") and whole.count(b"HTTP/1.1 100") == 1, whole
        assert json.loads(answer.split(b"\r\n\r\n", 1)[1])["body"] == body.decode()
        count = backend.count
        # Refused on the head: by a policy, for its key, for its path.
        for api, path, status in ((guarded, "/things", 401), (opened, "/nowhere", 404)):
            first, whole = interim(node, (head % (api, "100-continue")).replace(f"/{api}/things", f"/{api}{path}").encode(), body)
            assert first == whole and first.startswith(f"HTTP/1.1 {status} ".encode()) and b"\r\nConnection: close\r\n" in first, first
        first, whole = interim(node, (head % (opened, "200-maybe")).encode(), body)
        assert first == whole and first.startswith(b"HTTP/1.1 417 "), first
        assert backend.count == count


def test_case_H08_expect_and_upgrade_together(cluster):
    """Never 101 and then 100: nothing is upgraded here, and a request without content expects nothing."""
    backend = Backend()
    api = cluster.shop(name("socket"), backend)
    set_api(cluster, api, subscriptionRequired=False)
    head = f"GET /{api}/things/1 HTTP/1.1\r\nHost: g\r\nUpgrade: websocket\r\nConnection: Upgrade, close\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nExpect: 100-continue\r\n\r\n"
    for node in cluster.nodes:
        first, whole = interim(node, head.encode(), b"")
        assert first.startswith(b"HTTP/1.1 200 ") and b"HTTP/1.1 10" not in whole, whole
        fields = json.loads(whole.split(b"\r\n\r\n", 1)[1])["fields"]
        assert not {"upgrade", "connection", "expect"} & set(fields), fields


def test_case_C01_a_wildcard_in_an_origin_is_refused(cluster):
    api = cluster.shop(name("cors"), Backend())
    text = "<policies>\n  <inbound>\n    <base />\n    <cors allow-credentials=\"false\">\n      <allowed-origins>\n        <origin>%s</origin>\n      </allowed-origins>\n      <allowed-methods><method>GET</method></allowed-methods>\n      <allowed-headers><header>*</header></allowed-headers>\n    </cors>\n  </inbound>\n  <backend><base /></backend>\n  <outbound><base /></outbound>\n</policies>"
    said = "Error in element 'cors' on line 4, column 6: Origin must be a valid URL consisting of scheme, host, and port only"
    for origin in ("https://*.shop.example.com", "https://shop.*", "*.example.com", "shop.example.com", "https://shop.example.com/path", "https://shop.example.com?x", "https://u@shop.example.com", "https://shop.example.com:x", "https://", "**"):
        answer = cluster.put(f"/apis/{api}/policies/policy", {"format": "rawxml", "value": text % origin})
        assert answer.status == 400 and answer.code == "ValidationError" and answer.targets == ["cors"], (origin, answer.text)
        assert said in answer.text, (origin, answer.text)
    assert cluster.get(f"/apis/{api}/policies/policy").status == 404, "nothing of it was stored"
    for origin in ("https://shop.example.com", "http://localhost:8080", "https://[::1]:8443", "null", "*"):
        assert cluster.put(f"/apis/{api}/policies/policy", {"format": "rawxml", "value": text % origin}).status in (200, 201), origin


def test_case_C05_the_backends_cors_headers_are_replaced(cluster):
    backend = Backend(fields=[("Access-Control-Allow-Origin", "*"), ("Access-Control-Allow-Credentials", "true"), ("Access-Control-Expose-Headers", "x-other"), ("Vary", "Accept-Encoding"),
                              ("Access-Control-Allow-Methods", "DELETE"), ("Access-Control-Allow-Headers", "x-any"), ("Access-Control-Max-Age", "9")])
    api = cluster.shop(name("cors"), backend)
    set_api(cluster, api, subscriptionRequired=False)
    put_policy(cluster, f"/apis/{api}", policy('<cors allow-credentials="true" terminate-unmatched-request="false"><allowed-origins><origin>https://shop.example.com</origin></allowed-origins><expose-headers><header>x-total</header></expose-headers></cors>'))
    for caller in callers(cluster):
        raw = caller.call("GET", f"/{api}/things/1", {"Origin": "https://shop.example.com"}).raw.split(b"\r\n\r\n", 1)[0].decode()
        lines = [line.split(": ", 1) for line in raw.split("\r\n")[1:]]
        values = {}
        for field, value in lines:
            values.setdefault(field.lower(), []).append(value)
        assert values["access-control-allow-origin"] == ["https://shop.example.com"], raw
        assert values["access-control-allow-credentials"] == ["true"] and values["access-control-expose-headers"] == ["x-total"], raw
        assert {part.strip() for value in values["vary"] for part in value.split(",")} == {"Accept-Encoding", "Origin"}, raw
        # Another origin reads nothing, whatever the backend would have let it.
        other = caller.call("GET", f"/{api}/things/1", {"Origin": "https://evil.example"})
        assert not {field for field in other.fields if field in ("access-control-allow-origin", "access-control-allow-credentials", "access-control-expose-headers")}, other.fields
        assert "origin" in other.fields["vary"].lower()


def limited(cluster, calls, period, product=True):
    backend = Backend()
    api = cluster.shop(name("limited"), backend)
    key = cluster.subscribe(name("limited"), f"/apis/{api}")
    text = '<rate-limit calls="%d" renewal-period="%d" remaining-calls-header-name="x-left" total-calls-header-name="x-all" />'
    put_policy(cluster, f"/apis/{api}", policy(text % (calls, period)))
    return api, key, text


def test_case_R01_retry_after_and_remaining(cluster):
    api, key, _ = limited(cluster, 3, 30)
    caller, target = callers(cluster)[0], f"/{api}/things/1"
    for left in ("2", "1", "0"):
        reply = caller.call("GET", target, {KEY: key})
        assert reply.status == 200 and reply.fields["x-left"] == left and reply.fields["x-all"] == "3", reply.raw
    former = 30
    for _ in range(4):
        reply = caller.call("GET", target, {KEY: key})
        seconds = reply.fields["retry-after"]
        assert reply.status == 429 and reply.fields["x-left"] == "0" and seconds.isdigit() and 1 <= int(seconds) <= former, reply.raw
        assert f"Try again in {seconds} seconds" in json.loads(reply.body)["message"], reply.raw
        former = int(seconds)
    # What is not built is refused, with its place.
    by_key = '<rate-limit-by-key calls="3" renewal-period="10" counter-key="@(context.Request.Headers.GetValueOrDefault(&quot;x-who&quot;,&quot;-&quot;))" />'
    answer = cluster.put(f"/apis/{api}/policies/policy", policy(by_key))
    assert answer.status in (400, 501) and answer.targets == ["rate-limit-by-key"], answer.text
    assert caller.call("GET", target, {KEY: key}).status == 429, "the former policy is in force"


def test_case_R03_a_limit_raised_inside_a_window(cluster):
    api, key, text = limited(cluster, 10, 300)
    caller, target = callers(cluster)[0], f"/{api}/things/1"
    for left in ("9", "8", "7", "6"):
        reply = caller.call("GET", target, {KEY: key})
        assert reply.fields["x-all"] == "10" and reply.fields["x-left"] == left, reply.raw
    put_policy(cluster, f"/apis/{api}", policy(text % (20, 300)))
    reply = caller.call("GET", target, {KEY: key})
    assert reply.status == 200 and reply.fields["x-all"] == "20" and reply.fields["x-left"] == "15", reply.raw
    # Lowered below what was counted: the next is refused, and nothing is below none.
    put_policy(cluster, f"/apis/{api}", policy(text % (2, 300)))
    reply = caller.call("GET", target, {KEY: key})
    assert reply.status == 429 and reply.fields["x-left"] == "0" and reply.fields["x-all"] == "2", reply.raw
    # Another change of the document, or of another one, does not make the counter anew.
    put_policy(cluster, f"/apis/{api}", policy(text % (20, 300) + header("X-More", 1)))
    reply = caller.call("GET", target, {KEY: key})
    assert reply.status == 200 and reply.fields["x-left"] == "14", reply.raw


def test_case_U01_the_same_calls_in_every_range(cluster):
    backend = Backend()
    api = cluster.shop(name("ranges"), backend)
    key = cluster.subscribe(name("ranges"), f"/apis/{api}")
    caller = callers(cluster)[0]
    for _ in range(10):
        assert caller.call("GET", f"/{api}/things/1", {KEY: key, "X-Wait": "0.05"}).status == 200
    for number in range(31):
        assert caller.call("GET", f"/{api}/things/1", {KEY: f"wrong-{number}"}).status == 401

    def rows(by, since, **query):
        day = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(time.time() - since))
        extra = f" and apiId eq '/apis/{api}'" if by == "byTime" else ""
        found = cluster.get(f"/reports/{by}", query={"$filter": WINDOW % day + extra, "$top": "1000", **query}).json["value"]
        return found if by == "byTime" else [row for row in found if row["apiId"] == f"/apis/{api}"]

    assert until(lambda: sum(row["callCountTotal"] for row in rows("byApi", 7 * 86400)) == 41, 10, 0.1) is not None
    week = rows("byApi", 7 * 86400)[0]
    assert (week["callCountSuccess"], week["callCountBlocked"], week["callCountFailed"], week["callCountOther"], week["callCountTotal"]) == (10, 31, 0, 0, 41), week
    # An hour back reaches the bucket that began within it; a day and a month see the same.
    for since in (3600, 86400, 30 * 86400):
        assert rows("byApi", since)[0] == week, since
    for interval in ("PT15M", "PT1H", "P1D"):
        assert sum(row["callCountTotal"] for row in rows("byTime", 7 * 86400, interval=interval)) == 41, interval
    assert week["serviceTimeAvg"] >= 50 and week["serviceTimeMin"] >= 50, week
    assert week["apiTimeMin"] < 50 <= week["apiTimeMax"], week
    assert week["apiTimeMin"] <= week["apiTimeAvg"] <= week["apiTimeMax"], week


def test_case_P35_rewrite_uri_and_the_query(cluster):
    backend = Backend()
    api = name("shop")
    cluster.made(f"/apis/{api}", {"displayName": api, "path": api, "serviceUrl": backend.url + "/v1", "protocols": ["http"], "subscriptionRequired": False})
    cluster.made(f"/apis/{api}/operations/item", {"displayName": "item", "method": "GET", "urlTemplate": "/items/{id}", "templateParameters": [{"name": "id", "type": "string"}]})
    plain = "tag=a&tag=b&flt=a%20eq%20'x'&empty=&bare"
    for rewrite, request, expected in (
            ('<rewrite-uri template="/lookup?key={id}" />', "/items/7?page=2&page=3", "/v1/lookup?key=7&page=2&page=3"),
            ('<rewrite-uri template="/lookup?key={id}" copy-unmatched-params="false" />', "/items/7?page=2&page=3", "/v1/lookup?key=7"),
            ('<rewrite-uri template="/lookup?page=9" />', "/items/7?page=2&size=5", "/v1/lookup?page=9&size=5"),
            ("", f"/items/7?{plain}", f"/v1/items/7?{plain}"),
            ('<rewrite-uri template="/l" />', f"/items/7?{plain}", f"/v1/l?{plain}"),
            ('<rewrite-uri template="/l?a=1&amp;a=2" />', "/items/7?b=1&b=1", "/v1/l?a=1&a=2&b=1&b=1"),
            ('<rewrite-uri template="/l?PAGE=9" />', "/items/7?page=2", "/v1/l?PAGE=9"),
            ('<rewrite-uri template="/l" copy-unmatched-params="false" />', f"/items/7?{plain}", "/v1/l"),
            ('<rewrite-uri template="?" />', "/items/7?a=1", "/v1?a=1"),
            ('<rewrite-uri template="/x/{id}" />', "/items/a%2Fb%3Fc?d=%2F", "/v1/x/a%2Fb%3Fc?d=%2F")):
        put_policy(cluster, f"/apis/{api}/operations/item", policy(rewrite))
        for caller in callers(cluster):
            reply = caller.call("GET", f"/{api}{request}")
            assert reply.status == 200 and saw(reply)["target"] == expected, (rewrite, request, reply.raw)


def test_case_P27_headers_of_a_fragment_go_to_the_backend(cluster):
    backend = Backend()
    api = cluster.shop(name("marks"), backend)
    set_api(cluster, api, subscriptionRequired=False)
    fragment = name("mark")
    cluster.made(f"/policyFragments/{fragment}", {"format": "rawxml", "value": f"<fragment>{header('x-mark', 'from-fragment', 'override')}</fragment>"})
    text = policy(f'<include-fragment fragment-id="{fragment}" />{header("x-region", "here", "override")}', f'<include-fragment fragment-id="{fragment}" />')
    put_policy(cluster, f"/apis/{api}/operations/op0", policy(f'<include-fragment fragment-id="{fragment}" />{header("x-region", "here", "override")}'))
    for caller in callers(cluster):
        reply = caller.call("GET", f"/{api}/things/1", {"X-Mark": "mine"})
        fields = saw(reply)["fields"]
        assert reply.status == 200 and fields["x-mark"] == "from-fragment" and fields["x-region"] == "here", fields
        assert "x-mark" not in reply.fields and "x-region" not in reply.fields, reply.fields
    # In outbound the same fragment changes the answer; a change of the fragment changes both.
    put_policy(cluster, f"/apis/{api}/operations/op0", text)
    cluster.made(f"/policyFragments/{fragment}", {"format": "rawxml", "value": f"<fragment>{header('x-mark', 'changed', 'override')}</fragment>"})
    for caller in callers(cluster):
        reply = caller.call("GET", f"/{api}/things/1")
        assert saw(reply)["fields"]["x-mark"] == "changed" and reply.fields["x-mark"] == "changed", reply.raw
    # An expression is not built: refused at PUT with its element, and what was there stays.
    answer = cluster.put(f"/apis/{api}/operations/op0/policies/policy", policy('<set-header name="x-region" exists-action="override"><value>@(context.Deployment.Region)</value></set-header>'))
    assert answer.status in (400, 501) and answer.targets == ["value"], answer.text
    assert callers(cluster)[0].call("GET", f"/{api}/things/1").status == 200


def test_case_P09_a_named_value_as_part_of_an_id(cluster):
    backend = Backend()
    api, stage, orders = cluster.shop(name("orders"), backend), name("stage"), name("ORDERS")
    set_api(cluster, api, subscriptionRequired=False)
    text = "<policies>\n  <inbound>\n    <base />\n    <set-backend-service id=\"route\" backend-id=\"%s_{{%s}}\" />\n  </inbound>\n  <backend><base /></backend>\n  <outbound><base /></outbound>\n</policies>" % (orders, stage)
    cluster.made(f"/namedValues/{stage}", {"displayName": stage, "value": "test"})
    missing = cluster.put(f"/apis/{api}/policies/policy", {"format": "rawxml", "value": text})
    assert missing.status == 400 and missing.targets == ["set-backend-service"], missing.text
    for place in ("test", "live"):
        cluster.made(f"/backends/{orders}_{place}", {"url": f"{backend.url}/{place}", "protocol": "http"})
    put_policy(cluster, f"/apis/{api}", text)
    assert cluster.get(f"/apis/{api}/policies/policy", query={"format": "rawxml"}).json["properties"]["value"] == text, "as it was typed"
    for caller in callers(cluster):
        assert saw(caller.call("GET", f"/{api}/things/1"))["target"] == "/test/things/1"
    cluster.rest("PATCH", f"/namedValues/{stage}", {"properties": {"value": "live"}}, headers={"Prefer": "wait=10"})
    for caller in callers(cluster):
        assert saw(caller.call("GET", f"/{api}/things/1"))["target"] == "/live/things/1"
    # A value that names no backend would leave the policy without its target.
    broken = cluster.rest("PATCH", f"/namedValues/{stage}", {"properties": {"value": "nowhere"}}, headers={"Prefer": "wait=10"})
    assert broken.status == 400, broken.text
    for caller in callers(cluster):
        assert saw(caller.call("GET", f"/{api}/things/1"))["target"] == "/live/things/1"


def test_case_P13_expressions_where_none_are_allowed(cluster):
    api = cluster.shop(name("plain"), Backend())
    for text, target in (('<mock-response status-code="@(int.Parse(context.Request.Headers.GetValueOrDefault("x-want","200")))" content-type="application/json" />', "mock-response"),
                         ('<mock-response status-code="@(200)" />', "mock-response"), ('<mock-response status-code="200" content-type="@("text/plain")" />', "mock-response"),
                         ('<include-fragment fragment-id="@((string)context.Variables["which"])" />', "include-fragment"), ('<include-fragment fragment-id="@("a")" />', "include-fragment")):
        answer = cluster.put(f"/apis/{api}/policies/policy", policy(text))
        assert answer.status == 400 and answer.code == "ValidationError" and answer.targets == [target], (text, answer.text)
    assert cluster.get(f"/apis/{api}/policies/policy").status == 404
