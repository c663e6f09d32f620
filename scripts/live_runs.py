"""Starts real servers, measures, loads and simulates: what the demo, the benches and the experiments share.

Standard library only. Servers listen on loopback, on a port that the system chooses, and are stopped by their
process id.
"""
import json
import re
import signal
import subprocess
import sys

MODELS = ("cifar10", "gtsrb")  # that ship
SAMPLES = {"cifar10": "cifar10-test", "gtsrb": "gtsrb-test"}


def say(text=""):
    print(text, file=sys.stderr, flush=True)


def fail(text, status=3):
    say(f"{sys.argv[0].rsplit('/', 1)[-1].removesuffix('.py')}: {text}")
    sys.exit(status)


def run_json(command, statuses=(0,)):
    """Runs `command`, lets its progress through, and returns the JSON object it prints."""
    done = subprocess.run(command, stdout=subprocess.PIPE)
    if done.returncode not in statuses:
        fail(f"`{' '.join(map(str, command))}` ended with status {done.returncode}")
    return json.loads(done.stdout)


def percent(part, whole):
    return 100 * part / whole if whole else 0.0


class Server:
    """One `laxity serve` on a free loopback port, stopped by its process id."""

    def __init__(self, laxity, config, policy, profile, more=()):
        self.process = subprocess.Popen(
            [laxity, "serve", "--config", config, "--policy", policy, "--profile", profile,
             "--http-port", "0", *more],
            stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
        self.url = None
        words = []
        for line in self.process.stderr:
            words.append(line)
            match = re.search(r"http://[\d.]+:\d+", line)
            if match:
                self.url = match[0]
            if "ready" in line and self.url:
                return
        fail("the server did not become ready:\n" + "".join(words))

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            fail("the server did not stop within 20 s of SIGTERM")
        self.process.stderr.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()
