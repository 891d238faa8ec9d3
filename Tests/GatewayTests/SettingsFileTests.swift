import Testing

@testable import HTTPEngine
@testable import gatehouse_gateway

@Suite struct SettingsFileTests {
    @Test func limitsAreSetByName() throws {
        let limits = try SettingsFile.limits(from: "# ours\nidleMilliseconds: 5_000\n\nrequestFields: 7 # few\n")
        #expect(limits.idleMilliseconds == 5_000 && limits.requestFields == 7)
        #expect(limits.headMilliseconds == EngineLimits().headMilliseconds)
        #expect(SettingsFile.description(of: limits).contains("idleMilliseconds=5000"))
    }

    @Test(arguments: [
        "idleMiliseconds: 1", "idleMilliseconds 1", "idleMilliseconds: x", "requestFields: 0",
        "requestFields: 7\nrequestFields: 7", " requestFields: 7",
    ])
    func whatIsNoSettingIsRefused(text: String) {
        #expect(throws: ExitReason.self) { try SettingsFile.limits(from: text) }
    }

    @Test func theNearestNameIsSaid() {
        let refusal = #expect(throws: ExitReason.self) { try SettingsFile.limits(from: "idleMiliseconds: 1") }
        #expect(refusal?.message.contains("idleMilliseconds") == true && refusal?.status == 2)
    }
}
