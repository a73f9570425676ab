// SPDX-License-Identifier: BSD-3-Clause
// docs/ipfix.md and its like for a terminal, out of the table of elements.

#include "ipfix.h"
#include "ipfix_elements.h"

// Columns: IANA's elements and their reverse together.
static const struct {
	const char *title;
	unsigned profiles;
} columns[] = {
	{"standard", 1u << IPFIX_STANDARD | 1u << IPFIX_REVERSE},
	{"flowmon", 1u << IPFIX_FLOWMON},
	{"cesnet", 1u << IPFIX_CESNET},
	{"cert", 1u << IPFIX_CERT},
	{"ntop", 1u << IPFIX_NTOP},
	{"private", 1u << IPFIX_PRIVATE},
};

static const char *type_name(unsigned type) {
	static const char *const names[] = {
		[IPFIX_OCTETS] = "octetArray",
		[IPFIX_UNSIGNED8] = "unsigned8",
		[IPFIX_UNSIGNED16] = "unsigned16",
		[IPFIX_UNSIGNED32] = "unsigned32",
		[IPFIX_UNSIGNED64] = "unsigned64",
		[IPFIX_SIGNED32] = "signed32",
		[IPFIX_SIGNED64] = "signed64",
		[IPFIX_BOOLEAN] = "boolean",
		[IPFIX_MAC] = "macAddress",
		[IPFIX_STRING] = "string",
		[IPFIX_MILLISECONDS] = "dateTimeMilliseconds",
		[IPFIX_NANOSECONDS] = "dateTimeNanoseconds",
		[IPFIX_IPV4] = "ipv4Address",
		[IPFIX_IPV6] = "ipv6Address",
	};
	return names[type];
}

// is_again tells whether the table has this element for this field further up.
static bool is_again(const struct ipfix_element *e) {
	for (const struct ipfix_element *x = ipfix_elements; x < e; x++)
		if (x->field == e->field && x->profile == e->profile && x->id == e->id)
			return true;
	return false;
}

static unsigned cell(FILE *out, unsigned field, unsigned profiles, const char *separator) {
	unsigned num = 0;
	for (const struct ipfix_element *e = ipfix_elements; e->name != NULL; e++)
		if (e->field == field && profiles & 1u << e->profile && !is_again(e)
		    && e->how != IPFIX_CONSTANT)
			fprintf(out, "%s%u %s", num++ > 0 ? separator : "", e->id, e->name);
	struct ipfix_element e;
	char name[IPFIX_NAME_SIZE];
	if (profiles & 1u << IPFIX_PRIVATE && ipfix_private(&e, name, field))
		num += fprintf(out, "%u %s, %s", e.id, name, type_name(e.type)) > 0;
	return num;
}

void ht_ipfix_print(FILE *out) {
	for (unsigned f = 0; f < HT_NUM_FIELDS; f++) {
		fprintf(out, "%s\n", ht_fields[f].name);
		for (unsigned c = 0; c < HT_ARRAY_LEN(columns); c++) {
			char text[512];
			FILE *const one = fmemopen(text, sizeof(text), "w");
			if (one == NULL)
				return;
			const unsigned num = cell(one, f, columns[c].profiles, ", ");
			fclose(one);
			if (num > 0)
				fprintf(out, "    %-9s %s\n", columns[c].title, text);
		}
	}
}

static const char intro[]
	= "# Records as IPFIX\n"
	  "\n"
	  "    hellotap -i eth1 --records flow -o ipfix+tcp://collector.example\n"
	  "\n"
	  "sends each record as a data record of IPFIX (RFC 7011) to a collector. "
	  "`hellotap --ipfix=md` prints this page; the output needs libfixbuf and libssl,"
	  " and `hellotap --version` says whether it is built in.\n"
	  "\n"
	  "## Where to\n"
	  "\n"
	  "| to | port | a record is delivered when |\n"
	  "|---|---|---|\n"
	  "| `ipfix+tcp://HOST[:PORT]` | 4739 | the collector's TCP has acknowledged its "
	  "message |\n"
	  "| `ipfix+tls://HOST[:PORT]` | 4740 | the same |\n"
	  "| `ipfix+udp://HOST[:PORT]` | 4739 | it was sent: more cannot be known |\n"
	  "\n"
	  "HOST is a name or an address; an IPv6 address stands in brackets, "
	  "`ipfix+tcp://[2001:db8::1]:4739`. That TCP has acknowledged a message says "
	  "that the collector's host has it, not that the collector has stored it. Over "
	  "UDP a record that is lost on its way counts as delivered; all that can be known "
	  "is that nobody listens, when the collector's host says so.\n"
	  "\n"
	  "Options stand behind a `?`, or in the section of the output in the "
	  "configuration file (docs/options.md); queue, spool and retries are those of "
	  "every collector (docs/outputs.md). Without `--records`, hellos and events are "
	  "sent. Flows to nfcapd on this machine:\n"
	  "\n"
	  "    nfcapd -b 127.0.0.1 -p 4739 -w flows &\n"
	  "    hellotap -r capture.pcap --records flow -o ipfix+udp://127.0.0.1\n"
	  "\n"
	  "Over TLS, to a collector whose certificate an authority of ours has signed:\n"
	  "\n"
	  "    hellotap -i eth1 --records flow,aggregate "
	  "-o 'ipfix+tls://collector.example?tls_ca=/etc/hellotap/ca.pem'\n"
	  "\n"
	  "Every field there is, under a private enterprise number (here that of "
	  "examples, RFC 5612: take your own), beside the elements of ntop:\n"
	  "\n"
	  "    hellotap -i eth1 --records hello,flow "
	  "-o 'ipfix+tcp://collector.example?pen=32473&profiles=ntop'\n"
	  "\n"
	  "With a spool, so that nothing is lost while the collector is away:\n"
	  "\n"
	  "    hellotap -i eth1 --records flow "
	  "-o 'ipfix+tcp://collector.example?spool=/var/lib/hellotap/spool'\n"
	  "\n"
	  "tshark shows what is sent. It takes no template of more than 60 fields unless "
	  "told so, and those with `pen` have more:\n"
	  "\n"
	  "    tshark -i lo -f 'port 4739' -o cflow.max_template_fields:0 -V\n"
	  "\n"
	  "## Elements\n"
	  "\n"
	  "The tables below say which element carries which field, by profile.\n"
	  "\n"
	  "`profiles` (default `flowmon` and `cesnet`; `none`) are the enterprise elements that go "
	  "into the templates beside the standard ones. `pen` is a private enterprise number: "
	  "every "
	  "field that no standard element carries then goes under it, too, as the element of its "
	  "number in the table of fields. Without `pen`, a field that has no element in a chosen "
	  "profile is left out.\n"
	  "\n"
	  "| profile | private enterprise number | whose |\n"
	  "|---|---|---|\n";

static const char rules[]
	= "\n"
	  "## Messages\n"
	  "\n"
	  "- A template for each kind of record, for IPv4, IPv6 (an IPv4 address in it is mapped, "
	  "`::ffff:a.b.c.d`) and what has no addresses. Its id never changes its meaning: 256 + 3 "
	  "times the kind (0 hello, 1 event, 2 flow, 3 aggregate, 4 stats, 5 an aggregate whose "
	  "key "
	  "has fields that are not an aggregate's own, 6 sampling) + 0 for IPv4, 1 for IPv6, 2 for "
	  "neither. 277 is that of type records.\n"
	  "- A field that a record does not have is 0, or empty, in its data record. `boolean`: 1 "
	  "true, 2 false. One that is left out of a record when it is false, as `psk`, is 2 where "
	  "the record does not have it, in an aggregate whose key has no such field, too. "
	  "`complete` is 0 there.\n"
	  "- Every enterprise element is announced by a type record (RFC 5610), so that a "
	  "collector "
	  "can name it.\n"
	  "- Stats are options data records with the observation domain for a scope; so is what is "
	  "said of sampling: every packet is looked at.\n"
	  "- Over TCP and TLS, templates and type records come first in each connection, and "
	  "sequence numbers begin anew. Over UDP they come again every `template_s` seconds and "
	  "every 4096 messages.\n"
	  "- Sequence numbers count every data record, type records and options among them (RFC "
	  "7011 "
	  "3.1). nfcapd does not count those, and tells of one sequence error each time that they "
	  "are sent.\n"
	  "- nfdump 1.7 keeps no element that has a server name, of any enterprise. The `%sni` "
	  "and `%ja3` that it prints it finds itself, in the bytes that the client sent first "
	  "(CERT's 6871/18 `payload`, a whole TLS record); hellotap keeps no payload and sends "
	  "none. To nfdump go addresses, ports, counts, times and flags.\n"
	  "- A message has at most 65496 bytes; over UDP, `mtu`. A record that does not fit is "
	  "refused whole and counted: nothing is cut. With long hellos (post-quantum key shares do "
	  "not count, lists of ciphers and extensions do) and many profiles over UDP, `mtu` is "
	  "what "
	  "to look at; TCP has no such limit.\n"
	  "- A record is delivered, over TCP and TLS, when the collector's TCP has acknowledged "
	  "its "
	  "message; over UDP, when it was sent: more cannot be known. Records that were not "
	  "acknowledged when a connection broke are sent again in the next, with the same "
	  "`flowId`. What a collector had acknowledged and not read when it was killed is lost "
	  "to it; the gap in `flowId` shows it.\n"
	  "- With TLS 1.3, a collector that wants a certificate of ours looks at it when the "
	  "handshake is over for us: nothing is sent until its first session ticket is there, or "
	  "1 s has passed without an alert.\n"
	  "- The collector's certificate must be signed by `tls_ca` (or the system's) and have the "
	  "name of the host, or `tls_name`. TLS 1.2 or newer.\n"
	  "\n"
	  "## Values\n"
	  "\n"
	  "- `octetDeltaCount` counts bytes of innermost IP packets, `layer2OctetDeltaCount` bytes "
	  "of "
	  "frames. The client's direction is the forward one; the server's has the same elements "
	  "under 29305 (RFC 5103). Hellos and events have no counts.\n"
	  "- Hellos and events begin and end at `ts`, that collectors may sort them. "
	  "`observationTimeNanoseconds` has all of its digits; the other times are in "
	  "milliseconds, "
	  "and what lies before 1970 is 1970.\n"
	  "- Lists of numbers are an `octetArray` of them as they were sent, 2 bytes each (ciphers "
	  "of "
	  "SSL 2.0 have 3: `tls_version` says so; `tlsCipherSuites` leaves those out; point "
	  "formats "
	  "have 1; transport parameters are QUIC's variable-length integers). So Flowmon has "
	  "them.\n"
	  "- Lists of words and names are a `string` with commas between them (`tlsAlpn`: "
	  "semicolons). A separator in a name, a byte that is no UTF-8 and a backslash in front of "
	  "an "
	  "x are told as `\\xNN`, and so are they in any text: a string must be UTF-8 (RFC 7011 "
	  "6.1.6).\n"
	  "- Versions are the numbers on the wire: 772 is TLS 1.3, 65277 DTLS 1.2.\n"
	  "- `tlsJa3Fingerprint`, `sslClientJA3`, `sslServerJA3S`: 16 bytes, not hex.\n"
	  "- `tlsIssuerCn`, `tlsSubjectCn`, `tlsSubjectOn`: the first CN or O of the name.\n"
	  "- The prefix lengths of an aggregate: 32 or 128 where an address is one of the key, 0 "
	  "where "
	  "it is not.\n"
	  "- `flowId` is the field `sequence`: a gap is a loss, a number that comes again is the "
	  "same "
	  "record.\n"
	  "\n"
	  "## Elements that are no field\n"
	  "\n"
	  "| element | of | what |\n"
	  "|---|---|---|\n";

static const char *self_help(const struct ipfix_element *e) {
	switch (e->how) {
	case IPFIX_DOMAIN:
		return "the option `domain`";
	case IPFIX_MESSAGES:
		return "messages sent in this session";
	case IPFIX_RECORDS:
		return "records sent in this session";
	case IPFIX_BYTES_SENT:
		return "bytes sent in this session";
	default:
		return NULL;
	}
}

void ht_ipfix_print_md(FILE *out) {
	fputs(intro, out);
	for (unsigned p = IPFIX_REVERSE; p < IPFIX_PRIVATE; p++)
		fprintf(out, "| %s | %u | %s |\n", ipfix_profiles[p].name, ipfix_profiles[p].pen,
			ipfix_profiles[p].whose);
	fputs(rules, out);
	for (const struct ipfix_element *e = ipfix_elements; e->name != NULL; e++) {
		const char *const help = self_help(e);
		if (help != NULL)
			fprintf(out, "| %u %s | %s | %s |\n", e->id, e->name,
				e->how == IPFIX_DOMAIN ? "stats, sampling (scope)" : "stats", help);
		if (e->how == IPFIX_CONSTANT)
			fprintf(out, "| %u %s | sampling | %u |\n", e->id, e->name, e->field);
	}
	fputs("\n## Fields\n\n| field |", out);
	for (unsigned c = 0; c < HT_ARRAY_LEN(columns); c++)
		fprintf(out, " %s |", columns[c].title);
	fputs("\n|---|---|---|---|---|---|---|\n", out);
	for (unsigned f = 0; f < HT_NUM_FIELDS; f++) {
		fprintf(out, "| `%s` |", ht_fields[f].name);
		for (unsigned c = 0; c < HT_ARRAY_LEN(columns); c++) {
			fputc(' ', out);
			cell(out, f, columns[c].profiles, "<br>");
			fputs(" |", out);
		}
		fputc('\n', out);
	}
}
