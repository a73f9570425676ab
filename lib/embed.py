#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""embed.py NAME FILE [NAME FILE ...] > TEXTS.c: files as bytes of the program, in NAME[] and NAME_len."""

import sys

print("// Made by embed.py.\n#include <stddef.h>\n#include <stdint.h>")
for name, file in zip(sys.argv[1::2], sys.argv[2::2]):
    data = open(file, "rb").read()
    print(f"extern const uint8_t {name}[{len(data)}];\nconst uint8_t {name}[] = {{")
    for at in range(0, len(data), 20):
        print("".join(f"{byte}," for byte in data[at:at + 20]))
    print(f"}};\nextern const size_t {name}_len;\nconst size_t {name}_len = sizeof({name});")
