#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Sensors that a libiio of another process finds at ip:127.0.0.1:PORT: the text protocol of iiod, version 0.24.

    imu      16 and 12 bits, shifted, of both byte orders, with and without sign; a rate of its own, timestamps
    mixed    32 bits beside 16, without timestamps, of which libiio 0.24 gets the place wrong
    adc      measures only when it has the trigger `timer`, which has its rate
    still    has a buffer and measures nothing, ever
    slow     has no buffer
    odd      has a format that cannot be

Sample i of the imu is accel_x: 7 * i, accel_y: -3 * i, voltage2: 4095 - i, voltage3: 100003 * i, temp: i - 500, each within
its bits; those beside them are ones. Every command is a line of the log, and so is every value that is written."""
import argparse
import errno
import pathlib
import select
import socket
import socketserver
import struct
import threading
import time
import xml.sax.saxutils


# libxml2 complains without a description of what there may be.
HEAD = """<?xml version="1.0" encoding="utf-8"?><!DOCTYPE context [<!ELEMENT context (device)*><!ELEMENT device (channel | attribute)*>
<!ELEMENT channel (scan-element?, attribute*)><!ELEMENT attribute EMPTY><!ELEMENT scan-element EMPTY>
<!ATTLIST context name CDATA #REQUIRED description CDATA #IMPLIED><!ATTLIST device id CDATA #REQUIRED name CDATA #IMPLIED>
<!ATTLIST channel id CDATA #REQUIRED type (input|output) #REQUIRED><!ATTLIST scan-element index CDATA #REQUIRED format CDATA #REQUIRED>
<!ATTLIST attribute name CDATA #REQUIRED filename CDATA #IMPLIED>]>"""


class Format:
    """`be:s12/16>>4`: 12 bits with sign in 16, big endian, above 4 others."""

    def __init__(self, text):
        self.text = text
        order, rest = text.split(":")
        self.big = order == "be"
        bits, rest = rest[1:].split("/")
        length, shift = rest.split(">>")
        self.bits, self.bytes, self.shift = int(bits), int(length) // 8, int(shift)

    def pack(self, value):
        mask = ((1 << self.bits) - 1) << self.shift
        raw = ((1 << 8 * self.bytes) - 1) & ~mask | (value << self.shift) & mask
        return raw.to_bytes(self.bytes, "big" if self.big else "little")


class Channel:
    def __init__(self, name, scan=None, value=lambda i: i, output=False, **attributes):
        self.name, self.format, self.value, self.output = name, Format(scan) if scan else None, value, output
        self.attributes = attributes

    def xml(self, index):
        scan = f'<scan-element index="{index}" format="{xml.sax.saxutils.escape(self.format.text)}" />' if self.format else ""
        attributes = "".join(f'<attribute name="{name}" filename="in_{self.name}_{name}" />' for name in self.attributes)
        return f'<channel id="{self.name}" type="{"output" if self.output else "input"}" >{scan}{attributes}</channel>'


class Device:
    def __init__(self, number, name, channels=(), trigger=None, kind="iio:device", **attributes):
        self.id, self.name, self.channels = f"{kind}{number}", name, list(channels)
        self.needs_trigger, self.trigger = trigger, None
        self.attributes = attributes

    def xml(self):
        channels = "".join(channel.xml(index) for index, channel in enumerate(self.channels))
        attributes = "".join(f'<attribute name="{name}" />' for name in self.attributes)
        return f'<device id="{self.id}" name="{self.name}" >{channels}{attributes}</device>'

    def row(self, number, mask, stamp):
        """A sample as the kernel's buffer has it: each value at a multiple of its size, and so is the next sample."""
        row, largest = b"", 1
        for index, channel in enumerate(self.channels):
            if not mask >> index & 1:
                continue
            size = channel.format.bytes
            largest = max(largest, size)
            row += bytes(-len(row) % size)
            row += struct.pack("<q", stamp) if channel.name == "timestamp" else channel.format.pack(channel.value(number))
        return row + bytes(-len(row) % largest)


def make_devices():
    timestamp = Channel("timestamp", "le:S64/64>>0")
    imu = [Channel("accel_x", "le:s16/16>>0", lambda i: 7 * i, scale="0.5", offset="0"),
           Channel("accel_y", "be:s12/16>>4", lambda i: -3 * i, scale="0.25", offset="10"),
           Channel("voltage2", "le:u12/16>>0", lambda i: 4095 - i, scale="2"),
           Channel("voltage3", "be:u24/32>>8", lambda i: 100003 * i),
           Channel("temp", "le:S16/16>>0", lambda i: i - 500, scale="125.000000", offset="-2.5"),
           timestamp]
    return [
        Device(0, "imu", imu, sampling_frequency="100", sampling_frequency_available="50 100 200 400",
               current_timestamp_clock="realtime"),
        Device(1, "mixed", [Channel("voltage0", "le:s32/32>>0", scale="1"), Channel("voltage1", "le:s16/16>>0", scale="1"),
                            Channel("altvoltage0", output=True, raw="0")], sampling_frequency="400"),
        Device(2, "adc", [Channel("voltage0", "le:u16/16>>0", scale="0.001")], trigger="timer"),
        Device(3, "still", [Channel("voltage0", "le:u8/8>>0")], needs_nothing="0"),
        Device(4, "slow", [Channel("temp", raw="21", scale="1000")]),
        Device(5, "odd", [Channel("voltage0", "le:u8/0>>0")]),
        Device(0, "timer", kind="trigger", sampling_frequency="10"),
    ]


class Refused(Exception):
    pass


class Session(socketserver.StreamRequestHandler):
    """One connection, as iiod serves it: a line asks, a number answers, and what that many bytes are."""

    disable_nagle_algorithm = True

    def handle(self):
        self.opened, self.mask, self.next, self.began = None, 0, 0, 0
        while line := self.rfile.readline():
            words = line.decode().split()
            if not words:
                continue
            self.server.note(" ".join(words))
            if words[0] == "EXIT":
                return
            try:
                self.answer(getattr(self, "do_" + words[0].lower())(*words[1:]))
            except Refused as refused:
                self.answer(-refused.args[0])
            except (AttributeError, StopIteration):
                self.answer(-errno.EINVAL)

    def answer(self, what):
        if isinstance(what, str):
            self.wfile.write(f"{len(what)}\n{what}\n".encode())
        elif what is not None:
            self.wfile.write(f"{what}\n".encode())

    def find(self, name):
        return next(device for device in self.server.devices if name in (device.id, device.name))

    def owner(self, device, words):
        """Who has the attribute: the device, or a channel of it."""
        if words[0] not in ("INPUT", "OUTPUT"):
            return self.find(device)
        return next(c for c in self.find(device).channels if c.name == words[1] and c.output == (words[0] == "OUTPUT"))

    def do_print(self):
        return self.server.xml

    def do_version(self):
        self.wfile.write(b"0.24.simulat\n")

    def do_timeout(self, unused):
        return 0

    def do_set(self, *unused):
        return 0

    def do_read(self, device, *words):
        return self.owner(device, words).attributes[words[-1]]

    def do_write(self, device, *words):
        value = self.rfile.read(int(words[-1])).decode().rstrip("\0")
        self.server.note(f"= {value}")
        owner, name = self.owner(device, words), words[-2]
        allowed = owner.attributes.get(f"{name}_available")
        refuses_clock = name == "current_timestamp_clock" and self.server.only_realtime
        if refuses_clock or (allowed and value not in allowed.split()):
            raise Refused(errno.EINVAL)
        owner.attributes[name] = value
        return int(words[-1])

    def do_gettrig(self, device):
        return self.find(device).trigger or 0

    def do_settrig(self, device, trigger):
        self.find(device).trigger = self.find(trigger).name
        return 0

    def do_open(self, device, samples, mask):
        found = self.find(device)
        if found.needs_trigger and found.trigger != found.needs_trigger:
            raise Refused(errno.EINVAL)
        if found.name in self.server.busy:
            raise Refused(errno.EBUSY)
        self.opened, self.mask, self.next, self.began = found, int(mask, 16), 0, time.monotonic()
        return 0

    def do_close(self, device):
        self.opened = None
        return 0

    def wait_until(self, when):
        """False: the other side has hung up."""
        while (left := when - time.monotonic()) > 0:
            if select.select([self.connection], [], [], min(left, 3600))[0]:
                return bool(self.connection.recv(1, socket.MSG_PEEK))
        return True

    def do_readbuf(self, device, count):
        found, data = self.opened, b""
        if found is None:
            raise Refused(errno.EBADF)
        trigger = self.find(found.trigger) if found.trigger else found
        rate = float(trigger.attributes.get("sampling_frequency", 0))
        monotonic = self.server.monotonic()
        while len(data) < int(count):
            due = self.began + (self.next + 1) / rate if rate else float("inf")
            if not self.wait_until(due):
                return
            clock = 0 if monotonic else time.time_ns() - time.monotonic_ns()
            data += found.row(self.next, self.mask, int(due * 1e9) + clock - self.server.late_ns)
            self.next += 1
        self.deliver(data[: int(count)], len(found.channels))

    def deliver(self, data, channels):
        """In two parts, the first of which says what is in it."""
        words = (channels + 31) // 32
        half = len(data) // 2
        self.wfile.write(f"{half}\n{self.mask:0{8 * words}x}\n".encode() + data[:half] if half else b"")
        self.wfile.write(f"{len(data) - half}\n".encode())
        if not half:
            self.wfile.write(f"{self.mask:0{8 * words}x}\n".encode())
        self.wfile.write(data[half:])


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True

    def __init__(self, arguments):
        self.only_realtime, self.busy, self.log = arguments.only_realtime, arguments.busy, arguments.log
        self.devices, self.late_ns = make_devices(), int(arguments.late_ms * 1e6)
        everything = "".join(device.xml() for device in self.devices)
        self.xml = f'{HEAD}<context name="local" description="simulated" >{everything}</context>'
        self.lock = threading.Lock()
        super().__init__(("127.0.0.1", arguments.port), Session)

    def monotonic(self):
        return self.devices[0].attributes["current_timestamp_clock"] == "monotonic"

    def note(self, line):
        if self.log:
            with self.lock, self.log.open("a") as log:
                log.write(line + "\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("port", type=int)
    parser.add_argument("--log", type=pathlib.Path)
    parser.add_argument("--only-realtime", action="store_true", help="its clock cannot be chosen")
    parser.add_argument("--late-ms", type=float, default=0, help="so old is a sample when it is sent")
    parser.add_argument("--busy", nargs="*", default=[], help="devices that somebody else reads")
    Server(parser.parse_args()).serve_forever()


if __name__ == "__main__":
    main()
