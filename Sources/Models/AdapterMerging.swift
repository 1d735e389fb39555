import Basics
import Dispatch
import Foundation
import Tensors

/// A model with an adapter: what to merge, and what it is beside.
package final class AppliedAdapter: Sendable {
  package let files: AdapterFiles
  /// The weights that the adapter stands beside: dequantised ones where it was trained beside NF4.
  package let base: any WeightSource

  init(files: AdapterFiles, base: any WeightSource) {
    self.files = files
    self.base = base
  }

  /// Adapters of one rank on the same layers of every block that do the same: a smaller rank is filled up with zeros,
  /// and the scales are in B.
  package func uniform(_ config: ModelConfig) -> (options: AdapterOptions, weights: any WeightSource) {
    let modules = AdapterOptions.Module.allCases.filter { module in
      files.pairs.keys.contains { $0.hasSuffix("." + module.path + ".weight") }
    }
    let rank = files.pairs.values.map(\.rank).max() ?? 1
    let options = AdapterOptions(rank: rank, alpha: Double(rank), modules: Set(modules))
    return (options, UniformAdapters(files: files, config: config, options: options))
  }

  /// Whether every weight with an adapter is a matrix of the blocks.
  package var isOfBlocks: Bool {
    files.pairs.keys.allSatisfy { name in
      AdapterOptions.Module.allCases.contains { name.hasSuffix("." + $0.path + ".weight") }
    }
  }
}

/// The weights of a model with an adapter added: W + scale · B·A, made as they are read.
struct MergedWeights: WeightSource {
  let base: any WeightSource
  let adapter: AdapterFiles

  var names: [String] { base.names }
  func shape(of name: String) -> [Int]? { base.shape(of: name) }

  func read(
    _ name: String, rows: Range<Int>?, into target: UnsafeMutableBufferPointer<Float>
  ) throws(ModelError) {
    unsafe try base.read(name, rows: rows, into: target)
    guard let pair = adapter.pairs[name] else { return }
    let rows = rows ?? 0..<pair.shape[0]
    let columns = pair.shape[1]
    let a = try adapter.values(AdapterName.a(of: name))
    var b = [Float](repeating: 0, count: rows.count * pair.rank)
    let result: Result<Void, ModelError> = unsafe b.withUnsafeMutableBufferPointer { buffer in
      Result { () throws(ModelError) in
        unsafe try adapter.read(AdapterName.b(of: name), rows: rows, into: buffer)
      }
    }
    try result.get()
    let scale = Float(pair.scale)
    nonisolated(unsafe) let target = unsafe target
    let factors = b
    DispatchQueue.concurrentPerform(iterations: rows.count) { row in
      var sum = [Float](repeating: 0, count: columns)
      for rank in 0..<pair.rank {
        let factor = factors[row * pair.rank + rank]
        for column in 0..<columns { sum[column] += factor * a[rank * columns + column] }
      }
      for column in 0..<columns { unsafe target[row * columns + column] += scale * sum[column] }
    }
  }
}

/// `AdapterFiles` as adapters of one rank whose scale is 1.
private struct UniformAdapters: WeightSource {
  let files: AdapterFiles
  let shapes: [String: [Int]]
  let names: [String]

  init(files: AdapterFiles, config: ModelConfig, options: AdapterOptions) {
    self.files = files
    let parameters = config.adapterParameters(options)
    names = parameters.map(\.name)
    shapes = Dictionary(uniqueKeysWithValues: parameters.map { ($0.name, $0.shape) })
  }

  func shape(of name: String) -> [Int]? { shapes[name] }

  func read(
    _ name: String, rows: Range<Int>?, into target: UnsafeMutableBufferPointer<Float>
  ) throws(ModelError) {
    let request = try WeightReading.rows(name, shape: shapes[name], rows: rows, count: target.count)
    unsafe target.update(repeating: 0)
    guard let own = files.shape(of: name) else { return }
    let isB = name.hasSuffix(".lora_B.weight")
    let weight = String(name.dropLast(".lora_A.weight".utf8.count)) + ".weight"
    let scale = Float(files.pairs[weight]?.scale ?? 1)
    let values = try files.values(name)
    for (place, row) in request.rows.enumerated() where row < own[0] {
      for column in 0..<own[1] {
        let value = values[row * own[1] + column]
        unsafe target[place * request.columns + column] = isB ? scale * value : value
      }
    }
  }
}

/// A model's weights with the blocks' matrices as NF4 leaves them: what adapters of `method: qlora` are trained beside.
package final class DequantisedWeights: WeightSource {
  private let base: any WeightSource
  private let matrices: Set<String>
  private let lock = NSLock()
  nonisolated(unsafe) private var newest: (name: String, contents: NF4Quantiser.Contents)?

  package init(_ base: any WeightSource, config: ModelConfig) {
    self.base = base
    matrices = Set(
      (0..<config.layerCount).flatMap { layer in
        config.layerParameters(layer).filter {
          $0.shape.count == 2 && $0.columns % QuantisedMatrix.blockSize == 0
        }.map(\.name)
      })
  }

  package var names: [String] { base.names }
  package func shape(of name: String) -> [Int]? { base.shape(of: name) }

  package func read(
    _ name: String, rows: Range<Int>?, into target: UnsafeMutableBufferPointer<Float>
  ) throws(ModelError) {
    guard matrices.contains(name), let shape = base.shape(of: name) else {
      return unsafe try base.read(name, rows: rows, into: target)
    }
    let request = try WeightReading.rows(name, shape: shape, rows: rows, count: target.count)
    let contents = try contents(of: name, shape: shape)
    let first = request.rows.lowerBound * request.columns
    for start in stride(from: 0, to: target.count, by: QuantisedMatrix.blockSize) {
      let block = (first + start) / QuantisedMatrix.blockSize
      let maximum = contents.scaleMaxima[block / QuantisedMatrix.scaleBlockSize]
      let scale = contents.offset + DynamicMap.signed[Int(contents.scaleCodes[block])] * maximum
      for index in stride(from: start, to: start + QuantisedMatrix.blockSize, by: 2) {
        let pair = contents.codes[(first + index) / 2]
        unsafe target[index] = QuantisedMatrix.levels[Int(pair >> 4)] * scale
        unsafe target[index + 1] = QuantisedMatrix.levels[Int(pair & 15)] * scale
      }
    }
  }

  /// Matrices are read piece by piece: the newest one's codes are kept.
  private func contents(of name: String, shape: [Int]) throws(ModelError) -> NF4Quantiser.Contents {
    lock.lock()
    defer { lock.unlock() }
    if let newest = unsafe newest, newest.name == name { return newest.contents }
    let contents = try NF4Quantiser.contents(of: name, shape: shape, from: base)
    unsafe newest = (name, contents)
    return contents
  }
}
