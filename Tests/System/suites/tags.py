"""Tags by Azure's SDK: made, read, changed, assigned to APIs, operations and products, chosen by, and deleted."""
from support import Backend, name


def sdk_error(call):
    from azure.core.exceptions import HttpResponseError
    try:
        call()
    except HttpResponseError as error:
        return error.status_code
    return None


def made(cluster):
    """An API with two operations, a product and a tag."""
    api, product, tag = name("tagged"), name("product"), name("tag")
    cluster.shop(api, Backend())
    cluster.made(f"/products/{product}", {"displayName": product})
    cluster.made(f"/tags/{tag}", {"displayName": f"{tag} in words"})
    return api, product, tag


def test_a_tag_lives_as_the_SDK_expects(cluster):
    from azure.mgmt.apimanagement import models
    sdk, where, tag = cluster.sdk(), cluster.where, name("tag")
    first = sdk.tag.create_or_update(*where, tag, models.TagCreateUpdateParameters(display_name=tag))
    assert first.name == tag and first.display_name == tag and first.type == "Microsoft.ApiManagement/service/tags", first
    seen = {}
    assert sdk.tag.get_entity_state(*where, tag, cls=lambda answer, _, headers: seen.update(headers) or answer.http_response.status_code) == 200
    etag = seen["ETag"]
    again = cluster.put(f"/tags/{tag}", {"displayName": tag})
    assert again.status == 200 and again.etag == etag, "a write that changes nothing keeps the ETag"
    changed = sdk.tag.update(*where, tag, etag, models.TagCreateUpdateParameters(display_name=f"{tag} too"))
    assert changed.display_name == f"{tag} too"
    assert sdk.tag.get(*where, tag).display_name == f"{tag} too"
    assert [row.name for row in sdk.tag.list_by_service(*where, filter=f"startswith(properties/displayName, '{tag}')")] == [tag]
    assert [row.name for row in sdk.tag.list_by_service(*where, filter=f"name eq '{tag}'")] == [tag]
    assert sdk_error(lambda: sdk.tag.delete(*where, tag, etag)) == 412, "a stale ETag"
    sdk.tag.delete(*where, tag, "*")
    sdk.tag.delete(*where, tag, "*")
    assert sdk_error(lambda: sdk.tag.get(*where, tag)) == 404
    assert sdk_error(lambda: sdk.tag.get_entity_state(*where, tag)) == 404


def test_assignments_show_the_tag_and_its_ETag(cluster):
    sdk, where = cluster.sdk(), cluster.where
    api, product, tag = made(cluster)
    etag = cluster.get(f"/tags/{tag}").etag
    places = (("api", (api,)), ("operation", (api, "op0")), ("product", (product,)))
    paths = {"api": f"/apis/{api}", "operation": f"/apis/{api}/operations/op0", "product": f"/products/{product}"}
    for kind, ids in places:
        call = {verb: getattr(sdk.tag, f"{verb}_{kind}") for verb in ("assign_to", "get_by", "get_entity_state_by", "list_by", "detach_from")}
        path = f"{paths[kind]}/tags/{tag}"
        assert sdk_error(lambda: call["get_by"](*where, *ids, tag)) == 404
        assert cluster.get(path).error["message"] == "Tag not found."
        for status in (201, 200):
            answer = cluster.rest("PUT", path, headers={"Content-Type": None})
            assert answer.status == status and answer.etag == etag, (kind, answer.status, answer.etag)
        assert call["assign_to"](*where, *ids, tag).display_name == f"{tag} in words"
        shown = cluster.get(path)
        assert shown.status == 200 and shown.etag == etag and shown.json["id"] == cluster.service + path, shown.text
        assert shown.json["type"].endswith({"api": "service/apis/tags", "operation": "service/apis/operations/tags", "product": "service/products/tags"}[kind])
        assert cluster.get(path, headers={"If-None-Match": etag}).status == 304
        assert call["get_entity_state_by"](*where, *ids, tag)
        assert [row.name for row in call["list_by"](*where, *ids)] == [tag]
        assert [row.name for row in call["list_by"](*where, *ids, filter=f"displayName eq '{tag} in words'")] == [tag]
        assert [row.name for row in call["list_by"](*where, *ids, filter="displayName eq 'other'")] == []
        call["detach_from"](*where, *ids, tag)
        assert cluster.rest("DELETE", path, headers={"If-Match": None}).status == 204
        assert [row.name for row in call["list_by"](*where, *ids)] == []
    assert cluster.rest("PATCH", f"/apis/{api}/tags/{tag}", {}).status == 405


def test_lists_are_chosen_by_tags(cluster):
    sdk, where = cluster.sdk(), cluster.where
    api, product, tag = made(cluster)
    other, _, second = made(cluster)
    sdk.tag.assign_to_api(*where, api, tag)
    sdk.tag.assign_to_api(*where, other, second)
    sdk.tag.assign_to_operation(*where, api, "op1", second)
    sdk.tag.assign_to_product(*where, product, tag)
    assert [row.name for row in sdk.api.list_by_service(*where, tags=tag)] == [api]
    assert {row.name for row in sdk.api.list_by_service(*where, tags=f"{tag}, {second} in words")} == {api, other}
    assert [row.name for row in sdk.api.list_by_service(*where, tags=f"{tag},{second}", filter=f"name eq '{other}'")] == [other]
    assert [row.name for row in sdk.api.list_by_service(*where, tags=name("gone"))] == []
    assert [row.name for row in sdk.api_operation.list_by_api(*where, api, tags=second)] == ["op1"]
    assert [row.name for row in sdk.product.list_by_service(*where, tags=tag)] == [product]
    assert {row.name for row in sdk.tag.list_by_service(*where, scope=f"apis/{api}")} == {tag, second}
    assert tag in {row.name for row in sdk.tag.list_by_service(*where, scope="products")}
    page = cluster.get("/apis", query={"tags": f"{tag},{second}", "$top": 1}).json
    assert page["count"] == 2 and len(page["value"]) == 1
    rest = cluster.get(page["nextLink"]).json
    assert {page["value"][0]["name"], *(row["name"] for row in rest["value"])} == {api, other} and "nextLink" not in rest
    assert cluster.get("/tags", query={"scope": "users"}).code == "InvalidQueryParameter"
    assert cluster.get("/tags", query={"$filter": "colour eq 'red'"}).code == "InvalidQueryParameter"


def test_assignments_go_with_either_end(cluster):
    api, product, tag = made(cluster)
    for path in (f"/apis/{api}", f"/apis/{api}/operations/op0", f"/products/{product}"):
        cluster.made(f"{path}/tags/{tag}")
    assert cluster.delete(f"/tags/{tag}").status == 200, "a tag in use may go"
    for path in (f"/apis/{api}", f"/apis/{api}/operations/op0", f"/products/{product}"):
        assert cluster.get(f"{path}/tags").json["value"] == []
    cluster.made(f"/tags/{tag}", {"displayName": tag})
    cluster.made(f"/apis/{api}/tags/{tag}")
    cluster.made(f"/apis/{api}/operations/op0/tags/{tag}")
    assert cluster.delete(f"/apis/{api}").status in (200, 202)
    assert cluster.get(f"/apis/{api}/tags").status == 404
    assert cluster.get("/tags", query={"scope": f"apis/{api}"}).json["count"] == 0
    assert cluster.get(f"/tags/{tag}").status == 200


def test_what_is_wrong_is_refused_and_changes_nothing(cluster):
    api, _, tag = made(cluster)
    before = cluster.put(f"/tags/{tag}", {"displayName": f"{tag} in words"}).revision
    for path, properties, status, code in (
            (f"/tags/{tag}2", {"displayName": f"{tag} IN words"}, 400, "ValidationError"),
            (f"/tags/{tag}2", {}, 400, "ValidationError"),
            (f"/tags/{tag}2", {"displayName": "x" * 161}, 400, "ValidationError"),
            (f"/tags/{tag}2", {"displayName": ["a"]}, 400, "ValidationError"),
            ("/tags/" + "x" * 81, {"displayName": "x"}, 400, "ValidationError"),
            ("/tags/a%23b", {"displayName": "x"}, 400, "ValidationError"),
            ("/tags/%2e%2e%2fapis", {"displayName": "x"}, 400, "ValidationError"),
            (f"/apis/{api}/tags/{name('gone')}", {}, 404, "ResourceNotFound"),
            (f"/apis/{name('gone')}/tags/{tag}", {}, 404, "ResourceNotFound"),
            (f"/apis/{api}/operations/gone/tags/{tag}", {}, 404, "ResourceNotFound"),
            (f"/products/{name('gone')}/tags/{tag}", {}, 404, "ResourceNotFound")):
        answer = cluster.put(path, properties)
        assert (answer.status, answer.code) == (status, code), (path, answer.status, answer.text)
    assert cluster.rest("DELETE", f"/tags/{tag}", headers={"If-Match": None}).code == "MissingIfMatch"
    assert cluster.rest("PATCH", f"/tags/{tag}", {"properties": {"displayName": "x"}}, headers={"If-Match": None}).code == "MissingIfMatch"
    assert cluster.rest("PATCH", f"/tags/{tag}", {"properties": {"displayName": None}}).status == 400
    assert cluster.put(f"/tags/{tag}", {"displayName": "x"}, headers={"If-Match": '"stale"'}).code == "PreconditionFailed"
    assert cluster.put(f"/tags/{tag}", {"displayName": "x"}, headers={"If-None-Match": "*"}).status == 412
    assert cluster.get(f"/tags/{tag}/apiLinks").status == 501 and cluster.get("/tagResources").status == 501
    assert cluster.put(f"/tags/{tag}", {"displayName": f"{tag} in words"}).revision == before, "something was changed"
