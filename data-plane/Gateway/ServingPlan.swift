import Admission
import BackendCalls
import GatewayConfiguration
import HTTPEngine
import PolicyLanguage
import PolicyRuntime
import RequestRouting

// What a snapshot becomes so that calls can be served from it: indexes and compiled documents, immutable. All loops
// share one; each takes its reference once a snapshot, between two wake-ups.

/// A snapshot that can't be served. `description` is the reason that the controller lists.
struct SnapshotRefused: Error, CustomStringConvertible {
    let description: String
}

/// One version of the configuration, ready to serve.
final class ServingPlan: Sendable {
    /// A class, so that a call holds it with one reference.
    final class Api: Sendable {
        let configuration: ApiConfiguration
        let keyHeader: FieldName
        let document: CheckedDocument?
        let operationDocuments: [CheckedDocument?]
        /// Of `serviceUrl`; nil where a policy must choose one.
        let target: BackendTarget?
        /// As the realm of a 401 has it, without a slash at its start.
        let path: String

        init(
            configuration: ApiConfiguration, keyHeader: FieldName, document: CheckedDocument?,
            operationDocuments: [CheckedDocument?], target: BackendTarget?, path: String
        ) {
            self.configuration = configuration
            self.keyHeader = keyHeader
            self.document = document
            self.operationDocuments = operationDocuments
            self.target = target
            self.path = path
        }
    }

    struct Product: Sendable {
        let configuration: ProductConfiguration
        let document: CheckedDocument?
    }

    let version: Int64
    /// `1.1 gatehouse-01234567`.
    let via: [UInt8]
    let routes: RouteIndex
    let admission: AdmissionTable
    let apis: [Api]
    /// The configurations of `apis`, as the snapshot had them.
    let configurations: [ApiConfiguration]
    let products: [Product]
    let keys: KeyTable
    /// By name in lower case.
    let entities: [String: BackendEntity]
    let globalDocument: CheckedDocument

    init(
        version: Int64, via: [UInt8], routes: RouteIndex, admission: AdmissionTable, apis: [Api],
        configurations: [ApiConfiguration], products: [Product], keys: KeyTable, entities: [String: BackendEntity],
        globalDocument: CheckedDocument
    ) {
        self.version = version
        self.via = via
        self.routes = routes
        self.admission = admission
        self.apis = apis
        self.configurations = configurations
        self.products = products
        self.keys = keys
        self.entities = entities
        self.globalDocument = globalDocument
    }

    /// The chain in force for an operation; `nil` leaves a level out.
    func policy(
        api: Int?, operation: Int?, product: Int?, state: PolicyState
    ) throws(PolicyCompileFailure) -> EffectivePolicy {
        let chosen = api.map { apis[$0] }
        return try EffectivePolicy.compose(
            global: globalDocument, product: product.flatMap { products[$0].document }, api: chosen?.document,
            operation: operation.flatMap { chosen?.operationDocuments[$0] },
            responses: operation.flatMap { chosen?.configuration.operations[$0].responses } ?? [], state: state)
    }
}
