import PolicyLanguage
import Testing

/// What is refused while the XML itself is read, with its place.
@Suite struct DocumentReaderTests {
    private func read(_ text: String, _ format: PolicyFormat = .xml) -> PolicyProblem? {
        Checks.problems(text, format).first { $0.target == PolicyProblem.representation }
    }

    @Test(arguments: [
        ("", "Root element is missing. Line 1, position 1."),
        ("x", "Data at the root level is invalid. Line 1, position 1."),
        ("<policies>", "The following elements are not closed: policies. Line 1, position 11."),
        (
            "<policies>\n <inbound>\n</policies>",
            "The 'inbound' start tag on line 2 position 3 does not match the end tag of 'policies'. Line 3, position 3."
        ),
        ("<policies/><policies/>", "There are multiple root elements. Line 1, position 13."),
        ("<policies a=1/>", "The expected token is '\"' or '''. Line 1, position 13."),
        ("<policies>\n\t<a b=\"<\"/></policies>", "is an invalid attribute character. Line 2, position 8."),
        ("<policies>&nbsp;</policies>", "Reference to undeclared entity 'nbsp'. Line 1, position 11."),
        ("<policies>]]></policies>", "is not allowed in character data. Line 1, position 11."),
        ("<policies><inbound></inbound x></policies>", "The expected token is '>'. Line 1, position 30."),
    ])
    func namesTheFaultAndItsPlace(text: String, message: String) throws {
        let fault = try #require(read(text))
        #expect(fault.message.hasSuffix(message), "\(fault.message)")
    }

    @Test(arguments: [PolicyFormat.xml, .rawxml])
    func I1_refuses_every_DTD_and_entity(format: PolicyFormat) throws {
        for text in [
            "<!DOCTYPE policies><policies />", "<!DOCTYPE x [<!ENTITY a \"b\">]><policies>&a;</policies>",
            "<!DOCTYPE x SYSTEM \"file:///etc/passwd\"><policies />",
        ] {
            let fault = try #require(read(text, format))
            #expect(fault.message.contains("DTD is prohibited") && fault.column == 1)
        }
        for entity in ["&nbsp;", "&#0;", "&#x110000;", "&#xD800;", "&#;", "&#x;", "&", "&#99999999999999999999;"] {
            #expect(read("<policies>\(entity)</policies>", format) != nil, "\(entity)")
        }
    }

    @Test func I2_takes_Unicode_once() {
        #expect(read("\u{FEFF}<?xml version=\"1.0\" encoding=\"utf-16\"?>\n<policies />") == nil)
        for encoding in ["utf-8", "UTF-8", "us-ascii"] {
            #expect(read("<?xml version=\"1.0\" encoding=\"\(encoding)\"?><policies />") == nil)
        }
        for encoding in ["utf-7", "ebcdic", "iso-8859-1"] {
            #expect(read("<?xml version=\"1.0\" encoding=\"\(encoding)\"?><policies />") != nil)
        }
        for text in ["\u{0}", "\u{FFFE}", "\u{FFFF}", "\u{1}"] { #expect(read("<policies>\(text)</policies>") != nil) }
        #expect(read("<policies\u{A0}a=\"b\" />") != nil)
        #expect(read(" <?xml version=\"1.0\"?><policies />") != nil)
    }

    @Test func I3_ends_early_on_size_and_depth() throws {
        let tooLong = "<policies>" + String(repeating: " ", count: 256 << 10) + "</policies>"
        #expect(try #require(read(tooLong)).message.hasPrefix("Policy size exceeds allowed limit of 256 KB."))
        #expect(try #require(read(String(repeating: "<a>", count: 80_000))).message.contains("deeper than 100"))
        let attributes = (0..<20_000).map { "a\($0)=\"\"" }.joined(separator: " ")
        #expect(read("<policies \(attributes) />") != nil)
        let faults = Checks.problems("<policies>" + String(repeating: "<a/>", count: 50_000) + "</policies>")
        #expect(faults.count == 100)
        #expect(try #require(faults.last).message.hasSuffix("(and 49900 more problems)"))
    }

    @Test func I4_refuses_an_attribute_that_stands_twice() throws {
        let text = Checks.document("<set-method x=\"1\" x=\"9\">GET</set-method>", in: .inbound)
        #expect(try #require(read(text)).message.contains("'x' is a duplicate attribute name."))
    }

    @Test func aTabCountsOneColumnAndALetterBeyondTheBasicPlaneTwo() throws {
        let text = "<policies>\n<inbound>\t<!-- \u{1F600} --><bad /></inbound></policies>"
        let problem = try #require(Checks.problems(text).first)
        #expect(problem.message.hasPrefix("Error in element 'bad' on line 2, column 23: "))
    }

    @Test func lineEndsOfEveryKindAreCounted() throws {
        for lineEnd in ["\n", "\r\n", "\r"] {
            let text = ["<policies>", "<inbound>", " <bad />", "</inbound>", "</policies>"].joined(separator: lineEnd)
            let problem = try #require(Checks.problems(text).first)
            #expect(problem.line == 3 && problem.column == 3)
        }
    }

    @Test func entitiesCDATAAndCommentsMakeOneText() throws {
        let text = Checks.document(
            "<set-body>a&lt;<!-- not -- this -->&#x41;&#66;<![CDATA[<c> & ]]>d</set-body>", in: .inbound)
        for format in PolicyFormat.allCases {
            let policy = try #require(try Checks.document(text, format).sections[.inbound]?.first)
            #expect(policy.literalText == "a<AB<c> & d")
        }
    }

    @Test func markupInABodyIsItsText() throws {
        let text = Checks.document("<set-body>\n<e:x xmlns:e=\"u\">&amp;<b /></e:x>\n</set-body>", in: .inbound)
        let policy = try #require(try Checks.document(text).sections[.inbound]?.first)
        #expect(policy.literalText == "<e:x xmlns:e=\"u\">&amp;<b /></e:x>\n")
    }

    @Test func P03_reads_raw_expressions_as_rawxml_alone() throws {
        let quoted = Checks.document(
            "<set-header name=\"a\"><value>@(context.A(\"x\",\"<\"))</value></set-header>", in: .inbound)
        #expect(read(quoted, .rawxml) == nil)
        let generic = Checks.document(
            "<set-header name=\"X\"><value>@{ var o = context.Request.Body.As<JObject>(preserveContent: true); "
                + "return (string)o[\"id\"]; }</value></set-header>", in: .inbound)
        let message = try #require(read(generic, .xml)).message
        #expect(message.contains("JObject"))
        #expect(message.wholeMatch(of: /.* Line \d+, position \d+\./) != nil)
        #expect(read(generic, .rawxml) == nil)
        let attribute = Checks.document("<set-status code=\"@(a[\"b\"] > 1 ? 200 : 404)\" />", in: .outbound)
        #expect(read(attribute, .rawxml) == nil)
        #expect(read(attribute, .xml) != nil)
    }

    @Test func anExpressionWithoutEndHasAPlace() throws {
        let text = "<policies>\n<inbound><set-status code=\"@(a(\" /></inbound>\n</policies>"
        let problem = try #require(Checks.problems(text).first)
        #expect(problem.target == "set-status" && problem.line == 2 && problem.column == 11)
        #expect(problem.message.contains("does not end"))
        let spilling = Checks.document("<set-method x=\"@(a.\" y=\"b\">GET</set-method>", in: .inbound)
        #expect(Checks.problems(spilling).contains { $0.target == "set-method" })
        let many = String(repeating: "<a b=\"@(\"/>", count: 20_000)
        #expect(read("<policies>\(many)</policies>", .rawxml) != nil, "I12: the work does not grow with the square")
    }

    /// Where names of any length were hashed, this took many seconds.
    @Test(.timeLimit(.minutes(1))) func I12_a_name_is_bounded() {
        let marks = String(repeating: "\u{301}\u{323}", count: 60_000)
        for text in ["<policies a\(marks)=\"1\" />", "<a\(marks) />", "<policies></a\(marks)>"] {
            #expect(Checks.problems(text).count == 1)
        }
    }
}
