import BackendConformance
import CPUBackend
import Tensors
import Testing

extension ConformanceCase: CustomTestStringConvertible {
  public var testDescription: String { id }
}

@Suite struct `CPU backend conformance` {
  private static let one = CPUBackend(threads: 1)
  private static let several = CPUBackend(threads: 3)

  @Test(arguments: ConformanceCase.all)
  func `agrees with the oracle on one thread`(_ item: ConformanceCase) throws {
    for mismatch in try item.check(Self.one) { Issue.record("\(item.id): \(mismatch)") }
  }

  @Test(arguments: ConformanceCase.all)
  func `agrees with the oracle on several threads`(_ item: ConformanceCase) throws {
    for mismatch in try item.check(Self.several) { Issue.record("\(item.id): \(mismatch)") }
  }

  @Test func `ids of cases are unique`() {
    #expect(Set(ConformanceCase.all.map(\.id)).count == ConformanceCase.all.count)
  }
}
