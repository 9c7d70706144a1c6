import TidemarkCore

/// Where the readers of one log are.
struct JointPlaces {
    /// The beginning of the window that each needs next.
    private var places: [JointLog.Reader: Snapshot] = [:]
    private var lastReader = 0
    /// The beginnings and ends of the last windows, numbered as they were found.
    private var passed: [Snapshot: Int] = [:]
    private var order: [Snapshot] = []
    private var lastNumber = 0

    private static let passedMax = 1_024
    /// A reader that is further behind has no use for what is kept.
    private static let nearWindows = 16

    var count: Int { places.count }

    mutating func enter() -> JointLog.Reader {
        lastReader += 1
        places[lastReader] = .change(-1)
        return lastReader
    }

    mutating func leave(_ reader: JointLog.Reader) { places[reader] = nil }

    /// - Returns: the number of the place; beyond all for one that no look has found, and nil where the reader was there already.
    mutating func move(_ reader: JointLog.Reader, to place: Snapshot) -> Int? {
        guard places.updateValue(place, forKey: reader) != place else { return nil }
        return passed[place] ?? .max
    }

    mutating func pass(_ windows: [Window]) {
        for place in windows.map(\.start) + windows.suffix(1).map(\.end) where passed[place] == nil {
            lastNumber += 1
            passed[place] = lastNumber
            order.append(place)
        }
        guard order.count > Self.passedMax else { return }
        for place in order.prefix(order.count - Self.passedMax) { passed[place] = nil }
        order.removeFirst(order.count - Self.passedMax)
    }

    /// A window's number, and who else has not read it and is near.
    struct Need {
        var number = 0
        var others: Set<JointLog.Reader> = []
    }

    func need(of start: Snapshot, beside reader: JointLog.Reader) -> Need {
        guard let number = passed[start] else { return Need() }
        let others = places.filter { other, place in
            guard other != reader, let there = passed[place] else { return false }
            return there <= number && number - there <= Self.nearWindows
        }
        return Need(number: number, others: Set(others.keys))
    }
}
