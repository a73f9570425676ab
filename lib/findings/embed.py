#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""embed.py FILE > FILE.c: a policy as bytes of the program."""

import sys

data = open(sys.argv[1], "rb").read()
print("// Made by embed.py.\n#include \"findings.h\"\nstatic const uint8_t text[] = {")
for at in range(0, len(data), 20):
    print("".join(f"{byte}," for byte in data[at:at + 20]))
print("};\nstruct ht_span ht_policy_default(void) {\n\treturn HT_SPAN(text, sizeof(text));\n}")
