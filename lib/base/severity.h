// SPDX-License-Identifier: BSD-3-Clause
// severity: how much what is told matters, as events, matches, watchlists and policies say it.
// Uses libc.

#pragma once

enum ht_severity { // rising
	HT_SEVERITY_INFO,
	HT_SEVERITY_NOTICE,
	HT_SEVERITY_WARNING,
	HT_SEVERITY_CRITICAL,
	HT_NUM_SEVERITIES
};

extern const char *const ht_severities[HT_NUM_SEVERITIES]; // "info" ...
