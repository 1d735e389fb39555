import Basics
import Foundation
import Pipelines

/// Replaces secrets in a stream of bytes by `***`, also where a secret comes in several pieces.
package struct SecretMask {
  private static let stars = Array("***".utf8)

  /// The longest first, so that no part of one is left.
  private let secrets: [[UInt8]]
  /// What may be the beginning of a secret.
  private var held: [UInt8] = []

  /// Secrets of several lines are looked for as a whole and line by line.
  package init(_ secrets: [[UInt8]]) {
    let lines = secrets.flatMap { $0.split(separator: 0x0A).map(Array.init) }.filter { $0.count >= 4 }
    let all = Set((secrets + lines).filter { !$0.isEmpty })
    self.secrets = all.sorted { $0.count == $1.count ? $0.lexicographicallyPrecedes($1) : $0.count > $1.count }
  }

  /// What may be written of the bytes so far.
  package mutating func take(_ bytes: some Collection<UInt8>) -> [UInt8] {
    held += bytes
    return release(isLast: false)
  }

  /// The rest, at the end of the stream.
  package mutating func finish() -> [UInt8] { release(isLast: true) }

  private mutating func release(isLast: Bool) -> [UInt8] {
    var result: [UInt8] = []
    var place = 0
    scan: while place < held.count {
      let rest = held[place...]
      for secret in secrets where rest.first == secret[0] {
        if rest.starts(with: secret) {
          result += SecretMask.stars
          place += secret.count
          continue scan
        }
        // A longer secret may go on in the next piece.
        if !isLast, rest.count < secret.count, secret.starts(with: rest) { break scan }
      }
      result.append(held[place])
      place += 1
    }
    held.removeFirst(place)
    return result
  }
}

/// A pipe whose bytes go on to standard output, secrets replaced.
final class MaskedOutput: @unchecked Sendable {
  let writeEnd: Int32
  private let readEnd: Int32
  private let isDone = DispatchSemaphore(value: 0)

  init(_ mask: SecretMask) throws {
    guard let ends = SystemCall.makePipe(blocking: true) else { throw FileError("make a pipe", "/dev/stdout") }
    (readEnd, writeEnd) = (ends.read, ends.write)
    let thread = Thread { [readEnd, isDone] in
      MaskedOutput.pass(readEnd, mask)
      isDone.signal()
    }
    thread.start()
  }

  /// Waits until all is written; whoever could still write must be gone.
  func finish() {
    close(writeEnd)
    isDone.wait()
    close(readEnd)
  }

  private static func pass(_ descriptor: Int32, _ mask: SecretMask) {
    var mask = mask
    var buffer = [UInt8](repeating: 0, count: 1 << 16)
    while true {
      let count = unsafe read(descriptor, &buffer, buffer.count)
      if count < 0, errno == EINTR { continue }
      if count <= 0 { break }
      write(mask.take(buffer[..<count]))
    }
    write(mask.finish())
  }

  private static func write(_ bytes: [UInt8]) {
    unsafe bytes.withUnsafeBytes { raw in
      var sent = 0
      while sent < raw.count {
        let count = unsafe Foundation.write(STDOUT_FILENO, raw.baseAddress! + sent, raw.count - sent)
        if count < 0, errno == EINTR { continue }
        if count <= 0 { return }
        sent += count
      }
    }
  }
}
