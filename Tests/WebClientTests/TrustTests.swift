import Foundation
import Testing
import WebClient

/// TLS, against `openssl s_server` with an authority made by the `openssl` program.
@Suite struct TrustTests {
    @Test func aServerIsTrustedByItsAuthorityAndNameAlone() async throws {
        let folder = try Authority()
        defer { folder.remove() }
        let server = try folder.serve(["-www"])
        defer { server.stop() }
        let good = try WebClient(WebClientOptions(reach: .all, authority: folder.read("ca.pem")))
        #expect(try await good.send(WebRequest("GET", "https://localhost:\(server.port)/")).status == 200)
        await failsTrust { try await good.send(WebRequest("GET", "https://127.0.0.1:\(server.port)/")) }
        let system = try WebClient(WebClientOptions(reach: .all))
        await failsTrust { try await system.send(WebRequest("GET", "https://localhost:\(server.port)/")) }
        let other = try WebClient(WebClientOptions(reach: .all, authority: folder.read("other.pem")))
        await failsTrust { try await other.send(WebRequest("GET", "https://localhost:\(server.port)/")) }
    }

    @Test func aClientProvesItselfWithItsCertificate() async throws {
        let folder = try Authority()
        defer { folder.remove() }
        let server = try folder.serve(["-www", "-Verify", "1", "-verify_return_error", "-CAfile", "ca.pem"])
        defer { server.stop() }
        let request = WebRequest("GET", "https://localhost:\(server.port)/")
        let identity = try WebIdentity(certificate: folder.read("client.pem"), privateKey: folder.read("client.key"))
        let known = try WebClient(
            WebClientOptions(reach: .all, authority: folder.read("ca.pem"), identity: identity))
        let page = String(decoding: try await known.send(request).body, as: UTF8.self)
        #expect(page.contains("CN = client") || page.contains("CN=client"))
        let unknown = try WebClient(WebClientOptions(reach: .all, authority: folder.read("ca.pem")))
        await #expect(throws: WebFailure.self) { try await unknown.send(request) }
        #expect(!"\(identity)".contains("PRIVATE"))
    }

    private func failsTrust(_ body: () async throws -> WebResponse) async {
        do {
            _ = try await body()
            Issue.record("the server was trusted")
        } catch {
            guard case .notTrusted = error as? WebFailure else {
                Issue.record("\(error)")
                return
            }
        }
    }
}

/// A directory with an authority, a server for `localhost` and a client.
struct Authority {
    let path: String

    init() throws {
        path = NSTemporaryDirectory() + "gatehouse-" + UUID().uuidString
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        let key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]
        let signed = ["-CA", "ca.pem", "-CAkey", "ca.key"]
        try run(["req", "-x509", "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=ca"] + key)
        try run(["req", "-x509", "-keyout", "other.key", "-out", "other.pem", "-subj", "/CN=ca"] + key)
        try run(
            [
                "req", "-x509", "-keyout", "server.key", "-out", "server.pem", "-subj", "/CN=s", "-addext",
                "subjectAltName=DNS:localhost",
            ] + key + signed)
        try run(["req", "-x509", "-keyout", "client.key", "-out", "client.pem", "-subj", "/CN=client"] + key + signed)
    }

    func remove() { try? FileManager.default.removeItem(atPath: path) }

    func read(_ name: String) throws -> String { try String(contentsOfFile: "\(path)/\(name)", encoding: .utf8) }

    private func run(_ arguments: [String]) throws {
        let process = process(arguments)
        process.standardOutput = FileHandle.nullDevice
        try process.run()
        process.waitUntilExit()
    }

    private func process(_ arguments: [String]) -> Process {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = ["openssl"] + arguments
        process.currentDirectoryURL = URL(fileURLWithPath: path)
        process.standardError = FileHandle.nullDevice
        return process
    }

    /// Starts `openssl s_server` on a free port, which it prints.
    func serve(_ arguments: [String]) throws -> (port: Int, stop: () -> Void) {
        let process = process(
            ["s_server", "-accept", "127.0.0.1:0", "-cert", "server.pem", "-key", "server.key"] + arguments)
        let output = Pipe()
        process.standardOutput = output
        process.standardInput = Pipe()
        try process.run()
        var text = ""
        while true {
            let data = output.fileHandleForReading.availableData
            guard !data.isEmpty else { throw CocoaError(.fileReadUnknown) }
            text += String(decoding: data, as: UTF8.self)
            if let line = text.split(separator: "\n", omittingEmptySubsequences: false).dropLast()
                .first(where: { $0.hasPrefix("ACCEPT") }), let port = Int(line.split(separator: ":").last ?? "")
            {
                return (port, { process.terminate() })
            }
        }
    }
}
