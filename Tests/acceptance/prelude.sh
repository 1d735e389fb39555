# Words of the acceptance cases.
fettle() { "$FETTLE" "$@"; }

# ends CODE COMMAND…: the command ends with this exit code; its output lies in stdout and stderr.
ends() {
  local code=0
  local wanted="$1"
  shift
  "$@" >stdout 2>stderr </dev/null || code=$?
  if [ "$code" != "$wanted" ]; then
    echo "'$*' ended with $code, not $wanted:"
    cat stdout stderr
    return 1
  fi
}

# says TEXT: the last command's messages hold this text.
says() {
  grep -qF -- "$1" stderr stdout || { echo "missing: $1"; cat stderr stdout; return 1; }
}

# status_of STAGE: what the newest run says of a stage.
status_of() {
  fettle status --json | grep -A1 "\"stage\": \"$1\"" | sed -n 's/.*"status": "\([a-z]*\)".*/\1/p'
}

# number KEY FILE: the first number of this name in a JSON file.
number() { sed -n "s/.*\"$1\": *\(-\{0,1\}[0-9.e-]*\).*/\1/p" "$2" | head -n 1; }

# holds EXPRESSION: arithmetic that must be true.
holds() { awk "BEGIN { exit !($1) }" || { echo "not true: $1"; return 1; }; }

# grams: every run of 13 lower-case words on standard input's lines, sorted.
grams() {
  tr 'A-Z' 'a-z' | awk '{
    n = split($0, w, /[^a-z0-9]+/); k = 0
    for (i = 1; i <= n; i++) if (w[i] != "") v[++k] = w[i]
    for (i = 1; i + 12 <= k; i++) { g = v[i]; for (j = i + 1; j < i + 13; j++) g = g " " v[j]; print g }
  }' | LC_ALL=C sort -u
}

# honest TRAIN EVALUATION: no evaluation question is a question of the training rows, none shares 13 words with them.
honest() {
  sed -n 's/.*"role":"user","content":"\([^"]*\)".*/\1/p; s/.*"prompt":"\([^"]*\)".*/\1/p' "$1" >train.txt
  sed -n 's/.*"question":"\([^"]*\)".*/\1/p' "$2" >held.txt
  [ "$(wc -l <train.txt)" -gt 500 ] && [ "$(wc -l <held.txt)" -gt 100 ]
  [ -z "$(LC_ALL=C comm -12 <(LC_ALL=C sort -u train.txt) <(LC_ALL=C sort -u held.txt))" ]
  [ -z "$(LC_ALL=C comm -12 <(grams <train.txt) <(grams <held.txt))" ]
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
