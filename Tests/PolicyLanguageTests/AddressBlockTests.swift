import PolicyLanguage
import Testing

@Suite struct AddressBlockTests {
    @Test(arguments: [
        ("10.0.0.1", "10.0.0.1", true), ("10.0.0.0/8", "10.255.0.1", true), ("10.0.0.0/8", "11.0.0.1", false),
        ("0.0.0.0/0", "255.255.255.255", true), ("10.1.2.3/31", "10.1.2.2", true), ("::1", "::1", true),
        ("::ffff:10.0.0.1", "10.0.0.1", true), ("::ffff:10.0.0.0/104", "10.9.9.9", true),
        ("2001:db8::/32", "2001:db8:ffff::1", true), ("2001:db8::/32", "2001:db9::", false),
        ("::/0", "10.0.0.1", false),
        ("fe80::1", "fe80::2", false),
    ])
    func containsWhatLiesBetween(block: String, address: String, isIn: Bool) throws {
        #expect(try #require(AddressBlock(block)).contains(try #require(IPAddress(address))) == isIn)
    }

    @Test(arguments: [
        "", "10.0.0", "10.0.0.256", "010.0.0.1", "10.0.0.1.", "1e1.0.0.1", "10.0.0.1/33", "10.0.0.1/-1", "10.0.0.1/a",
        "::/129", ":::", "1::2::3", "12345::", "::g", "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9", "::1.2.3", "10.0.0.1/8/8",
        "fe80::1%eth0", "+1::", "[::1]",
    ])
    func refusesWhatIsNoAddress(text: String) { #expect(AddressBlock(text) == nil) }

    @Test(arguments: [
        "010.0.0.1", "10.1", "0x0a.0.0.1", "167772161", "10.0.0.256", "10.0.0.0/33", "fe80::1%eth0", "10.0.0.1/08x",
        "10.0.0.1 10.0.0.2", "10,0.0.1", "::ffff:010.0.0.1", "1.2.3.4.5",
    ])
    func B28_aSavedAddressIsReadInOneWay(text: String) {
        let policy = "<ip-filter action=\"allow\"><address>\(text)</address></ip-filter>"
        let problems = Checks.problems(Checks.document(policy, in: .inbound))
        #expect(problems.map(\.target) == ["address"], "\(text)")
        for (from, to) in [(text, "10.255.255.255"), ("10.0.0.0", text)] {
            let range = "<ip-filter action=\"allow\"><address-range from=\"\(from)\" to=\"\(to)\" /></ip-filter>"
            #expect(!Checks.problems(Checks.document(range, in: .inbound)).isEmpty, "\(text)")
        }
    }

    @Test func B28_aRangeIsOfOneFamilyAndInOrder() {
        for (from, to, isGood) in [
            ("10.0.0.1", "10.0.0.9", true), ("10.0.0.9", "10.0.0.1", false), ("10.0.0.1", "::ffff:10.0.0.9", true),
            ("10.0.0.1", "2001:db8::1", false), ("::", "ffff::", true), ("2001:DB8:0::1", "2001:db8::1", true),
        ] {
            let range = "<ip-filter action=\"allow\"><address-range from=\"\(from)\" to=\"\(to)\" /></ip-filter>"
            #expect(Checks.problems(Checks.document(range, in: .inbound)).isEmpty == isGood, "\(from) \(to)")
        }
        #expect(IPAddress("2001:DB8:0::1") == IPAddress("2001:db8::1"))
        #expect(IPAddress("::10.1.1.1") != IPAddress("10.1.1.1"))
        #expect(IPAddress("64:ff9b::a01:101") != IPAddress("10.1.1.1"))
    }

    @Test func originsAreComparedInOneForm() {
        #expect(WebOrigin("https://GOOD.example:443") == WebOrigin("https://good.example/"))
        #expect(WebOrigin("http://good.example") != WebOrigin("https://good.example"))
        #expect(WebOrigin("https://good.example:444") != WebOrigin("https://good.example"))
        for text in [
            "good.example", "https://", "https://a/b", "https://*.a", "https://u@a", "https://a:", "https://a:99999",
        ] {
            #expect(WebOrigin(text) == nil, "\(text)")
        }
    }
}
