#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Records through a Kafka broker: a real one (Apache Kafka in KRaft mode) where Java and Maven are there, otherwise
the one that librdkafka brings for tests. Which one it was is printed.

usage: test_kafka.py PROGRAM MOCK-BROKERS PCAPS SCHEMA FETCH-KAFKA FOLDER
Kafka's jars are fetched into FOLDER, or HELLOTAP_KAFKA=FOLDER. HELLOTAP_KAFKA=mock: no real one.
Skipped (77) without kcat.
"""
import base64
import collections
import glob
import importlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest

from waiting import free_port, until_within

PROGRAM, MOCK, PCAPS, SCHEMA, FETCH, FOLDER = (os.path.abspath(a) for a in sys.argv[1:7])
WANTED = os.environ.get("HELLOTAP_KAFKA", "")
JARS = os.path.abspath(WANTED) if WANTED not in ("", "mock") else FOLDER
CAPTURES = sorted(f for f in glob.glob(os.path.join(PCAPS, "*.pcap*")) if "format-" not in f) # those are damaged
FEW = [os.path.join(PCAPS, n) for n in ("pq-shares.pcap", "firefox-tls13.pcapng", "firefox-tls13.pcap", "dtls12-hello.pcap")]
FEW = [f for f in FEW if os.path.exists(f)]
TIMES = 75 # of those, before and after the broker goes away
SECONDS = 300 # for whatever has to happen; the machine may be busy
until = until_within(SECONDS)

if shutil.which("kcat") is None:
    print("SKIP: kcat is not installed")
    sys.exit(77)


def answers(address):
    return subprocess.run(["kcat", "-b", address, "-L", "-m", "10"], capture_output=True, timeout=SECONDS).returncode == 0


class Apache:
    """One node that is broker and controller. It keeps what it has when it is stopped, and starts with it again."""

    name = "Apache Kafka"

    def __init__(self, folder):
        self.folder, self.process = folder, None
        self.port, controller = free_port(), free_port()
        self.address = f"127.0.0.1:{self.port}"
        self.config = os.path.join(folder, "server.properties")
        with open(self.config, "w") as f:
            f.write(f"""process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
controller.listener.names=CONTROLLER
listeners=PLAINTEXT://{self.address},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://{self.address}
log.dirs={folder}/data
num.partitions=3
auto.create.topics.enable=true
offsets.topic.replication.factor=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
group.initial.rebalance.delay.ms=0
""")
        cluster = base64.urlsafe_b64encode(os.urandom(16)).decode().rstrip("=")
        self.java("kafka.tools.StorageTool", "format", "-t", cluster, "-c", self.config)

    @staticmethod
    def command(main, *args, heap="256m"):
        return ["java", f"-Xmx{heap}", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp", JARS + "/*", main, *args]

    def java(self, main, *args):
        return subprocess.run(self.command(main, *args), check=True, capture_output=True, timeout=SECONDS).stdout

    def start(self):
        with open(os.path.join(self.folder, "log"), "ab") as log:
            self.process = subprocess.Popen(self.command("kafka.Kafka", self.config), stdout=log, stderr=log)

    def wait(self):
        until(lambda: self.process.poll() is not None or answers(self.address))
        if self.process.poll() is None and answers(self.address):
            return
        with open(os.path.join(self.folder, "log")) as log:
            raise AssertionError("the broker did not start: " + log.read()[-2000:])

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def hang(self):
        self.process.send_signal(signal.SIGSTOP)

    def go_on(self):
        self.process.send_signal(signal.SIGCONT)

    def close(self):
        if self.process is not None and self.process.poll() is None:
            self.kill()


class Mock:
    """Keeps what it has while it is down, too."""

    name = "librdkafka's mock cluster"

    def __init__(self, _):
        self.process = subprocess.Popen([MOCK], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self.address = self.process.stdout.readline().strip()
        self.kill()

    def tell(self, what):
        self.process.stdin.write(what + "\n")
        self.process.stdin.flush()
        assert self.process.stdout.readline() == what + "\n"

    def start(self):
        self.tell("up")

    go_on = start

    def wait(self):
        assert until(lambda: answers(self.address))

    def kill(self):
        self.tell("down")

    hang = kill

    def close(self):
        self.process.stdin.close()
        self.process.wait(timeout=SECONDS)


def choose_broker():
    if WANTED == "mock":
        return Mock
    fetched = subprocess.run([FETCH, JARS], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if fetched.returncode != 0:
        print("no Apache Kafka: " + fetched.stdout.strip()[-300:])
        return Mock
    return Apache


Message = collections.namedtuple("Message", "partition offset key value headers")


class Kafka(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix="kafka-")
        kind = choose_broker()
        print("broker: " + kind.name, file=sys.stderr)
        cls.broker = kind(cls.folder)
        cls.broker.start()
        cls.broker.wait()

    @classmethod
    def tearDownClass(cls):
        cls.broker.close()
        shutil.rmtree(cls.folder)

    def send(self, topic, captures, *options, times=1, spool=False, gate=None):
        """Begins to send; expect() waits for the end. Its JSON output has the same records with the same numbers."""
        self.reference = os.path.join(self.folder, topic + ".jsonl")
        self.to = f"kafka://{self.broker.address}/{topic}"
        options = [*options, *(["linger_s=120"] if not any(o.startswith("linger_s=") for o in options) else [])]
        if spool:
            options.append("spool=" + os.path.join(self.folder, topic + ".spool"))
            os.makedirs(options[-1][6:], exist_ok=True)
        inputs = [a for c in captures * times for a in ("-r", c)]
        if gate is not None:
            inputs += ["-r", gate, *inputs]
        with open(self.reference + ".err", "w") as err:
            return subprocess.Popen(
                [PROGRAM, "-q", *inputs, "--records", "hello,event,flow,aggregate", "--sensor-id", "sensor-7", "--stats", "json",
                 "-o", f"json:{self.reference}?linger_s=120", "-o", self.to + "?" + "&".join(options)],
                stdout=subprocess.DEVNULL, stderr=err,
            )  # fmt: skip

    def said(self):
        with open(self.reference + ".err") as f:
            return f.read()

    def expect(self, process, timeout=SECONDS):
        """All was delivered, says the ledger. Returns the output's counters, and what was said."""
        s, err = self.ledger(process, timeout)
        self.assertEqual((s["records"], s["delivered"], s["lost"], s["spool_left"]), (len(self.want), len(self.want), 0, 0), err)
        return s, err

    def ledger(self, process, timeout=SECONDS):
        """Waits for the end."""
        process.wait(timeout)
        err = self.said()
        self.assertEqual(process.returncode, 0, err)
        with open(self.reference, "rb") as f:
            self.want = {n: line for n, line in enumerate(f.read().splitlines(), 1)}
        (ledger,) = [json.loads(line) for line in err.splitlines() if line.startswith('{"record":"stats"')]
        self.assertTrue(ledger["balanced"], err)
        (s,) = [s for s in ledger["sinks"] if s["sink"] == self.to]
        self.assertEqual(s["records"], len(self.want), err)
        return s, err

    def read(self, topic):
        """All of a topic, by kcat."""
        done = subprocess.run(
            ["kcat", "-q", "-C", "-b", self.broker.address, "-t", topic, "-o", "beginning", "-e", "-X", "check.crcs=true",
             "-f", r"%p %o %K %S %h\n%k%s\n"], capture_output=True, timeout=SECONDS)
        self.assertEqual(done.returncode, 0, done.stderr)
        data, at, messages = done.stdout, 0, []
        while at < len(data):
            end = data.index(b"\n", at)
            partition, offset, key_len, length, headers = data[at:end].split(b" ", 4)
            key_len, length = int(key_len), int(length)
            key = data[end + 1 : end + 1 + max(key_len, 0)] if key_len >= 0 else None
            start = end + 1 + max(key_len, 0)
            messages.append(Message(int(partition), int(offset), key, data[start : start + length], headers))
            at = start + length + 1
        return messages

    def expect_all(self, messages, sequence_of):
        """Every record is there. Returns how many came more than once."""
        times = collections.Counter(sequence_of(m) for m in messages)
        missing = sorted(set(self.want) - set(times))
        self.assertEqual(missing[:10], [], f"{len(missing)} of {len(self.want)} are not there")
        self.assertEqual(set(times) - set(self.want), set())
        last = {}
        for m in sorted(messages):
            n = sequence_of(m)
            if times[n] == 1 and not any(t > 1 for t in times.values()):
                self.assertGreater(n, last.get(m.partition, 0), "order within a partition")
                last[m.partition] = n
        return sum(t - 1 for t in times.values())

    @staticmethod
    def json_sequence(m):
        return json.loads(m.value)["sequence"]

    def expect_json(self, messages):
        again = self.expect_all(messages, self.json_sequence)
        where = {}
        for m in messages:
            self.assertEqual(m.value, self.want[self.json_sequence(m)])
            r = json.loads(m.value)
            self.assertEqual(m.headers, b"record=" + r["record"].encode())
            self.assertEqual(m.key, r["community_id"].encode() if "community_id" in r else None)
            if m.key is not None:
                self.assertEqual(where.setdefault(m.key, m.partition), m.partition, "a key stays in its partition")
        return again

    def test_1_all_arrive_once(self):
        counts, _ = self.expect(self.send("once", CAPTURES, times=2))
        self.assertGreater(counts["records"], 1000)
        self.assertEqual((counts["sent_again"], counts["connects"]), (0, 1))
        messages = self.read("once")
        self.assertEqual(self.expect_json(messages), 0)
        self.assertGreater(len({m.partition for m in messages}), 1)
        kinds = {m.headers for m in messages}
        self.assertEqual(kinds, {b"record=" + k for k in (b"hello", b"event", b"flow", b"aggregate")})

    def test_2_read_by_kafkas_own_consumer(self):
        if not isinstance(self.broker, Apache):
            self.skipTest("no real broker")
        counts, _ = self.expect(self.send("console", FEW))
        out = self.broker.java(
            "org.apache.kafka.tools.consumer.ConsoleConsumer", "--bootstrap-server", self.broker.address, "--topic", "console",
            "--from-beginning", "--max-messages", str(counts["records"]), "--timeout-ms", "240000")
        self.assertEqual(sorted(out.splitlines()), sorted(self.want.values()))

    # Some 10,000 records, which the broker is to take one batch at a time: it is away in the middle of them. Half of them stand
    # behind a pipe, and are read when it is away.
    SLOWLY = ("queue_mib=1", "kafka=batch.num.messages=5", "kafka=linger.ms=5", "kafka=max.in.flight=1")

    def in_the_middle(self, topic, *options, spool=False):
        """Sends, until the topic has some; go_on() is for when the broker is away."""
        self.gate = os.path.join(self.folder, topic + ".gate")
        os.mkfifo(self.gate)
        p = self.send(topic, FEW, *self.SLOWLY, *options, times=TIMES, spool=spool, gate=self.gate)
        self.addCleanup(p.wait)
        self.addCleanup(p.kill)
        self.assertTrue(until(lambda: p.poll() is not None or self.has_some(topic)), self.said())
        self.assertIsNone(p.poll(), "it is over before the broker went away")
        return p

    def go_on(self):
        """Lets it read what is behind the pipe, when it comes to that."""

        def write():
            with open(FEW[0], "rb") as f, open(self.gate, "wb") as to:
                shutil.copyfileobj(f, to)

        threading.Thread(target=write, daemon=True).start()

    def has_some(self, topic):
        return subprocess.run(
            ["kcat", "-q", "-C", "-b", self.broker.address, "-t", topic, "-o", "beginning", "-e", "-c", "20"],
            capture_output=True, timeout=SECONDS).stdout.count(b"\n") == 20

    def test_3_broker_hangs(self):
        p = self.in_the_middle("hangs")
        self.broker.hang()
        self.go_on()
        time.sleep(6)
        self.assertIsNone(p.poll(), "it is over before the broker went on")
        self.broker.go_on()
        counts, _ = self.expect(p)
        again = self.expect_json(self.read("hangs"))
        self.assertEqual(counts["connects"], 1)
        self.assertEqual(again, 0) # the producer is idempotent

    def test_4_broker_is_killed_and_comes_back(self):
        p = self.in_the_middle("killed")
        self.broker.kill()
        self.go_on()
        time.sleep(4)
        self.assertIsNone(p.poll(), "it is over before the broker came back")
        self.broker.start()
        counts, err = self.expect(p)
        again = self.expect_json(self.read("killed"))
        print(f"killed: {counts}, {again} came twice {err[:200]}", file=sys.stderr)
        if counts["connects"] == 1: # it may take long to start
            self.assertEqual(again, 0)
        self.assertLessEqual(again, counts["sent_again"])

    def test_5_broker_is_away_for_long(self):
        p = self.in_the_middle("breaks", "kafka=message.timeout.ms=3000")
        self.broker.kill()
        self.go_on()
        self.assertTrue(until(lambda: "; records wait\n" in self.said()), self.said())
        self.assertIsNone(p.poll(), "it is over before the broker came back")
        self.broker.start()
        counts, _ = self.expect(p)
        again = self.expect_json(self.read("breaks"))
        print(f"breaks: {counts}, {again} came twice", file=sys.stderr)
        self.assertGreater(counts["connects"], 1)
        self.assertGreater(counts["sent_again"], 0)
        self.assertLessEqual(again, counts["sent_again"])

    def test_5_broker_is_away_to_the_end(self):
        """What it did not acknowledge is in the spool. The next run sends it, before its own."""
        p = self.in_the_middle("long", "linger_s=3", spool=True)
        self.broker.kill()
        self.go_on()
        first, err = self.ledger(p)
        self.assertGreater(first["spool_left"], 100, err)
        self.assertEqual((first["delivered"] + first["spool_left"], first["lost"]), (first["records"], 0), err)
        want = list(self.want.values())
        self.broker.start()
        self.broker.wait()
        second, err = self.ledger(self.send("long", FEW, spool=True))
        self.assertEqual((second["recovered"], second["lost"], second["spool_left"]), (first["spool_left"], 0, 0), err)
        self.assertEqual(second["delivered"], second["recovered"] + second["records"], err)
        messages = sorted(self.read("long"))
        times = collections.Counter(m.value for m in messages)
        self.assertEqual(set(times), {*want, *self.want.values()})
        seen, newest = set(), {}
        for m in messages:
            if m.key is None or m.value in seen: # without a key, it may be in another partition the second time
                continue
            seen.add(m.value)
            r = json.loads(m.value)
            self.assertGreater((r["sensor_run"], r["sequence"]), newest.get(m.partition, (0, 0)), "order")
            newest[m.partition] = r["sensor_run"], r["sequence"]
        print(f"long: {first} {second}, {len(messages) - len(times)} came twice", file=sys.stderr)

    def test_6_broker_is_away_at_the_start(self):
        self.broker.kill()
        p = self.send("start", FEW, times=10)
        time.sleep(3)
        self.assertIsNone(p.poll())
        self.broker.start()
        self.expect(p)
        self.assertEqual(self.expect_json(self.read("start")), 0)

    def test_7_protobuf_says_the_same_as_json(self):
        Record = record_class(self.folder)
        if Record is None:
            self.skipTest("no protoc, or no google.protobuf")
        self.expect(self.send("binary", CAPTURES, "encoding=protobuf", "key=none"))
        messages = self.read("binary")
        self.assertEqual(self.expect_all(messages, lambda m: Record.FromString(m.value).sequence), 0)
        size = 0
        for m in messages:
            self.assertIsNone(m.key)
            r = Record.FromString(m.value)
            self.assertEqual(as_json(r), json.loads(self.want[r.sequence]))
            size += len(m.value)
        print(f"protobuf: {size} bytes, JSON: {sum(map(len, self.want.values()))}", file=sys.stderr)


# --- protobuf as JSON, from docs/hellotap.proto and docs/fields.md alone


def record_class(folder):
    """hellotap.Record as Google's own implementation has it."""
    try:
        import google.protobuf  # noqa: F401
    except ImportError:
        return None
    if shutil.which("protoc") is None:
        return None
    subprocess.run(["protoc", "-I", os.path.dirname(SCHEMA), "--python_out=" + folder, SCHEMA], check=True)
    sys.path.insert(0, folder)
    return importlib.import_module("hellotap_pb2").Record


def text(data):
    """docs/fields.md, "Text as sent"."""
    data = data.replace(b"\\x", b"\\x5cx")
    out, at = "", 0
    while at < len(data):
        for n in (1, 2, 3, 4):
            try:
                out += data[at : at + n].decode()
                break
            except UnicodeDecodeError:
                pass
        else:
            out, n = out + f"\\x{data[at]:02x}", 1
        at += n
    return out


def moment(ns, digits):
    seconds, rest = divmod(ns, 10**9)
    fraction = f".{rest:09d}"[: 1 + digits] if digits else ""
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)) + fraction + "Z"


HEX = {"quic_dcid", "quic_scid", "cert_serial", "cert_sha256"}


def value_of(field, v, record):
    if field.name.endswith("_ip"):
        return socket.inet_ntop(socket.AF_INET if len(v) == 4 else socket.AF_INET6, v)
    if field.name.endswith("_mac"):
        return v.hex(":")
    if field.name in HEX:
        return v.hex()
    if field.type == field.TYPE_BYTES:
        return [text(x) for x in v] if field.label == field.LABEL_REPEATED else text(v)
    if field.type == field.TYPE_SFIXED64:
        return moment(v, 9 if record.ts_is_ns else 6)
    if field.type == field.TYPE_INT64:
        return moment(v * 10**9, 0)
    return list(v) if field.label == field.LABEL_REPEATED else v


def as_json(record):
    extras = {"ts_is_ns", "ciphers_are_24_bit", "empty_lists", "stats_json"}
    out = {f.name: value_of(f, v, record) for f, v in record.ListFields() if f.name not in extras}
    for number in record.empty_lists:
        out[record.DESCRIPTOR.fields_by_number[number].name] = []
    return out


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1] + sys.argv[7:], verbosity=2)
