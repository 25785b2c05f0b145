# SPDX-License-Identifier: MIT
# Redirections of every kind; all that is printed is the same wherever it runs.

set -u

# Truncating, appending, both streams, reading and writing through one descriptor.
echo one > a; echo two >> a; { echo out; echo err >&2; } > both 2>&1; cat a both
exec 3<> rw; echo "0123456789" >&3; exec 3>&-; exec 3<> rw; read -r -n 4 -u 3 head; printf 'XY' >&3; exec 3>&-
echo "head $head"; cat rw

# Descriptors that share an offset: the shell, a subshell and a child write one file by turns.
exec 4> shared; echo shell >&4; (echo subshell >&4); bash -c 'echo child >&4'; echo shell again >&4; exec 4>&-
cat shared

# read takes one line of a file and leaves the rest to the next reader of the same offset.
{ read -r first; read -r second; head -c 10; echo; read -r next; } < in/text.txt
echo "$first"; echo "$second"; echo "$next"
while read -r line; do n=$((${n:-0} + ${#line})); done < in/unended.txt
echo "length $n, unended: $line"
mapfile -t -n 50 lines < in/text.txt; echo "mapped ${#lines[@]}: ${lines[49]}"

# Here-documents, small (a pipe) and large (a file), and here-strings.
cat << END
small here-document, $((6 * 7))
END
printf -v large '%70000s' end
wc -c << END
$large
END
tr a-z A-Z <<< "here-string"

# Numbered by the shell, moved, closed, duplicated.
exec {number}< in/byte; cat <&"$number"; exec {number}<&-; echo
exec 5> moved; exec 6>&5-; echo moved >&6; exec 6>&-; cat moved
(exec >&-; echo nowhere) 2> closed; echo "status $?"; sed 's/.*: //' closed
echo lost 2> /dev/null > /dev/full; echo "status $?"
set -C; (echo again > a) 2> refused; echo "status $?"; set +C; sed 's/.*: //' refused
(echo x > in/missing/y) 2> missing; echo "status $?"; sed 's/.*: //' missing

# Many descriptors at once, each with its own offset.
for i in $(seq 10 60); do eval "exec $i< in/text.txt"; done
for i in $(seq 10 60); do read -r -u "$i" -N "$i" got; done
for i in 60 35 10; do read -r -u "$i" rest; echo "$i: $rest"; done
for i in $(seq 10 60); do eval "exec $i<&-"; done
rm -f closed refused missing
