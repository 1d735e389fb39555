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
      Key("timeout", .duration, identity: false, "Longest time of an attempt"),
      Key("resources", .table(resources), identity: false, "What the stage needs of the machine"),
    ],
    aliases: [
      "type": "uses", "kind": "uses", "needs": "inputs", "deps": "inputs", "depends_on": "inputs", "after": "inputs",
      "input": "inputs", "params": "with", "config": "with", "args": "with", "settings": "with", "output": "outputs",
      "outs": "outputs", "strategy": "matrix", "sweep": "matrix", "grid": "matrix", "retry": "retries",
      "max_retries": "retries", "time_limit": "timeout", "desc": "description", "doc": "description",
      "gate": "inputs", "assert": "expect", "require": "expect",
    ])

  static let resources = KeyTable(
    [
      Key("memory", .size(1 << 20...1 << 50), identity: false, "Memory"),
      Key("cpus", .integer(1...4096), identity: false, "Cores"),
      Key("gpus", .integer(0...1024), identity: false, "Graphics processors"),
    ], aliases: ["cpu": "cpus", "cores": "cpus", "threads": "cpus", "gpu": "gpus", "ram": "memory"])
}
