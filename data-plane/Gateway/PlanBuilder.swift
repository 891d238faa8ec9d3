import Admission
import BackendCalls
import Cryptography
import Foundation
import GatewayConfiguration
import HTTPEngine
import PolicyLanguage
import PolicyRuntime
import RequestRouting

// A snapshot to a plan, off the loops. Documents whose text and references did not change are not checked again.

/// Builds plans, one after the other.
struct PlanBuilder: Sendable {
    private struct DocumentKey: Hashable, Sendable {
        let text: PolicyText
        let level: PolicyLevel
    }

    /// What documents may refer to, as far as it decides how they compile.
    private struct ReferenceState: Hashable, Sendable {
        var namedValues: [String: String]
        var fragments: [String: PolicyText]
        var backends: Set<String>
        var certificates: Set<String>
    }

    private let state: PolicyState
    /// Documents that the API or product they are of can't give again.
    private var known: [DocumentKey: CheckedDocument] = [:]
    private var used: [DocumentKey: CheckedDocument] = [:]
    /// The plan before.
    private var former: ServingPlan?
    private var references = ReferenceState(namedValues: [:], fragments: [:], backends: [], certificates: [])

    init(state: PolicyState) { self.state = state }

    /// - Throws: `SnapshotRefused` with what does not compile; the builder goes on as before.
    mutating func build(_ snapshot: NodeSnapshot) throws(SnapshotRefused) -> ServingPlan {
        var next = self
        let plan = try next.make(snapshot)
        next.known = next.used
        next.used = [:]
        next.former = plan
        self = next
        return plan
    }

    private mutating func make(_ snapshot: NodeSnapshot) throws(SnapshotRefused) -> ServingPlan {
        let former = takeReferences(snapshot) ? former : nil
        let global = try document(
            snapshot.service.policy ?? PolicyText(text: PolicyChecker.defaultGlobalDocument, format: .xml), .global,
            "the global policy")
        let sameApis = Self.same(snapshot.apis, former?.configurations ?? [], \.name)
        var apis: [ServingPlan.Api] = []
        apis.reserveCapacity(snapshot.apis.count)
        for index in snapshot.apis.indices {
            if let former, let place = sameApis[index] {
                apis.append(former.apis[place])
            } else {
                apis.append(try api(snapshot.apis[index]))
            }
        }
        let sameProducts = Self.same(snapshot.products, former?.products.map(\.configuration) ?? [], \.name)
        var products: [ServingPlan.Product] = []
        for (configuration, place) in zip(snapshot.products, sameProducts) {
            if let former, let place {
                products.append(former.products[place])
                continue
            }
            let text = try configuration.policy.map { text throws(SnapshotRefused) in
                try document(text, .product, "product \(configuration.name)")
            }
            products.append(ServingPlan.Product(configuration: configuration, document: text))
        }
        guard let pepper = Data(base64Encoded: snapshot.secrets.pepper), !pepper.isEmpty else {
            throw SnapshotRefused(description: "the snapshot's secrets have no pepper")
        }
        let admission: AdmissionTable
        do throws(AdmissionTableFailure) {
            admission = try AdmissionTable(
                apis: snapshot.apis, products: snapshot.products, keys: snapshot.keys, pepper: Array(pepper),
                former: former?.admission, sameApis: sameApis, sameProducts: sameProducts)
        } catch {
            throw SnapshotRefused(description: error.description)
        }
        let plan = ServingPlan(
            version: snapshot.root.version, via: try via(snapshot.root.service),
            routes: RouteIndex(snapshot.apis, former: former?.routes, same: sameApis),
            admission: admission, apis: apis, configurations: snapshot.apis, products: products, keys: snapshot.keys,
            entities: try entities(snapshot), globalDocument: global)
        try compile(
            plan, apis: sameApis.indices.filter { sameApis[$0] == nil },
            products: sameProducts.indices.filter { sameProducts[$0] == nil })
        return plan
    }

    /// For each of `new` the place in `old` of what is equal to it; both are in one order, in which most stayed.
    private static func same<Value: Equatable>(_ new: [Value], _ old: [Value], _ name: (Value) -> String) -> [Int?] {
        var places: [Int?] = []
        places.reserveCapacity(new.count)
        var next = 0
        for index in new.indices {
            if next < old.count, old[next] == new[index] {
                places.append(next)
                next += 1
                continue
            }
            let value = new[index]
            let folded = name(value).lowercased()
            while next < old.count, name(old[next]).lowercased() < folded { next += 1 }
            var place = next
            while place < old.count, old[place] != value, name(old[place]).lowercased() == folded { place += 1 }
            places.append(place < old.count && old[place] == value ? place : nil)
        }
        return places
    }

    /// Whether documents mean what they meant.
    private mutating func takeReferences(_ snapshot: NodeSnapshot) -> Bool {
        var values = snapshot.secrets.namedValues
        for (name, value) in snapshot.namedValues { if let text = value.value { values[name] = text } }
        let next = ReferenceState(
            namedValues: values, fragments: snapshot.fragments,
            backends: Set(snapshot.backends.map { $0.name.lowercased() }),
            certificates: Set(snapshot.certificates.flatMap { [$0.name.lowercased(), $0.thumbprint.lowercased()] }))
        guard next != references else { return true }
        known = [:]
        references = next
        return false
    }

    private mutating func document(
        _ text: PolicyText, _ level: PolicyLevel, _ place: String
    ) throws(SnapshotRefused) -> CheckedDocument {
        let key = DocumentKey(text: text, level: level)
        if let document = used[key] ?? known[key] {
            used[key] = document
            return document
        }
        let state = references
        let fragments = state.fragments
        let answers = PolicyReferences(
            namedValue: { state.namedValues[$0] },
            fragment: { id in
                let found = fragments[id] ?? fragments.first { $0.key.lowercased() == id.lowercased() }?.value
                return found.map { .init(text: $0.text, format: PolicyFormat(rawValue: $0.format.rawValue) ?? .xml) }
            },
            backendExists: { state.backends.contains($0.lowercased()) },
            certificateExists: { state.certificates.contains($0.lowercased()) })
        let format = PolicyFormat(rawValue: text.format.rawValue) ?? .xml
        switch PolicyChecker.check(document: text.text, format: format, level: level, references: answers) {
        case .success(let document):
            used[key] = document
            return document
        case .failure(let problems):
            throw SnapshotRefused(
                description: "\(place): \(problems.all.first?.message ?? "the policy does not compile")")
        }
    }

    private mutating func api(_ configuration: ApiConfiguration) throws(SnapshotRefused) -> ServingPlan.Api {
        let place = "API \(configuration.name)"
        let own = try configuration.policy.map { text throws(SnapshotRefused) in
            try document(text, .api, place)
        }
        var operations: [CheckedDocument?] = []
        for operation in configuration.operations {
            operations.append(
                try operation.policy.map { text throws(SnapshotRefused) in
                    try document(text, .operation, "\(place), operation \(operation.name)")
                })
        }
        // A URL that can't be used fails the calls that use it, not the whole snapshot: a policy may choose another.
        let target = configuration.serviceUrl.flatMap { try? BackendTarget(url: $0) }
        return ServingPlan.Api(
            configuration: configuration, keyHeader: FieldName(configuration.keyHeaderName), document: own,
            operationDocuments: operations, target: target,
            path: configuration.path.split(separator: "/").joined(separator: "/"))
    }

    private func via(_ service: String) throws(SnapshotRefused) -> [UInt8] {
        guard let digest = try? Digest.sha256(Array(service.lowercased().utf8)) else {
            throw SnapshotRefused(description: "SHA-256 is not available")
        }
        return Array("1.1 gatehouse-\(Hexadecimal.encode(digest.prefix(4)))".utf8)
    }

    private func entities(_ snapshot: NodeSnapshot) throws(SnapshotRefused) -> [String: BackendEntity] {
        var entities: [String: BackendEntity] = [:]
        for backend in snapshot.backends {
            let identity = try backend.certificates.first.map { name throws(SnapshotRefused) in
                try self.identity(name, snapshot, backend: backend.name)
            }
            let credentials = snapshot.secrets.backendCredentials[backend.name].map(resolved)
            do throws(BackendTargetFailure) {
                entities[backend.name.lowercased()] = try BackendEntity(
                    backend, credentials: credentials, identity: identity)
            } catch {
                throw SnapshotRefused(description: "backend \(backend.name): \(error)")
            }
        }
        return entities
    }

    private func identity(
        _ name: String, _ snapshot: NodeSnapshot, backend: String
    ) throws(SnapshotRefused) -> TLSIdentity {
        guard let certificate = snapshot.certificates.first(where: { $0.name.lowercased() == name.lowercased() }),
            let key = snapshot.secrets.certificateKeys[certificate.name]
        else { throw SnapshotRefused(description: "backend \(backend): its certificate is not in the snapshot") }
        let identity = TLSIdentity(chain: certificate.chain, key: key)
        do throws(TLSFailure) {
            try EngineServer.check(identity)
        } catch {
            throw SnapshotRefused(description: "backend \(backend): \(error)")
        }
        return identity
    }

    /// Credentials with `{{named values}}` put in; an unknown name stays as it is.
    private func resolved(_ credentials: SnapshotSecrets.BackendCredentials) -> SnapshotSecrets.BackendCredentials {
        var result = credentials
        result.headers = credentials.headers.mapValues { $0.map(resolved) }
        result.query = credentials.query.mapValues { $0.map(resolved) }
        result.authorization = credentials.authorization.map(resolved)
        return result
    }

    private func resolved(_ text: String) -> String {
        guard text.contains("{{") else { return text }
        var result = ""
        var rest = text[...]
        while let open = rest.range(of: "{{"), let close = rest[open.upperBound...].range(of: "}}") {
            let name = String(rest[open.upperBound..<close.lowerBound])
            result += rest[..<open.lowerBound]
            result += references.namedValues[name] ?? "{{\(name)}}"
            rest = rest[close.upperBound...]
        }
        return result + rest
    }

    /// Makes the steps of every document that is new once: what this node can't run is refused now, not at a call.
    private func compile(_ plan: ServingPlan, apis: [Int], products: [Int]) throws(SnapshotRefused) {
        var place = "the global policy"
        do throws(PolicyCompileFailure) {
            _ = try plan.policy(api: nil, operation: nil, product: nil, state: state)
            for index in products where plan.products[index].document != nil {
                place = "product \(plan.products[index].configuration.name)"
                _ = try plan.policy(api: nil, operation: nil, product: index, state: state)
            }
            for index in apis {
                let api = plan.apis[index]
                place = "API \(api.configuration.name)"
                if api.document != nil { _ = try plan.policy(api: index, operation: nil, product: nil, state: state) }
                for operation in api.operationDocuments.indices where api.operationDocuments[operation] != nil {
                    place = "API \(api.configuration.name), operation \(api.configuration.operations[operation].name)"
                    _ = try plan.policy(api: index, operation: operation, product: nil, state: state)
                }
            }
        } catch {
            throw SnapshotRefused(description: "\(place): \(error.description)")
        }
    }
}
