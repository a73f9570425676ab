// SPDX-License-Identifier: BSD-3-Clause
// carrier_int: what the files of this module share.

#pragma once

#include "carrier.h"
#include "reader.h"

// eap_piece reads an EAP packet, of which `cut` says that bytes are missing at its end.
enum ht_carrier_rc eap_piece(struct ht_piece *out, struct ht_span packet, bool cut);
