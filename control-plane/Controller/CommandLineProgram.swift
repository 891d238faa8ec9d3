// Exit statuses and one-line errors (contract-details.md section 1).
internal import ArgumentParser
internal import Foundation
internal import Glibc

/// Something that ends the process with a line on stderr that says what to do.
struct ProcessFailure: Error {
    enum Status: Int32 { case failed = 1, wrongArguments = 2, cannotStart = 3 }
    var status: Status
    var message: String

    init(_ status: Status, _ message: String) {
        self.status = status
        self.message = message
    }
}

enum CommandLineProgram {
    /// Runs a command: 0 done, 1 failed at its work, 2 wrong arguments, 3 can't start.
    static func run(_ program: any AsyncParsableCommand.Type) async {
        do {
            var command = try program.parseAsRoot()
            if var command = command as? any AsyncParsableCommand {
                try await command.run()
            } else {
                try command.run()
            }
        } catch let failure as ProcessFailure {
            end(failure.status.rawValue, "\(program.configuration.commandName ?? "gatehouse"): \(failure.message)")
        } catch {
            let code = program.exitCode(for: error)
            if code == .success {
                print(program.fullMessage(for: error))
                exit(0)
            }
            let text = "\(program.configuration.commandName ?? "gatehouse"): \(program.message(for: error))"
            // The parser's errors are wrong arguments; anything else failed at its work.
            end(code == .validationFailure ? 2 : 1, text)
        }
    }

    private static func end(_ status: Int32, _ message: String) -> Never {
        // A terminal that is gone, or a log on a full disk, must not end this another way.
        let line = message.split(separator: "\n").joined(separator: " ") + "\n"
        try? FileHandle.standardError.write(contentsOf: Data(line.utf8))
        exit(status)
    }
}
