// SPDX-License-Identifier: BSD-3-Clause

#include "severity.h"

const char *const ht_severities[HT_NUM_SEVERITIES] = {"info", "notice", "warning", "critical"};
