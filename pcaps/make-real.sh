#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# Makes the captures of real clients against local servers, in network namespaces of its own.
#
#   make-real.sh [-o DIR] [CASE...]     all cases, or those named (a shell pattern is fine)
#   make-real.sh -l                     names of the cases
#
# Needs root, tcpdump, tshark, zstd, ethtool, openssl, and for some cases: gnutls-cli, curl, chromium, firefox-esr,
# caddy, go, java, openvpn, and a Python with aioquic (AIOQUIC_PYTHON=/path/to/python). A case whose program is
# not there says so and is left out. Captures differ from run to run (keys, ports, times): see README.md.

set -u
here=$(cd "$(dirname "$0")" && pwd)
out=$here
C4=192.0.2.10 S4=198.51.100.20 C6=2001:db8:1::10 S6=2001:db8:2::20
NAME=www.example.com
AIOQUIC_PYTHON=${AIOQUIC_PYTHON:-python3}

cases=() # in the order of definition
declare -A about

# ---- the stage: two namespaces and a cable

started=() # pids of what runs in the background
work='' cns='' sns=''

stop() { # stop PID...: ends processes that this script started, and waits for them
	local p
	for p in "$@"; do
		kill "$p" 2>/dev/null
	done
	for p in "$@"; do
		wait "$p" 2>/dev/null
	done
}

cleanup() {
	stop "${started[@]}"
	[ -n "$cns" ] && ip netns del "$cns" 2>/dev/null
	[ -n "$sns" ] && ip netns del "$sns" 2>/dev/null
	[ -n "$work" ] && rm -rf "$work"
}

setup() {
	local tag
	tag=$(od -An -N3 -tx1 /dev/urandom | tr -d ' ')
	work=$(mktemp -d)
	cns=htc-$tag sns=hts-$tag
	trap cleanup EXIT
	trap 'exit 130' INT TERM
	ip netns add "$cns" && ip netns add "$sns" || exit 1
	ip link add eth0 netns "$cns" address 02:00:5e:10:00:01 type veth \
		peer name eth0 netns "$sns" address 02:00:5e:10:00:02 || exit 1
	local ns a b
	for ns in "$cns" "$sns"; do
		a=$C4 b=$C6
		[ "$ns" = "$sns" ] && a=$S4 b=$S6
		ip -n "$ns" addr add "$a/32" dev eth0
		ip -n "$ns" addr add "$b/128" dev eth0 nodad
		ip -n "$ns" link set lo up
		ip -n "$ns" link set eth0 up
		ip -n "$ns" route add default dev eth0
		ip -n "$ns" -6 route add default dev eth0
		# Segments and checksums as they would be on a wire.
		ip netns exec "$ns" ethtool -K eth0 tx off rx off tso off gso off gro off >/dev/null
		ip netns exec "$ns" sysctl -qw net.ipv4.tcp_fastopen=3
	done
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj "/CN=$NAME" \
		-addext "subjectAltName=DNS:$NAME,DNS:example.com" \
		-keyout "$work/key.pem" -out "$work/cert.pem" 2>/dev/null
}

client() { ip netns exec "$cns" timeout -k 2 "${limit:-15}" "$@"; }

# server COMMAND...: starts it in the background. serving PROTO PORT waits until it listens.
server() {
	ip netns exec "$sns" "$@" >"$work/server.log" 2>&1 </dev/null &
	started+=($!)
}

serving() {
	for _ in $(seq 100); do
		ip netns exec "$sns" ss -Hln"${1:0:1}" "sport = $2" | grep -q . && return
		sleep 0.1
	done
	echo "make-real: nothing listens on $1 $2:" >&2
	cat "$work/server.log" >&2
	return 1
}

# s_server reads standard input; without one that stays open it ends.
tls_server() {
	ip netns exec "$sns" openssl s_server -accept "${at:-$S4:443}" -cert "$work/cert.pem" -key "$work/key.pem" \
		-quiet "$@" >"$work/server.log" 2>&1 < <(exec sleep 60) &
	started+=($!)
}

# ---- capturing

capture() { # capture FILTER: begins; the interface is $iface
	rm -f "$work/raw.pcap"
	: >"$work/tcpdump.log"
	ip netns exec "$cns" tcpdump -i "${iface:-eth0}" -s 0 -U --immediate-mode --time-stamp-precision=nano -Z root \
		-w "$work/raw.pcap" "$1" 2>"$work/tcpdump.log" &
	tcpdump=$!
	started+=("$tcpdump")
	for _ in $(seq 50); do
		grep -q 'listening on' "$work/tcpdump.log" && return
		sleep 0.1
	done
}

# keep OUT [options of real/keep.py]: ends the capture and all servers, stores what is wanted of it
keep() {
	sleep 0.3
	stop "${started[@]}"
	started=()
	python3 "$here/real/keep.py" "$work/raw.pcap" "$out/$1" "${@:2}" || failed=1
}

# define NAME "what it shows": the function real_NAME makes it (with _ for -)
define() {
	cases+=("$1")
	about[$1]=$2
}

need() {
	local p
	for p in "$@"; do
		command -v "$p" >/dev/null || { echo "make-real: $current left out: no $p" >&2; return 1; }
	done
}

s_client() { client openssl s_client -connect "${to:-$S4:443}" -servername "$NAME" "$@" </dev/null >"$work/client.log" 2>&1; }

for part in "$here"/real/cases-*.sh; do
	# shellcheck source=/dev/null
	. "$part"
done

main() {
	while getopts 'o:lh' o; do
		case $o in
		o) out=$(cd "$OPTARG" && pwd) || exit 2 ;;
		l)
			for current in "${cases[@]}"; do
				printf '%-20s %s\n' "$current" "${about[$current]}"
			done
			exit
			;;
		*) sed -n '3,13s/^# \{0,1\}//p' "$0"; exit 2 ;;
		esac
	done
	shift $((OPTIND - 1))
	[ "$(id -u)" = 0 ] || { echo "make-real: needs root for network namespaces" >&2; exit 2; }
	setup
	local want
	failed=0
	for current in "${cases[@]}"; do
		for want in "${@:-*}"; do
			# shellcheck disable=SC2053
			[[ $current == $want ]] || continue
			"real_${current//-/_}"
			stop "${started[@]}"
			started=()
			break
		done
	done
	exit "$failed"
}

main "$@"
