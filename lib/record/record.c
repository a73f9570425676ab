// SPDX-License-Identifier: BSD-3-Clause

#include "record.h"

#define F(id, type, help) \
	{#id, help, offsetof(struct ht_record, id), HT_TYPE_##type, sizeof(#id) - 1},
const struct ht_field ht_fields[HT_NUM_FIELDS] = {HT_RECORD_FIELDS(F)};
#undef F

#define T(id, ctype, json, help) {#id, json, help},
const struct ht_type_info ht_types[HT_NUM_TYPES] = {HT_TYPES(T)};
#undef T
