"""Loads the demo over REST: the bookshop's API, product `starter`, subscription `demo`, and policies that show a rate
limit, a header and a mock. What is there already stays as it is."""
import pathlib

FOLDER = pathlib.Path(__file__).resolve().parent


def policy(inbound="", outbound=""):
    return {"properties": {"format": "rawxml", "value": (
        f"<policies>\n  <inbound>\n    <base />{inbound}\n  </inbound>\n  <backend>\n    <base />\n  </backend>\n"
        f"  <outbound>\n    <base />{outbound}\n  </outbound>\n  <on-error>\n    <base />\n  </on-error>\n</policies>")}}


def load(management, backend):
    if management.call("GET", "/subscriptions/demo", expected=(200, 404))[0] == 200:
        # The backend may listen on another port than at the first start.
        management.call("PATCH", "/apis/bookshop", {"properties": {"serviceUrl": backend}}, {"If-Match": "*"})
        return
    management.call("PUT", "/apis/bookshop", {"properties": {
        "path": "bookshop", "displayName": "Bookshop", "protocols": ["http", "https"], "serviceUrl": backend, "format": "openapi+json",
        "value": (FOLDER / "bookshop.openapi.json").read_text()}})
    management.call("PUT", "/products/starter", {"properties": {
        "displayName": "Starter", "description": "The bookshop, 600 calls a minute.", "state": "published", "subscriptionRequired": True}})
    management.call("PUT", "/products/starter/apis/bookshop")
    management.call("PUT", "/products/starter/policies/policy", policy('\n    <rate-limit calls="600" renewal-period="60" />'))
    management.call("PUT", "/apis/bookshop/policies/policy", policy(
        outbound='\n    <set-header name="X-Served-By" exists-action="override">\n      <value>Gatehouse</value>\n    </set-header>'))
    management.call("PUT", "/apis/bookshop/operations/listOffers/policies/policy", policy('\n    <mock-response status-code="200" content-type="application/json" />'))
    management.call("PUT", "/subscriptions/demo", {"properties": {"displayName": "Demo", "scope": "/products/starter", "state": "active"}}, {"Prefer": "wait=10"})
