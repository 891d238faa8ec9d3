// `gatehouse-controller init`: a new directory with keys, CA, service and first owner.
internal import AccessControl
internal import ArgumentParser
internal import CrashPoints
internal import Cryptography
internal import Foundation
internal import Glibc
internal import JSONDocuments
internal import ManagementREST
internal import PolicyLanguage
internal import Resources
internal import ResourceStore

struct Initialise: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "init",
        abstract: "Makes a controller's directory: keys, CA, the service and its first owner.",
        discussion:
            "The owner's client id and secret are written to owner.json in the directory, for its owner alone. A directory that has a controller is refused."
    )

    @Option(help: "The directory to make.") var directory: String
    @Option(help: "Name of the service.") var service = "local"
    @Option(help: "Resource group in the service's ARM id.") var resourceGroup = "gatehouse"
    @Option(help: "Subscription in the service's ARM id.") var subscription = "00000000-0000-0000-0000-000000000000"
    @Option(help: "The publisher's e-mail address; also the administrator's.") var publisherEmail =
        "administrator@localhost.localdomain"
    @Option(help: "The publisher's name.") var publisherName = "Gatehouse"

    func run() async throws {
        guard service.wholeMatch(of: /[a-zA-Z](?:[a-zA-Z0-9-]{0,48}[a-zA-Z0-9])?/) != nil else {
            throw ProcessFailure(
                .wrongArguments, "--service must be letters, digits and hyphens, 1 to 50, beginning with a letter")
        }
        let place = ControllerDirectory(path: directory)
        try place.prepare()
        guard !place.isInitialised else {
            throw ProcessFailure(.failed, "\(directory) has a controller already; choose another directory")
        }
        let lock = try place.takeLock()
        defer { close(lock) }
        let settings = ControllerSettings(
            tenantId: UUID().uuidString.lowercased(), subscriptionId: subscription, resourceGroup: resourceGroup,
            serviceName: service, ownerClientId: UUID().uuidString.lowercased())
        let sealing = SealingKey()
        try place.writeKeyEncryptionKeys([sealing])
        let authority = try CertificateAuthority(commonName: "Gatehouse CA of \(service)", now: Date())
            .certificateAndKey
        try place.write(Array(authority.certificate.utf8), to: place.authority)
        try place.write(Array(authority.privateKey.utf8), to: place.authorityKey)
        // A crash before settings.json is written leaves no controller: the next init begins again.
        for suffix in ["", "-wal", "-shm"] { try? FileManager.default.removeItem(atPath: place.database + suffix) }
        let store = try ResourceStore(path: place.database)
        let secret = SecretHash.newSecret()
        try await fill(store, settings, sealing, secret)
        try store.close()
        let owner = OwnerFile(clientId: settings.ownerClientId, clientSecret: secret, tenantId: settings.tenantId)
        try place.write([UInt8](try Self.encoder.encode(owner)) + [0x0A], to: place.owner)
        CrashPoint.initialiseBeforeSettings.pass()
        try place.write([UInt8](try Self.encoder.encode(settings)) + [0x0A], to: place.settings)
        print("Made \(directory): service '\(service)'. The first owner's credentials are in \(place.owner).")
    }

    private static let encoder: JSONEncoder = {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        return encoder
    }()

    private func fill(_ store: ResourceStore, _ settings: ControllerSettings, _ sealing: SealingKey, _ secret: String)
        async throws
    {
        let email = publisherEmail
        let name = publisherName
        _ = try await store.write(by: .controller) { writer in
            let secrets = try ControllerSecrets.make(in: writer, sealing: sealing, serviceID: settings.serviceID)
            let context = ResourceContext(
                serviceID: settings.serviceID, sealing: sealing, keyHash: try KeyedHash(pepper: secrets.pepper))
            try Bootstrap.make(
                service: [
                    "properties": ["publisherEmail": .string(email), "publisherName": .string(name)],
                    "location": "local",
                    "sku": ["name": "Developer", "capacity": 1],
                ], administratorEmail: email, globalPolicy: PolicyChecker.defaultGlobalDocument, in: writer,
                context: context)
            let owner = ResourceID(path: "/gatehouse/principals/owner")
            let object = UUID().uuidString.lowercased()
            try writer.put(
                owner, kind: AccessDirectory.principalKind,
                properties: [
                    "displayName": "owner", "federated": [], "clientId": .string(settings.ownerClientId),
                    "objectId": .string(object),
                ])
            try ClientSecrets.set(try SecretHash(of: secret), of: owner, in: writer, context: context)
            _ = try AuthorizationStore.put(
                RoleAssignment(
                    name: UUID().uuidString.lowercased(), scope: "/", roleDefinition: BuiltInRoles.owner,
                    principalID: object,
                    principalType: "ServicePrincipal", description: "The first owner.",
                    createdOn: Timestamp.text(seconds: writer.now), createdBy: object), in: writer)
            try writer.audit(action: "system:init", resource: settings.serviceID, outcome: "Succeeded")
        }
    }
}
