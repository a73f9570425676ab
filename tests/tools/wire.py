# SPDX-License-Identifier: BSD-3-Clause
"""wire: builds captures from nothing but the standard library.

    import wire
    c = wire.Tcp().open().say(wire.records(wire.hello13("www.example.com")), [100])
    open("x.pcap", "wb").write(wire.pcap(c.frames()))

wire_file  capture files        wire_tls   hellos, records, DTLS
wire_net   packets below TLS    wire_quic  Initials, Retry, gQUIC (as wire.quic)
wire_tcp   conversations        wire_aes   AES-128-GCM
"""

import wire_quic as quic  # noqa: F401
from wire_file import *  # noqa: F401,F403
from wire_net import *  # noqa: F401,F403
from wire_tcp import *  # noqa: F401,F403
from wire_tls import *  # noqa: F401,F403
