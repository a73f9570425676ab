// SPDX-License-Identifier: BSD-3-Clause

#include "services.h"

#include "whole.h"

#include <errno.h>
#include <netinet/in.h>

#define MAX_BYTES (1u << 20) // of a file: more is not a table somebody wrote

// --- reading ------------------------------------------------------------------------------------

static enum ht_rc add_file(struct ht_services *t, const char *path, char *err, size_t err_len) {
	static uint8_t text[MAX_BYTES];
	struct ht_services_error wrong;
	size_t len;
	if (!ht_read_file(path, text, sizeof(text), &len)) {
		snprintf(err, err_len, "%s: %s", path, strerror(errno));
		return HT_ERROR;
	}
	if (len == sizeof(text)) {
		snprintf(err, err_len, "%s: too long for a table of services", path);
		return HT_BAD;
	}
	const enum ht_rc rc = ht_services_parse(t, HT_SPAN(text, len), &wrong);
	if (rc != HT_OK)
		snprintf(err, err_len, "%s:%u: %s", path, wrong.line, wrong.reason);
	return rc;
}

enum ht_rc services_load(
	struct ht_services **out,
	const char *const *files,
	unsigned num_files,
	unsigned *which,
	char *err,
	size_t err_len
) {
	struct ht_services *t = ht_services_new();
	*which = num_files;
	if (t == NULL) {
		snprintf(err, err_len, "no memory for the table of services");
		return HT_ERROR;
	}
	for (unsigned i = 0; i < num_files; i++) {
		enum ht_rc rc = add_file(t, files[i], err, err_len);
		*which = rc != HT_OK ? i : num_files;
		if (rc != HT_OK) {
			ht_services_free(t);
			return rc;
		}
	}
	*out = t;
	return HT_OK;
}

// --- printing -----------------------------------------------------------------------------------

// "9200-9300/tcp"
static const char *ports(char out[24], const struct ht_service_ports *p) {
	const char *proto = p->proto == IPPROTO_TCP ? "tcp" : "udp";
	if (p->first == p->last)
		snprintf(out, 24, "%u/%s", p->first, proto);
	else
		snprintf(out, 24, "%u-%u/%s", p->first, p->last, proto);
	return out;
}

void services_print(const struct ht_services *t, FILE *out) {
	struct ht_service_ports p;
	char text[24];
	for (uint32_t at = 0; ht_services_next(t, &at, &p);)
		fprintf(out, "%-15s %-*s %-9s # %s\n", ports(text, &p), HT_SERVICE_NAME_MAX,
			p.service->name, ht_service_mode_name(p.service->mode), p.service->help);
}

static const char head[]
	= "# Services by port\n"
	  "\n"
	  "Made by `hellotap --services-table=md` from the table in `lib/service/service.c`; do "
	  "not "
	  "edit.\n"
	  "\n"
	  "The port of the server gives a record its `service`, and that is all it does: hellos "
	  "are "
	  "looked\n"
	  "for on every port. A port that is not in the table gives no `service`.\n"
	  "\n"
	  "`--services FILE` adds to the table and overrides it; `--services-table` prints the one "
	  "in force,\n"
	  "in the same form:\n"
	  "\n"
	  "```\n"
	  "# PORT[-PORT]/tcp|udp  NAME  MODE\n"
	  "4433/tcp      intranet  implicit\n"
	  "7000-7009/tcp backend   either    # later lines win\n"
	  "9093/tcp      -                   # - takes a port out\n"
	  "```\n"
	  "\n"
	  "A name is 1 to 24 characters of a-z, 0-9 and `-`. The modes:\n"
	  "\n";

void services_print_md(const struct ht_services *t, FILE *out) {
	struct ht_service_ports p;
	char text[24];
	fputs(head, out);
	fputs("| mode | how TLS begins |\n| --- | --- |\n", out);
	for (unsigned i = 0; i < HT_NUM_SERVICE_MODES; i++) {
		enum ht_service_mode m = (enum ht_service_mode)i;
		fprintf(out, "| `%s` | %s |\n", ht_service_mode_name(m), ht_service_mode_help(m));
	}
	fputs("\n## The table\n\n| port | service | mode | what runs there |\n"
	      "| --- | --- | --- | --- |\n",
	      out);
	for (uint32_t at = 0; ht_services_next(t, &at, &p);)
		fprintf(out, "| %s | `%s` | %s | %s |\n", ports(text, &p), p.service->name,
			ht_service_mode_name(p.service->mode), p.service->help);
}
