# A chain of commands: big (200,000 bytes from a.txt) -> twice -> note (small), and side from b.txt alone.
chain='
chain_pipeline() {
  cat >fettle.yaml <<"Y"
fettle: 1
name: chain
stages:
  big:
    uses: command
    inputs: {a: a.txt}
    outputs: {out: made/big.txt}
    with: {run: "yes \"$(printf %099d $(cat \"$a\"))\" | head -n 2000 > \"$out\""}
  twice:
    uses: command
    inputs: {big: big.out}
    outputs: {out: made/twice.txt}
    with: {run: "cat \"$big\" \"$big\" > \"$out\""}
  note:
    uses: command
    inputs: {twice: twice.out}
    outputs: {out: made/note.txt}
    with: {run: "wc -c < \"$twice\" > \"$out\""}
  side:
    uses: command
    inputs: {b: b.txt}
    outputs: {out: made/side.txt}
    with: {run: "cat \"$b\" > \"$out\""}
Y
  echo 7 >a.txt
  echo 8 >b.txt
}
# object STAGE: where the output of a stage lies.
object() { fettle show "$1" --json | sed -n "s/.*\"path\": \"\(.*\)\".*/\1/p" | head -n 1; }
# stages: how every stage fared, on one line.
stages() { fettle status --json | sed -n "s/.*\"status\": \"\([a-z]*\)\".*/\1/p" | tr "\n" " " | sed "s/ $//"; }
# after WANTED: a plain run ends well with these states.
after() { ends 0 fettle run; [ "$(stages)" = "$1" ] || { echo "$(stages), not $1"; cat stderr; return 1; }; }
# flip FILE: one bit of one byte in its middle, times as they were.
flip() {
  touch -r "$1" stamp
  chmod u+w "$1"
  local at=$(($(stat -c %s "$1") / 2)) byte
  byte="$(od -An -tu1 -j $at -N1 "$1" | tr -d " ")"
  printf "$(printf "\\\\%03o" $((byte ^ 1)))" | dd of="$1" bs=1 seek=$at conv=notrunc status=none
  chmod 444 "$1"
  touch -r stamp "$1"
}
'

expect "a flipped byte in the store is noticed by a plain run, and only what made it runs" <<C
$chain
chain_pipeline
after "done done done done"
flip "\$(object twice)"
after "cached done cached cached"
says "altered"
after "cached cached cached cached"
C

expect "a deleted object is noticed by a plain run, and only what made it runs" <<C
$chain
chain_pipeline
after "done done done done"
chmod u+w "\$(object big)"; rm -f "\$(object big)"
after "done cached cached cached"
says "gone"
C

expect "fsck names what is damaged, marks it, and the next run makes it again" <<C
$chain
chain_pipeline
after "done done done done"
ends 0 fettle fsck
says "all sound"
flip "\$(object big)"
rm -f "\$(object twice)"
ends 1 fettle fsck --check
ends 1 fettle fsck --json
[ "\$(grep -c 'marked for rerun' stdout)" = 2 ]
says "chain: big"
says "chain: twice"
ends 0 fettle fsck
after "done done cached cached"
ends 0 fettle fsck
C

expect "a small result is made good from the database, and fsck says so" <<C
$chain
chain_pipeline
after "done done done done"
flip "\$(object note)"
ends 1 fettle fsck
says "restored"
grep -qx 400000 "\$(object note)"
after "cached cached cached cached"
C

expect "a plain run says that it restored a small result" <<C
$chain
chain_pipeline
after "done done done done"
flip "\$(object note)"
after "cached cached cached cached"
says "restored from the database"
grep -qx 400000 "\$(object note)"
C

expect "gc is dry by default and keeps what the newest and the named runs need" <<C
$chain
chain_pipeline
after "done done done done"
ends 0 fettle runs 1 --name first
echo 9 >a.txt
after "done done done cached"
echo 10 >a.txt
after "done done done cached"
before="\$(find .fettle/objects -type f | wc -l)"
ends 0 fettle gc --older-than 0s
says "would remove"
[ "\$(find .fettle/objects -type f | wc -l)" = "\$before" ]
ends 0 fettle gc --older-than 0s --yes --json
[ "\$(find .fettle/objects -type f | wc -l)" = \$((before - 2)) ]
after "cached cached cached cached"
echo 7 >a.txt
after "cached cached cached cached"
echo 9 >a.txt
after "done done cached cached"
ends 0 fettle gc
ends 2 fettle runs 1 --name 5x
ends 2 fettle gc --older-than soon
C

expect "gc by size removes the least recently used first" <<C
$chain
chain_pipeline
after "done done done done"
for n in 11 12 13; do echo \$n >a.txt; ends 0 fettle run; done
ends 0 fettle gc --max-size 1300KB --yes
[ "\$(du -sb .fettle/objects | cut -f1)" -lt 1400000 ]
after "cached cached cached cached"
C

expect "results are shared through a folder, whole or not at all" <<C
$chain
chain_pipeline
after "done done done done"
ends 0 fettle cache push ../shared-\$\$
says "pushed 4 results"
ends 0 fettle cache push ../shared-\$\$
says "4 were there already"
mkdir -p other/.fettle && cp fettle.yaml a.txt b.txt other/
cd other
ends 0 fettle cache pull ../../shared-\$\$
says "pulled 4 results"
after "cached cached cached cached"
grep -qx 400000 made/note.txt
cd ..
mkdir -p third/.fettle && cp fettle.yaml a.txt b.txt third/
for file in \$(find ../shared-\$\$/objects -type f -size +300k); do flip "\$file"; done
ln -s /etc/passwd link && mv -T link "\$(find ../shared-\$\$/objects -type f -size -2 | head -n 1)"
cd third
ends 1 fettle cache pull ../../shared-\$\$
says "digest"
says "neither a file nor a folder"
ends 0 fettle run
ends 0 fettle fsck
cd ..
ends 0 fettle cache push ../shared-\$\$ --verify
ends 2 fettle cache pull nosuch
C

expect "results are shared with another machine by rsync or ssh" <<C
$chain
command -v rsync >/dev/null || { echo "rsync is not installed"; exit 0; }
chain_pipeline
after "done done done done"
mkdir bin far
# Stands for the other machine: runs the remote command here.
cat >bin/ssh <<'S'
#!/bin/sh
while :; do case "\$1" in -l) shift 2 ;; -*) shift ;; *) break ;; esac; done
shift
exec sh -c "\$*"
S
chmod +x bin/ssh
for tool in rsync tar; do
  far="\$PWD/far/it's \$tool"
  path="\$PWD/bin:\$PATH"
  if [ \$tool = tar ]; then
    mkdir only && for name in tar sh cat mkdir; do ln -s "\$(command -v \$name)" only/; done
    path="\$PWD/bin:\$PWD/only"
  fi
  PATH="\$path" ends 0 "\$FETTLE" cache push "me@far:\$far"
  says "pushed 4 results"
  PATH="\$path" ends 0 "\$FETTLE" cache push "me@far:\$far"
  says "4 were there already"
  mkdir -p "near-\$tool/.fettle" && cp fettle.yaml a.txt b.txt "near-\$tool/"
  cd "near-\$tool"
  PATH="\$path" ends 0 "\$FETTLE" cache pull "me@far:\$far"
  says "pulled 4 results"
  after "cached cached cached cached"
  cd ..
done
C

expect "a lost or damaged database is rebuilt from the stored results" <<C
$chain
chain_pipeline
after "done done done done"
rm .fettle/cache.db*
after "cached cached cached cached"
printf 'this is no database, and long enough to be read as one %0500d' 1 >.fettle/cache.db
rm -f .fettle/cache.db-*
ends 1 fettle run
says "fettle fsck"
ends 1 fettle status
says "fettle fsck"
ends 1 fettle fsck
says "rebuilt 4 results"
after "cached cached cached cached"
dd if=/dev/urandom of=.fettle/cache.db bs=4096 seek=1 count=12 conv=notrunc status=none
ends 1 fettle fsck
says "rebuilt 4 results"
after "cached cached cached cached"
flip "\$(object big)"
: >.fettle/cache.db
after "done cached cached cached"
C

expect "a database that another program holds is told, with code 4" <<C
$chain
command -v sqlite3 >/dev/null || { echo "sqlite3 is not installed: skipped"; exit 0; }
chain_pipeline
after "done done done done"
mkfifo hold
sqlite3 .fettle/cache.db <hold >/dev/null & holder=\$!
exec 9>hold
echo "BEGIN EXCLUSIVE; SELECT 1;" >&9
code=0
"\$FETTLE" run >stdout 2>stderr || code=\$?
exec 9>&-
wait \$holder || true
[ "\$code" = 4 ] || { cat stderr; echo "code \$code"; exit 1; }
says "another program"
after "cached cached cached cached"
C

expect "two runs, or two cells, are compared" <<C
$chain
chain_pipeline
after "done done done done"
ends 0 fettle runs 1 --name first
sed -i 's/cat \\\\"\$b\\\\"/rev \\\\"\$b\\\\"/' fettle.yaml
ends 0 fettle run
ends 0 fettle diff first 2
says "rev"
says "the same in both"
ends 0 fettle diff first 2 --json
grep -q '"parameters"' stdout
ends 0 fettle diff first:big 2:big
ends 2 fettle diff first 9
ends 2 fettle diff 1 big
C

expect "no touch, time zone, copy or move reruns anything; other bytes do, whatever the times say" <<C
$chain
chain_pipeline
mkdir data && printf 'one\n' >data/x.txt
sed -i 's|b: b.txt|b: data|; s|cat \\\\"\$b\\\\"|cat \\\\"\$b\\\\"/*|' fettle.yaml
after "done done done done"
touch a.txt b.txt data/x.txt fettle.yaml
after "cached cached cached cached"
TZ=Asia/Tokyo after "cached cached cached cached"
mkdir ../copy-\$\$ && cp -a . ../copy-\$\$/ && cd ../copy-\$\$
after "cached cached cached cached"
mv ../copy-\$\$ "../moved \$\$" && cd "../moved \$\$"
after "cached cached cached cached"
touch -r data/x.txt stamp
printf 'two\n' >data/x.txt
touch -r stamp data/x.txt
after "cached cached cached done"
C

expect "a link counts as what it leads to; a loop is a clear error" <<C
$chain
chain_pipeline
echo 8 >c.txt; echo 99 >d.txt
rm b.txt; ln -s c.txt b.txt
after "done done done done"
ln -sfn d.txt b.txt
after "cached cached cached done"
ln -sfn c.txt b.txt
after "cached cached cached cached"
ln -sfn b.txt b.txt
ends 1 fettle run
says "b.txt"
says "symbolic links"
rm b.txt; mkdir b.txt; ln -s .. b.txt/up
ends 1 fettle run
says "leads back into its own folder"
C

expect "spelling reruns nothing: key order, comments, quotes, CRLF, other forms of a number" <<C
small_pipeline
ends 0 fettle run pipeline.yaml
cat >pipeline.yaml <<'Y'
# another comment
name: "small"
seed: 3.0
fettle: 1
stages:
  base: # last first
    with: {save_steps: 2, max_steps: 0x8, learning_rate: 0.0010, per_device_train_batch_size: 2,
      gradient_accumulation_steps: 2, chat_template: 'chatml', model: "preset:nano"}
    inputs: {tokens: tokens.train}
    uses: 'finetune'
  tokens:
    inputs: {rows: prose.train}
    with: {packing: true, train_on: all, tokenizer: "bytes", max_seq_length: 64}
    uses: tokenize
  prose:
    uses: clean
    with:
      steps: [{normalize: {"unicode": nfc}}]
      sources: [{path: datasets/rooms/prose.txt}]
Y
sed -i 's/seed: 3.0/seed: 3/; s/\$/\r/' pipeline.yaml
ends 0 fettle run pipeline.yaml
for stage in prose tokens base; do [ "\$(status_of \$stage)" = cached ] || { cat stderr; exit 1; }; done
sed -i 's/learning_rate: 0.0010/learning_rate: 1e-3/' pipeline.yaml
ends 0 fettle run pipeline.yaml
[ "\$(status_of base)" = cached ]
sed -i 's/max_seq_length: 64/max_seq_length: 63/' pipeline.yaml
ends 0 fettle run pipeline.yaml
[ "\$(status_of prose) \$(status_of tokens) \$(status_of base)" = "cached done done" ]
C

expect "a changed stage whose bytes stay the same leaves its readers cached" <<C
$chain
chain_pipeline
after "done done done done"
sed -i 's/cat \\\\"\$big\\\\" \\\\"\$big\\\\" >/cat \\\\"\$big\\\\" - < \\\\"\$big\\\\" >/' fettle.yaml
grep -q ' - < ' fettle.yaml
after "cached done cached cached"
C

expect "names with spaces, quotes, dollars, line ends, emoji, twins and bytes that are not UTF-8" <<C
bad="\$(printf 'b\377d')"; line="\$(printf 'a\nb')"
nfc="\$(printf 'caf\303\251')"; nfd="\$(printf 'cafe\314\201')"
project="pro ject '\"\\\$HOME \$line 🙂 \$bad"
mkdir "\$project" && cd "\$project"
mkdir -p "data/\$nfc" "data/\$nfd"
for name in "sp ace" "qu'o\"te" '\$dollar' "\$line" "🙂" "\$bad" "\$nfc" "\$nfd"; do
  printf '{"text":"%s"}\n' "a row for \$(printf %s "\$name" | od -An -tx1 | tr -d ' \n')" >"data/\$name.jsonl"
done
printf '{"text":"composed"}\n' >"data/\$nfc/x.jsonl"; printf '{"text":"decomposed"}\n' >"data/\$nfd/x.jsonl"
cat >"pi pe \$bad.yaml" <<'Y'
fettle: 1
name: odd
stages:
  rows:
    uses: clean
    with: {sources: [{path: "data/**/*.jsonl"}], steps: [{require: {non_empty: true}}]}
  names:
    uses: command
    inputs: {data: data}
    outputs: {out: "the out\$put 🙂.txt"}
    with: {run: "ls \"\$data\" | wc -c > \"\$out\""}
Y
ends 0 fettle run "pi pe \$bad.yaml"
ends 0 fettle run "pi pe \$bad.yaml" --json
grep -c '"cached"' stdout | grep -qx 2
[ "\$(fettle rows --stage rows | wc -l)" = 10 ]
[ "\$(fettle rows "data/\$bad.jsonl" "data/\$line.jsonl" | wc -l)" = 2 ]
[ -s 'the out\$put 🙂.txt' ]
mv "data/\$nfc/x.jsonl" "data/\$nfc/y.jsonl"
ends 0 fettle run "pi pe \$bad.yaml"
[ "\$(status_of rows) \$(status_of names)" = "cached done" ]
cd .. && ends 0 fettle status --project "\$project"
ends 0 fettle fsck --project "\$project"
C

expect "a watch runs what an edit needs, and only then" <<C
$chain
chain_pipeline
"\$FETTLE" watch >watched 2>watch.err & watcher=\$!
# A run is over when the watch says that it watches again.
told() { for _ in \$(seq 300); do [ "\$(grep -c '^watching' watch.err)" -ge "\$1" ] && return 0; sleep 0.1; done; cat watch.err; return 1; }
told 1
[ "\$(stages)" = "done done done done" ]
echo 99 >b.txt
told 2
[ "\$(stages)" = "cached cached cached done" ]
sed -i 's/wc -c/wc -l/' fettle.yaml
told 3
[ "\$(stages)" = "cached cached done cached" ]
printf 'stages: [' >broken && cp fettle.yaml good && cp broken fettle.yaml
for _ in \$(seq 100); do grep -q 'fettle.yaml:' watch.err && break; sleep 0.1; done
cp good fettle.yaml && echo 5 >b.txt
told 5
[ "\$(stages)" = "cached cached cached done" ]
used="\$(awk '{ print \$14 + \$15 }' /proc/\$watcher/stat)"
sleep 1
[ "\$(awk '{ print \$14 + \$15 }' /proc/\$watcher/stat)" -le \$((used + 2)) ]
kill -INT \$watcher
code=0; wait \$watcher || code=\$?
[ "\$code" = 130 ]
C

expect "a full disk fails the run in every phase, records no success, and the run completes with space" <<C
$chain
chain_pipeline
after "done done done done"
wanted="\$(sha256sum made/*)"
for blocks in 1 20 60 100 150 250 300 380 400 420 500 600 800; do
  mkdir -p "full-\$blocks/.fettle" && cp fettle.yaml a.txt b.txt "full-\$blocks/" && cd "full-\$blocks"
  code=0
  (ulimit -f \$blocks; "\$FETTLE" run >stdout 2>stderr) || code=\$?
  if [ "\$code" != 0 ]; then
    [ -s stderr ]
    if [ -e .fettle/cache.db ] && fettle status --json >status.json 2>/dev/null; then
      ! grep -q '"exit_code": 0' status.json
    fi
    ends 0 fettle run
  fi
  [ "\$(sha256sum made/*)" = "\$wanted" ]
  ends 0 fettle fsck
  cd ..
done
C

expect "init writes each template, and what it writes is a pipeline" <<C
for template in starter chat search shell; do
  ends 0 fettle init "new \$template" --template \$template --name "my-\$template"
  (cd "new \$template" && ends 0 fettle dag && grep -q "^name: my-\$template" fettle.yaml)
done
(cd "new shell" && ends 0 fettle run && ends 0 fettle run)
ends 2 fettle init other --template shel
says "did you mean 'shell'?"
ends 2 fettle init "new shell" --template shell
printf '{"messages":[{"role":"user","content":"a"},{"role":"assistant","content":"b"}]}\n' >mine.jsonl
ends 0 fettle init third --data "../mi ne.jsonl" --model "preset:nano"
grep -qF '"../mi ne.jsonl"' third/fettle.yaml
C

expect "completions and the manual page come from the commands' table" <<C
fettle completions bash >fettle.bash
bash -n fettle.bash
bash -c '. ./fettle.bash; COMP_WORDS=(fettle ru); COMP_CWORD=1; _fettle; printf "%s\n" "\${COMPREPLY[@]}"' | grep -qx run
bash -c '. ./fettle.bash; COMP_WORDS=(fettle run --fo); COMP_CWORD=2; _fettle; printf "%s\n" "\${COMPREPLY[@]}"' | grep -qx -- --force
small_pipeline
PATH="\$(dirname "\$FETTLE"):\$PATH" bash -c '. ./fettle.bash; COMP_WORDS=(fettle run --stage t); COMP_CWORD=3; _fettle; printf "%s\n" "\${COMPREPLY[@]}"' | grep -qx tokens
fettle completions zsh | head -n 1 | grep -qx '#compdef fettle'
fettle completions fish | grep -q "complete -c fettle"
ends 2 fettle completions tcsh
fettle man >fettle.1
for command in run diff gc fsck cache watch; do grep -q "^.SS \"fettle \$command" fettle.1; done
if command -v groff >/dev/null; then [ -z "\$(groff -man -Tutf8 -ww fettle.1 2>&1 >/dev/null)" ]; fi
C

expect "all faults of a pipeline file come at once, each with its place and the right word" <<C
cat >fettle.yaml <<'Y'
fettle: 1
name: faults
vars: {big: &anchor 1, more: *anchor}
stages:
  a:
    uses: clen
  a:
    uses: command
    with: {run: true, rum: "x"}
    outputs: {out: x.txt}
  b:
    uses: command
    inputs: {x: a.uot, y: c.out}
    outputs: {out: y.txt}
    with: {run: "x"}
Y
printf '  c:\n    uses: command\n    inputs: {z: b.out}\n    outputs: {out: z.txt}\n    with: {run: "x"}\n    <<: {retries: 1}\n\tretries: 2\n' >>fettle.yaml
ends 2 fettle run
for place in 3:13 3:30 7:3 21:5 22:1; do says "fettle.yaml:\$place"; done
says "anchors are not supported"
says "duplicate key 'a'"
says "merge keys are not supported"
says "a tab in the indentation"
C

if unshare -rm true 2>/dev/null; then
expect "a read-only project is still read, and a run says what to do" <<C
$chain
chain_pipeline
cat >inside.sh <<'S'
mkdir mounted && mount -t tmpfs -o size=20m none mounted && cd mounted
cp ../fettle.yaml ../a.txt ../b.txt . && mkdir .fettle
ends 0 fettle run
mount -o remount,ro .
code=0; "\$FETTLE" run >../stdout 2>../stderr || code=\$?
[ "\$code" = 1 ]
grep -q "Read-only file system" ../stderr
grep -q "permissions" ../stderr
"\$FETTLE" status >../stdout 2>../stderr && grep -q side ../stdout
"\$FETTLE" run --plan >../stdout 2>../stderr
[ "\$(grep -c cached ../stdout)" = 4 ]
S
unshare -rm bash -euo pipefail -c '. "\$ROOT/Tests/acceptance/prelude.sh"; . ./inside.sh'
C

expect "a full file system fails the run wherever it happens, and the run completes once there is space" <<C
$chain
chain_pipeline
cat >inside.sh <<'S'
mkdir mounted
for size in 40 80 120 160 200 300 400 500 600 700 800 900 1000 1100 1200; do
  mount -t tmpfs -o size=\${size}k none mounted && cd mounted
  cp ../fettle.yaml ../a.txt ../b.txt . && mkdir .fettle
  code=0
  "\$FETTLE" run >../stdout 2>../stderr || code=\$?
  if [ "\$code" != 0 ]; then
    [ -s ../stderr ]
    mount -o remount,size=20m .
    ! "\$FETTLE" status --json 2>/dev/null | grep -q '"exit_code": 0'
    "\$FETTLE" run >../stdout 2>../stderr || { cat ../stderr; exit 1; }
  fi
  mount -o remount,size=20m .
  [ "\$(cat made/note.txt)" = 400000 ]
  "\$FETTLE" fsck >../stdout 2>../stderr || { cat ../stdout; exit 1; }
  cd .. && umount mounted
done
S
unshare -rm bash -euo pipefail -c '. "\$ROOT/Tests/acceptance/prelude.sh"; . ./inside.sh'
C
else
  echo "skipped: no mounts without privileges here: read-only and full file systems"
  skipped=$((skipped + 2))
fi

if [ "$(id -u)" = 0 ] && command -v setpriv >/dev/null; then
expect "a database that may not be written is told with what to do" <<C
$chain
chain_pipeline
after "done done done done"
chmod -R a+rwX . && chmod 444 .fettle/cache.db
chmod a+rx . .. ../..
code=0
setpriv --reuid 65534 --clear-groups "\$FETTLE" run >stdout 2>stderr || code=\$?
[ "\$code" = 1 ] || { cat stderr; echo "code \$code"; exit 1; }
says "writable"
chmod 644 .fettle/cache.db
after "cached cached cached cached"
C
fi
