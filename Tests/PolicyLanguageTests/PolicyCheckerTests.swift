import PolicyLanguage
import Testing

/// What is refused in documents that can be read.
@Suite struct PolicyCheckerTests {
    private func messages(_ policies: String, in section: PolicySection = .inbound, level: PolicyLevel = .operation)
        -> [String]
    {
        Checks.problems(Checks.document(policies, in: section), level: level).map(\.message)
    }

    private func isRefused(_ policies: String, in section: PolicySection = .inbound, level: PolicyLevel = .operation)
        -> Bool
    {
        !messages(policies, in: section, level: level).isEmpty
    }

    @Test func theDefaultDocumentIsRight() throws {
        let document = try Checks.document(PolicyChecker.defaultGlobalDocument, .xml, level: .global)
        #expect(document.sections.count == 4)
        #expect(document.sections[.backend]?.map(\.element) == ["forward-request"])
        #expect(document.warnings.isEmpty)
    }

    @Test func C01_refuses_a_wildcard_origin_with_the_reference_text() throws {
        let text = """
            <policies>
              <inbound>
                <base />
                <cors allow-credentials="false">
                  <allowed-origins>
                    <origin>https://*.shop.example.com</origin>
                  </allowed-origins>
                  <allowed-methods><method>GET</method></allowed-methods>
                  <allowed-headers><header>*</header></allowed-headers>
                </cors>
              </inbound>
              <backend><base /></backend>
              <outbound><base /></outbound>
            </policies>
            """
        let problem = try #require(Checks.problems(text).first)
        #expect(problem.target == "cors")
        #expect(
            problem.message == "Error in element 'cors' on line 4, column 6: Origin must be a valid URL consisting of "
                + "scheme, host, and port only")
    }

    @Test func P13_refuses_expressions_where_none_may_stand() throws {
        let mock = Checks.document(
            #"<mock-response status-code="@(int.Parse(context.A("x-want","200")))" content-type="a/b" />"#, in: .inbound
        )
        let first = try #require(Checks.problems(mock).first)
        #expect(first.target == "mock-response" && first.message.contains("not allowed"))
        let fragment = Checks.document(
            #"<include-fragment fragment-id="@((string)context.Variables["which"])" />"#, in: .inbound)
        #expect(Checks.problems(fragment).map(\.target) == ["include-fragment"])
    }

    @Test func P18_names_an_undeclared_attribute_with_the_reference_text() throws {
        let text = "<policies>\n<inbound>\n  <set-method x=\"1\">GET</set-method>\n</inbound></policies>"
        #expect(
            Checks.problems(text).map(\.message) == [
                "Error in element 'set-method' on line 3, column 4: The 'x' attribute is not declared."
            ])
    }

    @Test func P09_takes_a_named_value_as_part_of_an_id() throws {
        let text = Checks.document("<set-backend-service id=\"route\" backend-id=\"ORDERS_{{stage}}\" />", in: .inbound)
        var references = Checks.named(["stage": "test"])
        let missing = Checks.problems(text, references: references)
        #expect(missing.map(\.target) == ["set-backend-service"])
        references.backendExists = { $0 == "ORDERS_test" }
        let document = try Checks.document(text, references: references)
        #expect(document.uses.backends == ["ORDERS_test"])
        #expect(document.uses.namedValues == ["stage"])
        #expect(document.sections[.inbound]?.first?.policyID == "route")
    }

    @Test func expressionsAreRefusedUntilTheyAreBuilt() {
        let refused = messages("<set-header name=\"a\"><value>@(1)</value></set-header>")
        #expect(refused.isEmpty == false)
        let header = messages("<set-header name=\"@(x)\" exists-action=\"delete\" />")
        #expect(header.first?.contains("expressions are not supported yet") ?? false)
        #expect(isRefused("<set-body>@(a) b</set-body>"))
        #expect(!isRefused("<set-body>a @(b)</set-body>"), "only a whole value is an expression")
        #expect(!isRefused("<set-body>@@(b)</set-body>"))
    }

    @Test func everyFaultIsToldInDocumentOrder() {
        let text = """
            <policies>
            <inbound>
            <nope />
            <set-header />
            <choose />
            <rate-limit calls="0" renewal-period="301" />
            </inbound>
            <inbound />
            <other />
            </policies>
            """
        let problems = Checks.problems(text)
        #expect(problems.map(\.line) == problems.map(\.line).sorted())
        #expect(
            problems.map(\.target) == ["nope", "set-header", "choose", "rate-limit", "rate-limit", "inbound", "other"])
        #expect(problems[2].message.hasSuffix("The policy 'choose' is not supported yet."))
    }

    @Test func aMisspelledPolicyIsToldItsName() {
        #expect(messages("<set-haeder name=\"a\" />").first?.hasSuffix("Did you mean 'set-header'?") ?? false)
        #expect(messages("<RATE-LIMIT />").count == 1, "I4: case counts")
        #expect(messages("<x:set-method xmlns:x=\"u\">GET</x:set-method>").count == 1)
    }

    @Test func I10_takes_base_only_where_it_means_something() throws {
        #expect(isRefused("<base /><base />"))
        #expect(isRefused("<base a=\"b\" />"))
        #expect(isRefused("<base><base /></base>"))
        #expect(isRefused("<return-response><base /></return-response>"))
        #expect(!isRefused("<base />", level: .global))
        let fragment = PolicyChecker.check(fragment: "<fragment><base /></fragment>", format: .xml, references: .none)
        #expect(throws: PolicyProblems.self) { try fragment.get() }
        let document = try Checks.document(Checks.document("", in: .inbound), level: .api)
        #expect(document.warnings.map(\.target) == ["inbound"])
    }

    @Test func I11_takes_a_policy_in_its_sections_and_levels_alone() {
        let samples: [String: String] = [
            "authentication-basic": "<authentication-basic username=\"a\" password=\"b\" />",
            "check-header": "<check-header name=\"a\" failed-check-httpcode=\"401\" failed-check-error-message=\"\" "
                + "ignore-case=\"true\" />",
            "cors": "<cors><allowed-origins><origin>*</origin></allowed-origins></cors>",
            "forward-request": "<forward-request />",
            "ip-filter": "<ip-filter action=\"allow\"><address>10.0.0.1</address></ip-filter>",
            "limit-concurrency": "<limit-concurrency key=\"k\" max-count=\"1\"><return-response /></limit-concurrency>",
            "mock-response": "<mock-response />",
            "quota": "<quota calls=\"1\" renewal-period=\"0\" />",
            "rate-limit": "<rate-limit calls=\"1\" renewal-period=\"1\" />",
            "return-response": "<return-response />",
            "rewrite-uri": "<rewrite-uri template=\"/\" />",
            "set-backend-service": "<set-backend-service base-url=\"https://a.example\" />",
            "set-body": "<set-body />",
            "set-header": "<set-header name=\"a\" exists-action=\"delete\" />",
            "set-method": "<set-method>GET</set-method>",
            "set-query-parameter": "<set-query-parameter name=\"a\" exists-action=\"delete\" />",
            "set-status": "<set-status code=\"200\" />",
        ]
        for declaration in Policies.all where declaration.element != "base" && declaration.element != "include-fragment"
        {
            guard let sample = samples[declaration.element] else {
                Issue.record("no sample of \(declaration.element)")
                continue
            }
            for section in PolicySection.allCases {
                for level in PolicyLevel.allCases {
                    let isTaken = !isRefused(sample, in: section, level: level)
                    let isAllowed = declaration.sections.contains(section) && declaration.levels.contains(level)
                    #expect(isTaken == isAllowed, "\(declaration.element) in \(section) of \(level)")
                }
            }
            if declaration.repetition != .any, let section = declaration.sections.first,
                let level = declaration.levels.first
            {
                #expect(isRefused(sample + sample, in: section, level: level), "\(declaration.element) twice")
            }
        }
    }

    @Test(arguments: [
        "<set-header name=\"\" exists-action=\"delete\" />", "<set-header name=\"a b\" exists-action=\"delete\" />",
        "<set-header name=\"Content-Length\"><value>1</value></set-header>",
        "<set-header name=\"TRANSFER-ENCODING\" exists-action=\"delete\" />", "<set-header name=\"a\" />",
        "<set-header name=\"a\" exists-action=\"Override\"><value /></set-header>",
        "<set-header name=\"a\"><value>b&#10;c</value></set-header>", "<set-header name=\"a\">x</set-header>",
        "<set-query-parameter name=\"\"><value>1</value></set-query-parameter>", "<set-method />",
        "<set-method>G T</set-method>", "<set-status code=\"199\" />", "<set-status code=\"600\" />",
        "<set-status code=\"abc\" />", "<set-status code=\"2147483648\" />",
        "<set-status code=\"200\" reason=\"a&#13;b\" />",
        "<set-status code=\"200\" reason=\"ä\" />", "<set-backend-service />",
        "<set-backend-service base-url=\"https://a.example\" backend-id=\"b\" />",
        "<set-backend-service base-url=\"file:///etc/passwd\" />", "<set-backend-service base-url=\"a.example\" />",
        "<set-backend-service base-url=\"http://u:p@a.example\" />", "<rewrite-uri template=\"a\" />",
        "<rewrite-uri template=\"/{\" />", "<rewrite-uri template=\"/{}\" />", "<rewrite-uri template=\"/a#b\" />",
        "<rewrite-uri template=\"/&#10;a\" />", "<return-response><set-method>GET</set-method></return-response>",
        "<return-response><set-status code=\"100\" /></return-response>", "<mock-response status-code=\"101\" />",
        "<mock-response content-type=\"json\" />", "<ip-filter action=\"allow\" />",
        "<ip-filter action=\"deny\"><address>10.0.0.1</address></ip-filter>",
        "<ip-filter action=\"allow\"><address>10.0.0.256</address></ip-filter>",
        "<ip-filter action=\"allow\"><address>10.0.0.1/33</address></ip-filter>",
        "<ip-filter action=\"allow\"><address-range from=\"10.0.0.2\" to=\"10.0.0.1\" /></ip-filter>",
        "<ip-filter action=\"allow\"><address-range from=\"10.0.0.2\" to=\"::1\" /></ip-filter>",
        "<check-header name=\"a\" />", "<cors />", "<cors><allowed-origins /></cors>",
        "<cors><allowed-origins><origin>*</origin><origin>https://a.example</origin></allowed-origins></cors>",
        "<cors><allowed-origins><origin>https://a.example/path</origin></allowed-origins></cors>",
        "<cors><allowed-origins><origin>*</origin></allowed-origins><allowed-methods /></cors>",
        "<rate-limit calls=\"1\" />", "<rate-limit calls=\"1\" renewal-period=\"301\" />",
        "<rate-limit calls=\"1\" renewal-period=\"0\" />",
        "<rate-limit calls=\"1\" renewal-period=\"1\" total-calls-header-name=\"Content-Length\" />",
        "<rate-limit calls=\"-1\" renewal-period=\"1\" />",
        "<rate-limit calls=\"1\" renewal-period=\"1\"><api calls=\"1\" /></rate-limit>",
        "<authentication-basic username=\"a:b\" password=\"c\" />", "<authentication-basic username=\"a\" />",
        "<set-body template=\"liquid\">{{a}}</set-body>", "<include-fragment />",
        "<include-fragment fragment-id=\"none\" />", "<set-header name=\"a\" exists-action=\"delete\" x=\"y\" />",
    ])
    func refusesWhatIsOutOfBounds(policy: String) { #expect(isRefused(policy)) }

    @Test(arguments: [
        "<forward-request timeout=\"-1\" />", "<forward-request timeout=\"1\" timeout-ms=\"1\" />",
        "<forward-request follow-redirects=\"true\" />", "<forward-request http-version=\"2\" />",
        "<forward-request continue-timeout=\"1\" />", "<forward-request>x</forward-request>",
        "<forward-request /><forward-request />",
    ])
    func refusesForwardingThatIsNotBuilt(policy: String) { #expect(isRefused(policy, in: .backend)) }

    @Test(arguments: [
        "<rate-limit calls=\"111\" renewal-period=\"60\"><api id=\"a\" calls=\"21\"><operation name=\"b\" calls=\"2\" "
            + "renewal-period=\" 300 \" /></api></rate-limit>",
        "<set-header name=\"Host\" exists-action=\"skip\"><value> a </value></set-header>",
        "<set-body>{ \"a\": {{ x }} }</set-body>", "<set-body template=\"none\"><value>a</value></set-body>",
        "<rewrite-uri template=\"?\" />", "<rewrite-uri template=\"/a/{b}/{*c}?d={b}&amp;e\" />",
        "<ip-filter action=\"forbid\"><address>10.0.0.0/8</address><address>::ffff:10.0.0.1</address>"
            + "<address-range from=\"2001:db8::\" to=\"2001:db8::ff\" /></ip-filter>",
        "<cors><allowed-origins><origin>http://localhost:3000/</origin><origin>null</origin>"
            + "<origin>capacitor://localhost</origin></allowed-origins></cors>",
    ])
    func takesWhatIsWithinBounds(policy: String) {
        let problems = Checks.problems(
            Checks.document(policy, in: .inbound), references: Checks.named(["x": "1"]))
        #expect(problems.isEmpty, "\(problems)")
    }

    @Test func credentialsForEveryOriginAreWarnedOf() throws {
        let text = Checks.document(
            "<cors allow-credentials=\"true\"><allowed-origins><origin>*</origin></allowed-origins></cors><base />",
            in: .inbound)
        #expect(try Checks.document(text).warnings.map(\.target) == ["cors"])
    }
}
