// The api-versions that are taken, a written list a provider (must-hold G26).
internal import Resources

enum ApiVersions {
    static let apiManagement = [
        "2021-08-01", "2021-12-01-preview", "2022-04-01-preview", "2022-08-01", "2022-09-01-preview",
        "2023-03-01-preview", "2023-05-01-preview", "2023-09-01-preview", "2024-05-01", "2024-06-01-preview",
    ]
    static let authorization = [
        "2015-07-01", "2018-01-01-preview", "2018-07-01", "2020-04-01-preview", "2020-08-01-preview", "2022-04-01",
        "2022-05-01-preview",
    ]
    static let resources = [
        "2016-06-01", "2019-05-10", "2020-01-01", "2021-01-01", "2021-04-01", "2022-09-01", "2022-12-01",
    ]

    /// DELETE of APIs and users polls from this one on (contract-details.md 2).
    static let deleteIsLongRunningFrom = "2024-05-01"

    static func check(_ given: [String], accepted: [String]) throws(Refusal) -> String {
        let list = accepted.map { "'\($0)'" }.joined(separator: ", ")
        guard given.count <= 1 else {
            throw Refusal(.invalidApiVersion, "api-version must be given once. Accepted: \(list).")
        }
        guard let version = given.first, !version.isEmpty else {
            throw Refusal(
                .missingApiVersion, "The api-version query parameter (?api-version=) is required. Accepted: \(list).")
        }
        guard accepted.contains(version) else {
            throw Refusal(
                .invalidApiVersion, "The api-version '\(version.prefix(40))' is not known. Accepted: \(list).")
        }
        return version
    }
}
