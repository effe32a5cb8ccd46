#!/usr/bin/env bash
# Both daemons as static programs, in a root that holds nothing else: a hub and a clinic are set up,
# a file goes through and is the same. As root, for the chroot. Prints what the programs need besides
# themselves. Takes a build of everything; KAREZ_STATIC names a folder of programs that are built already.
set -euo pipefail
cd "$(dirname "$0")/.."
[ "$(id -u)" = 0 ] || { echo "tests/static.sh wants to be root, for the chroot"; exit 1; }

triple=$(rustc -vV | sed -n 's/^host: //p')
root=$(mktemp -d)
pids=""
clean_up() {
    for pid in $pids; do kill "$pid" 2>/dev/null || true; done
    wait 2>/dev/null || true
    for mounted in proc sys; do umount "$root/$mounted" 2>/dev/null || true; done
    rm -rf "$root"
}
trap clean_up EXIT
fail() { echo "FAILED: $*"; tail -n 20 "$root"/log/* 2>/dev/null || true; exit 1; }

if [ -z "${KAREZ_STATIC:-}" ]; then
    RUSTFLAGS="-C target-feature=+crt-static" CARGO_TARGET_DIR=target/static \
        cargo build --release --target "$triple" -p karez-sender -p karez-receiver
    KAREZ_STATIC=target/static/$triple/release
fi
mkdir -p "$root"/{proc,sys,dev,etc,archive,hub,clinic,log}
for name in karez-sender karez-receiver; do
    ldd "$KAREZ_STATIC/$name" 2>&1 | grep -qE 'statically linked|not a dynamic' || fail "$name is not static"
    cp "$KAREZ_STATIC/$name" "$root/"
done
mount -t proc proc "$root/proc"
mount -t sysfs -o ro sysfs "$root/sys"
mknod -m 666 "$root/dev/random" c 1 8
mknod -m 666 "$root/dev/urandom" c 1 9
echo "127.0.0.1 localhost" >"$root/etc/hosts"
head -c 200000 /dev/urandom >"$root/one.bin"

hub() { timeout 60 chroot "$root" /karez-receiver --data /hub "$@"; }
clinic() { timeout 60 chroot "$root" /karez-sender --data /clinic "$@"; }
port=$(python3 -c 'import socket; s=socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
hub init --name Quetta --listen "127.0.0.1:$port" --handoff folder:/archive >/dev/null || fail "init"
chroot "$root" /karez-receiver --data /hub --set page.listen= run >"$root/log/hub" 2>&1 &
pids=$!
for _ in $(seq 100); do hub status >/dev/null 2>&1 && [ -S "$root/hub/control.sock" ] && break; sleep 0.1; done
# By a name, so that the lookup of names is tried too.
clinic join "$(hub invite duki --address "localhost:$port")" || fail "join"
chroot "$root" /karez-sender --data /clinic --set page.listen= --set dicom.listen= run >"$root/log/clinic" 2>&1 &
pids="$pids $!"
for _ in $(seq 100); do [ -S "$root/clinic/control.sock" ] && break; sleep 0.1; done
clinic send --wait /one.bin || fail "send"
cmp "$root/one.bin" "$(find "$root/archive" -type f -name '*.dcm')" || fail "not the same"
echo "static: all well; beside the programs: /proc, /sys, /dev/random, /dev/urandom, /etc/hosts"
