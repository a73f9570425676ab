#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Upgrades to TLS as real servers and clients speak them, captured and read.

usage: test_upgrade.py PROGRAM CASE | --list      (lab.py has the rest)
"""

import ftplib
import imaplib
import os
import poplib
import socket
import ssl
import sys

import servers
import stand_ins
from clients import AS_USER, MAIL, STUNNEL_PORT, curl, s_client, send_mail, stunnel, talk
from lab import DOMAIN, PASSWORD, SECONDS, USER, Cases, Skip, b64, encrypted, hello, in_clear, not_tls, retried, upgrade, upgraded

case = Cases()

P256 = ["-groups", "P-256"]  # for servers that would ask for it by a HelloRetryRequest


def refused_by_stunnel():
    """stunnel was told no: whoever is behind it gets nothing, or a reset."""
    try:
        talk(STUNNEL_PORT, (None, b""))
    except ConnectionResetError:
        pass


# --- mail ----------------------------------------------------------------------------------------


@case("smtp", postfix="postfix", curl="curl", stunnel4="stunnel4")
def smtp(lab):
    servers.postfix(lab, {25: "", 587: "", 465: "-o smtpd_tls_wrappermode=yes"})
    for port in 25, 587:
        with lab.capture(f"s_client-{port}") as c:
            s_client(lab, port, MAIL, starttls="smtp")
        c.expect(upgraded(port, MAIL, "smtp"))
    with lab.capture("s_client-smtps") as c:
        s_client(lab, 465, MAIL)
    c.expect(hello(465, MAIL))
    with lab.capture("curl") as c:
        send_mail(lab, f"smtp://{MAIL}:587", "--ssl-reqd")
    c.expect(upgraded(587, MAIL, "smtp"))
    with lab.capture("postfix-as-client") as c:
        options = ["-c", "-l", "encrypt", "-o", "inet_protocols=ipv4", "-s", MAIL]
        lab.run(["posttls-finger", *options, "[127.0.0.1]:25"])
    c.expect(upgraded(25, MAIL, "smtp"))
    with stunnel(lab, 25, MAIL, "smtp"):
        with lab.capture("stunnel", only="port 25") as c:
            talk(STUNNEL_PORT, (None, b"220 "), (b"QUIT\r\n", b"221 "))
        c.expect(upgraded(25, MAIL, "smtp"))


@case("smtp-states", postfix="postfix", dovecot_core="dovecot", curl="curl", stunnel4="stunnel4")
def smtp_states(lab):
    servers.dovecot(lab)  # for the logins
    servers.postfix(lab, {25: "", 587: "-o smtpd_tls_security_level=none"}, **servers.POSTFIX_AUTH)
    with lab.capture("mail-without-an-offer") as c:
        send_mail(lab, f"smtp://{MAIL}:587")
    c.expect(upgrade("not_offered", 587, "smtp"))
    with lab.capture("login-without-an-offer") as c:
        send_mail(lab, f"smtp://{MAIL}:587", *AS_USER)
    c.expect(upgrade("not_offered", 587, "smtp"))
    with lab.capture("offer-not-used") as c:
        curl(lab, f"smtp://{MAIL}", "-X", "NOOP")
    c.expect(upgrade("offered_unused", 25, "smtp"))
    with lab.capture("mail-in-clear") as c:
        send_mail(lab, f"smtp://{MAIL}")
    c.expect(upgrade("plain_credentials", 25, "smtp"))
    with lab.capture("login-in-clear") as c:
        send_mail(lab, f"smtp://{MAIL}", *AS_USER)
    c.expect(upgrade("plain_credentials", 25, "smtp"))
    with stunnel(lab, 587, MAIL, "smtp"):
        with lab.capture("refused", only="port 587") as c:
            refused_by_stunnel()
        c.expect(upgrade("refused", 587, "smtp"))


@case("unanswered", postfix="postfix", dovecot_core="dovecot", slapd="slapd", stunnel4="stunnel4")
def unanswered(lab):
    """The answer is lost on its way, and the client goes away."""
    servers.postfix(lab, {10025: ""})
    servers.dovecot(lab, extra=servers.dovecot_ports(imap=10143, pop3=10110))
    servers.slapd(lab, port=10389)
    for protocol, port, trigger in (
        ("smtp", 25, b"STARTTLS"),
        ("imap", 143, b"STARTTLS"),
        ("pop3", 110, b"STLS"),
        ("ldap", 389, stand_ins.START_TLS),
    ):
        path = stand_ins.Swallow(port, 10000 + port, trigger)
        with lab.capture(protocol, only=f"port {port}") as c:
            with stunnel(lab, port, MAIL, protocol), socket.create_connection(("127.0.0.1", STUNNEL_PORT)):
                assert path.swallowed.wait(SECONDS)
        c.expect(upgrade("requested_unanswered", port, protocol))


@case("lmtp", dovecot_lmtpd="/usr/lib/dovecot/lmtp")
def lmtp(lab):
    servers.dovecot(lab)
    with lab.capture("s_client") as c:
        s_client(lab, 24, MAIL, starttls="lmtp")
    c.expect(upgraded(24, MAIL, "smtp"))


@case("imap", dovecot_imapd="/usr/lib/dovecot/imap", curl="curl", stunnel4="stunnel4")
def imap(lab):
    servers.dovecot(lab)
    with lab.capture("s_client") as c:
        s_client(lab, 143, MAIL, starttls="imap")
    c.expect(upgraded(143, MAIL, "imap"))
    with lab.capture("curl") as c:
        curl(lab, f"imap://{MAIL}/", "--ssl-reqd", *AS_USER)
    c.expect(upgraded(143, MAIL, "imap"))
    with lab.capture("imaps") as c:
        curl(lab, f"imaps://{MAIL}/", *AS_USER)
    c.expect(hello(993, MAIL))
    with stunnel(lab, 143, MAIL, "imap"):
        with lab.capture("stunnel", only="port 143") as c:
            talk(STUNNEL_PORT, (None, b"* OK"), (b"a LOGOUT\r\n", b"a OK"))
        c.expect(upgraded(143, MAIL, "imap"))
    with lab.capture("login-in-clear") as c:
        curl(lab, f"imap://{MAIL}/", *AS_USER)
    c.expect(upgrade("plain_credentials", 143, "imap"))
    with lab.capture("offer-not-used") as c:
        imaplib.IMAP4(MAIL).logout()
    c.expect(upgrade("offered_unused", 143, "imap"))


@case("imap-without-tls", dovecot_imapd="/usr/lib/dovecot/imap", curl="curl")
def imap_without_tls(lab):
    servers.dovecot(lab, tls=False)
    with lab.capture("login-without-an-offer") as c:
        curl(lab, f"imap://{MAIL}/", *AS_USER)
    c.expect(upgrade("not_offered", 143, "imap"))
    with lab.capture("refused") as c:
        talk(143, (None, b"* OK"), (b"a STARTTLS\r\n", b"a BAD"), (b"b LOGOUT\r\n", b"b OK"))
    c.expect(upgrade("refused", 143, "imap"))


@case("pop3", dovecot_pop3d="/usr/lib/dovecot/pop3", curl="curl", stunnel4="stunnel4")
def pop3(lab):
    servers.dovecot(lab)
    with lab.capture("s_client") as c:
        s_client(lab, 110, MAIL, starttls="pop3")
    c.expect(upgraded(110, MAIL, "pop3"))
    with lab.capture("curl") as c:
        curl(lab, f"pop3://{MAIL}/", "--ssl-reqd", *AS_USER)
    c.expect(upgraded(110, MAIL, "pop3"))
    with lab.capture("pop3s") as c:
        curl(lab, f"pop3s://{MAIL}/", *AS_USER)
    c.expect(hello(995, MAIL))
    with stunnel(lab, 110, MAIL, "pop3"):
        with lab.capture("stunnel", only="port 110") as c:
            talk(STUNNEL_PORT, (None, b"+OK"), (b"QUIT\r\n", b"+OK"))
        c.expect(upgraded(110, MAIL, "pop3"))
    with lab.capture("login-in-clear") as c:
        curl(lab, f"pop3://{MAIL}/", *AS_USER)
    c.expect(upgrade("plain_credentials", 110, "pop3"))
    with lab.capture("offer-not-used") as c:
        client = poplib.POP3(MAIL)
        client.capa()
        client.quit()
    c.expect(upgrade("offered_unused", 110, "pop3"))


@case("pop3-without-tls", dovecot_pop3d="/usr/lib/dovecot/pop3", curl="curl", stunnel4="stunnel4")
def pop3_without_tls(lab):
    servers.dovecot(lab, tls=False)
    with lab.capture("login-without-an-offer") as c:
        curl(lab, f"pop3://{MAIL}/", *AS_USER)
    c.expect(upgrade("not_offered", 110, "pop3"))
    with stunnel(lab, 110, MAIL, "pop3"):
        with lab.capture("refused", only="port 110") as c:
            refused_by_stunnel()
        c.expect(upgrade("refused", 110, "pop3"))


SIEVE_LOGIN = b'AUTHENTICATE "PLAIN" "%s"\r\n' % b64(f"\0{USER}\0{PASSWORD}")


@case("sieve", dovecot_managesieved="/usr/lib/dovecot/managesieve")
def sieve(lab):
    servers.dovecot(lab)
    with lab.capture("s_client") as c:
        s_client(lab, 4190, MAIL, starttls="sieve")
    c.expect(upgraded(4190, MAIL, "sieve"))
    with lab.capture("login-in-clear") as c:
        talk(4190, (None, b"OK "), (SIEVE_LOGIN, b"OK "), (b"LOGOUT\r\n", b"OK "))
    c.expect(upgrade("plain_credentials", 4190, "sieve"))
    with lab.capture("offer-not-used") as c:
        talk(4190, (None, b"OK "), (b"LOGOUT\r\n", b"OK "))
    c.expect(upgrade("offered_unused", 4190, "sieve"))


@case("sieve-without-tls", dovecot_managesieved="/usr/lib/dovecot/managesieve")
def sieve_without_tls(lab):
    servers.dovecot(lab, tls=False)
    with lab.capture("login-without-an-offer") as c:
        talk(4190, (None, b"OK "), (SIEVE_LOGIN, b"OK "), (b"LOGOUT\r\n", b"OK "))
    c.expect(upgrade("not_offered", 4190, "sieve"))
    with lab.capture("refused") as c:
        talk(4190, (None, b"OK "), (b"STARTTLS\r\n", b"NO "), (b"LOGOUT\r\n", b"OK "))
    c.expect(upgrade("refused", 4190, "sieve"))


# --- news ----------------------------------------------------------------------------------------

NEWS = "news." + DOMAIN
NNTP_LIST = b"CAPABILITIES\r\n", b"\r\n.\r\n"
NNTP_LOGIN = (
    (f"AUTHINFO USER {USER}\r\n".encode(), b"381 "),
    (f"AUTHINFO PASS {PASSWORD}\r\n".encode(), b"281 "),
)


@case("nntp", inn2="/usr/lib/news/bin/nnrpd", stunnel4="stunnel4")
def nntp(lab):
    servers.nnrpd(lab)
    with lab.capture("s_client") as c:
        s_client(lab, 119, NEWS, starttls="nntp")
    c.expect(upgraded(119, NEWS, "nntp"))
    with stunnel(lab, 119, NEWS, "nntp"):
        with lab.capture("stunnel", only="port 119") as c:
            talk(STUNNEL_PORT, (None, b"200 "), (b"QUIT\r\n", b"205 "))
        c.expect(upgraded(119, NEWS, "nntp"))
    with lab.capture("offer-not-used") as c:
        talk(119, (None, b"20"), NNTP_LIST, (b"QUIT\r\n", b"205 "))
    c.expect(upgrade("offered_unused", 119, "nntp"))
    with lab.capture("login-in-clear") as c:
        talk(119, (None, b"20"), NNTP_LIST, *NNTP_LOGIN, (b"QUIT\r\n", b"205 "))
    c.expect(upgrade("plain_credentials", 119, "nntp"))


# --- directory -----------------------------------------------------------------------------------

LDAP = "ldap." + DOMAIN
ROOT_DSE = ["-b", "", "-s", "base", "supportedExtension"]


def ldapsearch(lab, *options, scheme="ldap", fails=False):
    env = {**servers.environment(), "LDAPTLS_CACERT": lab.ca}
    return lab.run(["ldapsearch", "-x", "-H", f"{scheme}://{LDAP}", *options], fails=fails, env=env)


@case("ldap", slapd="slapd", ldap_utils="ldapsearch", stunnel4="stunnel4")
def ldap(lab):
    servers.slapd(lab)
    with lab.capture("s_client") as c:
        s_client(lab, 389, LDAP, starttls="ldap")
    c.expect(upgraded(389, LDAP, "ldap"))
    with lab.capture("ldapsearch") as c:
        ldapsearch(lab, "-ZZ", *ROOT_DSE)
    c.expect(upgraded(389, LDAP, "ldap"))
    with lab.capture("ldaps") as c:
        ldapsearch(lab, *ROOT_DSE, scheme="ldaps")
    c.expect(hello(636, LDAP))
    with stunnel(lab, 389, LDAP, "ldap"):
        with lab.capture("stunnel", only="port 389") as c:
            lab.run(["ldapsearch", "-x", "-H", f"ldap://127.0.0.1:{STUNNEL_PORT}", *ROOT_DSE])
        c.expect(upgraded(389, LDAP, "ldap"))
    with lab.capture("login-in-clear") as c:
        ldapsearch(lab, "-D", servers.LDAP_ADMIN, "-w", PASSWORD, *ROOT_DSE)
    c.expect(upgrade("plain_credentials", 389, "ldap"))
    with lab.capture("offer-not-used") as c:
        ldapsearch(lab, *ROOT_DSE)
    c.expect(upgrade("offered_unused", 389, "ldap"))


@case("ldap-without-tls", slapd="slapd", ldap_utils="ldapsearch")
def ldap_without_tls(lab):
    servers.slapd(lab, tls=False)
    with lab.capture("refused") as c:
        ldapsearch(lab, "-ZZ", *ROOT_DSE, fails=True)
    c.expect(upgrade("refused", 389, "ldap"))


# --- files ---------------------------------------------------------------------------------------

FTP = "ftp." + DOMAIN


@case("ftp", vsftpd="vsftpd", curl="curl")
def ftp(lab):
    servers.vsftpd(lab)
    with lab.capture("s_client") as c:
        s_client(lab, 21, FTP, *P256, starttls="ftp")
    c.expect(upgraded(21, FTP, "ftp"))
    with lab.capture("curl") as c:
        curl(lab, f"ftp://{FTP}/", "--ssl-reqd", "--curves", "P-256", *AS_USER)
    c.expect(upgraded(21, FTP, "ftp"), hello(servers.FTP_DATA, FTP))
    with lab.capture("login-in-clear") as c:
        client = ftplib.FTP(FTP)
        client.sendcmd("FEAT")
        client.login(USER, PASSWORD)
        client.quit()
    c.expect(upgrade("plain_credentials", 21, "ftp"))
    with lab.capture("offer-not-used") as c:
        client = ftplib.FTP(FTP)
        client.sendcmd("FEAT")
        client.quit()
    c.expect(upgrade("offered_unused", 21, "ftp"))


@case("ftp-implicit", vsftpd="vsftpd", curl="curl")
def ftp_implicit(lab):
    servers.vsftpd(lab, 990, "implicit_ssl=YES")
    with lab.capture("curl") as c:
        curl(lab, f"ftps://{FTP}/", "--curves", "P-256", *AS_USER)
    c.expect(hello(990, FTP), hello(servers.FTP_DATA, FTP))


@case("ftp-without-tls", vsftpd="vsftpd", curl="curl")
def ftp_without_tls(lab):
    servers.vsftpd(lab, 21, "ssl_enable=NO")
    with lab.capture("refused") as c:
        curl(lab, f"ftp://{FTP}/", "--ssl-reqd", *AS_USER, fails=True)
    c.expect(upgrade("refused", 21, "ftp"))
    with lab.capture("login-without-an-offer") as c:
        client = ftplib.FTP(FTP)
        client.sendcmd("FEAT")
        client.login(USER, PASSWORD)
        client.quit()
    c.expect(upgrade("not_offered", 21, "ftp"))


# --- databases -----------------------------------------------------------------------------------

DB = "db." + DOMAIN


def mariadb(lab, *options):
    lab.run(["mariadb", "--no-defaults", "-h", DB, "-u", USER, f"-p{PASSWORD}", *options, "-e", "SELECT 1"])


@case("mysql", mariadb_server_core="mariadbd", mariadb_client_core="mariadb")
def mysql(lab):
    servers.mariadb(lab)
    with lab.capture("s_client") as c:
        s_client(lab, 3306, DB, starttls="mysql")
    c.expect(upgraded(3306, DB, "mysql"))
    with lab.capture("mariadb") as c:
        mariadb(lab, f"--ssl-ca={lab.ca}", "--ssl-verify-server-cert")
    c.expect(upgraded(3306, None, "mysql"))
    with lab.capture("login-without-tls") as c:
        mariadb(lab, "--skip-ssl")
    c.expect(upgrade("offered_unused", 3306, "mysql"))  # the password itself is hashed with a challenge


@case("mysql-without-tls", mariadb_server_core="mariadbd", mariadb_client_core="mariadb")
def mysql_without_tls(lab):
    servers.mariadb(lab, tls=False)
    with lab.capture("login-without-an-offer") as c:
        mariadb(lab)
    c.expect(upgrade("not_offered", 3306, "mysql"))


def psql(lab, mode, **kw):
    target = f"host={DB} hostaddr=127.0.0.1 user={USER} password={PASSWORD} dbname=postgres"
    return lab.run(["psql", f"{target} sslmode={mode} sslrootcert={lab.ca}", "-c", "SELECT 1"], **kw)


@case("postgresql", postgresql=servers.POSTGRES, postgresql_client="psql", stunnel4="stunnel4")
def postgresql(lab):
    servers.postgresql(lab)  # knows one curve, as it is by default: clients have to say hello again
    with lab.capture("s_client") as c:
        s_client(lab, 5432, DB, starttls="postgres")
    c.expect(upgraded(5432, DB, "postgresql", how=retried))
    for mode in "require", "verify-full":
        with lab.capture("psql-" + mode) as c:
            psql(lab, mode)
        c.expect(upgraded(5432, DB, "postgresql", how=retried))
    with lab.capture("psql-disable") as c:
        psql(lab, "disable")
    c.expect()  # a login in clear; nobody asked for TLS, and this protocol has no offers
    with stunnel(lab, 5432, DB, "pgsql"):
        with lab.capture("stunnel", only="port 5432") as c:
            talk(STUNNEL_PORT, (postgres_startup(), b"R\0\0\0\x08"), (b"X\0\0\0\4", b""))
        c.expect(upgraded(5432, DB, "postgresql", how=retried))


@case("postgresql-gssenc", postgresql=servers.POSTGRES)
def postgresql_gssenc(lab):
    servers.postgresql(lab, port=15432)
    stand_ins.without_gss(5432, 15432)
    with lab.capture("refused-then-tls", only="port 5432") as c:
        gssenc_then_tls()
    c.expect(upgraded(5432, DB, "postgresql", how=retried))


def postgres_startup():
    body = b"\0\3\0\0user\0%s\0\0" % USER.encode()
    return (4 + len(body)).to_bytes(4, "big") + body


GSSENC_REQUEST, SSL_REQUEST = bytes.fromhex("00000008 04d21630"), bytes.fromhex("00000008 04d2162f")


def gssenc_then_tls():
    """As libpq does where there is a Kerberos ticket."""
    with socket.create_connection(("127.0.0.1", 5432), SECONDS) as s:
        s.sendall(GSSENC_REQUEST)
        assert s.recv(1) == b"N"
        s.sendall(SSL_REQUEST)
        assert s.recv(1) == b"S"
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        context.wrap_socket(s, server_hostname=DB).close()


@case("postgresql-without-tls", postgresql=servers.POSTGRES, postgresql_client="psql")
def postgresql_without_tls(lab):
    servers.postgresql(lab, tls=False)
    with lab.capture("prefer") as c:
        psql(lab, "prefer")
    c.expect(upgrade("refused", 5432, "postgresql"))
    with lab.capture("require") as c:
        psql(lab, "require", fails=True)
    c.expect(upgrade("refused", 5432, "postgresql"))


def tsql(lab, encryption):
    conf = lab.write(
        "freetds.conf",
        f"[lab]\nhost = {DB}\nport = 1433\ntds version = 7.4\nencryption = {encryption}\nca file = {lab.ca}\n",
    )
    env = {**servers.environment(), "FREETDSCONF": conf}
    return lab.run(["tsql", "-S", "lab", "-U", USER, "-P", PASSWORD], fails=True, env=env)


@case("tds", freetds_bin="tsql")
def tds(lab):
    stand_ins.Tds(1433, stand_ins.ENCRYPT_ON, lab.cert, lab.key)
    for encryption in "require", "request":
        with lab.capture(encryption) as c:
            assert "Login failed" in tsql(lab, encryption)
        c.expect(upgraded(1433, None, "tds"))


@case("tds-login-only", freetds_bin="tsql")
def tds_login_only(lab):
    stand_ins.Tds(1433, stand_ins.ENCRYPT_OFF, lab.cert, lab.key)
    with lab.capture("request") as c:
        assert "Login failed" in tsql(lab, "request")
    c.expect(upgraded(1433, None, "tds"))


@case("tds-without-tls", freetds_bin="tsql")
def tds_without_tls(lab):
    stand_ins.Tds(1433, stand_ins.ENCRYPT_NOT_SUP)
    with lab.capture("require") as c:
        tsql(lab, "require")
    c.expect(upgrade("refused", 1433, "tds"))
    with lab.capture("request") as c:
        assert "Login failed" in tsql(lab, "request")
    c.expect(upgrade("refused", 1433, "tds"))
    with lab.capture("off") as c:
        assert "Login failed" in tsql(lab, "off")
    c.expect(in_clear(1433, "tds"))  # to a client that cannot, every server says that it cannot


# --- chat ----------------------------------------------------------------------------------------

IRC = "irc." + DOMAIN
IRC_LOGIN = f"NICK {USER}\r\nUSER {USER} 0 * :{USER}\r\n".encode()


XMPP_STREAM = f"""<?xml version='1.0'?><stream:stream to='{DOMAIN}' version='1.0' xmlns='jabber:client'
 xmlns:stream='http://etherx.jabber.org/streams'>"""


XMPP_SASL = "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>%s</auth>"
XMPP_BEGIN = XMPP_STREAM.encode(), b"</stream:features>"
XMPP_LOGIN = (XMPP_SASL % b64(f"\0{USER}\0{PASSWORD}").decode()).encode(), b"</failure>"  # nobody is known
XMPP_END = b"</stream:stream>", b"</stream:stream>"


@case("xmpp", prosody="prosody")
def xmpp(lab):
    servers.prosody(lab)
    for starttls, port in ("xmpp", 5222), ("xmpp-server", 5269):
        with lab.capture("s_client-" + starttls) as c:
            s_client(lab, port, DOMAIN, "-xmpphost", DOMAIN, starttls=starttls)
        c.expect(upgraded(port, DOMAIN, "xmpp"))
    with lab.capture("direct-tls") as c:
        s_client(lab, 5223, DOMAIN, "-alpn", "xmpp-client")
    c.expect(hello(5223, DOMAIN))
    with lab.capture("offer-not-used") as c:
        talk(5222, XMPP_BEGIN, XMPP_END)
    c.expect(upgrade("offered_unused", 5222, "xmpp"))
    with lab.capture("login-in-clear") as c:
        talk(5222, XMPP_BEGIN, XMPP_LOGIN, XMPP_END)
    c.expect(upgrade("plain_credentials", 5222, "xmpp"))


@case("xmpp-without-tls", prosody="prosody")
def xmpp_without_tls(lab):
    servers.prosody(lab, tls=False)
    with lab.capture("login-without-an-offer") as c:
        talk(5222, XMPP_BEGIN, XMPP_LOGIN, XMPP_END)
    c.expect(upgrade("not_offered", 5222, "xmpp"))


@case("irc", ngircd="ngircd")
def irc(lab):
    servers.ngircd(lab)
    with lab.capture("ircs") as c:
        s_client(lab, 6697, IRC)
    c.expect(hello(6697, IRC))
    with lab.capture("refused") as c:  # ngircd has no STARTTLS
        talk(6667, (IRC_LOGIN, b" 376 "), (b"STARTTLS\r\n", b" 421 "), (b"QUIT\r\n", b""))
    c.expect(upgrade("refused", 6667, "irc"))
    with lab.capture("not-offered") as c:
        talk(6667, (b"CAP LS\r\n", b"CAP"), (b"QUIT\r\n", b""))
    c.expect(upgrade("not_offered", 6667, "irc"))


@case("irc-starttls", inspircd="inspircd")
def irc_starttls(lab):
    servers.inspircd(lab)
    with lab.capture("s_client") as c:
        s_client(lab, 6667, IRC, *P256, starttls="irc")
    c.expect(upgraded(6667, IRC, "irc"))
    with lab.capture("offer-not-used") as c:
        talk(6667, (b"CAP LS\r\n", b"tls"), (b"QUIT\r\n", b""))
    c.expect(upgrade("offered_unused", 6667, "irc"))


# --- proxies -------------------------------------------------------------------------------------

WWW = "www." + DOMAIN


@case("http-connect", tinyproxy="tinyproxy", curl="curl", stunnel4="stunnel4")
def http_connect(lab):
    servers.https(lab)
    servers.tinyproxy(lab)
    with lab.capture("curl") as c:
        curl(lab, f"https://{WWW}/", "-x", "http://127.0.0.1:3128")
    c.expect(upgraded(3128, WWW, "http-connect"), hello(443, WWW))
    with stunnel(lab, 3128, WWW, "connect", f"protocolHost = {WWW}:443"):
        with lab.capture("stunnel", only="port 3128") as c:
            talk(STUNNEL_PORT, (b"GET / HTTP/1.0\r\n\r\n", b"200 ok"))
        c.expect(upgraded(3128, WWW, "http-connect"))
    with lab.capture("refused") as c:
        curl(lab, f"https://{WWW}:444/", "-x", "http://127.0.0.1:3128", fails=True)
    c.expect(upgrade("refused", 3128, "http-connect"))


@case("socks", dante_server="danted", curl="curl")
def socks(lab):
    servers.https(lab)
    servers.danted(lab)
    for option, via in ("--socks5", "socks5"), ("--socks5-hostname", "socks5"), ("--socks4", "socks4"):
        with lab.capture("curl" + option) as c:
            curl(lab, f"https://{WWW}/", option, "127.0.0.1:1080")
        c.expect(upgraded(1080, WWW, via), hello(443, WWW))
        with lab.capture(f"curl{option}-refused") as c:
            curl(lab, f"https://{WWW}:444/", option, "127.0.0.1:1080", fails=True)  # nobody listens there
        c.expect(upgrade("refused", 1080, via))


@case("http-upgrade", cups_daemon="cupsd", cups_client="lpstat")
def http_upgrade(lab):
    servers.cupsd(lab)
    with lab.capture("lpstat") as c:
        lab.run(["lpstat", "-E", "-h", f"{WWW}:631", "-r"])
    c.expect(upgraded(631, "localhost", "http-upgrade"))  # so it names whom it meets on 127.0.0.1


@case("proxy-header", haproxy="haproxy", dovecot_imapd="/usr/lib/dovecot/imap", curl="curl")
def proxy_header(lab):
    servers.dovecot(lab, extra=servers.DOVECOT_HAPROXY)
    headers = {"proxy-v1": ("send-proxy", 10001, 10002), "proxy-v2": ("send-proxy-v2", 10003, 10004)}
    servers.haproxy(lab, headers.values())
    for version, (_, tls_port, imap_port) in headers.items():
        with lab.capture(version, only="port 993") as c:
            s_client(lab, tls_port, MAIL)
        c.expect(hello(993, MAIL, version))  # a header that nobody answers is no upgrade
        with lab.capture(version + "-imap", only="port 143") as c:
            s_client(lab, imap_port, MAIL, starttls="imap")
        c.expect(upgraded(143, MAIL, version, "imap"))


# --- 802.1X and RADIUS ---------------------------------------------------------------------------

EAP = {
    "tls": "eap=TLS\nclient_cert={0.cert!r}\nprivate_key={0.key!r}\n",
    "ttls": 'eap=TTLS\nphase2="auth=PAP"\n',
    "peap": 'eap=PEAP\nphase2="auth=GTC"\n',
}


def peer_conf(lab, method, fragment_size=1398):
    """What wpa_supplicant and eapol_test are told."""
    conf = f"""ap_scan=0
eapol_version=2
network={{
key_mgmt=IEEE8021X
eapol_flags=0
identity="{USER}"
password="{PASSWORD}"
ca_cert="{lab.ca}"
fragment_size={fragment_size}
{EAP[method].format(lab).replace("'", '"')}}}
"""
    return lab.write(f"peer-{method}-{fragment_size}.conf", conf)


def authenticate(lab, conf):
    argv = ["wpa_supplicant", "-D", "wired", "-i", "peer", "-c", conf]
    p = lab.start(argv, "CTRL-EVENT-EAP-SUCCESS", name=os.path.basename(conf))
    lab.stop(p)


@case("eapol", hostapd="hostapd", wpasupplicant="wpa_supplicant")
def eapol(lab):
    servers.hostapd(lab)
    for method, fragment_size in ("tls", 1398), ("ttls", 1398), ("peap", 1398), ("tls", 100):
        with lab.capture(f"{method}-{fragment_size}", interface="switch") as c:
            authenticate(lab, peer_conf(lab, method, fragment_size))
        c.expect(hello(None, None, "eapol", transport="eapol"))


@case("radius", freeradius="freeradius", eapoltest="eapol_test")
def radius(lab):
    servers.freeradius(lab)
    for method in EAP:
        for fragment_size in 1398, 100:
            with lab.capture(f"{method}-{fragment_size}") as c:
                conf = peer_conf(lab, method, fragment_size)
                server = ["-a", "127.0.0.1", "-p", "1812", "-s", servers.RADIUS_SECRET]
                lab.run(["eapol_test", "-t", "100", "-c", conf, *server])
            c.expect(hello(1812, None, "radius", transport="udp"))


@case("eapol-to-radius", freeradius="freeradius", hostapd="hostapd", wpasupplicant="wpa_supplicant")
def eapol_to_radius(lab):
    """One hello, seen twice: on the peer's cable, and between switch and server."""
    servers.freeradius(lab)
    servers.hostapd(lab, servers.hostapd_asks_radius())
    with lab.capture("cable", interface="switch") as cable, lab.capture("server") as server:
        authenticate(lab, peer_conf(lab, "tls"))
    cable.expect(hello(None, None, "eapol", transport="eapol"))
    server.expect(hello(1812, None, "radius", transport="udp"))


# --- OpenVPN -------------------------------------------------------------------------------------


def openvpn(lab, transport, *variants):
    """The hello is in clear unless the control channel is encrypted (tls-crypt)."""
    secret = lab.path("openvpn.key")
    lab.run(["openvpn", "--genkey", "secret", secret])
    server_proto, client_proto = ("udp4", "udp4") if transport == "udp" else ("tcp4-server", "tcp4-client")
    common = ["openvpn", "--dev", "null", "--ca", lab.ca, "--cert", lab.cert, "--key", lab.key]
    listen = ["--proto", server_proto, "--local", "127.0.0.1", "--port", "1194", "--tls-server", "--dh", "none"]
    connect = ["--proto", client_proto, "--remote", "127.0.0.1", "1194", "--nobind", "--tls-client"]
    for variant in variants:
        options = variant.format(secret).split()
        name = "-".join(w.strip("-") for w in options if not w.startswith("/")) or "plain"
        server = lab.start([*common, *listen, *options], (transport, 1194), name=name + "-server")
        with lab.capture(name) as c:
            client = lab.start(
                [*common, *connect, *options], "Initialization Sequence Completed", name=name + "-client"
            )
            lab.stop(client)
            lab.stop(server)
        readable = "--tls-crypt" not in options
        c.expect(hello(1194, None, "openvpn", transport=transport) if readable else encrypted(1194))


@case("openvpn-udp", openvpn="openvpn")
def openvpn_udp(lab):
    tls_auth = "--tls-auth {0} --auth "
    openvpn(lab, "udp", "", tls_auth + "SHA1", tls_auth + "SHA256", tls_auth + "SHA512", "--tls-crypt {0}")


@case("openvpn-tcp", openvpn="openvpn")
def openvpn_tcp(lab):
    openvpn(lab, "tcp", "", "--tls-auth {0}", "--tls-crypt {0}")


# --- what cannot be shown ------------------------------------------------------------------------


@case("telnet")
def telnet(lab):
    """The one protocol of openssl's -starttls that is not above."""
    raise Skip("START_TLS of telnet is no upgrade that hellotap knows, and Debian has no server that speaks it")


# --- stunnel as the server's end -----------------------------------------------------------------


@case("stunnel-server", stunnel4="stunnel4", postfix="postfix")
def stunnel_server(lab):
    servers.postfix(lab, {10025: "-o smtpd_tls_security_level=none"})
    servers.stunnel_server(lab, 25, 10025, "smtp")
    with lab.capture("smtp", only="port 25") as c:
        s_client(lab, 25, MAIL, starttls="smtp")
    c.expect(upgraded(25, MAIL, "smtp"))


# --- no TLS where TLS is awaited -----------------------------------------------------------------


@case("not-tls", dropbear_bin="dropbear", curl="curl")
def not_tls_on_443(lab):
    key = lab.path("host.key")
    lab.run(["dropbearkey", "-t", "ed25519", "-f", key])
    options = ["-F", "-E", "-T", "1", "-r", key, "-P", lab.path("dropbear.pid")]
    p = lab.start(["dropbear", *options, "-p", "127.0.0.1:443"], 443)
    with lab.capture("ssh") as c:
        lab.run(["dbclient", "-y", "-y", "-p", "443", f"{USER}@127.0.0.1", "true"], fails=True)
    c.expect(not_tls(443, "ssh"))
    lab.stop(p)
    web = [sys.executable, "-m", "http.server", "443", "--bind", "127.0.0.1", "-d", lab.folder("www")]
    p = lab.start(web, 443, name="http")
    with lab.capture("http") as c:
        curl(lab, f"http://{WWW}:443/")
    c.expect(not_tls(443, "http"))
    lab.stop(p)
    stand_ins.echo(443)
    with lab.capture("unknown") as c:
        talk(443, (b"\x01\x02\x03 who knows\r\n", b"who knows\r\n"))
    c.expect(not_tls(443, "unknown"))


if __name__ == "__main__":
    sys.exit(case.main())
