// SPDX-License-Identifier: BSD-3-Clause

#include "sensor.h"

static const struct ht_option options[] = {
#define X(id, def_, least_, most_, help_) \
	{.name = #id, \
	 .type = HT_OPTION_U32, \
	 .offset = offsetof(struct ht_sensor_params, id), \
	 .def = (def_), \
	 .least = (least_), \
	 .most = (most_), \
	 .help = (help_)},
	HT_SENSOR_OPTIONS(X)
#undef X
		{
			.name = "ja4_r",
			.type = HT_OPTION_BOOL,
			.offset = offsetof(struct ht_sensor_params, ja4_r),
			.help = "add the unhashed JA4_r to hello records",
		},
};

const struct ht_option_table ht_sensor_options = {
	.title
	= "Caps and time-outs of each worker: all state is reserved at start; what does not fit is "
	  "given up and counted",
	.options = options,
	.num = HT_ARRAY_LEN(options),
	.size = sizeof(struct ht_sensor_params),
};
