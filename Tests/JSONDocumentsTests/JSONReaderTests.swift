import JSONDocuments
import Testing

@Suite struct JSONReaderTests {
    @Test(arguments: [
        #"{"b":1,"a":[true,false,null,"x\né😀"],"c":-0,"d":1.50e+3,"e":12345678901234567890}"#, "[]", "{}", #""""#, "0",
    ])
    func whatIsReadIsWrittenBackAsItWas(text: String) throws {
        #expect(try JSONReader.read(text).encodedText() == text)
    }

    @Test(arguments: [
        "", " ", "{", "[1,", "{nope", #"{"a":1,}"#, "[1,]", "01", "+1", ".5", "1.", "1e", "NaN", "tru", "'a'", #""a"#,
        #""\x""#, #""\ud800""#, #""\ud800\u0041""#, #""\udc00""#, "\"\u{1}\"", "{}{}", "1 2", #"{"a":1,"a":2}"#,
        #"{"aN":1,"a\u004e":2}"#, "{1:2}", #"{"a" 1}"#, "\u{FEFF}\u{FEFF}1",
    ])
    func whatIsNoJSONIsRefused(text: String) {
        #expect(throws: JSONFault.self) { try JSONReader.read(text) }
    }

    @Test func namesAreComparedByteForByte() throws {
        let composed: [(String, JSONValue)] = [("\u{E9}", 1), ("e\u{301}", 2)]
        let text = JSONValue.object(JSONObject(composed)).encodedText()
        let value = try JSONReader.read(text)
        #expect(value["\u{E9}"] == 1 && value["e\u{301}"] == 2)
        #expect(value.encodedText() == text)
        let turned = JSONValue.object(JSONObject(composed.reversed()))
        #expect(turned == value && turned.encoded(sorted: true) == value.encoded(sorted: true))
        var object = try #require(value.members)
        object["\u{E9}"] = nil
        #expect(object.names.map { $0.utf8.count } == [3])
    }

    /// Where names were hashed as Swift hashes text, this took many minutes.
    @Test(.timeLimit(.minutes(1))) func aNameOfManyMarksIsReadInTheTimeOfItsLength() throws {
        let name = "a" + String(repeating: "\u{301}\u{323}", count: 500_000)
        let value = try JSONReader.read("{\"\(name)\":1}")
        #expect(value[name] == 1)
    }

    @Test func bytesThatAreNotUTF8AreRefused() {
        #expect(throws: JSONFault.self) { try JSONReader.read([0x22, 0xFF, 0xFE, 0x22]) }
        #expect(throws: JSONFault.self) { try JSONReader.read([0x22, 0xED, 0xA0, 0x80, 0x22]) }
    }

    @Test func depthIsBounded() throws {
        let deep = { (levels: Int) in
            String(repeating: "[", count: levels) + String(repeating: "]", count: levels)
        }
        #expect(throws: Never.self) { try JSONReader.read(deep(64)) }
        #expect(throws: JSONFault.self) { try JSONReader.read(deep(65)) }
        #expect(throws: JSONFault.self) { try JSONReader.read(String(repeating: "[", count: 100_000)) }
    }

    @Test func aFaultNamesItsPlace() {
        #expect(throws: JSONFault(message: "The member 'a' stands twice.", line: 2, column: 7)) {
            try JSONReader.read("{\n\"a\":1,\"a\":2}")
        }
    }

    @Test func noMutationOfADocumentTraps() throws {
        let document = Array(#"{"a":[1,2.5e3,"x\u00e9\n"],"b":{"c":null,"d":true}}"#.utf8)
        var state: UInt64 = 7
        for _ in 0..<20_000 {
            var bytes = document
            for _ in 0..<3 {
                state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
                bytes[Int(state >> 33) % bytes.count] = UInt8(truncatingIfNeeded: state >> 25)
            }
            _ = try? JSONReader.read(Array(bytes.prefix(Int(state >> 40) % (bytes.count + 1))))
            if let value = try? JSONReader.read(bytes) {
                #expect(try JSONReader.read(value.encoded()) == value)
            }
        }
    }

    @Test func equalObjectsMayDifferInOrder() throws {
        #expect(try JSONReader.read(#"{"a":1,"b":2}"#) == JSONReader.read(#"{"b":2,"a":1}"#))
        #expect(try JSONReader.read(#"{"b":2,"a":1}"#).encodedText(sorted: true) == #"{"a":1,"b":2}"#)
    }

    @Test(arguments: [
        ("1.0", 1), ("1e2", 100), ("10E-1", 1), ("0.5e1", 5), ("-1.0", -1), ("1.5", nil), ("1e-1", nil), ("0.0", 0),
        ("0e99", 0), ("1e400", nil), ("1e99999999999999999999", nil),
        ("1e-9223372036854775808", nil), ("1e9223372036854775807", nil), ("9223372036854775808", nil), ("-0.0", 0),
        ("9.223372036854775807e18", .max), ("-9223372036854775808.0", .min), ("0e-5", 0), ("100e-2", 1),
    ])
    func wholeNumeralsKeepTheirValue(text: String, value: Int64?) throws {
        #expect(try JSONReader.read(text).wholeNumber == value)
    }

    @Test func valuesOfADocumentAreBounded() throws {
        #expect(try JSONReader.read("[1,[2],{\"a\":3}]", valuesMax: 6).items?.count == 3)
        #expect(throws: JSONFault.self) { try JSONReader.read("[1,[2],{\"a\":3}]", valuesMax: 5) }
    }
}
