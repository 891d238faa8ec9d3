"""Point 2: Azure's SDK makes an API of more than 20 operations, product, subscription, named value and policies at four
scopes; both nodes serve it within a second."""
import json

from support import KEY, Backend, header, name, policy, until


def document(title):
    paths = {"/orders": {"get": "listOrders", "post": "placeOrder"}, "/orders/{id}": {"get": "getOrder", "put": "putOrder", "delete": "dropOrder"}}
    for noun in ("goods", "shelves", "carts", "bills", "shops", "staff", "tills", "days", "notes"):
        paths[f"/{noun}"] = {"get": f"list-{noun}"}
        paths[f"/{noun}/{{id}}"] = {"get": f"get-{noun}"}
    return {"openapi": "3.0.1", "info": {"title": title, "version": "1"}, "paths": {
        path: {method: {"operationId": identifier, "summary": identifier, "responses": {"200": {"description": "done"}},
                        "parameters": [{"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}] if "{id}" in path else []}
               for method, identifier in methods.items()} for path, methods in paths.items()}}


def test_the_SDK_makes_it_and_both_nodes_serve_it_within_a_second(cluster):
    from azure.mgmt.apimanagement import models
    sdk, where, backend = cluster.sdk(), cluster.where, Backend()
    api, product, value, sid, fragment = (name(text) for text in ("shop", "product", "value", "sid", "fragment"))
    sdk.api.begin_create_or_update(*where, api, models.ApiCreateOrUpdateParameter(
        path=api, display_name=api, format="openapi+json", value=json.dumps(document(api)), service_url=backend.url, protocols=["http", "https"])).result()
    operations = list(sdk.api_operation.list_by_api(*where, api))
    assert len(operations) == 23, len(operations)
    sdk.product.create_or_update(*where, product, models.ProductContract(display_name=product, state="published"))
    sdk.product_api.create_or_update(*where, product, api)
    sdk.named_value.begin_create_or_update(*where, value, models.NamedValueCreateContract(display_name=value, value="hidden words", secret=True)).result()
    sdk.policy_fragment.begin_create_or_update(*where, fragment, models.PolicyFragmentContract(value=f"<fragment>{header('X-Seen', 'fragment')}</fragment>", format="rawxml")).result()

    def text(inbound):
        return models.PolicyContract(**policy(inbound))
    sdk.api_operation_policy.create_or_update(*where, api, "getOrder", "policy", text(header("X-Seen", "operation") + f'<include-fragment fragment-id="{fragment}" />'))
    sdk.api_policy.create_or_update(*where, api, "policy", text(header("X-Seen", "api") + header("X-Secret", f"{{{{{value}}}}}", "override")))
    sdk.product_policy.create_or_update(*where, product, "policy", text(header("X-Seen", "product")))
    former = cluster.get("/policies/policy", query={"format": "rawxml"}).json["properties"]["value"]
    sdk.subscription.create_or_update(*where, sid, models.SubscriptionCreateParameters(scope=f"/products/{product}", display_name=sid))
    key = sdk.subscription.list_secrets(*where, sid).primary_key
    sdk.policy.create_or_update(*where, "policy", models.PolicyContract(**policy(header("X-Seen", "global"), base="")))
    try:
        took = []
        for node, caller in cluster.callers():
            seconds = until(lambda: caller.call("GET", f"/{api}/orders/7", {KEY: key}).status == 200, 1)
            assert seconds is not None, f"{node} does not serve it within a second"
            took.append(f"{node} {seconds * 1000:.0f} ms")
            seconds = until(lambda: json.loads(caller.call("GET", f"/{api}/orders/7", {KEY: key}).body)["fields"].get("x-seen") == "global,product,api,operation,fragment", 1)
            assert seconds is not None, caller.call("GET", f"/{api}/orders/7", {KEY: key}).body
            seen = json.loads(caller.call("GET", f"/{api}/orders/7", {KEY: key}).body)
            assert seen["target"] == "/orders/7" and seen["fields"]["x-secret"] == "hidden words", seen
            assert KEY.lower() not in seen["fields"], "the key went on to the backend"
        return ", ".join(took)
    finally:
        cluster.made("/policies/policy", {"format": "rawxml", "value": former})
