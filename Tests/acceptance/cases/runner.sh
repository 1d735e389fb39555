expect "stages that do not need each other run side by side; one that asks for too much is told before anything runs" <<'C'
cat >pipeline.yaml <<'Y'
fettle: 1
name: pair
stages:
  a: {uses: command, timeout: 60s, outputs: {out: a.txt}, with: {run: "touch here.a; until [ -e here.b ]; do sleep 0.01; done; echo > $out"}}
  b: {uses: command, timeout: 60s, outputs: {out: b.txt}, with: {run: "touch here.b; until [ -e here.a ]; do sleep 0.01; done; echo > $out"}}
Y
ends 0 fettle run pipeline.yaml --cpus 2
sed -i 's/  a: {uses: command,/& resources: {cpus: 5000000},/' pipeline.yaml
ends 2 fettle run pipeline.yaml
sed -i 's/5000000/4000/' pipeline.yaml
ends 2 fettle run pipeline.yaml --cpus 2
says "a, line 4: asks for more than there is: 4000 cpus, and there are 2"
ends 2 fettle run pipeline.yaml --plan --cpus 2
C

expect "a failure is tried again as often as its kind is meant for" <<'C'
cat >pipeline.yaml <<'Y'
fettle: 1
name: tries
stages:
  flaky: {uses: command, retries: 3, retry_delay: 10ms, retry_on: [exit_code], outputs: {out: x}, with: {run: "echo >> tries; [ $(wc -l < tries) = 3 ] && echo > $out"}}
  crash: {uses: command, retries: 3, retry_delay: 10ms, retry_on: [timeout], outputs: {out: y}, with: {run: "echo >> crashes; kill -SEGV $$"}}
Y
ends 1 fettle run pipeline.yaml
[ "$(status_of flaky)" = done ]
[ "$(status_of crash)" = failed ]
[ "$(wc -l <tries)" = 3 ]
[ "$(wc -l <crashes)" = 1 ]
says "trying again"
C

expect "a timeout ends everything the command started, also what began a session of its own" <<'C'
cat >pipeline.yaml <<'Y'
fettle: 1
name: slow
stages:
  slow:
    uses: command
    timeout: 1s
    outputs: {out: x}
    with: {run: "sleep 901 & setsid sleep 902 & (env -i setsid sleep 903 &) ; nohup setsid sleep 904 & sleep 905"}
  fine:
    uses: command
    outputs: {out: y}
    with: {run: "setsid sleep 906 & echo > $out"}
Y
ends 1 fettle run pipeline.yaml
says "timed out after 1"
[ "$(status_of fine)" = done ]
for n in 901 902 903 904 905 906; do ! pgrep -fx "sleep $n"; done
C

expect "status says what runs, and after a kill that it failed; nothing is left running" <<'C'
cat >pipeline.yaml <<'Y'
fettle: 1
name: long
stages:
  long: {uses: command, outputs: {out: x}, with: {run: "setsid sleep 907 & touch up; [ -e go ] || sleep 908; echo > $out"}}
Y
"$FETTLE" run pipeline.yaml >/dev/null 2>&1 &
runner=$!
until [ -e up ]; do sleep 0.02; done
[ "$(status_of long)" = running ]
kill -9 $runner; wait $runner 2>/dev/null || true
for try in $(seq 100); do pgrep -fx 'sleep 90[78]' >/dev/null || break; sleep 0.05; done
! pgrep -fx 'sleep 90[78]'
[ "$(status_of long)" = failed ]
touch go
ends 0 fettle run pipeline.yaml
! pgrep -fx 'sleep 907'
C

expect "what was left by a runner and an attempt that were killed together is ended by the next run" <<'C'
cat >pipeline.yaml <<'Y'
fettle: 1
name: long
stages:
  long: {uses: command, outputs: {out: x}, with: {run: "setsid sleep 909 & touch up; [ -e go ] || sleep 910; echo > $out"}}
Y
"$FETTLE" run pipeline.yaml >/dev/null 2>&1 &
runner=$!
until [ -e up ]; do sleep 0.02; done
attempt=$(pgrep -P $runner)
kill -STOP $attempt; kill -9 $runner $attempt; wait $runner 2>/dev/null || true
pgrep -fx 'sleep 909' >/dev/null
touch go
ends 0 fettle run pipeline.yaml
! pgrep -fx 'sleep 909'
! pgrep -fx 'sleep 910'
C

expect "secrets are seen by their command and by nobody else; declared variables are keyed, others not passed" <<'C'
cat >pipeline.yaml <<'Y'
fettle: 1
name: secret
stages:
  ask:
    uses: command
    secrets: [SERVICE_TOKEN]
    environment: [FLAVOUR]
    outputs: {out: answer.txt}
    with:
      run: |
        echo "token is $SERVICE_TOKEN" ; echo "again: $SERVICE_TOKEN" >&2
        printf %s "$SERVICE_TOKEN" | wc -c > $out; echo "$FLAVOUR" >> $out; env | cut -d= -f1 > seen.txt
        [ "$FLAVOUR" != wrong ]
Y
export SERVICE_TOKEN=hush-7f3a9c2e FLAVOUR=plain OTHER=1
ends 0 fettle run pipeline.yaml
[ "$(head -n 1 answer.txt)" = 13 ]
ends 0 fettle logs ask
says "token is ***"
grep -q '^HOME$' seen.txt && ! grep -q '^OTHER$' seen.txt
SERVICE_TOKEN=hush-2222222222 ends 0 fettle run pipeline.yaml
[ "$(status_of ask)" = cached ]
FLAVOUR=salted ends 0 fettle run pipeline.yaml
[ "$(status_of ask)" = done ]
FLAVOUR=wrong ends 1 fettle run pipeline.yaml --json
! grep -q hush- stdout stderr
! grep -rqa hush- .fettle out
unset SERVICE_TOKEN
FLAVOUR=new ends 1 fettle run pipeline.yaml
says "the secret 'SERVICE_TOKEN' is not set"
C

expect "an input or a script edited while a stage runs is noticed, and the next run executes again" <<'C'
echo one >words.txt
printf '%s\n' 'touch up' 'until [ -e go ]; do sleep 0.01; done' 'cat words.txt > made.txt' >work.sh
cat >pipeline.yaml <<'Y'
fettle: 1
name: edited
stages:
  make: {uses: command, inputs: {words: words.txt}, outputs: {made: made.txt}, with: {run: "sh work.sh"}}
Y
for edit in 'echo two >words.txt' 'echo "# more" >>work.sh' 'cp words.txt w; echo x >words.txt; mv w words.txt'; do
  rm -f up go
  "$FETTLE" run pipeline.yaml --force make >stdout 2>stderr &
  runner=$!
  until [ -e up ]; do sleep 0.01; done
  eval "$edit"
  touch go
  code=0; wait $runner || code=$?
  case "$edit" in
    cp*) says "touched while the stage read it"; [ $code = 0 ];;
    *) [ $code = 1 ]; says "changed while the stage ran"; ends 0 fettle run pipeline.yaml; [ "$(status_of make)" = done ];;
  esac
done
ends 0 fettle run pipeline.yaml
[ "$(status_of make)" = cached ]
echo "# even more" >>work.sh
ends 0 fettle run pipeline.yaml
[ "$(status_of make)" = done ]
ends 0 fettle why make
C

expect "two runs started together, ten times: each stage once; one that may not wait names who holds the project" <<'C'
cat >pipeline.yaml <<'Y'
fettle: 1
name: twice
vars: {n: 0}
stages:
  once: {uses: command, outputs: {out: x}, with: {run: "echo ${vars.n} >> count; sleep 0.1; echo ${vars.n} > $out"}}
Y
for n in 1 2 3 4 5 6 7 8 9 10; do
  "$FETTLE" run pipeline.yaml --set vars.n=$n >out.a 2>err.a & a=$!
  "$FETTLE" run pipeline.yaml --set vars.n=$n >out.b 2>err.b & b=$!
  wait $a; wait $b
  [ "$(wc -l <count)" = $n ]
  grep -q "waiting for another run" err.a err.b
done
sed -i 's/sleep 0.1/touch up; until [ -e go ]; do sleep 0.01; done/' pipeline.yaml
rm -f go
"$FETTLE" run pipeline.yaml >/dev/null 2>&1 & runner=$!
until [ -e up ]; do sleep 0.01; done
ends 4 fettle run pipeline.yaml --no-wait
says "process $runner "
touch go
wait $runner
# A lock file that names a process which lives, but is another one, holds nobody up and is not believed.
printf '{"pid": %s, "command": "fettle run", "since": 1, "start": 1}\n' $$ >.fettle/lock
ends 0 fettle run pipeline.yaml --no-wait
C

expect "Ctrl-C once saves and stops with the line that goes on, twice stops at once, and nothing is lost" <<'C'
small_pipeline
sed -i 's/max_steps: 8/max_steps: 100000/; s/save_steps: 2/save_steps: 100000/' pipeline.yaml
# Background jobs of a shell ignore SIGINT; the runner takes it again.
"$FETTLE" run pipeline.yaml >stdout 2>stderr & runner=$!
until grep -qs step .fettle/logs/*/base-*.events.jsonl; do sleep 0.05; done
kill -INT $runner
code=0; wait $runner || code=$?
[ $code = 130 ]
says "this goes on from here: fettle run pipeline.yaml"
[ -n "$(find .fettle/checkpoints -name '*.json')" ]
"$FETTLE" run pipeline.yaml >stdout 2>stderr & runner=$!
until grep -q "went on from the checkpoint\|step" .fettle/logs/2/base-*.events.jsonl 2>/dev/null; do sleep 0.05; done
kill -INT $runner; kill -INT $runner
code=0; wait $runner || code=$?
[ $code = 130 ]
[ -z "$(ls .fettle/work)" ]
sed -i 's/max_steps: 100000/max_steps: 4/; s/save_steps: 100000/save_steps: 2/' pipeline.yaml
ends 0 fettle run pipeline.yaml
[ "$(status_of tokens)" = cached ]
C

expect "a clean stage stops inside a step" <<'C'
awk 'BEGIN { srand(1); for (i = 0; i < 120000; i++) { s = ""; for (k = 0; k < 40; k++) s = s " w" int(rand() * 3000); print "{\"text\":\"" s "\"}" } }' >rows.jsonl
cat >pipeline.yaml <<'Y'
fettle: 1
name: big
stages:
  rows:
    uses: clean
    with:
      sources: [{path: rows.jsonl}]
      steps: [{dedup: {method: minhash, threshold: 0.8, ngram: 5}}, {dedup: {method: minhash, threshold: 0.7, ngram: 3}}]
Y
"$FETTLE" run pipeline.yaml >stdout 2>stderr & runner=$!
until grep -qs byte .fettle/logs/*/rows-*.events.jsonl; do sleep 0.02; done
before=$(date +%s%N)
kill -INT $runner
code=0; wait $runner || code=$?
[ $code = 130 ]
holds "$(($(date +%s%N) - before)) < 2000000000"
C

expect "a plan tells a refusal by its exit code, and an empty selection is a wrong request" <<'C'
ends 2 fettle show nosuch
cat >pipeline.yaml <<'Y'
fettle: 1
name: small
stages:
  a: {uses: command, outputs: {x: a.txt}, with: {run: "exit 1"}}
  b: {uses: command, inputs: {y: a.x}, outputs: {x: b.txt}, with: {run: "cp $y $x"}}
  c: {uses: command, outputs: {x: c.txt}, with: {run: "echo > $x"}}
Y
ends 2 fettle run pipeline.yaml --from b --until c
says "no stage is left to run"
ends 1 fettle run pipeline.yaml
says "b: skipped: a gave no result"
! grep -q "b: skipped: b:" stderr
C
