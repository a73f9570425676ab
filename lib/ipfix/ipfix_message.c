// SPDX-License-Identifier: BSD-3-Clause

#include "ipfix_message.h"

#include "ipfix_plan.h"

#include <fixbuf/public.h>
#include <stdlib.h>

#define VERSION 10 // RFC 7011 3.1
#define MESSAGE_HEADER 16
#define SET_HEADER 4 // 3.3.2
#define NO_SET 0 // not the id of a set

// What a session begins with, in this order: libfixbuf's collectors take an element that a template
// names before its type is known for bytes, and keep to that.
enum stage {
	TYPE_TEMPLATE,
	TYPES,
	TEMPLATES,
	SAMPLING,
	ANNOUNCED,
};

static const struct ipfix_element type_elements[] = {
	{.name = "privateEnterpriseNumber", .id = 346, .len = 4},
	{.name = "informationElementId", .id = 303, .len = 2},
	{.name = "informationElementDataType", .id = 339, .len = 1},
	{.name = "informationElementSemantics", .id = 344, .len = 1},
	{.name = "informationElementUnits", .id = 345, .len = 2},
	{.name = "paddingOctets", .id = 210, .len = 6},
	{.name = "informationElementRangeBegin", .id = 342, .len = 8},
	{.name = "informationElementRangeEnd", .id = 343, .len = 8},
	{.name = "informationElementName", .id = 341, .len = IPFIX_VARIABLE},
	{.name = "informationElementDescription", .id = 340, .len = IPFIX_VARIABLE},
};
#define TYPE_SCOPE 2
#define TYPE_FIXED 32 // bytes of its fixed lengths
#define TYPE_TEMPLATE_LEN (6 + 4 * HT_ARRAY_LEN(type_elements))

struct announced {
	struct ipfix_element e;
	char name[IPFIX_NAME_SIZE];
};

struct ipfix_encoder {
	struct ipfix_encoder_params params;
	struct ipfix_self self;

	fbInfoModel_t *model;
	fBuf_t *buf; // owns its session and its exporter

	// The message that is being filled: in `message`, or, where it has templates, by libfixbuf,
	// which gives them one of their own. The one that was taken last is lent still.
	uint8_t *message; // one of the two buffers
	size_t used; // bytes of it so far; 0: there is none
	uint16_t set; // id of the set that is open
	size_t set_at; // where that begins
	bool templates;
	uint32_t sequence, data_records; // in messages before it (RFC 7011 3.1), and in it

	enum stage stage;
	unsigned next; // template or type record

	struct announced *types;
	unsigned num_types;
	struct ipfix_plan plans[IPFIX_NUM_PLANS];
	struct ipfix_scratch scratch;
	uint8_t record[IPFIX_RECORD_ROOM];
	uint8_t buffers[2][UINT16_MAX];
	uint8_t with_templates[UINT16_MAX]; // libfixbuf's
};

// ---- the model

static uint32_t flags_of(const struct ipfix_element *e) {
	const bool bytes = e->type == IPFIX_OCTETS || e->type == IPFIX_STRING
			   || e->type == IPFIX_MAC || e->type == IPFIX_IPV6;
	return bytes ? FB_IE_F_NONE : FB_IE_F_ENDIAN;
}

static bool is_known(const struct ipfix_encoder *e, const struct ipfix_element *x) {
	for (unsigned i = 0; i < e->num_types; i++)
		if (e->types[i].e.profile == x->profile && e->types[i].e.id == x->id)
			return true;
	return false;
}

// add_to_model makes libfixbuf know an enterprise element, and has it announced.
static void add_to_model(struct ipfix_encoder *e, const struct ipfix_element *x) {
	if (x->profile <= IPFIX_REVERSE || is_known(e, x))
		return;
	struct announced *const a = &e->types[e->num_types++];
	a->e = *x;
	snprintf(a->name, sizeof(a->name), "%s", x->name);
	a->e.name = a->name;
	fbInfoElement_t ie = {
		.ref = {.name = a->name},
		.ent = ipfix_pen(x, e->params.pen),
		.num = x->id,
		.len = x->len,
		.flags = flags_of(x),
		.type = x->type,
	};
	fbInfoModelAddElement(e->model, &ie);
}

static void make_plans(struct ipfix_encoder *e, struct ipfix_choice *c) {
	for (unsigned shape = 0; shape < IPFIX_NUM_SHAPES; shape++)
		for (unsigned v = 0; v < IPFIX_NUM_VARIANTS; v++) {
			ipfix_choose(c, shape, v, e->params.profiles, e->params.pen != 0);
			ipfix_plan_make(
				&e->plans[IPFIX_NUM_VARIANTS * shape + v], c, shape, v,
				e->params.pen
			);
			for (unsigned i = 0; i < c->num; i++)
				add_to_model(e, &c->e[i]);
		}
}

size_t ipfix_longest_template(unsigned profiles, uint32_t pen) {
	struct ipfix_choice *const c = malloc(sizeof(*c));
	struct ipfix_plan *const plan = malloc(sizeof(*plan));
	size_t longest = 0;
	for (unsigned i = 0; c != NULL && plan != NULL && i < IPFIX_NUM_PLANS; i++) {
		const unsigned shape = i / IPFIX_NUM_VARIANTS, v = i % IPFIX_NUM_VARIANTS;
		ipfix_choose(c, shape, v, profiles, pen != 0);
		ipfix_plan_make(plan, c, shape, v, pen);
		if (plan->template_len > longest)
			longest = plan->template_len;
	}
	free(c);
	free(plan);
	return MESSAGE_HEADER + SET_HEADER + longest;
}

// ---- the session

static bool add_template(
	fbSession_t *session,
	fbInfoModel_t *model,
	const struct ipfix_element *elements,
	unsigned num,
	unsigned num_scope,
	uint16_t id,
	uint32_t pen,
	GError **err
) {
	fbTemplate_t *const t = fbTemplateAlloc(model);
	for (unsigned i = 0; i < num; i++) {
		fbInfoElement_t ie = {
			.ent = ipfix_pen(&elements[i], pen),
			.num = elements[i].id,
			.len = elements[i].len,
		};
		if (!fbTemplateAppend(t, &ie, err)) {
			fbTemplateFreeUnused(t);
			return false;
		}
	}
	if (num_scope > 0)
		fbTemplateSetOptionsScope(t, (uint16_t)num_scope);
	return fbSessionAddTemplate(session, FALSE, id, t, err) != 0;
}

static bool
add_templates(const struct ipfix_encoder *e, struct ipfix_choice *c, fbSession_t *s, GError **err) {
	for (unsigned i = 0; i < IPFIX_NUM_PLANS; i++) {
		const struct ipfix_plan *const plan = &e->plans[i];
		if (plan->num == 0)
			continue;
		ipfix_choose(
			c, i / IPFIX_NUM_VARIANTS, i % IPFIX_NUM_VARIANTS, e->params.profiles,
			e->params.pen != 0
		);
		if (!add_template(
			    s, e->model, c->e, c->num, plan->num_scope, plan->id, e->params.pen, err
		    ))
			return false;
	}
	return add_template(
		s, e->model, type_elements, HT_ARRAY_LEN(type_elements), TYPE_SCOPE,
		IPFIX_TYPE_TEMPLATE, 0, err
	);
}

// failed tells what libfixbuf said.
static enum ht_rc failed(char *err, size_t err_len, GError *error) {
	snprintf(err, err_len, "libfixbuf: %s", error != NULL ? error->message : "no memory");
	g_clear_error(&error);
	return HT_ERROR;
}

enum ht_rc ipfix_encoder_begin(struct ipfix_encoder *e, char *err, size_t err_len) {
	GError *error = NULL;
	struct ipfix_choice *const c = malloc(sizeof(*c));
	if (c == NULL)
		return failed(err, err_len, NULL);
	fbSession_t *const session = fbSessionAlloc(e->model);
	fbSessionSetDomain(session, e->params.domain);
	const bool ok = add_templates(e, c, session, &error);
	free(c);
	if (!ok) {
		fbSessionFree(session);
		return failed(err, err_len, error);
	}
	if (e->buf != NULL)
		fBufFree(e->buf);
	fbExporter_t *const exporter
		= fbExporterAllocBuffer(e->with_templates, (uint16_t)e->params.max_message);
	e->buf = fBufAllocForExport(session, exporter);
	fBufSetAutomaticMode(e->buf, FALSE);
	e->message = e->buffers[0];
	e->used = 0;
	e->set = NO_SET;
	e->templates = false;
	e->sequence = e->data_records = 0;
	e->self = (struct ipfix_self){.domain = e->params.domain};
	ipfix_encoder_again(e);
	return HT_OK;
}

void ipfix_encoder_again(struct ipfix_encoder *e) {
	e->stage = TYPE_TEMPLATE;
	e->next = 0;
}

enum ht_rc ipfix_encoder_new(
	struct ipfix_encoder **out, const struct ipfix_encoder_params *p, char *err, size_t err_len
) {
	struct ipfix_encoder *const e = calloc(1, sizeof(*e));
	struct ipfix_choice *const c = malloc(sizeof(*c));
	unsigned num = HT_NUM_FIELDS;
	for (const struct ipfix_element *x = ipfix_elements; x->name != NULL; x++)
		num++;
	if (e != NULL) {
		e->params = *p;
		e->scratch.p = malloc(IPFIX_SCRATCH);
		e->types = calloc(num, sizeof(*e->types));
	}
	if (e == NULL || c == NULL || e->scratch.p == NULL || e->types == NULL) {
		ipfix_encoder_free(e);
		free(c);
		return failed(err, err_len, NULL);
	}
	e->model = fbInfoModelAlloc();
	make_plans(e, c);
	free(c);
	const enum ht_rc rc = ipfix_encoder_begin(e, err, err_len);
	if (rc != HT_OK) {
		ipfix_encoder_free(e);
		return rc;
	}
	*out = e;
	return HT_OK;
}

void ipfix_encoder_free(struct ipfix_encoder *e) {
	if (e == NULL)
		return;
	if (e->buf != NULL)
		fBufFree(e->buf);
	if (e->model != NULL)
		fbInfoModelFree(e->model);
	free(e->types);
	free(e->scratch.p);
	free(e);
}

// ---- messages
//
// Templates are libfixbuf's. Data records, and the sets and messages they are in, are written here:
// its way from a record in memory to one that is sent goes through a plan, a table of offsets and a
// call for each value, which took two thirds of the time of a record.
//
// libfixbuf would find out that a template has no room when it has begun to write it, and would
// leave an empty set behind. The size of a template is known before, so it is never asked for what
// does not fit, and what it returns can only mean that it and we disagree.

static size_t room(const struct ipfix_encoder *e) {
	return e->params.max_message - (e->used > 0 ? e->used : MESSAGE_HEADER);
}

static void used(struct ipfix_encoder *e, uint16_t set, size_t len) {
	if (e->used == 0)
		e->used = MESSAGE_HEADER;
	e->used += len + (e->set != set ? SET_HEADER : 0);
	e->set = set;
}

// fits tells whether so many bytes of a set have room: HT_OK, HT_FULL or HT_LIMIT.
static enum ht_rc fits(const struct ipfix_encoder *e, uint16_t set, size_t len) {
	if (e->used == 0)
		return len + SET_HEADER <= room(e) ? HT_OK : HT_LIMIT;
	if (len + (e->set != set ? SET_HEADER : 0) <= room(e))
		return HT_OK;
	return len + SET_HEADER <= e->params.max_message - MESSAGE_HEADER ? HT_FULL : HT_LIMIT;
}

static void close_set(struct ipfix_encoder *e) {
	if (e->set != NO_SET)
		ht_put_be16(e->message + e->set_at + 2, (uint16_t)(e->used - e->set_at));
}

static void open_set(struct ipfix_encoder *e, uint16_t id) {
	if (e->used == 0)
		e->used = MESSAGE_HEADER;
	if (e->set == id)
		return;
	close_set(e);
	e->set = id;
	e->set_at = e->used;
	ht_put_be16(e->message + e->used, id);
	e->used += SET_HEADER;
}

// append adds the data record of `len` bytes that is in e->record.
static enum ht_rc append(struct ipfix_encoder *e, uint16_t id, size_t len) {
	const enum ht_rc rc = e->templates ? HT_FULL : fits(e, id, len);
	if (rc != HT_OK)
		return rc;
	open_set(e, id);
	memcpy(e->message + e->used, e->record, len);
	e->used += len;
	e->data_records++;
	return HT_OK;
}

static enum ht_rc append_template(struct ipfix_encoder *e, uint16_t id, size_t len, bool options) {
	const uint16_t set = options ? 3 : 2; // RFC 7011 3.3.2
	if (e->used > 0 && !e->templates)
		return HT_FULL;
	const enum ht_rc rc = fits(e, set, len);
	if (rc != HT_OK)
		return rc;
	GError *error = NULL;
	// Where it was not at templates before, it says first that it must begin a message.
	for (unsigned tries = 0; tries < 2; tries++) {
		g_clear_error(&error);
		if (fbSessionExportTemplate(fBufGetSession(e->buf), id, &error)) {
			used(e, set, len);
			e->templates = true;
			return HT_OK;
		}
	}
	g_clear_error(&error);
	return HT_LIMIT;
}

// RFC 5610 3: a type record. Nothing is said of semantics, units and ranges.
static enum ht_rc append_type(struct ipfix_encoder *e, const struct announced *a) {
	const char *const help = ht_fields[a->e.field].help;
	uint8_t *const out = e->record;
	memset(out, 0, TYPE_FIXED);
	ht_put_be32(out, ipfix_pen(&a->e, e->params.pen));
	ht_put_be16(out + 4, a->e.id);
	out[6] = a->e.type;
	uint8_t *const end = ipfix_put_variable(
		ipfix_put_variable(out + TYPE_FIXED, HT_SPAN(a->name, strlen(a->name))),
		HT_SPAN(help, strlen(help))
	);
	return append(e, IPFIX_TYPE_TEMPLATE, (size_t)(end - out));
}

static enum ht_rc
append_record(struct ipfix_encoder *e, const struct ipfix_plan *plan, const struct ht_record *r) {
	const size_t len = ipfix_values(e->record, plan, r, &e->self, &e->scratch);
	return len > 0 ? append(e, plan->id, len) : HT_LIMIT;
}

static const struct ipfix_plan *sampling(const struct ipfix_encoder *e) {
	return &e->plans[IPFIX_NUM_VARIANTS * IPFIX_SAMPLING + IPFIX_NO_IP];
}

// step adds one thing that is announced, and goes on to the next.
static enum ht_rc step(struct ipfix_encoder *e) {
	static const struct ht_record none = {.has = 0};
	enum ht_rc rc = HT_OK;
	const struct ipfix_plan *plan;
	switch (e->stage) {
	case TEMPLATES:
		plan = &e->plans[e->next];
		if (plan->num > 0)
			rc = append_template(e, plan->id, plan->template_len, plan->num_scope > 0);
		break;
	case TYPE_TEMPLATE:
		rc = append_template(e, IPFIX_TYPE_TEMPLATE, TYPE_TEMPLATE_LEN, true);
		break;
	case TYPES:
		if (e->num_types > 0)
			rc = append_type(e, &e->types[e->next]);
		break;
	default:
		rc = append_record(e, sampling(e), &none);
		break;
	}
	if (rc == HT_FULL)
		return rc;
	const unsigned last[]
		= {0, e->num_types > 0 ? e->num_types - 1 : 0, IPFIX_NUM_PLANS - 1, 0};
	if (e->next++ == last[e->stage]) {
		e->next = 0;
		e->stage++;
	}
	return HT_OK;
}

enum ht_rc ipfix_encoder_announce(struct ipfix_encoder *e) {
	while (e->stage != ANNOUNCED)
		if (step(e) == HT_FULL)
			return HT_FULL;
	return HT_OK;
}

// plan_of is the template of a record.
static const struct ipfix_plan *plan_of(const struct ipfix_encoder *e, const struct ht_record *r) {
	const bool src = r->has & HT_HAS(src_ip), dst = r->has & HT_HAS(dst_ip);
	const bool v6 = (src && !ipfix_is_v4(r->src_ip)) || (dst && !ipfix_is_v4(r->dst_ip));
	unsigned variant = v6 ? IPFIX_V6 : src || dst ? IPFIX_V4 : IPFIX_NO_IP;
	const enum ht_kind kind = ht_record_kind(r);
	unsigned shape = (unsigned)__builtin_ctz(kind);
	if (kind == HT_KIND_AGGREGATE && r->has & ~ht_kind_fields(HT_KIND_AGGREGATE))
		shape = IPFIX_WIDE;
	if (kind == HT_KIND_STATS)
		variant = IPFIX_NO_IP;
	return &e->plans[IPFIX_NUM_VARIANTS * shape + variant];
}

enum ht_rc ipfix_encoder_add(struct ipfix_encoder *e, const struct ht_record *r) {
	const enum ht_rc rc = append_record(e, plan_of(e, r), r);
	if (rc == HT_OK)
		e->self.records++;
	return rc;
}

bool ipfix_encoder_is_empty(const struct ipfix_encoder *e) {
	return e->used == 0;
}

// take_templates has libfixbuf put its message into its buffer.
static size_t take_templates(struct ipfix_encoder *e) {
	GError *error = NULL;
	(void)fBufEmit(e->buf, &error); // to memory: it cannot fail
	g_clear_error(&error);
	return fbExporterGetMsgLen(fBufGetExporter(e->buf));
}

// take_data ends the message that was filled here; the next one is filled in the other buffer.
static size_t take_data(struct ipfix_encoder *e) {
	close_set(e);
	e->message = e->buffers[e->message == e->buffers[0]];
	return e->used;
}

struct ht_span ipfix_encoder_take(struct ipfix_encoder *e, uint32_t now) {
	uint8_t *const m = e->templates ? e->with_templates : e->message;
	const size_t len = e->templates ? take_templates(e) : take_data(e);
	ht_put_be16(m, VERSION);
	ht_put_be16(m + 2, (uint16_t)len);
	ht_put_be32(m + 4, now); // when it leaves (RFC 7011 3.1), not when it was begun
	ht_put_be32(m + 8, e->sequence); // libfixbuf knows of no data records
	ht_put_be32(m + 12, e->params.domain);
	e->sequence += e->data_records;
	e->data_records = 0;
	e->used = 0;
	e->set = NO_SET;
	e->templates = false;
	e->self.messages++;
	e->self.bytes += len;
	return HT_SPAN(m, len);
}
