// Why a request is not done: what the caller reads, apart from what the log says.

/// A fault of one field.
package struct FieldProblem: Hashable, Sendable {
    /// The field's path as in the body (`properties.displayName`), or the word that the reference quotes.
    package var target: String
    package var message: String
    package var code: String

    package init(_ target: String, _ message: String, code: String = "ValidationError") {
        self.target = target
        self.message = message
        self.code = code
    }
}

/// A refusal; one file of ManagementREST turns it into ARM's envelope. Its texts never hold a secret, an address of
/// ours or a library's words.
package struct Refusal: Error, Hashable, Sendable {
    package enum Code: String, Sendable, CaseIterable {
        case validationError = "ValidationError"
        case invalidQueryParameter = "InvalidQueryParameter"
        case malformedBody = "MalformedBody"
        case missingIfMatch = "MissingIfMatch"
        case invalidApiVersion = "InvalidApiVersionParameter"
        case missingApiVersion = "MissingApiVersionParameter"
        case authenticationFailed = "AuthenticationFailed"
        case invalidToken = "InvalidAuthenticationToken"
        case authorizationFailed = "AuthorizationFailed"
        case resourceNotFound = "ResourceNotFound"
        case methodNotAllowed = "MethodNotAllowed"
        case conflict = "Conflict"
        case roleAssignmentExists = "RoleAssignmentExists"
        case roleDefinitionWithSameName = "RoleDefinitionWithSameNameExists"
        case roleDefinitionDoesNotExist = "RoleDefinitionDoesNotExist"
        case roleDefinitionHasAssignments = "RoleDefinitionHasAssignments"
        case roleAssignmentUpdateNotPermitted = "RoleAssignmentUpdateNotPermitted"
        case principalNotFound = "PrincipalNotFound"
        case preconditionFailed = "PreconditionFailed"
        case requestTooLarge = "RequestTooLarge"
        case unsupportedMediaType = "UnsupportedMediaType"
        case tooManyRequests = "TooManyRequests"
        case notImplemented = "NotImplemented"
        case serviceUnavailable = "ServiceUnavailable"
        case insufficientStorage = "InsufficientStorage"
        case internalError = "InternalServerError"
        case secretUnreadable = "SecretUnreadable"
        case requestTimeout = "RequestTimeout"

        package var status: Int {
            switch self {
            case .validationError, .invalidQueryParameter, .malformedBody, .missingIfMatch, .invalidApiVersion,
                .missingApiVersion, .roleAssignmentUpdateNotPermitted, .principalNotFound,
                .roleDefinitionHasAssignments:
                400
            case .authenticationFailed, .invalidToken: 401
            case .authorizationFailed: 403
            case .resourceNotFound, .roleDefinitionDoesNotExist: 404
            case .methodNotAllowed: 405
            case .conflict, .roleAssignmentExists, .roleDefinitionWithSameName: 409
            case .preconditionFailed: 412
            case .requestTooLarge: 413
            case .unsupportedMediaType: 415
            case .tooManyRequests: 429
            case .requestTimeout: 408
            case .internalError, .secretUnreadable: 500
            case .notImplemented: 501
            case .serviceUnavailable: 503
            case .insufficientStorage: 507
            }
        }
    }

    package var code: Code
    package var message: String
    /// nil gives `details: null`.
    package var problems: [FieldProblem]?
    /// Methods that are allowed, with 405.
    package var allowed: [String] = []
    /// Seconds, with 429 and 503.
    package var retryAfterSeconds: Int?
    /// `WWW-Authenticate`, with 401.
    package var challenge: String?
    /// What was refused for lack of a role, for the audit.
    package var refusedAction: String?
    package var refusedScope: String?
    /// For the log alone.
    package var cause = ""

    package init(_ code: Code, _ message: String, problems: [FieldProblem]? = nil, cause: String = "") {
        self.code = code
        self.message = message
        self.problems = problems
        self.cause = cause
    }

    /// 400 with every fault of the fields.
    package static func fields(_ problems: [FieldProblem]) -> Refusal {
        Refusal(.validationError, "One or more fields contain incorrect values:", problems: problems)
    }

    package static func field(_ target: String, _ message: String) -> Refusal {
        fields([FieldProblem(target, message)])
    }

    /// 400 for a rule of state: the message at the top, `details` null.
    package static func state(_ message: String) -> Refusal { Refusal(.validationError, message) }

    package static func notFound(_ noun: String) -> Refusal { Refusal(.resourceNotFound, "\(noun) not found.") }

    package static func notAllowed(_ message: String, allowed: [String]) -> Refusal {
        var refusal = Refusal(.methodNotAllowed, message)
        refusal.allowed = allowed
        return refusal
    }

    package static let modifiedSince = Refusal(
        .preconditionFailed, "Resource was modified since last retrieval. Please retrieve latest version.")
}
