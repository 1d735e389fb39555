import Basics

/// The keys of the pipeline file outside `with`.
enum FileKeys {
  static let file = KeyTable(
    [
      Key("fettle", .exactly(1), required: true, "The version of the file's form"),
      Key("name", .string, required: true, "The pipeline's name; names the folder of its newest outputs"),
      Key("description", .string, identity: false, "For readers"),
      Key("seed", .integer(0...Int.max), default: 42, "The seed of every stage that gives none"),
      Key("vars", .values, "Values to use as `${vars.NAME}`; `--set vars.NAME=…` replaces one"),
      Key("stages", .stages, required: true, "The stages by name; their order follows from what they read"),
    ],
    aliases: [
      "version": "fettle", "variables": "vars", "params": "vars", "steps": "stages", "pipeline": "stages",
      "jobs": "stages", "tasks": "stages", "random_seed": "seed", "title": "name",
    ])

  static let stage = KeyTable(
    [
      Key("uses", .kindName, required: true, "The stage's kind"),
      Key("description", .string, identity: false, "For readers"),
      Key("inputs", .inputs, "Outputs of other stages, as `stage.output`; `gate` names a dry run that must permit"),
      Key("with", .with, "The settings, by kind"),
      Key("outputs", .map(.string), "For `command`: the files or folders it writes, by name"),
      Key("matrix", .axes, identity: false, "Makes one stage a combination: lists of values for `${matrix.NAME}`"),
      Key("expect", .expectations, identity: false, "Limits on the result's metrics: `{eval_loss: {max: 2.5}}`"),
      Key("retries", .integer(0...100), default: 0, identity: false, "How often to try again after a failure"),
      Key(
        "retry_on", .list(.choice(FailureCause.allCases.map(\.rawValue)), count: 0...FailureCause.allCases.count),
        identity: false,
        "The failures to try again after; all of them unless given. `crash`: a signal ended the stage; `exit_code`: its "
          + "program ended with another code than 0; `timeout`: it took longer than `timeout`; `oom`: the system killed "
          + "it for want of memory; `error`: the stage itself said what is wrong, or an output is missing"),
      Key(
        "retry_delay", .duration, default: 1, identity: false,
        "Wait before the first retry; it doubles with every further one, up to ten minutes"),
      Key(
        "timeout", .duration, identity: false,
        "Longest time of an attempt; then all its processes are asked to end, and killed two seconds later "
          + "(`command`) or ten (other kinds)"),
      Key(
        "resources", .table(resources), identity: false,
        "What the stage takes of the machine: stages that do not need each other run side by side as far as this fits"),
      Key(
        "environment", .list(.string, count: 0...256),
        "For `command`: names of variables of the environment that it sees; their values are identity. All commands see "
          + CommandNames.passedOn.joined(separator: ", ") + ", and nothing else"),
      Key(
        "secrets", .list(.string, count: 0...256),
        "For `command`: names of variables that it sees besides, whose values are kept nowhere: they are no identity, "
          + "and `***` stands for them in its log"),
    ],
    aliases: [
      "type": "uses", "kind": "uses", "needs": "inputs", "deps": "inputs", "depends_on": "inputs", "after": "inputs",
      "input": "inputs", "params": "with", "config": "with", "args": "with", "settings": "with", "output": "outputs",
      "outs": "outputs", "strategy": "matrix", "sweep": "matrix", "grid": "matrix", "retry": "retries",
      "max_retries": "retries", "retry_if": "retry_on", "backoff": "retry_delay", "retry_wait": "retry_delay",
      "time_limit": "timeout", "pass_env": "environment", "environ": "environment",
      "secret": "secrets", "requirements": "resources", "desc": "description", "doc": "description",
      "gate": "inputs", "assert": "expect", "require": "expect",
    ])

  static let resources = KeyTable(
    [
      Key(
        "memory", .size(1 << 20...1 << 50), identity: false,
        "Memory; the stage's `memory_budget` unless given, and where there is none it is not counted"),
      Key(
        "cpus", .integer(1...4096), identity: false,
        "Cores; unless given, the stage's `threads`, else 1 for `command` and `export`, and all cores for other kinds"),
      Key(
        "gpus", .integer(0...1024), identity: false,
        "Graphics processors, none unless given; the stage sees only these (`CUDA_VISIBLE_DEVICES`)"),
    ], aliases: ["cpu": "cpus", "cores": "cpus", "threads": "cpus", "gpu": "gpus", "ram": "memory"])
}
