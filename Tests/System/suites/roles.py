"""Point 8: the built-in roles against every kind of route, decided as the definitions say; secrets out of reach."""
import re
import uuid

from support import name

SERVICE = "Microsoft.ApiManagement/service/"
AUTHORIZATION = "2022-04-01"


def routes():
    """(method, path, action)"""
    free, rows = name("free"), []
    for kind in ("apis", "products", "users", "groups", "subscriptions", "namedValues", "backends", "certificates", "policyFragments", "gateways"):
        rows += [("GET", f"/{kind}", f"{kind}/read"), ("GET", f"/{kind}/{free}", f"{kind}/read"), ("HEAD", f"/{kind}/{free}", f"{kind}/read"), ("PUT", f"/{kind}/{free}", f"{kind}/write"), ("DELETE", f"/{kind}/{free}", f"{kind}/delete")]
        if kind not in ("certificates", "policyFragments"):
            rows.append(("PATCH", f"/{kind}/{free}", f"{kind}/write"))
    for path, kind in (("", ""), (f"/apis/{free}", "apis/"), (f"/apis/{free}/operations/{free}", "apis/operations/"), (f"/products/{free}", "products/")):
        rows += [(method, f"{path}/policies/policy", f"{kind}policies/{verb}") for method, verb in (("GET", "read"), ("PUT", "write"))]
    for path, kind in ((f"/products/{free}/apis", "products/apis"), (f"/products/{free}/groups", "products/groups"), (f"/groups/{free}/users", "groups/users"), (f"/gateways/{free}/apis", "gateways/apis")):
        rows += [("GET", path, f"{kind}/read"), ("PUT", f"{path}/{free}", f"{kind}/write"), ("DELETE", f"{path}/{free}", f"{kind}/delete")]
    for action in ("listSecrets", "regeneratePrimaryKey", "regenerateSecondaryKey"):
        rows.append(("POST", f"/subscriptions/{free}/{action}", f"subscriptions/{action}/action"))
    for action in ("listKeys", "regenerateKey", "generateToken"):
        rows.append(("POST", f"/gateways/{free}/{action}", f"gateways/{action}/action"))
    rows += [("POST", f"/namedValues/{free}/listValue", "namedValues/listValue/action"), ("GET", "/reports/byApi", "reports/read"), ("GET", "", "read"), ("PATCH", "", "write"),
             ("GET", "/gatehouse/nodes", "gatehouse/nodes/read"), ("GET", "/gatehouse/audit", "gatehouse/audit/read"), ("GET", "/gatehouse/snapshots", "gatehouse/snapshots/read"), ("DELETE", f"/gatehouse/nodes/{free}", "gatehouse/nodes/delete")]
    rows = [(method, path, SERVICE + action) for method, path, action in rows]
    rows += [("GET", "/gatehouse/principals", "Microsoft.Authorization/principals/read"), ("PUT", f"/gatehouse/principals/{free}", "Microsoft.Authorization/principals/write"), ("POST", f"/gatehouse/principals/{free}/rotateSecret", "Microsoft.Authorization/principals/secrets/write")]
    for kind in ("roleAssignments", "roleDefinitions"):
        at = f"/providers/Microsoft.Authorization/{kind}"
        rows += [("GET", at, f"Microsoft.Authorization/{kind}/read"), ("PUT", f"{at}/{uuid.uuid4()}", f"Microsoft.Authorization/{kind}/write"), ("DELETE", f"{at}/{uuid.uuid4()}", f"Microsoft.Authorization/{kind}/delete")]
    return rows


def grants(permission, action):
    def covers(pattern):
        return re.fullmatch(".*".join(map(re.escape, pattern.lower().split("*"))), action.lower()) is not None
    return any(map(covers, permission["actions"])) and not any(map(covers, permission["notActions"]))


def send(cluster, row, token):
    method, path, _ = row
    body = {"properties": {"displayName": 5, "value": 5, "path": 5}} if method in ("PUT", "PATCH") else None
    return cluster.rest(method, path, body, token=token, version=AUTHORIZATION if "Microsoft.Authorization" in path else "2024-05-01")


def person(cluster, label, role=None, scope=""):
    full = name(label)
    made = cluster.put(f"/gatehouse/principals/{full}", {"displayName": full}).json["properties"]
    secret = cluster.post(f"/gatehouse/principals/{full}/rotateSecret").json["clientSecret"]
    if role:
        answer = cluster.put(f"{scope}/providers/Microsoft.Authorization/roleAssignments/{uuid.uuid4()}", version=AUTHORIZATION, properties={
            "roleDefinitionId": f"/providers/Microsoft.Authorization/roleDefinitions/{role}", "principalId": made["objectId"], "principalType": "ServicePrincipal"})
        assert answer.status == 201, answer.text
    return {"name": full, "oid": made["objectId"], "token": cluster.token(made["clientId"], secret), "client": made["clientId"], "secret": secret}


def test_every_route_needs_a_token(cluster):
    for row in routes():
        answer = send(cluster, row, "")
        assert answer.status == 401 and answer.headers["WWW-Authenticate"].startswith("Bearer "), (row, answer.status)


def test_the_matrix_of_roles_and_routes(cluster):
    table = routes()
    definitions = cluster.get("/providers/Microsoft.Authorization/roleDefinitions", version=AUTHORIZATION, query={"$filter": "type eq 'BuiltInRole'"}).json["value"]
    assert len(definitions) == 15, len(definitions)
    decisions, wrong = 0, []
    for definition in [*definitions, None]:
        who = person(cluster, "matrix", definition and definition["name"])
        for row in table:
            may = definition is not None and any(grants(permission, row[2]) for permission in definition["properties"]["permissions"])
            answer = send(cluster, row, who["token"])
            decisions += 1
            if may == (answer.status in (401, 403)) or answer.status >= 500 and answer.status != 501:
                wrong.append(f"{definition and definition['properties']['roleName']}: {row}: may {may}, got {answer.status}")
            if not may and row[0] != "HEAD" and who["oid"] not in answer.error.get("message", ""):
                wrong.append(f"{row}: the refusal does not name the principal")
    assert not wrong, "\n".join(wrong[:20])
    return f"{decisions} decisions"


def test_secrets_are_out_of_a_readers_reach(cluster):
    hidden = [uuid.uuid4().hex for _ in range(4)]
    sid, value, backend = name("hidden"), name("hidden"), name("hidden")
    cluster.made(f"/subscriptions/{sid}", {"displayName": sid, "scope": "/apis", "primaryKey": hidden[0], "secondaryKey": hidden[1]})
    cluster.made(f"/namedValues/{value}", {"displayName": value, "value": hidden[2], "secret": True})
    cluster.made(f"/backends/{backend}", {"url": "http://127.0.0.1:9", "protocol": "http", "credentials": {"header": {"x-key": [hidden[3]]}}})
    reader = person(cluster, "reader", "acdd72a7-3385-48ef-bd42-f606fba81ae7")
    for path in ("/subscriptions", f"/subscriptions/{sid}", "/namedValues", f"/namedValues/{value}", "/backends", f"/backends/{backend}", "/gatehouse/audit", "/gatehouse/snapshots", "/gatehouse/principals"):
        answer = cluster.get(path, token=reader["token"])
        assert answer.status == 200 and not any(secret in answer.text for secret in hidden), (path, answer.status)
    for path in (f"/subscriptions/{sid}/listSecrets", f"/namedValues/{value}/listValue", "/gateways/default/listKeys"):
        assert cluster.post(path, token=reader["token"]).status == 403, path


def test_nobody_grants_what_he_does_not_hold(cluster):
    administrator = person(cluster, "access", "18d7d88d-d35e-4fb5-a5c3-7773c20a72d9")
    owner = "8e3af657-a8ff-443c-a75c-2fe8c4bcb635"
    answer = cluster.put(f"/providers/Microsoft.Authorization/roleAssignments/{uuid.uuid4()}", {"roleDefinitionId": f"/x/roleDefinitions/{owner}", "principalId": administrator["oid"], "principalType": "User"}, token=administrator["token"], version=AUTHORIZATION)
    assert (answer.status, answer.code) == (403, "AuthorizationFailed"), answer.text
    assert cluster.post("/gatehouse/principals/owner/rotateSecret", token=administrator["token"]).status == 403


def test_a_deleted_principals_token_opens_nothing_and_refusals_are_audited(cluster):
    nobody = person(cluster, "nobody")
    assert cluster.get("/groups", token=nobody["token"]).status == 403
    rows = cluster.get("/gatehouse/audit", query={"$filter": f"principal eq '{nobody['oid']}'"}).json["value"]
    assert any(row["properties"]["outcome"] == "Forbidden" and row["properties"]["action"] == SERVICE + "groups/read" for row in rows), rows
    assert cluster.delete(f"/gatehouse/principals/{nobody['name']}").status == 200
    assert cluster.get("/groups", token=nobody["token"]).status == 401
    assert cluster.request_token(nobody["client"], nobody["secret"]).status_code == 401
