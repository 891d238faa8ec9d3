// What all routes share.
internal import Foundation
package import AccessControl
internal import JSONDocuments
package import Logging
package import Resources
package import ResourceStore

/// The management plane of one controller.
package final class Management: Sendable {
    /// Fetches a document by link, through the guard against addresses that are not for us.
    package typealias Fetch = @Sendable (_ url: String, _ bytesMax: Int) async throws -> [UInt8]

    package let store: ResourceStore
    package let context: ResourceContext
    package let access: Access
    package let issuer: TokenIssuer
    package let cluster: any ClusterView
    package let serviceName: String
    /// Without a slash at the end.
    package let publicURL: String
    package let fetch: Fetch
    package let logger: Logger
    /// How slow a body may come.
    let bodyPace: BodyPace
    let operations: OperationResults
    let throttle = TokenThrottle()
    let federation: FederatedIssuers
    let refusals: RefusalAudit
    let limits = RequestLimits()

    /// `operationKey` is 32 random bytes that outlive a restart.
    package init(
        store: ResourceStore, context: ResourceContext, access: Access, issuer: TokenIssuer,
        cluster: any ClusterView, serviceName: String, publicURL: String, operationKey: [UInt8],
        fetch: @escaping Fetch, logger: Logger, bodyPace: BodyPace = BodyPace()
    ) {
        self.store = store
        self.context = context
        self.access = access
        self.issuer = issuer
        self.cluster = cluster
        self.serviceName = serviceName
        self.publicURL = publicURL
        self.fetch = fetch
        self.logger = logger
        self.bodyPace = bodyPace
        operations = OperationResults(key: operationKey)
        federation = FederatedIssuers(fetch: fetch)
        refusals = RefusalAudit(store: store)
    }

    /// Writes counts of refusals that are not in the audit yet. Runs until it is cancelled.
    package func runRefusalAudit() async {
        await refusals.run()
    }

    /// The segments of the service's own id.
    var serviceSegments: [String] { context.serviceID.split(separator: "/").map(String.init) }

    func now() -> Date { Date() }
}
