#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
#
# run-golden.sh PROGRAM PCAP EXPECT.jsonl [OPTION...]
#
# Replays PCAP and compares the records with EXPECT.jsonl and the exit status with the number in EXPECT.exit
# (0 where there is no such file). Options of the program that belong to a case stand in EXPECT.args, words separated
# by blanks; those given here come after them. Exit status: 0 the same, 1 different, 2 wrong use, 77 the program was built
# without what this capture is compressed with.

[ $# -ge 3 ] || { sed -n '4,8s/^# \{0,1\}//p' "$0" >&2; exit 2; }
program=$1 pcap=$2 expect=$3
shift 3
base=${expect%.jsonl}
[ -f "$expect" ] || { echo "run-golden: no $expect: make it with update-golden.sh and review it" >&2; exit 1; }
want=0
[ -f "$base.exit" ] && want=$(cat "$base.exit")
args=''
[ -f "$base.args" ] && args=$(cat "$base.args")

tmp=$(mktemp -d) || exit 2
trap 'rm -rf "$tmp"' EXIT

# shellcheck disable=SC2086
"$program" -r "$pcap" -o json $args "$@" >"$tmp/got" 2>"$tmp/err"
status=$?
if grep -q 'built without' "$tmp/err"; then
	echo "SKIP: $(cat "$tmp/err")"
	exit 77
fi
bad=0
if [ "$status" -ne "$want" ]; then
	echo "run-golden: exit status $status, expected $want" >&2
	bad=1
fi
diff -u --label expected --label got "$expect" "$tmp/got" || bad=1
[ $bad = 0 ] || cat "$tmp/err" >&2
exit $bad
