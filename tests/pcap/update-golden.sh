#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
#
# update-golden.sh PROGRAM [NAME...]
#
# Writes expect/NAME.jsonl (and NAME.exit, where the program does not end with 0) for all captures in pcaps/, or for
# those named, with the options in expect/NAME.args. A golden without a capture is removed. What it writes is only what
# the program says now: review the difference line by line before it is committed.

[ $# -ge 1 ] || { sed -n '4,8s/^# \{0,1\}//p' "$0" >&2; exit 2; }
program=$1
shift
here=$(cd "$(dirname "$0")" && pwd)
pcaps=$here/../../pcaps
expect=$here/expect
mkdir -p "$expect"

# A capture's name in the goldens: without .pcap, .pcapng and what compresses it.
name() {
	basename "$1" | sed 's/\.pcap\(ng\)\{0,1\}\(\.gz\|\.zst\)\{0,1\}$//'
}

known=' '
for pcap in "$pcaps"/*.pcap "$pcaps"/*.pcapng "$pcaps"/*.pcap.* "$pcaps"/*.pcapng.*; do
	[ -f "$pcap" ] || continue
	n=$(name "$pcap")
	case $known in *" $n "*) echo "update-golden: two captures are called $n" >&2; exit 1 ;; esac
	known="$known$n "
	if [ $# -gt 0 ]; then
		case " $* " in *" $n "*) ;; *) continue ;; esac
	fi
	args=''
	[ -f "$expect/$n.args" ] && args=$(cat "$expect/$n.args")
	# shellcheck disable=SC2086
	"$program" -r "$pcap" -o json $args >"$expect/$n.jsonl.new" 2>/dev/null
	status=$?
	if [ $status -gt 2 ]; then
		echo "update-golden: $n: exit status $status: no golden made of that" >&2
		rm -f "$expect/$n.jsonl.new"
		exit 1
	fi
	mv "$expect/$n.jsonl.new" "$expect/$n.jsonl"
	rm -f "$expect/$n.exit"
	[ $status = 0 ] || echo $status >"$expect/$n.exit"
done
for e in "$expect"/*.jsonl "$expect"/*.exit "$expect"/*.args; do
	[ -f "$e" ] || continue
	n=$(basename "$e")
	n=${n%.*}
	case $known in *" $n "*) ;; *) echo "removed $n: no such capture"; rm -f "$e" ;; esac
done
