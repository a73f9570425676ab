# SPDX-License-Identifier: BSD-3-Clause
"""The NICs: DPDK's driver, the kernel's, IOMMU, link, queues, rings."""
import re

MAX_RING = {"net_ice": 4096, "net_i40e": 4096, "net_ixgbe": 4096, "net_e1000_igb": 4096}
DDP = ("/lib/firmware/updates/intel/ice/ddp/ice.pkg", "/lib/firmware/intel/ice/ddp/ice.pkg")
VFIO = "/sys/bus/pci/drivers/vfio-pci"
UNSAFE = "/sys/module/vfio/parameters/enable_unsafe_noiommu_mode"
# PCIe: Gb/s of a lane, after its coding.
LANE = {"2.5": 2.0, "5.0": 4.0, "8.0": 7.88, "16.0": 15.75, "32.0": 31.5}


def pci_of(host, port):
    """The PCI address of a port, None: it has none."""
    if re.match(r"[0-9a-fA-F:]{5,}\.[0-9]", port.name):
        name = port.name.lower()
        return name if name.count(":") == 2 else "0000:" + name
    return host.pci_of_interface(port.name)


def port(host, p, q, r):
    """One of `ports`. Returns whether it is read through vfio-pci."""
    if q.virtual:
        virtual(host, p, q, r)
        return False
    pci = pci_of(host, q)
    if pci is None:
        r.lacks(q.name, "no PCI address, and no interface with a PCI device",
                "dpdk-devbind.py --status-dev net, and change `device` in the profile")
        return False
    if not host.there(f"/sys/bus/pci/devices/{pci}"):
        r.lacks(q.name, f"there is no PCI device {pci}",
                "dpdk-devbind.py --status-dev net, and change `device` in the profile")
        return False
    pmd = host.driver_of(pci)
    if pmd is None:
        no_driver(host, q, pci, r)
        return False
    bifurcated = "vfio" not in pmd["kmod"]
    r.ok(q.name, f"DPDK's driver for it is {pmd['name']}")
    if bifurcated:
        kernel_keeps(host, q, pci, pmd, r)
    else:
        bound(host, q, pci, r)
    rings(host, q, pci, pmd, bifurcated, r)
    if not bifurcated:
        queues(host, p, q, host.interface_of_pci(pci), q.queues or p.workers, r)
    if pmd["name"] == "net_ice":
        ddp(host, q, r)
    slot(host, q, pci, r)
    return not bifurcated


def no_driver(host, q, pci, r):
    ids = "{:04x}:{:04x}".format(host.number(f"/sys/bus/pci/devices/{pci}/vendor") or 0,
                                 host.number(f"/sys/bus/pci/devices/{pci}/device") or 0)
    folder = host.pmds()
    if folder is None:
        r.lacks(q.name, "no folder with DPDK's drivers (pmds-*) is there", "apt-get install librte-meta-allpmds")
    else:
        r.lacks(q.name, f"no driver in {folder} knows {ids}", "apt-get install librte-meta-allpmds",
                "or, if that is all of them, mixed-af-xdp.yaml: AF_XDP through the kernel's driver")


# --- through vfio-pci -----------------------------------------------------------------------------

def bound(host, q, pci, r):
    driver = host.link(f"/sys/bus/pci/devices/{pci}/driver")
    if driver == "vfio-pci":
        r.ok(q.name, "bound to vfio-pci")
    elif driver in ("igb_uio", "uio_pci_generic"):
        r.ok(q.name, f"bound to {driver}: no protection by an IOMMU, no interrupts for each queue")
        return
    else:
        name = host.interface_of_pci(pci)
        commands = [] if host.there(VFIO) else [host.no_modules() or "modprobe vfio-pci"]
        if name and host.text(f"/sys/class/net/{name}/operstate") == "up":
            commands.append(f"ip link set {name} down      # not if you reach this host by it")
        commands.append(f"dpdk-devbind.py --bind=vfio-pci {pci}")
        commands.append(f"at each boot: driverctl set-override {pci} vfio-pci")
        r.lacks(q.name, f"bound to {driver}" if driver else "bound to no driver", *commands)
    iommu(host, q, pci, r)


def iommu(host, q, pci, r):
    group = host.link(f"/sys/bus/pci/devices/{pci}/iommu_group")
    unsafe = host.text(UNSAFE) == "Y"
    if group is None and unsafe:
        r.ok("IOMMU", f"{pci} has none; vfio runs without (a device may write anywhere)")
        return
    if group is None:
        no_iommu(host, f"{pci} is in no group", r)
        return
    others = []
    for other in host.names(f"/sys/kernel/iommu_groups/{group}/devices"):
        driver = host.link(f"/sys/bus/pci/devices/{other}/driver")
        kind = host.number(f"/sys/bus/pci/devices/{other}/class") or 0
        if other != pci and driver not in (None, "vfio-pci", "pcieport") and kind >> 16 != 0x06:
            others.append(f"{other} ({driver})")
    if others:
        r.lacks("IOMMU", f"group {group} of {pci} is shared with {', '.join(others)}",
                "dpdk-devbind.py --unbind for those, or another slot: vfio gives away whole groups")
    else:
        r.ok("IOMMU", f"{pci} is in group {group}")


def no_iommu(host, what, r):
    amd = host.cpuinfo("vendor_id") == "AuthenticAMD"
    # AMD's is on where the BIOS has it; amd_iommu=off turns it off.
    line = "iommu=pt" if amd else "intel_iommu=on iommu=pt"
    asked = host.cmdline("amd_iommu") != "off" if amd else host.cmdline("intel_iommu") == "on"
    bios = f"turn {'AMD-Vi (IOMMU)' if amd else 'VT-d'} on in the BIOS"
    first = bios if asked else f"{bios}, and add to the kernel's line: {line}"
    if host.there(UNSAFE):
        unsafe = f"echo Y > {UNSAFE}"
    else:
        unsafe = host.no_modules() or "modprobe vfio enable_unsafe_noiommu_mode=1"
    r.lacks("IOMMU", what, first, "or without its protection: " + unsafe)


def vfio_module(host, r):
    if host.there(VFIO):
        r.ok("vfio-pci", "loaded")
    else:
        r.lacks("vfio-pci", "not loaded", host.no_modules()
                or "modprobe vfio-pci; echo vfio-pci > /etc/modules-load.d/vfio-pci.conf")


def ddp(host, q, r):
    found = next((f for f in DDP if host.there(f)), None)
    # A package for one card only, named after its serial number.
    own = [f for d in DDP for f in host.names(d[:d.rindex("/")]) if re.match(r"ice-[0-9a-f]{16}\.pkg", f)]
    if found or own:
        r.ok("DDP", f"{found or own[0]} is there")
    elif any(host.there(f + x) for f in DDP for x in (".xz", ".zst")):
        r.unknown("DDP", "ice.pkg is there, but compressed: DPDK reads .xz if it was built with libarchive")
    else:
        r.lacks("DDP", f"no package for {q.name}: the port does not start ({DDP[1]})",
                "the ice package of the distribution's firmware (non-free), or of Intel's driver")


# --- mlx4, mlx5 and others that stay with the kernel ----------------------------------------------

def kernel_keeps(host, q, pci, pmd, r):
    modules = re.findall(r"[a-z0-9_]+", pmd["kmod"])
    driver = host.link(f"/sys/bus/pci/devices/{pci}/driver")
    core = next((m for m in modules if m.endswith("_core")), modules[0])
    if driver in modules:
        r.ok(q.name, f"stays with the kernel's {driver}")
    else:
        r.lacks(q.name, f"bound to {driver or 'no driver'}: {pmd['name']} needs the kernel's",
                f"dpdk-devbind.py --bind={core} {pci}")
    missing = [m for m in modules if not host.there(f"/sys/module/{m}")]
    if missing:
        r.lacks("modules", f"not loaded: {', '.join(missing)}", host.no_modules() or f"modprobe -a {' '.join(missing)}",
                "apt-get install rdma-core ibverbs-providers")
    name = host.interface_of_pci(pci)
    if name is None:
        r.unknown(q.name, "no interface belongs to it")
        return
    link(host, name, r)
    text, why = host.command("ethtool", "-a", name)
    if text is None:
        r.unknown(f"{name} pause", why)
    elif re.search(r"^RX:\s+on", text, re.M):
        r.lacks(f"{name} pause", "the NIC may ask the switch to hold frames back", f"ethtool -A {name} rx off tx off")
    else:
        r.ok(f"{name} pause", "off")


def link(host, name, r):
    flags = host.number(f"/sys/class/net/{name}/flags")
    if flags is None:
        r.unknown(f"{name} link", "no such interface")
    elif not flags & 1:
        r.lacks(f"{name} link", "the interface is down", f"ip link set {name} up")
    elif host.text(f"/sys/class/net/{name}/carrier") == "1":
        speed = host.number(f"/sys/class/net/{name}/speed")
        r.ok(f"{name} link", "up" + (f", {speed} Mb/s" if speed and speed > 0 else ""))
    else:
        r.lacks(f"{name} link", "no carrier", "cable, module, and the mirror port of the switch")


# --- queues, rings, slot --------------------------------------------------------------------------

def _largest(text, name):
    """Of `ethtool -l` or `-g`: the pre-set maximum and what is set now."""
    found = [int(v) for v in re.findall(rf"^{name}:\s+(\d+)", text or "", re.M)]
    return (found[0], found[-1]) if found else (None, None)


def queues(host, p, q, name, wanted, r):
    if name is None:
        r.unknown(f"{q.name} queues", "the kernel's driver is not there to ask; hellotap says at the start how many it has")
        return
    text, why = host.command("ethtool", "-l", name)
    most, _ = _largest(text, "Combined")
    if not most:
        r.unknown(f"{name} queues", why or "ethtool names none")
    elif most < wanted:
        r.lacks(f"{name} queues", f"{wanted} wanted, the kernel's driver has {most}",
                "fewer workers.count, or spread: software" if not q.virtual else "fewer queue_count")
    else:
        r.ok(f"{name} queues", f"{wanted} of {most}")


def rings(host, q, pci, pmd, bifurcated, r):
    most = MAX_RING.get(pmd["name"])
    name = host.interface_of_pci(pci)
    if most is None and name is not None and not bifurcated:
        text, _ = host.command("ethtool", "-g", name)
        most, _ = _largest(text, "RX")
    if bifurcated and q.rx_descriptors & (q.rx_descriptors - 1):
        r.lacks(f"{q.name} ring", f"rx_descriptors {q.rx_descriptors} is no power of two", "4096, 8192 or 16384")
    elif bifurcated:
        r.ok(f"{q.name} ring", f"rx_descriptors {q.rx_descriptors}")
    elif not most:
        r.unknown(f"{q.name} ring", "hellotap says at the start how many descriptors the driver allows")
    elif most < q.rx_descriptors:
        r.lacks(f"{q.name} ring", f"rx_descriptors {q.rx_descriptors}, {pmd['name']} allows {most}",
                f"rx_descriptors: {most}")
    else:
        r.ok(f"{q.name} ring", f"rx_descriptors {q.rx_descriptors} of {most}")


def slot(host, q, pci, r):
    folder = f"/sys/bus/pci/devices/{pci}"
    width, most = host.number(f"{folder}/current_link_width"), host.number(f"{folder}/max_link_width")
    speed = (host.text(f"{folder}/current_link_speed") or "").split(" ")[0]
    lane = LANE.get(speed if "." in speed else speed + ".0")
    if not width or not most or lane is None:
        r.unknown(f"{q.name} slot", "no PCIe link is told")
    elif width < most:
        r.lacks(f"{q.name} slot", f"x{width} of x{most} lanes: {int(width * lane)} Gb/s", "a slot with all lanes wired")
    else:
        r.ok(f"{q.name} slot", f"x{width} at {speed} GT/s: {int(width * lane)} Gb/s")


# --- virtual devices and interfaces ---------------------------------------------------------------

def virtual(host, p, q, r):
    folder = host.pmds()
    known = folder and any(n.startswith(f"librte_{q.driver}.so") for n in host.names(folder))
    if folder and not known and q.driver not in ("eth_af_packet", "net_virtio_user", "virtio_user"):
        r.lacks(q.name, f"no driver {q.driver} in {folder}", "apt-get install librte-meta-allpmds")
        return
    for key, value in q.args:
        if key == "rx_pcap":
            if host.there(value if value.startswith("/") else "/" + value) if host.root else _readable(value):
                r.ok(q.name, f"{value} is there")
            else:
                r.lacks(q.name, f"no file {value}", "start hellotap from the folder that the path begins in")
    virtual_queues(p, q, r)
    name = q.arg("iface") if q.driver.endswith(("af_xdp", "af_packet")) else q.arg("rx_iface")
    if name is None:
        return
    if not host.there(f"/sys/class/net/{name}"):
        r.lacks(q.name, f"there is no interface {name}", "ip -br link, and change iface= in the profile")
        return
    link(host, name, r)
    most = 3520 if q.driver == "net_af_xdp" else 1500
    if q.driver.endswith(("af_xdp", "af_packet")):
        if q.mtu > most:
            r.lacks(f"{name} MTU", f"mtu {q.mtu}, {q.driver} has {most}", f"mtu: {most} in the profile")
        mtu = host.number(f"/sys/class/net/{name}/mtu") or 0
        if mtu > most:
            r.lacks(f"{name} MTU", f"the interface has {mtu}, {q.driver} takes {most}", f"ip link set {name} mtu {most}")
    if q.driver == "net_af_xdp":
        xdp_queues(host, p, q, name, r)
    offloads(host, name, r, xdp=q.driver == "net_af_xdp")
    kernel_ring(host, name, r)


def virtual_queues(p, q, r):
    """Whether as many queues are read as the device has by its arguments."""
    if q.driver.endswith("af_packet"):
        name, has = "qpairs", int(q.arg("qpairs", "1"))
    elif q.driver == "net_pcap":
        name, has = "rx_pcap", sum(k == "rx_pcap" for k, _ in q.args)
    else:
        return
    read = q.queues or p.workers
    what = f"{q.name} queues"
    text = f"qpairs={has}" if name == "qpairs" else f"{has} x rx_pcap="
    if has > read:
        # The device has them open all the same: their share of the frames would wait there for nobody.
        r.lacks(what, f"{text}, {read} are read: it will not start",
                f"workers.count: {has}" if not q.queues else f"queues: {has}, and as many workers.count")
    elif q.queues > has > 0:
        r.lacks(what, f"{text}, queues: {q.queues}: it will not start", f"queues: {has}, or {q.queues} {name}=")
    elif name == "qpairs" and has < read:
        r.lacks(what, f"{text} for {read} workers: {has} of them receive, and hand over to the others",
                f"qpairs={read} in the profile")
    elif 0 < has < read:
        r.ok(what, f"{text} for {read} workers: the frames are handed over")
    elif has:
        r.ok(what, text)


def _readable(path):
    try:
        with open(path, "rb"):
            return True
    except OSError:
        return False


def xdp_queues(host, p, q, name, r):
    count, start = int(q.arg("queue_count", "1")), int(q.arg("start_queue", "0"))
    if q.rx_descriptors < 2048:
        r.lacks(f"{name} ring", f"rx_descriptors {q.rx_descriptors}: loss is not counted", "rx_descriptors: 2048")
    text, why = host.command("ethtool", "-l", name)
    _, now = _largest(text, "Combined")
    if not now:
        r.unknown(f"{name} queues", why or "ethtool names none; one is taken for granted")
    elif now != count + start or start:
        r.lacks(f"{name} queues", f"the interface has {now}, {count} from {start} on are read: the rest is lost",
                f"ethtool -L {name} combined {count}")
    else:
        r.ok(f"{name} queues", f"{count} of {now}")
    read = q.queues or p.workers
    if count > read:
        r.lacks(f"{name} queues", f"{count} queues for {read} workers", f"workers.count: {count}")


def offloads(host, name, r, xdp):
    """What the kernel's driver does to frames before we see them."""
    text, why = host.command("ethtool", "-k", name)
    if text is None:
        r.unknown(f"{name} offloads", why)
        return
    wrong = {"large-receive-offload": "lro"}
    # XDP sees frames before GRO; the tag is gone from them where the NIC takes it off.
    wrong.update({"rx-vlan-offload": "rxvlan"} if xdp else {"generic-receive-offload": "gro"})
    on = [short for long, short in wrong.items() if re.search(rf"^{long}: on(?! \[fixed\])", text, re.M)]
    if on:
        r.lacks(f"{name} offloads", "frames are not as on the wire: " + ", ".join(on),
                f"ethtool -K {name} " + " ".join(f"{o} off" for o in on))
    else:
        r.ok(f"{name} offloads", ", ".join(wrong.values()) + " off")


def kernel_ring(host, name, r):
    text, why = host.command("ethtool", "-g", name)
    most, now = _largest(text, "RX")
    if most is None or not most:
        r.unknown(f"{name} kernel ring", why or "ethtool names none")
    elif now < most:
        r.lacks(f"{name} kernel ring", f"{now} of {most}", f"ethtool -G {name} rx {most}")
    else:
        r.ok(f"{name} kernel ring", f"{now}")


def interface(host, name, r):
    """One of `interfaces`, read through libpcap."""
    if name == "any":
        return
    if not host.there(f"/sys/class/net/{name}"):
        r.lacks(name, "there is no such interface", "ip -br link")
        return
    link(host, name, r)
    offloads(host, name, r, xdp=False)
    kernel_ring(host, name, r)


# --- the host as such -----------------------------------------------------------------------------

def overview(host, r):
    """Every Ethernet device, when there is no profile."""
    some = False
    for pci in host.names("/sys/bus/pci/devices"):
        if (host.number(f"/sys/bus/pci/devices/{pci}/class") or 0) >> 8 != 0x0200:
            continue
        pmd = host.driver_of(pci)
        driver = host.link(f"/sys/bus/pci/devices/{pci}/driver") or "no driver"
        name = host.interface_of_pci(pci)
        node = host.number(f"/sys/bus/pci/devices/{pci}/numa_node")
        text = f"{driver}{f', {name}' if name else ''}, NUMA node {node}"
        some = True
        if pmd is None:
            r.unknown(pci, f"{text}; no driver of DPDK for it is here: AF_XDP or AF_PACKET")
        else:
            r.ok(pci, f"{text}; DPDK's driver is {pmd['name']}")
    if not some:
        r.unknown("NICs", "no Ethernet device on the PCI bus")
