import Basics

/// One logged row of a training's course.
package struct MetricRow: Sendable, Equatable {
  /// Updates done, this one included.
  package var step: Int
  package var epoch: Double
  /// Mean loss of the updates since the row before.
  package var loss: Double
  /// Of the row's last update, before clipping.
  package var gradientNorm: Double
  package var learningRate: Double
  package var tokensPerSecond: Double
  /// Seconds of training so far, over all attempts.
  package var seconds: Double
  /// Resident bytes.
  package var resident: Int
  /// Validation loss, where one was taken at this step.
  package var evalLoss: Double?
  /// The weight whose gradient was not finite, which made the last update of the row be skipped.
  package var skipped: String?

  package var json: JSON {
    var object: JSON.Object = [
      "step": JSON(step), "epoch": JSON(epoch), "loss": JSON(loss), "grad_norm": JSON(gradientNorm),
      "learning_rate": JSON(learningRate), "tokens_per_second": JSON(tokensPerSecond), "seconds": JSON(seconds),
      "rss": JSON(resident),
    ]
    if let evalLoss { object["eval_loss"] = JSON(evalLoss) }
    if let skipped { object["skipped"] = JSON(skipped) }
    return .object(object)
  }

  /// A row read back from its JSON; nil when parts are missing. What is not finite was written as null.
  package init?(_ json: JSON) {
    guard let step = json["step"]?.int, let epoch = json["epoch"]?.double, let rate = json["learning_rate"]?.double
    else { return nil }
    self.step = step
    self.epoch = epoch
    loss = json["loss"]?.double ?? .nan
    gradientNorm = json["grad_norm"]?.double ?? .nan
    learningRate = rate
    tokensPerSecond = json["tokens_per_second"]?.double ?? 0
    seconds = json["seconds"]?.double ?? 0
    resident = json["rss"]?.int ?? 0
    evalLoss = json["eval_loss"]?.double
    skipped = json["skipped"]?.string
  }

  init(step: Int, epoch: Double, loss: Double, gradientNorm: Double, learningRate: Double, skipped: String?) {
    self.step = step
    self.epoch = epoch
    self.loss = loss
    self.gradientNorm = gradientNorm
    self.learningRate = learningRate
    self.skipped = skipped
    tokensPerSecond = 0
    seconds = 0
    resident = 0
  }
}

/// What a training did.
package struct TrainingReport: Sendable {
  /// Updates done, of `totalSteps`.
  package var steps: Int
  package var totalSteps: Int
  /// Whether it was stopped before its end; a checkpoint then holds its state.
  package var interrupted: Bool
  /// The step whose checkpoint it went on from; 0 for a start from the beginning.
  package var resumedFrom: Int
  package var rows: [MetricRow]
  /// Mean loss over all updates.
  package var trainLoss: Double
  /// Mean over all validation targets at the end; nil without validation.
  package var evalLoss: Double?
  /// Targets of all updates.
  package var trainedTokens: Int
  /// Tokens that went through the model, padding not counted.
  package var tokens: Int
  /// Seconds of updates, without validation and saving, over all attempts.
  package var seconds: Double
  package var skippedSteps: Int
  /// What the plan foresaw.
  package var predictedSeconds: Double
  package var predictedPeak: Int
  package var measuredPeak: Int
  package var budget: Int?
  /// Things worth telling: a damaged checkpoint, a skipped step.
  package var notices: [String]

  package var tokensPerSecond: Double { seconds > 0 ? Double(tokens) / seconds : 0 }

  /// The stage's metrics.
  package var json: JSON {
    var object: JSON.Object = [
      "steps": JSON(steps), "total_steps": JSON(totalSteps), "train_loss": JSON(trainLoss),
      "trained_tokens": JSON(trainedTokens), "tokens": JSON(tokens), "seconds": JSON(seconds),
      "tokens_per_second": JSON(tokensPerSecond), "skipped_steps": JSON(skippedSteps),
      "resumed_from": JSON(resumedFrom),
      "time": ["predicted": JSON(predictedSeconds), "measured": JSON(seconds)],
      "peak_memory": [
        "predicted": JSON(predictedPeak), "measured": JSON(measuredPeak),
        "budget": budget.map { JSON($0) } ?? .null,
      ],
    ]
    if let evalLoss { object["eval_loss"] = JSON(evalLoss) }
    return .object(object)
  }
}
