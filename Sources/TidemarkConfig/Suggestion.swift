/// What somebody probably meant.
enum Suggestion {
    /// - Returns: the one of `known` that is nearest to what was written, if it is near enough.
    static func nearest(to written: String, of known: [String]) -> String? {
        guard written.count <= 64 else { return nil }
        let lower = written.lowercased().replacing("_", with: "-")
        return known.map { (word: $0, steps: distance(lower, $0)) }
            .filter { $0.steps <= max(1, ($0.word.count + 1) / 3) }
            .min { $0.steps < $1.steps }?.word
    }

    /// Letters put in, taken out, changed, or swapped with their neighbour.
    static func distance(_ left: String, _ right: String) -> Int {
        let (left, right) = (Array(left), Array(right))
        var (before, last) = ([Int](), Array(0...right.count))
        for i in left.indices {
            var row = [i + 1]
            for j in right.indices {
                var steps = min(last[j + 1] + 1, row[j] + 1, last[j] + (left[i] == right[j] ? 0 : 1))
                if i > 0, j > 0, left[i] == right[j - 1], left[i - 1] == right[j] { steps = min(steps, before[j - 1] + 1) }
                row.append(steps)
            }
            (before, last) = (last, row)
        }
        return last[right.count]
    }
}
