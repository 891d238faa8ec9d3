// JSON: what was read and written again is the same value, in the same bytes from then on.
import JSONDocuments

extension FuzzTarget {
    static let json = FuzzTarget("json") { bytes in
        let value: JSONValue
        do throws(JSONFault) {
            value = try JSONReader.read(bytes)
        } catch {
            try promise(error.line > 0 && error.column > 0 && !error.message.isEmpty, "a fault has a place")
            return
        }
        for sorted in [false, true] {
            let written = value.encoded(sorted: sorted)
            let again: JSONValue
            do {
                again = try JSONReader.read(written)
            } catch {
                throw FuzzFinding("what was written is refused: \(error)")
            }
            try promise(again == value, "the value stays")
            try promise(again.encoded(sorted: sorted) == written, "the bytes stay")
        }
        _ = value.wholeNumber
        try promise(
            (try? JSONReader.read(bytes, valuesMax: 0)) == nil, "a bound on the values is kept")
    }
}
