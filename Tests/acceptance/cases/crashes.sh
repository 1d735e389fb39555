# Every kind of stage, in a second or two.
crash_words='
every_kind() {
  head -n 40 datasets/rooms/prose.txt >prose.txt
  head -n 6 datasets/rooms-eval.jsonl >items.jsonl
  sed "s/rooms-eval.jsonl/items.jsonl/; s/^task: .*/task: items/" datasets/rooms-eval.yaml >items.yaml
  cat >pipeline.yaml <<Y
fettle: 1
name: every
stages:
  prose: {uses: clean, with: {sources: [{path: prose.txt}], steps: [{normalize: {unicode: nfc}}]}}
  tokens: {uses: tokenize, inputs: {rows: prose.train}, with: {tokenizer: bytes, max_seq_length: 64, packing: true, train_on: all}}
  rehearse: {uses: dry-run, inputs: {tokens: tokens.train}, with: {ladder: [{model: "preset:nano", max_seq_length: 32, steps: 2}], forecast: base}}
  base:
    uses: finetune
    inputs: {tokens: tokens.train}
    with: {model: "preset:nano", chat_template: chatml, learning_rate: 1e-3, per_device_train_batch_size: 1, max_steps: 4, save_steps: 1}
  scores: {uses: evaluate, inputs: {model: base.model}, with: {tasks: [items.yaml], apply_chat_template: true}}
  files: {uses: export, inputs: {model: base.model}}
  count: {uses: command, inputs: {files: files.files}, outputs: {count: count.txt}, with: {run: "setsid sleep 911 & ls \$files | wc -l > \$count"}}
Y
}

# digests: what an undisturbed run must give too. Forecasts and the metrics of a training hold measured seconds.
digests() {
  for stage in prose tokens base files count; do
    "$FETTLE" show $stage --json | sed -n "s/.*\"digest\": \"\(.*\)\".*/$stage \1/p" | head -n 1
  done
}

# sound WANTED: a plain run finishes, with the same digests, and has left nothing behind.
sound() {
  "$FETTLE" run pipeline.yaml >stdout 2>stderr </dev/null || { echo "the next run failed:"; cat stderr; return 1; }
  [ "$(digests)" = "$1" ] || { echo "other digests:"; digests; return 1; }
  [ -z "$(ls .fettle/work)" ] || { echo "left in work:"; ls .fettle/work; return 1; }
  [ -z "$(ls .fettle/checkpoints)" ] || { echo "left in checkpoints:"; ls .fettle/checkpoints; return 1; }
  [ "$(cat count.txt)" -gt 2 ] || { echo "count.txt: $(cat count.txt)"; return 1; }
  ! pgrep -fx "sleep 911" || return 1
  "$FETTLE" run pipeline.yaml >stdout 2>stderr </dev/null
  ! grep -q ": runs," stderr || { echo "not cached:"; cat stderr; return 1; }
}

# the stages that the database knows as done before the kill
done_stages() { "$FETTLE" status --json 2>/dev/null | grep -A1 "\"stage\"" | tr -d "\n" | grep -o "\"[a-z]*\",  *\"status\": \"\(done\|cached\)\"" | cut -d\" -f2 || true; }
'

# FETTLE_CRASH_POINTS=all: every point of every kind of stage, not only one of each sort.
expect "killed at commit points of every sort, the next run completes to the same digests" <<C
$crash_words
every_kind
mkdir alone && cp pipeline.yaml prose.txt items.* alone/
(cd alone && "\$FETTLE" run pipeline.yaml --quiet >/dev/null)
wanted="\$(cd alone && digests)"
[ "\$(echo "\$wanted" | wc -l)" = 5 ]
points="
  run.opened run.begun attempt.started attempt.ended object.durable object.renamed#5 output.published success.inside
  success.after#4 checkpoint.removed cell.linked run.finished clean.step tokenize.worked dry-run.step finetune.step#3
  evaluate.begun export.worked command.started"
[ "\${FETTLE_CRASH_POINTS:-few}" = few ] || points="\$points
  run.recovered cell.begun attempt.begun attempt.specified attempt.credited object.renamed object.published
  success.before success.after cell.recorded attempt.started#4 attempt.credited#4 success.inside#4 success.inside#7
  cell.linked#7 clean.begun clean.worked clean.reported tokenize.begun tokenize.reported dry-run.begun dry-run.worked
  dry-run.reported finetune.begun finetune.step finetune.worked finetune.reported evaluate.worked evaluate.reported
  export.begun export.reported command.begun command.emptied command.ended command.worked command.reported"
for point in \$points; do
  rm -rf .fettle out count.txt
  code=0; FETTLE_CRASH_AT=\$point "\$FETTLE" run pipeline.yaml >stdout 2>stderr </dev/null || code=\$?
  [ \$code != 0 ] || { echo "\$point was never reached"; exit 1; }
  before="\$(done_stages)"
  sound "\$wanted" 2>&1 || { echo "after a kill at \$point"; exit 1; }
done
C

# FETTLE_RANDOM_KILLS: how many moments; few unless asked for.
expect "killed at random moments, the next run completes to the same digests" <<C
$crash_words
every_kind
mkdir alone && cp pipeline.yaml prose.txt items.* alone/
start=\$(date +%s%N)
(cd alone && "\$FETTLE" run pipeline.yaml --quiet >/dev/null)
span=\$(( (\$(date +%s%N) - start) / 1000000 ))
wanted="\$(cd alone && digests)"
RANDOM=\${FETTLE_RANDOM_SEED:-1}
for try in \$(seq \${FETTLE_RANDOM_KILLS:-5}); do
  rm -rf .fettle out count.txt
  moment=\$(( (RANDOM * 32768 + RANDOM) % (span + 1) ))
  "\$FETTLE" run pipeline.yaml >stdout 2>stderr </dev/null & runner=\$!
  sleep "\$(printf '%d.%03d' \$((moment / 1000)) \$((moment % 1000)))"
  # By turns the runner, its attempt, or both.
  attempt="\$(pgrep -P \$runner || true)"
  case \$((try % 3)) in
    0) kill -9 \$runner 2>/dev/null || true;;
    1) kill -9 \$attempt 2>/dev/null || true;;
    2) kill -9 \$runner \$attempt 2>/dev/null || true;;
  esac
  wait \$runner 2>/dev/null || true
  cached="\$(done_stages)"
  "\$FETTLE" run pipeline.yaml >stdout 2>stderr </dev/null || { echo "after \$moment ms:"; cat stderr; exit 1; }
  for stage in \$cached; do grep -q "^\$stage: cached" stderr || { echo "\$stage ran again after \$moment ms"; exit 1; }; done
  sound "\$wanted" 2>&1 || { echo "after a kill at \$moment ms of \$span"; exit 1; }
done
C
