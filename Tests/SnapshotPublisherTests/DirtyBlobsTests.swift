import GatewayConfiguration
import ResourceStore
import SnapshotPublisher
import Testing

@Suite struct DirtyBlobsTests {
    @Test(arguments: [
        ("apis", "/apis/Echo", "", ["apis/echo"]), ("apis/operations", "/apis/echo/operations/get", "", ["apis/echo"]),
        ("apis/operations/policies", "/apis/echo/operations/get/policies/policy", "", ["apis/echo"]),
        ("apis/schemas", "/apis/echo/schemas/1", "", ["apis/echo"]),
        ("products/apis", "/products/p/apis/a", "", ["products/p"]),
        ("subscriptions", "/subscriptions/s", "0a,ff", ["subscriptions/0a", "subscriptions/ff"]),
        ("namedValues", "/namedValues/n", "", ["named-values", "secrets"]),
        ("certificates", "/certificates/c", "", ["certificates", "secrets"]), ("groups", "/groups/g", "", []),
    ])
    func aChangeTouchesItsBlobsAlone(kind: String, path: String, detail: String, names: [String]) {
        var dirty = DirtyBlobs()
        dirty.add(ChangeRow(revision: 1, id: ResourceID(path: path), kind: kind, verb: .put, detail: detail))
        #expect(dirty.names == Set(names))
        #expect(!dirty.all && !dirty.gateways)
    }
}
