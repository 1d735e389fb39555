# Words of the acceptance cases.
fettle() { "$FETTLE" "$@"; }

# ends CODE COMMAND…: the command ends with this exit code; its output lies in out and err.
ends() {
  local code=0
  local wanted="$1"
  shift
  "$@" >out 2>err </dev/null || code=$?
  if [ "$code" != "$wanted" ]; then
    echo "'$*' ended with $code, not $wanted:"
    cat out err
    return 1
  fi
}

# says TEXT: the last command's messages hold this text.
says() {
  grep -qF -- "$1" err out || { echo "missing: $1"; cat err out; return 1; }
}

# value FILE PATH: a number or string in a JSON file, by dotted path.
value() {
  python3 - "$1" "$2" <<'P'
import json, sys
at = json.load(open(sys.argv[1]))
for part in sys.argv[2].split("/"):
    at = at[int(part)] if isinstance(at, list) else at[part]
print(at)
P
}

# A pipeline of a few seconds: a small decoder from the project's prose.
small_pipeline() {
  cat >pipeline.yaml <<'Y'
fettle: 1
name: small
seed: 3
stages:
  prose:
    uses: clean
    with:
      sources: [{path: datasets/rooms/prose.txt}]
      steps: [{normalize: {unicode: nfc}}]
  tokens:
    uses: tokenize
    inputs: {rows: prose.train}
    with: {tokenizer: bytes, max_seq_length: 64, packing: true, train_on: all}
  base:
    uses: finetune
    inputs: {tokens: tokens.train}
    with:
      model: preset:nano
      chat_template: chatml
      learning_rate: 1e-3
      per_device_train_batch_size: 2
      gradient_accumulation_steps: 2
      max_steps: 8
      save_steps: 2
Y
}
