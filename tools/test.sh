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
rm -f "$out"/*/meson-logs/*.junit.xml "$out"/*/sanitizer.*

need "${build_packages[@]}" libcriterion-dev || exit 1
extras=(clang g++ valgrind strace gdb groff man-db file rsync xz-utils gzip bzip2 zip perl sqlite3 git fio redis-server
  redis-tools nginx-light curl wrk binutils libc6-dev procps bash coreutils tar libcap2-bin)
need "${extras[@]}" || echo "Tests that need what is missing are skipped."

say() { printf '\n== %s (%ds)\n' "$*" "$SECONDS"; }

# build DIR SETUP-ARGUMENT ... : configures and builds, without a warning. False when it does not.
build() {
  local dir=$out/$1 log=$out/$1.log again=()
  shift
  [ -f "$dir/build.ninja" ] && again=(--reconfigure)
  meson setup "$dir" "$@" -Dwerror=true "${again[@]}" >"$log" 2>&1 && ninja -C "$dir" >>"$log" 2>&1 && return
  grep -E 'error|warning|ERROR' "$log" | head -n 10
  stages_failed+=("$dir: does not build")
  return 1
}

# run DIR MESON-TEST-ARGUMENT ... : runs tests of a build; a line for each, and what failed.
run() {
  local dir=$out/$1 log=$out/$1.log
  shift
  meson test -C "$dir" --no-rebuild --print-errorlogs "$@" >"$log" 2>&1
  grep -E '^ *[0-9]+/[0-9]+ |^not ok|^# |\[FAIL\]' "$log" | sort -u | cut -c1-160 | head -n 120
}

# reported DIR : what a sanitizer or valgrind wrote there fails the run, even where the test that made it write passed:
# Criterion's children are not looked at.
reported() {
  local f
  for f in "$out/$1"/sanitizer.*; do
    [ -s "$f" ] || continue
    head -n 30 "$f"
    stages_failed+=("$1: see $f")
  done
}

if $quick; then
  say "gcc: all but the real programs"
  build gcc && run gcc --no-suite real
else
  say "gcc: every suite"
  build gcc && run gcc
  if command -v clang >/dev/null; then
    say "clang: builds without a warning"
    CC=clang build clang
  fi
  say "without io_uring: contract"
  build nouring -During=disabled && run nouring --suite contract
  say "address and undefined-behaviour sanitizers: contract, stress"
  if build asan -Db_sanitize=address,undefined -Dtools=disabled; then
    ASAN_OPTIONS=log_path=$PWD/$out/asan/sanitizer UBSAN_OPTIONS=halt_on_error=1:log_path=$PWD/$out/asan/sanitizer \
      run asan --suite contract --suite stress
    reported asan
  fi
  say "thread sanitizer: stress"
  if build tsan -Db_sanitize=thread -Dtools=disabled; then
    TSAN_OPTIONS=log_path=$PWD/$out/tsan/sanitizer run tsan --suite stress --timeout-multiplier 5
    reported tsan
  fi
  if command -v valgrind >/dev/null; then
    say "valgrind: threadpool and sync"
    mkdir -p "$out/valgrind"
    run gcc --setup valgrind stress-contract-sync stress-contract-threadpool engine-sync engine-threadpool
    # The contract hands bad addresses to the kernel on purpose; what is looked for is what we do ourselves.
    grep -lE 'Invalid |ninitialised|definitely lost' "$out"/gcc/sanitizer.* 2>/dev/null |
      xargs -r mv -t "$out/valgrind/"
    rm -f "$out"/gcc/sanitizer.*
    reported valgrind
  fi
fi

say "result"
python3 tools/count.py "${stages_failed[@]/#/--failed=}" "$out"/*/meson-logs/*.junit.xml
