import Basics
import Foundation
import Store

/// An attempt under way: its process, its events, its memory, its time.
final class RunningAttempt {
  let child: ChildProcess
  let started = RunningAttempt.clock()
  /// Bytes of the tree at its largest, so far.
  private(set) var peakMemory = 0
  /// Set once the time was up.
  private(set) var timedOut = false
  private let deadline: Double?
  private let events: Int32
  private let eventLog: File
  private var eventLogEnd = 0
  private var partialLine: [UInt8] = []
  private var eventsEnded = false
  private var lastSample = 0.0
  private var killAt: Double?
  /// What the runner itself held at its largest: below it the kernel's number for the child may be the runner's own.
  private let ownPeak: Int

  /// How long a process group may take to end after SIGTERM, in seconds.
  static let grace = 10.0

  init(
    _ launch: Launch, in folder: FilePath, log: FilePath, eventLog: FilePath, timeout: Double?
  ) throws(FileError) {
    let output = try File(log, flags: O_WRONLY | O_CREAT | O_APPEND)
    self.eventLog = try File(eventLog, flags: O_WRONLY | O_CREAT | O_TRUNC)
    guard let ends = SystemCall.makePipe(blocking: true) else { throw FileError("make a pipe", log) }
    // High numbers, so that giving the child its first four descriptors can not run over them.
    let write = fcntl(ends.write, F_DUPFD_CLOEXEC, 32)
    let logCopy = fcntl(output.descriptor, F_DUPFD_CLOEXEC, 32)
    close(ends.write)
    defer {
      close(write)
      close(logCopy)
    }
    events = ends.read
    _ = fcntl(events, F_SETFL, O_NONBLOCK)
    deadline = timeout.map { RunningAttempt.clock() + $0 }
    ownPeak = ProcessTree.peakOfProcess(Int(getpid())) ?? 0
    do {
      child = try ChildProcess.start(launch, in: folder, log: logCopy, events: write)
    } catch {
      close(ends.read)
      throw error
    }
  }

  /// Descriptors that become readable when there is something to handle.
  var descriptors: [Int32] { (eventsEnded ? [] : [events]) + (child.endDescriptor.map { [$0] } ?? []) }

  /// Handles what has happened, without waiting; gives the end when it has come.
  func step(handle: (AttemptEvent) -> Void) -> ChildProcess.Exit? {
    eventsEnded = readEvents(handle)
    sample()
    checkTime()
    guard let exit = child.poll() else { return nil }
    _ = readEvents(handle)
    if !partialLine.isEmpty { take(partialLine, handle) }
    // Linux carries the starter's peak over into the child's accounting; a number above it is the child's own.
    // One that ended before it could be looked at has no other number.
    if exit.largestResident > ownPeak || peakMemory == 0 { peakMemory = max(peakMemory, exit.largestResident) }
    return exit
  }

  /// Asks the process group to end in order; kills it when it does not.
  func stop() {
    guard killAt == nil else { return }
    killAt = .infinity
    child.signal(SIGTERM)
  }

  func kill() { child.signal(SIGKILL) }

  private func checkTime() {
    let now = RunningAttempt.clock()
    if let deadline, now >= deadline, !timedOut {
      timedOut = true
      child.signal(SIGTERM)
      killAt = now + RunningAttempt.grace
    }
    if let killAt, now >= killAt { kill() }
  }

  private func sample() {
    let now = RunningAttempt.clock()
    guard now - lastSample >= 0.1 else { return }
    lastSample = now
    let pid = Int(child.pid)
    peakMemory = max(peakMemory, ProcessTree.residentBytes(root: pid), ProcessTree.peakOfProcess(pid) ?? 0)
  }

  /// Reads what the pipe holds; says whether its other end is closed.
  private func readEvents(_ handle: (AttemptEvent) -> Void) -> Bool {
    var buffer = [UInt8](repeating: 0, count: 1 << 16)
    while true {
      let count = unsafe read(events, &buffer, buffer.count)
      if count < 0, errno == EINTR { continue }
      if count < 0 { return false }
      if count == 0 { return true }
      partialLine += buffer[..<count]
      var start = 0
      while let end = partialLine[start...].firstIndex(of: 0x0A) {
        take(Array(partialLine[start..<end]), handle)
        start = end + 1
      }
      partialLine.removeFirst(start)
      // No honest line is this long; a runaway writer must not fill the runner's memory.
      if partialLine.count > 1 << 20 { partialLine.removeAll() }
    }
  }

  private func take(_ line: [UInt8], _ handle: (AttemptEvent) -> Void) {
    guard let json = try? JSONParser.parse(line), let event = AttemptEvent(json) else { return }
    let text = line + [0x0A]
    unsafe text.withUnsafeBytes { unsafe try? eventLog.write($0, at: eventLogEnd) }
    eventLogEnd += text.count
    handle(event)
  }

  static func clock() -> Double { ProcessInfo.processInfo.systemUptime }

  deinit { close(events) }
}
