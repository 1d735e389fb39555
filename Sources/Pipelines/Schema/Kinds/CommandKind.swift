import Basics

extension StageKind {
  package static let command = StageKind(
    name: "command", version: 1,
    doc: "Runs a program of your own, with the inputs and outputs you declare",
    with: KeyTable(
      [
        Key(
          "run", .shell, required: true,
          "One text for `/bin/sh -c`; inputs and outputs are given as `$name`, `${vars.x}` is put in as it is"),
        Key(
          "env", .map(.string),
          "Variables of the environment with their values; see also the stage's `environment` and `secrets`"),
      ],
      aliases: [
        "cmd": "run", "command": "run", "script": "run", "shell": "run", "exec": "run", "environment": "env",
        "environ": "env",
      ]),
    inputs: [], outputs: [], declaresOwn: true)
}
