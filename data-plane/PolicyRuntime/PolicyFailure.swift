package import HTTPEngine

// Errors of a call: what the caller gets, apart from what on-error and the log may look at (policies.md 2).

/// An error that ends a section, or that happened outside of the policies.
package struct PolicyFailure: Error, Sendable {
    package var status: Int
    /// nil: the usual phrase of the status.
    package var reason: String?
    /// Beside Content-Type.
    package var fields: HeaderFields
    /// What the body says; never a detail of a library or an address.
    package var callerMessage: String
    package var lastError: LastError
    /// Whether the body names the call's id: internal errors.
    package var namesActivity: Bool
    /// The id that it names; empty: that of the exchange.
    package var activityID: String
    /// Whether the response that stands is kept as the answer (fail-on-error-status-code).
    package var keepsResponse: Bool

    package init(
        status: Int, reason: String? = nil, fields: HeaderFields = HeaderFields(), callerMessage: String,
        lastError: LastError, namesActivity: Bool = false, activityID: String = "", keepsResponse: Bool = false
    ) {
        self.status = status
        self.reason = reason
        self.fields = fields
        self.callerMessage = callerMessage
        self.lastError = lastError
        self.namesActivity = namesActivity
        self.activityID = activityID
        self.keepsResponse = keepsResponse
    }

    /// No API or no operation matches: 404.
    package static var operationNotFound: PolicyFailure {
        PolicyFailure(
            status: 404, reason: "Resource Not Found", callerMessage: "Resource not found",
            lastError: LastError(
                source: "configuration", reason: "OperationNotFound",
                message: "Unable to match incoming request to an operation."))
    }

    /// No key came with the call. `realm` is the URL of the API as called, without version and operation; `name` is that
    /// of the API's key header (resources.md 2.4).
    package static func subscriptionKeyMissing(realm: String, name: String) -> PolicyFailure {
        keyRefusal(
            realm: realm, name: name,
            callerMessage: "Access denied due to missing subscription key. Make sure to include subscription key when "
                + "making requests to an API.",
            lastError: LastError(
                source: "authorization", reason: "SubscriptionKeyNotFound",
                message: "Access denied due to missing subscription key. Make sure to include subscription key when "
                    + "making requests to this API."))
    }

    /// The key opens nothing, or not this API.
    package static func subscriptionKeyInvalid(realm: String, name: String) -> PolicyFailure {
        let message =
            "Access denied due to invalid subscription key. Make sure to provide a valid key for an active "
            + "subscription."
        return keyRefusal(
            realm: realm, name: name, callerMessage: message,
            lastError: LastError(source: "authorization", reason: "SubscriptionKeyInvalid", message: message))
    }

    private static func keyRefusal(
        realm: String, name: String, callerMessage: String, lastError: LastError
    ) -> PolicyFailure {
        var fields = HeaderFields()
        fields.append(
            .wwwAuthenticate,
            "AzureApiManagementKey realm=\"\(quoted(realm))\",name=\"\(quoted(name))\",type=\"header\"")
        return PolicyFailure(
            status: 401, reason: "Access Denied", fields: fields, callerMessage: callerMessage, lastError: lastError)
    }

    /// The inside of a quoted string of RFC 9110 section 5.6.4; what no field may hold is left out.
    private static func quoted(_ text: String) -> String {
        var result = ""
        for scalar in text.unicodeScalars where scalar.value >= 0x20 && scalar.value != 0x7F {
            if scalar == "\"" || scalar == "\\" { result.unicodeScalars.append("\\") }
            result.unicodeScalars.append(scalar)
        }
        return result
    }

    /// The backend was not reached or broke off. `detail` is for on-error and the log, without addresses.
    package static func backendUnreachable(
        activityID: String = "",
        detail: String = "Underlying transport connection was unexpectedly closed."
    ) -> PolicyFailure {
        internalError(
            activityID: activityID,
            lastError: LastError(
                source: "forward-request", reason: "BackendConnectionFailure", message: detail, section: "backend"))
    }

    /// The response's head did not come in time.
    package static func backendTimeout(activityID: String = "") -> PolicyFailure {
        internalError(
            activityID: activityID,
            lastError: LastError(
                source: "forward-request", reason: "Timeout", message: "Request to the backend service timed out",
                section: "backend"))
    }

    /// Anything that is nobody's fault but ours: the caller reads the call's id alone.
    package static func internalError(activityID: String = "", lastError: LastError? = nil) -> PolicyFailure {
        PolicyFailure(
            status: 500, callerMessage: "Internal server error",
            lastError: lastError
                ?? LastError(source: "configuration", reason: "InternalError", message: "Internal server error"),
            namesActivity: true, activityID: activityID)
    }

    /// What an expression's exception would be, for values that turn out wrong when a policy runs.
    static func wrongValue(_ policy: String, _ message: String) -> PolicyFailure {
        internalError(
            lastError: LastError(
                source: policy, reason: "ExpressionValueEvaluationFailure",
                message: "Expression evaluation failed. \(message)"))
    }

    /// The body in one line, with the blanks that clients have seen (policies.md 2.4).
    func body(activityID: String) -> [UInt8] {
        var text = Array("{ \"statusCode\": \(status), \"message\": \"".utf8)
        Self.appendEscaped(callerMessage, to: &text)
        text.append(UInt8(ascii: "\""))
        let id = self.activityID.isEmpty ? activityID : self.activityID
        if namesActivity, !id.isEmpty {
            text += Array(", \"activityId\": \"".utf8)
            Self.appendEscaped(id, to: &text)
            text.append(UInt8(ascii: "\""))
        }
        text += Array(" }".utf8)
        return text
    }

    /// The inside of a JSON string.
    private static func appendEscaped(_ value: String, to text: inout [UInt8]) {
        let digits = Array("0123456789abcdef".utf8)
        for byte in value.utf8 {
            switch byte {
            case UInt8(ascii: "\""), UInt8(ascii: "\\"): text += [UInt8(ascii: "\\"), byte]
            case 0x0A: text += Array("\\n".utf8)
            case 0x0D: text += Array("\\r".utf8)
            case 0x09: text += Array("\\t".utf8)
            case 0..<0x20: text += Array("\\u00".utf8) + [digits[Int(byte >> 4)], digits[Int(byte & 15)]]
            default: text.append(byte)
            }
        }
    }
}
