expect "the quickstart ends with an honest gain on held-out questions" <<'C'
ln -s "$ROOT/pipelines" pipelines
ends 0 fettle run pipelines/quickstart.yaml
ends 0 fettle show evaluate --json
tuned="$(number value stdout)"
base="$(sed -n '/"baseline"/,/}/p' stdout >baseline; number value baseline)"
holds "$tuned - $base >= 0.2"
holds "$(number p_value stdout) < 0.01"
[ "$(number n stdout)" = 200 ]
fettle rows --stage clean >train.jsonl
honest train.jsonl datasets/rooms-eval.jsonl
ends 0 fettle show clean --json
for fault in exact_duplicate contaminated empty_answer; do
  [ "$(number "$fault" stdout)" = "$(number "$fault" datasets/rooms-planted.json)" ]
done
C

expect "cleaning finds in the tickets what was planted there, and keeps evaluation out" <<'C'
ln -s "$ROOT/pipelines" pipelines
ends 0 fettle run pipelines/smollm2-tickets.yaml --until clean
ends 0 fettle show clean --json
for fault in exact_duplicate near_duplicate contaminated empty_answer control_token; do
  [ "$(number "$fault" stdout)" = "$(number "$fault" datasets/tickets-planted.json)" ] || { echo "$fault"; exit 1; }
done
[ "$(number placeholder stdout)" = "$(number placeholder_answer datasets/tickets-planted.json)" ]
[ "$(number broken_json stdout)" = "$(number broken_line datasets/tickets-planted.json)" ]
[ "$(number out stdout)" = "$(number clean datasets/tickets-planted.json)" ]
fettle rows --stage clean >train.jsonl
honest train.jsonl datasets/tickets-eval.jsonl
[ "$(fettle rows --stage clean --rejected | wc -l)" = "$(( $(number in stdout) - $(number out stdout) ))" ]
C

expect "no text of a task stands in the program's sources" <<'C'
sed -n 's/.*"question":"\([^"]*\)".*/\1/p' datasets/*-eval.jsonl >questions.txt
[ "$(wc -l <questions.txt)" -gt 300 ]
! grep -rqFf questions.txt "$ROOT/Sources"
! grep -rqE 'queue=|wheelbarrow|SmolLM' "$ROOT/Sources" --include='*Stage*.swift'
C
