import GatewayConfiguration
import ResourceStore
import SnapshotPublisher
import Testing

@Suite struct DirtyContentTests {
    private static func dirty(_ kind: String, _ path: String, _ detail: String = "") -> DirtyContent {
        var dirty = DirtyContent()
        dirty.add(ChangeRow(revision: 1, id: ResourceID(path: path), kind: kind, verb: .put, detail: detail))
        return dirty
    }

    @Test(arguments: [
        ("apis", "/apis/Echo"), ("apis/operations", "/apis/echo/operations/get"),
        ("apis/operations/policies", "/apis/echo/operations/get/policies/policy"),
        ("apis/schemas", "/apis/echo/schemas/1"),
    ])
    func whatIsOfAnApiTouchesTheApiAlone(kind: String, path: String) {
        var expected = DirtyContent()
        expected.apis = ["echo"]
        #expect(Self.dirty(kind, path) == expected)
    }

    @Test(arguments: [
        ("namedValues", "/namedValues/n", [BlobName.namedValues, BlobName.secrets]),
        ("certificates", "/certificates/c", [BlobName.certificates, BlobName.secrets]), ("groups", "/groups/g", []),
        ("policies", "/policies/policy", [BlobName.service]),
    ])
    func aChangeTouchesItsBlobsAlone(kind: String, path: String, names: [String]) {
        var expected = DirtyContent()
        expected.blobs = Set(names)
        #expect(Self.dirty(kind, path) == expected)
    }

    @Test func aSubscriptionTouchesItsKeysAlone() {
        var expected = DirtyContent()
        expected.keys = ["0a", "ff"]
        #expect(Self.dirty("subscriptions", "/subscriptions/s", "0a,ff") == expected)
        expected = DirtyContent()
        expected.products = ["p"]
        #expect(Self.dirty("products/apis", "/products/p/apis/a") == expected)
        expected = DirtyContent()
        expected.gateways = true
        #expect(Self.dirty("gateways/apis", "/gateways/g/apis/a") == expected)
    }
}
