import Testing

@testable import HTTPEngine

@Suite struct ForwardingTests {
    @Test func aCallReachesTheBackendAndComesBack() throws {
        let backend = TestBackend.echo()
        let gateway = try TestGateway(backend)
        let client = gateway.connect()
        client.send("GET /a?x=1 HTTP/1.1\r\nHost: gw.test\r\nX: 1\r\n\r\n")
        let response = try #require(client.receiveResponse())
        #expect(response.status == 200)
        #expect(response.body == "/a?x=1|")
        #expect(response.field("X-Backend") == "1")
        client.send("POST /b HTTP/1.1\r\nHost: gw.test\r\nContent-Length: 5\r\n\r\nhello")
        #expect(client.receiveResponse()?.body == "/b|hello")
        client.send(
            "POST /c HTTP/1.1\r\nHost: gw.test\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n")
        #expect(client.receiveResponse()?.body == "/c|abcde")
        #expect(backend.connections == 1)
        #expect(backend.requests[0].contains("\r\nX: 1\r\n"))
    }
}
