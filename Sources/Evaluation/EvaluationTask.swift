import Basics

/// One task file in lm-evaluation-harness's vocabulary.
package struct EvaluationTask: Sendable {
  package enum OutputType: String, Sendable, CaseIterable {
    case multipleChoice = "multiple_choice"
    case loglikelihood
    case loglikelihoodRolling = "loglikelihood_rolling"
    case generateUntil = "generate_until"
  }

  package struct Metric: Sendable, Equatable {
    package var name: String
    package var higherIsBetter: Bool
    package var ignoreCase = false
    package var ignorePunctuation = false
    package var regexesToIgnore: [String] = []
  }

  /// How shots are chosen.
  package enum ShotSampler: Sendable {
    /// A seeded sample for each document, the one lm-evaluation-harness draws.
    case random
    case firstN
  }

  /// Where generation ends, and how it samples.
  package struct Generation: Sendable, Equatable {
    package var until: [String] = []
    package var maxTokens = 256
    package var temperature = 0.0

    package init() {}
  }

  /// What becomes of a generated text before it is compared.
  package struct Filter: Sendable {
    package enum Function: Sendable, Equatable {
      case takeFirst
      case regex(pattern: String, groupSelect: Int, fallback: String)
      case lowercase
      case uppercase
      case removeWhitespace
    }
    package var name: String
    package var functions: [Function]
  }

  package var name: String
  package var outputType: OutputType
  /// Split name -> file path, relative to the task file's folder.
  package var dataFiles: [(split: String, path: String)]
  package var testSplit: String
  package var fewshotSplit: String?
  package var description: String
  package var docToText: String
  package var docToTarget: JSON
  package var docToChoice: JSON?
  package var targetDelimiter: String
  package var fewshotDelimiter: String
  package var numFewshot: Int?
  package var sampler: ShotSampler
  package var generation: Generation
  package var metrics: [Metric]
  package var filters: [Filter]

  /// The path that holds the documents of `split`.
  package func path(of split: String) -> String? { dataFiles.first { $0.split == split }?.path }
}

extension EvaluationTask {
  /// Metrics each output type knows; the first ones are used when the file names none.
  package static func knownMetrics(_ type: OutputType) -> (all: [String], usual: [String]) {
    switch type {
    case .multipleChoice: (["acc", "acc_norm", "acc_bytes"], ["acc", "acc_norm"])
    case .loglikelihood: (["acc", "perplexity"], ["perplexity", "acc"])
    case .loglikelihoodRolling:
      (
        ["word_perplexity", "byte_perplexity", "bits_per_byte"],
        ["word_perplexity", "byte_perplexity", "bits_per_byte"]
      )
    case .generateUntil: (["exact_match"], ["exact_match"])
    }
  }
}
