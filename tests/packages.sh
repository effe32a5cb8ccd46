#!/usr/bin/env bash
# The Debian packages in a clean Debian: installed, a hub and a clinic set up, a study through, an
# upgrade in the middle of a transfer, a purge with a backlog, and the backlog through after all.
# As root; needs debootstrap, python3 and the release build of both daemons; cargo-deb is installed
# into target/tools. KAREZ_CHROOT keeps the clean Debian between two runs.
set -euo pipefail
cd "$(dirname "$0")/.."
[ "$(id -u)" = 0 ] || { echo "tests/packages.sh wants to be root, for the chroot"; exit 1; }

work=$(mktemp -d)
base=${KAREZ_CHROOT:-$work/base}
root=$work/root
out=target/package
pids=""
step() { printf '== %s (%s s)\n' "$*" "$SECONDS"; }
fail() { echo "FAILED: $*"; tail -n 20 "$work"/*.log; exit 1; }
clean_up() {
    for pid in $pids; do kill "$pid" 2>/dev/null || true; done
    wait 2>/dev/null || true
    umount "$root/proc" 2>/dev/null || true
    rm -rf "$work"
}
trap clean_up EXIT

command -v cargo-deb >/dev/null || [ -x target/tools/bin/cargo-deb ] || cargo install cargo-deb --locked --root target/tools
export PATH="$PWD/target/tools/bin:$PATH"
command -v debootstrap >/dev/null || apt-get install -y -qq --no-install-recommends debootstrap >/dev/null

# Both packages in the version $1.
build_packages() {
    for name in karez-sender karez-receiver; do
        target/release/$name man "$out/$name" >/dev/null
        cargo deb -q --fast --no-build --no-strip -p $name --deb-version "$1" -o "$work/${name}_$1.deb" >/dev/null
    done
}
inside() { chroot "$root" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin DEBIAN_FRONTEND=noninteractive "$@"; }
as_karez() { inside runuser -u karez -- "$@"; }
install_packages() {
    cp "$work"/karez-*_"$1".deb "$root/tmp/"
    inside dpkg -i "/tmp/karez-sender_$1.deb" "/tmp/karez-receiver_$1.deb" >>"$work/dpkg.log" 2>&1 || fail "dpkg -i $1"
}
# What systemd would do; the chroot has none.
start() {
    local name=$1
    shift
    chroot "$root" setpriv --reuid karez --regid karez --init-groups \
        "/usr/bin/$name" "$@" run >>"$work/$name.log" 2>&1 &
    eval "pid_${name#karez-}=$!"
    pids="$pids $!"
    for _ in $(seq 150); do
        # The log grows by a line each time it runs.
        as_karez "$name" status --json >/dev/null 2>&1 && [ -d "/proc/$!" ] && return
        sleep 0.1
    done
    fail "$name does not run"
}
stop() { local pid; eval "pid=\$pid_${1#karez-}"; kill "$pid"; wait "$pid" || true; }
start_hub() { start karez-receiver --set "hub.listen=127.0.0.1:$port" --set page.listen=; }
start_clinic() { start karez-sender --set dicom.listen= --set page.listen= --set "link.rate_max=$1"; }
ask() { as_karez "$1" status --json | python3 -c "import json,sys; s=json.load(sys.stdin); print($2)"; }
stored='sum(x["receipt"] in ("stored","committed") for x in s["studies"])'
await() {
    for _ in $(seq 600); do
        [ "$(ask "$1" "$2")" = "$3" ] && return
        sleep 0.1
    done
    fail "$4: $(ask "$1" "$2") instead of $3"
}
# A made-up study of $2 kB that no codec makes smaller; its path inside.
study() {
    python3 - "$root/var/tmp/$1.dcm" "$1" "$2" <<'PYTHON'
import os, struct, sys
path, number, kb = sys.argv[1], sys.argv[2], int(sys.argv[3])
def el(g, e, vr, v): return struct.pack("<HH2sH", g, e, vr.encode(), len(v)) + v
def uid(v): return (v + "\0" * (len(v) % 2)).encode()
sc, me = "1.2.840.10008.5.1.4.1.1.7", "2.25.77" + number
meta = el(2, 2, "UI", uid(sc)) + el(2, 3, "UI", uid(me)) + el(2, 0x10, "UI", uid("1.2.840.10008.1.2.1"))
px = os.urandom(kb * 1024)
body = el(8, 0x16, "UI", uid(sc)) + el(8, 0x18, "UI", uid(me)) + el(0x20, 0xd, "UI", uid(me + ".1")) + el(0x20, 0xe, "UI", uid(me + ".2"))
body += struct.pack("<HH2sHI", 0x7fe0, 0x10, b"OB", 0, len(px)) + px
open(path, "wb").write(b"\0" * 128 + b"DICM" + el(2, 0, "UL", struct.pack("<I", len(meta))) + meta + body)
PYTHON
    chmod 644 "$root/var/tmp/$1.dcm"
}
send() { as_karez karez-sender send "/var/tmp/$1.dcm" >/dev/null; }
arrived() { cmp -s "$root/var/tmp/$1.dcm" "$(grep -rl --binary-files=text "2.25.77$1" "$root/srv/archive" | head -n 1)" || fail "study $1 is not in the archive as it was sent"; }

step "packages"
build_packages 0.1.0
build_packages 0.1.1
step "a clean Debian"
[ -d "$base/usr" ] || debootstrap --variant=minbase bookworm "$base" >"$work/debootstrap.log" 2>&1 || fail debootstrap
cp -a "$base" "$root"
mount -t proc proc "$root/proc" 2>/dev/null || true
step "dpkg -i"
install_packages 0.1.0
inside id karez | grep -q 'groups=.*karez' || fail "no user karez"
for file in usr/share/man/man1/karez-sender.1.gz usr/share/man/man1/karez-receiver-invite.1.gz \
    usr/share/bash-completion/completions/karez-sender usr/lib/systemd/system/karez-receiver.service; do
    [ -s "$root/$file" ] || fail "$file is not installed"
done

step "init, invite, join, a study through"
port=$(python3 -c 'import socket; s=socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
inside install -d -o karez -g karez /srv/archive
as_karez karez-receiver init --name Quetta --handoff folder:/srv/archive >"$work/sheet.log"
as_karez karez-receiver confirm-backup >/dev/null
start_hub
invitation=$(as_karez karez-receiver invite Chagai --address "127.0.0.1:$port")
as_karez karez-sender join "$invitation" >/dev/null
start_clinic '0 bit/s'
study 1 200 && send 1
await karez-sender "$stored" 1 "study 1"
arrived 1

step "an upgrade in the middle of a transfer"
stop karez-sender
start_clinic '2 Mbit/s'
study 2 3000 && send 2
await karez-sender 'sum(x["bytes_received"] > 800000 for x in s["studies"] if x["receipt"] == "none")' 1 "half of study 2"
install_packages 0.1.1
stop karez-sender && stop karez-receiver
start_hub
start_clinic '0 bit/s'
await karez-sender "$stored" 2 "study 2 after the upgrade"
arrived 2
again=$(ask karez-sender 's["totals"]["resent_bytes"]')
echo "   sent again: $again of 3072000 bytes"
[ "$again" -le 65536 ] || fail "the upgrade sent $again bytes again"

step "a purge with a backlog, on both sides"
stop karez-receiver
study 3 300 && send 3
await karez-sender 'sum(x["receipt"] == "none" for x in s["studies"])' 1 "study 3 waits"
stop karez-sender
inside apt-get purge -y karez-sender >"$work/purge.log" 2>&1 || fail "apt purge"
grep -q "is kept: 1 studies" "$work/purge.log" || fail "the purge says nothing of the backlog"
[ -d "$root/var/lib/karez-sender" ] && [ ! -e "$root/usr/bin/karez-sender" ] || fail "the store is gone"
# The archive of the hub fails, so that a study is verified there and in no archive.
install_packages 0.1.1
inside mv /srv/archive /srv/away
start_hub && start_clinic '0 bit/s'
await karez-sender 'sum(x["receipt"] == "verified" for x in s["studies"])' 1 "study 3 at the hub"
stop karez-receiver
inside apt-get purge -y karez-receiver >"$work/purge.log" 2>&1 || fail "apt purge of the hub"
grep -q "is kept: 1 studies" "$work/purge.log" || fail "the hub's purge says nothing of the backlog"

step "the backlog through after all, and a purge of what is done"
inside mv /srv/away /srv/archive
install_packages 0.1.1
start_hub
await karez-sender "$stored" 3 "study 3 after the purge"
arrived 3
stop karez-sender && stop karez-receiver
inside apt-get purge -y karez-sender karez-receiver >"$work/purge.log" 2>&1 || fail "the last purge"
[ ! -e "$root/var/lib/karez-sender" ] && [ ! -e "$root/var/lib/karez-receiver" ] || fail "a store with nothing owed stays"
step "packages: all well"
