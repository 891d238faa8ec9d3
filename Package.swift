// swift-tools-version: 6.2
import PackageDescription

// The walls of the house are stated once, in Tests/ArchitectureTests/Walls.swift. A dependency that is added here and
// not there (or the other way) fails ArchitectureTests.

let settings: [SwiftSetting] = [
    .treatAllWarnings(as: .error),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .unsafeFlags(["-cross-module-optimization"], .when(configuration: .release)),
]

let cSettings: [CSetting] = [
    .treatAllWarnings(as: .error)
]

// What comes from other packages.
let asn1 = Target.Dependency.product(name: "SwiftASN1", package: "swift-asn1")
let argumentParser = Target.Dependency.product(name: "ArgumentParser", package: "swift-argument-parser")
let crypto = Target.Dependency.product(name: "Crypto", package: "swift-crypto")
let grdb = Target.Dependency.product(name: "GRDB", package: "GRDB.swift")
let hummingbird = Target.Dependency.product(name: "Hummingbird", package: "hummingbird")
let hummingbirdCore = Target.Dependency.product(name: "HummingbirdCore", package: "hummingbird")
let hummingbirdTLS = Target.Dependency.product(name: "HummingbirdTLS", package: "hummingbird")
let httpTypes = Target.Dependency.product(name: "HTTPTypes", package: "swift-http-types")
let logging = Target.Dependency.product(name: "Logging", package: "swift-log")
let nioCore = Target.Dependency.product(name: "NIOCore", package: "swift-nio")
let nioSSL = Target.Dependency.product(name: "NIOSSL", package: "swift-nio-ssl")
let serviceLifecycle = Target.Dependency.product(name: "ServiceLifecycle", package: "swift-service-lifecycle")
let unixSignals = Target.Dependency.product(name: "UnixSignals", package: "swift-service-lifecycle")
let x509 = Target.Dependency.product(name: "X509", package: "swift-certificates")
let yams = Target.Dependency.product(name: "Yams", package: "Yams")

/// A library target in the folder `wing/name`.
func room(_ name: String, in wing: String, uses dependencies: Target.Dependency...) -> Target {
    .target(name: name, dependencies: dependencies, path: "\(wing)/\(name)", swiftSettings: settings)
}

/// An executable target in the folder `wing/folder`.
func executable(_ name: String, in wing: String, folder: String, uses dependencies: Target.Dependency...) -> Target {
    .executableTarget(name: name, dependencies: dependencies, path: "\(wing)/\(folder)", swiftSettings: settings)
}

/// The tests of a target, in the folder `Tests/<name>Tests`.
func tests(of name: String, uses dependencies: Target.Dependency...) -> Target {
    .testTarget(
        name: "\(name)Tests",
        dependencies: [.target(name: name)] + dependencies,
        path: "Tests/\(name)Tests",
        swiftSettings: settings
    )
}

let systemLibraries: [Target] = [
    .systemLibrary(name: "COpenSSL", path: "Sources/COpenSSL", pkgConfig: "openssl", providers: [.apt(["libssl-dev"])]),
    .systemLibrary(
        name: "CNghttp2", path: "Sources/CNghttp2", pkgConfig: "libnghttp2", providers: [.apt(["libnghttp2-dev"])]),
    .systemLibrary(
        name: "CCurl", path: "Sources/CCurl", pkgConfig: "libcurl", providers: [.apt(["libcurl4-openssl-dev"])]),
    .systemLibrary(name: "CJWT", path: "Sources/CJWT", pkgConfig: "libjwt", providers: [.apt(["libjwt-dev"])]),
    .target(name: "CLinux", path: "Sources/CLinux", cSettings: cSettings),
]

let shared: [Target] = [
    room("Cryptography", in: "Sources", uses: "COpenSSL", crypto, x509, asn1),
    room("JSONWebTokens", in: "Sources", uses: "Cryptography", "JSONDocuments", "CJWT"),
    room("WebClient", in: "Sources", uses: "CCurl"),
    room("JSONDocuments", in: "Sources"),
    room("CrashPoints", in: "Sources"),
    room("PolicyExpressions", in: "Sources"),
    room("PolicyLanguage", in: "Sources", uses: "PolicyExpressions"),
    room("GatewayConfiguration", in: "Sources", uses: "Cryptography", "PolicyLanguage", "JSONDocuments"),
    room("ClusterProtocol", in: "Sources", uses: "GatewayConfiguration"),
    executable(
        "gatehouse", in: "Sources", folder: "gatehouse",
        uses: "PolicyLanguage", "PolicyExpressions", "WebClient", argumentParser),
]

let controlPlane: [Target] = [
    room("ResourceStore", in: "control-plane", uses: "JSONDocuments", "Cryptography", "CrashPoints", grdb),
    room("ApiImport", in: "control-plane", uses: "JSONDocuments", yams),
    room("AccessControl", in: "control-plane", uses: "ResourceStore", "JSONWebTokens", "Cryptography", "JSONDocuments"),
    room(
        "Resources", in: "control-plane",
        uses: "ResourceStore", "ApiImport", "PolicyLanguage", "Cryptography", "JSONDocuments"),
    room(
        "CredentialManager", in: "control-plane",
        uses: "ResourceStore", "WebClient", "JSONWebTokens", "Cryptography"),
    room("UsageReports", in: "control-plane", uses: "ResourceStore", "ClusterProtocol", "JSONDocuments"),
    room(
        "SnapshotPublisher", in: "control-plane",
        uses: "Resources", "ResourceStore", "GatewayConfiguration", "CredentialManager", "Cryptography",
        "ApiImport", "PolicyLanguage", "JSONDocuments", "CrashPoints"),
    room(
        "NodeService", in: "control-plane",
        uses: "ClusterProtocol", "GatewayConfiguration", "SnapshotPublisher", "UsageReports", "CredentialManager",
        "ResourceStore", "Cryptography", "CrashPoints", hummingbird, hummingbirdTLS, logging, httpTypes, nioCore, nioSSL
    ),
    room(
        "ManagementREST", in: "control-plane",
        uses: "Resources", "ResourceStore", "AccessControl", "ApiImport", "PolicyLanguage", "CredentialManager",
        "UsageReports", "WebClient", "Cryptography", "JSONDocuments", hummingbird, logging, httpTypes, nioCore,
        hummingbirdCore),
    executable(
        "gatehouse-controller", in: "control-plane", folder: "Controller",
        uses: "ResourceStore", "ApiImport", "AccessControl", "Resources", "CredentialManager", "UsageReports",
        "SnapshotPublisher", "NodeService", "ManagementREST", "GatewayConfiguration", "Cryptography", "JSONWebTokens",
        "WebClient", "JSONDocuments", "CrashPoints", "CLinux", argumentParser, serviceLifecycle, hummingbird,
        hummingbirdTLS, unixSignals,
        "PolicyLanguage", logging, nioCore,
        nioSSL),
]

let dataPlane: [Target] = [
    room("HTTPEngine", in: "data-plane", uses: "CLinux", "COpenSSL", "CNghttp2"),
    room("RequestRouting", in: "data-plane", uses: "GatewayConfiguration"),
    room("BackendCalls", in: "data-plane", uses: "HTTPEngine", "GatewayConfiguration"),
    room("Admission", in: "data-plane", uses: "GatewayConfiguration", "Cryptography"),
    room("UsageMeter", in: "data-plane", uses: "ClusterProtocol", "CLinux", "CrashPoints"),
    room(
        "PolicyRuntime", in: "data-plane",
        uses: "PolicyLanguage", "PolicyExpressions", "GatewayConfiguration", "HTTPEngine", "BackendCalls",
        "JSONWebTokens", "Cryptography"),
    room(
        "NodeAgent", in: "data-plane",
        uses: "ClusterProtocol", "GatewayConfiguration", "WebClient", "Cryptography", "CrashPoints"),
    executable(
        "gatehouse-gateway", in: "data-plane", folder: "Gateway",
        uses: "HTTPEngine", "RequestRouting", "BackendCalls", "Admission", "UsageMeter", "PolicyRuntime", "NodeAgent",
        "GatewayConfiguration", "ClusterProtocol", "PolicyLanguage", "Cryptography", argumentParser),
]

let testTargets: [Target] = [
    tests(of: "COpenSSL"),
    tests(of: "CNghttp2"),
    tests(of: "CCurl"),
    tests(of: "CJWT"),
    tests(of: "CLinux"),
    tests(of: "Cryptography"),
    tests(of: "JSONWebTokens", uses: "CJWT"),
    tests(of: "WebClient"),
    tests(of: "JSONDocuments"),
    tests(of: "CrashPoints"),
    tests(of: "PolicyExpressions"),
    tests(of: "PolicyLanguage"),
    tests(of: "GatewayConfiguration"),
    tests(of: "ClusterProtocol"),
    tests(of: "ResourceStore", uses: grdb),
    tests(of: "ApiImport"),
    tests(of: "AccessControl"),
    tests(of: "Resources"),
    tests(of: "CredentialManager"),
    tests(of: "UsageReports"),
    tests(of: "SnapshotPublisher"),
    tests(of: "NodeService", uses: hummingbird, logging),
    tests(of: "ManagementREST", uses: hummingbird),
    tests(of: "HTTPEngine"),
    tests(of: "RequestRouting"),
    tests(of: "BackendCalls"),
    tests(of: "Admission"),
    tests(of: "UsageMeter"),
    tests(of: "PolicyRuntime"),
    tests(of: "NodeAgent"),
    .testTarget(
        name: "ExecutablesTests",
        dependencies: ["gatehouse", "gatehouse-controller", "gatehouse-gateway"],
        path: "Tests/ExecutablesTests",
        swiftSettings: settings
    ),
    .testTarget(
        name: "GatewayTests", dependencies: ["gatehouse-gateway"], path: "Tests/GatewayTests", swiftSettings: settings),
    .testTarget(name: "ArchitectureTests", path: "Tests/ArchitectureTests", swiftSettings: settings),
]

// The fuzzers are built from the same files as FuzzTests, in its place: `ops/fuzz` sets GATEHOUSE_FUZZ.
let fuzzed: [Target.Dependency] = [
    "HTTPEngine", "RequestRouting", "Admission", "UsageMeter", "PolicyRuntime", "NodeAgent", "GatewayConfiguration",
    "ClusterProtocol", "PolicyLanguage", "Cryptography", "JSONWebTokens", "JSONDocuments", "ApiImport", "Resources",
    "ResourceStore", "NodeService", "ManagementREST", yams,
]

let fuzzing = Context.environment["GATEHOUSE_FUZZ"] != nil
let fuzzTargets: [Target] =
    fuzzing
    ? [
        .executableTarget(
            name: "gatehouse-fuzz", dependencies: fuzzed, path: "Tests/FuzzTests", exclude: ["FuzzTests.swift"],
            swiftSettings: settings)
    ]
    : [
        .testTarget(
            name: "FuzzTests", dependencies: fuzzed, path: "Tests/FuzzTests", exclude: ["LibFuzzer"],
            swiftSettings: settings)
    ]

// `ops/sanitize` builds the suites that it runs and what they need, no more.
let chosenSuites = Context.environment["GATEHOUSE_SUITES"].map { $0.split(separator: " ").map(String.init) }
let suites = (testTargets + (fuzzing ? [] : fuzzTargets)).filter { chosenSuites?.contains($0.name) ?? true }

let package = Package(
    name: "gatehouse",
    products: [
        .executable(name: "gatehouse", targets: ["gatehouse"]),
        .executable(name: "gatehouse-controller", targets: ["gatehouse-controller"]),
        .executable(name: "gatehouse-gateway", targets: ["gatehouse-gateway"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-asn1", exact: "1.7.4"),
        .package(url: "https://github.com/apple/swift-certificates", exact: "1.21.1"),
        .package(url: "https://github.com/apple/swift-crypto", exact: "4.5.2"),
        .package(url: "https://github.com/apple/swift-http-types", exact: "1.8.0"),
        .package(url: "https://github.com/apple/swift-log", exact: "1.16.2"),
        .package(url: "https://github.com/apple/swift-nio", exact: "2.101.2"),
        .package(url: "https://github.com/apple/swift-nio-ssl", exact: "2.37.6"),
        .package(url: "https://github.com/apple/swift-argument-parser", exact: "1.8.2"),
        .package(url: "https://github.com/groue/GRDB.swift", exact: "7.10.0"),
        .package(url: "https://github.com/hummingbird-project/hummingbird", exact: "2.28.1"),
        .package(url: "https://github.com/jpsim/Yams", exact: "6.2.2"),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle", exact: "2.13.0"),
    ],
    targets: systemLibraries + shared + controlPlane + dataPlane + (fuzzing ? fuzzTargets : suites),
    swiftLanguageModes: [.v6],
    cLanguageStandard: .gnu17
)
