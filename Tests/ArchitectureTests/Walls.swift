// The walls of the house, stated once: one line a target. `uses` names the targets and the products of other packages
// that the target may depend on and import; `system` names the modules of the toolchain it may import beside
// Foundation. Package.swift must declare exactly what `uses` says. An arrow that is not here is a change of the
// architecture: make it here first, and say why in ARCHITECTURE.md.

/// A target that is not a test.
struct Room: Sendable {
    enum Kind: Sendable { case cLibrary, library, executable }

    let name: String
    let path: String
    let kind: Kind
    let uses: Set<String>
    let system: Set<String>
    /// Whether the room may hold raw pointers and vouch for Sendable itself.
    let mayBeUnsafe: Bool
    /// Whether the room reads no file, no socket, no environment and no clock.
    let isPure: Bool

    /// Sources, control-plane or data-plane.
    var wing: String { String(path.prefix { $0 != "/" }) }
}

let walls: [Room] = [
    // Sources: what both planes share
    cLibrary("COpenSSL"),
    cLibrary("CNghttp2"),
    cLibrary("CCurl"),
    cLibrary("CJWT"),
    cLibrary("CLinux"),
    room("Sources/Cryptography", uses: ["COpenSSL", "Crypto", "X509", "SwiftASN1"], unsafe: true),
    room("Sources/JSONWebTokens", uses: ["Cryptography", "JSONDocuments", "CJWT"]),
    room("Sources/WebClient", uses: ["CCurl"], system: ["Dispatch", "Glibc", "Synchronization"], unsafe: true),
    room("Sources/JSONDocuments", pure: true),
    room("Sources/CrashPoints", system: ["Glibc", "Synchronization"]),
    room("Sources/PolicyExpressions", pure: true),
    room("Sources/PolicyLanguage", uses: ["PolicyExpressions"], pure: true),
    room("Sources/GatewayConfiguration", uses: ["Cryptography", "PolicyLanguage", "JSONDocuments"]),
    room("Sources/ClusterProtocol", uses: ["GatewayConfiguration"]),
    executable(
        "gatehouse", "Sources/gatehouse",
        ["PolicyLanguage", "PolicyExpressions", "WebClient", "ArgumentParser"]),

    // control-plane: the controller
    room(
        "control-plane/ResourceStore", uses: ["JSONDocuments", "Cryptography", "CrashPoints", "GRDB"],
        system: ["Synchronization"]),
    room("control-plane/ApiImport", uses: ["JSONDocuments", "Yams"]),
    room(
        "control-plane/AccessControl", uses: ["ResourceStore", "JSONWebTokens", "Cryptography", "JSONDocuments"],
        system: ["Synchronization"]),
    room(
        "control-plane/Resources",
        uses: ["ResourceStore", "ApiImport", "PolicyLanguage", "Cryptography", "JSONDocuments"]),
    room("control-plane/CredentialManager", uses: ["ResourceStore", "WebClient", "JSONWebTokens", "Cryptography"]),
    room("control-plane/UsageReports", uses: ["ResourceStore", "ClusterProtocol", "JSONDocuments"]),
    room(
        "control-plane/SnapshotPublisher",
        uses: [
            "Resources", "ResourceStore", "GatewayConfiguration", "CredentialManager", "Cryptography", "ApiImport",
            "PolicyLanguage",
            "JSONDocuments", "CrashPoints",
        ], system: ["Synchronization"]),
    room(
        "control-plane/NodeService",
        uses: [
            "ClusterProtocol", "GatewayConfiguration", "SnapshotPublisher", "UsageReports", "CredentialManager",
            "ResourceStore", "Cryptography", "Hummingbird", "HummingbirdTLS", "Logging", "HTTPTypes", "NIOCore",
            "NIOSSL", "CrashPoints",
        ], system: ["Synchronization"]),
    room(
        "control-plane/ManagementREST",
        uses: [
            "Resources", "ResourceStore", "AccessControl", "ApiImport", "PolicyLanguage", "CredentialManager",
            "UsageReports", "WebClient", "Cryptography", "JSONDocuments", "Hummingbird", "Logging",
            "HTTPTypes", "HummingbirdCore", "NIOCore",
        ], system: ["Synchronization"]),
    executable(
        "gatehouse-controller", "control-plane/Controller",
        [
            "ResourceStore", "ApiImport", "AccessControl", "Resources", "CredentialManager", "UsageReports",
            "SnapshotPublisher", "NodeService", "ManagementREST", "GatewayConfiguration", "Cryptography",
            "JSONWebTokens",
            "WebClient", "JSONDocuments", "ArgumentParser", "ServiceLifecycle", "Hummingbird", "HummingbirdTLS",
            "NIOCore", "NIOSSL", "UnixSignals", "PolicyLanguage", "Logging", "CrashPoints", "CLinux",
        ]),

    // data-plane: a gateway node
    room(
        "data-plane/HTTPEngine", uses: ["CLinux", "COpenSSL", "CNghttp2"],
        system: ["Glibc", "Synchronization"], unsafe: true),
    room("data-plane/RequestRouting", uses: ["GatewayConfiguration"]),
    room("data-plane/BackendCalls", uses: ["HTTPEngine", "GatewayConfiguration"]),
    room("data-plane/Admission", uses: ["GatewayConfiguration", "Cryptography"]),
    room(
        "data-plane/UsageMeter", uses: ["ClusterProtocol", "CLinux", "CrashPoints"],
        system: ["Glibc", "Synchronization"], unsafe: true),
    room(
        "data-plane/PolicyRuntime",
        uses: [
            "PolicyLanguage", "PolicyExpressions", "GatewayConfiguration", "HTTPEngine", "BackendCalls",
            "JSONWebTokens", "Cryptography",
        ], system: ["Synchronization"]),
    room(
        "data-plane/NodeAgent",
        uses: ["ClusterProtocol", "GatewayConfiguration", "WebClient", "Cryptography", "CrashPoints"],
        system: ["Synchronization"]),
    executable(
        "gatehouse-gateway", "data-plane/Gateway",
        [
            "HTTPEngine", "RequestRouting", "BackendCalls", "Admission", "UsageMeter", "PolicyRuntime", "NodeAgent",
            "GatewayConfiguration", "ClusterProtocol", "PolicyLanguage", "Cryptography", "ArgumentParser",
        ]),
]

/// Test targets that look at more than one room. All others are `<Room>Tests` and may import what their room can
/// reach.
let testsOfTheWholeHouse: [String: Set<String>] = [
    "ArchitectureTests": [],
    "GatewayTests": [
        "gatehouse-gateway", "HTTPEngine", "PolicyRuntime", "UsageMeter", "GatewayConfiguration", "ClusterProtocol",
        "Cryptography", "ArgumentParser", "Dispatch",
    ],
    "FuzzTests": [
        "HTTPEngine", "RequestRouting", "Admission", "UsageMeter", "PolicyRuntime", "NodeAgent",
        "GatewayConfiguration", "ClusterProtocol", "PolicyLanguage", "Cryptography", "JSONWebTokens", "JSONDocuments",
        "ApiImport", "Resources", "ResourceStore", "NodeService", "ManagementREST", "Yams",
    ],
    "ExecutablesTests": ["gatehouse", "gatehouse-controller", "gatehouse-gateway"],
]

/// What any room may import, and what any test may import beside that.
let everywhere: Set<String> = ["Foundation", "FoundationEssentials"]
let inTests: Set<String> = ["Testing", "FoundationNetworking", "Glibc", "Synchronization"]

/// A place where a rule is broken for a good reason.
struct Exception: Sendable {
    let file: String
    let rule: String
    let reason: String
}

/// Exceptions from the rules against traps. One that is no longer needed fails the tests.
let exceptions: [Exception] = []

private func cLibrary(_ name: String) -> Room {
    Room(
        name: name, path: "Sources/\(name)", kind: .cLibrary, uses: [], system: [], mayBeUnsafe: true, isPure: false)
}

private func room(
    _ path: String, uses: Set<String> = [], system: Set<String> = [], unsafe: Bool = false, pure: Bool = false
) -> Room {
    Room(
        name: path.split(separator: "/").last.map(String.init) ?? path, path: path, kind: .library, uses: uses,
        system: system, mayBeUnsafe: unsafe, isPure: pure)
}

private func executable(_ name: String, _ path: String, _ uses: Set<String>) -> Room {
    Room(
        name: name, path: path, kind: .executable, uses: uses, system: ["Dispatch", "Glibc", "Synchronization"],
        mayBeUnsafe: false,
        isPure: false)
}
