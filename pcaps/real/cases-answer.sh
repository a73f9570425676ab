# shellcheck shell=bash disable=SC2154
# SPDX-License-Identifier: BSD-3-Clause
# What servers answer: certificates, resumption, alerts. Read by make-real.sh. The captures hold the
# whole handshake, not only its hellos.

# An authority, and in $work/leaf.pem a certificate of it for $NAME: issue DAYS [KEY OPTIONS...]
issue() {
	local days=$1
	shift
	[ $# -gt 0 ] || set -- -newkey ec -pkeyopt ec_paramgen_curve:P-256
	openssl req -x509 -newkey rsa:2048 -nodes -days 30 -subj "/O=Example/CN=Example CA" \
		-keyout "$work/ca.key" -out "$work/ca.pem" 2>/dev/null
	openssl req "$@" -nodes -subj "/O=Example/CN=$NAME" -keyout "$work/leaf.key" -out "$work/leaf.csr" 2>/dev/null
	printf 'subjectAltName=DNS:%s,DNS:*.example.net,IP:%s,IP:%s\n' "$NAME" "$S4" "$S6" >"$work/leaf.ext"
	openssl x509 -req -in "$work/leaf.csr" -CA "$work/ca.pem" -CAkey "$work/ca.key" -days "$days" -CAcreateserial \
		-extfile "$work/leaf.ext" -out "$work/leaf.pem" 2>/dev/null
}

leaf_server() { tls_server -cert "$work/leaf.pem" -key "$work/leaf.key" -cert_chain "$work/ca.pem" "$@"; }

# A client that stays for a moment: a ticket of TLS 1.3 comes behind the handshake.
staying() {
	client openssl s_client -connect "$S4:443" -servername "$NAME" "$@" >"$work/client.log" 2>&1 < <(sleep 0.5)
}

all='--after 100000'

define answer-tls10 "a whole handshake of TLS 1.0, with DHE"
real_answer_tls10() {
	tls_server -cipher ALL:@SECLEVEL=0 && serving tcp 443 || return
	capture 'port 443'
	s_client -tls1 -cipher DHE-RSA-AES128-SHA:ECDHE-ECDSA-AES128-SHA:@SECLEVEL=0
	# shellcheck disable=SC2086
	keep answer-tls10.pcap $all
}

define answer-tls12-mtls "a chain of two, and a certificate of the client"
real_answer_tls12_mtls() {
	issue 30
	leaf_server -verify 1 -verify_return_error -CAfile "$work/ca.pem" && serving tcp 443 || return
	capture 'port 443'
	s_client -tls1_2 -cert "$work/leaf.pem" -key "$work/leaf.key"
	s_client -tls1_2
	# shellcheck disable=SC2086
	keep answer-tls12-mtls.pcap $all
}

define answer-tls12-mtls-refused "a client without the certificate that is required"
real_answer_tls12_mtls_refused() {
	issue 30
	leaf_server -Verify 1 -CAfile "$work/ca.pem" && serving tcp 443 || return
	capture 'port 443'
	s_client -tls1_2
	# shellcheck disable=SC2086
	keep answer-tls12-mtls-refused.pcap $all
}

define answer-tls12-resumed-id "a session taken up by its id"
real_answer_tls12_resumed_id() {
	tls_server -no_ticket && serving tcp 443 || return
	capture 'port 443'
	s_client -tls1_2 -sess_out "$work/session"
	s_client -tls1_2 -sess_in "$work/session"
	# shellcheck disable=SC2086
	keep answer-tls12-resumed-id.pcap $all
}

define answer-tls12-ticket "a session taken up by its ticket"
real_answer_tls12_ticket() {
	tls_server && serving tcp 443 || return
	capture 'port 443'
	s_client -tls1_2 -sess_out "$work/session"
	s_client -tls1_2 -sess_in "$work/session"
	# shellcheck disable=SC2086
	keep answer-tls12-ticket.pcap $all
}

define answer-tls13-psk "a session of TLS 1.3 taken up"
real_answer_tls13_psk() {
	tls_server && serving tcp 443 || return
	capture 'port 443'
	staying -sess_out "$work/session"
	staying -sess_in "$work/session"
	# shellcheck disable=SC2086
	keep answer-tls13-psk.pcap $all
}

define answer-hrr "HelloRetryRequest and what comes behind it"
real_answer_hrr() {
	tls_server -groups P-384 && serving tcp 443 || return
	capture 'port 443'
	s_client -groups X25519:P-384
	# shellcheck disable=SC2086
	keep answer-hrr.pcap $all
}

define answer-alert-no-cipher "no shared cipher: handshake_failure"
real_answer_alert_no_cipher() {
	tls_server -tls1_2 -cipher ECDHE-ECDSA-AES256-GCM-SHA384 && serving tcp 443 || return
	capture 'port 443'
	s_client -tls1_2 -cipher ECDHE-RSA-AES128-GCM-SHA256
	# shellcheck disable=SC2086
	keep answer-alert-no-cipher.pcap $all
}

define answer-alert-version "no shared version: protocol_version"
real_answer_alert_version() {
	tls_server -tls1_3 && serving tcp 443 || return
	capture 'port 443'
	s_client -tls1_2
	# shellcheck disable=SC2086
	keep answer-alert-version.pcap $all
}

define answer-alert-alpn "no shared protocol: no_application_protocol"
real_answer_alert_alpn() {
	tls_server -alpn h2 && serving tcp 443 || return
	capture 'port 443'
	s_client -tls1_2 -alpn http/1.0
	# shellcheck disable=SC2086
	keep answer-alert-alpn.pcap $all
}

define answer-alert-unknown-name "unrecognized_name, as a warning and as the end"
real_answer_alert_unknown_name() {
	tls_server -servername other.example.com -cert2 "$work/cert.pem" -key2 "$work/key.pem" && serving tcp 443 || return
	capture 'port 443'
	s_client -tls1_2
	# shellcheck disable=SC2086
	keep answer-alert-unknown-name.pcap $all
}

define answer-unknown-ca "a client that does not trust the server: unknown_ca"
real_answer_unknown_ca() {
	issue 30
	leaf_server && serving tcp 443 || return
	capture 'port 443'
	s_client -tls1_2 -verify_return_error
	# shellcheck disable=SC2086
	keep answer-unknown-ca.pcap $all
}

define answer-expired-cert "a certificate that is over, with a weak key"
real_answer_expired_cert() {
	issue -1 -newkey rsa:1024
	tls_server -cert "$work/leaf.pem" -key "$work/leaf.key" -cipher ALL:@SECLEVEL=0 && serving tcp 443 || return
	capture 'port 443'
	s_client -tls1_2 -cipher ALL:@SECLEVEL=0
	# shellcheck disable=SC2086
	keep answer-expired-cert.pcap $all
}

define answer-dtls12 "a whole handshake of DTLS 1.2, its certificate in fragments"
real_answer_dtls12() {
	issue 30 -newkey rsa:2048
	tls_server -dtls1_2 -mtu 512 -cert "$work/leaf.pem" -key "$work/leaf.key" -cert_chain "$work/ca.pem" &&
		serving udp 443 || return
	capture 'port 443'
	s_client -dtls1_2
	# shellcheck disable=SC2086
	keep answer-dtls12.pcap $all
}
