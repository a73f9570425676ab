#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""dpdk-config: every profile is right, the lab's gives the records of the replay, and check-host says of
made-up hosts what they lack.

usage: test_check_host.py PROGRAM SOURCE-FOLDER
"""
import glob
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

PROGRAM, SOURCE = (os.path.abspath(a) for a in sys.argv[1:3])
CONFIG = os.path.join(SOURCE, "dpdk-config")
CHECK_HOST = os.path.join(CONFIG, "check-host")

sys.dont_write_bytecode = True
sys.path.insert(0, CONFIG)
from checkhost import host as ht_host, profile as ht_profile

PMD_ICE = {"name": "net_ice", "params": "safe-mode-support=<0|1>", "kmod": "* igb_uio | uio_pci_generic | vfio-pci",
           "pci_ids": [[0x8086, 0x1592, 0xffff, 0xffff]]}
PMD_MLX5 = {"name": "mlx5_eth", "kmod": "* ib_uverbs & mlx5_core & mlx5_ib", "pci_ids": [[0x15b3, 0x1017, 0xffff, 0xffff]]}
PMDS = "/usr/lib/x86_64-linux-gnu/dpdk/pmds-23.0"
ROOT_CAPS = "Name:\tx\nUid:\t0\t0\t0\t0\nGid:\t0\t0\t0\t0\nGroups:\t \nNStgid:\t1\nCapEff:\t000001ffffffffff\n"


def reads_files():
    """Whether the program was built with libyaml."""
    p = subprocess.run([PROGRAM, "-c", os.path.join(CONFIG, "lab-vdev.yaml"), "--check"], capture_output=True, text=True, check=False)
    return "built without libyaml" not in p.stderr


needs_files = unittest.skipUnless(reads_files(), "built without libyaml")


class FakeHost:
    """A host of two NUMA nodes with 20 cores of two threads each: node 0 has CPU 0-19 and 40-59."""

    def __init__(self, test):
        self.dir = tempfile.mkdtemp(prefix="check-host-")
        test.addCleanup(shutil.rmtree, self.dir)
        self.put("/proc/cpuinfo", "vendor_id\t: GenuineIntel\nflags\t\t: fpu pdpe1gb sse2\n")
        self.put("/proc/cmdline", "BOOT_IMAGE=/vmlinuz root=/dev/sda1 ro quiet")
        self.put("/proc/self/status", ROOT_CAPS)
        self.put("/proc/1/comm", "systemd")
        self.put("/proc/meminfo", "MemTotal:       197561344 kB")
        self.put("/proc/modules", "vfio 1 0")
        self.put("/usr/sbin/modprobe", "")
        self.put("/var/log/hellotap/older.json", "")
        self.put("/etc/passwd", "root:x:0:0:root:/root:/bin/sh\n")
        self.put("/sys/devices/system/cpu/online", "0-79")
        self.put("/sys/devices/system/cpu/isolated", "")
        for c in range(80):
            cpu = f"/sys/devices/system/cpu/cpu{c}"
            self.put(f"{cpu}/topology/thread_siblings_list", f"{c % 40},{c % 40 + 40}")
            self.put(f"{cpu}/cpufreq/scaling_governor", "powersave")
        for node, cpus in ((0, "0-19,40-59"), (1, "20-39,60-79")):
            self.put(f"/sys/devices/system/node/node{node}/cpulist", cpus)
            self.hugepages(node, 0, 0)
        self.put(f"{PMDS}/librte_net_null.so.23", "nothing about PCI")
        for name, pmd in (("ice", PMD_ICE), ("mlx5", PMD_MLX5)):
            self.put(f"{PMDS}/librte_net_{name}.so.23", f"\0ELF\0PMD_INFO_STRING= {json.dumps(pmd)}\0")
        for name in ("pcap", "af_xdp", "af_packet"):
            self.put(f"{PMDS}/librte_net_{name}.so.23", "virtual")

    def put(self, path, text):
        path = self.dir + path
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as f:
            f.write(text + "\n")

    def link(self, path, target):
        path = self.dir + path
        os.makedirs(os.path.dirname(path), exist_ok=True)
        if os.path.islink(path):
            os.unlink(path)
        os.symlink(target, path)

    def hugepages(self, node, gib, free, small=0):
        folder = f"/sys/devices/system/node/node{node}/hugepages"
        for size, num, free_num in (("1048576", gib, free), ("2048", small, small)):
            self.put(f"{folder}/hugepages-{size}kB/nr_hugepages", str(num))
            self.put(f"{folder}/hugepages-{size}kB/free_hugepages", str(free_num))

    def nic(self, pci, vendor, device, driver, node=0, name=None, group=None, lanes=16):
        folder = f"/sys/bus/pci/devices/{pci}"
        for key, value in (("vendor", vendor), ("device", device), ("class", "0x020000"), ("numa_node", str(node)),
                           ("current_link_width", str(lanes)), ("max_link_width", "16"),
                           ("current_link_speed", "16.0 GT/s PCIe")):
            self.put(f"{folder}/{key}", value)
        if driver:
            self.link(f"{folder}/driver", f"../../../../bus/pci/drivers/{driver}")
            self.put(f"/sys/bus/pci/drivers/{driver}/module", "")
        if group:
            self.link(f"{folder}/iommu_group", f"../../../../kernel/iommu_groups/{group}")
            self.put(f"/sys/kernel/iommu_groups/{group}/devices/{pci}", "")
        if name:
            self.interface(name)
            self.put(f"{folder}/net/{name}/x", "")
            self.link(f"/sys/class/net/{name}/device", f"../../../{pci}")

    def interface(self, name, up=True, carrier=True, mtu=1500):
        folder = f"/sys/class/net/{name}"
        self.put(f"{folder}/flags", "0x1003" if up else "0x1002")
        self.put(f"{folder}/operstate", "up" if up else "down")
        self.put(f"{folder}/carrier", "1" if carrier else "0")
        self.put(f"{folder}/speed", "100000")
        self.put(f"{folder}/mtu", str(mtu))

    def says(self, command, text):
        self.put(f"/commands/{command}", text)

    def isolate(self, cpus, threads):
        self.put("/sys/devices/system/cpu/isolated", threads)
        self.put("/proc/cmdline", f"quiet intel_iommu=on isolcpus=managed_irq,domain,{threads} nohz_full={threads}")
        for c in cpus:
            self.put(f"/sys/devices/system/cpu/cpu{c}/cpufreq/scaling_governor", "performance")


class Lines:
    """What check-host printed: {what: (state, text, commands)}, a list for each."""

    def __init__(self, p):
        self.status, self.text = p.returncode, p.stdout + p.stderr
        self.all = []
        for line in p.stdout.splitlines()[:-1]:
            m = re.match(r"(ok|LACKS|cannot tell) +(.+?): (.*)$", line)
            if m:
                self.all.append((m.group(1), m.group(2), m.group(3), []))
            else:
                assert line.startswith(" " * 15), line
                self.all[-1][3].append(line.strip())

    def of(self, what):
        return [(s, t, c) for s, w, t, c in self.all if w == what]

    def states(self, state):
        return [w for s, w, _, _ in self.all if s == state]


class Case(unittest.TestCase):
    def profile(self, name, cpus=None, **change):
        """A shipped profile with workers.cpus named, and lines changed."""
        with open(os.path.join(CONFIG, name), encoding="utf-8") as f:
            text = f.read()
        if cpus is not None:
            text, n = re.subn(r"^  #cpus: .*$", f"  cpus: [{', '.join(map(str, cpus))}]", text, flags=re.M)
            self.assertEqual(n, 1)
        for key, value in change.items():
            text, n = re.subn(rf"^(\s*(?:- )?)#?{key}: .*$", rf"\g<1>{key}: {value}", text, count=1, flags=re.M)
            self.assertEqual(n, 1, key)
        fd, path = tempfile.mkstemp(suffix=".yaml")
        self.addCleanup(os.unlink, path)
        with os.fdopen(fd, "w", encoding="utf-8") as f:
            f.write(text)
        return path

    def check(self, host, *args):
        p = subprocess.run([CHECK_HOST, "--root", host.dir, *args], capture_output=True, text=True, timeout=300, check=False)
        self.assertNotIn("Traceback", p.stderr)
        lines = Lines(p)
        self.assertEqual(lines.status, 1 if lines.states("LACKS") else 0, lines.text)
        return lines

    def lacks(self, lines, what, text, *commands):
        self.assertIn(("LACKS", text, list(commands)), lines.of(what), lines.text)

    def ok(self, lines, what, text):
        self.assertIn(("ok", text, []), lines.of(what), lines.text)


class Profiles(Case):
    @needs_files
    def test_all_are_right(self):
        found = sorted(glob.glob(os.path.join(CONFIG, "*.yaml")))
        self.assertGreaterEqual(len(found), 6)
        for path in found:
            p = subprocess.run([PROGRAM, "-c", path, "--check"], capture_output=True, text=True, check=False)
            # Nothing is wrong in them; a folder for records may be missing here.
            self.assertIn(p.returncode, (0, 1), p.stderr)
            for line in p.stderr.splitlines():
                self.assertRegex(line, r":\d+:\d+: outputs: .*: folder of /var/log/hellotap/")

    def test_each_is_read_as_the_program_reads_it(self):
        try:
            import yaml
        except ImportError:
            self.skipTest("python3-yaml is not installed")

        def texts(x):
            if isinstance(x, dict):
                return {k: texts(v) for k, v in x.items()}
            if isinstance(x, list):
                return [texts(v) for v in x]
            return str(x).lower() if isinstance(x, bool) else x if x is None else str(x)

        example = subprocess.run([PROGRAM, "--options"], capture_output=True, text=True, check=True).stdout
        all_texts = [example]
        for path in glob.glob(os.path.join(CONFIG, "*.yaml")):
            with open(path, encoding="utf-8") as f:
                all_texts.append(f.read())
        for text in [*all_texts, "a:\n- x\n- y: 1\n  z: [1, 'b # c']\nd: \"e,f\" # g\n"]:
            self.assertEqual(ht_profile.parse(text, "x"), texts(yaml.safe_load(text)))

    def test_what_is_not_understood_is_an_error(self):
        for text in ("a: {b: 1}\n", "a: &x 1\n", "a:\n\tb: 1\n", "a: 1\n- b\n", "a: [1,\n 2]\n", "a: 1\n  b: 2\n", "a: 1\na: 2\n",
                     "a: \"x\\n\"\n", "x\n", "a: |\n  b\n"):
            with self.assertRaises(ht_profile.Wrong, msg=text):
                ht_profile.parse(text, "x")

    def test_the_defaults_are_those_of_the_program(self):
        text = subprocess.run([PROGRAM, "--options"], capture_output=True, text=True, check=True).stdout
        for key, value in {**ht_profile.PORT, **ht_profile.DPDK, **ht_profile.WORKERS, **ht_profile.SENSOR,
                           **ht_profile.AGGREGATE}.items():
            self.assertRegex(text, rf"(?m)^\s+#?{key}: {value}$")

    @needs_files
    def test_the_lab_gives_the_records_of_the_replay(self):
        p = subprocess.run([PROGRAM, "-c", "dpdk-config/lab-vdev.yaml", "--stats", "json"], cwd=SOURCE, capture_output=True,
                           text=True, timeout=300, check=False)
        if "built without DPDK" in p.stderr:
            self.skipTest("built without DPDK")
        self.assertEqual(p.returncode, 0, p.stderr)
        replay = subprocess.run([PROGRAM, "-q", "-o", "json", "-r", "pcaps/ports.pcap"], cwd=SOURCE, capture_output=True,
                                text=True, check=True)

        def what(text):
            return sorted(json.dumps({k: v for k, v in json.loads(line).items() if k != "frame"}, sort_keys=True)
                          for line in text.splitlines())

        self.assertEqual(what(p.stdout), what(replay.stdout))
        self.assertEqual(len(what(p.stdout)), 10)
        ledger = json.loads(next(x for x in p.stderr.splitlines() if x.startswith('{"record":"stats"')))
        self.assertTrue(ledger["balanced"])
        self.assertEqual(ledger["frames"]["total"], 40)


class Sizes(Case):
    def test_the_pools_are_those_of_the_program(self):
        p = ht_profile.Profile(os.path.join(CONFIG, "span-100g.yaml"))
        # 3 x 32 + 16 x 512 + 4096 + 15 x 1024, up to 2^15 - 1.
        self.assertEqual(p.pool_frames(0), 27744)
        self.assertEqual(p.pool_bytes(0), 32767 * 2368)
        self.assertEqual(p.hugepage_mib(range(16)), 1184)
        # A driver may take 2048 mbufs, whatever is asked for; a frame of 9216 bytes takes five.
        p = ht_profile.Profile(self.profile("lab-vdev.yaml"))
        self.assertEqual(p.pool_frames(0), 3 * 32 + 2 * 512 + 2048 + 4096)
        p.ports[0].mtu = 9216
        self.assertEqual(p.pool_frames(0), (3 * 32 + 4096) * 5 + 2 * 512 + 2048)

    def test_what_the_sensors_take(self):
        p = ht_profile.Profile(os.path.join(CONFIG, "lab-vdev.yaml"))
        each = 68 * 16384 + 1100 * 1024 + (2 << 20) + (1 << 20) + (1 << 20)
        self.assertEqual(p.sensor_bytes(), 2 * each)
        with open(os.path.join(CONFIG, "lab-vdev.yaml"), encoding="utf-8") as f:
            text = f.read()
        fd, path = tempfile.mkstemp(suffix=".yaml")
        self.addCleanup(os.unlink, path)
        with os.fdopen(fd, "w", encoding="utf-8") as f:
            f.write(text + "records: [aggregate]\n")
        each += 68 * 16384 + (64 << 20) + 2000 * 4096 + (16 << 20)
        self.assertEqual(ht_profile.Profile(path).sensor_bytes(), 2 * each + (384 << 20))
        text = subprocess.run([PROGRAM, "--options"], capture_output=True, text=True, check=True).stdout
        self.assertIn(f"({ht_profile.FLOW_BYTES} bytes each; {ht_profile.FLOW_RECORD_BYTES} with flow records)", text)
        self.assertIn(f"at a time (about {ht_profile.ANSWER_BYTES // 1000} kB each)", text)
        self.assertIn(f"(about {ht_profile.HELLO_BYTES / 1000} kB each)", text)

    def test_lists_of_cpus(self):
        self.assertEqual(ht_host.cpus_of("0-3,8,10-11\n"), {0, 1, 2, 3, 8, 10, 11})
        self.assertEqual(ht_host.cpus_of(""), set())
        self.assertEqual(ht_host.cpus_text({11, 0, 2, 3, 10, 1}), "0-3,10-11")


class Hosts(Case):
    def appliance(self):
        """Nothing is missing on it for span-100g-e810.yaml."""
        h = FakeHost(self)
        h.nic("0000:3b:00.0", "0x8086", "0x1592", "vfio-pci", group="42")
        h.hugepages(0, 2, 2)
        h.put("/lib/firmware/intel/ice/ddp/ice.pkg", "")
        h.isolate(range(2, 18), "2-17,42-57")
        return h, self.profile("span-100g-e810.yaml", range(2, 18))

    def test_a_good_appliance(self):
        h, p = self.appliance()
        lines = self.check(h, p)
        self.assertEqual(lines.states("LACKS"), [], lines.text)
        self.assertEqual(lines.states("cannot tell"), ["0000:3b:00.0 queues"])  # the kernel's driver is gone
        for what, text in (
            ("0000:3b:00.0", "DPDK's driver for it is net_ice"), ("0000:3b:00.0", "bound to vfio-pci"),
            ("IOMMU", "0000:3b:00.0 is in group 42"), ("0000:3b:00.0 ring", "rx_descriptors 4096 of 4096"),
            ("DDP", "/lib/firmware/intel/ice/ddp/ice.pkg is there"), ("0000:3b:00.0 slot", "x16 at 16.0 GT/s: 252 Gb/s"),
            ("vfio-pci", "loaded"), ("hugepages", "node 0 has 2048 MiB free, 1280 MiB needed"),
            ("memory", "190883 MiB beside hugepages, 3549 MiB needed by 16 workers"),
            ("outputs", "root may write /var/log/hellotap/records.json"),
            ("SMT", "each worker has a core of its own"), ("NUMA", "the workers are on node 0, where the NIC is"),
            ("isolcpus", "CPU 2-17 is without other threads"), ("nohz_full", "CPU 2-17 is without the timer's tick"),
            ("rcu_nocbs", "CPU 2-17 is without RCU's callbacks"), ("governor", "performance"),
            ("C-states", "the workers never sleep (idle: pause)"), ("irqbalance", "does not run"),
            ("user", "uid 0 has what it takes"),
        ):
            self.ok(lines, what, text)

    def test_no_hugepages(self):
        h, p = self.appliance()
        h.hugepages(0, 0, 0, small=16)
        h.hugepages(1, 8, 8)  # of no use: the other node
        lines = self.check(h, p)
        self.assertEqual(lines.states("LACKS"), ["hugepages"])
        self.lacks(lines, "hugepages", "node 0 has 32 MiB free, 1280 MiB needed",
                   "now:     echo 640 > /sys/devices/system/node/node0/hugepages/hugepages-2048kB/nr_hugepages",
                   "at boot: add to the kernel's line: default_hugepagesz=1G hugepagesz=1G hugepages=0:2",
                   "(GRUB_CMDLINE_LINUX_DEFAULT in /etc/default/grub, update-grub, reboot)")

    def test_the_wrong_node(self):
        h, _ = self.appliance()
        h.hugepages(1, 2, 2)
        h.isolate(range(20, 36), "20-35,60-75")
        lines = self.check(h, self.profile("span-100g-e810.yaml", range(20, 36)))
        self.assertEqual(lines.states("LACKS"), ["NUMA"], lines.text)
        self.lacks(lines, "NUMA", "CPU 20-35 is not on node 0, where the NIC is",
                   f"in the profile: cpus: [{', '.join(map(str, range(1, 17)))}]")
        self.ok(lines, "hugepages", "node 1 has 2048 MiB free, 1280 MiB needed")

    def test_no_cpus_named(self):
        h, _ = self.appliance()
        lines = self.check(h, os.path.join(CONFIG, "span-100g-e810.yaml"))
        # Isolated ones of the node first.
        self.lacks(lines, "workers.cpus", "not named: the system moves the workers about",
                   f"in the profile, section workers: cpus: [{', '.join(map(str, range(2, 18)))}]")

    def test_two_threads_of_a_core_and_no_isolation(self):
        h, _ = self.appliance()
        h.put("/sys/devices/system/cpu/isolated", "2-5")
        h.put("/proc/cmdline", "quiet")
        h.put("/proc/77/comm", "irqbalance")
        lines = self.check(h, self.profile("span-100g-e810.yaml", [2, 42, *range(3, 17)]))
        self.assertEqual(lines.of("SMT")[0][:2], ("LACKS", "two workers are threads of one core: 2 and 42"))
        self.lacks(lines, "isolcpus", "other threads may run on the workers' CPU 6-16,42",
                   "add to the kernel's line: isolcpus=managed_irq,domain,2-16,42-56")
        self.lacks(lines, "nohz_full", "the timer's tick may run on the workers' CPU 2-16,42",
                   "add to the kernel's line: nohz_full=2-16,42-56")
        self.lacks(lines, "governor", "powersave on CPU 42", "cpupower frequency-set -g performance")
        self.lacks(lines, "irqbalance", "runs, and may put interrupts on the workers' CPU 6-16,42",
                   "IRQBALANCE_BANNED_CPULIST=2-16,42 in /etc/default/irqbalance, or isolcpus")

    def test_an_unbound_nic(self):
        h, p = self.appliance()
        os.unlink(f"{h.dir}/sys/bus/pci/devices/0000:3b:00.0/iommu_group")
        shutil.rmtree(f"{h.dir}/sys/bus/pci/drivers/vfio-pci")
        os.unlink(f"{h.dir}/lib/firmware/intel/ice/ddp/ice.pkg")
        h.nic("0000:3b:00.0", "0x8086", "0x1592", "ice", name="ens1f0", lanes=8)
        h.says("ethtool -l ens1f0", "Channel parameters for ens1f0:\nPre-set maximums:\nCombined:\t8\n"
               "Current hardware settings:\nCombined:\t8\n")
        lines = self.check(h, p)
        self.assertEqual(sorted(lines.states("LACKS")), ["0000:3b:00.0", "0000:3b:00.0 slot", "DDP", "IOMMU", "ens1f0 queues", "vfio-pci"])
        self.lacks(lines, "0000:3b:00.0", "bound to ice", "modprobe vfio-pci",
                   "ip link set ens1f0 down      # not if you reach this host by it",
                   "dpdk-devbind.py --bind=vfio-pci 0000:3b:00.0",
                   "at each boot: driverctl set-override 0000:3b:00.0 vfio-pci")
        # The kernel was asked for it already: that leaves the BIOS.
        self.lacks(lines, "IOMMU", "0000:3b:00.0 is in no group", "turn VT-d on in the BIOS",
                   "or without its protection: modprobe vfio enable_unsafe_noiommu_mode=1")
        self.lacks(lines, "0000:3b:00.0 slot", "x8 of x16 lanes: 126 Gb/s", "a slot with all lanes wired")
        self.assertEqual(lines.of("ens1f0 queues")[0][1], "16 wanted, the kernel's driver has 8")
        h.put("/proc/cmdline", "quiet isolcpus=2-17,42-57 nohz_full=2-17,42-57")
        self.assertEqual(self.check(h, p).of("IOMMU")[0][2][0],
                         "turn VT-d on in the BIOS, and add to the kernel's line: intel_iommu=on iommu=pt")
        h.put("/proc/cpuinfo", "vendor_id\t: AuthenticAMD\nflags\t: pdpe1gb")
        self.assertEqual(self.check(h, p).of("IOMMU")[0][2][0], "turn AMD-Vi (IOMMU) on in the BIOS")
        h.put("/sys/module/vfio/parameters/enable_unsafe_noiommu_mode", "Y")
        self.ok(self.check(h, p), "IOMMU", "0000:3b:00.0 has none; vfio runs without (a device may write anywhere)")

    def test_a_shared_iommu_group_and_no_such_device(self):
        h, p = self.appliance()
        h.nic("0000:3b:00.1", "0x8086", "0x1592", "ice", group="42")
        h.nic("0000:3a:00.0", "0x8086", "0x2030", "shpchp", group="42")
        h.put("/sys/bus/pci/devices/0000:3a:00.0/class", "0x060400")  # a bridge: no matter
        self.lacks(self.check(h, p), "IOMMU", "group 42 of 0000:3b:00.0 is shared with 0000:3b:00.1 (ice)",
                   "dpdk-devbind.py --unbind for those, or another slot: vfio gives away whole groups")
        p = self.profile("span-100g-e810.yaml", range(2, 18), device='"0000:5e:00.0"')
        self.lacks(self.check(h, p), "0000:5e:00.0", "there is no PCI device 0000:5e:00.0",
                   "dpdk-devbind.py --status-dev net, and change `device` in the profile")
        h.nic("0000:5e:00.0", "0x1234", "0x5678", "vfio-pci", group="43")
        self.assertEqual(self.check(h, p).of("0000:5e:00.0")[0][:2], ("LACKS", f"no driver in {PMDS} knows 1234:5678"))

    def mlx5(self):
        h, _ = self.appliance()
        h.nic("0000:3b:00.0", "0x15b3", "0x1017", "mlx5_core", name="ens1f0np0")
        os.unlink(f"{h.dir}/sys/bus/pci/devices/0000:3b:00.0/iommu_group")  # not needed
        for m in ("mlx5_core", "mlx5_ib", "ib_uverbs"):
            h.put(f"/sys/module/{m}/refcnt", "1")
        h.says("ethtool -a ens1f0np0", "Pause parameters for ens1f0np0:\nAutonegotiate:\toff\nRX:\t\toff\nTX:\t\toff\n")
        return h

    def test_mlx5(self):
        h, p = self.mlx5(), self.profile("span-100g-mlx5.yaml", range(2, 18))
        lines = self.check(h, p)
        self.assertEqual(lines.states("LACKS") + lines.states("cannot tell"), [], lines.text)
        self.ok(lines, "0000:3b:00.0", "stays with the kernel's mlx5_core")
        self.ok(lines, "ens1f0np0 link", "up, 100000 Mb/s")
        self.assertEqual(lines.of("IOMMU") + lines.of("vfio-pci") + lines.of("DDP"), [])

    def test_mlx5_that_was_bound_to_vfio(self):
        h, p = self.mlx5(), self.profile("span-100g-mlx5.yaml", range(2, 18), rx_descriptors="6000")
        h.link("/sys/bus/pci/devices/0000:3b:00.0/driver", "../vfio-pci")
        shutil.rmtree(f"{h.dir}/sys/module/ib_uverbs")
        h.interface("ens1f0np0", up=False)
        h.says("ethtool -a ens1f0np0", "RX:\t\ton\nTX:\t\ton\n")
        lines = self.check(h, p)
        self.lacks(lines, "0000:3b:00.0", "bound to vfio-pci: mlx5_eth needs the kernel's",
                   "dpdk-devbind.py --bind=mlx5_core 0000:3b:00.0")
        self.lacks(lines, "modules", "not loaded: ib_uverbs", "modprobe -a ib_uverbs",
                   "apt-get install rdma-core ibverbs-providers")
        self.lacks(lines, "ens1f0np0 link", "the interface is down", "ip link set ens1f0np0 up")
        self.lacks(lines, "ens1f0np0 pause", "the NIC may ask the switch to hold frames back",
                   "ethtool -A ens1f0np0 rx off tx off")
        self.assertEqual(lines.of("0000:3b:00.0 ring")[0][:2], ("LACKS", "rx_descriptors 6000 is no power of two"))

    def test_interfaces_of_the_kernel(self):
        h = FakeHost(self)
        h.hugepages(0, 1, 1)
        h.interface("eth1")
        h.interface("eth2", carrier=False, mtu=9000)
        h.says("ethtool -l eth1", "Pre-set maximums:\nCombined:\t8\nCurrent hardware settings:\nCombined:\t8\n")
        h.says("ethtool -g eth1", "Pre-set maximums:\nRX:\t\t4096\nCurrent hardware settings:\nRX:\t\t512\n")
        h.says("ethtool -k eth1", "generic-receive-offload: on\nlarge-receive-offload: off [fixed]\nrx-vlan-offload: on\n")
        h.says("ethtool -k eth2", "generic-receive-offload: on\nlarge-receive-offload: on\nrx-vlan-offload: on\n")
        lines = self.check(h, os.path.join(CONFIG, "mixed-af-xdp.yaml"))
        self.ok(lines, "eth1 link", "up, 100000 Mb/s")
        self.lacks(lines, "eth1 queues", "the interface has 8, 2 from 0 on are read: the rest is lost", "ethtool -L eth1 combined 2")
        self.lacks(lines, "eth1 kernel ring", "512 of 4096", "ethtool -G eth1 rx 4096")
        self.lacks(lines, "eth1 offloads", "frames are not as on the wire: rxvlan", "ethtool -K eth1 rxvlan off")
        self.lacks(lines, "eth2 link", "no carrier", "cable, module, and the mirror port of the switch")
        self.lacks(lines, "eth2 MTU", "the interface has 9000, net_af_packet takes 1500", "ip link set eth2 mtu 1500")
        self.lacks(lines, "eth2 offloads", "frames are not as on the wire: lro, gro", "ethtool -K eth2 lro off gro off")
        self.assertEqual(lines.of("eth2 kernel ring"), [("cannot tell", "not recorded", [])])
        # Not root, and few bytes may be locked.
        h.put("/proc/self/status", "Uid:\t1000\t1000\t1000\t1000\nCapEff:\t0000000000002000\n")
        lines = self.check(h, os.path.join(CONFIG, "mixed-af-xdp.yaml"))
        self.assertEqual(lines.of("user")[0][:2], ("LACKS", "uid 1000 has no cap_bpf, cap_net_admin"))

    def test_more_descriptors_than_the_driver_has(self):
        h, _ = self.appliance()
        lines = self.check(h, self.profile("span-100g-e810.yaml", range(2, 18), rx_descriptors="8192"))
        self.lacks(lines, "0000:3b:00.0 ring", "rx_descriptors 8192, net_ice allows 4096", "rx_descriptors: 4096")

    def test_two_nics_on_two_nodes(self):
        h, _ = self.appliance()
        h.nic("0000:af:00.0", "0x8086", "0x1592", "vfio-pci", node=1, group="60")
        p = self.profile("span-100g-e810.yaml", range(2, 18))
        with open(p, encoding="utf-8") as f:
            text = f.read()
        with open(p, "w", encoding="utf-8") as f:
            f.write(text.replace("  hugepages: ", "    - device: 0000:af:00.0\n  hugepages: ", 1))
        lines = self.check(h, p)
        self.assertEqual(lines.states("LACKS"), ["NUMA"], lines.text)
        self.assertEqual(lines.of("NUMA")[0][1], "the NICs are on nodes 0, 1: half of the frames cross")

    def test_not_root(self):
        h, _ = self.appliance()
        h.put("/proc/self/status", "Uid:\t1000\t1000\t1000\t1000\nCapEff:\t0000000000000000\n")
        h.put("/proc/self/limits", "Limit  Soft Limit  Hard Limit  Units\nMax locked memory  8388608  8388608  bytes\n")
        lines = self.check(h, self.profile("span-100g-e810.yaml", range(2, 18), user="hellotap"))
        self.lacks(lines, "service.user", "there is no user hellotap", "adduser --system --group --no-create-home hellotap")
        self.lacks(lines, "memlock", "8 MiB may be locked, 1280 MiB are mapped for the NIC",
                   "ulimit -l unlimited, or LimitMEMLOCK=infinity in the unit")
        self.assertEqual(lines.of("user")[0][:2], ("LACKS", "uid 1000 has no cap_ipc_lock"))

    def test_slow_c_states_where_workers_sleep(self):
        h, _ = self.appliance()
        for state, late in (("state1", 2), ("state3", 133)):
            h.put(f"/sys/devices/system/cpu/cpu5/cpuidle/{state}/latency", str(late))
            h.put(f"/sys/devices/system/cpu/cpu5/cpuidle/{state}/disable", "0")
        p = self.profile("span-100g-e810.yaml", range(2, 18), idle="sleep")
        self.assertEqual(self.check(h, p).of("C-states")[0][:2],
                         ("LACKS", "idle: sleep, and to leave the deepest state takes 133 us"))
        h.put("/sys/devices/system/cpu/cpu5/cpuidle/state3/disable", "1")
        self.ok(self.check(h, p), "C-states", "none takes longer than 50 us to leave")

    def test_memory(self):
        h, p = self.appliance()
        # Reserved hugepages are in MemTotal, and nobody else's.
        h.put("/proc/meminfo", f"MemFree: 9 kB\nMemTotal: {(2048 + 3548) << 10} kB")
        self.lacks(self.check(h, p), "memory", "3548 MiB beside hugepages, 3549 MiB needed by 16 workers",
                   "less of sensor.max_flows, max_hellos, arena_bytes, fragment_bytes, workers.queue_mib, or fewer workers.count")
        h.put("/proc/meminfo", f"MemTotal: {(2048 + 3549) << 10} kB")
        self.ok(self.check(h, p), "memory", "3549 MiB beside hugepages, 3549 MiB needed by 16 workers")
        os.unlink(h.dir + "/proc/meminfo")
        self.assertEqual(self.check(h, p).of("memory"), [("cannot tell", "/proc/meminfo does not say", [])])
        # Without hugepages the pools of frames are there, too: a page for each.
        h.put("/proc/meminfo", "MemTotal: 1048576 kB")
        lab = self.profile("lab-vdev.yaml", hugepages='"no"')
        pages = (96 << 20) + 2 * ht_profile.Profile(lab).pool_frames(0) * 4096
        need = -(-(ht_profile.Profile(lab).sensor_bytes() + pages) >> 20)
        self.assertGreater(pages >> 20, 150)
        self.assertEqual(self.check(h, lab).of("memory")[0][1].split(", ")[1], f"{need} MiB needed by 2 workers")

    def outputs(self, h, user=None, *specs):
        text = "interfaces: [eth1]\noutputs:\n" + "".join(f"  - {s}\n" for s in specs)
        fd, path = tempfile.mkstemp(suffix=".yaml")
        self.addCleanup(os.unlink, path)
        with os.fdopen(fd, "w", encoding="utf-8") as f:
            f.write(text + (f"service:\n  user: {user}\n" if user else ""))
        return self.check(h, path).of("outputs")

    def test_folders_of_outputs(self):
        h = FakeHost(self)
        mine, other = os.getuid(), os.getuid() + 1000
        h.put("/etc/passwd", f"owner:x:{mine}:77:::\nhellotap:x:{other}:{other}:::\nmember:x:{other + 1}:5:::")
        h.put("/etc/group", f"log:x:{os.getgid()}:x,member")
        folder, file = h.dir + "/data/log", "/data/log/a.json"
        self.assertEqual(self.outputs(h, None, "json", "csv:-"), [])
        self.assertEqual(self.outputs(h, "hellotap", "json:" + file), [
            ("LACKS", "there is no folder /data/log", ["install -d -o hellotap -m 0750 /data/log"])])
        os.makedirs(folder)
        os.chmod(folder, 0o755)
        told = ("LACKS", "hellotap may not make /data/log/a.json", ["chown hellotap /data/log"])
        self.assertEqual(self.outputs(h, "hellotap", "json:" + file, "table"), [told])
        self.assertEqual(self.outputs(h, None, "json:" + file), [("ok", "root may write " + file, [])])
        self.assertEqual(self.outputs(h, "owner", "json:" + file), [("ok", "owner may write " + file, [])])
        os.chmod(folder, 0o770)
        self.assertEqual(self.outputs(h, "member", "json:" + file), [("ok", "member may write " + file, [])])
        self.assertEqual(self.outputs(h, "hellotap", "json:" + file), [
            ("LACKS", f"hellotap may not enter /data/log, for {file}", ["chmod o+x /data/log, or another folder"])])
        # What root has left behind.
        os.chmod(folder, 0o777)
        self.assertEqual(self.outputs(h, "hellotap", "json:" + file), [("ok", "hellotap may write " + file, [])])
        h.put(file, "{}")
        os.chmod(h.dir + file, 0o644)
        self.assertEqual(self.outputs(h, "hellotap", "csv:" + file), [
            ("LACKS", "hellotap may not write " + file, ["chown hellotap " + file])])
        self.assertEqual(self.outputs(h, "owner", "csv:/data/log")[0][:2], ("LACKS", "/data/log is a folder"))
        self.assertEqual(self.outputs(h, "nobody", "csv:" + file)[0][0], "cannot tell")
        h.put("/data/file", "")
        self.assertEqual(self.outputs(h, "owner", "csv:/data/file/x")[0][:2], ("LACKS", "there is no folder /data/file"))

    def test_the_folder_that_systemd_makes(self):
        h = FakeHost(self)
        shutil.rmtree(h.dir + "/var/log/hellotap")
        h.put("/etc/passwd", "hellotap:x:105:105:::\nother:x:106:106:::")
        file = "json:/var/log/hellotap/hellotap.json"
        self.assertEqual(self.outputs(h, "hellotap", file)[0][:2], ("LACKS", "there is no folder /var/log/hellotap"))
        h.put("/lib/systemd/system/hellotap.service", "[Unit]")
        self.assertEqual(self.outputs(h, "hellotap", file), [
            ("ok", "/var/log/hellotap is made by systemd when the service starts (not when hellotap is started by hand)", [])])
        self.assertEqual(self.outputs(h, "other", file)[0][0], "LACKS")

    def device(self, h, device, workers, queues=0):
        path = self.profile("lab-vdev.yaml", device=device, count=workers)
        with open(path, encoding="utf-8") as f:
            text = f.read()
        with open(path, "w", encoding="utf-8") as f:
            f.write(text.replace("      rx_descriptors: 512", f"      rx_descriptors: 512\n      queues: {queues}", 1))
        return self.check(h, path).of(device.split(",")[0] + " queues")

    def test_queues_of_virtual_devices(self):
        h = FakeHost(self)
        h.interface("eth1")
        h.put("/a.pcap", "")
        for device, workers, queues, state, text, *mend in (
            ("net_af_packet0,iface=eth1,qpairs=4", 2, 0, "LACKS", "qpairs=4, 2 are read: it will not start", "workers.count: 4"),
            ("net_af_packet0,iface=eth1,qpairs=4", 4, 2, "LACKS", "qpairs=4, 2 are read: it will not start",
             "queues: 4, and as many workers.count"),
            ("net_af_packet0,iface=eth1", 2, 0, "LACKS", "qpairs=1 for 2 workers: 1 of them receive, and hand over to the others",
             "qpairs=2 in the profile"),
            ("net_af_packet0,iface=eth1,qpairs=2", 4, 4, "LACKS", "qpairs=2, queues: 4: it will not start", "queues: 2, or 4 qpairs="),
            ("net_af_packet0,iface=eth1,qpairs=2", 2, 0, "ok", "qpairs=2"),
            ("net_af_packet0,iface=eth1,qpairs=2", 4, 2, "ok", "qpairs=2"),
            ("net_pcap0" + 3 * ",rx_pcap=/a.pcap", 2, 0, "LACKS", "3 x rx_pcap=, 2 are read: it will not start",
             "workers.count: 3"),
            ("net_pcap0,rx_pcap=/a.pcap", 2, 0, "ok", "1 x rx_pcap= for 2 workers: the frames are handed over"),
            ("net_pcap0,rx_pcap=/a.pcap,rx_pcap=/a.pcap", 2, 0, "ok", "2 x rx_pcap="),
        ):
            self.assertEqual(self.device(h, device, workers, queues), [(state, text, mend)], device)
        self.assertEqual(self.device(h, "net_pcap0,rx_iface=eth1", 1), [])

    def test_a_kernel_without_modules(self):
        h, p = self.appliance()
        shutil.rmtree(f"{h.dir}/sys/bus/pci/drivers/vfio-pci")
        os.unlink(f"{h.dir}/sys/bus/pci/devices/0000:3b:00.0/iommu_group")
        h.nic("0000:3b:00.0", "0x8086", "0x1592", "ice", name="ens1f0")
        kmod = "modprobe is not installed: apt-get install kmod"
        none = "this kernel has no modules (no /proc/modules): it takes another kernel"
        os.unlink(h.dir + "/usr/sbin/modprobe")
        for says in kmod, none:
            lines = self.check(h, p)
            self.lacks(lines, "vfio-pci", "not loaded", says)
            self.assertEqual(lines.of("IOMMU")[0][2][1], "or without its protection: " + says)
            self.assertEqual([c[0] for _, t, c in lines.of("0000:3b:00.0") if t == "bound to ice"], [says])
            self.assertNotIn("modprobe ", re.sub("modprobe is not", "", lines.text))
            self.lacks(self.check(h), "vfio-pci", "not loaded", says)
            if says == kmod:
                os.unlink(h.dir + "/proc/modules")
        # It may have all that is needed built in.
        h.put("/sys/module/vfio/parameters/enable_unsafe_noiommu_mode", "N")
        h.put("/sys/bus/pci/drivers/vfio-pci/module", "")
        lines = self.check(h, p)
        self.ok(lines, "vfio-pci", "loaded")
        self.assertEqual([c[0] for _, t, c in lines.of("0000:3b:00.0") if t == "bound to ice"][0][:4], "ip l")
        self.assertEqual(lines.of("IOMMU")[0][2][1], "or without its protection: echo Y > "
                         "/sys/module/vfio/parameters/enable_unsafe_noiommu_mode")
        h = self.mlx5()
        os.unlink(h.dir + "/proc/modules")
        shutil.rmtree(f"{h.dir}/sys/module/ib_uverbs")
        self.assertEqual(self.check(h, self.profile("span-100g-mlx5.yaml", range(2, 18))).of("modules")[0][2][0], none)

    def test_a_bare_laptop(self):
        h = FakeHost(self)
        shutil.rmtree(f"{h.dir}/sys/devices/system/node")
        h.put("/sys/devices/system/cpu/online", "0-3")
        h.put("/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages", "0")
        h.put("/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages", "0")
        h.put("/proc/self/status", "Uid:\t1000\t1000\t1000\t1000\nCapEff:\t0000000000000000\n")
        h.put("/pcaps/ports.pcap", "")
        lines = self.check(h, os.path.join(CONFIG, "lab-vdev.yaml"))
        self.assertEqual(lines.states("LACKS") + lines.states("cannot tell"), [], lines.text)
        self.ok(lines, "hugepages", "none free, and not needed for virtual devices: slower")
        # A few are worse than none: EAL takes them, and they do not suffice.
        h.put("/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages", "10")
        h.put("/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages", "10")
        self.assertEqual(self.check(h, os.path.join(CONFIG, "lab-vdev.yaml")).of("hugepages")[0][1],
                         "20 MiB free, 133 MiB needed on any node")
        lines = self.check(h, os.path.join(CONFIG, "span-10g.yaml"))
        self.assertEqual(lines.of("0000:3b:00.0")[0][0], "LACKS")
        self.assertEqual(lines.of("hugepages")[0][0], "LACKS")

    def test_the_host_as_such(self):
        h, _ = self.appliance()
        h.put("/sys/class/iommu/dmar0/x", "")
        h.isolate([*range(2, 18), *range(42, 58)], "2-17,42-57")
        lines = self.check(h)
        self.assertEqual(lines.states("LACKS"), ["hugepages"], lines.text)  # node 1 has none
        self.ok(lines, "0000:3b:00.0", "vfio-pci, NUMA node 0; DPDK's driver is net_ice")
        self.ok(lines, "isolcpus", "CPU 2-17,42-57 of 0-79")
        lines = self.check(FakeHost(self))
        self.assertEqual(lines.states("LACKS"), ["hugepages", "hugepages", "vfio-pci", "IOMMU", "isolcpus", "governor"])


class Usage(Case):
    def test_wrong_calls(self):
        for args, text in ((["--what"], "no such option"), (["a", "b"], "one profile"), (["--root"], "needs a value"),
                           (["--root", "/nowhere"], "no such folder"), (["/nowhere.yaml"], "No such file"),
                           ([os.path.join(SOURCE, "meson.build")], "was expected")):
            p = subprocess.run([CHECK_HOST, *args], capture_output=True, text=True, check=False)
            self.assertEqual((p.returncode, p.stdout), (2, ""), args)
            self.assertIn(text, p.stderr)
            self.assertEqual(p.stderr.count("\n"), 1)

    @needs_files
    def test_the_program_is_asked(self):
        h = FakeHost(self)
        good, bad = os.path.join(CONFIG, "lab-vdev.yaml"), self.profile("lab-vdev.yaml", inbox_frames="63")
        self.ok(self.check(h, "--program", PROGRAM, good), "profile", f"{good} is right")
        found = self.check(h, "--program", PROGRAM, bad).of("profile")
        self.assertEqual(found[0][:2], ("LACKS", f"{bad} is not right"))
        self.assertIn("must be a number from 64", found[0][2][0])

    def test_this_host(self):
        p = subprocess.run([CHECK_HOST], capture_output=True, text=True, timeout=300, check=False)
        self.assertIn(p.returncode, (0, 1), p.stderr)
        self.assertEqual(p.stderr, "")
        self.assertRegex(p.stdout, r"\d+ lacking, \d+ cannot be told\n$")


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)
