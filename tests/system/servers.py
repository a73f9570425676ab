# SPDX-License-Identifier: BSD-3-Clause
"""The servers of the cases: each with its own configuration and data in the case's folder."""
import os

from lab import DOMAIN, PASSWORD, cover


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
    lab.start(["postfix", "-c", base, "start-fg"], max(ports), name="postfix")


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
    lab.write("news/etc/readers.conf", 'auth all { hosts: "*" default: "reader" }\naccess all { users: "*" newsgroups: "*" }\n')
    lab.write("news/etc/storage.conf", 'method tradspool { newsgroups: * class: 0 }\n')
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
        conf = f"TLSCertificateFile {lab.cert}\nTLSCertificateKeyFile {lab.key}\nTLSCACertificateFile {lab.ca}\n" + conf
    urls = f"ldap://127.0.0.1:{port}" + (" ldaps://127.0.0.1" if tls else "")
    lab.start(["slapd", "-f", lab.write("slapd/slapd.conf", conf), "-h", urls, "-d", "stats"], port)


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
