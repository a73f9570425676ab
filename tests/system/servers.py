# SPDX-License-Identifier: BSD-3-Clause
"""The servers of the cases: each with its own configuration and data in the case's folder."""

import os
import shutil

from lab import DOMAIN, PASSWORD, USER, cover, find, sh


def environment():
    """The machine's, in plain English."""
    return {**os.environ, "LC_ALL": "C"}


# --- mail ----------------------------------------------------------------------------------------


def postfix(lab, ports, **settings):
    """ports: {25: "smtpd options"}. TLS is there on all of them unless the options take it away."""
    base = lab.folder("postfix")
    lab.folder("postfix/queue")
    lab.folder("postfix/data", "postfix")
    values = {
        "compatibility_level": "3.6",
        "queue_directory": base + "/queue",
        "data_directory": base + "/data",
        "maillog_file": "/dev/stdout",
        "myhostname": "mail." + DOMAIN,
        "mydestination": DOMAIN,
        "mynetworks": "127.0.0.0/8",
        "inet_protocols": "ipv4",
        "local_recipient_maps": "",
        "local_transport": "discard:",
        "default_transport": "discard:",
        "alias_maps": "",
        "smtpd_tls_security_level": "may",
        "smtpd_tls_cert_file": lab.cert,
        "smtpd_tls_key_file": lab.key,
        "smtpd_peername_lookup": "no",
        **settings,
    }
    lab.write("postfix/main.cf", "".join(f"{k} = {v}\n" for k, v in values.items()))
    services = [f"{port} inet n - n - - smtpd {options}" for port, options in ports.items()]
    services += [
        "cleanup unix n - n - 0 cleanup", "qmgr unix n - n 300 1 qmgr", "tlsmgr unix - - n 1000? 1 tlsmgr",
        "rewrite unix - - n - - trivial-rewrite", "bounce unix - - n - 0 bounce", "defer unix - - n - 0 bounce",
        "trace unix - - n - 0 bounce", "proxymap unix - - n - - proxymap", "anvil unix - - n - 1 anvil",
        "discard unix - - n - - discard", "postlog unix-dgram n - n - 1 postlogd", "scache unix - - n - 1 scache",
    ]  # fmt: skip
    lab.write("postfix/master.cf", "\n".join(services) + "\n")
    lab.start(["postfix", "-c", base, "start-fg"], list(ports), name="postfix")


# Logins that dovecot answers for; both must run.
POSTFIX_AUTH = {
    "smtpd_sasl_auth_enable": "yes",
    "smtpd_sasl_type": "dovecot",
    "smtpd_sasl_path": "/run/lab/dovecot/auth-for-postfix",
    "smtpd_sasl_security_options": "noanonymous",
    "smtpd_tls_auth_only": "no",
}


def dovecot(lab, tls=True, protocols="imap pop3 lmtp sieve", extra=""):
    """Everybody may log in with PASSWORD, in clear too."""
    base = lab.folder("dovecot")
    lab.folder("dovecot/mail", "mail")
    conf = f"""
base_dir = /run/lab/dovecot/run
log_path = /dev/stderr
protocols = {protocols}
listen = 127.0.0.1
ssl = {"yes" if tls else "no"}
ssl_cert = <{lab.cert}
ssl_key = <{lab.key}
disable_plaintext_auth = no
auth_mechanisms = plain login
mail_location = maildir:{base}/mail/%u
first_valid_uid = 1
passdb {{
  driver = static
  args = password={PASSWORD}
}}
userdb {{
  driver = static
  args = uid=mail gid=mail home={base}/mail/%u
}}
service auth {{
  unix_listener {base}/auth-for-postfix {{
    mode = 0666
  }}
}}
service lmtp {{
  inet_listener lmtp {{
    port = 24
  }}
}}
{extra}
"""
    lab.start(["dovecot", "-F", "-c", lab.write("dovecot/dovecot.conf", conf)], "starting up", name="dovecot")


def dovecot_ports(**ports):
    return "".join(
        f"service {p}-login {{\n inet_listener {p} {{\n port = {n}\n }}\n}}\n" for p, n in ports.items()
    )


DOVECOT_HAPROXY = """
haproxy_trusted_networks = 127.0.0.0/8
service imap-login {
  inet_listener imap {
    haproxy = yes
  }
  inet_listener imaps {
    haproxy = yes
  }
}
"""


# --- news ----------------------------------------------------------------------------------------


def nnrpd(lab):
    """The reader's side of INN. It serves no group: nobody asks for one."""
    base = lab.folder("news", "news")
    folders = {name: lab.folder("news/" + name, "news") for name in ("db", "run", "spool", "log", "tmp", "etc")}
    key = lab.key_for("news")
    inn_conf = f"""
mta: "/bin/false"
organization: lab
ovmethod: tradindexed
hismethod: hisv6
pathhost: news.{DOMAIN}
pathnews: /usr/lib/news
domain: {DOMAIN}
server: 127.0.0.1
pathdb: {folders["db"]}
pathetc: {folders["etc"]}
pathlog: {folders["log"]}
pathrun: {folders["run"]}
pathspool: {folders["spool"]}
pathtmp: {folders["tmp"]}
tlscapath: {base}
tlscertfile: {lab.cert}
tlskeyfile: {key}
"""
    conf = lab.write("news/etc/inn.conf", inn_conf)
    lab.write("news/spool/overview/group.index", "")
    passwords = lab.write("news/passwords", f"{USER}:" + sh("openssl", "passwd", "-6", PASSWORD))
    readers = f"""
auth all {{ hosts: "*" auth: "ckpasswd -f {passwords}" }}
access all {{ users: "*" newsgroups: "*" }}
"""
    lab.write("news/etc/readers.conf", readers)
    lab.write("news/etc/storage.conf", "method tradspool { newsgroups: * class: 0 }\n")
    lab.write("news/db/active", "junk 0000000000 0000000001 y\n")
    lab.write("news/db/newsgroups", "")
    lab.start(["/usr/lib/news/bin/nnrpd", "-D", "-f", "-p", "119"], 119, env={**environment(), "INNCONF": conf})


# --- directory -----------------------------------------------------------------------------------

LDAP_ADMIN = "cn=admin,dc=example,dc=test"


def slapd(lab, tls=True, port=389):
    lab.folder("slapd/data")
    conf = f"""
include /etc/ldap/schema/core.schema
modulepath /usr/lib/ldap
moduleload back_mdb
database mdb
suffix dc=example,dc=test
rootdn {LDAP_ADMIN}
rootpw {PASSWORD}
directory /run/lab/slapd/data
maxsize 1048576
"""
    if tls:
        conf = (
            f"TLSCertificateFile {lab.cert}\nTLSCertificateKeyFile {lab.key}\nTLSCACertificateFile {lab.ca}\n"
            + conf
        )
    urls = f"ldap://127.0.0.1:{port}" + (" ldaps://127.0.0.1" if tls else "")
    lab.start(["slapd", "-f", lab.write("slapd/slapd.conf", conf), "-h", urls, "-d", "stats"], [port, *([636] if tls else [])])


# --- files ---------------------------------------------------------------------------------------

FTP_DATA = 40000  # the one port of passive data connections


def vsftpd(lab, port=21, *lines):
    """Everybody may log in, in clear too, and lands in an empty folder."""
    cover("/etc/pam.d/vsftpd", "auth required pam_permit.so\naccount required pam_permit.so\n")
    conf = [
        "background=NO", "listen=YES", f"listen_port={port}", "listen_address=127.0.0.1", "anonymous_enable=NO",
        "local_enable=YES", "guest_enable=YES", "guest_username=ftp", "pam_service_name=vsftpd",
        f"local_root={lab.folder('ftp')}", f"secure_chroot_dir={lab.folder('ftp-empty')}", "ssl_enable=YES",
        f"rsa_cert_file={lab.cert}", f"rsa_private_key_file={lab.key}", "ssl_ciphers=HIGH",
        "force_local_logins_ssl=NO", "force_local_data_ssl=NO", "require_ssl_reuse=NO", "seccomp_sandbox=NO",
        f"pasv_min_port={FTP_DATA}", f"pasv_max_port={FTP_DATA}", *lines,
    ]  # fmt: skip
    lab.start(["vsftpd", lab.write("vsftpd.conf", "\n".join(conf) + "\n")], port)


# --- databases -----------------------------------------------------------------------------------


def mariadb(lab, tls=True, port=3306):
    data = lab.folder("mariadb")
    # Its temporary tables are called by its process number, which another case's server has, too.
    env = {**os.environ, "TMPDIR": lab.folder("mariadb-tmp")}
    lab.run(
        ["mariadb-install-db", "--no-defaults", f"--datadir={data}", "--user=root", "--skip-test-db",
         "--auth-root-authentication-method=normal", "--skip-name-resolve"], env=env,
    )  # fmt: skip
    init = lab.write("mariadb.sql", f"CREATE USER {USER} IDENTIFIED BY '{PASSWORD}';\n")
    options = (
        [f"--ssl-cert={lab.cert}", f"--ssl-key={lab.key}", f"--ssl-ca={lab.ca}"] if tls else ["--skip-ssl"]
    )
    lab.start(
        ["mariadbd", "--no-defaults", "--user=root", f"--datadir={data}", f"--socket={data}/socket",
         f"--port={port}", "--bind-address=127.0.0.1", "--skip-name-resolve", f"--init-file={init}", f"--tmpdir={env['TMPDIR']}", *options],
        "ready for connections",
    )  # fmt: skip


def postgresql(lab, tls=True, port=5432):
    programs = os.path.dirname(find(POSTGRES))
    data = lab.folder("postgresql", "postgres", 0o700)
    password = lab.write("postgresql.pw", PASSWORD + "\n")
    as_postgres = {"user": "postgres", "group": "postgres", "extra_groups": [], "cwd": data}
    lab.run(
        [programs + "/initdb", "-D", data, "-U", USER, "-A", "password", "--pwfile", password, "--no-sync",
         "--no-locale", "-E", "UTF8"], **as_postgres,
    )  # fmt: skip
    settings = ["listen_addresses=127.0.0.1", f"port={port}", "fsync=off", f"unix_socket_directories={data}"]
    if tls:
        settings += [
            "ssl=on",
            "ssl_ecdh_curve=prime256v1",
            f"ssl_cert_file={lab.cert}",
            f"ssl_key_file={lab.key_for('postgres')}",
        ]
    lab.start(
        [programs + "/postgres", "-D", data, *(word for s in settings for word in ("-c", s))],
        "ready to accept connections", name="postgresql", user="postgres", cwd=data,
    )  # fmt: skip


POSTGRES = "/usr/lib/postgresql/*/bin/postgres"


# --- chat ----------------------------------------------------------------------------------------


def prosody(lab, tls=True):
    lab.folder("prosody/data", "prosody")
    tls_lines = f"""
ssl = {{ certificate = "{lab.cert}"; key = "{lab.key_for("prosody")}" }}
c2s_direct_tls_ports = {{ 5223 }}
"""
    conf = f"""
daemonize = false
pidfile = "{lab.folder("prosody/run", "prosody")}/pid"
data_path = "/run/lab/prosody/data"
log = {{ info = "*console" }}
modules_enabled = {{ {'"tls"; ' if tls else ""}"saslauth"; "dialback" }}
modules_disabled = {{ "s2s_auth_certs" }}
interfaces = {{ "127.0.0.1" }}
authentication = "internal_plain"
allow_unencrypted_plain_auth = true
c2s_require_encryption = false
s2s_require_encryption = false
{tls_lines if tls else ""}
VirtualHost "{DOMAIN}"
"""
    ports = [5222, 5269, *([5223] if tls else [])]
    lab.start(["prosody", "--config", lab.write("prosody/prosody.cfg.lua", conf), "-F"], ports, user="prosody")


def ngircd(lab):
    dh = lab.write(
        "dh.pem", sh("openssl", "genpkey", "-genparam", "-algorithm", "DH", "-pkeyopt", "group:ffdhe2048")
    )
    conf = f"""
[Global]
Name = irc.{DOMAIN}
Info = lab
Listen = 127.0.0.1
Ports = 6667
ServerUID = irc
ServerGID = irc
[Options]
DNS = no
Ident = no
PAM = no
[SSL]
CertFile = {lab.cert}
KeyFile = {lab.key_for("irc")}
DHFile = {dh}
Ports = 6697
"""
    lab.start(["ngircd", "-n", "-f", lab.write("ngircd.conf", conf)], [6667, 6697])


def inspircd(lab):
    base = lab.folder("inspircd", "irc")
    conf = f"""
<server name="irc.{DOMAIN}" description="lab" network="lab">
<admin name="a" nick="a" email="a@{DOMAIN}">
<module name="ssl_gnutls">
<module name="starttls">
<module name="cap">
<sslprofile name="lab" provider="gnutls" certfile="{lab.cert}" keyfile="{lab.key_for("irc")}">
<starttls sslprofile="lab">
<bind address="127.0.0.1" port="6667" type="clients">
<connect name="all" allow="*" resolvehostnames="no" useident="no">
<pid file="{base}/pid">
<log method="stdout" level="default" target="stdout" type="*">
<path configdir="{base}" datadir="{base}" logdir="{base}" runtimedir="{base}">
"""
    path = lab.write("inspircd/inspircd.conf", conf)
    lab.start(["inspircd", "--config", path, "--nofork"], 6667, user="irc")


# --- what carries connections --------------------------------------------------------------------


def https(lab, port=443):
    """A web server that is there: openssl's."""
    argv = ["openssl", "s_server", "-accept", f"127.0.0.1:{port}", "-www", "-cert", lab.cert, "-key", lab.key]
    lab.start(argv, port, name="https")


def tinyproxy(lab, port=3128):
    conf = f"Port {port}\nListen 127.0.0.1\nTimeout 60\nAllow 127.0.0.1\nMaxClients 10\nConnectPort 443\n"
    lab.start(["tinyproxy", "-d", "-c", lab.write("tinyproxy.conf", conf)], port)


def danted(lab):
    conf = """
logoutput: stderr
internal: 127.0.0.1 port = 1080
external: 127.0.0.1
clientmethod: none
socksmethod: username none
user.privileged: root
user.unprivileged: nobody
client pass { from: 127.0.0.0/8 to: 0.0.0.0/0 }
socks pass { from: 127.0.0.0/8 to: 0.0.0.0/0 }
"""
    lab.start(["danted", "-f", lab.write("danted.conf", conf)], 1080)


def haproxy(lab, headers):
    """headers: ("send-proxy" or "send-proxy-v2", the port that leads to 993, the port that leads to 143) ..."""
    conf = "defaults\n mode tcp\n timeout connect 30s\n timeout client 30s\n timeout server 30s\n"
    for header, *ports in headers:
        for port, server in zip(ports, (993, 143)):
            conf += f"listen l{port}\n bind 127.0.0.1:{port}\n server s 127.0.0.1:{server} {header}\n"
    lab.start(["haproxy", "-db", "-f", lab.write("haproxy.cfg", conf)], [p for _, *ports in headers for p in ports])


def cupsd(lab):
    """Upgrades HTTP in place (RFC 2817). Its keychain has the certificate under the server's name."""
    base = lab.folder("cups")
    for folder in "ssl", "cache", "state", "spool", "root":
        lab.folder("cups/" + folder)
    shutil.copy(lab.cert, f"{base}/ssl/www.{DOMAIN}.crt")
    shutil.copy(lab.key, f"{base}/ssl/www.{DOMAIN}.key")
    files = f"""
ServerRoot {base}/root
ServerKeychain {base}/ssl
CacheDir {base}/cache
StateDir {base}/state
RequestRoot {base}/spool
TempDir {base}/spool
AccessLog stderr
ErrorLog stderr
PageLog stderr
"""
    conf = f"""
Listen 127.0.0.1:631
ServerName www.{DOMAIN}
ServerAlias *
DefaultEncryption IfRequested
Browsing No
WebInterface No
LogLevel debug
<Location />
  Order allow,deny
  Allow all
</Location>
"""
    lab.start(
        [
            "cupsd",
            "-f",
            "-c",
            lab.write("cups/cupsd.conf", conf),
            "-s",
            lab.write("cups/cups-files.conf", files),
        ],
        631,
    )


def stunnel_server(lab, port, backend, protocol):
    """stunnel as the TLS end of a server that has none."""
    conf = f"""foreground = yes
pid =
[{protocol}]
accept = 127.0.0.1:{port}
connect = 127.0.0.1:{backend}
protocol = {protocol}
cert = {lab.cert}
key = {lab.key}
"""
    lab.start(["stunnel4", lab.write(f"stunnel-server-{protocol}.conf", conf)], port, name="stunnel-server")


# --- 802.1X and RADIUS ---------------------------------------------------------------------------

RADIUS_SECRET = "lab-radius-secret"


def hostapd(lab, eap_server=None):
    """The port of a switch, `switch`; its peer is at the other end of the cable, `peer`."""
    sh("ip", "link", "add", "switch", "type", "veth", "peer", "name", "peer")
    for end in "switch", "peer":
        sh("ip", "link", "set", end, "up")
    users = f"""* TLS,TTLS,PEAP
"{USER}" TTLS-PAP,GTC "{PASSWORD}" [2]
"""
    internal = f"""eap_server=1
eap_user_file={lab.write("hostapd.users", users)}
ca_cert={lab.ca}
server_cert={lab.cert}
private_key={lab.key}
"""
    conf = (
        "interface=switch\ndriver=wired\nlogger_stdout=-1\nieee8021x=1\nuse_pae_group_addr=1\neapol_version=2\n"
    )
    lab.start(["hostapd", lab.write("hostapd.conf", conf + (eap_server or internal))], "AP-ENABLED")


def hostapd_asks_radius():
    return f"""own_ip_addr=127.0.0.1
auth_server_addr=127.0.0.1
auth_server_port=1812
auth_server_shared_secret={RADIUS_SECRET}
"""


def freeradius(lab):
    conf = f"""
prefix = /usr
exec_prefix = /usr
sysconfdir = /run/lab
localstatedir = /run/lab
raddbdir = /run/lab/freeradius
run_dir = /run/lab/freeradius
logdir = /run/lab/freeradius
libdir = /usr/lib/freeradius
pidfile = /run/lab/freeradius/pid
security {{
  allow_core_dumps = no
}}
client lab {{
  ipaddr = 127.0.0.1
  secret = {RADIUS_SECRET}
}}
modules {{
  pap {{
  }}
  eap {{
    default_eap_type = tls
    tls-config lab {{
      private_key_file = {lab.key}
      certificate_file = {lab.cert}
      ca_file = {lab.ca}
      tls_min_version = "1.2"
      tls_max_version = "1.3"
      cipher_list = "DEFAULT"
      ecdh_curve = ""
    }}
    tls {{
      tls = lab
    }}
    gtc {{
      auth_type = PAP
    }}
    ttls {{
      tls = lab
      default_eap_type = gtc
      virtual_server = inner
    }}
    peap {{
      tls = lab
      default_eap_type = gtc
      virtual_server = inner
    }}
  }}
}}
server lab {{
  listen {{
    type = auth
    ipaddr = 127.0.0.1
    port = 1812
  }}
  authorize {{
    eap
  }}
  authenticate {{
    eap
  }}
}}
server inner {{
  authorize {{
    update control {{
      Cleartext-Password := "{PASSWORD}"
    }}
    eap {{
      ok = return
    }}
    pap
  }}
  authenticate {{
    Auth-Type PAP {{
      pap
    }}
    eap
  }}
}}
"""
    lab.write("freeradius/radiusd.conf", conf)
    lab.start(["freeradius", "-X", "-d", lab.path("freeradius")], "Ready to process requests")
