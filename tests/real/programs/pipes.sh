# SPDX-License-Identifier: MIT
# Pipelines, substitutions, coprocesses, background jobs and signals between them.

set -u -o pipefail

# Long pipelines; a reader that leaves early stops its writer by SIGPIPE.
cat in/text.txt | tr a-z b-za | sort -k3 | uniq | tail -n 1000 | sha256sum
seq 200000 | while read -r n; do [ "$n" -lt 3000 ] || break; echo "$n"; done | sha256sum
yes | head -n 5; echo "statuses ${PIPESTATUS[*]}"
cat in/big.bin | head -c 10 | od -A n -t x1; echo "statuses ${PIPESTATUS[*]}"
false | true; echo "status $?"

# Through cat from and to files, pipes and both.
cat in/big.bin | cat | cat > through; cmp through in/big.bin && echo same
cat < in/small.bin | tee copy | wc -c; cmp copy in/small.bin && echo same

# Substitutions: command, process, nested.
echo "lines $(wc -l < in/text.txt), first word $(head -n 1 in/text.txt | cut -d ' ' -f 1)"
diff <(sort in/unended.txt) <(sort -r in/unended.txt | sort) && echo sorted the same
tee >(sha256sum > sum) < in/text.txt > /dev/null; wait $!; cat sum
echo "$(echo "$(echo "$(cat in/byte)")")"

# Named pipes: open waits for the other side.
mkfifo fifo; cat in/small.bin > fifo & cat fifo | sha256sum; wait; rm fifo

# A coprocess: question and answer, many times.
coproc tr { stdbuf -o0 tr a-z A-Z; } 2> /dev/null
for word in one two three; do echo "$word" >&"${tr[1]}"; read -r answer <&"${tr[0]}"; echo "$answer"; done
eval "exec ${tr[1]}>&-"; wait "$tr_PID"; echo "coprocess ended: $?"

# Background jobs append to one file; every line arrives whole.
for job in 1 2 3 4 5 6; do (for i in $(seq 50); do echo "job $job line $i"; done >> appended) & done; wait
sort -V appended | sha256sum; rm appended

# Signals: a trap runs while wait waits; a killed child says so.
(trap 'echo caught; kill $!; exit 3' USR1; sleep 30 2> /dev/null & echo ready; wait $!) > trapped &
until [ -s trapped ]; do :; done; kill -USR1 $!; wait $!; echo "status $?"; cat trapped; rm trapped
bash -c 'kill -TERM $$'; echo "status $?"
read -r -t 0.05 nothing < <(exec sleep 1 2> /dev/null); [ $? -gt 128 ] && echo "read timed out"

# Children of children, exec, and a closed stdin.
bash -c 'bash -c "exec cat in/byte"; echo; exec echo replaced'
cat <&- 2>&1 | sed 's/.*: //'
xargs -n 100 -P 3 cat < <(find in/doc -type f | sort | head -n 300) | wc -c
