// The entry of libFuzzer: one program for all targets, which the environment chooses.
import Foundation

private let chosen: FuzzTarget = {
    let name = ProcessInfo.processInfo.environment["GATEHOUSE_FUZZ_TARGET"] ?? ""
    if let target = FuzzTargets.all.first(where: { $0.name == name }) { return target }
    let names = FuzzTargets.all.map { "\($0.name) \($0.bytesMax)" }.joined(separator: "\n")
    print(names)
    exit(name.isEmpty ? 0 : 2)
}()

@_cdecl("LLVMFuzzerInitialize")
func fuzzInitialize(_ count: UnsafeMutablePointer<CInt>?, _ arguments: UnsafeMutableRawPointer?) -> CInt {
    _ = chosen
    return 0
}

@_cdecl("LLVMFuzzerTestOneInput")
func fuzzOneInput(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    // Safe: libFuzzer hands over `count` bytes, which are copied before they are read.
    let bytes = Array(UnsafeBufferPointer(start: start, count: count))
    do {
        try chosen.run(bytes)
    } catch {
        FileHandle.standardError.write(Data("FINDING: \(error)\n".utf8))
        abort()
    }
    return 0
}
