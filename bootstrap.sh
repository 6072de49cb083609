#!/bin/bash
# Builds vsup on a bare Debian machine and shows it, or tests it.
#
#   ./bootstrap.sh run     install what the build needs, build, show a small session
#   ./bootstrap.sh test    install what the tests need too, build, run all tests; ends with ctest's closing lines
#   ./bootstrap.sh build   install and build only
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

build_packages=(g++ make cmake ninja-build binutils git ca-certificates python3 procps
  libboost-dev libboost-program-options-dev libcapstone-dev libunwind-dev libdw-dev libelf-dev libdeflate-dev
  zlib1g-dev liblzma-dev libbz2-dev
  nlohmann-json3-dev doctest-dev libzydis-dev)
# Programs that tests/real runs; a test whose program is missing is skipped and says so. Left out for what they bring
# along (a good part of KDE): massif-visualizer, and kcachegrind with xvfb, x11-utils and dbus, of
# tools.massif_visualizer and tools.kcachegrind.
test_packages=(clang-format musl-tools valgrind gcc bc gawk file perl bzip2 xz-utils zstd sqlite3 openssl busybox-static
  pari-gp ecl nodejs libpython3.11-testsuite python3-dev libopenblas0-pthread libgmp10 golang-go rustc
  openjdk-17-jdk-headless chromium libjemalloc2 libtcmalloc-minimal4 libmimalloc2.0 cython3 python3-numpy)

say() { printf '== %s\n' "$*"; }

as_root() {
  if [ "$(id -u)" = 0 ]; then
    "$@"
  elif command -v sudo >/dev/null; then
    sudo "$@"
  else
    say "this needs root, and there is no sudo: $*"
    return 1
  fi
}

missing_of() {
  local package
  for package in "$@"; do
    dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || printf '%s\n' "$package"
  done
}

apt_updated=no
install_packages() {  # required|wanted packages...
  local kind=$1
  shift
  local missing
  mapfile -t missing < <(missing_of "$@")
  [ ${#missing[@]} = 0 ] && return 0
  say "installing ${missing[*]}"
  if ! command -v apt-get >/dev/null; then
    say "there is no apt-get; please install: ${missing[*]}"
    [ "$kind" = wanted ]
    return
  fi
  if [ $apt_updated = no ]; then
    as_root apt-get update -q || true
    apt_updated=yes
  fi
  local install=(env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends)
  as_root "${install[@]}" "${missing[@]}" >/tmp/vsup-apt.$$ 2>&1 && { rm -f /tmp/vsup-apt.$$; return 0; }
  if [ "$kind" = required ]; then
    tail -20 /tmp/vsup-apt.$$
    rm -f /tmp/vsup-apt.$$
    say "could not install what the build needs"
    return 1
  fi
  local package
  for package in "${missing[@]}"; do
    as_root "${install[@]}" "$package" >/dev/null 2>&1 || say "not available: $package (its tests will be skipped)"
  done
  rm -f /tmp/vsup-apt.$$
}

build() {
  install_packages required "${build_packages[@]}"
  local generator=()
  [ -f build/CMakeCache.txt ] || { command -v ninja >/dev/null && generator=(-G Ninja); }
  say "building in $PWD/build"
  cmake --preset default "${generator[@]}" -DVSUP_TESTS="$1" >build.log 2>&1 ||
    { cat build.log; rm -f build.log; return 1; }
  rm -f build.log
  cmake --build build --parallel "$(nproc)"
}

show() {  # prints a command as one would type it, then runs it
  printf '\n$ %s\n' "$*"
  "$@"
}

demo() {
  local vsup=build/bin/vsup vctl=build/bin/vctl work
  work=$(mktemp -d)
  trap 'rm -rf "$work"' RETURN
  cat >"$work/primes.py" <<'PYTHON'
import sys, time
end, n = time.monotonic() + 6, 2
while time.monotonic() < end:
    if all(n % d for d in range(2, int(n ** 0.5) + 1)):
        print(n)
    n += 1
PYTHON
  say "a session: a shell pipeline of four programs, all of them run from vsup's code cache"
  local sum="awk '{ s += \$1; n++ } END { print n, s }'"
  local pipeline="/usr/bin/python3 $work/primes.py | $sum | sed 's/^/primes and their sum: /'"
  printf '\n$ %s --trace-children=yes bash -c "%s" &\n' "$vsup" "$pipeline"
  "$vsup" --trace-children=yes bash -c "$pipeline" </dev/null &
  local session=$!
  sleep 2
  say "its processes, while they run"
  show "$vctl" --session=$session -l || true
  say "instrumentation off: every thread goes on in native code, nothing of vsup's runs any more"
  show "$vctl" --session=$session -i off || true
  show "$vctl" --session=$session -l || true
  sleep 1
  say "and on again, in the middle of the computation"
  show "$vctl" --session=$session -i on || true
  show "$vctl" --session=$session -b python3 2>/dev/null | head -24 || true
  printf '\n'
  local status=0
  wait $session || status=$?
  [ $status = 0 ] || { say "the session ended with status $status"; return $status; }
  local state=${XDG_STATE_HOME:-$HOME/.local/state}/vsup/latest
  say "what it left: a directory for each process image"
  show ls "$state/"
  printf '\n'
  cat <<TEXT
== what to type next
  $PWD/build/bin/vsup --trace-children=yes --stats=yes PROGRAM    any program, with statistics
  $PWD/build/bin/vsup --attach PID                                a running one; ^C lets it go unharmed
  $PWD/build/bin/vctl -l | -s | -b | -i off | -i on | -k          look at a running session and control it
  $PWD/build/bin/vsup --help
  ./bootstrap.sh test                                             all tests
TEXT
}

case "${1:-}" in
  run)
    build OFF
    demo
    ;;
  build)
    build OFF
    ;;
  test)
    install_packages wanted "${test_packages[@]}"
    build ON
    export CTEST_OUTPUT_ON_FAILURE=1
    exec ctest --test-dir build --parallel "$(nproc)" --no-tests=error
    ;;
  *)
    sed -n '2,7s/^# \{0,1\}//p' "$0"
    exit 2
    ;;
esac
