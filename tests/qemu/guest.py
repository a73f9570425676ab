# SPDX-License-Identifier: BSD-3-Clause
"""A guest with a NIC for DPDK: QEMU without KVM, Debian's cloud kernel, an initramfs with the program under test.

    guest = Guest("virtio-net", cache)      gets what it is made of
    enter(sys.argv[1:])                     namespaces of our own; all that is started ends with them
    result = guest.run(["/bin/program", "--option"], {"/bin/program": path}, ready="listening", traffic=send)
    result.status, result.stdout, result.stderr, result.files

The emulated CPU has AVX2, AES and VAES; no AVX-512. It is some ten times slower than the host's: a guest shows
what a NIC does and never how fast.
"""

import contextlib
import glob
import io
import json
import os
import shlex
import shutil
import stat
import subprocess
import sys
import tarfile
import tempfile
import threading
import time
from dataclasses import dataclass, field

from parts import Parts, Skip, call

HERE = os.path.dirname(os.path.abspath(__file__))
UNSHARE = "unshare --net --mount --pid --fork --kill-child --mount-proc".split()
TAP = "vmtap"
NIC_ADDRESS = "0000:00:05.0"
TAP_FRAMES = 10000  # that the tap holds while the guest, which has no real CPU, is behind
READ_SECONDS = 120  # for QEMU to take what the tap holds; the machine may be busy


@dataclass
class Nic:
    device: str  # QEMU's -device
    option: str  # that this QEMU must know
    queues: int  # of the tap
    driver: str  # DPDK's
    binder: str = "uio_pci_generic"  # the kernel's driver under it: parts.BINDERS


# By uio a device has one interrupt; vfio, which wants an IOMMU, gives each queue its own.
NICS = {
    "virtio-net": Nic("virtio-net-pci,mq=on,vectors=10,rss=on,rx_queue_size=1024", "rss=", 4, "net_virtio"),
    "igb": Nic("igb", "", 1, "net_e1000"),
    "igb by vfio": Nic("igb", "", 1, "net_e1000", "vfio-pci"),
}
# With the drivers above: what DPDK loads while it runs, so that no program is linked with it.
PLUGINS = "bus_pci", "bus_vdev", "mempool_ring", "net_ring"


@dataclass
class Result:
    status: int
    console: str
    files: dict = field(default_factory=dict)  # of the folder the command ran in: name -> bytes
    sent: int = 0  # what `traffic` returned
    refused: int = 0  # frames that the tap had no room for

    @property
    def stdout(self):
        return self.files["stdout"].decode()

    @property
    def stderr(self):
        return self.files["stderr"].decode(errors="replace")


# --- the network namespace ----------------------------------------------------------------------


def entered():
    return os.getpid() == 1 and os.environ.get("HELLOTAP_GUEST_NET") not in (None, _network())


def may_enter():
    """Skips where enter() would fail."""
    if os.geteuid() != 0:
        raise Skip("not root: a network namespace and a tap want it")
    if not os.path.exists("/dev/net/tun"):
        raise Skip("no /dev/net/tun")
    if call(*UNSHARE, "true") is None:
        raise Skip("no namespaces to be had here (unshare failed)")


def enter(arguments):
    """Runs this program again, with `arguments`, as process 1 of new namespaces. Does not return."""
    os.environ["HELLOTAP_GUEST_NET"] = _network()
    sys.stdout.flush()
    os.execvp(UNSHARE[0], [*UNSHARE, sys.executable, "-B", os.path.abspath(sys.argv[0]), *arguments])


def _network():
    return os.readlink("/proc/self/ns/net")


def _tap(queues):
    # What the kernel itself would send, to find neighbours and routers, is not for the guest.
    with open("/proc/sys/net/ipv6/conf/default/disable_ipv6", "w") as f:
        f.write("1")
    call("ip", "link", "delete", TAP)
    many = ["multi_queue"] if queues > 1 else []
    up = "link", "set", TAP, "up", "promisc", "on", "txqueuelen", str(TAP_FRAMES)
    for argv in ("tuntap", "add", TAP, "mode", "tap", *many), up:
        if call("ip", *argv) is None:
            raise Skip("no tap to be had here: ip " + " ".join(argv))


def _tap_frames():
    """(that QEMU has taken, that there was no room for)"""
    said = call("ip", "-j", "-s", "link", "show", TAP)  # not from /sys, which is another namespace's
    tx = json.loads(said)[0]["stats64"]["tx"]
    return tx["packets"], tx["dropped"]


def sent():
    """Frames that the tap was given and no longer has."""
    return sum(_tap_frames())


def wait_until_taken(number):
    """Until QEMU has put them into the NIC's rings; what is there the program reads before it ends."""
    end = time.monotonic() + READ_SECONDS
    while sent() < number and time.monotonic() < end:
        time.sleep(0.05)


# --- the initramfs ------------------------------------------------------------------------------


class Archive:
    """A cpio archive (newc), as the kernel unpacks it: paths, what they are, and what they need."""

    def __init__(self):
        self.entries = {}  # path without the slash -> (mode, bytes)

    def put(self, path, data, mode=0o644):
        path = path.strip("/")
        for i, c in enumerate(path):
            if c == "/":
                self.entries.setdefault(path[:i], (stat.S_IFDIR | 0o755, b""))
        self.entries[path] = stat.S_IFREG | mode, data

    def folder(self, path):
        self.put(path + "/.", b"")
        del self.entries[path.strip("/") + "/."]

    def link(self, path, target):
        self.put(path, b"")
        self.entries[path.strip("/")] = stat.S_IFLNK | 0o777, target.encode()

    def file(self, path, source):
        """A file of the host and, if it is a program, its libraries at their places."""
        with open(source, "rb") as f:
            data = f.read()
        self.put(path, data, 0o755)
        if data.startswith(b"\x7fELF"):
            self._libraries(source)

    def shared(self, path):
        """A shared object and what it needs, with the links that lead to it: DPDK loads a file once by its inode."""
        path = os.path.join(os.path.realpath(os.path.dirname(path)), os.path.basename(path))
        if path.strip("/") in self.entries:
            return
        if os.path.islink(path):
            self.link(path, os.readlink(path))
            self.shared(os.path.join(os.path.dirname(path), os.readlink(path)))
        else:
            self.file(path, path)

    def _libraries(self, source):
        for word in (call("ldd", source) or "").split():
            if word.startswith("/"):
                self.shared(word)

    def bytes(self):
        out = io.BytesIO()
        # A folder before what is in it.
        for i, (path, (mode, data)) in enumerate([*sorted(self.entries.items()), ("TRAILER!!!", (0, b""))]):
            name = path.encode() + b"\0"
            head = i + 1, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name), 0
            out.write(b"070701" + b"".join(b"%08x" % n for n in head) + name)
            out.write(bytes(-out.tell() % 4) + data)
            out.write(bytes(-out.tell() % 4))
        return out.getvalue()


def _plugin_folder():
    """Where Debian's DPDK looks for its drivers."""
    found = glob.glob("/usr/lib/x86_64-linux-gnu/dpdk/pmds-*")
    if not found:
        raise Skip("no DPDK drivers here")
    return max(found)


# --- the guest ----------------------------------------------------------------------------------


class Guest:
    def __init__(self, nic, cache):
        """Gets what the guest is made of. Goes to the network only for what the cache has not."""
        if os.uname().machine != "x86_64":
            raise Skip("the guest is for x86-64")
        if not shutil.which("busybox"):
            raise Skip("not installed: busybox-static (./setup.sh tests installs it)")
        self.nic = NICS[nic]
        parts = Parts(cache)
        self.kernel, self.modules = parts.kernel(self.nic.binder)
        self.qemu = parts.qemu(self.nic.device.split(",")[0], self.nic.option)

    def run(self, command, files, ready=None, traffic=None, cpus=1, memory=1024, seconds=600):
        """Runs `command` (a list of words) in the guest; returns a Result.

        files    path in the guest -> path here, or bytes. Programs bring their libraries.
        ready    a text that the command prints when frames may come; then
        traffic  is called with the name of the tap, sends frames there and returns how many. When the guest has
                 them, the command gets SIGTERM.
        seconds  until the guest must have powered itself off.

        The command runs in a folder of its own, and each file it leaves there is in the result.
        """
        with tempfile.TemporaryDirectory() as work:
            initrd, console = os.path.join(work, "initrd"), os.path.join(work, "console")
            with open(initrd, "wb") as f:
                f.write(self._initramfs(command, files, ready))
            _tap(self.nic.queues)
            pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
            with subprocess.Popen([*self.qemu, *self._options(initrd, console, cpus, memory)], **pipes) as p:
                late = threading.Timer(seconds, p.kill)
                late.start()
                try:
                    number = self._talk(p, traffic)
                    archive = p.stdout.read()
                    said = p.stderr.read().decode(errors="replace")
                finally:
                    late.cancel()
                    p.kill()
            with open(console, errors="replace") as f:
                log = f.read()
        if not archive.endswith(bytes(1024)):  # two empty blocks end a tar file
            end = "\n".join(log.splitlines()[-30:])
            raise AssertionError(f"the guest did not get to its end within {seconds} s\n{said}\n{end}")
        with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
            got = {os.path.normpath(m.name): tar.extractfile(m).read() for m in tar if m.isfile()}
        return Result(int(got.pop("status")), log, got, number, _tap_frames()[1])

    def asleep(self):
        """Waits until the command's workers sleep. For `traffic`."""
        os.write(self.process.stdin.fileno(), b"w")
        said = self.process.stdout.readline()
        assert said == b"asleep\n", said

    def _talk(self, p, traffic):
        """Until the command has ended."""
        number = 0
        self.process = p
        for line in p.stdout:
            if line == b"end\n":
                break
            if line == b"ready\n" and traffic:
                number = traffic(TAP)
                wait_until_taken(number)
                with contextlib.suppress(BrokenPipeError):  # it may be gone; then nothing may be left to flush
                    os.write(p.stdin.fileno(), b"s")
        return number

    def _options(self, initrd, console, cpus, memory):
        many = f",queues={self.nic.queues},vhost=off" if self.nic.queues > 1 else ""
        # Huge pages of a quarter of the memory. A panic ends QEMU, since it may not reboot.
        append = f"console=ttyS0 panic=-1 mitigations=off hugepages={memory // 8}"
        iommu = []
        if self.nic.binder == "vfio-pci":
            append += " intel_iommu=on"
            iommu = ["-device", "intel-iommu,intremap=on"]
        return [
            *"-M q35 -accel tcg -cpu max -nodefaults -display none -monitor none -no-reboot".split(),
            *iommu,
            *f"-smp {cpus} -m {memory} -kernel {self.kernel} -initrd {initrd}".split(),
            *("-append", append, "-serial", "file:" + console, "-serial", "stdio"),
            *("-netdev", f"tap,id=net,ifname={TAP},script=no,downscript=no" + many),
            *("-device", f"{self.nic.device},netdev=net,romfile=,addr={NIC_ADDRESS[8:]}"),
        ]

    def _initramfs(self, command, files, ready):
        a = Archive()
        for path in "bin", "proc", "sys", "dev", "tmp", "run", "out", "etc", "var":
            a.folder(path)
        for path, target in ("lib", "usr/lib"), ("lib64", "usr/lib64"), ("var/run", "/run"):
            a.link(path, target)
        a.file("bin/busybox", shutil.which("busybox"))
        a.file("init", os.path.join(HERE, "init.sh"))
        for m in self.modules:
            a.file("modules/" + os.path.basename(m), m)
        plugins = _plugin_folder()
        for name in *PLUGINS, self.nic.driver:
            a.shared(f"{plugins}/librte_{name}.so")
        for path, content in files.items():
            if isinstance(content, bytes):
                a.put(path, content)
            else:
                a.file(path, content)
        names = " ".join(os.path.basename(m) for m in self.modules)
        conf = {"nic": NIC_ADDRESS, "ready": ready or "", "modules": names, "binder": self.nic.binder}
        a.put("guest.conf", "".join(f"{k}={shlex.quote(v)}\n" for k, v in conf.items()).encode())
        a.put("command", f"echo $$ >/tmp/pid\nexec {shlex.join(command)}\n".encode())
        return a.bytes()
