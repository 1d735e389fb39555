# Memory: budgets that are kept, techniques that change nothing, and faults below main memory.
on_disk='
# The page file may not lie in memory, as the scratch folder might.
on_disk() { sed -i "s|max_steps: 8|max_steps: 8\n      page_folder: $ROOT/.build|" pipeline.yaml; mkdir -p "$ROOT/.build"; }
digest() { "$FETTLE" show base --json | grep -A3 "\"model\"" | grep digest; }
'

expect "paging, offloading and recomputation give the same model, within the predicted memory" <<C
$on_disk
small_pipeline
ends 0 fettle run pipeline.yaml
wanted="\$(digest)"
on_disk
sed -i 's/max_steps: 8/max_steps: 8\n      memory_budget: 120MiB\n      activation_offloading: true\n      gradient_checkpointing: true/' pipeline.yaml
ends 0 fettle plan pipeline.yaml
says "page file"
says "of a budget of 120.0 MiB"
ends 0 fettle run pipeline.yaml
says "base    cached"
ends 0 fettle run pipeline.yaml --force base
[ "\$(digest)" = "\$wanted" ]
fettle show base --json >shown.json
holds "\$(sed -n 's/.*"measured": \([0-9]*\),*/\1/p' shown.json | sort -n | tail -1) <= 120 * 1048576"
C

expect "a budget too small for any plan is refused before training, with the smallest that would do" <<C
$on_disk
small_pipeline
on_disk
sed -i 's/max_steps: 8/max_steps: 8\n      memory_budget: 20MiB/' pipeline.yaml
ends 1 fettle run pipeline.yaml
says "no plan for this training fits memory_budget"
says "smallest memory_budget that would do is"
C

expect "a training killed while it pages quantised states and bf16 weights ends in the same bytes" <<C
$on_disk
small_pipeline
on_disk
sed -i 's/max_steps: 8/max_steps: 40\n      optim: paged_adamw_8bit\n      bf16: true\n      device: cpu\n      activation_offloading: true/' pipeline.yaml
mkdir alone && ln -s ../datasets alone/datasets && cp pipeline.yaml alone/
(cd alone && "\$FETTLE" run pipeline.yaml --quiet)
wanted="\$(cd alone && digest)"
"\$FETTLE" run pipeline.yaml --quiet >/dev/null 2>&1 &
runner=\$!
until ls .fettle/checkpoints/*/checkpoint-* >/dev/null 2>&1 || ! kill -0 \$runner 2>/dev/null; do :; done
kill -9 \$runner
wait \$runner 2>/dev/null || true
ends 0 fettle run pipeline.yaml
[ -n "\$wanted" ] && [ "\$(digest)" = "\$wanted" ]
fettle show base --json >shown.json
[ "\$(number resumed_from shown.json)" -gt 0 ]
C

# A control group of the kernel holds the attempt to its budget: what breaks it is killed.
group=""
if [ -w /sys/fs/cgroup/memory/cgroup.procs ]; then
  group=/sys/fs/cgroup/memory/fettle-acceptance-$$
  limit=memory.limit_in_bytes
elif [ -w /sys/fs/cgroup/cgroup.subtree_control ] && grep -qw memory /sys/fs/cgroup/cgroup.subtree_control; then
  group=/sys/fs/cgroup/fettle-acceptance-$$
  limit=memory.max
fi
if [ -n "$group" ] && mkdir "$group" 2>/dev/null; then
  expect "a training runs inside a control group of its budget" <<C
$on_disk
small_pipeline
ends 0 fettle run pipeline.yaml --until tokens
on_disk
sed -i 's/max_steps: 8/max_steps: 8\n      memory_budget: 110MiB\n      activation_offloading: true\n      optim: paged_adamw_32bit/' pipeline.yaml
# The runner's own memory comes on top of the stage's.
echo \$(((110 + 40) * 1048576)) >$group/$limit
(echo \$BASHPID >$group/cgroup.procs && exec "\$FETTLE" run pipeline.yaml) || { cat $group/memory.failcnt; exit 1; }
C
  rmdir "$group" 2>/dev/null || true
else
  skipped=$((skipped + 1))
  echo "skipped: a training runs inside a control group of its budget (no control group for memory can be made here)"
fi
