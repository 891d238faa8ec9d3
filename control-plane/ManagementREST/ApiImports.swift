// Reading a description before the transaction: inline, or by link through the guard.
internal import JSONDocuments
internal import Resources

enum ApiImports {
    /// What a PUT's `format` and `value` hold: an attachment `imported`, or none.
    static func read(_ body: JSONValue, _ call: RouteCall) async throws -> [String: JSONValue] {
        let properties = body["properties"]
        guard let given = properties?["format"], !given.isNull else { return [:] }
        guard let name = given.text?.lowercased() else {
            throw Refusal.field("properties.format", "'properties.format' must be a text.")
        }
        throw Refusal(.notImplemented, "Import of '\(name)' is not built yet.")
    }
}

/// An error of fetching that has words for the caller.
package protocol FetchFailure: Error {
    var callerMessage: String { get }
}
