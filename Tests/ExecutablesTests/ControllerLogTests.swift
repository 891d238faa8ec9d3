// The controller's log lines: JSON, one a line, without credentials and without what speaks to a terminal.
import Foundation
import Testing

@testable import gatehouse_controller

@Suite struct ControllerLogTests {
    private func line(_ message: String, _ metadata: [String: String] = [:]) -> String {
        String(
            decoding: JSONLogHandler.line(
                time: "2026-11-25T00:00:00Z", level: "info", label: "gatehouse-controller", message: message,
                metadata: metadata), as: UTF8.self)
    }

    @Test(arguments: [
        "plain", "two\nlines\r\n", "\u{1B}[31mred\u{1B}[0m", "\u{9B}31m", "a\u{0}b\u{7F}", "\u{2028}\u{2029}\u{85}",
        "\u{202E}gnp",
        "quote \" and \\ backslash", "é 😀 \u{FEFF}", "",
    ])
    func G61_a_line_is_one_json_object_whatever_it_says(message: String) throws {
        let text = line(message, ["id": message, "time": "forged"])
        #expect(text.hasSuffix("}\n") && text.dropLast().allSatisfy { !$0.isNewline })
        let isPlain = text.dropLast().unicodeScalars.allSatisfy { scalar in
            ![.control, .format, .lineSeparator, .paragraphSeparator].contains(scalar.properties.generalCategory)
        }
        #expect(isPlain, "\(text.debugDescription)")
        let object = try #require(
            try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: String])
        #expect(object["message"] == message && object["id"] == message && object["time"] == "2026-11-25T00:00:00Z")
        #expect(object["level"] == "info" && object["source"] == "gatehouse-controller")
    }

    @Test func G61_credentials_are_masked_wherever_they_stand() {
        let text = line(
            "failed: Authorization: Bearer eyJ.a.b and basic dXNlcjpw, next",
            [
                "Authorization": "x-secret", "cookie": "x-secret", "Ocp-Apim-Subscription-Key": "x-secret",
                "header": "GatewayKey default&2026&x-secret", "other": "SharedAccessSignature uid=1&x-secret",
            ])
        #expect(!text.contains("eyJ") && !text.contains("dXNlcjpw") && !text.contains("x-secret"), "\(text)")
        #expect(text.contains("Bearer ***") && text.contains("next"))
    }
}
