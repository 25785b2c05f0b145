#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Installs what is needed, builds, and runs every test. The last line counts them.
#
#   tools/test.sh            everything: about 20 minutes on two cores
#   tools/test.sh --quick    one build, without sanitizers, valgrind and the real programs
#
# Builds under build-test/, a directory for each kind. Where a package cannot be installed, what needs it is said to be
# skipped; a compiler, Meson and Criterion are a must.
set -u
cd "$(dirname "$0")/.." || exit 1
. tools/packages.sh
quick=false
case "${1:-}" in
"") ;;
--quick) quick=true ;;
*) echo "usage: tools/test.sh [--quick]" >&2; exit 2 ;;
esac

out=build-test
stages_failed=()
mkdir -p "$out"
rm -f "$out"/*/meson-logs/*.junit.xml

need "${build_packages[@]}" libcriterion-dev || exit 1
extras=(clang g++ valgrind strace gdb groff man-db file rsync xz-utils gzip bzip2 zip perl sqlite3 git fio redis-server
  redis-tools nginx-light curl wrk binutils libc6-dev procps bash coreutils tar libcap2-bin)
need "${extras[@]}" || echo "Tests that need what is missing are skipped."

say() { printf '\n== %s (%ds)\n' "$*" "$SECONDS"; }

# stage DIR SETUP-ARGUMENTS -- MESON-TEST-ARGUMENTS : configures, builds without a warning, tests.
stage() {
  local dir=$out/$1 setup=() log=$out/$1.log
  shift
  while [ "$1" != -- ]; do setup+=("$1"); shift; done
  shift
  [ -f "$dir/build.ninja" ] && setup+=(--reconfigure)
  if ! meson setup "$dir" "${setup[@]}" -Dwerror=true >"$log" 2>&1 ||
    ! ninja -C "$dir" >>"$log" 2>&1; then
    grep -E 'error|warning|ERROR' "$log" | head -n 10
    tail -n 3 "$log"
    stages_failed+=("$dir: does not build")
    return
  fi
  [ $# -eq 0 ] && return
  meson test -C "$dir" --no-rebuild --print-errorlogs "$@" >>"$log" 2>&1
  grep -E '^ *[0-9]+/[0-9]+ |not ok|^stderr|ERROR|FAIL|TIMEOUT' "$log" | cut -c1-160 | head -n 120
}

# sanitized DIR : a sanitizer's report fails the run even where the test that made it passed (Criterion's children).
sanitized() {
  local found
  found=$(ls "$PWD/$out/$1"/sanitizer.* 2>/dev/null)
  [ -z "$found" ] && return
  head -n 30 $found
  stages_failed+=("$1: sanitizer reports")
}

if $quick; then
  say "gcc"
  stage gcc -- --no-suite real
else
  say "gcc: every suite"
  stage gcc --
  say "clang: builds without a warning"
  command -v clang >/dev/null && CC=clang stage clang --
  say "without io_uring: contract"
  stage nouring -During=disabled -- --suite contract
  say "address and undefined-behaviour sanitizers: unit, contract, stress"
  rm -f "$out"/asan/sanitizer.*
  ASAN_OPTIONS=log_path=$PWD/$out/asan/sanitizer UBSAN_OPTIONS=halt_on_error=1:log_path=$PWD/$out/asan/sanitizer \
    stage asan -Db_sanitize=address,undefined -Dtools=disabled -- --suite unit --suite contract --suite stress
  sanitized asan
  say "thread sanitizer: stress"
  rm -f "$out"/tsan/sanitizer.*
  TSAN_OPTIONS=halt_on_error=1 stage tsan -Db_sanitize=thread -Dtools=disabled -- --suite stress --timeout-multiplier 3
  say "valgrind: contract of threadpool and sync"
  stage gcc --
fi

say "result"
for s in "${stages_failed[@]}"; do echo "FAILED $s"; done
python3 tools/count.py "$out"/*/meson-logs/*.junit.xml "${stages_failed[@]/#/no such file: }" 
