import Basics

/// A conversation as text, every byte with its origin.
package struct RenderedChat: Sendable {
  package enum Origin: String, Sendable {
    /// Written by the template: only here may control tokens be recognised.
    case template
    /// A value from the row: of the message `message`, or of the tools and other variables.
    case message
    /// Rendered inside `{% generation %}`.
    case generation
  }

  /// A stretch of `text`, in byte offsets.
  package struct Span: Sendable, Equatable {
    package let start: Int
    package let end: Int
    package let origin: Origin
    /// Index of the message the bytes are from; nil for the template's own and for other variables.
    package let message: Int?
    /// Whether the template itself wrote the bytes, inside `{% generation %}` or not.
    package let isTemplate: Bool
  }

  /// UTF-8.
  package let text: [UInt8]
  /// In order, covering `text` without gaps.
  package let spans: [Span]

  /// Where control tokens may be recognised: what the template wrote.
  package var templateRanges: [Range<Int>] {
    var result: [Range<Int>] = []
    for span in spans where span.isTemplate {
      if let last = result.last, last.upperBound == span.start {
        result[result.count - 1] = last.lowerBound..<span.end
      } else {
        result.append(span.start..<span.end)
      }
    }
    return result
  }

  /// `{"text":…,"spans":[{"start":…,"end":…,"origin":…,"message":…}]}`
  package var json: JSON {
    let list: [JSON] = spans.map { span in
      [
        "start": JSON(span.start), "end": JSON(span.end), "origin": JSON(span.origin.rawValue),
        "message": span.message.map { JSON($0) } ?? .null,
      ]
    }
    return ["text": JSON(String(decoding: text, as: UTF8.self)), "spans": .array(list)]
  }

  init(_ rendered: JinjaText) {
    text = rendered.bytes
    var start = 0
    spans = rendered.runs.map { run in
      defer { start = run.end }
      let origin: Origin = run.origin.isGenerated ? .generation : run.origin.isTemplate ? .template : .message
      return Span(
        start: start, end: run.end, origin: origin, message: run.origin.message, isTemplate: run.origin.isTemplate)
    }
  }
}
