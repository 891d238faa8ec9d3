// Export of an API as a description.
internal import Resources
internal import ResourceStore

enum ApiExport {
    static func answer(_ call: RouteCall, _ api: StoredResource) async throws -> Answer {
        throw Refusal(.notImplemented, "Export of APIs is not built yet.")
    }
}
