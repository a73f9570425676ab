// SPDX-License-Identifier: BSD-3-Clause
// sensor: one worker's pipeline: frames in, records out by callback. No DPDK, no pcap, no
// threads, no clock: time comes from the frames (live, from ht_sensor_tick too). Uses layers 0 to
// 3; it is the only place that joins them.

#pragma once

#include "base.h"
#include "frag.h"
#include "frame.h"
#include "option.h"
#include "packet.h"
#include "record.h"
#include "service.h"
#include "stats.h"
#include "upgrade.h"

// Caps and time-outs: X(name, default, least, most, help). Each is a field of ht_sensor_params, an
// option of the program and a line of its help.
#define HT_SENSOR_OPTIONS(X) \
	X(max_flows, 262144, 8, 1u << 28, \
	  "flows remembered at a time (68 bytes each; 136 with flow records)") \
	X(max_hellos, 12288, 8, 1u << 24, "hellos in progress at a time (about 1.1 kB each)") \
	X(max_hello_bytes, 65536, 512, 262144, \
	  "bytes kept of one direction while its hello is put together") \
	X(arena_bytes, 12u << 20, 1u << 20, 1u << 30, \
	  "memory for the bytes of hellos in progress") \
	X(max_fragmented, 1024, 1, 1u << 20, "fragmented IP packets put together at a time") \
	X(fragment_bytes, 4u << 20, 1u << 19, 1u << 30, "memory for IP fragments") \
	X(hello_idle_s, 120, 1, 86400, "seconds without a packet after which a hello is given up") \
	X(flow_idle_s, 300, 1, 86400, \
	  "seconds after which the same addresses and ports are a new flow") \
	X(fragment_idle_s, 60, 1, 3600, "seconds a fragmented packet may take (RFC 8200 4.5)") \
	X(flow_active_s, 300, 1, 86400, \
	  "seconds after which a flow that goes on is told, and its next part begins") \
	X(flow_bytes, 64u << 20, 1u << 20, 1u << 31, \
	  "with flow records: memory for the hellos of flows, until those are told") \
	X(max_answers, 4096, 8, 1u << 24, \
	  "with flow records: answers of servers read at a time (about 2 kB each); more, if " \
	  "answers.evicted grows") \
	X(max_answer_bytes, 32768, 1024, 262144, \
	  "with flow records: bytes read of a server's answer, and of what the client says to it") \
	X(answer_bytes, 16u << 20, 1u << 20, 1u << 30, \
	  "with flow records: memory for the bytes of answers that are being read")

enum ht_flows {
	HT_FLOWS_NONE,
	HT_FLOWS_TLS, // those that were TLS, DTLS or QUIC
	HT_FLOWS_ALL, // every TCP and UDP flow
};

#define HT_SENSOR_OFFERS 1024u

struct ht_sensor_params {
#define X(name, def, least, most, help) uint32_t name;
	HT_SENSOR_OPTIONS(X)
#undef X
	bool ja4_r;
	bool events; // event records are made
	uint32_t flows; // enum ht_flows: of which flows flow records are made
	// Borrowed while the sensor lives, and while records of it are in use. NULL: the built-in
	// table.
	const struct ht_services *services;
	// A memory of servers that offered TLS, HT_SENSOR_OFFERS words of zeros, that the sensors
	// of a run share: they have the same secret, and each adds what it saw. NULL: the sensor
	// has its own, for one capture at a time.
	uint64_t *offers;
	uint64_t secret[2]; // drawn at start: keys the hashes, so that no sender can choose
			    // collisions
	// emit gets each record in the call that saw its last byte. It borrows the record for the
	// call, and may set fields that the sensor does not: those of a hello stand in the record
	// of its flow, too.
	void (*emit)(void *user, struct ht_record *r);
	void *user;
};

// The same as a table: the section `sensor` of a configuration file.
extern const struct ht_option_table ht_sensor_options;

// Why a hello that began gave no complete record: the record's incomplete_reason.
#define HT_INCOMPLETE_REASONS(X) \
	X(GAP, gap, "bytes in the middle were never seen") \
	X(EVICTED, evicted, "a table or the arena was full") \
	X(LIMIT, limit, "longer than max_hello_bytes, or cut in too many pieces") \
	X(IDLE, idle, "no packet for hello_idle_s") \
	X(END_OF_CAPTURE, end_of_capture, "the capture ended") \
	X(SNAPLEN, snaplen, "the frame was cut by the snap length") \
	X(MALFORMED, malformed, "its lengths contradict each other") \
	X(DECRYPT, decrypt, "QUIC packets of it could not be opened")

enum ht_incomplete {
#define X(id, name, help) HT_INCOMPLETE_##id,
	HT_INCOMPLETE_REASONS(X)
#undef X
		HT_NUM_INCOMPLETE
};

// The ledger: X(ID, group, name, help). Every frame is in one `frames` counter but `total`, and so
// on:
//   frames.total   = the other frames counters
//   hellos.begun   = complete + the incomplete ones
//   streams.begun  = the other streams counters
//   flows.begun    = the other flows counters
//   datagrams.total = the other datagrams counters
//   upgrades.begun = the other upgrades counters
//   answers.begun = the other answers counters
//   flow_records.ended = the other flow_records counters = flows.begun, where flow records are made
// So it is at the end. Before it, what is still in progress has been counted as begun, and no more.
#define HT_LEDGER(X) \
	X(FRAMES, "frames", "total", "frames given to the sensor") \
	X(FRAME_TCP, "frames", "tcp", "TCP segments") \
	X(FRAME_UDP, "frames", "udp", "UDP datagrams") \
	X(FRAME_EAPOL, "frames", "eapol", "EAP over 802.1X") \
	X(FRAME_NOT_IP, "frames", "not_ip", "no IP inside: ARP, STP, LLDP, control protocols") \
	X(FRAME_OTHER_L4, "frames", "other_l4", "IP, but neither TCP, UDP nor a known tunnel") \
	X(FRAME_LINKTYPE, "frames", "linktype", "link type not supported") \
	X(FRAME_TRUNCATED, "frames", "truncated", "cut by the snap length inside the headers") \
	X(FRAME_MALFORMED, "frames", "malformed", "a header contradicts itself or its packet") \
	X(FRAME_DEPTH, "frames", "depth", "more encapsulations than the cap") \
	X(FRAME_FRAGMENT_HELD, "frames", "fragment_held", "IP fragments kept until the rest came") \
	X(FRAME_FRAGMENT_OVERLAP, "frames", "fragment_overlap", "IP fragments refused: overlap") \
	X(FRAME_FRAGMENT_DUPLICATE, "frames", "fragment_duplicate", "IP fragments seen before") \
	X(FRAME_FRAGMENT_INVALID, "frames", "fragment_invalid", \
	  "IP fragments with impossible offset or length") \
	X(FRAME_FRAGMENT_NO_ROOM, "frames", "fragment_no_room", \
	  "IP fragments refused: table or arena full") \
	X(PACKETS_REASSEMBLED, "fragments", "reassembled", \
	  "IP packets put together from fragments") \
	X(PACKETS_BEGUN, "fragments", "packets_begun", "IP packets of which a fragment came") \
	X(PACKETS_TIMEOUT, "fragments", "packets_timeout", "never whole within fragment_idle_s") \
	X(PACKETS_OVERLAP, "fragments", "packets_overlap", "refused: fragments overlapped") \
	X(PACKETS_EVICTED, "fragments", "packets_evicted", "given up: table or arena full") \
	X(PACKETS_BYTES, "bytes", "wire", "bytes of the frames on the wire") \
	X(FLOWS_BEGUN, "flows", "begun", \
	  "flows remembered; the others are counted when a flow ends") \
	X(FLOW_HELLO, "flows", "hello", "ended flows that gave a ClientHello") \
	X(FLOW_NO_HELLO, "flows", "no_hello", \
	  "ended flows that sent data, none of it a ClientHello") \
	X(FLOW_NO_DATA, "flows", "no_data", "ended flows that sent no data") \
	X(FLOWS_ENDED, "flow_records", "ended", \
	  "ended flows, where flow records are made; the others say what was told of them") \
	X(TOLD_END, "flow_records", "told_end", "both sides ended, or a RST or a new connection") \
	X(TOLD_IDLE, "flow_records", "told_idle", "no packet for flow_idle_s") \
	X(TOLD_FORCED, "flow_records", "told_forced", "the capture ended") \
	X(TOLD_RESOURCES, "flow_records", "told_resources", "the table was full") \
	X(TOLD_BEFORE, "flow_records", "told_before", \
	  "all of it was told before (flow_parts), and nothing came after") \
	X(NOT_TLS, "flow_records", "not_tls", \
	  "not told: no ClientHello, and flow records are of TLS, DTLS and QUIC alone") \
	X(NOT_FLOW, "flow_records", "not_flow", \
	  "not told: conversations of EAP (802.1X, RADIUS), which are no TCP or UDP flows") \
	X(PART_END, "flow_parts", "end", \
	  "flow records of connections that ended while their flow was remembered") \
	X(PART_IDLE, "flow_parts", "idle", "likewise, of flows that fell silent for flow_idle_s") \
	X(PART_ACTIVE, "flow_parts", "active", \
	  "flow records of flows that went on: flow_active_s was over") \
	X(PART_RESOURCES, "flow_parts", "resources", \
	  "flow records of flows that went on: flow_bytes was full") \
	X(ANSWERS_BEGUN, "answers", "begun", \
	  "connections whose server's answer was waited for; the others say how that ended") \
	X(ANSWERS_OVER, "answers", "over", "all was read that both sides said in clear") \
	X(ANSWERS_FLOW_ENDED, "answers", "flow_ended", \
	  "the flow ended first, and was told with what was there") \
	X(ANSWERS_EVICTED, "answers", "evicted", \
	  "told with what was there, since max_answers was full, or flow_bytes where " \
	  "flow_parts.resources grows as well: make that one larger. Certificates and ja3s are " \
	  "missing in such records") \
	X(ANSWERS_LOST, "tables", "answers_lost", \
	  "sides of answers of which the rest was not read: longer than max_answer_bytes, no " \
	  "room " \
	  "in answer_bytes, or frames cut by whoever captured them. Make these larger, and take " \
	  "whole frames (snaplen)") \
	X(DETAILS_LOST, "tables", "flow_hellos_lost", \
	  "hellos for which flow_bytes had no room: their flow is told without their fields") \
	X(FLOWS_EVICTED, "tables", "flows_evicted", \
	  "undecided flows given up since the table was full") \
	X(HELLOS_EVICTED, "tables", "hellos_evicted", \
	  "hellos in progress given up since a pool was full") \
	X(STREAMS_BEGUN, "streams", "begun", \
	  "TCP directions that sent data; the others are counted when it is known which one it " \
	  "is, at the latest when the flow ends") \
	X(STREAM_HELLO, "streams", "hello", "a ClientHello was found, or began") \
	X(STREAM_TLS_OTHER, "streams", "tls_other", "TLS, and not the client's side") \
	X(STREAM_ANSWERED, "streams", "answered", "undecided when the other side sent a hello") \
	X(STREAM_MID_STREAM, "streams", "mid_stream", \
	  "beginning not seen, and what came is no hello") \
	X(STREAM_GAP, "streams", "gap", "its beginning was lost") \
	X(STREAM_LIMIT, "streams", "limit", "max_hello_bytes came without a decision") \
	X(STREAM_IDLE, "streams", "idle", "silent for hello_idle_s before a decision") \
	X(STREAM_EVICTED, "streams", "evicted", "given up since a table was full") \
	X(STREAM_REUSED, "streams", "reused", "a new connection took its ports before a decision") \
	X(STREAM_OPEN, "streams", "open", "not decided when the capture ended") \
	X(STREAM_UNKNOWN, "streams", "unknown", "none of the protocols known here") \
	X(STREAM_SERVER, "streams", "server", "the server's side of a protocol with an upgrade") \
	X(STREAM_PLAIN, "streams", "plain", "an upgrade protocol without an upgrade") \
	X(STREAM_HTTP, "streams", "http", "HTTP") \
	X(STREAM_SSH, "streams", "ssh", "SSH") \
	X(STREAM_OPENVPN, "streams", "openvpn", "OpenVPN over TCP") \
	X(STREAM_DNS, "streams", "dns", "DNS over TCP") \
	X(STREAM_RTSP, "streams", "rtsp", "RTSP or SIP") \
	X(STREAM_BITTORRENT, "streams", "bittorrent", "BitTorrent") \
	X(STREAM_SMB, "streams", "smb", "SMB or NetBIOS") \
	X(DATAGRAMS, "datagrams", "total", "UDP datagrams with a payload") \
	X(DATAGRAM_OTHER, "datagrams", "other", \
	  "neither QUIC with a long header, a DTLS hello nor a carrier of TLS") \
	X(DATAGRAM_DTLS, "datagrams", "dtls_hello", "carried (a part of) a DTLS ClientHello") \
	X(DATAGRAM_QUIC_CLIENT, "datagrams", "quic_client", \
	  "QUIC from the client of a known connection") \
	X(DATAGRAM_QUIC_SERVER, "datagrams", "quic_server", \
	  "QUIC from the server of a known connection") \
	X(DATAGRAM_QUIC_NO_KEY, "datagrams", "quic_no_key", "QUIC Initials that no key opened") \
	X(DATAGRAM_QUIC_STRAY, "datagrams", "quic_stray", \
	  "QUIC long headers of no known connection") \
	X(DATAGRAM_QUIC_RETRY, "datagrams", "quic_retry", "QUIC Retry of no known connection") \
	X(DATAGRAM_QUIC_VN, "datagrams", "quic_version_negotiation", "QUIC Version Negotiation") \
	X(DATAGRAM_QUIC_GREASED, "datagrams", "quic_greased", \
	  "QUIC of a reserved version (0x?a?a?a?a)") \
	X(DATAGRAM_QUIC_UNKNOWN, "datagrams", "quic_unknown_version", \
	  "QUIC-like, version not known") \
	X(DATAGRAM_GQUIC, "datagrams", "gquic", "gQUIC with a handshake in clear") \
	X(DATAGRAM_RADIUS, "datagrams", "radius", "RADIUS Access-Requests with EAP inside") \
	X(DATAGRAM_OPENVPN, "datagrams", "openvpn", "OpenVPN's control channel, in clear") \
	X(DATAGRAM_TLS_CRYPT, "datagrams", "openvpn_tls_crypt", \
	  "OpenVPN's control channel, encrypted with tls-crypt") \
	X(HELLOS_BEGUN, "hellos", "begun", \
	  "ClientHellos of which the first byte was seen, or any byte of a QUIC or DTLS one") \
	X(HELLOS_COMPLETE, "hellos", "complete", "records with complete:true") \
	X(HELLO_GAP, "hellos", "gap", "incomplete: bytes in the middle were never seen") \
	X(HELLO_EVICTED, "hellos", "evicted", "incomplete: a table or the arena was full") \
	X(HELLO_LIMIT, "hellos", "limit", "incomplete: too long, or cut in too many pieces") \
	X(HELLO_IDLE, "hellos", "idle", "incomplete: no packet for hello_idle_s") \
	X(HELLO_END_OF_CAPTURE, "hellos", "end_of_capture", "incomplete: the capture ended") \
	X(HELLO_SNAPLEN, "hellos", "snaplen", "incomplete: cut by the snap length") \
	X(HELLO_MALFORMED, "hellos", "malformed", "incomplete: its lengths contradict each other") \
	X(HELLO_DECRYPT, "hellos", "decrypt", \
	  "incomplete: QUIC packets of it could not be opened") \
	X(REPEAT_SYN, "repeats", "syn", \
	  "SYNs taken for ones sent again behind data of their side: what follows is the same " \
	  "connection") \
	X(REPEAT_HELLO, "repeats", "hello", \
	  "hellos taken for ones that were told and are sent again: not told twice. (TCP: where " \
	  "their beginning is; on a connection that went on, behind half a second of silence)") \
	X(UPGRADES_BEGUN, "upgrades", "begun", \
	  "TCP connections of a protocol that has an upgrade") \
	X(UPGRADE_COMPLETED, "upgrades", "completed", "a hello followed") \
	X(UPGRADE_REFUSED, "upgrades", "refused", "the server said no") \
	X(UPGRADE_NOT_OFFERED, "upgrades", "not_offered", "the server did not list TLS") \
	X(UPGRADE_OFFERED_UNUSED, "upgrades", "offered_unused", \
	  "offered or granted, and not used") \
	X(UPGRADE_REQUESTED_UNANSWERED, "upgrades", "requested_unanswered", \
	  "asked for, and no answer was seen") \
	X(UPGRADE_STRIPPED, "upgrades", "stripped", "tampered with on the way") \
	X(UPGRADE_PLAIN_CREDENTIALS, "upgrades", "plain_credentials", \
	  "a login or a mail in clear though TLS was offered or required") \
	X(UPGRADE_UNSAID, "upgrades", "unsaid", "what was seen says nothing of an upgrade") \
	X(EVENTS_NOT_TLS, "events", "not_tls_on_tls_port", "connections told as not TLS") \
	X(EVENTS_ENCRYPTED, "events", "encrypted_hello", \
	  "OpenVPN connections told as encrypted with tls-crypt")

enum ht_ledger {
#define X(id, group, name, help) HT_CTR_##id,
	HT_LEDGER(X)
#undef X
		HT_NUM_CTRS
};

extern const struct ht_counter ht_ledger[HT_NUM_CTRS];

// ht_ledger_balance checks the sums above. It returns NULL, or the group that does not balance.
const char *ht_ledger_balance(const uint64_t counters[HT_NUM_CTRS]);

// ht_sensor_memory is what a sensor reserves at most, in bytes, when all its tables are full.
uint64_t ht_sensor_memory(const struct ht_sensor_params *p);

// ht_sensor_defaults fills the options with their defaults; emit and secret are left to the caller.
void ht_sensor_defaults(struct ht_sensor_params *p);

struct ht_sensor;

// ht_sensor_new reserves everything the worker will ever use. NULL: no memory, or the crypto
// library refused.
struct ht_sensor *ht_sensor_new(const struct ht_sensor_params *p);
void ht_sensor_free(struct ht_sensor *s);

// ht_sensor_run borrows the frames for the call. What it keeps is copied into the worker's arena.
void ht_sensor_run(struct ht_sensor *s, const struct ht_frame *f, unsigned num);

// ht_sensor_tick tells a live sensor what time it is, in ns since the epoch by the clock of the
// frames, so that what fell silent is given up although no frame comes. Call it each second or so,
// and not in a replay: there, time is the frames' alone.
void ht_sensor_tick(struct ht_sensor *s, int64_t now_ns);

// ht_sensor_finish ends all flows: the capture is over. Hellos in progress give their incomplete
// records.
void ht_sensor_finish(struct ht_sensor *s);

// ht_sensor_counters is the worker's block of the ledger: HT_NUM_CTRS words.
const uint64_t *ht_sensor_counters(const struct ht_sensor *s);
