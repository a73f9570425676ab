# SPDX-License-Identifier: BSD-3-Clause
"""What is asked of a host: files of /proc and /sys, and what a few commands say.

With a root folder everything is read below it, and what a command says is read from
ROOT/commands/, a file named like the command line ("ethtool -l eth1").
"""
import glob
import json
import os
import re
import subprocess


def cpus_of(text):
    """The set of "0-3,8"."""
    out = set()
    for part in (text or "").strip().split(","):
        m = re.fullmatch(r"(\d+)(?:-(\d+))?", part.strip())
        if m:
            out.update(range(int(m.group(1)), int(m.group(2) or m.group(1)) + 1))
    return out


def cpus_text(cpus):
    """{0, 1, 2, 8} as "0-2,8"."""
    out = []
    for c in sorted(cpus):
        if out and c == out[-1][1] + 1:
            out[-1][1] = c
        else:
            out.append([c, c])
    return ",".join(str(a) if a == b else f"{a}-{b}" for a, b in out)


class Host:
    def __init__(self, root=""):
        self.root = root.rstrip("/")
        self._drivers = None

    # --- files ---

    def path(self, path):
        return self.root + path

    def there(self, path):
        return os.path.exists(self.path(path))

    def text(self, path):
        """None when it is not there or cannot be read (some files of /sys give an error)."""
        try:
            with open(self.path(path), encoding="utf-8", errors="replace") as f:
                return f.read().strip()
        except OSError:
            return None

    def number(self, path):
        text = self.text(path) or ""
        if re.fullmatch(r"-?[0-9]+", text):
            return int(text)
        return int(text, 16) if re.fullmatch(r"0x[0-9a-fA-F]+", text) else None

    def names(self, path):
        try:
            return sorted(os.listdir(self.path(path)))
        except OSError:
            return []

    def link(self, path):
        """The last part of what a symbolic link points to."""
        try:
            return os.path.basename(os.readlink(self.path(path)))
        except OSError:
            return None

    # --- commands ---

    def command(self, *args):
        """What it prints, and why not when that is None."""
        if self.root:
            text = self.text("/commands/" + " ".join(args))
            return text, None if text is not None else "not recorded"
        try:
            p = subprocess.run(args, capture_output=True, text=True, timeout=10,
                               env={**os.environ, "LC_ALL": "C"}, check=False)
        except FileNotFoundError:
            return None, f"{args[0]} is not installed (apt-get install {args[0]})"
        except (OSError, subprocess.TimeoutExpired) as e:
            return None, f"{args[0]}: {e}"
        if p.returncode != 0:
            return None, (p.stderr.strip().split("\n")[-1] or f"{args[0]} failed")
        return p.stdout, None

    # --- memory and CPUs ---

    def nodes(self):
        """NUMA nodes and their CPUs."""
        out = {}
        for name in self.names("/sys/devices/system/node"):
            if re.fullmatch(r"node\d+", name):
                out[int(name[4:])] = cpus_of(self.text(f"/sys/devices/system/node/{name}/cpulist"))
        return out or {0: self.online()}

    def node_of(self, cpu):
        return next((n for n, cpus in self.nodes().items() if cpu in cpus), None)

    def online(self):
        return cpus_of(self.text("/sys/devices/system/cpu/online"))

    def siblings(self, cpu):
        text = self.text(f"/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list")
        return cpus_of(text) or {cpu}

    def hugepages(self):
        """Of each node: {size in KiB: (reserved, free)}."""
        out = {}
        for node in self.nodes():
            folder = f"/sys/devices/system/node/node{node}/hugepages"
            if not self.there(folder):
                folder = "/sys/kernel/mm/hugepages"
            sizes = {}
            for name in self.names(folder):
                m = re.fullmatch(r"hugepages-(\d+)kB", name)
                if m:
                    sizes[int(m.group(1))] = (self.number(f"{folder}/{name}/nr_hugepages") or 0,
                                              self.number(f"{folder}/{name}/free_hugepages") or 0)
            out[node] = sizes
        return out

    def cmdline(self, name):
        """The value of an argument of the kernel, "" for one without; None: not there."""
        for word in (self.text("/proc/cmdline") or "").split():
            key, _, value = word.partition("=")
            if key == name:
                return value
        return None

    def cpuinfo(self, name):
        m = re.search(rf"^{name}\s*:\s*(.*)$", self.text("/proc/cpuinfo") or "", re.M)
        return m.group(1).strip() if m else ""

    # --- modules ---

    def no_modules(self):
        """Why no module can be loaded, or None."""
        if not self.there("/proc/modules"):
            return "this kernel has no modules (no /proc/modules): it takes another kernel"
        folders = [f for f in ("/sbin", "/usr/sbin", "/bin", "/usr/bin") if self.there(f)]
        if folders and not any(self.there(f + "/modprobe") for f in folders):
            return "modprobe is not installed: apt-get install kmod"
        return None

    # --- devices ---

    def pci_of_interface(self, name):
        pci = self.link(f"/sys/class/net/{name}/device")
        return pci if pci and re.fullmatch(r"[0-9a-f:]+\.\d", pci) else None

    def interface_of_pci(self, pci):
        names = self.names(f"/sys/bus/pci/devices/{pci}/net")
        return names[0] if names else None

    def pmds(self):
        """The folder with DPDK's drivers, or None."""
        for pattern in ("/usr/lib/*/dpdk/pmds-*", "/usr/lib64/dpdk/pmds-*", "/usr/lib/dpdk/pmds-*",
                        "/usr/local/lib*/dpdk/pmds-*", "/usr/local/lib/*/dpdk/pmds-*"):
            found = sorted(glob.glob(glob.escape(self.root) + pattern))
            if found:
                return found[-1][len(self.root):]
        return None

    def drivers(self):
        """What each driver of NICs in that folder says of itself: a list of name, kmod, pci_ids."""
        if self._drivers is None:
            self._drivers = []
            folder = self.pmds()
            files = glob.glob(glob.escape(self.path(folder)) + "/librte_net_*.so.*") if folder else []
            for path in sorted({os.path.realpath(f) for f in files}):
                with open(path, "rb") as f:
                    found = re.findall(rb"PMD_INFO_STRING= (\{[^\0]*\})", f.read())
                for text in found:
                    try:
                        self._drivers.append(json.loads(text))
                    except ValueError:
                        continue
        return self._drivers

    def driver_of(self, pci):
        """DPDK's driver of a PCI device."""
        mine = [self.number(f"/sys/bus/pci/devices/{pci}/{name}")
                for name in ("vendor", "device", "subsystem_vendor", "subsystem_device")]
        best = None
        for d in self.drivers():
            # Some drivers take a device only when an argument asks for them (net_ice_dcf, net_sfc's vdpa).
            asked = "cap=" in d.get("params", "") or "vdpa=" in d.get("params", "")
            for ids in d.get("pci_ids", []):
                if "kmod" in d and not asked and all(i in (m, 0xffff) for i, m in zip(ids, mine)):
                    best = best or d
        return best
