#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Builds a release and measures a DPDK worker's loop on virtual devices, beside a loop that only
# receives and one that reads headers.
set -eu

usage() {
	cat <<-END
	usage: bench/dpdk.sh [OPTION...]
	  --rounds N      of all loops in turn (default 7)
	  --seconds S     for each loop in a round (default 0.3)
	  --only LIST     of: mixed million millions hello syn udp workers swaps (default: all; comma-separated)
	  --build DIR     a build folder to use; it must be a release build (default: one is made)
	It takes some 150 huge pages of 2 MB, 1.5 GB of memory for 10 M flows, and three minutes.
	END
}

here=$(cd "$(dirname "$0")" && pwd)
rounds=7 seconds=0.3 build='' only=mixed,million,millions,hello,syn,udp,workers,swaps
while [ $# -gt 0 ]; do
	case $1 in
	--rounds | --seconds | --build | --only)
		[ $# -ge 2 ] || { usage >&2; exit 2; }
		eval "${1#--}=\$2"
		shift
		;;
	-h | --help) usage; exit 0 ;;
	*) usage >&2; exit 2 ;;
	esac
	shift
done

work=$(mktemp -d "${TMPDIR:-/tmp}/hellotap-dpdk.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

free=$(sed -n 's/^HugePages_Free: *//p' /proc/meminfo)
if [ "${free:-0}" -lt 150 ]; then
	echo "SKIP: ${free:-0} free huge pages of 150 (/proc/sys/vm/nr_hugepages)"
	exit 77
fi
if [ -z "$build" ]; then
	build=$work/build
	meson setup "$build" "$here/.." --buildtype=release -Dtests=disabled -Ddpdk=enabled \
		>"$work/build.log" 2>&1 || { cat "$work/build.log" >&2; exit 1; }
fi
ninja -C "$build" bench/generate bench/bench_dpdk >"$work/build.log" 2>&1 ||
	{ cat "$work/build.log" >&2; exit 1; }
# What repeats is small, or the copy out of memory that net_pcap does is all there is to see.
"$build/bench/generate" mixed "$work/mixed.pcap" --flows 200 --templates "$here/templates" >/dev/null
"$build/bench/generate" hello "$work/hello.pcap" --flows 2000 --templates "$here/templates" >/dev/null

# A main lcore that sleeps, and a worker on each of the last CPUs.
last=$(($(nproc) - 1))
one="9@0,1@$last"
two="9@0,0@$((last > 0 ? last - 1 : 0)),1@$last"

failed=0
# bench NAME LCORES ARGUMENT...
bench() {
	name=$1 lcores=$2
	case ",$only," in *",$name,"*) ;; *) return 0 ;; esac
	shift 2
	echo
	echo "== $name: $*" | sed "s|$work/||"
	"$build/bench/bench_dpdk" --lcores "$lcores" --main-lcore 9 --no-pci --in-memory --no-telemetry \
		--file-prefix "hellotap-bench-$$" --log-level 3 -- --rounds "$rounds" --seconds "$seconds" "$@" \
		>"$work/$name" 2>"$work/err" || failed=1
	cat "$work/err" >&2
	sed "/^RESULT/d; s|$work/||" "$work/$name"
}

echo "$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1), $(nproc) cores; load before: $(cut -d' ' -f1-3 /proc/loadavg)"
bench mixed "$one" --capture "$work/mixed.pcap" --each 50 --flows 10000
bench million "$one" --capture "$work/mixed.pcap" --each 50 --flows 1000000
bench millions "$one" --capture "$work/mixed.pcap" --each 50 --flows 10000000
bench hello "$one" --capture "$work/hello.pcap" --flows 10000
bench syn "$one" --flood syn
bench udp "$one" --flood udp
bench workers "$two" --capture "$work/mixed.pcap" --each 50 --flows 10000 --workers 2
# A hello in each frame or two, of which some thousand a second would be many on a link.
bench swaps "$one" --capture "$work/hello.pcap" --flows 10000 --swaps 100

echo
echo "load after: $(cut -d' ' -f1-3 /proc/loadavg)"
# value NAME KEY: of a result, or nothing.
value() {
	[ ! -f "$work/$1" ] || sed -n "s/^RESULT.* $2=\([0-9.]*\).*/\1/p" "$work/$1"
}
# target WHAT VALUE OPERATOR LIMIT
target() {
	[ -n "$2" ] || return 0
	echo "$2 $4" | awk -v what="$1" -v op="$3" '{
		ok = op == ">=" ? $1 >= $2 : $1 <= $2
		printf "%-58s %8.2f  %s %s: %s\n", what, $1, op, $2, ok ? "met" : "missed"
	}'
}
target "mixed, 10 k flows: of the rate of headers" "$(value mixed ratio)" ">=" 0.5
target "mixed, 10 k flows: million frames a second" "$(value mixed mpps)" ">=" 5
few=$(value mixed sensor_tsc) many=$(value millions sensor_tsc)
[ -z "$few" ] || [ -z "$many" ] ||
	target "mixed, 10 M flows: cost of a frame against 10 k" "$(echo "$many $few" | awk '{ print $1 / $2 }')" "<=" 2
target "mixed, 10 M flows: bytes a flow" "$(value millions flow_bytes)" "<=" 200
target "mixed, two workers against one" "$(value workers scale)" ">=" 1.8
exit $failed
