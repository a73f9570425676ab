# SPDX-License-Identifier: BSD-3-Clause
"""What a guest is made of and no package of setup.sh installs: a kernel, and a QEMU that has the NIC.

Both come from Debian by apt and are unpacked below a cache folder. apt works there with lists and archives
of its own, so nothing is installed and the system's package database stays as it is.
"""

import contextlib
import fcntl
import glob
import os
import re
import shutil
import subprocess
import tempfile

# What gives a device to DPDK: the kernel's modules for it, in the order they are loaded. The last is the driver.
BINDERS = {
    "uio_pci_generic": ("uio", "uio_pci_generic"),
    "vfio-pci": ("irqbypass", "vfio", "vfio_virqfd", "vfio_iommu_type1", "vfio-pci-core", "vfio-pci"),
}
MODULES = [m for modules in BINDERS.values() for m in modules]


class Skip(Exception):
    """This machine lacks something."""


def call(*argv, **kw):
    """What a program printed, or None if it failed."""
    try:
        p = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, timeout=300, **kw)
    except (FileNotFoundError, subprocess.TimeoutExpired):
        return None
    return p.stdout.decode(errors="replace") if p.returncode == 0 else None


class Parts:
    def __init__(self, cache):
        self.cache = os.path.abspath(cache)
        os.makedirs(self.cache, exist_ok=True)

    def kernel(self, binder):
        """(image, modules of a binder) of Debian's kernel for virtual machines, which is small and boots fast."""
        folder = self._made("linux", self._make_kernel)
        return os.path.join(folder, "vmlinuz"), [os.path.join(folder, m + ".ko") for m in BINDERS[binder]]

    def qemu(self, device, option=""):
        """The command of a QEMU that has `device` (with `option`): the system's, or the one of backports."""
        system = ["qemu-system-x86_64"]
        if not shutil.which(system[0]):
            raise Skip("not installed: qemu-system-x86 (./setup.sh tests installs it)")
        if self._has(system, device, option):
            return system
        folder = self._made("qemu", self._make_qemu)
        own = self._own_qemu(folder)
        if not self._has(own, device, option):
            raise Skip(f"no QEMU with {device} {option}")
        return own

    # --- the cache: whole or not there ---

    @contextlib.contextmanager
    def _lock(self):
        with open(os.path.join(self.cache, "lock"), "w") as f:
            fcntl.flock(f, fcntl.LOCK_EX)
            yield

    def _made(self, name, make):
        folder = os.path.join(self.cache, name)
        with self._lock():
            if not os.path.isdir(folder):
                with tempfile.TemporaryDirectory(dir=self.cache) as work:
                    result = os.path.join(work, name)
                    os.mkdir(result)
                    make(result, work)
                    os.rename(result, folder)
        return folder

    # --- the kernel ---

    def _make_kernel(self, folder, work):
        meta, lists = "linux-image-cloud-amd64", self._lists()
        show = call("apt-cache", *lists, "show", "--no-all-versions", meta)
        name = re.search(r"\blinux-image-\d\S*-cloud-amd64\b", show or "")
        if not name:
            raise Skip(f"apt knows no {meta}")
        os.chmod(work, 0o755)  # for apt's own user
        if call("apt-get", *lists, "download", name[0], cwd=work) is None:
            raise Skip(f"{name[0]} cannot be downloaded")
        root = os.path.join(work, "root")
        self._unpack(work, root)
        found = {"vmlinuz": glob.glob(root + "/boot/vmlinuz-*")}
        for m in MODULES:
            found[m + ".ko"] = glob.glob(f"{root}/**/{m}.ko", recursive=True)
        for as_name, paths in found.items():
            if not paths:
                raise Skip(f"{name[0]} has no {as_name} that can be used as it is")
            shutil.move(paths[0], os.path.join(folder, as_name))

    # --- QEMU ---

    def _make_qemu(self, folder, work):
        """QEMU of backports, with the libraries of it that the system has not."""
        uri, codename = self._mirror()
        source = os.path.join(work, "backports.list")
        with open(source, "w") as f:
            f.write(f"deb {uri} {codename}-backports main\n")
        for name in "lists/partial", "archives/partial":
            os.makedirs(os.path.join(work, name))
        apt = [
            f"-oDir::Etc::sourcelist={source}",
            "-oDir::Etc::sourceparts=-",
            f"-oDir::State::lists={work}/lists",
            f"-oDir::Cache={work}",
            "-oDir::Cache::archives=archives",
            "-oDebug::NoLocking=1",
            "-oAPT::Sandbox::User=",
        ]
        install = "--download-only --no-install-recommends --yes --target-release".split()
        if call("apt-get", *apt, "update") is None:
            raise Skip(f"{codename}-backports cannot be reached")
        if call("apt-get", *apt, *install, codename + "-backports", "install", "qemu-system-x86") is None:
            raise Skip(f"qemu-system-x86 of {codename}-backports cannot be downloaded")
        self._unpack(work + "/archives", folder)

    @staticmethod
    def _own_qemu(root):
        usr = os.path.join(root, "usr")
        library = os.path.join(usr, "lib", "x86_64-linux-gnu")
        # Else it loads the system's modules, which are of another version.
        environment = ["env", f"QEMU_MODULE_DIR={library}/qemu", f"LD_LIBRARY_PATH={library}"]
        data = ["-L", usr + "/share/qemu", "-L", usr + "/share/seabios"]
        return [*environment, usr + "/bin/qemu-system-x86_64", *data]

    @staticmethod
    def _has(qemu, device, option):
        said = call(*qemu, "-device", device + ",help") or ""  # empty and no error for what it has not
        return device + " options:" in said and option in said

    # --- apt ---

    def _lists(self):
        """Options for apt, with lists of our own when the system has none."""
        if self._targets([]):
            return []
        own = os.path.join(self.cache, "lists")
        os.makedirs(own + "/partial", exist_ok=True)
        options = ["-oDir::State::lists=" + own, "-oAPT::Sandbox::User="]
        call("apt-get", *options, "update")
        if not self._targets(options):
            raise Skip("apt reaches no package lists")
        return options

    @staticmethod
    def _targets(options):
        said = call(
            "apt-get", *options, "indextargets", "--format", "$(REPO_URI) $(CODENAME) $(COMPONENT)",
            "Created-By: Packages",
        )  # fmt: skip
        return [line.split() for line in (said or "").splitlines() if line.endswith(" main")]

    def _mirror(self):
        """Where the system gets its Debian from, and which it is."""
        with open("/etc/os-release") as f:
            codename = re.search(r"^VERSION_CODENAME=(\w+)", f.read(), re.M)
        for uri, of, _ in self._targets(self._lists()):
            if codename and of == codename[1]:
                return uri, of
        raise Skip("apt has no mirror of this Debian")

    @staticmethod
    def _unpack(archives, root):
        for deb in glob.glob(archives + "/*.deb"):
            if call("dpkg", "-x", deb, root) is None:
                raise Skip(f"dpkg cannot unpack {os.path.basename(deb)}")
