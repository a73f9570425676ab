// SPDX-License-Identifier: BSD-3-Clause
// --help. A literal of it is a line.

#include "delivery.h"
#include "options.h"

#include <stdio.h>

// A line, or more of them, each behind the column of the text.
static void print_wrapped(const char *text) {
	enum { COLUMN = 29, WIDTH = 100 - COLUMN };
	while (strlen(text) > WIDTH) {
		int n = WIDTH;
		while (n > 0 && text[n] != ' ')
			n--;
		if (n == 0)
			break;
		printf("%.*s\n%*s", n, text, COLUMN, "");
		text += n + 1;
	}
	puts(text);
}

void options_help(void) {
	// clang-format off
	fputs("hellotap finds every TLS, DTLS and QUIC ClientHello in a capture or on an interface and says what\n"
	      "the client offered.\n"
	      "\n"
	      "  hellotap -r FILE [-r FILE ...] [-f FILTER] [-o SINK ...]\n"
	      "  hellotap -i IFACE [-i IFACE ...] [-f FILTER] [-o SINK ...]\n"
	      "  hellotap -c FILE [--check]\n"
	      "\n"
	      "Input\n"
	      "  -r, --read FILE      a capture: pcap or pcapng, plain, gzip or zstd (told by content);\n"
	      "                       - is standard input. Several are read one after the other\n"
	      "  -i, --interface IFACE\n"
	      "                       capture live, until a signal ends it (SIGINT, SIGTERM); several are\n"
	      "                       served in turn; 'any' is all. Wants CAP_NET_RAW\n"
	      "  -c, --config FILE    all of it from a configuration file (YAML), DPDK ports, too; what stands\n"
	      "                       on the command line counts more. --options prints a file with every\n"
	      "                       option, its default and what it is for\n"
	      "      --check          say whether the files of -c and --policy, what they name outside, and all\n"
	      "                       watchlists are right, and exit\n"
	      "  -f, --filter 'BPF'   only frames that match (pcap-filter(7)), e.g. 'port 443'\n",
	      stdout);
	printf("      --snaplen N      -i: bytes kept of a frame, %u to %u (default: %u)\n"
	      "      --buffer-mib N   -i: memory the kernel writes frames to, for each interface (default: %u)\n",
	       HT_CAPTURE_SNAPLEN_MIN, HT_CAPTURE_SNAPLEN, HT_CAPTURE_SNAPLEN,
	       HT_CAPTURE_BUFFER_MIB);
	fputs("      --immediate      -i: take frames one by one as they come, not in blocks (20 ms at most)\n"
	      "      --no-promiscuous -i: only what is for this machine\n"
	      "      --workers N      -i: engine threads; the kernel gives each its flows (default: 1)\n"
	      "\n"
	      "Output\n"
	      "  -o, --output SINK    where records go; several are fed side by side:\n",
	      stdout);
	for (const struct ht_link_ops *const *k = ht_link_kinds; *k != NULL; k++)
		printf("                         %-14s %s\n", (*k)->name, (*k)->help);
	fputs("                       KIND:PATH writes to a file; without it, to standard output.\n"
	      "                       Default: table on a terminal, json otherwise. Options stand behind a ?,\n"
	      "                       with %XX for bytes of a value that would end it:\n"
	      "                         json:PATH?rotate_mib=100&compress=zstd\n"
	      "                       --options has them all, as the section 'sinks'\n"
	      "      --sensor-id NAME name of this sensor, in each record\n"
	      "      --records LIST   kinds of record: hello, event, flow, aggregate, stats (default:\n"
	      "                       hello,event); an output may have its own: json:PATH?records=flow\n"
	      "      --flows tls|all  flow and aggregate records are of TLS, DTLS and QUIC alone, or of every\n"
	      "                       TCP and UDP flow (default: tls)\n"
	      "      --aggregate-by LIST\n"
	      "                       fields that flows are summed up by, e.g. src_ip/24/48,sni (default:\n"
	      "                       dst_ip,dst_port,transport,protocol,via,sni,alpn_first,tls_version,ja4)\n"
	      "      --window S       seconds they are summed up over (default: 60)\n"
	      "      --flood HZ       hellos a second that are a flood, to an address, from a network or for a\n"
	      "                       name; 0: none is told (default: 20000, 10000, 10000)\n"
	      "      --fingerprints FILE\n"
	      "                       remember the fingerprints of this network in FILE, so that new and rare\n"
	      "                       ones can be told (docs/rates.md)\n"
	      "      --ja4-r          add the unhashed JA4_r\n"
	      "      --services FILE  name ports by the lines of FILE, 'PORT[-PORT]/tcp|udp NAME MODE',\n"
	      "                       over the built-in table; may be given more than once\n"
	      "      --policy FILE    what is found in a hello, by a policy of your own instead of the built-in\n"
	      "                       one (docs/findings.md); 'off': no findings\n"
	      "      --watchlist FILE tell which hellos match an entry of FILE, a domain, expression, address,\n"
	      "                       fingerprint ... a line (docs/watchlists.md); may be given more than once\n"
	      "      --stats json     at the end, the whole ledger of counters on standard error\n"
	      "  -q, --quiet          no progress line and no summary\n"
	      "      --options[=md]   print the options of a configuration file and exit\n"
	      "      --fields[=md]    print the table of record fields and exit; --fields=proto: the schema\n"
	      "                       of records in Protocol Buffers\n"
	      "      --ipfix[=md]     print which IPFIX element carries which field and exit\n"
	      "      --counters[=md]  print the counters of the ledger and exit\n"
	      "      --services-table[=md]\n"
	      "                       print the table of services by port in force and exit\n"
	      "      --findings[=md]  print the findings of the policy in force and exit\n"
	      "      --version        print the version, and what it was built with, and exit\n"
	      "\n"
	      "Caps: all state is reserved at start; what does not fit is given up and counted\n",
	      stdout);
	for (size_t i = 0; i < NUM_SENSOR_OPTIONS; i++) {
		const struct ht_option *d = &ht_sensor_options.options[i];
		char name[32];
		options_spell(name, d->name);
		printf("      --%-20s ", name);
		print_wrapped(d->help);
		printf("        %-20s   %u to %u, default %u\n", "", d->least, d->most, d->def);
	}
	fputs("\n"
	      "Records go to standard output, everything else to standard error.\n"
	      "Exit status: 0 done; 1 something failed or was cut short (one line says what), after\n"
	      "everything that could be read was read; 2 wrong usage.\n"
	      "\n"
	      "Examples\n"
	      "  hellotap -r capture.pcapng                    a table of hellos on the terminal\n"
	      "  hellotap -r capture.pcap.zst -o json | jq -r '.sni // empty'\n"
	      "  hellotap -r mail.pcap -o json --records event | jq 'select(.in_clear)'\n"
	      "  hellotap -r capture.pcap --watchlist bad.txt -o json --records event\n"
	      "  hellotap -i eth0 -f 'tcp or udp' -o json:hellos.json\n"
	      "  hellotap -r capture.pcap --records aggregate   who talks to what, minute by minute\n"
	      "  ssh probe tcpdump -w - | hellotap -r - -f 'port 443' -o csv:hellos.csv\n",
	      stdout);
	// clang-format on
}
