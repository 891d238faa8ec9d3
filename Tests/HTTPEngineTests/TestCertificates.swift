import Foundation
import Testing

@testable import HTTPEngine

/// Self-signed certificates for tests, made by the openssl command.
enum TestCertificates {
    static func selfSigned(name: String, alternative: String) throws -> TLSIdentity {
        let folder = FileManager.default.temporaryDirectory.appending(path: "engine-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let process = Process()
        process.executableURL = URL(filePath: "/usr/bin/env")
        process.arguments = [
            "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout",
            folder.appending(path: "key.pem").path(), "-out", folder.appending(path: "certificate.pem").path(), "-days",
            "1",
            "-subj", "/CN=\(name)", "-addext", "subjectAltName=\(alternative)",
        ]
        process.standardError = FileHandle.nullDevice
        process.standardOutput = FileHandle.nullDevice
        try process.run()
        process.waitUntilExit()
        try #require(process.terminationStatus == 0)
        return TLSIdentity(
            chain: try String(contentsOf: folder.appending(path: "certificate.pem"), encoding: .utf8),
            key: try String(contentsOf: folder.appending(path: "key.pem"), encoding: .utf8))
    }
}
