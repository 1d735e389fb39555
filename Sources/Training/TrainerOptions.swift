import Basics
import Models

/// How to train, under Hugging Face's names (`TrainingArguments`); defaults are its too unless a comment says otherwise.
package struct TrainerOptions: Sendable, Equatable {
  /// Whether a technique is used, or left to the memory plan.
  package enum Checkpointing: String, Sendable, CaseIterable {
    case auto
    case on = "true"
    case off = "false"
  }

  /// `learning_rate`.
  package var learningRate: Double = 5e-5
  /// `lr_scheduler_type`.
  package var scheduler: LearningRateSchedule.Kind = .linear
  /// `warmup_ratio`: share of all steps; used when `warmupSteps` is 0.
  package var warmupRatio: Double = 0
  /// `warmup_steps`.
  package var warmupSteps = 0
  /// `num_train_epochs`.
  package var epochs: Double = 3
  /// `max_steps`: above 0 it decides instead of `epochs`.
  package var maxSteps = 0
  /// `per_device_train_batch_size`: examples of a micro-batch. Default 1 (Hugging Face: 8).
  package var batchSize = 1
  /// `gradient_accumulation_steps`: micro-batches of an update.
  package var accumulationSteps = 1
  package var weightDecay: Double = 0
  /// `decay`: `matrices` (as Hugging Face's Trainer) leaves norms and biases alone, `all` decays everything.
  package var decay: DecayPolicy = .matrices
  /// `optim`.
  package var optimizer: Optimizer = .adamW
  /// `f32_embedding_states`: the embedding and the head keep f32 states whatever the optimizer.
  package var embeddingStatesAreFull = false
  /// `bf16` on the processor: the matrices are bf16 with no f32 copy, rounded by chance when they are updated.
  package var weightsAreHalf = false
  package var adamBeta1: Double = 0.9
  package var adamBeta2: Double = 0.999
  package var adamEpsilon: Double = 1e-8
  /// `bf16` on a card: the number formats of a step.
  package var precision = Precision.f32
  /// `max_grad_norm`: 0 turns clipping off.
  package var maxGradNorm: Double = 1
  /// `method` lora and qlora: the adapters that are trained instead of the weights; nil trains all weights.
  package var adapter: AdapterOptions?
  /// `method` qlora: the blocks' frozen matrices are held in NF4.
  package var quantisesBase = false
  /// Seeds the order of the examples, rounding by chance, the adapters' first weights and their dropout.
  package var seed: UInt64 = 42
  /// Whether examples are shuffled in every epoch; rehearsals take them as they come.
  package var shuffles = true
  /// `logging_steps`: a metrics row every so many updates. Default 1 (Hugging Face: 500).
  package var loggingSteps = 1
  /// `save_steps`: a checkpoint every so many updates; 0: none but at a stop.
  package var saveSteps = 0
  /// `eval_steps`: validation loss every so many updates; 0: only at the end.
  package var evalSteps = 0
  /// `gradient_checkpointing`.
  package var gradientCheckpointing: Checkpointing = .auto
  /// `activation_offloading`: whether activations wait in the page tier, or left to the memory plan.
  package var activationOffloading: Checkpointing = .auto
  /// Whether the optimizer's states lie in the page tier whatever the budget: the paged ones of `optim`.
  package var statesArePaged = false
  /// `page_folder`: where the page file of a plan lies that needs one; nil: the system's folder for temporary files.
  package var pageFolder: FilePath?
  /// Passes to use as they are, instead of a search: for tests and benchmarks.
  package var passes: TrainingPasses?
  /// `memory_budget` in bytes for the whole process; nil: none.
  package var memoryBudget: Int?
  /// Updates in a row that may be skipped for gradients that are not finite before training gives up.
  package var maxSkippedSteps = 5

  package init() {}

  /// What the step program takes from the options.
  package var step: StepOptions {
    var step = StepOptions(
      optimizer: optimizer, beta1: adamBeta1, beta2: adamBeta2, epsilon: adamEpsilon, weightDecay: weightDecay,
      decay: decay,
      maxGradNorm: maxGradNorm > 0 ? maxGradNorm : nil)
    step.precision = precision
    step.weightsAreHalf = weightsAreHalf
    step.embeddingStatesAreFull = embeddingStatesAreFull
    step.adapter = adapter
    step.quantisesBase = quantisesBase
    return step
  }

  /// Throws for values that no training can have.
  package func check() throws(TrainingError) {
    func require(_ holds: Bool, _ key: String, _ value: some Any, _ remedy: String) throws(TrainingError) {
      if !holds { throw TrainingError("\(key) is out of range", value: "\(value)", remedy: remedy) }
    }
    try require(
      learningRate.isFinite && learningRate >= 0, "learning_rate", learningRate,
      "use a small positive number such as 2e-5")
    try require((0...1).contains(warmupRatio), "warmup_ratio", warmupRatio, "use a share between 0 and 1")
    try require(warmupSteps >= 0, "warmup_steps", warmupSteps, "use 0 or more")
    try require(
      epochs.isFinite && (maxSteps > 0 || epochs > 0) && epochs <= 1e6, "num_train_epochs", epochs,
      "use a positive number")
    try require(maxSteps <= 1 << 40, "max_steps", maxSteps, "use a smaller number")
    try require((1...1 << 16).contains(batchSize), "per_device_train_batch_size", batchSize, "use 1 or more")
    try require(
      (1...1 << 16).contains(accumulationSteps), "gradient_accumulation_steps", accumulationSteps, "use 1 or more")
    try require(weightDecay.isFinite && weightDecay >= 0, "weight_decay", weightDecay, "use 0 or more")
    try require((0..<1).contains(adamBeta1), "adam_beta1", adamBeta1, "use a number in [0, 1)")
    try require((0..<1).contains(adamBeta2), "adam_beta2", adamBeta2, "use a number in [0, 1)")
    try require(adamEpsilon.isFinite && adamEpsilon > 0, "adam_epsilon", adamEpsilon, "use a small positive number")
    try require(maxGradNorm.isFinite && maxGradNorm >= 0, "max_grad_norm", maxGradNorm, "use 0 (off) or more")
    try require(loggingSteps >= 1, "logging_steps", loggingSteps, "use 1 or more")
    try require(saveSteps >= 0, "save_steps", saveSteps, "use 0 (only at a stop) or more")
    try require(evalSteps >= 0, "eval_steps", evalSteps, "use 0 (only at the end) or more")
    if let adapter {
      try require((1...1 << 16).contains(adapter.rank), "lora_r", adapter.rank, "use 1 or more")
      try require(
        adapter.alpha.isFinite && adapter.alpha > 0, "lora_alpha", adapter.alpha, "use a positive number such as 32")
      try require((0..<1).contains(adapter.dropout), "lora_dropout", adapter.dropout, "use a number in [0, 1)")
      try require(!adapter.modules.isEmpty, "lora_target_modules", "[]", "name a module, or all-linear")
    }
    if quantisesBase, adapter == nil {
      throw TrainingError("a base in NF4 can not be trained itself", remedy: "train adapters: method: qlora")
    }
    if embeddingStatesAreFull, !optimizer.hasSmallStates {
      throw TrainingError(
        "f32_embedding_states has no effect with optim: \(optimizer.rawValue)", remedy: "leave it out")
    }
    if warmupRatio > 0, warmupSteps > 0 {
      throw TrainingError(
        "warmup_ratio has no effect with warmup_steps", value: "\(warmupRatio)", remedy: "leave one of them out")
    }
    if scheduler == .constant, warmupRatio > 0 || warmupSteps > 0 {
      throw TrainingError(
        "lr_scheduler_type constant has no warm-up, yet warmup_ratio or warmup_steps is set",
        remedy: "use constant_with_warmup, or leave the warm-up out")
    }
  }
}
