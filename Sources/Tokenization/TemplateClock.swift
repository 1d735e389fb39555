import Foundation

/// What `strftime_now` reads.
package enum TemplateClock: Sendable {
  /// The machine's clock in its time zone, as transformers has it.
  case system
  /// A given moment, so that the same rows always render the same.
  case fixed(Moment)

  /// The moment a data set is rendered at when nothing else is said: 26 July 2024, the date that Llama 3.2's template
  /// takes where it finds no clock.
  package static let forTraining = TemplateClock.fixed(Moment(year: 2024, month: 7, day: 26))

  /// A moment of the Gregorian calendar.
  package struct Moment: Sendable, Equatable {
    package var year: Int
    package var month: Int
    package var day: Int
    package var hour = 0
    package var minute = 0
    package var second = 0

    package init(year: Int, month: Int, day: Int, hour: Int = 0, minute: Int = 0, second: Int = 0) {
      self.year = min(max(year, 1), 9999)
      self.month = min(max(month, 1), 12)
      self.day = min(max(day, 1), 31)
      self.hour = hour
      self.minute = minute
      self.second = second
    }
  }

  var now: Moment {
    switch self {
    case .fixed(let moment): return moment
    case .system:
      let parts = Calendar(identifier: .gregorian).dateComponents(
        [.year, .month, .day, .hour, .minute, .second], from: Date())
      return Moment(
        year: parts.year ?? 1, month: parts.month ?? 1, day: parts.day ?? 1, hour: parts.hour ?? 0,
        minute: parts.minute ?? 0, second: parts.second ?? 0)
    }
  }
}

extension TemplateClock.Moment {
  private static let days = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"]
  private static let months = [
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
    "December",
  ]

  /// Days since 1 January of the year 1, by the proleptic Gregorian calendar.
  private static func days(_ year: Int, _ month: Int, _ day: Int) -> Int {
    let lengths = [31, isLeap(year) ? 29 : 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
    let before = year - 1
    return before * 365 + before / 4 - before / 100 + before / 400 + lengths.prefix(month - 1).reduce(0, +) + day - 1
  }

  private static func isLeap(_ year: Int) -> Bool { year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) }

  /// 0 is Sunday.
  private var weekday: Int { (Self.days(year, month, day) + 1) % 7 }
  /// From 1 on.
  private var dayOfYear: Int { Self.days(year, month, day) - Self.days(year, 1, 1) + 1 }

  /// C's `strftime` in the C locale.
  func formatted(_ format: String) -> String {
    var result = ""
    var scalars = format.unicodeScalars.makeIterator()
    while let scalar = scalars.next() {
      guard scalar == "%" else {
        result.unicodeScalars.append(scalar)
        continue
      }
      guard var mark = scalars.next() else { return result + "%" }
      var isUnpadded = false
      if mark == "-", let next = scalars.next() {
        isUnpadded = true
        mark = next
      }
      result += field(mark, isUnpadded) ?? "%\(isUnpadded ? "-" : "")\(mark)"
    }
    return result
  }

  private func field(_ mark: Unicode.Scalar, _ isUnpadded: Bool) -> String? {
    func padded(_ number: Int, _ width: Int = 2, _ fill: String = "0") -> String {
      let digits = String(number)
      return isUnpadded ? digits : String(repeating: fill, count: max(0, width - digits.count)) + digits
    }
    let twelve = hour % 12 == 0 ? 12 : hour % 12
    switch mark {
    case "Y": return isUnpadded || year > 999 ? String(year) : padded(year, 4)
    case "y": return padded(year % 100)
    case "C": return padded(year / 100)
    case "m": return padded(month)
    case "d": return padded(day)
    case "e": return padded(day, 2, " ")
    case "H": return padded(hour)
    case "k": return padded(hour, 2, " ")
    case "I": return padded(twelve)
    case "l": return padded(twelve, 2, " ")
    case "M": return padded(minute)
    case "S": return padded(second)
    case "f": return "000000"
    case "p": return hour < 12 ? "AM" : "PM"
    case "P": return hour < 12 ? "am" : "pm"
    case "A": return Self.days[weekday]
    case "a": return String(Self.days[weekday].prefix(3))
    case "B": return Self.months[month - 1]
    case "b", "h": return String(Self.months[month - 1].prefix(3))
    case "j": return padded(dayOfYear, 3)
    case "w": return String(weekday)
    case "u": return String(weekday == 0 ? 7 : weekday)
    case "U": return padded((dayOfYear + 6 - weekday) / 7)
    case "W": return padded((dayOfYear + 6 - (weekday + 6) % 7) / 7)
    case "F": return formatted("%Y-%m-%d")
    case "T", "X": return formatted("%H:%M:%S")
    case "R": return formatted("%H:%M")
    case "r": return formatted("%I:%M:%S %p")
    case "D", "x": return formatted("%m/%d/%y")
    case "c": return formatted("%a %b %e %H:%M:%S %Y")
    case "n": return "\n"
    case "t": return "\t"
    case "Z", "z": return ""
    case "%": return "%"
    default: return nil
    }
  }
}
