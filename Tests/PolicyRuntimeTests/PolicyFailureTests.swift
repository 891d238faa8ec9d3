import HTTPEngine
import Testing

@testable import PolicyRuntime

/// Answers byte for byte (policies.md 2.4, resources.md 2.4).
@Suite struct PolicyFailureTests {
    private func answer(_ failure: PolicyFailure) throws -> PolicyExchange {
        var exchange = Calls.exchange()
        try Calls.chain().runOnError(failure, &exchange)
        return exchange
    }

    @Test func aKeyThatIsMissing() throws {
        let exchange = try answer(
            .subscriptionKeyMissing(realm: "https://gateway.example/shop", name: "Ocp-Apim-Subscription-Key"))
        #expect(exchange.response?.status == 401 && exchange.response?.reason == "Access Denied")
        #expect(exchange.responseBody?.count == 152)
        #expect(
            exchange.answerText
                == "{ \"statusCode\": 401, \"message\": \"Access denied due to missing subscription key. "
                + "Make sure to include subscription key when making requests to an API.\" }")
        #expect(
            exchange.responseLines("WWW-Authenticate") == [
                "AzureApiManagementKey realm=\"https://gateway.example/shop\",name=\"Ocp-Apim-Subscription-Key\","
                    + "type=\"header\""
            ])
        #expect(
            exchange.lastError?.source == "authorization" && exchange.lastError?.reason == "SubscriptionKeyNotFound")
        #expect(exchange.lastError?.message.hasSuffix("requests to this API.") ?? false)
    }

    @Test func aKeyThatIsWrong() throws {
        let exchange = try answer(.subscriptionKeyInvalid(realm: "https://gateway.example/", name: "x-key"))
        #expect(exchange.responseBody?.count == 143)
        #expect(exchange.lastError?.reason == "SubscriptionKeyInvalid")
    }

    @Test func aPathThatIsNotThere() throws {
        let exchange = try answer(.operationNotFound)
        #expect(exchange.response?.status == 404 && exchange.response?.reason == "Resource Not Found")
        #expect(exchange.answerText == "{ \"statusCode\": 404, \"message\": \"Resource not found\" }")
        #expect(exchange.responseBody?.count == 54)
    }

    @Test func faultsOfTheBackendLookAlikeToTheCaller() throws {
        let failures: [PolicyFailure] = [
            .backendUnreachable(), .backendTimeout(activityID: "87aeb87f-192c-424c-84d1-32d5bbfec437"),
            .internalError(),
        ]
        for failure in failures {
            let exchange = try answer(failure)
            #expect(exchange.response?.status == 500)
            #expect(
                exchange.answerText == "{ \"statusCode\": 500, \"message\": \"Internal server error\", \"activityId\": "
                    + "\"87aeb87f-192c-424c-84d1-32d5bbfec437\" }")
        }
        #expect(try answer(.backendTimeout()).lastError?.message == "Request to the backend service timed out")
    }

    @Test func messagesAreEscaped() {
        let failure = PolicyFailure(
            status: 400, callerMessage: "a\"b\\c\n\u{1}ä",
            lastError: LastError(source: "x", reason: "y", message: "z"))
        #expect(
            String(decoding: failure.body(activityID: ""), as: UTF8.self)
                == "{ \"statusCode\": 400, \"message\": \"a\\\"b\\\\c\\n\\u0001ä\" }")
    }

    @Test func I27_a_realm_cannot_split_the_head() {
        let failure = PolicyFailure.subscriptionKeyMissing(realm: "https://a/\"\r\nX: y", name: "k")
        let value = failure.fields.first(.wwwAuthenticate).map { String(decoding: $0, as: UTF8.self) }
        #expect(value == "AzureApiManagementKey realm=\"https://a/\\\"X: y\",name=\"k\",type=\"header\"")
    }
}
