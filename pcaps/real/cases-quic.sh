# shellcheck shell=bash disable=SC2154
# SPDX-License-Identifier: BSD-3-Clause
# Browsers, and QUIC. Read by make-real.sh.

caddy_server() {
	cat >"$work/Caddyfile" <<-END
		{
			admin off
			auto_https disable_redirects
			skip_install_trust
		}
		https://$NAME:443 {
			bind $S4
			tls $work/cert.pem $work/key.pem
			respond "hello"
		}
	END
	server env HOME="$work" XDG_DATA_HOME="$work" XDG_CONFIG_HOME="$work" caddy run --adapter caddyfile --config "$work/Caddyfile"
	serving tcp 443 && serving udp 443
}

chromium_to() { # chromium_to OPTIONS...: the certificate is accepted by the hash of its key
	local spki
	spki=$(openssl x509 -in "$work/cert.pem" -pubkey -noout | openssl pkey -pubin -outform der | openssl dgst -sha256 -binary | base64)
	limit=20 client env HOME="$work" XDG_CONFIG_HOME="$work" XDG_CACHE_HOME="$work" chromium --headless=new --no-sandbox \
		--disable-gpu --disable-dev-shm-usage --no-first-run --disable-background-networking --disable-component-update \
		--disable-sync --user-data-dir="$work/chromium-$RANDOM" --ignore-certificate-errors-spki-list="$spki" \
		--host-resolver-rules="MAP $NAME $S4, MAP * ~NOTFOUND" "$@" --dump-dom "https://$NAME/" >"$work/client.log" 2>&1
}

define chromium "Chromium over TCP and over QUIC"
real_chromium() {
	need chromium caddy || return
	caddy_server || return
	capture 'tcp port 443'
	chromium_to --disable-quic
	keep chromium-tls13.pcapng --max 60000
	caddy_server || return
	capture 'udp port 443'
	chromium_to --enable-quic --origin-to-force-quic-on="$NAME:443"
	keep chromium-quic.pcapng --ns --max 60000
}

firefox_to() { # firefox_to LINES of user.js
	local profile=$work/firefox-$RANDOM
	mkdir -p "$profile"
	cat >"$profile/user.js" <<-END
		user_pref("network.dns.forceResolve", "$S4");
		user_pref("network.captive-portal-service.enabled", false);
		user_pref("network.connectivity-service.enabled", false);
		user_pref("app.normandy.enabled", false);
		user_pref("app.update.enabled", false);
		user_pref("browser.safebrowsing.malware.enabled", false);
		user_pref("browser.safebrowsing.phishing.enabled", false);
		user_pref("browser.newtabpage.enabled", false);
		user_pref("browser.region.update.enabled", false);
		user_pref("browser.search.update", false);
		user_pref("datareporting.policy.dataSubmissionEnabled", false);
		user_pref("extensions.getAddons.cache.enabled", false);
		user_pref("extensions.update.enabled", false);
		user_pref("extensions.systemAddon.update.enabled", false);
		user_pref("services.settings.server", "data:,");
		user_pref("toolkit.telemetry.server", "data:,");
		user_pref("dom.push.connection.enabled", false);
		user_pref("security.OCSP.enabled", 0);
		user_pref("network.trr.mode", 5);
		user_pref("security.tls.ech.grease_probability", 100);
		$1
	END
	limit=25 client env HOME="$work" MOZ_CRASHREPORTER_DISABLE=1 firefox-esr --headless --no-remote --profile "$profile" \
		--screenshot "$work/shot.png" "https://$NAME/" >"$work/client.log" 2>&1
}

define firefox "Firefox over TCP and over QUIC"
real_firefox() {
	need firefox-esr caddy || return
	caddy_server || return
	capture 'tcp port 443'
	firefox_to 'user_pref("network.http.http3.enable", false);'
	keep firefox-tls13.pcap --max 60000 --sni "$NAME"
	caddy_server || return
	capture 'udp port 443'
	firefox_to "user_pref(\"network.http.http3.alt-svc-mapping-for-testing\", \"$NAME;h3=:443\");
		user_pref(\"network.http.http3.disable_when_third_party_roots_found\", false);"
	keep firefox-quic.pcap --max 60000 --sni "$NAME"
}

aioquic_run() { # aioquic_run OUT "server options" "client options" [options of keep]
	# shellcheck disable=SC2086
	server "$AIOQUIC_PYTHON" "$here/real/aioquic_peer.py" server "$S4" 4433 "$work/cert.pem" "$work/key.pem" $2
	serving udp 4433 || return
	capture 'udp port 4433'
	# shellcheck disable=SC2086
	client "$AIOQUIC_PYTHON" "$here/real/aioquic_peer.py" client "$S4" 4433 $3 >"$work/client.log" 2>&1
	keep "$1" "${@:4}"
}

define aioquic "aioquic: QUIC v1, v2, v1 answered in v2, Retry, 0-RTT"
real_aioquic() {
	"$AIOQUIC_PYTHON" -c 'import aioquic' 2>/dev/null || { echo "make-real: $current left out: no aioquic" >&2; return; }
	aioquic_run aioquic-v1.pcap '' ''
	aioquic_run aioquic-v2.pcap.zst '' --v2
	aioquic_run aioquic-v1-to-v2.pcap '' --v1-to-v2
	aioquic_run aioquic-retry.pcapng.gz --retry ''
	aioquic_run aioquic-0rtt.pcap '' --twice
}
