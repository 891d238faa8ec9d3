internal import PolicyExpressions

// The reader of policy documents: XML without DTD, and with raw expressions where the format says so. It knows lines
// and columns and reads each byte once; open elements lie on a stack of its own.

struct DocumentReader {
    /// Elements that may be open at once. 32 nested policies need two or three elements each.
    static let depthMax = 100
    static let attributesMax = 1_000

    /// Expressions without end that are left to the checker; one more is a fault of the text.
    static let endlessExpressionsMax = 50

    var cursor: DocumentCursor
    var endlessExpressions = 0
    let format: PolicyFormat
    private var open: [OpenElement] = []
    private var root: DocumentElement?

    /// An element whose end tag has not come yet.
    struct OpenElement {
        var element: DocumentElement
        var text: [UInt8] = []
        var textPlace: SourcePosition?
        /// Of the first byte behind the start tag.
        var innerOffset: Int
        var innerPlace: SourcePosition
    }

    /// Elements whose text may be markup, such as an envelope of SOAP.
    private static let markupElements: Set<String> = ["set-body", "value"]

    /// Reads a document's only element. Throws the first fault: behind it nothing can be relied on.
    static func read(_ text: String, format: PolicyFormat, bytesMax: Int) throws(PolicyProblem) -> DocumentElement {
        let bytes = Array(text.utf8)
        guard bytes.count <= bytesMax else {
            throw .inText(
                at: .init(line: 1, column: 1),
                "Policy size exceeds allowed limit of \(bytesMax / 1024) KB.")
        }
        var reader = DocumentReader(cursor: DocumentCursor(bytes), format: format)
        return try reader.document()
    }

    private init(cursor: DocumentCursor, format: PolicyFormat) {
        self.cursor = cursor
        self.format = format
    }

    private mutating func document() throws(PolicyProblem) -> DocumentElement {
        if cursor.starts(with: [0xEF, 0xBB, 0xBF]) { cursor.skipByteOrderMark() }
        if cursor.starts(with: "<?xml"), let after = cursor.peek(5), LiteralText.isBlank(after) {
            try declaration()
        }
        while !cursor.isAtEnd { try step() }
        if !open.isEmpty {
            let names = open.reversed().map(\.element.name).joined(separator: ", ")
            throw fault("Unexpected end of file has occurred. The following elements are not closed: \(names).")
        }
        guard let root else { throw fault("Root element is missing.") }
        return root
    }

    func fault(_ message: String, at place: SourcePosition? = nil) -> PolicyProblem {
        .inText(at: place ?? cursor.place, message)
    }

    private mutating func step() throws(PolicyProblem) {
        if cursor.peek() != UInt8(ascii: "<") { return try text() }
        if cursor.starts(with: "<!--") { return try comment() }
        if cursor.starts(with: "<![CDATA[") { return try characterData() }
        if cursor.starts(with: "<!") {
            throw fault("For security reasons DTD is prohibited in this XML document.")
        }
        if cursor.starts(with: "<?") { return try processingInstruction() }
        if cursor.starts(with: "</") { return try endTag() }
        try startTag()
    }

    // MARK: Tags

    private mutating func startTag() throws(PolicyProblem) {
        cursor.advance()
        let place = cursor.place
        guard let name = cursor.name() else {
            throw fault(
                cursor.isAtEnd
                    ? "Unexpected end of file while parsing Name has occurred."
                    : "Name cannot begin with the \(cursor.shown()).")
        }
        if open.isEmpty, root != nil { throw fault("There are multiple root elements.", at: place) }
        guard open.count < Self.depthMax else {
            throw fault("The document is nested deeper than \(Self.depthMax) elements.", at: place)
        }
        var element = DocumentElement(name: name, place: place, attributes: [], children: [], text: nil)
        var names: Set<String> = []
        while true {
            let separated = cursor.skipBlanks()
            guard let byte = cursor.peek() else {
                throw fault("Unexpected end of file has occurred. The following elements are not closed: \(name).")
            }
            if byte == UInt8(ascii: ">") {
                cursor.advance()
                open.append(
                    OpenElement(element: element, innerOffset: cursor.offset, innerPlace: cursor.place))
                return
            }
            if byte == UInt8(ascii: "/"), cursor.peek(1) == UInt8(ascii: ">") {
                cursor.advance(by: 2)
                finish(element)
                return
            }
            guard separated else {
                throw fault(
                    "'\(shownToken())' is an unexpected token. Expecting white space, '>' or '/>' in the tag of "
                        + "'\(name)'.")
            }
            let attribute = try self.attribute()
            guard names.insert(attribute.name).inserted else {
                throw fault("'\(attribute.name)' is a duplicate attribute name.", at: attribute.place)
            }
            guard names.count <= Self.attributesMax else {
                throw fault("An element has more than \(Self.attributesMax) attributes.")
            }
            element.attributes.append(DocumentAttribute(name: attribute.name, value: attribute.value))
        }
    }

    private mutating func endTag() throws(PolicyProblem) {
        let tagOffset = cursor.offset
        cursor.advance(by: 2)
        let place = cursor.place
        guard let name = cursor.name() else {
            throw fault("Name cannot begin with the \(cursor.shown()).")
        }
        cursor.skipBlanks()
        guard cursor.peek() == UInt8(ascii: ">") else {
            throw fault("'\(shownToken())' is an unexpected token. The expected token is '>'.")
        }
        guard let last = open.last else { throw fault("Unexpected end tag.", at: place) }
        guard last.element.name == name else {
            let opened = last.element.place
            throw fault(
                "The '\(last.element.name)' start tag on line \(opened.line) position \(opened.column) does not match "
                    + "the end tag of '\(name)'.", at: place)
        }
        cursor.advance()
        open.removeLast()
        var element = last.element
        if let place = last.textPlace {
            element.text = DocumentText(text: String(decoding: last.text, as: UTF8.self), place: place)
        }
        if !element.children.isEmpty, Self.markupElements.contains(name) {
            let inner = String(decoding: cursor.bytes[last.innerOffset..<tagOffset], as: UTF8.self)
            element.markup = DocumentText(
                text: inner.replacing("\r\n", with: "\n").replacing("\r", with: "\n"), place: last.innerPlace)
        }
        finish(element)
    }

    private mutating func finish(_ element: DocumentElement) {
        if open.isEmpty {
            root = element
        } else {
            open[open.count - 1].element.children.append(element)
        }
    }

    func shownToken() -> String {
        guard let byte = cursor.peek() else { return "end of file" }
        return byte < 0x20 ? "." : String(cursor.shown().dropFirst().prefix(1))
    }

    // MARK: What stands between tags

    /// Appends to the text of the open element.
    mutating func append(_ bytes: [UInt8], at place: SourcePosition) {
        guard !open.isEmpty, !bytes.isEmpty else { return }
        if open[open.count - 1].textPlace == nil { open[open.count - 1].textPlace = place }
        open[open.count - 1].text += bytes
    }

    /// Whether nothing but white space stands in the open element so far.
    var textIsBlank: Bool {
        open.last.map { $0.text.allSatisfy(LiteralText.isBlank) } ?? true
    }

    var isOutsideOfRoot: Bool { open.isEmpty }
}
