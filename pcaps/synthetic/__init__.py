# SPDX-License-Identifier: BSD-3-Clause
"""The synthetic captures, one module a theme. A case is a function that returns the frames.

It is registered with the name of its file and the sentence that stands in README.md.
"""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "tests", "tools"))

import wire as w  # noqa: E402

CASES = {}  # file name -> (theme, what it shows, function giving the bytes)


def theme(title):
    """Makes the decorator of one module: @case(file name, what it shows, options of wire.pcap)."""

    def case(name, shows, **options):
        def register(f):
            if any(n.partition(".pcap")[0] == name.partition(".pcap")[0] for n in CASES):  # goldens have no suffix
                raise ValueError("two cases are called " + name)

            def build():
                got = f()
                if isinstance(got, bytes):
                    return got
                frames = got if isinstance(got, list) else got.frames()
                return w.pcap(frames, **options)

            CASES[name] = (title, shows, build)
            return f

        return register

    return case
