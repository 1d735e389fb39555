extension MemoryOverhead {
  /// What a card's memory holds beside the arena: `outside` bytes, measured before anything is planned, with what the
  /// libraries take later. Examples and checkpoints lie in main memory.
  package static func ofCard(outside: Int) -> MemoryOverhead {
    var overhead = MemoryOverhead()
    overhead.process = outside
    overhead.backend = 0
    overhead.data = 0
    overhead.checkpoint = 0
    return overhead
  }
}
