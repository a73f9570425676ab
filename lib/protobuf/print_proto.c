// SPDX-License-Identifier: BSD-3-Clause
// Runs while the program is built: what protobuf-c makes C of.

#include "proto.h"

int main(void) {
	proto_print(stdout, 1);
	return fflush(stdout) != 0 || ferror(stdout);
}
