#!/bin/sh
# Installs what hellotap needs from Debian's packages, configures and builds it in build/.
#
#   ./setup.sh          what it takes to build and run
#   ./setup.sh tests    also what the tests use
#   ./setup.sh ci       also what .ci/run uses (clang, the format check)
#
# As root, or with sudo. Running it again is harmless: what is there is left alone.
set -eu
cd "$(dirname "$0")"

packages="gcc libc6-dev meson ninja-build pkg-config libpcap-dev libssl-dev zlib1g-dev libzstd-dev libxxhash-dev"
case "${1:-}" in
"") ;;
tests) packages="$packages libcmocka-dev python3 tshark zstd gzip" ;;
ci) packages="$packages libcmocka-dev python3 tshark zstd gzip clang llvm libclang-rt-14-dev clang-format-14 mandoc git" ;;
*)
	sed -n '2,8s/^# \{0,1\}//p' "$0" >&2
	exit 2
	;;
esac

missing=
for p in $packages; do
	dpkg-query -W -f '${Status}' "$p" 2>/dev/null | grep -q 'ok installed' || missing="$missing $p"
done
if [ -n "$missing" ]; then
	as_root=
	if [ "$(id -u)" != 0 ]; then
		command -v sudo >/dev/null || {
			echo "setup.sh: run as root, or install sudo; missing:$missing" >&2
			exit 1
		}
		as_root=sudo
	fi
	$as_root apt-get update -q
	# shellcheck disable=SC2086 # the list is meant to be split
	$as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends $missing
fi

if [ -f build/build.ninja ]; then
	meson setup --reconfigure build
else
	meson setup build
fi
ninja -C build
