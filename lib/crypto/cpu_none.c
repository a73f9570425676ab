// SPDX-License-Identifier: BSD-3-Clause
// No kernels of our own for this CPU.

#include "crypto_int.h"

const struct ht_sha_ops *ht_sha_cpu(void) {
	return NULL;
}

const struct ht_aes_ops *ht_aes_cpu(bool wide) {
	(void)wide;
	return NULL;
}
