# Adapters: trained, scored, merged and written alone, beside weights in f32 and in NF4.
adapter_pipeline='
adapter_pipeline() {
  head -n 60 datasets/rooms/prose.txt >prose.txt
  head -n 6 datasets/rooms-eval.jsonl >items.jsonl
  sed "s/rooms-eval.jsonl/items.jsonl/; s/^task: .*/task: items/" datasets/rooms-eval.yaml >items.yaml
  cat >pipeline.yaml <<Y
fettle: 1
name: adapters
stages:
  prose: {uses: clean, with: {sources: [{path: prose.txt}], steps: [{normalize: {unicode: nfc}}]}}
  tokens: {uses: tokenize, inputs: {rows: prose.train}, with: {tokenizer: bytes, max_seq_length: 64, packing: true, train_on: all}}
  base:
    uses: finetune
    inputs: {tokens: tokens.train}
    with: {model: "preset:nano", chat_template: chatml, learning_rate: 1e-3, per_device_train_batch_size: 1, max_steps: 4}
  plain: {uses: export, inputs: {model: base.model}}
  tuned:
    uses: finetune
    inputs: {tokens: tokens.train}
    with: {model: "preset:nano", method: METHOD, lora_r: 4, lora_alpha: 8, lora_target_modules: [q_proj, v_proj, down_proj], chat_template: chatml, learning_rate: 1e-2, per_device_train_batch_size: 1, max_steps: 6, logging_steps: 1}
  scores: {uses: evaluate, inputs: {model: tuned.model}, with: {tasks: [items.yaml], chat_template: chatml, apply_chat_template: true}}
  merged: {uses: export, inputs: {model: tuned.model}, with: {merge: true}}
  alone: {uses: export, inputs: {model: tuned.model}, with: {merge: false}}
Y
  sed -i "s/METHOD/$1/" pipeline.yaml
}
'

for method in lora qlora; do
  expect "$method trains adapters, which are scored, merged and written alone" <<C
$adapter_pipeline
adapter_pipeline $method
ends 0 fettle run pipeline.yaml
model=out/adapters/tuned/model
[ -f \$model/adapter_config.json ] && [ -f \$model/adapter_model.safetensors ] && [ ! -f \$model/model.safetensors ]
[ "\$(wc -c <\$model/adapter_model.safetensors)" -lt 400000 ]
grep -q '"peft_type": "LORA"' \$model/adapter_config.json
fettle show merged --json >shown.json
holds "\$(number max_logit_difference shown.json) < 0.01"
holds "\$(number tokens shown.json) > 50"
# The folder opens everywhere: merged in memory it answers as the merged files do.
fettle score --model \$model <<<'{"text":"The library opens at nine."}' >one.json
fettle score --model out/adapters/merged/files <<<'{"text":"The library opens at nine."}' >two.json
fettle score --model out/adapters/alone/files <<<'{"text":"The library opens at nine."}' >three.json
for file in two three; do holds "(\$(number sum one.json) - \$(number sum \$file.json))^2 < 1e-4"; done
fettle generate --model \$model --prompt "The" --max-new-tokens 4 --json | grep -q '"ids"'
fettle run pipeline.yaml 2>stderr
! grep -q ": runs," stderr
C
done

expect "options of adapters that have no effect or no meaning are refused by name" <<C
$adapter_pipeline
adapter_pipeline lora
sed 's/method: lora/method: full/' pipeline.yaml >full.yaml
ends 2 fettle run full.yaml --plan
says "'lora_r'"
says "belongs to method: lora or qlora"
sed 's/lora_r: 4/lora_r: 0/' pipeline.yaml >zero.yaml
ends 2 fettle run zero.yaml --plan
says lora_r
sed 's/q_proj, v_proj/qproj, v_proj/' pipeline.yaml >unknown.yaml
ends 2 fettle run unknown.yaml --plan
says qproj
sed 's/lora_r: 4/lora_rank: 4/' pipeline.yaml >alias.yaml
ends 2 fettle run alias.yaml --plan
says lora_r
sed 's/inputs: {model: base.model}}/inputs: {model: base.model}, with: {merge: true}}/' pipeline.yaml >merge.yaml
ends 1 fettle run merge.yaml --until plain
says "'merge' has no effect"
C
