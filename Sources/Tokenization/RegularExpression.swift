import Basics
import CPCRE2

/// A compiled regular expression over UTF-8 (PCRE2, with Unicode properties, just-in-time compiled where it can be).
@safe final class RegularExpression: @unchecked Sendable {
  let pattern: String
  private let code: OpaquePointer

  /// Longest pattern accepted, in bytes.
  static let longestPattern = 1 << 16

  /// Compiles a pattern as tokenizer.json files have it (Oniguruma's syntax, of which PCRE2 knows nearly all).
  init(_ pattern: String, at place: String) throws(TokenizerError) {
    self.pattern = pattern
    guard pattern.utf8.count <= Self.longestPattern else {
      throw TokenizerError("the regular expression is longer than \(Self.longestPattern) bytes", at: place)
    }
    let translated = Array(RegularExpressionSyntax.translated(pattern).utf8)
    var number: Int32 = 0
    var offset = 0
    // In Oniguruma's syntax ^ and $ stand at every line's ends.
    let options =
      UInt32(PCRE2_UTF) | UInt32(PCRE2_UCP) | UInt32(PCRE2_MULTILINE) | UInt32(PCRE2_NEVER_BACKSLASH_C)
    let context = unsafe pcre2_compile_context_create_8(nil)
    defer { unsafe pcre2_compile_context_free_8(context) }
    unsafe pcre2_set_newline_8(context, UInt32(PCRE2_NEWLINE_LF))
    let compiled = unsafe translated.withUnsafeBufferPointer { bytes in
      unsafe pcre2_compile_8(bytes.baseAddress, bytes.count, options, &number, &offset, context)
    }
    guard let compiled = unsafe compiled else {
      throw TokenizerError(
        "the regular expression does not compile: \(Self.message(number)) at its byte \(offset)", at: place,
        value: pattern)
    }
    unsafe code = compiled
    // Without a just-in-time compiler the interpreter does the same work.
    _ = unsafe pcre2_jit_compile_8(code, UInt32(PCRE2_JIT_COMPLETE))
  }

  deinit { unsafe pcre2_code_free_8(code) }

  /// What matching needs beside the code; one text at a time uses it.
  @safe final class Matcher {
    fileprivate let data: OpaquePointer?
    fileprivate let context: OpaquePointer?
    private let stack: OpaquePointer?

    init() {
      unsafe data = pcre2_match_data_create_8(1, nil)
      unsafe context = pcre2_match_context_create_8(nil)
      unsafe stack = pcre2_jit_stack_create_8(32 << 10, 8 << 20, nil)
      unsafe pcre2_jit_stack_assign_8(context, nil, stack.map { unsafe UnsafeMutableRawPointer($0) })
      unsafe pcre2_set_match_limit_8(context, 20_000_000)
      unsafe pcre2_set_heap_limit_8(context, 256 << 10)
    }

    deinit {
      unsafe pcre2_match_data_free_8(data)
      unsafe pcre2_match_context_free_8(context)
      unsafe pcre2_jit_stack_free_8(stack)
    }
  }

  /// The first match at or behind `start` in `text[range]`, which must be valid UTF-8; nothing before the range is seen.
  func firstMatch(
    _ text: UnsafeBufferPointer<UInt8>, _ range: Range<Int>, from start: Int, _ matcher: Matcher
  ) throws(TokenizerError) -> Range<Int>? {
    guard let base = text.baseAddress, let data = unsafe matcher.data else { return nil }
    func match(_ options: UInt32) -> Int32 {
      unsafe pcre2_match_8(
        code, base + range.lowerBound, range.count, start - range.lowerBound, UInt32(PCRE2_NO_UTF_CHECK) | options,
        data, matcher.context)
    }
    var status = match(0)
    if status == PCRE2_ERROR_JIT_STACKLIMIT { status = match(UInt32(PCRE2_NO_JIT)) }
    if status == PCRE2_ERROR_NOMATCH { return nil }
    guard status >= 0 else {
      throw TokenizerError(
        "the tokenizer's regular expression gives up on this text: \(Self.message(status))", value: pattern,
        remedy: "split the text into smaller rows")
    }
    guard let found = unsafe pcre2_get_ovector_pointer_8(data) else { return nil }
    let lower = unsafe range.lowerBound + found[0]
    let upper = unsafe range.lowerBound + found[1]
    // \K can report a start behind the end.
    return lower <= upper ? lower..<upper : upper..<upper
  }

  private static func message(_ number: Int32) -> String {
    var buffer = [UInt8](repeating: 0, count: 256)
    let length = unsafe buffer.withUnsafeMutableBufferPointer { bytes in
      unsafe pcre2_get_error_message_8(number, bytes.baseAddress, bytes.count)
    }
    return length > 0 ? String(decoding: buffer.prefix(Int(length)), as: UTF8.self) : "error \(number)"
  }
}
