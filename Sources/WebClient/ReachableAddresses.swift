internal import Glibc

// Which addresses an outbound call may connect to: the guard against server-side request forgery (must-hold E28, G54).
// It judges the bytes of the address that a socket is made for, so no spelling of a name gets round it.

/// A range of addresses: `10.0.0.0/8`, `fd00::/8`, or one address.
package struct AddressRange: Hashable, Sendable, CustomStringConvertible {
    /// A text that is no range.
    package struct Unreadable: Error, Hashable, Sendable {
        package var text: String
    }

    /// Four or sixteen bytes.
    let network: [UInt8]
    /// Leading bits that count.
    let length: Int
    package let description: String

    /// Reads a literal with or without a length. The bits behind the length do not count.
    package init(_ text: String) throws(Unreadable) {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false)
        guard (1...2).contains(parts.count), let bytes = AddressText.bytes(of: String(parts[0])) else {
            throw Unreadable(text: text)
        }
        var length = bytes.count * 8
        if parts.count == 2 {
            guard parts[1].utf8.allSatisfy({ (48...57).contains($0) }), let given = Int(parts[1]), given <= length
            else { throw Unreadable(text: text) }
            length = given
        }
        network = bytes
        self.length = length
        description = text
    }

    package func contains(_ address: [UInt8]) -> Bool {
        guard address.count == network.count else { return false }
        let whole = length / 8
        guard address[..<whole].elementsEqual(network[..<whole]) else { return false }
        let rest = length % 8
        guard rest > 0 else { return true }
        return (address[whole] ^ network[whole]) >> UInt8(8 - rest) == 0
    }
}

/// Literals of addresses.
enum AddressText {
    /// Four or sixteen bytes in network order; nil for anything but a plain literal.
    static func bytes(of text: String) -> [UInt8]? {
        var four = in_addr()
        if inet_pton(AF_INET, text, &four) == 1 {
            // Safe: in_addr is four bytes.
            return withUnsafeBytes(of: four) { Array($0) }
        }
        var six = in6_addr()
        if inet_pton(AF_INET6, text, &six) == 1 {
            // Safe: in6_addr is sixteen bytes.
            return withUnsafeBytes(of: six) { Array($0) }
        }
        return nil
    }
}

/// What may be connected to: public addresses, and the ranges that the operator opened.
package struct ReachableAddresses: Sendable {
    /// Public addresses alone, on ports that no mail or shell server has.
    package static let publicOnly = ReachableAddresses(allowing: [])
    /// Everything, for connections to an address that the operator himself configured: a node's controller.
    package static let all = ReachableAddresses(isOpen: true)

    private let allowed: [AddressRange]
    private let refusedPorts: Set<UInt16>
    /// Of public addresses; nil is all but the refused.
    private let publicPorts: Set<UInt16>?
    private let isOpen: Bool

    /// Public addresses, at `publicPorts` where those are given, and those of `ranges` (which never open the metadata
    /// service); never the refused `ports`, beside those of shells and mail.
    package init(
        allowing ranges: [AddressRange], refusingPorts ports: Set<UInt16> = [], publicPorts: Set<UInt16>? = nil
    ) {
        allowed = ranges
        refusedPorts = ports.union([22, 23, 25, 465, 587])
        self.publicPorts = publicPorts
        isOpen = false
    }

    private init(isOpen: Bool) {
        allowed = []
        refusedPorts = []
        publicPorts = nil
        self.isOpen = isOpen
    }

    /// Whether `address` (4 or 16 bytes, network order) may be connected to at `port`.
    package func allows(_ address: [UInt8], port: UInt16) -> Bool {
        if isOpen { return true }
        guard !refusedPorts.contains(port) else { return false }
        let address = Self.embedded(address)
        guard !Self.never.contains(where: { $0.contains(address) }) else { return false }
        if allowed.contains(where: { $0.contains(address) }) { return true }
        return Self.isPublic(address) && publicPorts?.contains(port) != false
    }

    /// The IPv4 address that an IPv6 one stands for: mapped, NAT64 and 6to4; others as they are.
    private static func embedded(_ address: [UInt8]) -> [UInt8] {
        guard address.count == 16 else { return address }
        if address.starts(with: mapped) || address.starts(with: translated) { return Array(address[12...]) }
        if address.starts(with: [0x20, 0x02]) { return Array(address[2..<6]) }
        return address
    }

    private static let mapped: [UInt8] = [UInt8](repeating: 0, count: 10) + [255, 255]
    private static let translated: [UInt8] = [0, 0x64, 0xff, 0x9b] + [UInt8](repeating: 0, count: 8)

    private static func isPublic(_ address: [UInt8]) -> Bool {
        switch address.count {
        case 4: !special.contains { $0.contains(address) }
        // Of IPv6 only 2000::/3 is given out; the special ranges in it are listed.
        case 16: address[0] & 0xe0 == 0x20 && !special.contains { $0.contains(address) }
        default: false
        }
    }

    /// Metadata services, for nobody.
    private static let never = ranges(["169.254.169.254", "fd00:ec2::254"])

    /// IANA's registries of special-purpose addresses, and Azure's platform address.
    private static let special = ranges([
        "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24",
        "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24",
        "224.0.0.0/4", "240.0.0.0/4", "168.63.129.16", "2001::/23", "2001:db8::/32", "3fff::/20",
    ])

    private static func ranges(_ texts: [String]) -> [AddressRange] { texts.compactMap { try? AddressRange($0) } }
}
