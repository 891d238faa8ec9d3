internal import GatewayConfiguration
internal import HTTPEngine
internal import PolicyLanguage

// mock-response at run time: the answer is chosen once, when documents are composed.

final class MockResponse: PolicyStep {
    static let declaration = PolicyDeclaration.mockResponse

    private let status: Int
    private let contentType: String?
    private let body: [UInt8]

    init(_ policy: CheckedPolicy, in surroundings: StepSurroundings) throws(PolicyCompileFailure) {
        status = Int(try policy.requiredInteger("status-code"))
        let wanted = policy.literal("content-type")
        let definition = surroundings.responses.first { [status] in $0.statusCode == status }
        let representations = definition?.representations ?? []
        let essence = wanted.map(Self.essence)
        let chosen =
            representations.first { essence != nil && Self.essence($0.contentType) == essence }
            ?? representations.first
        // A definition is other people's text: a content type that no field may hold is left out.
        contentType = (wanted ?? chosen?.contentType).flatMap { LiteralText.isFieldValue($0) ? $0 : nil }
        body = Array((chosen?.sample ?? "").utf8)
    }

    private static func essence(_ contentType: String) -> String {
        LiteralText.trimmed(String(contentType.prefix { $0 != ";" })).lowercased()
    }

    func run(_ exchange: inout PolicyExchange) throws(PolicyFailure) -> StepOutcome {
        var head = ResponseHead(status: status)
        if let contentType { head.fields.append(.contentType, contentType) }
        head.body = .known(UInt64(body.count))
        exchange.response = head
        exchange.responseBody = body
        return .finished
    }
}
