/// What of the machine is free while stages run side by side.
struct MachineFloor {
  private let all: Resources
  private var free: Resources
  private var freeCards: [Int]

  init(_ all: Resources) {
    self.all = all
    free = all
    freeCards = Array(0..<max(0, all.gpus))
  }

  /// Whether not even the least of stages would fit.
  var isFull: Bool { free.cpus <= 0 }

  func hasRoom(for cell: StageCell) -> Bool { cell.takes(of: all).fits(in: free) }

  /// Gives a cell what it takes; false where there is no room.
  mutating func take(_ execution: CellExecution) -> Bool {
    let wanted = execution.cell.takes(of: all)
    guard wanted.fits(in: free) else { return false }
    free = free - wanted
    execution.holds = wanted
    if wanted.gpus > 0 {
      execution.cards = freeCards.prefix(wanted.gpus).map(String.init).joined(separator: ",")
      freeCards.removeFirst(wanted.gpus)
    }
    return true
  }

  mutating func giveBack(_ execution: CellExecution) {
    free = free + execution.holds
    execution.holds = Resources(cpus: 0, memory: 0, gpus: 0)
    if let cards = execution.cards {
      freeCards = (freeCards + cards.split(separator: ",").compactMap { Int($0) }).sorted()
      execution.cards = nil
    }
  }
}
