# SPDX-License-Identifier: BSD-3-Clause
"""Hugepages and other memory, and who hellotap runs as."""
import re

from .profile import EAL_MIB, PAGE


def _free_mib(sizes):
    return sum(kib * free for kib, (_, free) in sizes.items()) >> 10


def needed(host, p):
    """MiB for each node; None for memory that may come from any. EAL's own is of the first."""
    out = {}
    for node in [*host.nodes(), None]:
        mine = [w for w in range(p.workers) if _node_of_worker(host, p, w) == node]
        if mine:
            out[node] = p.hugepage_mib(mine)
    if out:
        first = next(iter(out))
        out[first] += EAL_MIB
    return out


def _node_of_worker(host, p, worker):
    cpu = p.cpu_of(worker)
    return host.node_of(cpu) if cpu is not None else None


def _more_pages(host, node, mib):
    """The commands for `mib` MiB more on a node."""
    one_gib = "pdpe1gb" in host.cpuinfo("flags").split() or host.cpuinfo("CPU implementer") != ""
    sizes = host.hugepages().get(node, {})
    out = []
    folder = f"/sys/devices/system/node/node{node}/hugepages"
    if not host.there(folder):
        folder = "/sys/kernel/mm/hugepages"
    if 2048 in sizes:
        have = sizes[2048][0]
        out.append(f"now:     echo {have + -(-mib // 2)} > {folder}/hugepages-2048kB/nr_hugepages")
    if one_gib and mib >= 1024:
        # Pages at boot are spread evenly over the nodes, unless each is named.
        out.append(f"at boot: add to the kernel's line: default_hugepagesz=1G hugepagesz=1G "
                   f"hugepages={node}:{-(-mib // 1024)}")
    else:
        out.append(f"at boot: add to the kernel's line: hugepagesz=2M hugepages={node}:{-(-mib // 2)}")
    out.append("         (GRUB_CMDLINE_LINUX_DEFAULT in /etc/default/grub, update-grub, reboot)")
    return out


def hugepages(host, p, r):
    have = host.hugepages()
    if p is None:
        for node, sizes in have.items():
            total = sum(kib * num for kib, (num, _) in sizes.items()) >> 10
            if total:
                r.ok("hugepages", f"node {node} has {total} MiB, {_free_mib(sizes)} MiB of them free")
            else:
                r.lacks("hugepages", f"node {node} has none", *_more_pages(host, node, 2048))
        return
    if not p.ports:
        r.ok("hugepages", "not needed: DPDK is not used")
        return
    if p.hugepages == "no":
        r.ok("hugepages", "not asked for: memory in pages of 4 KiB, slower")
        return
    free_all = sum(_free_mib(s) for s in have.values())
    if p.hugepages == "auto" and not p.hardware and free_all == 0:
        r.ok("hugepages", "none free, and not needed for virtual devices: slower")
        return
    wanted = needed(host, p)
    for node, mib in wanted.items():
        if node is None:
            others = sum(v for k, v in wanted.items() if k is not None)
            if free_all - others >= mib:
                r.ok("hugepages", f"{free_all} MiB free, {mib + others} MiB needed on any node")
            else:
                r.lacks("hugepages", f"{free_all} MiB free, {mib + others} MiB needed on any node",
                        *_more_pages(host, _first_node(host, p), mib + others - free_all))
            continue
        free = _free_mib(have.get(node, {}))
        text = f"node {node} has {free} MiB free, {mib} MiB needed"
        if free >= mib:
            r.ok("hugepages", text)
        else:
            r.lacks("hugepages", text, *_more_pages(host, node, mib - free))
    r.ok("hugetlbfs", "no mount needed")


def _in_hugepages(host, p):
    return p.hugepages != "no" and (p.hugepages == "yes" or p.hardware or any(map(_free_mib, host.hugepages().values())))


def other(host, p, r):
    """Memory beside hugepages. It is touched as it is used: what is too much is found out late."""
    m = re.search(r"^MemTotal:\s+(\d+) kB", host.text("/proc/meminfo") or "", re.M)
    if not m:
        r.unknown("memory", "/proc/meminfo does not say")
        return
    reserved = sum(kib * num for sizes in host.hugepages().values() for kib, (num, _) in sizes.items())
    have = (int(m.group(1)) - reserved) >> 10
    need = p.sensor_bytes()
    if p.ports and not _in_hugepages(host, p):
        need += (EAL_MIB << 20) + sum(p.pool_frames(w) for w in range(p.workers)) * PAGE
    need = -(-need >> 20)
    text = f"{have} MiB beside hugepages, {need} MiB needed by {p.workers} worker{'s' * (p.workers > 1)}"
    if need <= have:
        r.ok("memory", text)
    else:
        flows = "flow_bytes, answer_bytes, " if {"flow", "aggregate"} & set(p.records) else ""
        r.lacks("memory", text, f"less of sensor.max_flows, max_hellos, arena_bytes, fragment_bytes, {flows}"
                "workers.queue_mib, or fewer workers.count")


def _first_node(host, p):
    """The node of the first NIC."""
    for port in p.ports:
        pci = port.name if not port.virtual else None
        node = host.number(f"/sys/bus/pci/devices/{pci}/numa_node") if pci else None
        if node is not None and node >= 0:
            return node
    return next(iter(host.nodes()))


# --- who we are ---------------------------------------------------------------------------------

CAPS = {"cap_dac_override": 1, "cap_net_admin": 12, "cap_net_raw": 13, "cap_ipc_lock": 14,
        "cap_sys_rawio": 17, "cap_sys_admin": 21, "cap_bpf": 39}


def _wanted_caps(p):
    out = set()
    for port in p.ports:
        if port.driver == "net_af_xdp":
            out |= {"cap_net_admin", "cap_net_raw", "cap_bpf"}
        elif port.driver in ("net_af_packet", "eth_af_packet") or port.arg("rx_iface"):
            out |= {"cap_net_raw"}
        elif not port.virtual:
            out |= {"cap_ipc_lock"}
    if p.interfaces:
        out |= {"cap_net_raw"}
    return out


def user(host, p, r):
    status = host.text("/proc/self/status") or ""
    uid = re.search(r"^Uid:\s+\d+\s+(\d+)", status, re.M)
    caps = re.search(r"^CapEff:\s+([0-9a-fA-F]+)", status, re.M)
    if p.user:
        found = re.search(rf"^{re.escape(p.user)}:", host.text("/etc/passwd") or "", re.M)
        if found:
            r.ok("service.user", f"{p.user} is there")
        else:
            r.lacks("service.user", f"there is no user {p.user}",
                    f"adduser --system --group --no-create-home {p.user}")
    wanted = _wanted_caps(p)
    if not uid or not caps:
        r.unknown("user", "/proc/self/status does not say")
        return
    if not wanted:
        r.ok("user", "no privileges needed")
        return
    have = int(caps.group(1), 16)
    # cap_sys_admin stands for cap_bpf on older kernels.
    missing = sorted(c for c in wanted if not have >> CAPS[c] & 1
                     and not (c == "cap_bpf" and have >> CAPS["cap_sys_admin"] & 1))
    if missing:
        r.lacks("user", f"uid {uid.group(1)} has no {', '.join(missing)}",
                "start hellotap as root and set service.user: it gives all of it up by itself,",
                f"or in its unit: AmbientCapabilities={' '.join(sorted(wanted)).upper()}")
    else:
        r.ok("user", f"uid {uid.group(1)} has what it takes")
    if have >> CAPS["cap_ipc_lock"] & 1 or not p.hardware:
        return
    m = re.search(r"^Max locked memory\s+(\S+)", host.text("/proc/self/limits") or "", re.M)
    need = sum(needed(host, p).values()) << 20
    if not m:
        r.unknown("memlock", "/proc/self/limits does not say")
    elif m.group(1) == "unlimited" or int(m.group(1)) >= need:
        r.ok("memlock", f"{m.group(1)} bytes may be locked")
    else:
        r.lacks("memlock", f"{int(m.group(1)) >> 20} MiB may be locked, {need >> 20} MiB are mapped for the NIC",
                "ulimit -l unlimited, or LimitMEMLOCK=infinity in the unit")
