import Basics
import CPUBackend
import CUDABackend
import Models
import Tokenization
import Training

/// A finetune stage's settings made good: model, tokenizer, data, options, and the memory plan.
package struct PlannedTraining {
  package let model: OpenedModel
  package let tokenizer: Tokenizer
  /// The chat template that travels inside the result.
  package let template: String?
  package let tokens: ShardData
  package let validation: ShardData?
  package let options: TrainerOptions
  package let plan: TrainingPlan
  /// What people should know of these settings.
  package let notes: [String]
  /// The control token that the template writes after an assistant's words.
  private let turnEnd: Int?
  /// How fast this machine was found to be.
  let rates: MachineRates
  private let overhead: MemoryOverhead
  private let isOnCard: Bool
  /// Seeds the weights of a preset.
  private let presetSeed: UInt64

  /// - Parameters:
  ///   - with: the stage's keys with their defaults.
  ///   - tokens, validation: folders that the tokenize stage wrote.
  ///   - pages: the folder for a page file where the stage names none; the project's root when absent.
  package init(
    with: JSON.Object, seed: UInt64, root: FilePath, tokens: FilePath, validation: FilePath?,
    pages: FilePath? = nil, progress: ProgressHandler? = nil
  ) throws {
    let data = try ShardData(folder: tokens)
    let seed = with["seed"]?.int.map { UInt64($0) } ?? seed
    presetSeed = seed
    let given = try with["tokenizer"]?.string.map { try OpenedModel.tokenizer($0, root: root, progress: progress) }
    let reference = with["model"]?.string ?? ""
    model = try OpenedModel(
      reference, root: root, tokenizer: given ?? (reference.hasPrefix("preset:") ? data.tokenizer : nil), seed: seed,
      progress: progress)
    tokenizer = model.tokenizer ?? data.tokenizer
    try data.check(against: tokenizer, config: model.files.config, model: reference)
    self.tokens = data
    self.validation = try validation.map { try ShardData(folder: $0) }
    if let held = self.validation {
      try held.check(against: tokenizer, config: model.files.config, model: reference)
    }
    if let source = with["chat_template"]?.string {
      template = try OpenedModel.templateSource(source, root: root, progress: progress)
    } else {
      template = model.files.chatTemplate ?? data.template
    }
    if with["method"]?.string ?? "full" != "full", model.files.adapter != nil {
      throw StageError(
        "adapters can not be trained beside an adapter", at: reference,
        remedy: "export the model with its adapter merged and name that, or use method: full")
    }
    do {
      turnEnd = if let template { try TurnEnd.token(of: template, tokenizer) } else { nil }
      notes = []
    } catch {
      turnEnd = nil
      notes = [
        "the end of a turn is unknown, so that generation may not stop there: the chat template refuses a question and "
          + "its answer: \(Basics.problem(of: error))"
      ]
    }
    var options = try TrainerOptions(with: with, seed: seed)
    options.pageFolder = with["page_folder"]?.string.map { root.appending($0) } ?? pages ?? root
    let card = try Device(with).kind == Device.cuda.rawValue ? Device(with).backend() as? CUDABackend : nil
    let hasBudget = options.memoryBudget != nil
    // All of a card is the budget where none is given: what does not fit is found out here.
    if let card { options.memoryBudget = min(options.memoryBudget ?? Int.max, try card.memory().total) }
    self.options = options
    if options.evalSteps > 0, self.validation == nil {
      throw TrainingError(
        "eval_steps has no effect without the input validation", value: "\(options.evalSteps)",
        remedy: "leave it out, or give the tokens to evaluate on")
    }
    let mayPage = hasBudget || options.statesArePaged || options.activationOffloading == .on
    if let folder = with["page_folder"]?.string, !mayPage {
      throw TrainingError(
        "page_folder has no effect without memory_budget, activation_offloading: true or a paged optimizer",
        value: folder, remedy: "leave it out, or set one of them")
    }
    if let folder = with["page_folder"]?.string, folder.isEmpty || !Files.exists(root.appending(folder)) {
      throw TrainingError(
        "page_folder names no folder that is there", at: root.appending(folder).display, value: folder,
        remedy: "make it, or name another on a disk")
    }
    let overhead =
      try card.map { MemoryOverhead.ofCard(outside: try $0.outside()) }
      ?? .ofThisProcess(threads: min(with["threads"]?.int ?? Int.max, CPUBackend.availableCores))
    // The page tier matters only where there is something to choose.
    let rates = try MachineRates.measure(
      card ?? Device.backend(with), pageFolder: hasBudget ? options.pageFolder : nil)
    self.rates = rates
    self.overhead = overhead
    isOnCard = card != nil
    plan = try TrainingPlan(
      config: model.files.config, data: data, validation: self.validation, options: options, overhead: overhead,
      rates: rates)
  }

  /// What another training in this process would hold beside its arena.
  func overheadNow(threads: Int?) -> MemoryOverhead {
    isOnCard ? overhead : .ofThisProcess(threads: threads ?? CPUBackend.availableCores)
  }

  /// What the folder of a trained adapter says of its base; `reference` is the base as the pipeline names it.
  func adapterRecord(_ reference: String) throws -> AdapterRecord {
    let isPreset = reference.hasPrefix("preset:")
    return AdapterRecord(
      base: reference, baseDigest: try model.files.contentDigest(), seed: isPreset ? presetSeed : nil,
      vocabularySize: isPreset ? model.files.config.vocabularySize : nil, quantisesBase: options.quantisesBase)
  }

  /// The trained model's configuration: the end of a turn is an end of text for generation.
  var finalConfig: ModelConfig {
    var config = model.files.config
    if let turnEnd, !config.eosIDs.contains(turnEnd) { config.eosIDs.append(turnEnd) }
    return config
  }

  /// The model's own generation settings, with the end of a turn among the ends.
  var generationConfig: JSON? {
    guard var object = model.files.generationConfig?.object else { return nil }
    let ends = finalConfig.eosIDs
    if !ends.isEmpty { object["eos_token_id"] = ends.count == 1 ? JSON(ends[0]) : .array(ends.map { JSON($0) }) }
    return .object(object)
  }
}

/// Finds how a chat template ends an assistant's turn.
private enum TurnEnd {
  /// The control token after an assistant's words; nil where they end without one. Throws when the template can not
  /// write a question and its answer.
  static func token(of template: String, _ tokenizer: Tokenizer) throws -> Int? {
    let encoder = ChatEncoder(
      tokenizer: tokenizer, template: try ChatTemplate(source: template),
      options: ChatEncoder.Options(maxSequenceLength: 4096))
    let row: JSON = ["messages": [["role": "user", "content": "a"], ["role": "assistant", "content": "b"]]]
    switch try encoder.encode(row) {
    case .dropped(let reason, let detail): throw StageError("\(reason.rawValue): \(detail)")
    case .examples(let examples, _, _):
      guard let example = examples.first, let last = example.trained.lastIndex(of: true),
        tokenizer.isSpecial(example.ids[last])
      else { return nil }
      return Int(example.ids[last])
    }
  }
}

extension TrainerOptions {
  /// Options from a finetune stage's keys, which the pipeline file has checked and filled in.
  package init(with: JSON.Object, seed: UInt64) throws {
    self.init()
    func number(_ key: String, _ fallback: Double) -> Double { with[key]?.double ?? fallback }
    func whole(_ key: String, _ fallback: Int) -> Int { with[key]?.int ?? fallback }
    learningRate = number("learning_rate", learningRate)
    scheduler = LearningRateSchedule.Kind(rawValue: with["lr_scheduler_type"]?.string ?? "linear") ?? .linear
    warmupRatio = number("warmup_ratio", 0)
    warmupSteps = whole("warmup_steps", 0)
    epochs = number("num_train_epochs", epochs)
    maxSteps = whole("max_steps", 0)
    batchSize = whole("per_device_train_batch_size", 8)
    accumulationSteps = whole("gradient_accumulation_steps", 1)
    weightDecay = number("weight_decay", 0)
    if let name = with["optim"]?.string {
      guard let optimizer = Optimizer(rawValue: name == "adamw_torch_fused" ? "adamw_torch" : name) else {
        throw TrainingError("unknown optimizer", value: name)
      }
      self.optimizer = optimizer
    }
    statesArePaged = optimizer.isPaged
    embeddingStatesAreFull = with["f32_embedding_states"]?.bool ?? false
    let isHalf = with["bf16"]?.bool ?? false
    let isOnCard = Device(with).kind == Device.cuda.rawValue
    weightsAreHalf = isHalf && !isOnCard
    precision = isHalf && isOnCard ? .bf16 : .f32
    adamBeta1 = number("adam_beta1", adamBeta1)
    adamBeta2 = number("adam_beta2", adamBeta2)
    adamEpsilon = number("adam_epsilon", adamEpsilon)
    maxGradNorm = number("max_grad_norm", 1)
    self.seed = seed
    loggingSteps = whole("logging_steps", 10)
    saveSteps = whole("save_steps", 500)
    evalSteps = whole("eval_steps", 0)
    memoryBudget = with["memory_budget"]?.int
    try setAdapter(with)
    switch with["gradient_checkpointing"] {
    case .some(.bool(true)): gradientCheckpointing = .on
    case .some(.bool(false)): gradientCheckpointing = .off
    default: gradientCheckpointing = .auto
    }
    switch with["activation_offloading"] {
    case .some(.bool(true)): activationOffloading = .on
    case .some(.bool(false)): activationOffloading = .off
    default: activationOffloading = .auto
    }
    try check()
  }

  /// The adapters of `method: lora` and `method: qlora`.
  private mutating func setAdapter(_ with: JSON.Object) throws {
    let method = with["method"]?.string ?? "full"
    guard method != "full" else { return }
    var modules: Set<AdapterOptions.Module> = []
    for name in with["lora_target_modules"]?.array ?? [] {
      guard let module = AdapterOptions.Module(rawValue: name.string ?? "") else {
        throw TrainingError("unknown module", at: "lora_target_modules", value: name.text())
      }
      guard modules.insert(module).inserted else {
        throw TrainingError("a module is named twice", at: "lora_target_modules", value: module.rawValue)
      }
    }
    adapter = AdapterOptions(
      rank: with["lora_r"]?.int ?? 16, alpha: with["lora_alpha"]?.double ?? 32,
      dropout: with["lora_dropout"]?.double ?? 0.05,
      modules: modules.isEmpty ? Set(AdapterOptions.Module.allCases) : modules,
      isRankStabilised: with["use_rslora"]?.bool ?? false)
    quantisesBase = method == "qlora"
  }
}
