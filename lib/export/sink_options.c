// SPDX-License-Identifier: BSD-3-Clause

#include "sink_options.h"

static const char *const when_full[] = {"auto", "drop", "block", NULL};
static const char *const compressions[] = {"none", "zstd", NULL};
static const char *const fsyncs[] = {"never", "finished", "interval", NULL};
static const char *const encodings[] = {"json", "protobuf", NULL};

#define P(field) .name = #field, .offset = offsetof(struct ht_sink_options, field)
#define TEXT(field, text) \
	{ P(field), .type = HT_OPTION_TEXT, .reload = true, .help = (text) }
#define TEXTS(field, most, example, text) \
	{ \
		P(field), .type = HT_OPTION_TEXTS, .max = (most), .def_text = (example), \
			  .reload = true, .help = (text) \
	}
#define NUMBER(field, first, low, high, text) \
	{ \
		P(field), .type = HT_OPTION_U32, .def = (first), .least = (low), .most = (high), \
			  .reload = true, .help = (text) \
	}
#define CHOICE(field, words, first, text) \
	{ \
		P(field), .type = HT_OPTION_CHOICE, .choices = (words), .def = (first), \
			  .reload = true, .help = (text) \
	}

static const struct ht_option list[] = {
	{
		P(to),
		.type = HT_OPTION_TEXT,
		.def_text = "json:/var/log/hellotap/hellotap.json",
		.required = true,
		.reload = true,
		.help
		= "where records go: KIND[:PATH] for a file, KIND://... for a collector (hellotap "
		  "--help has the kinds)",
	},
	TEXTS(records,
	      HT_NUM_KINDS,
	      "flow",
	      "kinds of record that go there, which are made for it if need be; without it, those "
	      "of "
	      "the root's records"),
	CHOICE(when_full,
	       when_full,
	       HT_FULL_AUTO,
	       "when its queue is full: drop, and count it as lost; block, and hold up whoever "
	       "makes records; auto: block in a replay, drop otherwise"),
	NUMBER(queue_mib, 16, 1, 1024, "memory for the records that wait for it"),
	NUMBER(linger_s, 5, 0, 3600, "at the end, seconds in which what is there may be delivered"),
	NUMBER(retry_max_s,
	       30,
	       1,
	       3600,
	       "collectors: the longest wait between two tries to connect; the first is 100 ms, "
	       "and each doubles"),
	TEXT(spool,
	     "collectors: folder for records while the collector is away; a later run sends "
	     "what is left. Without it they wait in memory"),
	NUMBER(spool_mib, 1024, 1, 16777216, "collectors: the most that the spool takes on disk"),
	NUMBER(rotate_mib,
	       0,
	       0,
	       16777216,
	       "files: begin a new one when it has so much; 0: not by size"),
	NUMBER(rotate_s,
	       0,
	       0,
	       31 * 86400,
	       "files: begin a new one after so many seconds; 0: not by time"),
	CHOICE(compress, compressions, HT_COMPRESS_NONE, "files: none or zstd"),
	CHOICE(fsync,
	       fsyncs,
	       HT_FSYNC_NEVER,
	       "files and spools: when the system is told to put it on the disk: never; finished, "
	       "a file when it is finished; interval, each second, too"),
	TEXT(tls_ca,
	     "file of certificates (PEM) that may have signed the collector's; without it, "
	     "those of the system"),
	TEXT(tls_cert, "file of our certificate and its chain (PEM), if the collector wants one"),
	TEXT(tls_key, "file of its key (PEM)"),
	TEXT(tls_name,
	     "name that the collector's certificate must have; without it, the host it is "
	     "connected to"),
	TEXTS(profiles,
	      8,
	      "flowmon",
	      "IPFIX: enterprise elements that the collector knows: flowmon, cesnet, cert, ntop"),
	NUMBER(pen,
	       0,
	       0,
	       UINT32_MAX,
	       "IPFIX: private enterprise number under which fields go that have no other element; "
	       "0: they are left out"),
	NUMBER(domain, 1, 0, UINT32_MAX, "IPFIX: observation domain id"),
	NUMBER(template_s,
	       60,
	       1,
	       86400,
	       "IPFIX over UDP: seconds between two sendings of the "
	       "templates"),
	NUMBER(mtu, 1400, 512, 65507, "IPFIX over UDP: bytes of the longest message"),
	CHOICE(encoding,
	       encodings,
	       HT_ENCODE_JSON,
	       "Kafka: messages are JSON, or protobuf (docs/hellotap.proto)"),
	TEXT(key, "Kafka: field whose value is the key of a message, and so decides its partition"),
	TEXTS(kafka, HT_SINK_MAX_KAFKA, "linger.ms=50", "Kafka: NAME=VALUE, options of librdkafka"),
};

const struct ht_option_table ht_sink_options_table = {
	.title = "An output, and what can be set for it",
	.options = list,
	.num = HT_ARRAY_LEN(list),
	.size = sizeof(struct ht_sink_options),
};
