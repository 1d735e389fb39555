/// Fills `{name}` slots of `pattern`.
func fill(_ pattern: String, _ values: [String: String]) -> String {
  var text = pattern
  for (name, value) in values { text = text.replacing("{\(name)}", with: value) }
  return text
}

/// Lower-case words of letters and digits: what overlaps are counted in.
func words(_ text: String) -> [String] {
  text.lowercased().split { !($0.isLetter || $0.isNumber) }.map(String.init)
}

/// Runs of `size` words; a shorter text gives itself as its only run.
func wordRuns(_ text: String, _ size: Int) -> Set<String> {
  let all = words(text)
  guard all.count > size else { return [all.joined(separator: " ")] }
  return Set((0...(all.count - size)).map { all[$0..<($0 + size)].joined(separator: " ") })
}

/// Keeps texts that are clearly different from each other, so that near duplicates in a set are only planted ones.
struct Novelty {
  private var known: [Set<String>] = []
  private var places: [String: [Int]] = [:]

  /// Takes `text` in unless its word 3-grams overlap a known one's by a Jaccard index of `limit` or more.
  mutating func accepts(_ text: String, limit: Double) -> Bool {
    let runs = wordRuns(text, 3)
    var shared: [Int: Int] = [:]
    for run in runs { for place in places[run] ?? [] { shared[place, default: 0] += 1 } }
    for (place, count) in shared {
      let union = runs.count + known[place].count - count
      if Double(count) / Double(union) >= limit { return false }
    }
    for run in runs { places[run, default: []].append(known.count) }
    known.append(runs)
    return true
  }
}
