// Patterns of actions against patterns: what one grants beside what another asks for.

extension ActionPattern {
    /// Whether everything that `other` covers is covered by this pattern too.
    package func coversAll(of other: ActionPattern) -> Bool {
        // A star of `other` is a letter that nothing but a star of ours can stand for.
        covers(other.text)
    }

    /// Whether some action is covered by both.
    package func meets(_ other: ActionPattern) -> Bool {
        let left = Array(text.unicodeScalars)
        let right = Array(other.text.unicodeScalars)
        guard left.count <= 1024, right.count <= 1024 else { return true }
        // meets[j]: whether left[i...] and right[j...] have an action in common.
        var below = [Bool](repeating: false, count: right.count + 1)
        for i in stride(from: left.count, through: 0, by: -1) {
            var row = [Bool](repeating: false, count: right.count + 1)
            for j in stride(from: right.count, through: 0, by: -1) {
                let leftStar = i < left.count && left[i] == "*"
                let rightStar = j < right.count && right[j] == "*"
                if i == left.count, j == right.count {
                    row[j] = true
                } else if leftStar, below[j] || j < right.count && row[j + 1] {
                    row[j] = true
                } else if rightStar, row[j + 1] || i < left.count && below[j] {
                    row[j] = true
                } else if i < left.count, j < right.count, !leftStar, !rightStar, left[i] == right[j] {
                    row[j] = below[j + 1]
                }
            }
            below = row
        }
        return below[0]
    }
}
