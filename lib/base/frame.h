// SPDX-License-Identifier: BSD-3-Clause
// frame: one captured frame as a capture backend lends it to a sensor.

#pragma once

#include <stdbool.h>
#include <stdint.h>

// Borrowed from the capture until its next release(); the sensor copies what must outlive that.
struct ht_frame {
	const uint8_t *data; // first byte of the link-layer header
	uint32_t caplen; // bytes at data
	uint32_t len; // bytes the frame had on the wire; >= caplen
	int64_t ts; // capture time, ns since the Unix epoch; before 1970 is negative
	uint64_t number; // ordinal of the frame in its capture file, from 1; 0 when live
	uint16_t linktype; // LINKTYPE_* (the file value, not the DLT_ value)
	bool ts_is_ns; // the capture keeps nanoseconds, not microseconds
};

// Whose a frame is, where it is no worker's number (lib/owner).
#define HT_OWNER_NONE UINT32_MAX // nobody's: it is dropped
#define HT_OWNER_SELF (UINT32_MAX - 1) // anybody's: whoever has it keeps it
