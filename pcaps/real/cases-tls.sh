# shellcheck shell=bash disable=SC2154
# SPDX-License-Identifier: BSD-3-Clause
# Clients of TLS over TCP and DTLS that need no browser. Read by make-real.sh.

define openssl-tls10 "TLS 1.0"
real_openssl_tls10() {
	tls_server -cipher DEFAULT@SECLEVEL=0 && serving tcp 443 || return
	capture 'port 443'
	s_client -tls1 -cipher DEFAULT@SECLEVEL=0
	keep openssl-tls10.pcap
}

define openssl-tls12 "TLS 1.2 with ALPN"
real_openssl_tls12() {
	tls_server -alpn h2,http/1.1 && serving tcp 443 || return
	capture 'port 443'
	s_client -tls1_2 -alpn h2,http/1.1
	keep openssl-tls12.pcap --ns
}

define openssl-tls13 "TLS 1.3 over IPv6"
real_openssl_tls13() {
	at="[$S6]:443" tls_server && serving tcp 443 || return
	capture 'port 443'
	to="[$S6]:443" s_client
	keep openssl-tls13-ipv6.pcap
}

define openssl-hrr "HelloRetryRequest"
real_openssl_hrr() {
	tls_server -groups X25519 && serving tcp 443 || return
	capture 'port 443'
	s_client -groups P-521:X25519
	keep openssl-hello-retry.pcap
}

define openssl-resumption "resumption with early data"
real_openssl_resumption() {
	tls_server -early_data -max_early_data 1000 && serving tcp 443 || return
	printf 'GET / HTTP/1.0\r\n\r\n' >"$work/early"
	# The ticket comes after the handshake: stay a moment.
	client openssl s_client -connect "$S4:443" -servername "$NAME" -sess_out "$work/session" \
		>"$work/client.log" 2>&1 < <(sleep 1)
	capture 'port 443'
	client openssl s_client -connect "$S4:443" -servername "$NAME" -sess_in "$work/session" -early_data "$work/early" \
		>"$work/client.log" 2>&1 < <(sleep 0.5)
	keep openssl-psk-early-data.pcap --after 3
}

define openssl-psk "external PSK"
real_openssl_psk() {
	tls_server -psk 00112233445566778899aabbccddeeff && serving tcp 443 || return
	capture 'port 443'
	s_client -psk 00112233445566778899aabbccddeeff -psk_identity sensor
	keep openssl-psk-external.pcap
}

define openssl-any "linux cooked v2 (tcpdump -i any)"
real_openssl_any() {
	tls_server && serving tcp 443 || return
	iface=any capture 'port 443'
	s_client
	keep openssl-tls13-sll2.pcap
}

define openssl-vxlan "VXLAN made by the Linux kernel"
real_openssl_vxlan() {
	local vx='type vxlan id 42 dstport 4789 dev eth0'
	# shellcheck disable=SC2086
	if ! ip -n "$cns" link add vx $vx local "$C4" remote "$S4" || ! ip -n "$sns" link add vx $vx local "$S4" remote "$C4"; then
		echo "make-real: $current left out: no vxlan" >&2
		return
	fi
	ip -n "$cns" link set vx address ae:00:5e:20:00:01 up
	ip -n "$sns" link set vx address ae:00:5e:20:00:02 up
	ip -n "$cns" addr add 192.0.2.130/32 peer 192.0.2.131 dev vx
	ip -n "$sns" addr add 192.0.2.131/32 peer 192.0.2.130 dev vx
	ip netns exec "$cns" ethtool -K vx tx off tso off gso off gro off >/dev/null
	ip netns exec "$sns" ethtool -K vx tx off tso off gso off gro off >/dev/null
	at=192.0.2.131:443 tls_server && serving tcp 443 || return
	capture 'udp port 4789'
	to=192.0.2.131:443 s_client
	keep openssl-vxlan-kernel.pcap
	ip -n "$cns" link del vx
	ip -n "$sns" link del vx
}

define openssl-dtls "DTLS 1.2 with cookie exchange"
real_openssl_dtls() {
	at=$S4:4433 tls_server -dtls1_2 -listen && serving udp 4433 || return
	capture 'port 4433'
	to=$S4:4433 s_client -dtls1_2
	keep openssl-dtls12-cookie.pcap
}

define openssl-dtls-mtu "DTLS fragments"
real_openssl_dtls_mtu() {
	at=$S4:4433 tls_server -dtls1_2 && serving udp 4433 || return
	capture 'port 4433'
	# 256 bytes is the least that OpenSSL takes; the names make the hello longer than that.
	to=$S4:4433 s_client -dtls1_2 -mtu 256 -alpn webrtc,c-webrtc,a-long-name-of-a-protocol-that-nobody-has,another-one-of-that-kind
	keep openssl-dtls12-fragments.pcap
}

define gnutls "GnuTLS, TLS 1.3, 1.2, DTLS 1.2"
gnutls() { # gnutls OUT PRIORITY PORT OPTIONS...
	capture "port $3"
	client gnutls-cli --insecure --sni-hostname="$NAME" --no-ca-verification --port "$3" --priority "$2" "${@:4}" "$S4" \
		</dev/null >"$work/client.log" 2>&1
	keep "$1"
}
real_gnutls() {
	need gnutls-cli || return
	tls_server && serving tcp 443 || return
	gnutls gnutls-tls13.pcap NORMAL 443 --alpn h2
	tls_server && serving tcp 443 || return
	gnutls gnutls-tls12.pcap 'NORMAL:-VERS-ALL:+VERS-TLS1.2' 443
	at=$S4:4433 tls_server -dtls1_2 && serving udp 4433 || return
	gnutls gnutls-dtls12.pcap NORMAL 4433 --udp
	server python3 "$here/real/responder.py" smtp "$S4" 25 "$work/cert.pem" "$work/key.pem"
	serving tcp 25 || return
	gnutls gnutls-starttls-smtp.pcap NORMAL 25 --starttls-proto=smtp
}

define curl "curl: HTTP/2, plain HTTP/1.1, Fast Open, proxies"
curl_to() { # curl_to OUT OPTIONS...
	local o=$1
	client curl -sk -o /dev/null --max-time 5 --resolve "$NAME:443:$S4" "${@:2}" "https://$NAME/"
	keep "$o"
}
real_curl() {
	need curl || return
	tls_server -www -alpn h2 && serving tcp 443 || return
	capture 'port 443'
	curl_to curl-https.pcap
	tls_server -www && serving tcp 443 || return
	capture 'port 443'
	curl_to curl-http1-tls12.pcap --http1.1 --tls-max 1.2
	# s_server does not offer Fast Open; caddy does not either. The responder is told to.
	server python3 "$here/real/fast_open.py" "$S4" 443 "$work/cert.pem" "$work/key.pem"
	serving tcp 443 || return
	client curl -sk -o /dev/null --max-time 5 --tcp-fastopen --resolve "$NAME:443:$S4" "https://$NAME/"
	capture 'port 443'
	curl_to curl-fast-open.pcap --tcp-fastopen
	server python3 "$here/real/responder.py" http-connect "$S4" 3128 "$work/cert.pem" "$work/key.pem"
	serving tcp 3128 || return
	capture 'port 3128'
	curl_to curl-http-connect.pcap --proxy "http://$S4:3128"
	server python3 "$here/real/responder.py" socks5 "$S4" 1080 "$work/cert.pem" "$work/key.pem"
	serving tcp 1080 || return
	capture 'port 1080'
	curl_to curl-socks5.pcap --socks5-hostname "$S4:1080"
	server python3 "$here/real/responder.py" socks4 "$S4" 1080 "$work/cert.pem" "$work/key.pem"
	serving tcp 1080 || return
	capture 'port 1080'
	curl_to curl-socks4.pcap --socks4 "$S4:1080"
}

define starttls "openssl s_client -starttls, eleven protocols"
real_starttls() {
	local p port
	while read -r p port; do
		server python3 "$here/real/responder.py" "$p" "$S4" "$port" "$work/cert.pem" "$work/key.pem"
		serving tcp "$port" || continue
		capture "port $port"
		to=$S4:$port s_client -starttls "$p"
		# tshark does not follow every upgrade; then the hello is looked for as plain TLS on this port.
		case $p in
		irc) keep openssl-starttls-irc.pcap --tshark "tcp.port==$port,tls" ;;
		*) keep "openssl-starttls-$p.pcap" ;;
		esac
	done <<-END
		smtp 25
		lmtp 24
		pop3 110
		imap 143
		ftp 21
		xmpp 5222
		irc 6667
		nntp 119
		sieve 4190
		ldap 389
		postgres 5432
		mysql 3306
	END
}

define go "Go crypto/tls"
real_go() {
	need go || return
	GOFLAGS=-mod=mod GOCACHE=$work/gocache HOME=$work go build -o "$work/go-client" "$here/real/go_client.go" || return
	tls_server && serving tcp 443 || return
	capture 'port 443'
	client "$work/go-client" "$S4:443" 2>"$work/client.log"
	keep go-tls13-mlkem.pcap
}

define java "Java JSSE"
real_java() {
	need java javac || return
	javac -d "$work" "$here/real/JavaClient.java" || return
	tls_server && serving tcp 443 || return
	capture 'port 443'
	client java -cp "$work" JavaClient "$S4" 443 2>"$work/client.log"
	keep java-jsse.pcap
}

define openvpn "OpenVPN over UDP and TCP"
real_openvpn() {
	need openvpn || return
	local proto
	for proto in udp tcp; do
		server openvpn --dev null --ifconfig-noexec --route-noexec --proto "$proto${proto_suffix[$proto]}" \
			--local "$S4" --port 1194 --tls-server --dh none --ca "$work/cert.pem" --cert "$work/cert.pem" --key "$work/key.pem" --auth-nocache
		serving "$proto" 1194 || continue
		capture 'port 1194'
		limit=4 client openvpn --dev null --ifconfig-noexec --route-noexec --proto "$proto${proto_client[$proto]}" \
			--remote "$S4" 1194 --tls-client --nobind --ca "$work/cert.pem" --cert "$work/cert.pem" --key "$work/key.pem" --auth-nocache >"$work/client.log" 2>&1
		keep "openvpn-$proto.pcap"
	done
}
declare -A proto_suffix=([udp]="" [tcp]=-server) proto_client=([udp]="" [tcp]=-client)
