// SPDX-License-Identifier: BSD-3-Clause
// Outputs in the options: which kinds of record they want, and what is wrong with them.

#include "config.h"
#include "delivery.h"
#include "options.h"
#include "sinks.h"

#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

// --- kinds of record ----------------------------------------------------------------------------

// What is wrong with a spec is told when it is opened.
static unsigned kinds_of_spec(const struct options *o, const char *spec) {
	struct ht_sink_options *s;
	char err[512];
	if (ht_sink_parse(&s, spec, err, sizeof(err)) != HT_OK)
		return 0;
	const unsigned kinds = ht_sink_records(s, o->asked);
	free(s);
	return kinds;
}

void options_kinds(struct options *o) {
	const struct ht_sink_options *sinks = o->sinks.v;
	o->kinds = o->outputs.num + o->sinks.num > 0 ? 0 : o->asked;
	for (unsigned i = 0; i < o->outputs.num; i++)
		o->kinds |= kinds_of_spec(o, o->outputs.v[i]);
	for (unsigned i = 0; i < o->sinks.num; i++)
		o->kinds |= ht_sink_records(&sinks[i], o->asked);
	o->sensor.events = o->kinds & HT_KIND_EVENT;
	if (o->kinds & (HT_KIND_FLOW | HT_KIND_AGGREGATE))
		o->sensor.flows = o->flows == FLOWS_ALL ? HT_FLOWS_ALL : HT_FLOWS_TLS;
}

// --- what is wrong ------------------------------------------------------------------------------

struct outputs {
	struct ht_sink_options *v[2 * MAX_SINKS]; // NULL: no spec of one
	const void *where[2 * MAX_SINKS];
	unsigned num;
	unsigned sections; // from here on they are of `sinks`, before of `outputs`
};

static void gather(struct outputs *all, const struct options *o, struct ht_config_errors *e) {
	const struct ht_sink_options *sinks = o->sinks.v;
	char err[512];
	*all = (struct outputs){.sections = o->outputs.num};
	for (unsigned i = 0; i < o->outputs.num; i++, all->num++) {
		all->where[all->num] = &o->outputs.v[i];
		if (ht_sink_parse(&all->v[i], o->outputs.v[i], err, sizeof(err)) == HT_OK)
			continue;
		all->v[i] = NULL;
		ht_config_complain(
			e, ht_config_where(o->loaded, &o->outputs.v[i]), "outputs: %s", err
		);
	}
	for (unsigned i = 0; i < o->sinks.num; i++, all->num++) {
		all->where[all->num] = &sinks[i];
		all->v[all->num] = ht_sink_copy(&sinks[i]);
	}
}

static void outputs_free(struct outputs *all) {
	for (unsigned i = 0; i < all->num; i++)
		free(all->v[i]);
}

// Where the option stands that an error begins with; otherwise `to`.
static const void *culprit(const struct ht_sink_options *s, const char *err) {
	for (unsigned i = 0; i < ht_sink_options_table.num; i++) {
		const struct ht_option *option = &ht_sink_options_table.options[i];
		const size_t len = strlen(option->name);
		if (strncmp(err, option->name, len) == 0 && err[len] == ':')
			return (const char *)s + option->offset;
	}
	return &s->to;
}

// An error of output i, which begins with the name of the option if it is one's other than `to`.
static void complain(
	const struct options *o,
	struct ht_config_errors *e,
	const struct outputs *all,
	unsigned i,
	const char *err
) {
	const struct ht_sink_options *s = all->v[i];
	const bool of_to = culprit(s, err) == &s->to;
	if (i >= all->sections)
		ht_config_complain(
			e, ht_config_where(o->loaded, culprit(all->where[i], err)),
			"sinks[%u].%s%s", i - all->sections, of_to ? "to: " : "", err
		);
	else
		ht_config_complain(
			e, ht_config_where(o->loaded, all->where[i]), "outputs: %s%s%s",
			ht_link_of(s->to) != NULL ? s->to : "",
			ht_link_of(s->to) != NULL ? ": " : "", err
		);
}

// Who moves a spec from -o into `to` would have a file with the options in its name.
static bool has_options(const char *to) {
	struct ht_sink_options *s;
	char err[512];
	if (ht_sink_parse(&s, to, err, sizeof(err)) != HT_OK)
		return false;
	const bool some = strcmp(s->to, to) != 0;
	free(s);
	return some;
}

static void check_output(
	const struct options *o, struct ht_config_errors *e, const struct outputs *all, unsigned i
) {
	const struct ht_sink_options *const s = all->v[i];
	char err[512];
	if (i >= all->sections && has_options(s->to)) {
		snprintf(
			err, sizeof(err), "%s: its options stand beside it, not behind a ?", s->to
		);
		complain(o, e, all, i, err);
	}
	if (ht_sink_check(s, err, sizeof(err)) != HT_OK)
		complain(o, e, all, i, err);
	for (unsigned k = 0; k < i; k++)
		if (all->v[k] != NULL && !sinks_differ(s, all->v[k], err, sizeof(err))) {
			complain(o, e, all, i, err);
			break;
		}
}

void options_check_outputs(const struct options *o, struct ht_config_errors *e) {
	struct outputs all;
	gather(&all, o, e);
	if (all.num > MAX_SINKS)
		ht_config_complain(
			e, ht_config_where(o->loaded, &o->sinks), "sinks: with outputs, more than 8"
		);
	for (unsigned i = 0; i < all.num; i++)
		if (all.v[i] != NULL)
			check_output(o, e, &all, i);
	outputs_free(&all);
}

// --- what is outside ----------------------------------------------------------------------------

// Outputs are opened by the user that the program becomes; who only looks has no way back to be.
static bool become(const char *user) {
	const struct passwd *pw = getpwnam(user);
	if (pw == NULL || pw->pw_uid == geteuid())
		return pw != NULL;
	return geteuid() == 0 && initgroups(user, pw->pw_gid) == 0 && setegid(pw->pw_gid) == 0
	       && seteuid(pw->pw_uid) == 0;
}

bool options_probe_outputs(struct options *o) {
	struct ht_config_errors e = {.file = o->config};
	struct outputs all;
	char err[512];
	if (o->service.user != NULL && !become(o->service.user)) {
		fprintf(stderr,
			"hellotap: %s: outputs are not looked at: only root and user \"%s\" see "
			"what that user may\n",
			o->config, o->service.user);
		return true;
	}
	gather(&all, o, &e);
	for (unsigned i = 0; i < all.num; i++)
		if (all.v[i] != NULL
		    && (!sinks_fits(o, all.v[i], err, sizeof(err))
			|| ht_sink_probe(all.v[i], err, sizeof(err)) != HT_OK))
			complain(o, &e, &all, i, err);
	outputs_free(&all);
	ht_config_print_errors(&e, stderr);
	return e.num == 0;
}
