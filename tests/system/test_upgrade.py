#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Upgrades to TLS as real servers and clients speak them, captured and read.

usage: test_upgrade.py PROGRAM CASE | --list      (lab.py has the rest)
"""
import ftplib
import imaplib
import poplib
import sys

import clients
import servers
import stand_ins
from clients import AS_USER, MAIL, STUNNEL_PORT, curl, s_client, send_mail, stunnel, talk
from lab import DOMAIN, PASSWORD, USER, Cases, b64, hello, not_tls, retried, upgrade, upgraded, wait_for

case = Cases()


def refused_by_stunnel():
    """stunnel was told no: whoever is behind it gets nothing."""
    talk(STUNNEL_PORT, (None, b""))


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
        lab.run(["posttls-finger", "-c", "-l", "encrypt", "-o", "inet_protocols=ipv4", "-s", MAIL, "[127.0.0.1]:25"])
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
        talk(119, (None, b"20"), (b"CAPABILITIES\r\n", b"\r\n.\r\n"), (b"QUIT\r\n", b"205 "))
    c.expect(upgrade("offered_unused", 119, "nntp"))
    with lab.capture("login-in-clear") as c:
        talk(119, (None, b"20"), (b"CAPABILITIES\r\n", b"\r\n.\r\n"), (f"AUTHINFO USER {USER}\r\n".encode(), b"381"),
             (f"AUTHINFO PASS {PASSWORD}\r\n".encode(), b"\r\n"), (b"QUIT\r\n", b"205 "))  # fmt: skip
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
        s_client(lab, 21, FTP, starttls="ftp")
    c.expect(upgraded(21, FTP, "ftp", how=retried))  # vsftpd knows no X25519
    with lab.capture("curl") as c:
        curl(lab, f"ftp://{FTP}/", "--ssl-reqd", *AS_USER)
    c.expect(upgraded(21, FTP, "ftp", how=retried), retried(servers.FTP_DATA, FTP))
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
        curl(lab, f"ftps://{FTP}/", *AS_USER)
    c.expect(retried(990, FTP), retried(servers.FTP_DATA, FTP))


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


if __name__ == "__main__":
    sys.exit(case.main())
