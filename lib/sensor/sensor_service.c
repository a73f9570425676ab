// SPDX-License-Identifier: BSD-3-Clause
// Port -> service name. The port only names: it never decides whether a hello is looked for.

#include "sensor_int.h"

struct service {
	uint16_t first, last;
	uint8_t protocols; // TCP, UDP or both
	const char *name;
};

enum { TCP = 1, UDP = 2, BOTH = 3 };

// Sorted by port. Names of IANA's registry where it has one, else what the field says.
static const struct service services[] = {
	{21, 21, TCP, "ftp"},
	{25, 25, TCP, "smtp"},
	{80, 80, TCP, "http"},
	{110, 110, TCP, "pop3"},
	{119, 119, TCP, "nntp"},
	{143, 143, TCP, "imap"},
	{389, 389, TCP, "ldap"},
	{443, 443, BOTH, "https"},
	{465, 465, TCP, "smtps"},
	{563, 563, TCP, "nntps"},
	{587, 587, TCP, "submission"},
	{636, 636, TCP, "ldaps"},
	{853, 853, BOTH, "domain-s"},
	{989, 989, TCP, "ftps-data"},
	{990, 990, TCP, "ftps"},
	{993, 993, TCP, "imaps"},
	{995, 995, TCP, "pop3s"},
	{1194, 1194, BOTH, "openvpn"},
	{1433, 1433, TCP, "mssql"},
	{2083, 2083, BOTH, "radsec"},
	{2376, 2377, TCP, "docker"},
	{3268, 3269, TCP, "ldap-gc"},
	{3306, 3306, TCP, "mysql"},
	{3389, 3389, BOTH, "rdp"},
	{4190, 4190, TCP, "sieve"},
	{5061, 5061, TCP, "sips"},
	{5222, 5223, TCP, "xmpp-client"},
	{5269, 5270, TCP, "xmpp-server"},
	{5349, 5349, BOTH, "turns"},
	{5432, 5432, TCP, "postgresql"},
	{5671, 5671, TCP, "amqps"},
	{5684, 5684, UDP, "coaps"},
	{6443, 6443, TCP, "kubernetes"},
	{6514, 6514, TCP, "syslog-tls"},
	{6667, 6667, TCP, "irc"},
	{6697, 6697, TCP, "ircs"},
	{8443, 8443, BOTH, "https-alt"},
	{8883, 8883, TCP, "mqtts"},
	{9090, 9090, TCP, "prometheus"},
	{9093, 9093, TCP, "kafka"},
	{9200, 9300, TCP, "elasticsearch"},
	{9443, 9443, TCP, "https-alt"},
	{27017, 27017, TCP, "mongodb"},
	{33060, 33060, TCP, "mysqlx"},
};

const char *service_name(uint16_t port, uint8_t proto) {
	size_t lo = 0, hi = HT_ARRAY_LEN(services);
	while (lo < hi) {
		size_t mid = (lo + hi) / 2;
		const struct service *s = &services[mid];
		if (port > s->last)
			lo = mid + 1;
		else if (port < s->first)
			hi = mid;
		else
			return s->protocols & (proto == HT_IPPROTO_TCP ? TCP : UDP) ? s->name
										    : NULL;
	}
	return NULL;
}

bool service_always_tls(uint16_t port, uint8_t proto) {
	return proto == HT_IPPROTO_TCP
	       && (port == 443 || port == 465 || port == 993 || port == 995);
}
