import Basics

extension StageKind {
  package static let finetune = StageKind(
    name: "finetune", version: 1,
    doc: "Trains all weights of a model, or adapters beside them, on tokens, within a memory budget",
    with: KeyTable(
      FinetuneKeys.model + FinetuneKeys.adapters + FinetuneKeys.schedule + FinetuneKeys.optimizer + FinetuneKeys.memory
        + FinetuneKeys.rhythm,
      aliases: sharedAliases.merging(FinetuneKeys.aliases, uniquingKeysWith: { _, own in own })),
    inputs: [
      Input(name: "tokens", kind: .tokens, required: true, takesReferences: false, doc: "The tokens to train on"),
      Input(
        name: "validation", kind: .tokens, required: false, takesReferences: false,
        doc: "The tokens that `eval_loss` is measured on"),
    ],
    outputs: [
      Output(name: "model", kind: .model, doc: "The trained model with tokenizer, template and generation settings"),
      Output(name: "metrics", kind: .metrics, doc: "Loss, gradient norm, speed and memory by step"),
    ])
}

/// The keys of `finetune`, with the names and defaults of Hugging Face's trainer.
enum FinetuneKeys {
  static let model = [
    Key("model", .model(.model), required: true, "The model to start from"),
    Key(
      "method", .choice(["full", "lora", "qlora"], refused: ["freeze": Key.notYet]), default: "full",
      "What is trained: all weights; low-rank adapters beside frozen weights; or the same with the blocks' matrices "
        + "held in 4 bits (NF4 with double quantisation)"),
    Key("tokenizer", .model(.tokenizer), "The tokenizer that goes into the result; the model's own when absent"),
    Key(
      "chat_template", .model(.template),
      "The chat template that goes into the result: `chatml`, a Jinja file, or a model; the model's own when absent"),
  ]

  private static let withAdapters = (key: "method", values: ["lora", "qlora"])

  /// Names as in TRL's `ModelConfig`.
  static let adapters = [
    Key("lora_r", .integer(1...65_536), default: 16, onlyWith: withAdapters, "Rank of the adapters"),
    Key(
      "lora_alpha", .number(NumberRange(0, 1e9, above: true)), default: 32, onlyWith: withAdapters,
      "Adapters are scaled by alpha / r"),
    Key(
      "lora_dropout", .number(NumberRange(0, 1, below: true)), default: JSON(0.05), onlyWith: withAdapters,
      "Share of an adapter's input that is left out in training"),
    Key(
      "lora_target_modules",
      .word(
        "all-linear",
        or: .list(
          .choice(["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]), count: 1...7)),
      default: "all-linear", onlyWith: withAdapters, "Layers of every block that get an adapter"),
    Key(
      "use_rslora", .bool, default: false, onlyWith: withAdapters, "Scale by alpha / sqrt(r) instead (rank-stabilised)"),
  ]

  static let schedule = [
    Key("learning_rate", .number(NumberRange(0)), default: JSON(5e-5), "The highest learning rate"),
    Key("per_device_train_batch_size", .integer(1...65_536), default: 8, "Sequences in a micro-batch"),
    Key("gradient_accumulation_steps", .integer(1...65_536), default: 1, "Micro-batches in an optimizer step"),
    Key(
      "num_train_epochs", .number(NumberRange(0, 1e6, above: true)), default: 3, notWith: "max_steps",
      "Passes over the tokens"),
    Key("max_steps", .integer(1...1_000_000_000), "Optimizer steps; counts instead of `num_train_epochs` when given"),
    Key(
      "lr_scheduler_type",
      .choice(
        ["constant", "constant_with_warmup", "linear", "cosine"],
        refused: [
          "cosine_with_restarts": Key.notYet, "cosine_with_min_lr": Key.notYet, "polynomial": Key.notYet,
          "inverse_sqrt": Key.notYet, "reduce_lr_on_plateau": Key.notYet, "warmup_stable_decay": Key.notYet,
        ]), default: "linear", "How the learning rate falls after the warm-up"),
    Key(
      "warmup_ratio", .number(NumberRange(0, 1)), default: 0,
      "Share of the steps in which the rate rises from 0"),
    Key("warmup_steps", .integer(0...1_000_000_000), default: 0, "Steps in which the rate rises; instead of the ratio"),
  ]

  private static let withAdam = (
    key: "optim",
    values: [
      "adamw_torch", "adamw_torch_fused", "adamw_bf16", "adamw_8bit", "paged_adamw_32bit", "paged_adamw_8bit",
    ]
  )
  private static let withSmallStates = (key: "optim", values: ["adamw_8bit", "paged_adamw_8bit", "adamw_bf16"])

  static let optimizer = [
    Key(
      "optim",
      .choice(
        withAdam.values + ["sgd", "adafactor"],
        refused: [
          "adamw_hf": "use adamw_torch", "adamw": "use adamw_torch", "adam": "use adamw_torch",
          "adamw_torch_8bit": "use adamw_8bit", "adamw_bnb_8bit": "use adamw_8bit", "adamw_8bits": "use adamw_8bit",
          "paged_adamw": "use paged_adamw_32bit", "paged_adam": "use paged_adamw_32bit",
          "paged_adamw_bnb_8bit": "use paged_adamw_8bit",
        ].merging(
          [
            "lion_8bit", "lion_32bit", "paged_lion_8bit", "paged_lion_32bit", "galore_adamw", "galore_adamw_8bit",
            "rmsprop", "adagrad", "muon", "adamw_torch_4bit", "adamw_anyprecision", "apollo_adamw", "lomo", "adalomo",
            "schedule_free_adamw", "ademamix",
          ].map { ($0, Key.notYet) }, uniquingKeysWith: { own, _ in own })),
      default: "adamw_torch",
      "The optimizer: AdamW with f32 states (`adamw_torch`, `adamw_torch_fused` is the same), bf16 states "
        + "(`adamw_bf16`) or 8-bit states (`adamw_8bit`, as bitsandbytes has them); the paged ones keep states below "
        + "memory; `sgd` has no momentum; `adafactor` takes the given learning rate"),
    Key(
      "f32_embedding_states", .bool, default: false, onlyWith: withSmallStates,
      "Keep f32 states for the embedding and the head"),
    Key("weight_decay", .number(NumberRange(0)), default: 0, "Decay of the weights, decoupled from the gradient"),
    Key(
      "adam_beta1", .number(NumberRange(0, 1, below: true)), default: JSON(0.9), onlyWith: withAdam,
      "Decay of the first moment"),
    Key(
      "adam_beta2", .number(NumberRange(0, 1, below: true)), default: JSON(0.999), onlyWith: withAdam,
      "Decay of the second moment"),
    Key(
      "adam_epsilon", .number(NumberRange(0, above: true)), default: JSON(1e-8), onlyWith: withAdam,
      "What keeps the division finite"),
    Key("max_grad_norm", .number(NumberRange(0)), default: 1, "Clip the gradient's norm to this; 0 for no clipping"),
    Key(
      "bf16", .bool, default: false,
      "Hold matrices in bfloat16 without a copy in f32, rounded by chance when they are updated"),
    .seed("Seeds the order of the sequences and the weights of presets"),
  ]

  static let memory = [
    Key("gradient_checkpointing", .auto(.bool), default: "auto", identity: false, "Compute activations again"),
    Key(
      "activation_offloading", .auto(.bool), default: "auto", identity: false,
      "Keep activations below the memory they are used in"),
    Key(
      "page_folder", .string, identity: false,
      "Folder on a disk for what a plan keeps below main memory; the project's own when absent"),
    .memoryBudget, .device, .threads,
  ]

  static let rhythm = [
    Key("save_steps", .integer(1...1_000_000_000), default: 500, identity: false, "Steps between checkpoints"),
    Key("logging_steps", .integer(1...1_000_000_000), default: 10, identity: false, "Steps between log lines"),
    Key("eval_steps", .integer(1...1_000_000_000), "Steps between evaluations; only at the end when absent"),
  ]

  static let aliases = [
    "batch_size": "per_device_train_batch_size", "micro_batch_size": "per_device_train_batch_size",
    "train_batch_size": "per_device_train_batch_size", "batch": "per_device_train_batch_size",
    "per_gpu_train_batch_size": "per_device_train_batch_size", "micro_batch": "per_device_train_batch_size",
    "lr": "learning_rate", "learningrate": "learning_rate", "peak_lr": "learning_rate",
    "epochs": "num_train_epochs", "num_epochs": "num_train_epochs", "n_epochs": "num_train_epochs",
    "max_epochs": "num_train_epochs", "train_epochs": "num_train_epochs", "steps": "max_steps",
    "num_steps": "max_steps", "max_train_steps": "max_steps", "total_steps": "max_steps", "iters": "max_steps",
    "optimizer": "optim", "optimiser": "optim", "scheduler": "lr_scheduler_type", "lr_scheduler": "lr_scheduler_type",
    "lr_schedule": "lr_scheduler_type", "scheduler_type": "lr_scheduler_type",
    "grad_accum": "gradient_accumulation_steps", "gradient_accumulation": "gradient_accumulation_steps",
    "grad_accumulation_steps": "gradient_accumulation_steps", "accumulation_steps": "gradient_accumulation_steps",
    "accumulate_grad_batches": "gradient_accumulation_steps", "base_model": "model", "model_name_or_path": "model",
    "model_name": "model", "model_path": "model", "base": "model", "checkpoint": "model", "warmup": "warmup_ratio",
    "lr_warmup_steps": "warmup_steps", "num_warmup_steps": "warmup_steps", "clip": "max_grad_norm",
    "clip_grad_norm": "max_grad_norm", "grad_clip": "max_grad_norm", "gradient_clip_val": "max_grad_norm",
    "gradient_clipping": "max_grad_norm", "max_norm": "max_grad_norm", "beta1": "adam_beta1", "beta2": "adam_beta2",
    "betas": "adam_beta1", "adam_betas": "adam_beta1", "eps": "adam_epsilon", "adam_eps": "adam_epsilon",
    "epsilon": "adam_epsilon", "wd": "weight_decay", "decay": "weight_decay", "finetuning_type": "method",
    "adapter": "method", "peft": "method", "use_peft": "method", "load_in_4bit": "method", "rank": "lora_r",
    "lora_rank": "lora_r", "r": "lora_r", "alpha": "lora_alpha", "dropout": "lora_dropout",
    "target_modules": "lora_target_modules", "lora_target": "lora_target_modules",
    "lora_modules": "lora_target_modules", "lora_target_linear": "lora_target_modules", "rslora": "use_rslora",
    "lora_use_rslora": "use_rslora", "use_rs_lora": "use_rslora", "peft_use_rslora": "use_rslora",
    "save_interval": "save_steps", "save_every": "save_steps", "checkpoint_steps": "save_steps",
    "log_interval": "logging_steps", "log_every": "logging_steps", "log_steps": "logging_steps",
    "eval_interval": "eval_steps", "eval_every": "eval_steps", "activation_checkpointing": "gradient_checkpointing",
    "grad_checkpointing": "gradient_checkpointing", "gradient_checkpoint": "gradient_checkpointing",
    "cpu_offload": "activation_offloading", "offload_activations": "activation_offloading", "fp16": "bf16",
    "dtype": "bf16", "torch_dtype": "bf16", "precision": "bf16",
  ]
}
