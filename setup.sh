#!/bin/sh
# Installs what hellotap needs from Debian's packages, configures and builds it in build/.
#
#   ./setup.sh          what it takes to build, run, and make the Debian package
#   ./setup.sh tests    also what the tests use: some 60 MB of servers, of which none is started, 120 MB of QEMU,
#                       and 220 MB of Java and Maven, with which the test of Kafka fetches 45 MB of it into build/tests/kafka
#   ./setup.sh ci       also what .ci/run uses (clang, the format check)
#
# As root, or with sudo. Running it again is harmless: what is there is left alone.
set -eu
cd "$(dirname "$0")"

# Hyperscan is for x86-64 alone; elsewhere its fork stands in for it.
case $(uname -m) in
x86_64) libhs=libhyperscan-dev ;;
*) libhs=libvectorscan-dev ;;
esac
packages="gcc libc6-dev meson ninja-build pkg-config libpcap-dev libssl-dev zlib1g-dev libzstd-dev libxxhash-dev \
	libck-dev libdpdk-dev dpdk libyaml-dev libmicrohttpd-dev libcap-ng-dev libseccomp-dev libfixbuf-dev \
	libprotobuf-c-dev protobuf-c-compiler librdkafka-dev libidn2-dev $libhs \
	build-essential debhelper"
for_tests="libcmocka-dev python3 python3-pip python3-prometheus-client python3-yaml tshark zstd gzip tcpdump tcpreplay iproute2 \
	openssl curl libfixbuf-tools nfdump pmacct qemu-system-x86 busybox-static systemd systemd-container \
	kcat protobuf-compiler python3-protobuf default-jre-headless maven"
servers=
case "${1:-}" in
"") ;;
tests) packages="$packages $for_tests" ;;
ci) packages="$packages $for_tests clang llvm libclang-rt-14-dev clang-format-14 mandoc git lintian" ;;
*)
	sed -n '2,9s/^# \{0,1\}//p' "$0" >&2
	exit 2
	;;
esac
# The servers and clients of tests/system.
[ -z "${1:-}" ] || servers="postfix dovecot-imapd dovecot-pop3d dovecot-lmtpd dovecot-managesieved inn2 \
	slapd ldap-utils vsftpd mariadb-server-core mariadb-client-core postgresql freetds-bin prosody ngircd inspircd \
	tinyproxy dante-server haproxy cups-daemon cups-client stunnel4 hostapd wpasupplicant eapoltest freeradius openvpn dropbear-bin"

# missing PACKAGE...: those that are not installed.
missing() {
	for p; do
		dpkg-query -W -f '${Status}' "$p" 2>/dev/null | grep -q 'ok installed' || echo "$p"
	done
}
# shellcheck disable=SC2046,SC2086 # the lists are meant to be split
set -- $(missing $packages)
# shellcheck disable=SC2046,SC2086
missing_servers=$(missing $servers)
if [ -n "$*$missing_servers" ]; then
	as_root=
	if [ "$(id -u)" != 0 ]; then
		command -v sudo >/dev/null || {
			echo "setup.sh: run as root, or install sudo; missing: $* $missing_servers" >&2
			exit 1
		}
		as_root=sudo
	fi
	$as_root apt-get update -q
	[ $# = 0 ] || $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "$@"
	# shellcheck disable=SC2086
	[ -z "$missing_servers" ] || $as_root tests/system/install-servers.sh $missing_servers
fi

if [ -f build/build.ninja ]; then
	meson setup --reconfigure build
else
	meson setup build
fi
ninja -C build
