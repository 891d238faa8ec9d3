// From the ledger's sums to a report's rows: names looked up, times in milliseconds, rows also where nothing was called.
internal import Foundation
internal import JSONDocuments
package import ResourceStore

package enum ReportRows {
    /// The rows of a report, in the order of their display names (byTime: of time).
    package static func rows(_ query: ReportQuery, _ reader: StoreReader) throws -> [ReportRow] {
        guard query.from <= query.to else { return [] }
        let sums = try reader.usage(
            buckets: query.from...query.to, filter: query.filter, groups: query.report.groups,
            byBucket: query.report == .byTime)
        switch query.report {
        case .byTime: return byTime(sums, interval: query.interval)
        case .byGeo:
            return [ReportRow([("country", ""), ("region", ""), ("zip", "")], total(sums))]
        case .byApi: return try byApi(query, sums, reader)
        case .byOperation: return try byOperation(query, sums, reader)
        case .byProduct: return try byProduct(query, sums, reader)
        case .byUser: return try byUser(query, sums, reader)
        case .bySubscription: return try bySubscription(query, sums, reader)
        }
    }

    private static func byTime(_ sums: [UsageRow], interval: Int64) -> [ReportRow] {
        let places = Dictionary(grouping: sums) { $0.bucket - (($0.bucket % interval) + interval) % interval }
        return places.sorted { $0.key < $1.key }.map { start, rows in
            let time = Date(timeIntervalSince1970: Double(start)).formatted(Date.ISO8601FormatStyle())
            return ReportRow([("timestamp", .string(time)), ("interval", .string(text(interval)))], total(rows))
        }
    }

    /// An ISO 8601 duration of whole minutes.
    private static func text(_ seconds: Int64) -> String {
        let minutes = seconds / 60
        let hours = minutes / 60
        return "PT" + (hours > 0 ? "\(hours)H" : "") + (minutes % 60 > 0 ? "\(minutes % 60)M" : "")
    }

    private static func byApi(_ query: ReportQuery, _ sums: [UsageRow], _ reader: StoreReader) throws -> [ReportRow] {
        let counted = Dictionary(sums.map { ($0.api.lowercased(), $0) }, uniquingKeysWith: added)
        var rows: [ReportRow] = []
        var seen: Set<String> = []
        for api in try reader.texts(of: "apis", ["displayName"]) where isWanted(query, .api, api.name) {
            seen.insert(api.name.lowercased())
            rows.append(
                ReportRow(
                    [
                        ("name", .string(api.texts[0] ?? api.name)),
                        ("apiId", .string("/apis/\(api.name)")),
                    ],
                    counted[api.name.lowercased()] ?? UsageRow()))
        }
        // What was deleted since keeps its usage under its id.
        for (name, sum) in counted where !seen.contains(name) {
            rows.append(ReportRow([("name", .string(sum.api)), ("apiId", .string("/apis/\(sum.api)"))], sum))
        }
        return byName(rows)
    }

    private static func byOperation(_ query: ReportQuery, _ sums: [UsageRow], _ reader: StoreReader) throws
        -> [ReportRow]
    {
        let key = { (api: String, operation: String) in "\(api)/\(operation)".lowercased() }
        let counted = Dictionary(sums.map { (key($0.api, $0.operation), $0) }, uniquingKeysWith: added)
        var rows: [ReportRow] = []
        var seen: Set<String> = []
        for operation in try reader.texts(of: "apis/operations", ["displayName"]) {
            let api = operation.parentName
            guard isWanted(query, .api, api), isWanted(query, .operation, operation.name) else { continue }
            seen.insert(key(api, operation.name))
            rows.append(
                ReportRow(
                    [
                        ("name", .string(operation.texts[0] ?? operation.name)),
                        ("apiId", .string("/apis/\(api)")),
                        ("operationId", .string("/apis/\(api)/operations/\(operation.name)")),
                    ], counted[key(api, operation.name)] ?? UsageRow()))
        }
        for (name, sum) in counted where !seen.contains(name) {
            rows.append(
                ReportRow(
                    [
                        ("name", .string(sum.operation.isEmpty ? "-" : sum.operation)),
                        ("apiId", .string("/apis/\(sum.api)")),
                        (
                            "operationId",
                            .string("/apis/\(sum.api)/operations/\(sum.operation.isEmpty ? "-" : sum.operation)")
                        ),
                    ], sum))
        }
        return byName(rows)
    }

    private static func byProduct(_ query: ReportQuery, _ sums: [UsageRow], _ reader: StoreReader) throws
        -> [ReportRow]
    {
        let counted = Dictionary(sums.map { ($0.product.lowercased(), $0) }, uniquingKeysWith: added)
        var rows: [ReportRow] = []
        var seen: Set = [""]
        for product in try reader.texts(of: "products", ["displayName"]) where isWanted(query, .product, product.name) {
            seen.insert(product.name.lowercased())
            rows.append(
                ReportRow(
                    [
                        ("name", .string(product.texts[0] ?? product.name)),
                        ("productId", .string("/products/\(product.name)")),
                    ], counted[product.name.lowercased()] ?? UsageRow()))
        }
        for (name, sum) in counted where !seen.contains(name) {
            rows.append(
                ReportRow([("name", .string(sum.product)), ("productId", .string("/products/\(sum.product)"))], sum))
        }
        return byName(rows)
    }

    private static func byUser(_ query: ReportQuery, _ sums: [UsageRow], _ reader: StoreReader) throws -> [ReportRow] {
        let counted = Dictionary(sums.map { ($0.user.lowercased(), $0) }, uniquingKeysWith: added)
        var rows: [ReportRow] = []
        var seen: Set<String> = []
        for user in try reader.texts(of: "users", ["firstName", "lastName"]) where isWanted(query, .user, user.name) {
            seen.insert(user.name.lowercased())
            let names = user.texts.compactMap(\.self).filter { !$0.isEmpty }
            rows.append(
                ReportRow(
                    [("name", .string(names.joined(separator: " "))), ("userId", .string("/users/\(user.name)"))],
                    counted[user.name.lowercased()] ?? UsageRow()))
        }
        for (name, sum) in counted where !seen.contains(name) {
            let id = sum.user.isEmpty ? "Anonymous" : sum.user
            rows.append(ReportRow([("name", .string(id)), ("userId", .string("/users/\(id)"))], sum))
        }
        return byName(rows)
    }

    private static func bySubscription(_ query: ReportQuery, _ sums: [UsageRow], _ reader: StoreReader) throws
        -> [ReportRow]
    {
        let counted = Dictionary(sums.map { ($0.subscription.lowercased(), $0) }, uniquingKeysWith: added)
        var rows: [ReportRow] = []
        var seen: Set = [""]
        for subscription in try reader.texts(of: "subscriptions", ["displayName", "scope", "ownerId"])
        where isWanted(query, .subscription, subscription.name) {
            let scope = subscription.texts[1] ?? ""
            let owner = subscription.texts[2] ?? ""
            if let user = query.filter[.user], owner.lowercased() != "/users/\(user)".lowercased() { continue }
            if let product = query.filter[.product], scope.lowercased() != "/products/\(product)".lowercased() {
                continue
            }
            seen.insert(subscription.name.lowercased())
            rows.append(
                ReportRow(
                    [
                        ("name", .string(subscription.texts[0] ?? subscription.name)),
                        ("userId", .string(owner)), ("productId", .string(scope.hasPrefix("/products/") ? scope : "")),
                        ("subscriptionId", .string("/subscriptions/\(subscription.name)")),
                    ], counted[subscription.name.lowercased()] ?? UsageRow()))
        }
        for (name, sum) in counted where !seen.contains(name) {
            rows.append(
                ReportRow(
                    [
                        ("name", .string(sum.subscription)), ("userId", ""), ("productId", ""),
                        ("subscriptionId", .string("/subscriptions/\(sum.subscription)")),
                    ], sum))
        }
        return byName(rows)
    }

    private static func isWanted(_ query: ReportQuery, _ column: UsageColumn, _ name: String) -> Bool {
        query.filter[column].map { $0.lowercased() == name.lowercased() } ?? true
    }

    private static func byName(_ rows: [ReportRow]) -> [ReportRow] {
        ReportRow.sorted(rows, by: "name")
    }

    private static func total(_ rows: [UsageRow]) -> UsageRow { rows.reduce(UsageRow(), added) }

    /// Sums of two rows; smallest and largest of both.
    private static func added(_ left: UsageRow, _ right: UsageRow) -> UsageRow {
        var sum = left
        sum.success = sum.success.adding(right.success)
        sum.blocked = sum.blocked.adding(right.blocked)
        sum.failed = sum.failed.adding(right.failed)
        sum.other = sum.other.adding(right.other)
        sum.bytesIn = sum.bytesIn.adding(right.bytesIn)
        sum.bytesOut = sum.bytesOut.adding(right.bytesOut)
        sum.cacheHits = sum.cacheHits.adding(right.cacheHits)
        sum.cacheMisses = sum.cacheMisses.adding(right.cacheMisses)
        sum.apiTimeSum = sum.apiTimeSum.adding(right.apiTimeSum)
        sum.apiTimeMin = [left.apiTimeMin, right.apiTimeMin].compactMap(\.self).min()
        sum.apiTimeMax = max(left.apiTimeMax, right.apiTimeMax)
        sum.serviceCalls = sum.serviceCalls.adding(right.serviceCalls)
        sum.serviceTimeSum = sum.serviceTimeSum.adding(right.serviceTimeSum)
        sum.serviceTimeMin = [left.serviceTimeMin, right.serviceTimeMin].compactMap(\.self).min()
        sum.serviceTimeMax = max(left.serviceTimeMax, right.serviceTimeMax)
        return sum
    }
}

extension Int64 {
    /// The sum, or the largest number: a report of what a broken node sent is wrong, but ends nothing.
    func adding(_ other: Int64) -> Int64 {
        let (sum, isTooLarge) = addingReportingOverflow(other)
        return isTooLarge ? .max : sum
    }
}
