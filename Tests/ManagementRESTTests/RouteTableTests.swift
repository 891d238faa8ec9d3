import ManagementREST
import Testing

@Suite struct RouteTableTests {
    @Test func everyRouteBelowTheServiceNamesItsActionOrWhyItIsOpen() {
        let open = (RouteTable.service + RouteTable.authorization).filter {
            if case .open = $0.permission { true } else { false }
        }
        #expect(open.map(\.name).sorted() == ["OperationResults_Get", "TenantOperationResults_Get"])
    }

    @Test func namesOfRoutesAreUnique() {
        let names = (RouteTable.service + RouteTable.authorization).map(\.name)
        #expect(Set(names).count == names.count)
    }

    @Test func actionsReadWriteAndDelete() {
        for route in RouteTable.service + RouteTable.authorization {
            guard case .action(let action) = route.permission else { continue }
            let verb = action.split(separator: "/").last.map(String.init) ?? ""
            switch route.method {
            case .get, .head: #expect(verb == "read", "\(route.name)")
            case .put, .patch: #expect(verb == "write", "\(route.name)")
            case .delete: #expect(verb == "delete", "\(route.name)")
            case .post: #expect(["action", "write"].contains(verb), "\(route.name)")
            }
        }
    }
}
