expect "a small pipeline runs, and runs again from the cache" <<'C'
small_pipeline
ends 0 fettle run pipeline.yaml
[ "$(status_of base)" = done ]
ends 0 fettle run pipeline.yaml
[ "$(status_of base)" = cached ]
C

expect "spelling and comments rerun nothing, one parameter reruns its stage and says why" <<'C'
small_pipeline
ends 0 fettle run pipeline.yaml
sed -i 's/learning_rate: 1e-3/learning_rate: 0.001 # the same/' pipeline.yaml
ends 0 fettle run pipeline.yaml --plan --json
! grep -q '"run"' stdout || ! grep -q 'changed' stdout
ends 0 fettle run pipeline.yaml
[ "$(status_of base)" = cached ]
sed -i 's/max_steps: 8/max_steps: 6/' pipeline.yaml
ends 0 fettle run pipeline.yaml
[ "$(status_of tokens)" = cached ]
[ "$(status_of base)" = done ]
ends 0 fettle why base
says max_steps
C

expect "a training killed in its middle ends in the same bytes as one left alone" <<'C'
small_pipeline
sed -i 's/max_steps: 8/max_steps: 60/' pipeline.yaml
mkdir alone && ln -s ../datasets alone/datasets && cp pipeline.yaml alone/
(cd alone && "$FETTLE" run pipeline.yaml --quiet)
wanted="$(cd alone && "$FETTLE" show base --json | grep -A3 '"model"' | grep digest)"
"$FETTLE" run pipeline.yaml --quiet >/dev/null 2>&1 &
runner=$!
until ls .fettle/checkpoints/*/checkpoint-* >/dev/null 2>&1 || ! kill -0 $runner 2>/dev/null; do :; done
kill -9 $runner
wait $runner 2>/dev/null || true
ends 0 fettle run pipeline.yaml
got="$("$FETTLE" show base --json | grep -A3 '"model"' | grep digest)"
[ -n "$wanted" ] && [ "$wanted" = "$got" ] || { echo "$wanted / $got"; exit 1; }
ends 0 fettle show base --json
[ "$(number resumed_from stdout)" -gt 0 ]
C

expect "a mistyped key is an error with its place and the right word, before anything starts" <<'C'
small_pipeline
sed -i 's/learning_rate: 1e-3/learningrate: 1e-3/; s/max_steps: 8/max_step: 8/' pipeline.yaml
ends 2 fettle run pipeline.yaml
says "pipeline.yaml:20:7"
says "learning_rate"
says "max_steps"
[ ! -e .fettle/objects ] || [ -z "$(find .fettle/objects -type f)" ]
C

expect "a missing file is named" <<'C'
small_pipeline
sed -i 's|datasets/rooms/prose.txt|datasets/rooms/prosa.txt|' pipeline.yaml
ends 2 fettle run pipeline.yaml || ends 1 fettle run pipeline.yaml
says "prosa.txt"
C

expect "a set in which no row survives ends with the reasons" <<'C'
small_pipeline
sed -i 's|^      steps: .*|      steps: [{drop_if: {chars_below: 100000}}]|' pipeline.yaml
ends 1 fettle run pipeline.yaml
says "no row"
C

expect "a budget too small names the smallest that would do" <<'C'
small_pipeline
sed -i 's/max_steps: 8/max_steps: 8\n      memory_budget: 1MiB/' pipeline.yaml
code=0; fettle run pipeline.yaml >stdout 2>stderr || code=$?
[ "$code" = 1 ] || [ "$code" = 2 ]
says "MiB"
C

expect "a sequence length above the model's is refused" <<'C'
small_pipeline
sed -i 's/max_seq_length: 64/max_seq_length: 100000/' pipeline.yaml
code=0; fettle run pipeline.yaml >stdout 2>stderr || code=$?
[ "$code" = 1 ] || [ "$code" = 2 ]
says "100000"
C

expect "a command stage runs with its inputs and outputs, and reruns when an input changes" <<'C'
echo one >words.txt
cat >pipeline.yaml <<'Y'
fettle: 1
name: shell
stages:
  count:
    uses: command
    inputs: {words: words.txt}
    outputs: {count: count.txt}
    with: {run: "wc -c < \"$words\" > \"$count\""}
Y
ends 0 fettle run pipeline.yaml
touch words.txt
ends 0 fettle run pipeline.yaml
[ "$(status_of count)" = cached ]
echo three >words.txt
ends 0 fettle run pipeline.yaml
[ "$(status_of count)" = done ]
C

expect "a stage or run that is not there is a wrong request" <<'C'
small_pipeline
ends 2 fettle run pipeline.yaml --stage nosuch
says nosuch
ends 0 fettle run pipeline.yaml --stage tokens
ends 2 fettle show nosuch
ends 2 fettle logs nosuch
ends 2 fettle status --run 99
C
