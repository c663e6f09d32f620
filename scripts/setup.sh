#!/usr/bin/env bash
# Installs what building and testing Laxity needs. Idempotent; silent when nothing is missing; needs the
# package registries only when something is.
#
#   scripts/setup.sh            system packages, and the pinned inference engine in build/deps
#
# LAXITY_DEPS_DIR overrides where the engine goes.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
deps=${LAXITY_DEPS_DIR:-$root/build/deps}

# The shared library comes out of a Python wheel (cp311, manylinux_2_28, x86_64), only downloaded, never
# installed into a Python. The headers come from the next Debian's -dev package: its C API, version 21, is
# served by every later library.
ort_version=1.30.0
ort_sha256=fd54b314ea385bcecac69ab431f020ba503e3878dad4ebb645fec5a24b041242
headers_version=1.21.0+dfsg-1
headers_sha256=14f7d959d5deacbcf1504830d4189f91fc67382b399ed9ae9d3aa9c4050ced08

say() { printf 'setup: %s\n' "$*" >&2; }
fail() { say "$*"; exit 3; }

# Package, then why it is here.
packages() {
  cat <<'LIST'
g++                     the compiler
cmake                   the build
ninja-build             the build
ccache                  rebuilds in seconds
pkg-config              finds libraries
ca-certificates         secure downloads
unzip                   unpacks the engine
xz-utils                unpacks test tables
curl                    talks to the server in demos and tests
python3                 lint, generated build rules, test helpers
python3-pip             downloads the engine
python3-venv            throw-away environment for the client compatibility test
libboost1.81-dev        HTTP (Beast, Asio)
libsimdjson-dev         JSON on the request path
nlohmann-json3-dev      JSON elsewhere
libtomlplusplus-dev     configuration files
libcli11-dev            command line
libturbojpeg0-dev       JPEG
libspng-dev             PNG
liblzma-dev             reads packed accuracy tables
libgtest-dev            tests
libgmock-dev            tests
librapidcheck-dev       property tests
clang-format-14         lint
LIST
}

as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi
}


install_packages() {
  local missing=() name why installed
  # One query for all of them; it fails when one is unknown, which is what we are here to find out.
  installed=$(packages | cut -d' ' -f1 |
    xargs dpkg-query -W -f '${Package} ${db:Status-Status}\n' 2>/dev/null || true)
  while read -r name why; do
    if ! grep -qx -- "$name installed" <<<"$installed"; then
      missing+=("$name")
      say "$name is missing ($why)"
    fi
  done < <(packages)
  [ ${#missing[@]} -gt 0 ] || return 0
  if [ "$(id -u)" != 0 ] && ! command -v sudo >/dev/null; then
    fail "root or sudo is needed to install: ${missing[*]}"
  fi
  say "installing ${#missing[@]} packages with apt-get"
  as_root apt-get update -qq
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends "${missing[@]}" \
    >"$work/apt.log" 2>&1 || {
    tail -20 "$work/apt.log" >&2
    fail "apt-get could not install the packages above"
  }
}

# Any python3 on the path may come first (a version manager's, say); the system's own always has pip after the
# step above.
pip_download() {
  local python
  for python in python3 /usr/bin/python3; do
    if "$python" -m pip --version >/dev/null 2>&1; then
      if "$python" -m pip --disable-pip-version-check download -q "$@" 2>"$work/pip.log"; then return 0; fi
    fi
  done
  tail -5 "$work/pip.log" >&2
  return 1
}

install_engine_library() {
  local library=$deps/lib/libonnxruntime.so.$ort_version wheel capi=onnxruntime/capi
  [ ! -e "$library" ] || [ ! -e "$deps/lib/libonnxruntime.so.1" ] || return 0
  say "fetching ONNX Runtime $ort_version, the inference engine, into ${deps#"$root"/}"
  echo "onnxruntime==$ort_version --hash=sha256:$ort_sha256" >"$work/requirements.txt"
  pip_download --no-deps --require-hashes --only-binary :all: --implementation cp --python-version 3.11 \
    --abi cp311 --platform manylinux_2_28_x86_64 -d "$work" -r "$work/requirements.txt" ||
    fail "the wheel onnxruntime==$ort_version could not be downloaded from the Python package registry"
  wheel=$(echo "$work"/onnxruntime-"$ort_version"-*.whl)
  mkdir -p "$deps/lib" "$deps/share/licenses/onnxruntime"
  unzip -q -j -o "$wheel" onnxruntime/LICENSE onnxruntime/ThirdPartyNotices.txt \
    -d "$deps/share/licenses/onnxruntime"
  unzip -q -j -o "$wheel" "$capi/libonnxruntime_providers_shared.so" -d "$deps/lib"
  # The name appears last and at once, so that an interrupted run is repeated.
  unzip -q -j -o "$wheel" "$capi/libonnxruntime.so.$ort_version" -d "$work"
  mv "$work/libonnxruntime.so.$ort_version" "$library"
  ln -sfn "libonnxruntime.so.$ort_version" "$deps/lib/libonnxruntime.so.1"
}

# The mirror that this machine already uses, read through a private apt state for one other suite.
install_engine_headers() {
  local header uri key found deb
  header=$(find "$deps/include/onnxruntime" -name onnxruntime_cxx_api.h 2>/dev/null | head -1 || true)
  [ -z "$header" ] || return 0
  say "fetching the engine's C++ headers (libonnxruntime-dev $headers_version) into ${deps#"$root"/}"
  uri=$(apt-get indextargets --format '$(REPO_URI)' | grep -E '/debian/?$' | head -1 || true)
  [ -n "$uri" ] || fail "expected a Debian mirror among this machine's apt sources, found none"
  key=$(dpkg -L debian-archive-keyring | grep 'keyrings/debian-archive-keyring.gpg$')
  mkdir -p "$work/lists/partial" "$work/cache/archives/partial" "$work/none"
  printf 'Types: deb\nURIs: %s\nSuites: trixie\nComponents: main\nSigned-By: %s\n' "$uri" "$key" \
    >"$work/trixie.sources"
  local apt=(apt-get -qq -o Dir::Etc::sourceparts="$work/none" -o Dir::Etc::sourcelist="$work/trixie.sources"
    -o Dir::State::lists="$work/lists" -o Dir::Cache="$work/cache" -o Acquire::Languages=none
    -o APT::Sandbox::User=root)
  "${apt[@]}" update
  if (cd "$work" && "${apt[@]}" download "libonnxruntime-dev=$headers_version" 2>"$work/headers.log"); then
    deb=$(echo "$work"/libonnxruntime-dev_*.deb)
    echo "$headers_sha256  $deb" | sha256sum -c --quiet ||
      fail "libonnxruntime-dev $headers_version: wrong checksum"
  else
    # A stable suite may move on. A newer package will do as long as the library still serves its API version;
    # apt has checked its signature.
    say "libonnxruntime-dev $headers_version is gone from its suite; taking the one that is there"
    (cd "$work" && "${apt[@]}" download libonnxruntime-dev) || {
      cat "$work/headers.log" >&2
      fail "libonnxruntime-dev could not be downloaded"
    }
    deb=$(echo "$work"/libonnxruntime-dev_*.deb)
  fi
  dpkg -x "$deb" "$work/headers"
  found=$(sed -n 's/^#define ORT_API_VERSION \([0-9]*\).*/\1/p' \
    "$(find "$work/headers" -name onnxruntime_c_api.h | head -1)")
  [ "$found" -le "${ort_version:2:2}" ] ||
    fail "headers of API version $found: expected at most ${ort_version:2:2}, which $ort_version serves"
  mkdir -p "$deps/include"
  cp -r "$work/headers/usr/include/onnxruntime" "$deps/include/onnxruntime.new"
  rm -rf "$deps/include/onnxruntime"
  mv "$deps/include/onnxruntime.new" "$deps/include/onnxruntime"
}

[ -e /etc/debian_version ] || fail "expected Debian 12 or a relative, found no /etc/debian_version"
[ "$(uname -m)" = x86_64 ] || fail "expected x86_64, found $(uname -m): the engine is pinned for x86_64"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
chmod 755 "$work"
install_packages
install_engine_library
install_engine_headers
