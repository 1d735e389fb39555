# Without a card that can be used: the processor, or an error that says what to do.
expect "a card that is not there is told with how to get its driver" <<'CASE'
export FETTLE_CUDA_LIBRARIES=none
if "$FETTLE" selftest --device cuda --only rope 2>err; then exit 1; fi
grep -q "NVIDIA driver" err
grep -q "install NVIDIA's driver" err
ends 0 fettle doctor
says "card: none is used, training runs on the processor"
CASE

expect "auto takes the processor where there is no card, and every operation agrees with its definition" <<'CASE'
export FETTLE_CUDA_LIBRARIES=none
"$FETTLE" selftest --device auto --only rope | tail -n 1 | grep -q "^cpu: .* passed, 0 failed$"
CASE
