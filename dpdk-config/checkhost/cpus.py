# SPDX-License-Identifier: BSD-3-Clause
"""The workers' CPUs."""
from .host import cpus_of, cpus_text

SLOW_WAKE_US = 50  # a C-state that takes longer to leave costs more than a worker's sleep


def propose(host, p, node):
    """CPUs for the workers: isolated ones first, one of each core, not CPU 0's core."""
    nodes = host.nodes()
    isolated = cpus_of(host.text("/sys/devices/system/cpu/isolated"))
    pool = nodes.get(node, host.online()) & host.online()
    out, cores = [], host.siblings(0)
    for cpu in sorted(pool & isolated) + sorted(pool - isolated):
        if cpu not in cores and len(out) < p.workers:
            out.append(cpu)
            cores = cores | host.siblings(cpu)
    return out if len(out) == p.workers else None


def workers(host, p, r, node):
    """`node` is the NIC's, or None."""
    online = host.online()
    if not online:
        r.unknown("CPUs", "/sys/devices/system/cpu/online is not there")
        return
    if not p.cpus:
        if not p.hardware:
            r.ok("workers.cpus", "not named: the system places the workers, which will do for virtual devices")
            return
        some = propose(host, p, node)
        if some:
            r.lacks("workers.cpus", "not named: the system moves the workers about",
                    f"in the profile, section workers: cpus: [{', '.join(map(str, some))}]")
        else:
            where = f"node {node}" if node is not None else "this host"
            r.lacks("workers.cpus", f"not named, and {where} has no {p.workers} cores beside that of CPU 0",
                    "fewer workers.count, or another host")
        return
    used = p.cpus[:p.workers]
    absent = [c for c in used if c not in online]
    if absent:
        r.lacks("workers.cpus", f"no such CPU: {cpus_text(absent)}; online are {cpus_text(online)}",
                "name others in the profile")
        return
    twice = sorted({c for c in used if used.count(c) > 1})
    if twice:
        r.lacks("workers.cpus", f"two workers on CPU {cpus_text(twice)}", "name another one for each")
    shared = [(a, b) for i, a in enumerate(used) for b in used[i + 1:] if a != b and b in host.siblings(a)]
    if shared:
        r.lacks("SMT", "two workers are threads of one core: " + ", ".join(f"{a} and {b}" for a, b in shared),
                "one thread a core: " + str(propose(host, p, node) or "fewer workers.count"))
    elif not twice:
        r.ok("SMT", "each worker has a core of its own")
    if node is not None:
        far = [c for c in used if host.node_of(c) != node]
        if far:
            near = propose(host, p, node)
            mend = (f"in the profile: cpus: [{', '.join(map(str, near))}]" if near
                    else f"node {node} has not cores enough: fewer workers.count")
            r.lacks("NUMA", f"CPU {cpus_text(far)} is not on node {node}, where the NIC is", mend)
        else:
            r.ok("NUMA", f"the workers are on node {node}, where the NIC is")
    isolation(host, r, set(used))


def isolation(host, r, used):
    isolated = cpus_of(host.text("/sys/devices/system/cpu/isolated"))
    no_tick = cpus_of(host.text("/sys/devices/system/cpu/nohz_full")) or cpus_of(host.cmdline("nohz_full"))
    # nohz_full takes RCU's callbacks away, too.
    no_rcu = cpus_of(host.cmdline("rcu_nocbs")) | no_tick
    every = cpus_text(used | {s for c in used for s in host.siblings(c)})
    for name, have, what in (("isolcpus", isolated, "other threads"), ("nohz_full", no_tick, "the timer's tick"),
                             ("rcu_nocbs", no_rcu, "RCU's callbacks")):
        missing = used - have
        if missing:
            value = f"managed_irq,domain,{every}" if name == "isolcpus" else every
            r.lacks(name, f"{what} may run on the workers' CPU {cpus_text(missing)}",
                    f"add to the kernel's line: {name}={value}")
        else:
            r.ok(name, f"CPU {cpus_text(used)} is without {what}")


def power(host, r, used, idle):
    governors = {c: host.text(f"/sys/devices/system/cpu/cpu{c}/cpufreq/scaling_governor") for c in used}
    known = {c: g for c, g in governors.items() if g}
    if not known:
        r.unknown("governor", "no cpufreq here: the firmware decides, or it is a virtual machine")
    elif any(g != "performance" for g in known.values()):
        slow = [c for c, g in known.items() if g != "performance"]
        r.lacks("governor", f"{known[slow[0]]} on CPU {cpus_text(slow)}", "cpupower frequency-set -g performance")
    else:
        r.ok("governor", "performance")
    if idle in ("poll", "pause"):
        r.ok("C-states", f"the workers never sleep (idle: {idle})")
        return
    slow = set()
    for c in used:
        folder = f"/sys/devices/system/cpu/cpu{c}/cpuidle"
        for s in host.names(folder):
            late = host.number(f"{folder}/{s}/latency") or 0
            if late > SLOW_WAKE_US and host.number(f"{folder}/{s}/disable") == 0:
                slow.add(late)
    if slow:
        r.lacks("C-states", f"idle: {idle}, and to leave the deepest state takes {max(slow)} us",
                f"cpupower idle-set -D {SLOW_WAKE_US}, or idle: pause in the profile")
    elif any(host.there(f"/sys/devices/system/cpu/cpu{c}/cpuidle") for c in used):
        r.ok("C-states", f"none takes longer than {SLOW_WAKE_US} us to leave")
    else:
        r.unknown("C-states", "no cpuidle here")


def irqbalance(host, r, used):
    running = any(host.text(f"/proc/{p}/comm") == "irqbalance" for p in host.names("/proc") if p.isdigit())
    if not running:
        r.ok("irqbalance", "does not run")
        return
    # It leaves isolated CPUs, and those without a tick, alone.
    spared = cpus_of(host.text("/sys/devices/system/cpu/isolated")) | cpus_of(
        host.text("/sys/devices/system/cpu/nohz_full"))
    if used - spared:
        r.lacks("irqbalance", f"runs, and may put interrupts on the workers' CPU {cpus_text(used - spared)}",
                f"IRQBALANCE_BANNED_CPULIST={cpus_text(used)} in /etc/default/irqbalance, or isolcpus")
    else:
        r.ok("irqbalance", "runs, and leaves isolated CPUs alone")
