# SPDX-License-Identifier: BSD-3-Clause
"""The files that records go to: hellotap opens them when it is service.user already."""
import os
import re
import stat

# packaging/hellotap.service.in: what systemd makes when the service starts.
UNITS = ("/lib/systemd/system", "/usr/lib/systemd/system", "/usr/local/lib/systemd/system", "/etc/systemd/system")
OF_THE_SERVICE = ("/var/log/hellotap", "/var/lib/hellotap")

WRITE, SEARCH = 2, 1


class Who:
    """A user as the system knows it: name, uid, gids."""

    def __init__(self, host, name):
        self.known, self.name = True, name
        if name is None:
            status = host.text("/proc/self/status") or ""
            ids = {k: v.split() for k, v in re.findall(r"^(Uid|Gid|Groups):[ \t]*(.*)$", status, re.M)}
            self.known = len(ids.get("Uid", [])) > 1
            self.uid = int(ids["Uid"][1]) if self.known else -1
            self.gids = {int(g) for g in ids.get("Gid", [])[1:2] + ids.get("Groups", [])}
            self.name = "root" if self.uid == 0 else f"uid {self.uid}"
            return
        m = re.search(rf"^{re.escape(name)}:[^:]*:(\d+):(\d+):", host.text("/etc/passwd") or "", re.M)
        self.known = m is not None
        self.uid, first = (int(m.group(1)), int(m.group(2))) if m else (-1, -1)
        groups = re.findall(r"^[^:\n]*:[^:\n]*:(\d+):(.*)$", host.text("/etc/group") or "", re.M)
        self.gids = {first} | {int(gid) for gid, members in groups if name in members.split(",")}

    def may(self, st, what):
        if self.uid == 0:
            return True
        shift = 6 if st.st_uid == self.uid else 3 if st.st_gid in self.gids else 0
        return bool(st.st_mode >> shift & what)


def _above(path):
    """The folders on the way to a file, the first one first."""
    out = []
    folder = os.path.dirname(path)
    while folder not in ("", "/"):
        out.append(folder)
        folder = os.path.dirname(folder)
    return [*reversed(out)] or ["/" if path.startswith("/") else "."]


def _look(host, path):
    """What is there, None: nothing."""
    try:
        return os.stat(host.path(path))
    except (FileNotFoundError, NotADirectoryError):
        return None


def _make(folder, who):
    return f"install -d -o {who.name} -m 0750 {folder}" if not who.name.startswith("uid ") else f"mkdir -p {folder}"


def _by_systemd(host, p, folder):
    unit = any(host.there(f"{u}/hellotap.service") for u in UNITS)
    return unit and p.user == "hellotap" and folder in OF_THE_SERVICE


def one(host, p, who, path, r):
    """Whether the file can be opened for writing, or made."""
    if host.root and not path.startswith("/"):
        path = "/" + path  # as if hellotap was started there
    folder = os.path.dirname(path) or "."
    for f in _above(path):
        st = _look(host, f)
        if st is None and _by_systemd(host, p, folder):
            r.ok("outputs", f"{folder} is made by systemd when the service starts (not when hellotap is started by hand)")
            return
        if st is None or not stat.S_ISDIR(st.st_mode):
            r.lacks("outputs", f"there is no folder {folder}", _make(folder, who))
            return
        if not who.may(st, SEARCH):
            r.lacks("outputs", f"{who.name} may not enter {f}, for {path}", f"chmod o+x {f}, or another folder")
            return
    st = _look(host, path)
    if st is not None and stat.S_ISDIR(st.st_mode):
        r.lacks("outputs", f"{path} is a folder", "the name of a file behind it, in the profile")
    elif st is not None and not who.may(st, WRITE):
        r.lacks("outputs", f"{who.name} may not write {path}", f"chown {who.name} {path}")
    elif st is None and not who.may(_look(host, folder), WRITE):
        r.lacks("outputs", f"{who.name} may not make {path}", f"chown {who.name} {folder}")
    else:
        r.ok("outputs", f"{who.name} may write {path}")


def files(host, p, r):
    who = Who(host, p.user)
    for path in p.outputs:
        if not who.known:
            r.unknown("outputs", f"{path}: who will write it is not known")
            continue
        try:
            one(host, p, who, path, r)
        except OSError as e:
            r.unknown("outputs", f"{path}: {e.strerror}")
