#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Makes the synthetic captures of this folder, byte for byte the same each time.

make-synthetic.py            write them all, and their part of README.md
make-synthetic.py NAME...    write these
make-synthetic.py --check    exit 1 when a file differs from what would be made, or is missing
make-synthetic.py --list     names, one a line
"""

import argparse
import importlib
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.dont_write_bytecode = True
sys.path.insert(0, HERE)

from synthetic import CASES  # noqa: E402

# In the order of README.md.
for theme in ("tcp", "hello", "malformed", "dtls", "quic", "upgrade", "carrier", "encap", "fragment", "other"):
    importlib.import_module("synthetic." + theme)

BEGIN, END = "<!-- synthetic: begin -->\n", "<!-- synthetic: end -->\n"


def readme_part():
    lines, title = [], None
    for name, (group, shows, _) in CASES.items():
        if group != title:
            title = group
            lines += ["", "### " + group, "", "| capture | what it shows |", "| --- | --- |"]
        lines.append("| `%s` | %s |" % (name, shows.replace("|", "\\|")))
    return "\n".join(lines[1:] + ["", ""])


def readme(path):
    """The README with its synthetic part as it should be."""
    with open(path, encoding="utf-8") as f:
        text = f.read()
    head, rest = text.split(BEGIN)
    return head + BEGIN + "\n" + readme_part() + END + rest.split(END)[1]


def differs(path, data):
    try:
        with open(path, "rb") as f:
            return f.read() != data
    except FileNotFoundError:
        return True


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--check", action="store_true")
    p.add_argument("--list", action="store_true")
    p.add_argument("--dir", default=HERE)
    p.add_argument("names", nargs="*")
    a = p.parse_args()
    unknown = [n for n in a.names if n not in CASES]
    if unknown:
        sys.exit("make-synthetic: no such case: " + " ".join(unknown))
    bad = 0
    for name in a.names or CASES:
        if a.list:
            print(name)
            continue
        path, data = os.path.join(a.dir, name), CASES[name][2]()
        if not differs(path, data):
            continue
        if a.check:
            print("make-synthetic: %s is not what is made" % name, file=sys.stderr)
            bad = 1
        else:
            with open(path, "wb") as f:
                f.write(data)
    doc = os.path.join(a.dir, "README.md")
    if not a.list and not a.names and os.path.exists(doc):
        text = readme(doc).encode()
        if differs(doc, text):
            if a.check:
                print("make-synthetic: README.md does not list what is made", file=sys.stderr)
                bad = 1
            else:
                with open(doc, "wb") as f:
                    f.write(text)
    return bad


if __name__ == "__main__":
    sys.exit(main())
