#!/usr/bin/env bash
# Builds @confluentinc/kafka-javascript from the sources in its package, beside this file; without optimization, since
# only what it does matters here. Installed the usual way, it would download a binary.
set -euo pipefail
cd "$(dirname "$0")/node_modules/@confluentinc/kafka-javascript"
out=$PWD/../../../librdkafka
mkdir -p "$out"
out=$(cd "$out" && pwd)
(
  cd deps/librdkafka
  ./configure --prefix="$out" --disable-gssapi --disable-curl --disable-debug-symbols --disable-optimization
  make -j2 -C src && make -j2 -C src-cpp
  make -C src install && make -C src-cpp install
)
# Node's headers as they are installed beside it; without, node-gyp downloads them
prefix=$(dirname "$(dirname "$(readlink -f "$(command -v node)")")")
[ ! -e "$prefix/include/node/node.h" ] || export npm_config_nodedir=$prefix
export BUILD_LIBRDKAFKA=0 JOBS=2 CXXFLAGS="-O0 -I$out/include/librdkafka" LDFLAGS="-L$out/lib"
../../.bin/node-pre-gyp install --build-from-source
