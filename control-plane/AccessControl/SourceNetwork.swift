// Where a try came from, as far as one guesser can choose it: an IPv4 address, or an IPv6 network of 64 bits.
internal import Cryptography

package enum SourceNetwork {
    /// The address itself, or the /64 of an IPv6 address in one spelling: `2001:db8:0:1::/64`. What is no address stays
    /// as it is.
    package static func name(of address: String) -> String {
        guard address.contains(":"), let bytes = AddressLiteral.bytes(of: address), bytes.count == 16 else {
            return address
        }
        // An IPv4 address in IPv6's clothes is no network of its own.
        let mapped: [UInt8] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF]
        if bytes.starts(with: mapped) { return AddressLiteral.text(of: Array(bytes[12...])) }
        let groups = stride(from: 0, to: 8, by: 2).map {
            String(UInt16(bytes[$0]) << 8 | UInt16(bytes[$0 + 1]), radix: 16)
        }
        return groups.joined(separator: ":") + "::/64"
    }
}
