#!/bin/busybox sh
# SPDX-License-Identifier: BSD-3-Clause
# Process 1 of the guest (see guest.py). It gives the NIC to DPDK, runs /command in /out, tells the host when
# the text $ready was printed, ends the command when the host says "s", says when its workers sleep where the host
# says "w", sends all of /out and powers off.
# The first serial port is the console, for people; the second is the channel, for guest.py.
export PATH=/bin LC_ALL=C
/bin/busybox --install -s /bin
trap 'poweroff -f' EXIT
set -e
. /guest.conf # $nic, $ready, $modules, $binder

chmod 755 / # DPDK loads no driver from where all may write
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs dev /dev
mkdir /dev/hugepages
mount -t hugetlbfs hugetlbfs /dev/hugepages
ip link set lo up
exec 3<>/dev/ttyS1
stty -F /dev/ttyS1 raw -echo

for module in $modules; do
	insmod "/modules/$module"
done
echo "$binder" >"/sys/bus/pci/devices/$nic/driver_override"
echo "$nic" >/sys/bus/pci/drivers_probe
[ -e "/sys/bus/pci/drivers/$binder/$nic" ] || {
	echo "init: $nic is not bound to $binder"
	exit 1
}

# Waits until no worker of the command runs, and says so.
asleep() {
	looks=0
	while [ $looks -lt 2 ] && [ ! -e /tmp/status ]; do
		looks=$((looks + 1))
		workers=$(cat "/proc/$(cat /tmp/pid)/task/"*/stat | grep -F "(worker-") || true
		if [ -z "$workers" ] || echo "$workers" | grep -qvF ") S "; then
			looks=0
		fi
		usleep 20000
	done
	echo asleep >&3
}

cd /out
(
	status=0
	sh /command >stdout 2>stderr </dev/null || status=$?
	echo $status >/tmp/status.new
	mv /tmp/status.new /tmp/status # with what is in it
) &
told=
while [ ! -e /tmp/status ]; do
	if [ -z "$told" ] && [ -n "$ready" ] && grep -qF -e "$ready" stdout stderr; then
		echo "init: ready"
		echo ready >&3
		told=1
	fi
	# One byte: of more, a time-out in the midst would lose the first ones.
	byte=
	read -r -n 1 -t 0.1 byte <&3 || true
	case $byte in
	s)
		echo "init: stop"
		cat /proc/interrupts >interrupts
		kill -TERM "$(cat /tmp/pid)" || true
		;;
	w)
		asleep
		;;
	esac
done
cp /tmp/status status
echo end >&3
tar -cf - . >&3
exec 3>&- # waits until all is sent
