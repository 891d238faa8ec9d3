// Long-running operations without a table: what an operation is about stands in its id, and a code over it proves that
// we made it, so that an id can't be guessed and outlives a restart.
internal import Cryptography
internal import Foundation
internal import Resources
internal import ResourceStore

struct OperationResults: Sendable {
    /// Results are given this long, seconds.
    static let lifetime: Int64 = 24 * 3600

    /// What an operation is about.
    struct Ticket: Hashable, Sendable {
        var revision: Revision
        /// Seconds since 1970.
        var created: Int64
        var resource: String
        /// Kind whose read action opens it.
        var kind: String
    }

    private let key: [UInt8]

    init(key: [UInt8]) { self.key = key }

    func id(of ticket: Ticket) -> String {
        let text = "\(ticket.revision)|\(ticket.created)|\(ticket.kind)|\(ticket.resource)"
        let nonce = SecureRandom.bytes(16)
        let code = MessageAuthentication.sha512(nonce + Array(text.utf8), key: key).prefix(16)
        return Base64URL.encode(nonce + code + Array(text.utf8))
    }

    /// nil for an id that we did not make, or that is too old.
    func ticket(of id: String, now: Int64) -> Ticket? {
        guard id.utf8.count <= 4096, let bytes = Base64URL.decode(id.utf8), bytes.count > 32 else { return nil }
        let text = Array(bytes[32...])
        let code = Array(MessageAuthentication.sha512(Array(bytes[..<16]) + text, key: key).prefix(16))
        guard ConstantTime.equal(code, Array(bytes[16..<32])) else { return nil }
        let parts = String(decoding: text, as: UTF8.self).split(
            separator: "|", maxSplits: 3, omittingEmptySubsequences: false)
        guard parts.count == 4, let revision = Revision(parts[0]), let created = Int64(parts[1]),
            now - created <= Self.lifetime
        else { return nil }
        return Ticket(revision: revision, created: created, resource: String(parts[3]), kind: String(parts[2]))
    }
}
