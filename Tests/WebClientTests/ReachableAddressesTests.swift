import Testing
import WebClient

@Suite struct ReachableAddressesTests {
    @Test(arguments: [
        "127.0.0.1", "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "169.254.169.254", "168.63.129.16",
        "100.64.0.1", "100.100.100.200", "0.0.0.0", "224.0.0.1", "239.255.255.255", "255.255.255.255", "192.0.0.1",
        "198.18.0.1", "::", "::1", "fe80::1", "fc00::1", "fd00:ec2::254", "ff02::1", "::ffff:127.0.0.1",
        "::ffff:10.0.0.1", "64:ff9b::7f00:1", "64:ff9b:1::1", "2002:7f00:1::", "2002:a00:1::1", "2001::1",
        "2001:db8::1", "::7f00:1", "fec0::1", "100::1", "3fff::1",
    ])
    func E28_not_ours_to_reach(text: String) throws {
        let address = try bytes(text)
        #expect(!ReachableAddresses.publicOnly.allows(address, port: 443))
    }

    @Test(arguments: [
        "8.8.8.8", "172.15.0.1", "172.32.0.1", "100.63.0.1", "100.128.0.1", "192.0.1.1", "223.255.255.255",
        "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808", "2002:808:808::1", "2a00::1",
    ])
    func E28_public_addresses_are_reached(text: String) throws {
        let address = try bytes(text)
        #expect(ReachableAddresses.publicOnly.allows(address, port: 443))
        for port: UInt16 in [22, 25] { #expect(!ReachableAddresses.publicOnly.allows(address, port: port)) }
    }

    @Test func E28_the_operator_opens_ranges_but_never_the_metadata_service() throws {
        let reach = try ReachableAddresses(
            allowing: ["0.0.0.0/0", "::/0"].map { text in try AddressRange(text) }, refusingPorts: [7444])
        #expect(reach.allows(try bytes("10.0.0.1"), port: 443))
        #expect(reach.allows(try bytes("::1"), port: 443))
        #expect(reach.allows(try bytes("::ffff:10.0.0.1"), port: 443))
        #expect(!reach.allows(try bytes("10.0.0.1"), port: 7444))
        #expect(!reach.allows(try bytes("169.254.169.254"), port: 80))
        #expect(!reach.allows(try bytes("::ffff:169.254.169.254"), port: 80))
        #expect(!reach.allows(try bytes("fd00:ec2::254"), port: 80))
    }

    @Test func G54_public_addresses_are_reached_at_the_ports_of_the_web_alone() throws {
        let reach = try ReachableAddresses(
            allowing: [AddressRange("10.0.0.0/8")], refusingPorts: [7444], publicPorts: [80, 443, 8080, 8443])
        for port: UInt16 in [80, 443, 8080, 8443] {
            #expect(reach.allows(try bytes("8.8.8.8"), port: port))
            #expect(reach.allows(try bytes("::ffff:8.8.8.8"), port: port))
            #expect(!reach.allows(try bytes("192.168.0.1"), port: port))
        }
        for port: UInt16 in [0, 21, 22, 25, 81, 442, 444, 6379, 7444, 8081, 65_535] {
            #expect(!reach.allows(try bytes("8.8.8.8"), port: port), "\(port)")
        }
        // What the operator opened is open at all ports but those of shells and mail, and our own.
        #expect(reach.allows(try bytes("10.0.0.1"), port: 9000))
        for port: UInt16 in [22, 25, 7444] { #expect(!reach.allows(try bytes("10.0.0.1"), port: port)) }
    }

    @Test(arguments: [
        ("10.0.0.0/8", "10.255.1.1", true), ("10.0.0.0/8", "11.0.0.0", false), ("10.0.0.128/25", "10.0.0.127", false),
        ("10.0.0.128/25", "10.0.0.255", true), ("10.1.2.3", "10.1.2.3", true), ("0.0.0.0/0", "1.2.3.4", true),
        ("0.0.0.0/0", "::1", false), ("fd00::/9", "fd7f::1", true), ("fd00::/9", "fd80::1", false),
    ])
    func aRangeHoldsWhatItsBitsSay(range: String, address: String, isIn: Bool) throws {
        #expect(try AddressRange(range).contains(bytes(address)) == isIn)
    }

    @Test(arguments: [
        "", "10.0.0.0/33", "10.0.0.0/", "10.0.0.0/-1", "10.0.0.0/8/8", "::/129", "host", "10.0.0.0/ 8", "10.1",
    ])
    func whatIsNoRangeIsRefused(text: String) {
        #expect(throws: AddressRange.Unreadable.self) { try AddressRange(text) }
    }

    /// The bytes of a literal, by way of a range that holds that address alone.
    private func bytes(_ text: String) throws -> [UInt8] {
        let range = try AddressRange(text)
        return try #require(Mirror(reflecting: range).children.first { $0.label == "network" }?.value as? [UInt8])
    }
}
