#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Builds a release, makes the captures, and measures everything side by side.
set -eu

usage() {
	cat <<-END
	usage: bench/run.sh [OPTION...]
	  --quick         captures of a tenth of the size
	  --runs N        rounds of each comparison (default 7)
	  --scratch DIR   where the captures go (default: /dev/shm if it has room, else TMPDIR or /tmp)
	  --build DIR     a build folder to use; it must be a release build (default: one is made)
	  --program FILE  measure this hellotap instead of the one that is built
	  --keep          leave the captures there; a run with the same --scratch uses them again
	  --no-callgrind  leave out the instruction counts (also left out where valgrind is missing)
	  --only LIST     of: mixed hello quic mail micro watchlists findings sinks callgrind (default: all; comma-separated)
	END
}

say() {
	printf '%s\n' "$*"
}

here=$(cd "$(dirname "$0")" && pwd)
quick=0 runs=7 scratch='' build='' program='' keep=0 only=mixed,hello,quic,mail,micro,watchlists,findings,sinks,callgrind
while [ $# -gt 0 ]; do
	case $1 in
	--quick) quick=1 ;;
	--runs | --scratch | --build | --program | --only)
		[ $# -ge 2 ] || { usage >&2; exit 2; }
		eval "${1#--}=\$2"
		shift
		;;
	--keep) keep=1 ;;
	--no-callgrind) only=$(printf %s "$only" | sed 's/,*callgrind//') ;;
	-h | --help) usage; exit 0 ;;
	*) usage >&2; exit 2 ;;
	esac
	shift
done

wanted() {
	case ",$only," in *",$1,"*) true ;; *) false ;; esac
}

# The captures of a full run take 4.2 GB, those for callgrind 0.4.
need_kb=$([ $quick = 1 ] && echo 900000 || echo 4700000)
if [ -z "$scratch" ]; then
	scratch=${TMPDIR:-/tmp}
	room=$(df -Pk /dev/shm 2>/dev/null | awk 'NR == 2 { print $4 }')
	if [ "${room:-0}" -gt $need_kb ] && [ -w /dev/shm ]; then
		scratch=/dev/shm
	fi
fi
if [ $keep = 1 ]; then
	work=$scratch/hellotap-bench
	mkdir -p "$work"
else
	work=$(mktemp -d "$scratch/hellotap-bench.XXXXXX")
	trap 'rm -rf "$work"' EXIT
	trap 'exit 129' HUP
	trap 'exit 130' INT
	trap 'exit 141' PIPE
	trap 'exit 143' TERM
fi

if [ -z "$build" ]; then
	build=$work/build
	[ -d "$build" ] || meson setup "$build" "$here/.." --buildtype=release -Dtests=disabled \
		>"$work/build.log" 2>&1 || { cat "$work/build.log" >&2; exit 1; }
fi
ninja -C "$build" app/hellotap bench/generate bench/read_floor bench/pcap_floor \
	bench/bench_micro bench/bench_quic bench/bench_upgrade bench/bench_aggregate bench/bench_rates \
	bench/bench_watchlist bench/bench_findings bench/bench_export >"$work/build.log" 2>&1 || {
	cat "$work/build.log" >&2
	exit 1
}
program=${program:-$build/app/hellotap}

# generate KIND FLOWS: makes $work/KIND-FLOWS.pcap unless it is there, and checks what is found in it.
generate() {
	capture=$work/$1-$2.pcap
	if [ ! -s "$capture" ] || [ ! -s "$capture.made" ]; then
		"$build/bench/generate" "$1" "$capture" --flows "$2" \
			--templates "$here/templates" >"$capture.new"
		mv "$capture.new" "$capture.made"
	fi
	"$program" -r "$capture" -o json:/dev/null -q --stats json 2>"$capture.ledger" ||
		{ cat "$capture.ledger" >&2; exit 1; }
	"$here/check.py" "$capture.made" "$capture.ledger"
}

count() {
	python3 -c 'import json, sys
made = json.load(open(sys.argv[1]))
print(made["hellos_tcp"] + made["hellos_quic"] if sys.argv[2] == "hellos" else made[sys.argv[2]])' \
		"$capture.made" "$1"
}

flows() { # KIND
	case $1 in mixed) n=60000 ;; hello) n=400000 ;; quic) n=100000 ;; mail) n=200000 ;; esac
	echo $((n / ${2:-1}))
}

say "$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1), $(nproc) cores; $("$program" --version)"
say "load before: $(cut -d' ' -f1-3 /proc/loadavg)"
tenth=$([ $quick = 1 ] && echo 10 || echo 1)
for kind in mixed hello quic mail; do
	wanted $kind || continue
	generate $kind "$(flows $kind $tenth)"
	say
	say "$kind: $(count frames) frames, $(wc -c <"$capture") bytes, $(count flows) flows, $(count hellos) hellos, all found, ledger balanced"
	"$here/pair.py" --runs "$runs" --frames "$(count frames)" --hellos "$(count hellos)" \
		"read_floor=$build/bench/read_floor $capture" \
		"pcap_floor=$build/bench/pcap_floor $capture" \
		"hellotap=$program -r $capture -o json:/dev/null -q"
	[ $keep = 1 ] || rm -f "$capture"
done

if wanted micro; then
	say
	"$build/bench/bench_micro" "$here/templates"
	say
	"$build/bench/bench_quic"
	say
	"$build/bench/bench_upgrade"
fi

# What a million names and a thousand expressions cost a replay, by CPU time and without what reading
# the lists takes: that of a capture without frames is taken off.
if wanted watchlists; then
	say
	"$build/bench/bench_watchlist" $([ $quick = 0 ] || echo quick)
	mkdir -p -m 700 "$work/cache"
	"$build/bench/bench_watchlist" write "$work"
	printf 'watchlists: {files: [%s, %s], cache_folder: %s}\n' \
		"$work/million.txt" "$work/expressions.txt" "$work/cache" >"$work/lists.yaml"
	head -c 24 "$here/../pcaps/tls13-hello.pcap" >"$work/empty.pcap"
	[ $quick = 0 ] || say "(With --quick reading the lists takes longer than the captures: what follows tells nothing.)"
	for kind in mixed hello; do
		generate $kind "$(flows $kind $tenth)"
		PYTHONPATH=$here python3 -B - "$runs" "$program" "$work" "$capture" $kind "$(count hellos)" <<-'END'
		import pair, statistics, sys
		runs, program, work, capture, kind, hellos = sys.argv[1:]
		def cpu(file, *args):
		    files = [a for f in file for a in ("-r", f)]
		    return pair.run([program, *args, *files, "-o", "json:/dev/null", "-q"])[1]
		lists, empty = ("-c", work + "/lists.yaml"), [work + "/empty.pcap"]
		capture = [capture] * 3  # so that reading the lists is the smaller part
		cpu(capture, *lists)  # warms the page cache and that of expressions
		ratios, plain, matched, load = [], [], [], []
		for _ in range(int(runs)):
		    load.append(cpu(empty, *lists))
		    plain.append(cpu(capture) - cpu(empty))
		    matched.append(cpu(capture, *lists) - load[-1])
		    ratios.append(matched[-1] / plain[-1])
		more = (min(matched) - min(plain)) / 3 / int(hellos) * 1e9
		print(f"{kind:6} with 1,000,000 domains and 1000 expressions: {min(matched) / min(plain):.3f} of the CPU "
		      f"time without, by the least of {runs} rounds, median of rounds {statistics.median(ratios):.3f}; "
		      f"{more:.0f} ns a hello; reading them {min(load):.2f} s")
		END
		[ $keep = 1 ] || rm -f "$capture"
	done
fi

if wanted findings; then
	say
	generate mixed "$(flows mixed 10)"
	"$build/bench/bench_findings" "$capture"
	[ $keep = 1 ] || rm -f "$capture"
fi

if wanted sinks; then
	say
	"$build/bench/bench_export" "$work"
	say
	"$build/bench/bench_aggregate"
	say
	"$build/bench/bench_rates"
fi

if wanted callgrind && command -v valgrind >/dev/null; then
	say
	say "instructions (callgrind; valgrind's CPU has no SHA instructions, so hashes are counted as libcrypto does them)"
	for kind in mixed hello quic mail; do
		generate $kind "$(flows $kind 10)"
		valgrind --tool=callgrind --callgrind-out-file="$work/callgrind.$kind" \
			"$program" -r "$capture" -o json:/dev/null -q >"$work/callgrind.log" 2>&1 ||
			{ cat "$work/callgrind.log" >&2; exit 1; }
		python3 - "$kind" "$work/callgrind.$kind" "$(count frames)" "$(count hellos)" <<-'END'
		import re, sys
		kind, path, frames, hellos = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
		total = lib = 0
		obj, objects, in_call = "", {}, False
		for line in open(path):
		    if m := re.match(r"ob=\((\d+)\)(?: (.*))?", line):
		        obj = objects.setdefault(m[1], m[2] or "")
		    elif m := re.match(r"cob=\((\d+)\) (.*)", line):
		        objects[m[1]] = m[2]
		    elif line.startswith("calls="):
		        in_call = True  # the next line is the cost of the called
		    elif m := re.match(r"[+\-*\d]\S* (\d+)$", line):
		        if not in_call:
		            total += int(m[1])
		            lib += int(m[1]) if "libcrypto" in obj else 0
		        in_call = False
		print(f"{kind:6} {total / frames:8.0f} a frame {total / hellos:8.0f} a hello, "
		      f"of which libcrypto {lib / hellos:.0f}")
		END
		[ $keep = 1 ] || rm -f "$capture"
	done
fi
say
say "load after: $(cut -d' ' -f1-3 /proc/loadavg)"
[ $keep = 0 ] || say "kept in $work"
