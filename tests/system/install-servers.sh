#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# install-servers.sh PACKAGE...: installs the servers that tests/system talks to, as root, for ./setup.sh tests.
# The machine must not notice: no service is started, now or at boot; no package is removed or upgraded
# for them. A package that cannot be had is named, and its cases are skipped.
set -eu
export DEBIAN_FRONTEND=noninteractive

if ! unshare --mount --uts true 2>/dev/null; then
	echo "setup.sh: no namespaces here: tests/system will be skipped, its servers are not installed" >&2
	exit 0
fi

tmp=$(mktemp -d)
policy=/usr/sbin/policy-rc.d
own_policy=
cleanup() {
	rm -rf "$tmp"
	[ -z "$own_policy" ] || rm -f "$policy"
}
trap cleanup EXIT
trap 'exit 1' INT TERM
if [ ! -e "$policy" ]; then
	own_policy=yes
	printf '#!/bin/sh\nexit 101\n' >"$policy" # "action forbidden": nothing that is installed is started
	chmod 755 "$policy"
fi

# inn2 does not install on a machine whose name has no domain: it sees another name.
printf '127.0.0.1 lab.example.test lab localhost\n' >"$tmp/hosts"
install() {
	# shellcheck disable=SC2016 # the inner shell expands
	unshare --mount --uts sh -c '
		hosts=$1
		shift
		hostname lab.example.test
		mount --bind "$hosts" /etc/hosts
		exec apt-get install -y -q --no-install-recommends --no-remove --no-upgrade "$@"
	' sh "$tmp/hosts" "$@"
}
installed() {
	dpkg-query -W -f '${db:Status-Status} ${Package}\n' | sed -n 's/^installed //p' | sort -u
}

installed >"$tmp/before"
if ! install "$@"; then
	for p; do
		install "$p" || echo "setup.sh: $p cannot be had here: its system tests will be skipped" >&2
	done
fi

# What a package enabled for the next boot.
if command -v systemctl >/dev/null; then
	for p in $(installed | comm -13 "$tmp/before" -); do
		dpkg -L "$p" | sed -n 's,^\(/usr\)\?/lib/systemd/system/\([^@/]*\.\(service\|socket\|timer\)\)$,\2,p'
	done | sort -u | while read -r unit; do
		systemctl --no-reload disable "$unit" >/dev/null 2>&1 || true # not one that can be enabled
	done
fi
