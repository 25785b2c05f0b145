#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Installs what is needed, builds, and runs the main job: real programs over real files of this machine, natively and
# under every backend. Their outputs are compared, and the statistics show who carried out what.
#
#   tools/try.sh [DIRECTORY]     the files to work on; /usr/include, or what else is there, by default
set -eu
cd "$(dirname "$0")/.."
. tools/packages.sh

need "${build_packages[@]}" || exit 1
tree=${1:-}
for d in "$tree" /usr/include /usr/share/doc /etc; do
  if [ -n "$d" ] && [ -d "$d" ]; then tree=$d; break; fi
done

[ -d build ] || meson setup build -Dtests=disabled >/dev/null
ninja -C build >/dev/null || { ninja -C build | tail -n 20; exit 1; }
dftio=build/tools/dftio

work=$(mktemp -d /var/tmp/dftio-try.XXXXXX)
trap 'rm -rf "$work"' EXIT

# Real files, copied so that every run reads the same: at most some thousand of them.
mkdir "$work/tree"
find "$tree" -xdev -type f -size -2M -readable -print0 2>/dev/null | sort -z | head -z -n 3000 |
  tar --null -cf - -T - 2>/dev/null | tar -xf - -C "$work/tree"
files=$(find "$work/tree" -type f | wc -l)
bytes=$(du -sb "$work/tree" | cut -f1)
echo "libdftio $("$dftio" --version | head -n 1 | sed 's/.* //') on $files files, $((bytes / 1000000)) MB from $tree"
echo

# The job, in three programs that each read every byte: cat, tar, grep.
cat >"$work/job.sh" <<'JOB'
cd "$1"
find tree -type f -print0 | sort -z | xargs -0 cat | sha256sum
tar --sort=name --mtime=@0 --owner=0 --group=0 -cf - tree | sha256sum
grep -rc include tree | LC_ALL=C sort | sha256sum
JOB

run() { # NAME COMMAND ... : the job under it; time in milliseconds
  local name=$1 from to
  shift
  from=$(date +%s%N)
  "$@" bash "$work/job.sh" "$work" >"$work/out.$name" 2>"$work/err.$name"
  to=$(date +%s%N)
  ms=$(((to - from) / 1000000))
}

run warm env
run native env
printf '%-12s %8s  %-9s %s\n' backend ms output "data operations of all processes: inline, backend, pool"
printf '%-12s %8d  %-9s\n' native "$ms" "$(sha256sum <"$work/out.native" | cut -c1-8)"
status=0
for backend in auto sync threadpool epoll io_uring; do
  mkdir "$work/stats"
  run "$backend" "$dftio" run --backend "$backend" --stats="$work/stats/s.json" --
  if cmp -s "$work/out.native" "$work/out.$backend"; then same=the\ same; else same=DIFFERS; status=1; fi
  who=$(python3 - "$work/stats" <<'PY'
import glob, json, sys
sums = [0, 0, 0]
used = set()
for f in glob.glob(sys.argv[1] + "/*.json"):
    s = json.load(open(f))
    used.add(s["backend"])
    for name, op in s["operations"].items():
        for i, k in enumerate(("inline", "backend", "pool")):
            sums[i] += op[k]
used.discard("none")
print("%d, %d, %d" % tuple(sums) + ("" if not used else "   (" + ", ".join(sorted(used)) + ")"))
PY
  )
  printf '%-12s %8d  %-9s %s\n' "$backend" "$ms" "$same" "$who"
  grep -m1 '^dftio' "$work/err.$backend" || true
  rm -r "$work/stats"
done
echo
echo "One program closer: dftio run --backend io_uring --stats -- tar -cf FILE.tar DIRECTORY"
"$dftio" run --backend io_uring --stats -- tar -cf "$work/tree.tar" -C "$work" tree
exit $status
