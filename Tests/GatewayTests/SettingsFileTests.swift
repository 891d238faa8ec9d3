import Testing

@testable import HTTPEngine
@testable import gatehouse_gateway

@Suite struct SettingsFileTests {
    @Test func limitsAreSetByName() throws {
        let limits = try SettingsFile.limits(from: "# ours\nidleMilliseconds: 5_000\n\nrequestFields: 7 # few\n")
        #expect(limits.engine.idleMilliseconds == 5_000 && limits.engine.requestFields == 7)
        #expect(limits.engine.headMilliseconds == EngineLimits().headMilliseconds)
        #expect(SettingsFile.description(of: limits).contains("idleMilliseconds=5000"))
    }

    @Test(arguments: [
        "idleMiliseconds: 1", "idleMilliseconds 1", "idleMilliseconds: x", "requestFields: 0",
        "requestFields: 7\nrequestFields: 7", " requestFields: 7", "requestFields: [7]", "requestFields:\n  - 7",
        "- a", "identityFields: X-Real-IP", "identityFields: [X Y]", "identityFields:", "hostBytes: 256",
        "engine:\n  hostBytes: 9",
    ])
    func whatIsNoSettingIsRefused(text: String) {
        #expect(throws: ExitReason.self) { try SettingsFile.limits(from: text) }
    }

    @Test func fieldsThatSpeakOfIdentityAreAList() throws {
        #expect(
            try SettingsFile.limits(from: "identityFields: [X-A, \"X-B\"]").identityFields == [
                FieldName("x-a"), FieldName("X-B"),
            ])
        let limits = try SettingsFile.limits(
            from: "identityFields:\n  - X-C # one\nlogValueBytes: 2048\nmethodBytes: 16\n")
        #expect(limits.identityFields == [FieldName("X-C")] && limits.logValueBytes == 2_048)
        #expect(limits.engine.methodBytes == 16)
        #expect(try SettingsFile.limits(from: "identityFields: []").identityFields.isEmpty)
        #expect(SettingsFile.description(of: limits).hasSuffix("identityFields=X-C"))
    }

    @Test func everyLimitHasItsNameOnce() {
        #expect(Set(LimitSetting.all.map(\.name)).count == LimitSetting.all.count)
        // Every number of the engine can be set: a new one without a name here would not be.
        let limits = NodeLimits()
        let numbers = Mirror(reflecting: limits.engine).children.compactMap(\.label)
        #expect(Set(numbers).subtracting(LimitSetting.all.map(\.name)).isEmpty)
        for setting in LimitSetting.all {
            var changed = limits
            setting.place(&changed, setting.range.lowerBound + 1)
            #expect(setting.value(changed) == setting.range.lowerBound + 1, "\(setting.name)")
            #expect(setting.range.contains(setting.value(limits)), "\(setting.name)")
        }
    }

    @Test func theNearestNameIsSaid() {
        let refusal = #expect(throws: ExitReason.self) { try SettingsFile.limits(from: "idleMiliseconds: 1") }
        #expect(refusal?.message.contains("idleMilliseconds") == true && refusal?.status == 2)
    }
}
