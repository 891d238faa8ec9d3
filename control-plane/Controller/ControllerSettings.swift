// What init decides once and every start needs: names and ids, no secret.
internal import Foundation

struct ControllerSettings: Codable {
    var format = 1
    var tenantId: String
    var subscriptionId: String
    var resourceGroup: String
    var serviceName: String
    var ownerClientId: String

    var serviceID: String {
        "/subscriptions/\(subscriptionId)/resourceGroups/\(resourceGroup)/providers/Microsoft.ApiManagement/service/\(serviceName)"
    }

    static func read(_ directory: ControllerDirectory) throws -> ControllerSettings {
        guard let data = FileManager.default.contents(atPath: directory.settings) else {
            throw ProcessFailure(
                .cannotStart,
                "\(directory.path) holds no controller; run: gatehouse-controller init --directory \(directory.path)")
        }
        guard let settings = try? JSONDecoder().decode(Self.self, from: data), settings.format == 1 else {
            throw ProcessFailure(.cannotStart, "\(directory.settings) is not readable by this version")
        }
        return settings
    }
}

/// What init tells the first owner, once.
struct OwnerFile: Codable {
    var clientId: String
    var clientSecret: String
    var tenantId: String
}
