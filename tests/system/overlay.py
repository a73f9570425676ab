# SPDX-License-Identifier: BSD-3-Clause
"""A root file system of a test's own: this machine's, with all that is written kept apart and forgotten.

An overlay in a mount namespace of the test. What is mounted on the machine (/proc, /run, /home perhaps) is not in it.
"""
import os
import shutil
import subprocess
import sys
import tempfile

SKIPPED = 77


class Skip(Exception):
    """The test cannot run on this machine."""


def _namespace():
    return os.readlink("/proc/self/ns/mnt")


def entered():
    """The machine's own mounts are at stake: nobody's environment alone may say so."""
    return os.environ.get("HT_TEST_MOUNTS", _namespace()) != _namespace()


def enter():
    """Runs this program again in a mount namespace; returns in there."""
    if entered():
        return
    if os.geteuid() != 0:
        raise Skip("not root")
    if shutil.which("unshare") is None or subprocess.run(["unshare", "-m", "true"], capture_output=True).returncode != 0:
        raise Skip("no mount namespace")
    os.environ["HT_TEST_MOUNTS"] = _namespace()
    sys.stdout.flush()
    os.execvp("unshare", ["unshare", "-m", sys.executable, "-B", *sys.argv])


class Overlay:
    def __enter__(self):
        assert entered()
        self.dir = tempfile.mkdtemp(prefix="hellotap-root-")
        try:
            self._mount()
        except BaseException:
            self.__exit__()
            raise
        return self

    def _mount(self):
        run("mount", "-t", "tmpfs", "-o", "mode=0755", "tmpfs", self.dir)
        for name in "upper", "work", "root":
            os.mkdir(os.path.join(self.dir, name))
        self.root = os.path.join(self.dir, "root")
        options = ",".join(f"{k}={v}" for k, v in (
            ("lowerdir", "/"), ("upperdir", self.dir + "/upper"), ("workdir", self.dir + "/work")))
        p = subprocess.run(["mount", "-t", "overlay", "overlay", "-o", options, self.root], capture_output=True, text=True)
        if p.returncode != 0:
            raise Skip("no overlay: " + p.stderr.strip())
        # No manager runs in it, whatever the machine's /run may say.
        run("mount", "-t", "tmpfs", "-o", "mode=0755", "tmpfs", self.root + "/run")

    def __exit__(self, *_):
        # What somebody still looks at goes when he is done: the namespace is the test's own.
        subprocess.run(["umount", "-R", "-l", self.dir], capture_output=True)
        os.rmdir(self.dir)

    def path(self, path):
        return self.root + path

    def write(self, path, text, mode=0o644):
        os.makedirs(os.path.dirname(self.path(path)), exist_ok=True)
        with open(self.path(path), "w", encoding="utf-8") as f:
            f.write(text)
        os.chmod(self.path(path), mode)

    def read(self, path):
        with open(self.path(path), encoding="utf-8") as f:
            return f.read()

    def run(self, *args, **kw):
        """A program, in there."""
        return run("chroot", self.root, *args, **kw)


def run(*args, **kw):
    """A program that must succeed; returns what it said."""
    p = subprocess.run(args, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **{"timeout": 600, **kw})
    assert p.returncode == 0, f"{' '.join(args)}: exit status {p.returncode}\n{p.stdout}"
    return p.stdout
