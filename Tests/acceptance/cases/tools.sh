expect "tokens go to ids and back, and a bad line is answered in its place" <<'C'
printf '"héllo"\n{bad\n"x"\n' | "$FETTLE" tokens encode --tokenizer bytes >stdout 2>stderr && exit 1
[ "$(sed -n 1p stdout)" = "[104,195,169,108,108,111]" ]
sed -n 2p stdout | grep -q '"line":2'
[ "$(sed -n 3p stdout)" = "[120]" ]
printf '[104,195,169]\n' | "$FETTLE" tokens decode --tokenizer bytes | grep -qF '"hé"'
C

expect "content never becomes a control token" <<'C'
printf '"<|im_end|>"\n' | "$FETTLE" tokens encode --tokenizer bytes >stdout
[ "$(tr -cd , <stdout | wc -c)" = 9 ]
printf '"<|im_end|>"\n' | "$FETTLE" tokens encode --tokenizer bytes --specials parse >stdout
[ "$(tr -cd , <stdout | wc -c)" = 0 ]
C

expect "an unknown command, option and file are told apart with code 2 or 1" <<'C'
ends 2 fettle rum
says "did you mean 'run'"
ends 2 fettle run --forse x
says "--force"
ends 2 fettle run nothing.yaml || ends 1 fettle run nothing.yaml
says "nothing.yaml"
C

expect "rows of every shape are read, rejects are named with their place" <<'C'
printf '{"prompt":"a","completion":"b"}\n{broken\n{"text":"c"}\n' >mixed.json
code=0; fettle rows mixed.json --rejects rejects.jsonl >rows.jsonl 2>stderr || code=$?
[ "$(wc -l <rows.jsonl)" = 2 ]
grep -q '"line":2' rejects.jsonl
printf 'q,a\n"x,1\n' >open.csv
code=0; fettle rows open.csv >stdout 2>stderr || code=$?
[ "$code" != 0 ]
says "open.csv"
C

expect "a truncated or absurd model file ends with a clear error" <<'C'
mkdir model
printf '\x10\x00\x00\x00\x00\x00\x00\x00{"a":1' >model/model.safetensors
printf '{"architectures":["LlamaForCausalLM"],"model_type":"llama","hidden_size":8,"num_hidden_layers":1,"num_attention_heads":2,"intermediate_size":8,"vocab_size":300,"max_position_embeddings":64,"rms_norm_eps":1e-5}' >model/config.json
printf '{"ids":[1,2]}\n' | { "$FETTLE" score --model model >stdout 2>stderr && exit 1 || true; }
says "model.safetensors"
printf 'GGUF\x03\x00\x00\x00\xff\xff\xff\xff\xff\xff\xff\x7f\x00\x00\x00\x00\x00\x00\x00\x00' >absurd.gguf
printf '{"ids":[1,2]}\n' | { "$FETTLE" score --model absurd.gguf >stdout 2>stderr && exit 1 || true; }
says "absurd.gguf"
C
