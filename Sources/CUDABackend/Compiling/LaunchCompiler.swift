import Basics
import CCUDA
import Tensors

/// One piece of an instruction's work, submitted to the card without waiting for it.
typealias Launch = () throws(TensorError) -> Void

/// Makes instructions ready to run on a card: resolves and checks operands, picks kernels, packs their parameters.
struct LaunchCompiler {
  let device: CUDADevice
  let arena: CUDAArena
  var resolver: DeviceResolver
  /// Address of the run's numbers: `Scalars`, then one `Numbers` for each update.
  let parameters: cc_address
  /// The number of the instruction, for faults.
  var instruction = 0
  /// What was asked of indices, by instruction: how a fault is worded.
  var indices: [Int: IndexColumns] = [:]
  /// How the numbers of each update follow from a run's scalars.
  var numbers: [@Sendable (StepScalars) -> UpdateNumbers] = []
  var transfers = TransferPlan()
  private var scratchBytes = 0

  static let scalarsBytes = 32

  init(device: CUDADevice, arena: CUDAArena, resolver: DeviceResolver, parameters: cc_address) {
    self.device = device
    self.arena = arena
    self.resolver = resolver
    self.parameters = parameters
  }

  /// A kernel of a file with macros for its types; `macros` are in a fixed order, since they name the compiled code.
  func kernel(
    _ file: String, _ entry: String, _ macros: [String] = [], grid: (x: Int, y: Int), threads: Int = 256,
    shared: Int = 0, _ arguments: Arguments
  ) throws(TensorError) -> Launch {
    guard grid.x > 0, grid.y > 0 else { return {} }
    try resolver.require(
      grid.x <= Int(Int32.max) && grid.y <= 65_535, "\(entry) is too large for a card", "\(grid.x) x \(grid.y) blocks")
    try resolver.require(
      shared <= device.sharedLimit, "\(entry) needs too much of a card's shared memory", "\(shared) bytes")
    device.use()
    let function = unsafe try device.kernels.function(KernelKey(file: file, entry: entry, macros: macros))
    let driver = unsafe device.libraries.driver
    if shared > 40 << 10 {
      unsafe try device.check(
        cc_function_attribute(driver, function, Int32(CC_FUNCTION_SHARED_BYTES), Int32(shared)),
        "give shared memory to \(entry)", at: resolver.place)
    }
    let bytes = arguments.bytes
    let place = resolver.place
    let stream = unsafe device.compute
    return { [device] () throws(TensorError) in
      let result = unsafe bytes.withUnsafeBytes {
        unsafe cc_launch(
          driver, function, UInt32(grid.x), UInt32(grid.y), 1, UInt32(threads), UInt32(shared), stream,
          $0.baseAddress, bytes.count)
      }
      try device.check(result, "start \(entry)", at: place)
    }
  }

  /// Room for partial sums that lives through one instruction.
  func scratch(_ bytes: Int) throws(TensorError) -> cc_address { try device.reserveScratch(bytes) }

  /// "X=float" for a matrix's type.
  static func type(_ name: String, _ dtype: DType) -> String {
    switch dtype {
    case .bf16: "\(name)=bf16"
    case .f64: "\(name)=double"
    case .i32: "\(name)=int"
    default: "\(name)=float"
    }
  }

  /// "VEC=8" where all are aligned for it.
  static func width(_ matrices: [DeviceMatrix?]) -> (macro: String, elements: Int) {
    let elements = matrices.allSatisfy { $0?.isAligned ?? true } ? 8 : 1
    return ("VEC=\(elements)", elements)
  }

  /// Threads of a block for rows of `columns` elements.
  static func threads(_ columns: Int, _ elements: Int, most: Int = 256) -> Int {
    min(most, max(32, (columns / elements + 31) / 32 * 32))
  }

  /// A grid over elements: blocks along a row, and rows.
  static func elementGrid(_ matrix: DeviceMatrix, _ elements: Int) -> (x: Int, y: Int) {
    guard matrix.count > 0 else { return (0, 0) }
    let blocks = (matrix.columns / elements + 255) / 256
    return (min(max(1, blocks), 16_384), min(matrix.rows, 65_535))
  }

  /// The matrices as rows of elements side by side where all are contiguous.
  static func flattened(_ matrices: [DeviceMatrix]) -> [DeviceMatrix] {
    matrices.allSatisfy(\.isContiguous) ? matrices.map(\.asRow) : matrices
  }

  /// Adds where faults are noted, and remembers how to word them.
  mutating func addFaults(_ arguments: inout Arguments, _ columns: IndexColumns) {
    indices[instruction] = columns
    arguments.add(device.faults)
    arguments.add(UInt32(instruction))
  }
}

/// Columns of indices that a kernel checks while it runs.
struct IndexColumns {
  /// "token id", with the column and the limit that its numbers must be below; 0 when it is the row's own number.
  var columns: [(what: String, view: TensorView, limit: Int)]

  init(_ what: String, _ view: TensorView, below limit: Int) { columns = [(what, view, limit)] }

  init(_ columns: [(what: String, view: TensorView, limit: Int)]) { self.columns = columns }
}

extension LaunchCompiler {
  mutating func compile(_ operation: Operation) throws(TensorError) -> [Launch] {
    switch operation {
    case .embed(let ids, let table, let out): return try embed(ids, table, out)
    case .embedBackward(let ids, let outGradient, let tableGradient):
      return try embedBackward(ids, outGradient, tableGradient)
    case .gemm(let a, let transposeA, let b, let transposeB, let c, let accumulate, let bias):
      return try gemm(a, transposeA, b, transposeB, c, accumulate, bias)
    case .biasBackward(let outGradient, let biasGradient): return try biasBackward(outGradient, biasGradient)
    case .rmsNorm(let x, let weight, let out, let inverse, let epsilon):
      return try rmsNorm(x, nil, nil, weight, out, inverse, epsilon)
    case .addRMSNorm(let x, let delta, let sum, let weight, let out, let inverse, let epsilon):
      return try rmsNorm(x, delta, sum, weight, out, inverse, epsilon)
    case .rmsNormBackward(let x, let weight, let inverse, let outGradient, let xGradient, let weightGradient, let keep):
      return try rmsNormBackward(x, weight, inverse, outGradient, xGradient, weightGradient, accumulate: keep)
    case .rope(let x, let positions, let cosine, let sine, let heads, let inverse):
      return try rope(x, positions, cosine, sine, heads: heads, inverse: inverse)
    case .attention(let operands): return try attention(operands)
    case .attentionBackward(let operands, let outGradient, let qGradient, let kGradient, let vGradient, let delta):
      return try attentionBackward(operands, outGradient, qGradient, kGradient, vGradient, delta)
    case .appendToCache(let k, let v, let keyCache, let valueCache, let slots, let positions, let length):
      return try appendToCache(k, v, keyCache, valueCache, slots, positions, length: length)
    case .attentionOverCache(
      let q, let keyCache, let valueCache, let slots, let positions, let out, let heads, let keyValueHeads, let length,
      let scale, let window, let softCap):
      let shape = try HeadCounts(
        width: q.columns, heads: heads, keyValueHeads: keyValueHeads, scale: scale, window: window, softCap: softCap,
        resolver)
      return try attentionOverCache(q, keyCache, valueCache, slots, positions, out, shape, length: length)
    case .gatedActivation(let kind, let gate, let up, let out): return try gatedActivation(kind, gate, up, out)
    case .gatedActivationBackward(let kind, let gate, let up, let outGradient, let gateGradient, let upGradient):
      return try gatedActivationBackward(kind, gate, up, outGradient, gateGradient, upGradient)
    case .linearCrossEntropy(let operands): return try linearCrossEntropy(operands)
    case .scoreTargets(let logits, let targets, let logProbability, let best):
      return try scoreTargets(logits, targets, logProbability, best)
    case .gatherRows(let x, let rows, let out): return try gatherRows(x, rows, out)
    case .add(let a, let b, let out): return try add(a, b, out)
    case .copy(let x, let out): return try scaled(x, out, factor: 1, isCast: false)
    case .cast(let x, let out): return try scaled(x, out, factor: 1, isCast: true)
    case .zero(let x): return try zero(x)
    case .scale(let x, let factor): return try scaled(x, x, factor: factor, isCast: false)
    case .sumOfSquares(let x, let out, let accumulate): return try sumOfSquares(x, out, accumulate: accumulate)
    case .clipFactor(let squares, let norm, let clip, let maximum):
      return try clipFactor(squares, norm, clip, maximum)
    case .update(let operands): return try update(operands)
    case .fetch(let from, let into, let transfer): return try fetch(from, into, transfer)
    case .evict(let from, let into, let transfer): return try evict(from, into, transfer)
    case .wait(let transfer, _): return try wait(transfer)
    case .dequantise(let matrix, let out): return try dequantise(matrix, out)
    case .dropout(let x, let out, let rate, let stream): return try dropout(x, out, rate, stream)
    }
  }
}
