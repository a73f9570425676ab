#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Somebody on the path takes STARTTLS out of the dialogues of real servers and clients.

usage: test_downgrade.py PROGRAM CASE | --list      (lab.py has the rest)

The captures are the client's side. The clients want TLS if it can be had, and log in either way.
"""

import sys

import servers
import stand_ins
from clients import AS_USER, MAIL, curl, send_mail
from lab import DOMAIN, PASSWORD, Cases, upgrade, upgraded

case = Cases()


def downgrades(lab, path, port, via, sni, client):
    """Each way to take TLS away is told; the same dialogue untouched is not. What is only cut out can
    be told by who saw the server offer it before."""
    with lab.capture("pass", only=f"port {port}") as c:
        client()
    c.expect(upgraded(port, sni, via))
    for mode in "blank", "command":
        path.mode = mode
        with lab.capture(mode, only=f"port {port}") as c:
            client()
        c.expect(upgrade("stripped", port, via))
    with lab.capture("remove", only=f"port {port}") as c:
        for path.mode in "pass", "remove":
            client()
    c.expect(upgraded(port, sni, via), upgrade("stripped", port, via))


@case("smtp", postfix="postfix", dovecot_core="dovecot", curl="curl")
def smtp(lab):
    servers.dovecot(lab)  # for the logins
    servers.postfix(lab, {10587: ""}, **servers.POSTFIX_AUTH)
    path = stand_ins.Stripper(587, 10587, b"STARTTLS")
    downgrades(lab, path, 587, "smtp", MAIL, lambda: send_mail(lab, f"smtp://{MAIL}:587", "--ssl", *AS_USER))


@case("imap", dovecot_imapd="/usr/lib/dovecot/imap", curl="curl")
def imap(lab):
    servers.dovecot(lab, extra=servers.dovecot_ports(imap=10143))
    path = stand_ins.Stripper(143, 10143, b"STARTTLS")
    downgrades(lab, path, 143, "imap", MAIL, lambda: curl(lab, f"imap://{MAIL}/", "--ssl", *AS_USER))


@case("pop3", dovecot_pop3d="/usr/lib/dovecot/pop3", curl="curl")
def pop3(lab):
    servers.dovecot(lab, extra=servers.dovecot_ports(pop3=10110))
    path = stand_ins.Stripper(110, 10110, b"STLS")
    downgrades(lab, path, 110, "pop3", MAIL, lambda: curl(lab, f"pop3://{MAIL}/", "--ssl", *AS_USER))


@case("ldap", slapd="slapd", ldap_utils="ldapsearch")
def ldap(lab):
    server = "ldap." + DOMAIN
    servers.slapd(lab, port=10389)
    path = stand_ins.LdapStripper(389, 10389)

    def client():
        env = {**servers.environment(), "LDAPTLS_CACERT": lab.ca}
        login = ["-x", "-Z", "-H", f"ldap://{server}", "-D", servers.LDAP_ADMIN, "-w", PASSWORD]
        lab.run(["ldapsearch", *login, "-b", "", "-s", "base", "supportedExtension"], env=env)

    with lab.capture("pass", only="port 389") as c:
        client()
    c.expect(upgraded(389, server, "ldap"))
    path.mode = "refuse"
    with lab.capture("refuse", only="port 389") as c:
        client()
    c.expect(upgrade("stripped", 389, "ldap"))


if __name__ == "__main__":
    sys.exit(case.main())
